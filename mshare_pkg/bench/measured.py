"""What the benchmark program printed: a JSON object a line, checked before anything is computed from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InfraError

#: Kinds of memory; the first is compared with the others.
KINDS = ("msharefs", "memfd", "hugetlb")

#: Numbers of each measurement, and lists of them: as kernel/selftests/mshare/bench.c prints them.
_NUMBERS: dict[str, tuple[str, ...]] = {
    "machine": ("cpus", "memory_kib", "granule", "huge_page", "processes", "bytes", "rounds"),
    "create": ("count", "ns", "close_ns", "free_kib", "tables_kib", "slab_kib", "shmem_kib"),
    "few": ("bytes",),
    "attach": ("touched_bytes", "count", "ns"),
    "mapped": ("count", "slab_kib"),
    "fork": ("touched_bytes", "count", "fork_ns", "ns", "faults"),
    "random": ("pass", "processes", "count", "ns", "faults"),
    "many": ("bytes",),
}
_OF_PROCESSES = ("faults", "attach_ns", "touch_ns", "detach_ns")

#: How many processes touch in turn in each round, and how many sizes are measured with many.
FEW = 3
SIZES = 3

#: Lines of a measure for each kind of memory and round.
_LINES = {"create": 1, "few": 1, "attach": 2, "mapped": 1, "fork": 2, "random": 2}

_REMEDY = "look at the program's whole output, and at the kernel's log beside it"


@dataclass(frozen=True)
class Measured:
    """A complete run: what machine it was, and every measurement in the order it was made."""

    machine: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...]

    @property
    def rounds(self) -> int:
        """How often everything but the page tables was measured."""
        return int(self.machine["rounds"])

    def of(self, measure: str, memory: str, **where: int) -> list[Mapping[str, Any]]:
        """Measurements of one kind of memory, by round; `where` are numbers that they have."""
        return [
            line
            for line in self.lines
            if (line["measure"], line["memory"]) == (measure, memory)
            and all(line[key] == value for key, value in where.items())
        ]


def parse(lines: Iterable[str]) -> Measured:
    """Read the program's output; notes ("# ...") and empty lines are left out.

    Raises:
        InfraError: a line is no measurement, or measurements are missing.
    """
    machine: Mapping[str, Any] | None = None
    found: list[Mapping[str, Any]] = []
    for number, text in enumerate(lines, start=1):
        if not text.strip() or text.startswith("#"):
            continue
        try:
            line = json.loads(text)
            _check(line)
        except ValueError as error:
            raise InfraError(
                f"reading the benchmark's output, line {number}: {error}: {text[:80]!r}", _REMEDY
            ) from error
        if line["measure"] == "machine":
            machine = line
        else:
            found.append(line)
    if machine is None:
        raise InfraError("reading the benchmark's output: it does not tell what machine it ran on", _REMEDY)
    measured = Measured(machine, tuple(found))
    _check_complete(measured)
    return measured


def counts(processes: int) -> list[int]:
    """The numbers of processes after which page tables are read: 1, 2, 4, ... `processes`."""
    return [1 << power for power in range(processes.bit_length())]


def _check(line: Any) -> None:
    if not isinstance(line, dict) or line.get("measure") not in _NUMBERS:
        raise ValueError("no measurement")
    measure = line["measure"]
    if measure != "machine" and (line.get("memory") not in KINDS or not _is_number(line.get("round"))):
        raise ValueError(f"{measure} of no kind of memory, or of no round")
    for key in _NUMBERS[measure]:
        if not _is_number(line.get(key)):
            raise ValueError(f"{measure} without the number {key!r}")
    positive = {"count", "processes", "bytes", "rounds", "ns"} & set(_NUMBERS[measure])
    for key in sorted(positive):
        if line[key] <= 0:
            raise ValueError(f"{key!r} is not positive")
    if measure in ("few", "many"):
        for key in ("tables_kib", *_OF_PROCESSES):
            value = line.get(key)
            if not isinstance(value, list) or not all(_is_number(one) for one in value):
                raise ValueError(f"{measure} without the list {key!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_complete(measured: Measured) -> None:
    processes = int(measured.machine["processes"])
    for memory in KINDS:
        for measure, lines in _LINES.items():
            for number in range(measured.rounds):
                if len(measured.of(measure, memory, round=number)) != lines:
                    _incomplete(f"{measure!r} of {memory} in round {number + 1}")
        many = measured.of("many", memory)
        if len({line["bytes"] for line in many}) != SIZES:
            _incomplete(f"'many' of {memory} in {SIZES} sizes")
        for line, number, tables in [
            *((line, FEW, len(counts(FEW))) for line in measured.of("few", memory)),
            *((line, processes, len(counts(processes))) for line in many),
        ]:
            lengths = {key: len(line[key]) for key in _OF_PROCESSES}
            if len(line["tables_kib"]) != tables or set(lengths.values()) != {number}:
                _incomplete(f"{line['measure']!r} of {memory} with {number} processes")


def _incomplete(what: str) -> None:
    raise InfraError(f"reading the benchmark's output: {what} is not complete", _REMEDY)
