"""A QEMU machine that never outlives the program that started it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .run import started

PROGRAM = "qemu-system-x86_64"


#: Software emulation with a thread for each virtual CPU. A /dev/kvm that is there but does not work (nested,
#: without what QEMU expects) is common, and two ways to run would be two sets of results.
EMULATION = ("-accel", "tcg,thread=multi", "-cpu", "max")

#: The same with a clock that advances by a nanosecond for each instruction, and jumps ahead while the CPU
#: idles. A step of a string instruction counts as one: without ERMS and FSRM the kernel takes eight
#: bytes a step.
COUNTING = (
    *("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"),
    *("-cpu", "max,-erms,-fsrm"),
)


@contextmanager
def machine(arguments: Sequence[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run QEMU with some arguments in the background, and kill it, by its process, when the block ends.

    It dies with this program, too, even if that is killed: `setpriv --pdeathsig` asks the kernel for it.

    Args:
        arguments: what follows the program's name; never a shell line.
        log: file for what QEMU itself prints.

    Raises:
        InfraError: QEMU or setpriv is not installed.
    """
    argv = ["setpriv", "--pdeathsig", "KILL", PROGRAM, *arguments]
    with (
        log.open("wb") as sink,
        started(
            argv,
            doing="starting QEMU",
            remedy="install util-linux",
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
            process.wait()
