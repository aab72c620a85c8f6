"""Finished builds in the cache, by key. What lies there is believed only as far as its digests agree."""

from __future__ import annotations

import shutil
from pathlib import Path

from .. import ui
from ..paths import cache_dir
from .files import damage, seal


def place(key: str) -> Path:
    """Where the finished build of that key lies, or would lie."""
    return cache_dir("builds") / key


def find(key: str) -> Path | None:
    """The directory of a finished build, verified; None when there is none. A damaged one is removed."""
    folder = place(key)
    if not folder.is_dir():
        return None
    wrong = damage(folder)
    if wrong:
        ui.say(f"the finished build in the cache is damaged ({wrong}): it is made again")
        shutil.rmtree(folder)
        return None
    return folder


def keep(key: str, folder: Path) -> Path:
    """Move a directory with a finished build to its place; all of it is there, or nothing.

    `folder` must be on the cache's file system. Returns the place.
    """
    seal(folder)
    target = place(key)
    folder.replace(target)
    return target
