"""Endurance: random operations with an oracle, and random calls, in chunks until a number is reached.

A chunk is one boot of a guest with a seed of its own. What it did is added to a state file, so that a run
can be stopped at any time and goes on with the next seed; a chunk that fails ends the run and is not counted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckFailed, InfraError
from ..kernel.files import sha256_of
from .programs import Program
from .result import Result
from .transcript import ProgramRun

#: What the programs say of a run: kernel/selftests/mshare/stress.c and fuzz.c.
_STRESS = re.compile(
    r"seed \d+:(?P<operations>(?: \w+ \d+)+)\n.*\d+ operations, (?P<touched>\d+) pages touched"
)
_FUZZ = re.compile(r"seed \d+: (?P<calls>\d+) calls")


@dataclass(frozen=True)
class Chunk:
    """One boot: its seed, operations by name, pages stored to or checked, random calls, wall seconds."""

    seed: int
    operations: dict[str, int]
    touched: int
    calls: int
    seconds: float


@dataclass
class State:
    """All chunks so far of what `tested` names: one kernel image, and the programs as they are."""

    tested: str
    release: str = ""
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def by_name(self) -> dict[str, int]:
        """Operations of all chunks: map, unmap, replace, store, check, fork, remap, page out, move, ..."""
        sums: Counter[str] = Counter()
        for chunk in self.chunks:
            sums.update(chunk.operations)
        return dict(sums)

    @property
    def operations(self) -> int:
        """How many operations all chunks did."""
        return sum(self.by_name.values())

    @property
    def touched(self) -> int:
        """Pages that all chunks stored to or checked."""
        return sum(chunk.touched for chunk in self.chunks)

    @property
    def calls(self) -> int:
        """Random calls of all chunks."""
        return sum(chunk.calls for chunk in self.chunks)

    def as_json(self) -> dict[str, Any]:
        """The state as data, with its sums."""
        sums = {
            "operations": self.operations,
            "by_name": self.by_name,
            "touched": self.touched,
            "calls": self.calls,
        }
        return {"schema": 3, **asdict(self), "sums": sums}


def digest_of(*files: Path) -> str:
    """SHA-256, in hex, over what a seed depends on: a kernel image, and the programs as they are compiled."""
    return hashlib.sha256("\n".join(map(sha256_of, files)).encode()).hexdigest()


def load(path: Path, tested: str) -> State:
    """The state of earlier runs of the same (`digest_of`); an empty one where there is none, or of another.

    Raises:
        InfraError: the file cannot be read.
    """
    if not path.is_file():
        return State(tested)
    try:
        data = json.loads(path.read_text())
        chunks = [Chunk(**chunk) for chunk in data["chunks"]]
        found = State(data["tested"], data["release"], chunks)
    except (ValueError, KeyError, TypeError) as error:
        raise InfraError(
            f"reading {path}: it is no state of mshare kernel endure ({error})", "remove it"
        ) from error
    return found if found.tested == tested else State(tested)


def save(path: Path, state: State) -> None:
    """Write the state so that a crash leaves the old or the new one."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(state.as_json(), indent=2, sort_keys=True) + "\n")
    new.replace(path)


def programs(seed: int, seconds: int) -> list[Program]:
    """What runs in a chunk: four fifths of the time operations with an oracle, one fifth random calls."""
    calls = max(seconds // 5, 1)
    return [
        Program("stress", full=("-r", str(seed), "-s", str(max(seconds - calls, 1)))),
        Program("fuzz", full=("-r", str(seed), "-s", str(calls))),
    ]


def chunk_of(result: Result, seed: int) -> Chunk:
    """What a run of a chunk's programs did.

    Raises:
        CheckFailed: a test failed, or the kernel complained; the text has all of it.
        InfraError: the programs did not say what they did.
    """
    if not result.ok:
        raise CheckFailed(
            f"seed {seed} found something:\n" + "\n".join(result.failures()),
            f"the kernel's whole log is {result.console}; the same seed does the same operations",
        )
    stress = _said(result, "stress", _STRESS)
    fuzz = _said(result, "fuzz", _FUZZ)
    words = stress["operations"].split()
    return Chunk(
        seed,
        dict(zip(words[::2], map(int, words[1::2]), strict=True)),
        int(stress["touched"]),
        int(fuzz["calls"]),
        round(result.seconds, 1),
    )


def _said(result: Result, name: str, pattern: re.Pattern[str]) -> re.Match[str]:
    for run in result.runs:
        if run.name == name and (match := pattern.search(_details(run))):
            return match
    raise InfraError(
        f"{name} did not say what it did", f"its output is beside {result.console}; are the programs ours?"
    )


def _details(run: ProgramRun) -> str:
    return "\n".join(case.detail for case in run.report.cases)


def endure(
    state: State, operations: int, run: Callable[[int], Result], done: Callable[[State, Chunk], None]
) -> None:
    """Run chunks until the state has this many operations.

    Args:
        state: what earlier runs did; the chunks are added to it.
        operations: the number to reach.
        run: boots a guest for a seed.
        done: called after each chunk, to save and to tell.

    Raises:
        CheckFailed, InfraError: as `chunk_of`, and what `run` raises.
    """
    while state.operations < operations:
        seed = len(state.chunks) + 1
        result = run(seed)
        chunk = chunk_of(result, seed)
        state.release = result.release
        state.chunks.append(chunk)
        done(state, chunk)
