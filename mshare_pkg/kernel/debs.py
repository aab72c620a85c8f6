"""Debian packages from directories, by dpkg-deb alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..run import run

MAINTAINER = "mshare <root@localhost>"


@dataclass(frozen=True)
class Control:
    """The control fields of a binary package.

    Attributes:
        name: package name.
        version: package version.
        architecture: Debian's name, or "all".
        section: Debian section.
        summary: one line.
        text: the longer description, lines of at most 79 characters.
        relations: Depends, Recommends and the like.
    """

    name: str
    version: str
    architecture: str
    section: str
    summary: str
    text: str
    relations: dict[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Name of the .deb file."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"

    def render(self, installed_kib: int) -> str:
        """The text of the control file."""
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": MAINTAINER,
            "Installed-Size": str(installed_kib),
            **self.relations,
            "Section": self.section,
            "Priority": "optional",
            "Description": "\n ".join(
                [self.summary, *(line or "." for line in self.text.strip().splitlines())]
            ),
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())


def pack(root: Path, control: Control, output: Path, stamp: int) -> Path:
    """Make a package of the files below `root`, owned by root, with plain modes and reproducible times.

    Args:
        root: the package's files; `root`/DEBIAN may hold maintainer scripts already.
        control: its control fields.
        output: directory for the .deb file.
        stamp: the newest time that a file may have, seconds since the epoch.

    Returns:
        The .deb file.
    """
    meta = root / "DEBIAN"
    meta.mkdir(parents=True, exist_ok=True)
    size = sum(
        -(-path.lstat().st_size // 1024) or 1 for path in root.rglob("*") if meta not in (path, *path.parents)
    )
    (meta / "control").write_text(control.render(size))
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    deb = output / control.file_name
    run(
        # gzip: every dpkg and every repository tool reads it, and an emulated host unpacks it fast.
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", root, deb],
        doing=f"making {deb.name}",
        env={"SOURCE_DATE_EPOCH": str(stamp), "TZ": "UTC"},
    )
    return deb
