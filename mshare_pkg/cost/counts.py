"""What the program kernel/selftests/mshare/cost.c printed on each kernel, and the comparison of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InfraError
from ..kernel.variants import OFF, ON, UNPATCHED

#: The unpatched kernel booted again, as often as the others: what differs then is chance.
AGAIN = "again"

#: The kernels that are compared with the unpatched one, and what a reader knows them by.
LABELS = {OFF: "CONFIG_MSHARE=n", ON: "CONFIG_MSHARE=y", AGAIN: "unpatched again"}

#: Name of a measurement as the program prints it -> what it is of, for a reader.
TITLES = {
    "fault-anonymous": "fault: anonymous page",
    "fault-shared": "fault: store to a page of a memfd",
    "fault-around": "load from a mapped memfd, a page (faults map 16 at once)",
    "fault-copy": "fault: copy of a private file page",
    "mmap-munmap": "mmap and munmap, untouched",
    "munmap-touched": "munmap, a touched page",
    "madvise-dontneed": "MADV_DONTNEED, a page of many",
    "madvise-one": "MADV_DONTNEED, one page that is not there",
    "mprotect": "mprotect to read-only and back, untouched",
    "mremap": "mremap to another address, a page of many",
    "mlock-munlock": "mlock and munlock, a page of many",
    "mlock-one": "mlock and munlock of one page",
    "fork-exit": "fork, exit, wait",
    "fork-exit-touched": "fork, exit, wait, with 4 MiB touched",
    "exec": "vfork, exec, exit, wait",
    "futex": "FUTEX_WAKE on a page of a memfd",
    "vmsplice": "vmsplice and splice, a page",
    "process-vm-readv": "process_vm_readv, a page",
    "reclaim": "reclaim of a clean file page",
}


@dataclass(frozen=True)
class Counts:
    """A kernel's release, and the instructions of one operation in each round, by measurement."""

    release: str
    each: Mapping[str, tuple[float, ...]]

    def low(self, name: str) -> float:
        """The lower decile of the rounds.

        Interrupts, background work and collisions in hash tables only add, so that what is typical lies low;
        the least would hang on the one boot in which things happened to lie best.
        """
        rounds = sorted(self.each[name])
        return rounds[(len(rounds) - 1) // 10]

    def and_of(self, other: Counts) -> Counts:
        """With the rounds of another boot of the same kernel after those of this one."""
        return Counts(
            self.release, {name: (*rounds, *other.each[name]) for name, rounds in self.each.items()}
        )


def parse(lines: Iterable[str], where: str) -> Counts:
    """Read what the program printed; `where` is the file, for errors.

    Raises:
        InfraError: a line is no measurement, or measurements are missing.
    """
    release, rounds = "", 0
    found: dict[str, list[float]] = {name: [] for name in TITLES}
    for number, text in enumerate(lines, start=1):
        if not text.strip() or text.startswith("#"):
            continue
        try:
            line = json.loads(text)
            if "release" in line:
                release, rounds = str(line["release"]), int(line["rounds"])
            else:
                found[line["measure"]].append(int(line["instructions"]) / int(line["count"]))
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise InfraError(
                f"{where}, line {number}: no measurement ({type(error).__name__}: {error}): {text[:80]!r}",
                "are the program and this package of one checkout?",
            ) from error
    short = [name for name, values in found.items() if len(values) != rounds or not rounds]
    if short:
        raise InfraError(
            f"{where}: not {rounds} rounds of {', '.join(short)}", "look at the kernel's log beside it"
        )
    return Counts(release, {name: tuple(values) for name, values in found.items()})


def compare(counts: Mapping[str, Counts], limit: float, boots: int = 1) -> dict[str, Any]:
    """The comparison as data.

    Args:
        counts: of UNPATCHED and of each of LABELS.
        limit: more instructions than the unpatched kernel takes, in per cent, that are still fine.
        boots: of each kernel, that the rounds are from.
    """
    rows = []
    for name, title in TITLES.items():
        low = {kernel: found.low(name) for kernel, found in counts.items()}
        more = {kernel: (low[kernel] / low[UNPATCHED] - 1) * 100 for kernel in LABELS}
        rows.append(
            {
                "name": name,
                "title": title,
                "instructions": low,
                "more_percent": more,
                "over": [kernel for kernel in (OFF, ON) if more[kernel] > limit],
                "undecided": abs(more[AGAIN]) > limit,
            }
        )
    return {
        "schema": 1,
        "limit_percent": limit,
        "boots": boots,
        "rounds": len(next(iter(counts[UNPATCHED].each.values()))),
        "releases": {kernel: found.release for kernel, found in counts.items()},
        "rows": rows,
        "measurements": {kernel: dict(found.each) for kernel, found in counts.items()},
    }


def over(report: Mapping[str, Any]) -> list[str]:
    """What takes more than the limit, or by which the unpatched kernel differs from itself, a text each."""
    found = []
    for row in report["rows"]:
        kernels = [AGAIN] if row["undecided"] else row["over"]
        found += [
            f"{row['title']}, {LABELS[kernel]}: {row['more_percent'][kernel]:+.2f} %" for kernel in kernels
        ]
    return found
