"""The test programs: their names in the order they run, and their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import UserError


@dataclass(frozen=True)
class Program:
    """A test program and the arguments that it gets in a quick and in a full run.

    Attributes:
        name: of the program.
        quick: its arguments in a quick run.
        full: its arguments in a full run.
        debug_full: the same on a debug kernel, where that needs others.
        debug: it needs what only a debug kernel has (kernel/config/debug.config).
        long: it is for full runs only.
        commands: what it executes: programs of this machine, which are put into the guest.
    """

    name: str
    quick: tuple[str, ...] = ("-q",)
    full: tuple[str, ...] = ()
    debug_full: tuple[str, ...] = ()
    debug: bool = False
    long: bool = False
    commands: tuple[str, ...] = ()


#: Cheap ones first, so that a kernel that is quite broken is found out in seconds.
PROGRAMS = (
    Program("info"),
    Program("mount"),
    Program("life"),
    Program("input"),
    Program("mmap"),
    Program("access"),
    # Before any that makes a group of version 2: what a CPU holds back of such a group's charges is taken
    # off the root's memsw, where it never was, when version 1 has the controller (the kernel's
    # drain_stock()): it warns of an underflow.
    Program("cgroup1", debug=True),
    Program("fork"),
    Program("maps"),
    Program("kvm", debug=True),
    Program("fail", debug=True),
    Program("unmap"),
    Program("files"),
    Program("disk"),
    Program("move"),  # before a page of hugetlb fails, which keeps its block of memory from going offline
    Program("hugetlb"),
    Program("cgroup"),
    Program("swap"),
    Program("sharing"),
    Program("fuzz", quick=("-q", "-s", "5"), full=("-s", "60")),
    Program("stress", quick=("-q", "-s", "8"), full=("-s", "60")),
    Program(
        "others",
        full=("-s", "20"),
        debug_full=("-q", "-s", "30"),  # with KASAN, a round with half of the memory takes minutes
        long=True,
        commands=("stress-ng", "trinity"),
    ),
    Program("leak"),
)


def select(only: Sequence[str], *, debug: bool = False, quick: bool = False) -> list[Program]:
    """The programs named, in their own order; when none is named, all that the run is for.

    Args:
        only: names.
        debug: whether the kernel is a debug build.
        quick: whether the run is a quick one.

    Raises:
        UserError: a name is not that of a program.
    """
    known = {program.name for program in PROGRAMS}
    for name in only:
        if name not in known:
            raise UserError(
                f"no kernel selftest is named {name}", f"name some of: {', '.join(sorted(known))}"
            )
    if only:
        chosen = [program for program in PROGRAMS if program.name in only]
    else:
        chosen = [
            program for program in PROGRAMS if (debug or not program.debug) and not (quick and program.long)
        ]
    return [
        replace(program, full=program.debug_full) if debug and program.debug_full else program
        for program in chosen
    ]
