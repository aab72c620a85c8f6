"""The one gateway to other programs: an argv list in, output or an error that explains itself out."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import signals
from .errors import InfraError

#: Lines of a failed program's output that its error shows.
TAIL_LINES = 20


@dataclass(frozen=True)
class Result:
    """What a program did: its argv, exit code and output (text)."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last `lines` lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


@contextmanager
def started(
    argv: Sequence[str], *, doing: str, remedy: str = "", **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a process group of its own, which does not outlive an exception in the block.

    Args:
        argv: program and arguments; never a shell line.
        doing: what it is for, as the error message will say.
        remedy: what the reader of the error can do.
        options: what else `subprocess.Popen` takes.

    Raises:
        InfraError: there is no such program.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        # A signal that came between the start and the assignment would leave the program behind.
        with signals.deferred():
            try:
                process = subprocess.Popen(argv, start_new_session=True, **options)
            except FileNotFoundError as error:
                raise InfraError(
                    f"{doing}: {error.filename or argv[0]} is not there",
                    remedy or "install the package that has it",
                ) from error
        yield process
    except BaseException:
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        raise


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    doing: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    check: bool = True,
    log: Path | None = None,
    remedy: str = "",
) -> Result:
    """Run a program to its end, in a process group of its own, and return its result.

    Args:
        argv: program and arguments; never a shell line.
        doing: what it is for, as the error message will say ("unpacking the source").
        cwd: its working directory.
        env: variables added to the environment.
        stdin: text for its standard input; without it, standard input is empty.
        timeout: seconds until its whole process group is killed.
        check: raise on a non-zero exit code.
        log: a file that gets standard output and error together, as they come; the result's `stdout` is then
            the file's content and `stderr` is empty.
        remedy: what the reader of the error can do.

    Raises:
        InfraError: the program is missing, timed out, or failed while `check` is set.
    """
    words = tuple(os.fspath(word) for word in argv)
    line = shlex.join(words)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(log.open("wb")) if log else None
        process = stack.enter_context(
            started(
                words,
                doing=doing,
                remedy=remedy,
                cwd=cwd,
                env={**os.environ, **env} if env else None,
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=sink or subprocess.PIPE,
                stderr=subprocess.STDOUT if sink else subprocess.PIPE,
            )
        )
        try:
            out, err = process.communicate(stdin.encode() if stdin is not None else None, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise InfraError(f"{doing}: no end after {timeout:.0f} s: {line}", remedy) from error
    text = log.read_text(errors="replace") if log else out.decode(errors="replace")
    result = Result(words, process.returncode, text, "" if log else err.decode(errors="replace"))
    if check and result.returncode != 0:
        said = tail(result.stderr or result.stdout) or "(it printed nothing)"
        where = f" (whole log: {log})" if log else ""
        raise InfraError(f"{doing}: exit code {result.returncode} from {line}{where}\n{said}", remedy)
    return result
