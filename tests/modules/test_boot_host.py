"""Reading a host from files: a made tree stands for it."""

from __future__ import annotations

import struct
from pathlib import Path

from plugins.module_utils import mshare_host, mshare_packages, mshare_status

STOCK = "6.1.0-56-cloud-amd64"


def note(name: bytes, kind: int, description: bytes) -> bytes:
    """An ELF note."""
    return (
        struct.pack("=III", len(name), len(description), kind)
        + name.ljust(8, b"\0")[: (len(name) + 3) // 4 * 4]
        + (description.ljust((len(description) + 3) // 4 * 4, b"\0"))
    )


def tree(root: Path, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(root)


def test_build_id_among_other_notes() -> None:
    notes = note(b"Linux\0", 0x100, b"abc") + note(b"GNU\0", 3, bytes(range(20))) + note(b"Xen\0", 6, b"x")
    assert mshare_host.build_id_of(notes) == bytes(range(20)).hex()
    assert mshare_host.build_id_of(note(b"Xen\0", 6, b"x")) == ""
    assert mshare_host.build_id_of(b"") == ""


def test_host(tmp_path: Path) -> None:
    grub = (Path(__file__).parent / "boot" / "grub" / "submenu.cfg").read_text()
    root = tree(
        tmp_path,
        {
            "proc/sys/kernel/osrelease": f"{STOCK}\n",
            "proc/sys/kernel/random/boot_id": "b\n",
            "proc/cmdline": f"BOOT_IMAGE=/boot/vmlinuz-{STOCK} ro\n",
            "proc/uptime": "12.5 3.0\n",
            "proc/filesystems": "nodev\tsysfs\nnodev\tmsharefs\n\text4\n",
            "proc/self/mountinfo": (
                "22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
                "30 22 0:25 / /sys/fs/mshare rw,nosuid - msharefs msharefs rw,mode=1777\n"
            ),
            "proc/meminfo": "MemTotal: 1000 kB\nCommitLimit: 500 kB\n",
            "sys/kernel/notes": note(b"GNU\0", 3, b"\xaa\xbb"),
            "sys/dev/block/254:1/stat": "",
            f"boot/vmlinuz-{STOCK}": "kernel",
            f"boot/initrd.img-{STOCK}": "initramfs",
            "boot/vmlinuz-6.12.117-mshare1-vm": "kernel",
            "boot/config-6.12.117-mshare1-vm": "CONFIG_MMU=y\nCONFIG_MSHARE=y\n",
            "boot/grub/grub.cfg": grub,
            "boot/grub/grubenv": "# GRUB Environment Block\nsaved_entry=x\n####",
            "var/lib/dpkg/status": (
                f"Package: linux-image-{STOCK}\nStatus: install ok installed\nVersion: 6.1\n\n"
                "Package: mshare-tools\nStatus: deinstall ok config-files\nVersion: 1\n"
            ),
            f"var/lib/dpkg/info/linux-image-{STOCK}.list": f"/boot\n/boot/vmlinuz-{STOCK}\n",
            "var/lib/apt/extended_states": f"Package: linux-image-{STOCK}\nAuto-Installed: 1\n",
        },
    )
    facts = mshare_host.read_host(root)
    assert (facts["release"], facts["boot_image"], facts["build_id"]) == (STOCK, STOCK, "aabb")
    assert facts["kernels"]["6.12.117-mshare1-vm"] == {"vmlinuz_bytes": 6, "initrd_bytes": 0, "mshare": True}
    assert not facts["kernels"][STOCK]["mshare"]
    assert facts["grub"]["filesystem"]["type"] == "ext4"
    assert facts["grub"]["filesystem"]["device_kind"] == "plain"
    assert facts["grub"]["env"] == {"saved_entry": "x"}
    assert facts["packages"] == {f"linux-image-{STOCK}": "6.1"}
    assert facts["auto"] == [f"linux-image-{STOCK}"]
    assert facts["kernel_package"] == f"linux-image-{STOCK}"
    assert facts["filesystem_known"]
    assert [mount["point"] for mount in facts["mounts"]] == ["/sys/fs/mshare"]
    assert facts["trial"] is None


def test_device_mapper_is_seen(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {"proc/self/mountinfo": "22 1 253:0 / / rw - ext4 /dev/x rw\n", "sys/dev/block/253:0/dm/name": "x"},
    )
    assert mshare_host.read_host(root)["grub"]["filesystem"]["device_kind"] == "device-mapper"


def test_a_partition_of_an_array_is_no_plain_device(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/mountinfo": "22 1 259:1 / / rw - ext4 /dev/md126p1 rw\n",
            "sys/devices/md126/md/level": "raid1\n",
            "sys/devices/md126/md126p1/partition": "1\n",
            "sys/dev/block/x": "",
        },
    )
    (tmp_path / "sys/dev/block/259:1").symlink_to("../../devices/md126/md126p1")
    assert mshare_host.read_host(root)["grub"]["filesystem"]["device_kind"] == "raid"


def test_the_longest_mount_point_holds_a_path() -> None:
    mounts = mshare_host.mounts_of("1 0 1:1 / / rw - ext4 a rw\n2 1 1:2 / /boot ro - ext4 b rw\n")
    assert mshare_host.mount_of(mounts, "/boot/grub")["source"] == "b"
    assert mshare_host.mount_of(mounts, "/bootx")["source"] == "a"
    assert "ro" in mounts[1]["options"]


def test_releases_sort_as_dpkg_sorts() -> None:
    ordered = ["6.1.0-9", "6.1.0-54-cloud", "6.1.0-55-cloud", "6.12.117~rc1", "6.12.117", "6.12.117+deb12"]
    assert sorted(set(ordered), key=mshare_status.release_key) == ordered


MADISON = (
    " linux-image-a | 2 | http://x mshare/main amd64 Packages\n linux-image-a | 1 | http://x mshare/main\n"
)


def test_package_plan_refreshes_only_what_apt_does_not_know() -> None:
    known = mshare_packages.known_versions(MADISON)
    assert known == {"linux-image-a": {"1", "2"}}
    (install,) = mshare_packages.plan_install({"linux-image-a": "1"}, known)
    assert install[-1] == "linux-image-a=1"
    refresh, _install = mshare_packages.plan_install({"linux-image-a": "3"}, known)
    assert refresh == mshare_packages.REFRESH
    assert mshare_packages.plan_install({}, known) == []


def test_package_versions_are_exact() -> None:
    assert mshare_packages.missing({"a": "2", "b": "1"}, {"a": "1", "b": "1", "c": "1"}) == {
        "a": "1",
        "c": "1",
    }


def test_any_version_will_do_when_none_is_named() -> None:
    assert mshare_packages.missing({"a": "2"}, {"a": "", "b": ""}) == {"b": ""}
    (install,) = mshare_packages.plan_install({"linux-image-a": ""}, mshare_packages.known_versions(MADISON))
    assert install[-1] == "linux-image-a"
    refresh, install = mshare_packages.plan_install({"b": ""}, {})
    assert (refresh, install[-1]) == (mshare_packages.REFRESH, "b")


def test_purge_takes_the_project_s_packages_alone() -> None:
    installed = {"linux-image-6.12.117-mshare1-vm": "1", "linux-image-amd64": "1", "mshare-tools": "1"}
    (purge,) = mshare_packages.plan_remove(installed, ["linux-image-*mshare*", "mshare-*"])
    assert purge[purge.index("purge") + 1 :] == ["linux-image-6.12.117-mshare1-vm", "mshare-tools"]
    assert mshare_packages.plan_remove({"bash": "5"}, ["mshare-*"]) == []
