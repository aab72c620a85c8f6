"""Patches and new files, brought into a kernel tree whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..errors import UserError
from ..run import run
from .series import Patch

_HEADER = re.compile(
    r"^(?:--- |\+\+\+ |rename from |rename to |copy from |copy to )(?P<name>[^\t\n]+)", re.MULTILINE
)
_FILE = re.compile(r"^(?:patching|checking) (?:file|symbolic link) (?P<name>.+?)(?: \(.*\))?$")
_HUNK = re.compile(r"^Hunk #(?P<number>\d+) (?:FAILED|NOT MERGED|ignored) at (?P<line>\d+)")

#: Exact context, forward only, no questions, no backups and no rejects left behind.
_EXACTLY = ("--fuzz=0", "--forward", "--batch", "--no-backup-if-mismatch", "--reject-file=-")


def touched(text: str) -> set[str]:
    """The paths below the tree that a patch (its text, strip level 1) speaks of.

    Raises:
        ValueError: a path leaves the tree.
    """
    found = set()
    for match in _HEADER.finditer(text):
        name = match["name"].strip().strip('"')
        if name == "/dev/null":
            continue
        path = PurePosixPath(name)
        # "rename" and "copy" lines of git have no a/ or b/ prefix, the others do.
        if match[0].startswith(("---", "+++")):
            path = PurePosixPath(*path.parts[1:])
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(name)
        if path.parts:
            found.add(str(path))
    return found


def _explain(patch: Patch, output: str) -> UserError:
    """The error for a patch that did not apply, from what patch(1) printed."""
    name = "(no file named)"
    failures: list[str] = []
    for line in output.splitlines():
        if match := _FILE.match(line):
            name = match["name"]
        elif match := _HUNK.match(line):
            failures.append(f"{name}: hunk #{match['number']} (at line {match['line']})")
        elif "previously applied" in line:
            failures.append(f"{name}: seems to be applied already")
        elif line.startswith("|+++ "):
            # patch(1) shows the header of a file that it cannot find, and ignores all its hunks.
            name = line.split()[1].split("/", 1)[-1]
            failures.append(f"{name}: all hunks, the file is not in the tree")
    what = "; ".join(dict.fromkeys(failures)) or output.strip() or "no reason given"
    return UserError(
        f"patch {patch.name} does not apply: {what}",
        f"refresh {patch.path} for this kernel (no fuzz is allowed); the source tree was left as it was",
    )


def apply_series(tree: Path, patches: Sequence[Patch]) -> None:
    """Apply patches in order, without fuzz, all of them or none.

    They are tried on a copy of the files that they touch; the tree changes once every hunk has been placed.

    Raises:
        UserError: a hunk fails; the error names patch, file and hunk.
    """
    with tempfile.TemporaryDirectory(dir=tree.parent, prefix="patching.") as name:
        scratch = Path(name)
        files: set[str] = set()
        for patch in patches:
            try:
                spoken_of = touched(patch.path.read_text(errors="surrogateescape"))
            except ValueError as error:
                raise UserError(
                    f"patch {patch.name} names {error}, outside the tree", "correct the patch"
                ) from error
            if not spoken_of:
                raise UserError(f"patch {patch.name} changes no file", "take it off the series")
            for file in sorted(spoken_of - files):
                if (tree / file).is_file():
                    (scratch / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(tree / file, scratch / file)
            files |= spoken_of
            result = run(
                ["patch", "-p1", *_EXACTLY, "-i", patch.path.resolve()],
                doing=f"applying {patch.name}",
                cwd=scratch,
                env={"LC_ALL": "C"},
                check=False,
            )
            if result.returncode != 0:
                raise _explain(patch, result.stdout + result.stderr)
        for file in sorted(files):
            if (scratch / file).is_file():
                (tree / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(scratch / file, tree / file)
            else:
                (tree / file).unlink(missing_ok=True)


def list_src(src: Path) -> list[Path]:
    """The files below kernel/src, relative to it, sorted.

    Raises:
        UserError: there is something other than a plain file.
    """
    found = []
    for path in sorted(src.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise UserError(f"{path} is no plain file", "only plain files are copied into the kernel tree")
        found.append(path.relative_to(src))
    return found


def copy_src(tree: Path, src: Path, files: Iterable[Path]) -> None:
    """Copy new files over the tree, all of them or none; none may be there yet.

    Raises:
        UserError: a file exists in the tree.
    """
    files = list(files)
    if clash := [str(file) for file in files if (tree / file).exists()]:
        raise UserError(
            f"{src} would overwrite files of the kernel: {', '.join(clash)}",
            "change files that the kernel has by a patch of the series",
        )
    for file in files:
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(src / file, tree / file)
