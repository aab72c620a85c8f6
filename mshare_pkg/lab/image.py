"""The disk of a freshly installed Debian machine: made once for its inputs, then shared by all machines.

The root comes from mmdebstrap, a file system from `mke2fs -d`, and GRUB from Debian's own grub-install and
update-grub, which run once in the machine itself. No loop devices, no mounts.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from .. import ui
from ..errors import InfraError, UserError
from ..run import run, tail
from . import accel, needs, recipe, shelf, sources, ssh

#: The partition begins here, where fdisk would put it; GRUB's core lies before it.
_START = 1 << 20
_BLOCK = 4096

#: Seconds until a first boot that has not ended is given up; alone it takes about 40.
_FIRST_BOOT_SECONDS = 600

_DONE = "MSHARE-FIRSTBOOT-OK"


def obtain() -> Path:
    """Directory of the current image in the cache: base.qcow2, key (and key.pub), host_key.pub.

    Raises:
        UserError: it has to be built, and this process may not (it is not root).
        InfraError: a tool is missing or failed.
    """
    needs.require(needs.RUN)
    wanted = recipe.load()
    return shelf.obtain("images", wanted.key(), lambda work: _make(wanted, work), lambda _work: None)


def _make(wanted: recipe.Recipe, work: Path) -> None:
    needs.require(needs.BUILD)
    if os.geteuid() != 0:
        raise UserError("the lab's disk image has to be built, which takes root", "run the command as root")
    ssh.make_key(work / "key", "mshare lab")
    root, raw = work / "root", work / "disk.raw"
    filesystem = str(uuid.uuid4())
    with ui.step("lab: installing Debian for the machines' disk"):
        _install(wanted, root, work)
        _configure(wanted, root, work, filesystem)
    with ui.step("lab: first boot of the disk"):
        _lay_disk(wanted, root, raw, filesystem)
        _first_boot(root, raw, filesystem, work / "first-boot.log")
    base = work / "base.qcow2"
    run([needs.tool("qemu-img"), "convert", "-O", "qcow2", raw, base], doing="converting the lab's disk")
    base.chmod(0o444)
    raw.unlink()
    shelf.remove_tree(root)
    shelf.remove_tree(work / "early")


def _lay(files: dict[str, str], root: Path) -> None:
    """Write files below a root directory."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _install(wanted: recipe.Recipe, root: Path, work: Path) -> None:
    """Have mmdebstrap install the packages."""
    archive = sources.of_controller(wanted.suite)
    early = work / "early"
    _lay(wanted.early_files, early)
    dpkg = [f"path-exclude={path}" for path in wanted.exclude]
    dpkg += [f"path-include={path}" for path in wanted.include]
    run(
        [
            needs.tool("mmdebstrap"),
            "--mode=root",
            "--variant=apt",
            "--format=directory",
            *(f"--aptopt={option}" for option in archive.options),
            *(f"--dpkgopt={option}" for option in dpkg),
            f"--essential-hook=sync-in {early} /",
            f"--include={','.join(wanted.packages)}",
            wanted.suite,
            root,
            "-",
        ],
        doing="installing Debian into a directory",
        stdin="\n".join(archive.lines) + "\n",
        timeout=1800,
        remedy="look at what mmdebstrap says above; `apt-get update` may help",
    )


def _configure(wanted: recipe.Recipe, root: Path, work: Path, filesystem: str) -> None:
    """Make a machine of an installed root: its files, its units, the keys that let us in."""
    etc = root / "etc"
    # How the image was made is no business of the machine: apt reaches only archives that it is given later.
    for leftover in ("apt/sources.list", "apt/apt.conf.d/99mmdebstrap", "dpkg/dpkg.cfg.d/99mmdebstrap"):
        (etc / leftover).unlink(missing_ok=True)
    _lay({name: text.replace("@UUID@", filesystem) for name, text in wanted.files.items()}, root)
    for unit in wanted.mask:
        (etc / "systemd/system" / unit).unlink(missing_ok=True)
        (etc / "systemd/system" / unit).symlink_to("/dev/null")
    for unit in wanted.enable:
        wants = etc / "systemd/system/multi-user.target.wants"
        (wants / unit).symlink_to(f"/lib/systemd/system/{unit}")
    # Every login would run these.
    for script in (etc / "update-motd.d").iterdir():
        script.chmod(0o644)
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    _let_in(root, work)
    run(
        [needs.tool("chroot"), root, "debconf-set-selections"],
        doing="telling grub-pc its disk",
        stdin="grub-pc grub-pc/install_devices multiselect /dev/vda\n",
    )
    (root / "firstboot.sh").write_bytes(recipe.FIRSTBOOT.read_bytes())
    (root / "firstboot.sh").chmod(0o755)


def _let_in(root: Path, work: Path) -> None:
    """Give the system a host key that we know, and root's account the image's key."""
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    ssh.make_key(host_key, "mshare lab image")
    (work / "host_key.pub").write_bytes(host_key.with_suffix(".pub").read_bytes())
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "authorized_keys").write_bytes((work / "key.pub").read_bytes())
    (home / "authorized_keys").chmod(0o600)


def _lay_disk(wanted: recipe.Recipe, root: Path, raw: Path, filesystem: str) -> None:
    """Make a disk with one partition that holds a file system with the root's files."""
    with raw.open("wb") as file:
        file.truncate(wanted.disk_bytes)
    run(
        [needs.tool("sfdisk"), "--quiet", raw],
        doing="partitioning the lab's disk",
        stdin=f"label: dos\nstart={_START // 512}, type=83, bootable\n",
    )
    run(
        [
            needs.tool("mke2fs"),
            "-q",
            *("-t", "ext4"),
            *("-b", str(_BLOCK)),
            *("-U", filesystem),
            *("-E", f"offset={_START},lazy_itable_init=0,nodiscard"),
            *("-d", root),
            raw,
            str((wanted.disk_bytes - _START) // _BLOCK),
        ],
        doing="making the lab's file system",
    )


def _first_boot(root: Path, raw: Path, filesystem: str, console: Path) -> None:
    """Start the installed kernel once with firstboot.sh, which installs GRUB and powers off."""
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    (initrd,) = (root / "boot").glob("initrd.img-*")
    run(
        [
            # QEMU ends with this process, however that ends.
            *(needs.tool("setpriv"), "--pdeathsig", "KILL"),
            needs.tool("qemu-system-x86_64"),
            *("-nodefaults", "-display", "none", "-no-reboot", "-m", "1024", "-smp", "2"),
            *accel.arguments(accel.chosen()),
            # A disk that nobody sees before it is whole needs no flushes.
            *("-drive", f"file={raw},format=raw,if=virtio,cache=unsafe"),
            *("-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"),
            *("-kernel", kernel, "-initrd", initrd),
            *("-append", f"root=UUID={filesystem} console=ttyS0 norandmaps panic=-1 init=/firstboot.sh"),
        ],
        doing="booting the lab's disk for the first time",
        timeout=_FIRST_BOOT_SECONDS,
    )
    said = console.read_text(errors="replace")
    if _DONE not in said:
        raise InfraError(f"the first boot of the lab's disk failed; the end of its console:\n{tail(said)}")
