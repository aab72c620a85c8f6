"""Run the host-side programs of the role mshare_verify on hosts: one round trip for each program and host.

The programs (facts.py, touch.py, measure.py) need nothing on the host but Python's standard library; their
text travels in the command line, and what they print is JSON.
"""

from __future__ import annotations

import base64
import json
import shlex
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from ..errors import InfraError
from ..paths import project_root

#: Hosts that are asked at the same time.
WORKERS = 8
#: Seconds that a program may take on a host. Measuring has a limit of its own, of 900.
LIMITS_S = {"facts": 180, "touch": 300, "measure": 960}
#: What timeout(1) exits with when it ended the program, by its first signal or its last; the last may also
#: come from the kernel, for want of memory.
_ENDED = (124, 137)


class Answer(Protocol):
    """What a remote command left: testinfra's CommandResult."""

    @property
    def rc(self) -> int: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class Host(Protocol):
    """The part of a testinfra host that is used here."""

    def run(self, command: str, *args: str) -> Answer: ...


class NoAnswer(InfraError):
    """A host that was not reached, or where a program did not end: it is asked nothing more."""


def command(program: str, arguments: Sequence[str] = ()) -> str:
    """The shell command that runs a program of the role on a host, its text packed into it."""
    text = (project_root() / "roles" / "mshare_verify" / "files" / f"{program}.py").read_bytes()
    packed = base64.b64encode(zlib.compress(text, 9)).decode()
    start = (
        "import base64,sys,zlib;"
        f"sys.argv[0]={program!r};"
        f"exec(compile(zlib.decompress(base64.b64decode({packed!r})),{program + '.py'!r},'exec'))"
    )
    return shlex.join(
        ["timeout", "--kill-after=10", str(LIMITS_S[program]), "python3", "-c", start, *arguments]
    )


def ask(host: Host, name: str, program: str, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Run a program on a host and return what it printed.

    Raises:
        NoAnswer: the host was not reached, or the program did not end.
        InfraError: the program failed there or printed no JSON.
    """
    remedy = f"try `ssh {name} python3 -V`, and look at the host's console"
    try:
        answer = host.run(command(program, arguments))
    except RuntimeError as error:  # what testinfra raises when ssh itself fails
        raise NoAnswer(f"{name}: running {program}: {error}", remedy) from error
    if answer.rc in _ENDED:
        raise NoAnswer(
            f"{name}: {program} was ended with {answer.rc}: it may take {LIMITS_S[program]} s", remedy
        )
    if answer.rc != 0:
        raise InfraError(f"{name}: {program} ended with {answer.rc}: {answer.stderr.strip()[-2000:]}", remedy)
    try:
        data = json.loads(answer.stdout)
    except ValueError as error:
        raise InfraError(f"{name}: {program} printed no JSON: {answer.stdout[:200]!r}", remedy) from error
    if not isinstance(data, dict):
        raise InfraError(f"{name}: {program} printed {type(data).__name__}, not an object", remedy)
    return data


class Probes:
    """Answers of many hosts: a host's programs run in order, hosts in parallel; each a value or its error.

    All have come when the object is made. Processes are never started beside what follows: pytest changes its
    environment between the phases of a test, CPython (since 3.11.4) lets other threads run while a child that
    inherits the environment is between vfork and exec, and such a child was seen to end with EFAULT.
    """

    def __init__(self, work: Mapping[str, tuple[Host, Iterable[tuple[str, Sequence[str]]]]]) -> None:
        """Ask hosts, by their names; each with the programs to run there and their arguments."""
        self._answers: dict[tuple[str, str], dict[str, Any] | Exception] = {}

        def run_all(name: str, host: Host, jobs: Iterable[tuple[str, Sequence[str]]]) -> None:
            silent: Exception | None = None
            for program, arguments in jobs:
                try:
                    if silent:
                        raise silent
                    self._answers[name, program] = ask(host, name, program, arguments)
                except Exception as error:  # whoever asks for the answer gets it
                    self._answers[name, program] = error
                    silent = error if isinstance(error, NoAnswer) else None

        with ThreadPoolExecutor(WORKERS) as pool:
            running = [pool.submit(run_all, name, host, list(jobs)) for name, (host, jobs) in work.items()]
        for one in running:
            one.result()

    def answer(self, name: str, program: str) -> dict[str, Any]:
        """What a program printed on a host. Raises what it raised."""
        answer = self._answers[name, program]
        if isinstance(answer, Exception):
            raise answer
        return answer
