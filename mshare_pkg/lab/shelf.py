"""Shelves of the cache: directories made once for a key, moved into place whole, verified before use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from .. import ui
from ..kernel.files import MANIFEST, damage, locked, seal
from ..paths import cache_dir
from ..run import run

#: Things of one kind that are kept: the one in use, its predecessor, and one that another branch uses.
KEPT = 3


def key_of(inputs: object) -> str:
    """A short name for inputs (anything JSON can write): equal inputs give equal names."""
    text = json.dumps(inputs, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remove_tree(folder: Path) -> None:
    """Remove a directory; never anything that is mounted in it."""
    run(["rm", "-rf", "--one-file-system", folder], doing=f"removing {folder}")


def obtain(kind: str, key: str, make: Callable[[Path], None], discard: Callable[[Path], None]) -> Path:
    """The directory that belongs to a key, made if it is not there. Two processes never make it at once.

    Args:
        kind: the shelf, a directory's name below `lab` in the cache.
        key: the thing's name there.
        make: fills the empty directory it is given.
        discard: ends what `make` may have left running in a directory when its process was killed.
    """
    shelf = cache_dir("lab", kind)
    folder, work = shelf / key, shelf / f".work-{key}"
    with locked(
        cache_dir("locks") / f"lab-{kind}-{key}", lambda: ui.say(f"another process makes the {kind}: waiting")
    ):
        if folder.is_dir():
            wrong = damage(folder)
            if not wrong:
                (folder / MANIFEST).touch()
                return folder
            ui.say(f"{folder} is damaged ({wrong}): it is made again")
            remove_tree(folder)
        if work.is_dir():
            discard(work)
            remove_tree(work)
        work.mkdir(mode=0o700)
        try:
            make(work)
            seal(work)
            work.rename(folder)
        finally:
            if work.is_dir():
                discard(work)
                remove_tree(work)
    _prune(shelf)
    return folder


def _prune(shelf: Path) -> None:
    """Remove all but the things of a shelf that were used last."""
    things = sorted(shelf.glob(f"[!.]*/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
    for manifest in things[:-KEPT]:
        remove_tree(manifest.parent)
