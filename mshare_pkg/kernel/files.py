"""Small helpers for files: digests, atomic writing, locks, sealed directories."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: What `seal` writes: a JSON object, file name -> SHA-256.
MANIFEST = "manifest.json"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make a temporary file beside `path`, and move it there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, data: object) -> None:
    """Write data as JSON; a reader sees the old file or the new one, never half of it."""
    _replace(path, lambda part: part.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n"))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content; a reader of `target` sees the old file or the new one, never half of it."""
    _replace(target, lambda part: shutil.copyfile(source, part))


def seal(folder: Path) -> None:
    """Write down the digest of every file in a directory, for `damage`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_json(folder / MANIFEST, {str(path.relative_to(folder)): sha256_of(path) for path in files})


def damage(folder: Path) -> str:
    """What is wrong in a sealed directory; "" when every file is as it was when it was sealed."""
    try:
        manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text())
        wrong = [name for name, digest in manifest.items() if sha256_of(folder / name) != digest]
    except (OSError, ValueError, AttributeError) as error:
        return str(error)
    return ", ".join(wrong)


@contextmanager
def locked(path: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock on a lock file, made when missing; it goes with the process, however that ends.

    Args:
        path: the lock file.
        waiting: called once when another process holds the lock, before waiting for it.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
