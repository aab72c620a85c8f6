"""What an image is made of, read from image.toml, and the name that its inputs give it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kernel.files import sha256_of
from . import shelf, sources

_HERE = Path(__file__).resolve().parent

#: Files whose content decides what an image holds.
_CODE = ("image.toml", "firstboot.sh", "image.py")

#: Runs as the first process of a new disk.
FIRSTBOOT = _HERE / "firstboot.sh"


@dataclass(frozen=True)
class Recipe:
    """The content of image.toml; see the comments there.

    Attributes:
        disk_bytes: size of the disk; a multiple of 4096.
        early_files: path -> content, laid before packages are configured.
        files: path -> content, laid over the installed system; `@UUID@` is the root file system's.
    """

    suite: str
    disk_bytes: int
    packages: list[str]
    exclude: list[str]
    include: list[str]
    enable: list[str]
    mask: list[str]
    early_files: dict[str, str]
    files: dict[str, str]

    def key(self) -> str:
        """Name of the image that this recipe gives with the packages that apt offers now."""
        return shelf.key_of(
            {
                "code": {name: sha256_of(_HERE / name) for name in _CODE},
                "versions": sources.candidates(self.packages),
            }
        )


def load(path: Path = _HERE / "image.toml") -> Recipe:
    """The recipe in a file."""
    data: dict[str, Any] = tomllib.loads(path.read_text())
    for name in ("early_files", "files"):
        data[name] = {path: text.removeprefix("\n") for path, text in data[name].items()}
    return Recipe(**data)
