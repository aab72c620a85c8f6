"""Run one stage's program: its output goes to the terminal and to a log as it comes, and signals go to it.

`mshare_pkg.run.run` collects the output of a program and kills it when interrupted; a stage is watched by a
person and gets the time to tidy up, so it has a runner of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from ..run import started

#: Signals that mean "stop": from the keyboard, from a service manager or CI, from a terminal that went away.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopper:
    """Remembers the first signal that asked us to stop, and passes each one on to the program that runs.

    The program gets SIGINT at the first, on which Python programs, make and Ansible tidy up, SIGTERM at the
    second, and SIGKILL from the third on. While `deaf` is set, signals are noted and not passed on.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.deaf = False
        self._count = 0
        self._group: int | None = None

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Catch the stop signals for the length of a `with` block."""
        before = {number: signal.signal(number, self._caught) for number in STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def passing_to(self, group: int) -> Iterator[None]:
        """Pass signals on to a process group for the length of a `with` block."""
        self._group, self._count = group, 0
        if self.asked is not None:  # while the program was being started
            self._pass_on()
        try:
            yield
        finally:
            self._group = None

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self.asked = self.asked or signal.Signals(number)
        self._pass_on()

    def _pass_on(self) -> None:
        if self.deaf or self._group is None:
            return
        self._count += 1
        passed = {1: signal.SIGINT, 2: signal.SIGTERM}.get(self._count, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, passed)


def stream(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, stopper: Stopper) -> int:
    """Run a program in a process group of its own, to its end, and return its exit code.

    Args:
        argv: program and arguments.
        cwd: its working directory.
        env: its whole environment.
        log: gets its standard output and error together; standard output gets them too.
        stopper: hears the signals; installed by the caller.

    Raises:
        InfraError: there is no such program.
    """
    with (
        started(
            argv,
            doing="running a stage",
            remedy="run make setup, then this again",
            cwd=cwd,
            env=dict(env),
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
        stopper.passing_to(process.pid),
    ):
        # The copying thread is not waited for long: what a stage leaves running may hold the pipe open.
        copier = threading.Thread(target=_copy, args=(process.stdout, log), daemon=True)
        copier.start()
        code = process.wait()
        copier.join(timeout=2)
    return code


def _copy(source: IO[bytes], log: Path) -> None:
    with source, log.open("wb") as sink:
        while data := source.read(1 << 16):
            sink.write(data)
            sink.flush()
            with contextlib.suppress(OSError, ValueError):  # nobody reads our output any more: the log stays
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
