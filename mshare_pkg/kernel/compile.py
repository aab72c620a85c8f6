"""Compiling a configured tree, with progress, and reading what came out."""

from __future__ import annotations

import re
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from .. import ui
from ..errors import InfraError
from ..run import run
from .make import Make

#: A line of kbuild that stands for one compiled object.
_OBJECT = re.compile(rb"^  (?:CC|AS|HOSTCC) .*$", re.MULTILINE)
_BUILD_ID = re.compile(r"Build ID: ([0-9a-f]+)")
#: Lines of an error that a failed build shows, and what they look like.
_ERROR_LINES = 12
_ERROR = re.compile(r"\berror:|\bundefined reference\b|\*\*\* |^ERROR", re.IGNORECASE)


def count_objects(log: Path) -> int:
    """Compile lines in a build log, 0 when there is none yet."""
    return len(_OBJECT.findall(log.read_bytes())) if log.is_file() else 0


def _watching(log: Path, step: ui.Step, before: int, expected: int) -> AbstractContextManager[None]:
    """Show how the log of a build grows while the block runs."""

    def watch(over: threading.Event) -> None:
        while not over.wait(2.0):
            done = before + count_objects(log)
            total = max(expected, done, 1)
            step.update(done, total, f"objects, {100 * done // total} %")

    return ui.meanwhile(watch)


def compile_tree(make: Make, release: str, log: Path, expected: int) -> int:
    """Compile kernel and modules; what an earlier, interrupted run left is used.

    Args:
        make: how to call the tree's Makefile.
        release: the kernel release that must come out.
        log: file for the build's output.
        expected: objects of a whole build, for the progress bar.

    Returns:
        Compile lines of this build, those of earlier runs of it included.

    Raises:
        InfraError: it does not compile, or the release is another.
    """
    # make holds a lock of its own: where only we were killed, it may be at work in this tree still.
    argv = ["flock", str(make.tree.parent / "make.lock"), *make.argv("all")]
    before = sum(1 for _ in make.tree.rglob("*.o")) if log.is_file() else 0
    resumed = f", going on at {before} objects" if before else ""
    with ui.step(f"compile {release}{resumed}", expected) as step, _watching(log, step, before, expected):
        result = run(argv, doing=f"compiling {release}", cwd=make.tree, env=make.env(), log=log, check=False)
    if result.returncode != 0:
        lines = result.stdout.splitlines()
        shown = [line for line in lines if _ERROR.search(line)] or lines[-_ERROR_LINES:]
        raise InfraError(
            f"compiling {release}: exit code {result.returncode} from make (whole log: {log})\n"
            + "\n".join(shown[:_ERROR_LINES]),
            "correct the patches or new files; with the same inputs, the build goes on where this one ended",
        )
    said = run(
        make.argv("-s", "kernelrelease"), doing="asking for the kernel release", cwd=make.tree, env=make.env()
    ).stdout.strip()
    if said != release:
        raise InfraError(
            f"the kernel calls itself {said}, and should be {release}",
            "do patches or fragments change EXTRAVERSION or CONFIG_LOCALVERSION?",
        )
    return before + count_objects(log)


def build_id(vmlinux: Path) -> str:
    """GNU build id of a kernel image, in hex: what /sys/kernel/notes of a machine that runs it holds.

    Raises:
        InfraError: there is none.
    """
    said = run(
        ["readelf", "--notes", "--wide", vmlinux], doing="reading the build id", env={"LC_ALL": "C"}
    ).stdout
    match = _BUILD_ID.search(said)
    if match is None:
        raise InfraError(f"{vmlinux} has no GNU build id", "is the linker called with --build-id?")
    return match[1]
