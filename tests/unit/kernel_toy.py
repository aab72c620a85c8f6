"""The toy kernel of tests/fakelinux, offered as Debian's archive offers the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mshare_pkg.commands.kernel import command
from mshare_pkg.errors import MshareError
from mshare_pkg.kernel.files import sha256_of

REPO = Path(__file__).resolve().parents[2]
FAKELINUX = REPO / "tests" / "fakelinux"
#: When the toy's source was packed: what a build states as its own time.
STAMP = 1_700_000_000
VERSION = "6.12.99-1~deb12u1"


@dataclass
class Toy:
    """A checkout with a toy kernel, an archive that offers its source, and an empty cache."""

    root: Path
    archive: Path
    cache: Path

    @property
    def data(self) -> Path:
        """What is kept, not cached."""
        return self.root.parent / "data"

    @property
    def kernel(self) -> Path:
        """kernel/ of the checkout."""
        return self.root / "kernel"

    def offer(self, version: str = VERSION, digest: str | None = None) -> None:
        """Have the archive's index state a version and a digest; by default the right one."""
        (deb,) = self.archive.glob("*.deb")
        (self.archive / "Packages").write_text(
            f"Package: linux-source-6.12\nVersion: {version}\nSHA256: {digest or sha256_of(deb)}\n"
            "Description: source\n of a toy\n\nPackage: linux-source-6.12\nVersion: 0\n"
        )

    def downloads(self) -> int:
        """How often the source was fetched."""
        log = self.archive / "log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def run(self, *options: str, output: str = "out") -> Result:
        """Run `mshare kernel build`; an error of ours is in the result's `exception`."""
        arguments = ["build", "--output", str(self.root / output), "--json", "--jobs", "2", *options]
        return CliRunner().invoke(command, arguments)

    def build(self, *options: str, output: str = "out") -> dict[str, Any]:
        """Run `mshare kernel build`, which must succeed; returns build.json."""
        result = self.run(*options, output=output)
        if result.exception is not None:
            raise result.exception
        data: dict[str, Any] = json.loads((self.root / output / "build.json").read_text())
        assert json.loads(result.stdout) == data
        return data

    def fail(self, *options: str) -> MshareError:
        """Run `mshare kernel build`, which must fail with an error of ours."""
        result = self.run(*options)
        assert isinstance(result.exception, MshareError), result.output
        return result.exception

    def works(self) -> list[Path]:
        """The work directories."""
        return sorted((self.cache / "work").glob("*"))


def _archive(place: Path) -> Path:
    """Pack the toy's source as Debian does, into a directory that is made."""
    root = place / "root"
    sources = root / "usr" / "src"
    sources.mkdir(parents=True)
    tarball = sources / "linux-source-6.12.tar.xz"
    tree = ["-C", str(FAKELINUX / "tree"), "--transform=s,^[.],linux-source-6.12,", "--mode=u+rw,go=rX", "."]
    subprocess.run(["tar", "--sort=name", f"--mtime=@{STAMP}", "-cJf", tarball, *tree], check=True)
    os.utime(tarball, (STAMP, STAMP))
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        f"Package: linux-source-6.12\nVersion: {VERSION}\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    archive = place / "archive"
    archive.mkdir()
    deb = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(archive / "linux-source-6.12.deb")]
    subprocess.run(deb, check=True, stdout=subprocess.DEVNULL)
    return archive


def make_toy(place: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """Make a toy below a directory, and have the package use it."""
    root = place / "checkout"
    shutil.copytree(FAKELINUX / "project", root)
    shutil.copytree(REPO / "plugins/module_utils", root / "plugins/module_utils")
    toy = Toy(root, _archive(place), place / "cache")
    toy.offer()
    monkeypatch.setenv("MSHARE_ROOT", str(root))
    monkeypatch.setenv("MSHARE_CACHE", str(toy.cache))
    monkeypatch.setenv("MSHARE_DATA", str(toy.data))
    monkeypatch.setenv("FAKE_ARCHIVE", str(toy.archive))
    monkeypatch.setenv("PATH", f"{FAKELINUX / 'bin'}:{os.environ['PATH']}")
    return toy
