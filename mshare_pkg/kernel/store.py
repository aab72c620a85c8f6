"""Finished builds in the cache, by key. What lies there is believed only as far as its digests agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .. import ui
from ..paths import cache_dir
from .files import sha256_of, write_json

_MANIFEST = "manifest.json"


def place(key: str) -> Path:
    """Where the finished build of that key lies, or would lie."""
    return cache_dir("builds") / key


def find(key: str) -> Path | None:
    """The directory of a finished build, verified; None when there is none. A damaged one is removed."""
    folder = place(key)
    if not folder.is_dir():
        return None
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        wrong = [name for name, digest in manifest.items() if sha256_of(folder / name) != digest]
    except (OSError, ValueError, AttributeError) as error:
        wrong = [str(error)]
    if wrong:
        ui.say(f"the finished build in the cache is damaged ({', '.join(wrong)}): it is made again")
        shutil.rmtree(folder)
        return None
    return folder


def keep(key: str, folder: Path) -> Path:
    """Move a directory with a finished build to its place; all of it is there, or nothing.

    `folder` must be on the cache's file system. Returns the place.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_json(folder / _MANIFEST, {str(path.relative_to(folder)): sha256_of(path) for path in files})
    target = place(key)
    folder.replace(target)
    return target
