"""A quilt series: the list of patches in a directory, in the order in which they apply."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .files import sha256_of


@dataclass(frozen=True)
class Patch:
    """One entry of a series.

    Attributes:
        name: as the series spells it.
        path: the file.
        heading: the last comment block above it, without the hashes; "" when there is none.
    """

    name: str
    path: Path
    heading: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the patch file, in hex."""
        return sha256_of(self.path)


def read_series(folder: Path) -> tuple[Patch, ...]:
    """Read `folder`/series. An empty series is fine, a missing one is not.

    An entry is a file name, with `-p1` after it or nothing; comments begin with `#`, on lines of their own or
    after an entry.

    Raises:
        UserError: there is no series file, an entry is missing, named twice, outside the folder, or wants
            another strip level.
    """
    series = folder / "series"
    if not series.is_file():
        raise UserError(f"{folder} holds no file `series`", "name a directory with a quilt series")
    patches: list[Patch] = []
    comment: list[str] = []
    heading = ""
    for number, line in enumerate(series.read_text().splitlines(), 1):
        text = line.strip()
        if text.startswith("#"):
            comment.append(text.lstrip("#").strip())
            continue
        heading = " ".join(filter(None, comment)) or heading
        comment = []
        name, *options = text.split("#", 1)[0].split() or [""]
        if not name:
            continue
        where = f"{series} line {number}"
        path = folder / name
        if options not in ([], ["-p1"]):
            raise UserError(f"{where}: options {' '.join(options)!r}", "patches are applied with -p1 only")
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{where}: {name} is outside the directory", "keep the patches beside the series")
        if not path.is_file():
            raise UserError(f"{where}: there is no file {name}", "add the patch, or take it off the series")
        if any(patch.name == name for patch in patches):
            raise UserError(f"{where}: {name} is named twice", "take one of the two lines out")
        patches.append(Patch(name, path, heading))
    return tuple(patches)
