"""The test programs: their names in the order they run, and their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UserError


@dataclass(frozen=True)
class Program:
    """A test program and the arguments that it gets in a quick and in a full run."""

    name: str
    quick: tuple[str, ...] = ("-q",)
    full: tuple[str, ...] = ()


#: Cheap ones first, so that a kernel that is quite broken is found out in seconds.
PROGRAMS = (
    Program("info"),
    Program("mount"),
    Program("life"),
    Program("input"),
    Program("mmap"),
    Program("access"),
    Program("fork"),
    Program("maps"),
    Program("unmap"),
    Program("cgroup"),
    Program("swap"),
    Program("sharing"),
    Program("stress", quick=("-q", "-s", "8"), full=("-s", "60")),
    Program("leak"),
)


def select(only: Sequence[str]) -> list[Program]:
    """The programs named, in their own order; all of them when none is named.

    Raises:
        UserError: a name is not that of a program.
    """
    known = {program.name for program in PROGRAMS}
    for name in only:
        if name not in known:
            raise UserError(
                f"no kernel selftest is named {name}", f"name some of: {', '.join(sorted(known))}"
            )
    return [program for program in PROGRAMS if not only or program.name in only]
