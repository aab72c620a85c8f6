"""The builder of kernel packages that panic, over a toy build."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mshare_pkg.errors import UserError
from mshare_pkg.kernel.debs import Control, pack
from mshare_pkg.paths import project_root
from mshare_pkg.repo import manifest
from mshare_pkg.run import run

sys.path.insert(0, str(project_root() / "tests" / "fleet"))
import badkernel

GOOD, BAD = "6.12.1-mshare1-vm", "6.12.1-mshare99-vm"
VERSION = "6.12.1-1~deb12u1+mshare1"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A build of an image, its metapackage and tools, with no kernel in it."""
    folder = tmp_path / "good"
    folder.mkdir()
    root = tmp_path / "root"
    (root / "boot").mkdir(parents=True)
    (root / f"boot/vmlinuz-{GOOD}").write_bytes(b"\xff\xfe" + GOOD.encode())
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/postinst").write_text(f"#!/bin/sh\necho {GOOD} mshare10\n")
    (root / "DEBIAN/postinst").chmod(0o755)
    (root / f"lib/modules/{GOOD}").mkdir(parents=True)
    (root / f"lib/modules/{GOOD}/build").symlink_to(f"/usr/src/linux-headers-{GOOD}")
    image = Control(f"linux-image-{GOOD}", VERSION, "amd64", "kernel", "kernel", "kernel")
    depends = {"Depends": f"linux-image-{GOOD} (= {VERSION})"}
    meta = Control("linux-image-mshare-vm", VERSION, "amd64", "metapackages", "meta", "meta", depends)
    tools = Control("mshare-tools", "0.1.0", "all", "admin", "tools", "tools")
    packages = []
    for kind, control, tree in (
        ("image", image, root),
        ("meta", meta, tmp_path / "m"),
        ("tools", tools, tmp_path / "t"),
    ):
        deb = pack(tree, control, folder, 1)
        content = deb.read_bytes()
        packages.append(
            {
                "name": control.name,
                "version": control.version,
                "kind": kind,
                "path": deb.name,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    build: dict[str, Any] = {
        "schema": 1,
        "release": GOOD,
        "revision": 1,
        "key": "0",
        "build_id": "00",
        "packages": packages,
    }
    (folder / "build.json").write_text(json.dumps(build))
    return folder


def test_the_bad_build_can_be_published_beside_the_good_one(good: Path, tmp_path: Path) -> None:
    made = badkernel.make(good, tmp_path / "bad")
    build = manifest.load(tmp_path / "bad")
    assert build.release == made["release"] == BAD
    names = {one.name: one for one in build.packages}
    assert set(names) == {f"linux-image-{BAD}", "linux-image-mshare-vm", "mshare-tools"}
    meta = names["linux-image-mshare-vm"]
    assert meta.version == "6.12.1-1~deb12u1+mshare99"
    assert manifest.fields(meta.control)["Depends"] == f"linux-image-{BAD} (= {meta.version})"
    newer = ["dpkg", "--compare-versions", meta.version, "gt", VERSION]
    run(newer, doing="comparing versions")
    tools = {one["name"]: one["sha256"] for one in json.loads((good / "build.json").read_text())["packages"]}
    assert names["mshare-tools"].sha256 == tools["mshare-tools"]


def test_files_scripts_and_links_carry_the_new_release(good: Path, tmp_path: Path) -> None:
    made = badkernel.make(good, tmp_path / "bad")
    (image,) = [one for one in made["packages"] if one["kind"] == "image"]
    run(["dpkg-deb", "--raw-extract", tmp_path / "bad" / image["path"], tmp_path / "out"], doing="unpacking")
    out = tmp_path / "out"
    assert (out / f"boot/vmlinuz-{BAD}").read_bytes() == b"\xff\xfe" + GOOD.encode()
    assert (out / "DEBIAN/postinst").read_text() == f"#!/bin/sh\necho {BAD} mshare10\n"
    assert str((out / f"lib/modules/{BAD}/build").readlink()) == f"/usr/src/linux-headers-{BAD}"


@pytest.mark.parametrize(("release", "planted"), [(BAD, True), (GOOD, False)])
def test_the_hook_ends_init_of_its_own_release_only(
    good: Path, tmp_path: Path, release: str, planted: bool
) -> None:
    made = badkernel.make(good, tmp_path / "bad")
    run(
        ["dpkg-deb", "-x", tmp_path / "bad" / made["packages"][0]["path"], tmp_path / "out"],
        doing="unpacking",
    )
    hook = tmp_path / "out/usr/share/initramfs-tools/hooks/mshare-test-panic"
    run([hook], doing="running the hook", env={"version": release, "DESTDIR": str(tmp_path / "initrd")})
    assert (tmp_path / "initrd/conf/conf.d/zz-mshare-test-panic").exists() is planted
    if planted:
        # As /init does it: the file is sourced, and the shell is gone.
        planted_file = tmp_path / "initrd/conf/conf.d/zz-mshare-test-panic"
        planted_file.write_text(planted_file.read_text().replace("/dev/kmsg", "/dev/null"))
        init = ["sh", "-c", f". {planted_file}; echo survived"]
        done = subprocess.run(init, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "survived" not in done.stdout


def test_the_good_revision_is_not_made_bad(good: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        badkernel.make(good, tmp_path / "bad", revision=1)
