"""Output of the benchmark program, as a machine with round numbers would print it."""

from __future__ import annotations

import json
from typing import Any

MIB = 1 << 20
PROCESSES = 4
SIZE = 32 * MIB
ROUNDS = 3

#: Page tables in KiB: (one copy in all, a copy in each process), each for a MiB; what a process adds beside.
TABLES = {"msharefs": (2, 0, 4), "memfd": (0, 2, 0), "hugetlb": (0, 0, 0)}
#: KiB of a region or file that nobody uses.
FREE = {"msharefs": 12, "memfd": 2, "hugetlb": 1}
#: By what times are multiplied.
SLOW = {"msharefs": 1, "memfd": 3, "hugetlb": 2}


def _processes(memory: str, number: int) -> dict[str, Any]:
    slow = SLOW[memory]
    return {
        "faults": [8192] + [1 if memory == "msharefs" else 512] * (number - 1),
        "attach_ns": [1000] * number,
        "touch_ns": [9000] + [1000 * slow] * (number - 1),
        "detach_ns": [500 * slow] * number,
    }


def _tables(memory: str, size: int, processes: int) -> int:
    copy, own_copy, own = TABLES[memory]
    mib = size // MIB
    return copy * mib + processes * (own_copy * mib + own)


def _of_a_round(memory: str, number: int) -> list[dict[str, Any]]:
    # Rounds differ by as much for all: ratios within a round do not see it.
    slow = SLOW[memory] * (number + 1)
    return [
        {
            "measure": "few",
            "bytes": SIZE,
            "tables_kib": [_tables(memory, SIZE, n) for n in (1, 2)],
            **_processes(memory, 3),
        },
        {"measure": "attach", "touched_bytes": 0, "count": 10, "ns": 10_000 * slow},
        {"measure": "attach", "touched_bytes": 1, "count": 10, "ns": 20_000 * slow},
        {"measure": "mapped", "count": 1024, "slab_kib": 256},
        *(
            {
                "measure": "fork",
                "touched_bytes": touched,
                "count": 2,
                "fork_ns": 4000 * slow,
                "ns": 8000 * slow,
                "faults": 2,
            }
            for touched in (0, SIZE)
        ),
        *(
            {"measure": "random", "pass": turn, "processes": 4, "count": 400, "ns": 1000 * slow, "faults": 8}
            for turn in (1, 2)
        ),
        {
            "measure": "create",
            "count": 8,
            "ns": 800 * slow,
            "close_ns": 80,
            "free_kib": FREE[memory] * 8,
            "tables_kib": 0,
            "slab_kib": 8,
            "shmem_kib": 0,
        },
    ]


def objects() -> list[dict[str, Any]]:
    """The measurements of a complete run."""
    found: list[dict[str, Any]] = [
        {
            "measure": "machine",
            "release": "6.12.0-mshare1-vm",
            "cpus": 2,
            "memory_kib": 2 << 20,
            "granule": 1 << 30,
            "huge_page": 2 * MIB,
            "processes": PROCESSES,
            "bytes": SIZE,
            "rounds": ROUNDS,
        }
    ]
    for number in range(ROUNDS):
        found += [
            {**line, "memory": memory, "round": number}
            for memory in TABLES
            for line in _of_a_round(memory, number)
        ]
    found += [
        {
            "measure": "many",
            "memory": memory,
            "round": 0,
            "bytes": size,
            "tables_kib": [_tables(memory, size, n) for n in (1, 2, 4)],
            **_processes(memory, PROCESSES),
        }
        for memory in TABLES
        for size in (SIZE // 16, SIZE // 4, SIZE)
    ]
    return found


def lines(found: list[dict[str, Any]] | None = None) -> list[str]:
    """The program's output: a note, and an object a line."""
    return [
        "# create: msharefs, round 1",
        "",
        *(json.dumps(one) for one in (objects() if found is None else found)),
    ]
