"""From which size and how many processes a region takes less memory than the others do.

The kernel's memory for S MiB that n processes have touched is, for each kind of memory, taken to be

    base + copy * S + n * (own + own_copy * S)

beside the content, which is the same for all: what a region or file costs that is there, one copy of page
tables, and what each process adds. The four numbers are fitted to what was measured. What a mapping takes
beside page tables is the same object of the kernel for all kinds, and left out: its measurement has more
noise than difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression


@dataclass(frozen=True)
class Model:
    """Kernel memory of one kind of memory, in bytes and bytes for each MiB of content."""

    base: float
    copy: float
    own: float
    own_copy: float

    def bytes(self, mib: float, processes: int) -> float:
        """The kernel's memory for `mib` MiB that `processes` processes have touched."""
        return self.base + self.copy * mib + processes * (self.own + self.own_copy * mib)


def fit(tables: Mapping[int, tuple[int, int]], processes: int, fixed: float) -> Model:
    """Fit a model.

    Args:
        tables: size in bytes -> growth of page tables in bytes with one process and with all of them.
        processes: how many are all; at least 2.
        fixed: bytes that a region or file takes before anyone maps it.
    """
    mib = [size / 2**20 for size in tables]
    own = [(last - first) / (processes - 1) for first, last in tables.values()]
    shared = [first - each for (first, _), each in zip(tables.values(), own, strict=True)]
    own_line, shared_line = linear_regression(mib, own), linear_regression(mib, shared)
    # Page tables come in whole pages: what is left behind the comma is the arithmetic's.
    return Model(
        base=round(fixed + shared_line.intercept, 3),
        copy=round(shared_line.slope, 3),
        own=round(own_line.intercept, 3),
        own_copy=round(own_line.slope, 3),
    )


def processes_from(region: Model, other: Model, mib: float) -> int | None:
    """The least number of processes with which a region of `mib` MiB saves memory; None: it never does."""
    fixed = region.bytes(mib, 0) - other.bytes(mib, 0)
    saved = (other.bytes(mib, 1) - other.bytes(mib, 0)) - (region.bytes(mib, 1) - region.bytes(mib, 0))
    if saved <= 0:
        return None
    return max(1, math.floor(fixed / saved) + 1)


def size_from(region: Model, other: Model, processes: int, step: float = 2) -> float | None:
    """The size in MiB, a multiple of `step`, from which on a region of so many processes saves memory.

    A step of 2 MiB is what one page of page tables maps. None: there is no such size.
    """
    at_zero = other.bytes(0, processes) - region.bytes(0, processes)
    each = other.bytes(1, processes) - region.bytes(1, processes) - at_zero
    if each <= 0:
        return step if each == 0 and at_zero > 0 else None
    return step * max(1, math.floor(-at_zero / each / step) + 1)


def table(
    region: Model, others: Mapping[str, Model], sizes: Sequence[int], processes: Sequence[int]
) -> dict[str, list[dict[str, object]]]:
    """Both questions for each other kind: from how many processes by size, and from which size by processes.

    Returns:
        `by_size`: mib, processes (kind -> number or None), saved_bytes (kind -> number of processes as text
        -> bytes, negative where a region costs more); `by_processes`: processes, mib (kind -> MiB or None).
    """
    return {
        "by_size": [
            {
                "mib": mib,
                "processes": {kind: processes_from(region, other, mib) for kind, other in others.items()},
                "saved_bytes": {
                    kind: {str(n): round(other.bytes(mib, n) - region.bytes(mib, n)) for n in processes}
                    for kind, other in others.items()
                },
            }
            for mib in sizes
        ],
        "by_processes": [
            {"processes": n, "mib": {kind: size_from(region, other, n) for kind, other in others.items()}}
            for n in processes
        ],
    }
