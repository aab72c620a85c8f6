"""What `make test` and `make demo` do: stages in order, each a named program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UserError


@dataclass(frozen=True)
class Stage:
    """One program of a plan.

    Attributes:
        name: what it is called on the command line and in the table of times.
        argv: program and arguments, run in the checkout with .venv first on PATH.
        remedy: what the reader of a failure can do.
    """

    name: str
    argv: tuple[str, ...]
    remedy: str = ""


@dataclass(frozen=True)
class Plan:
    """Stages in order, and those that run at the end whatever happened before."""

    name: str
    stages: tuple[Stage, ...]
    cleanup: tuple[Stage, ...] = ()

    def cut(self, first: str | None = None, only: Sequence[str] = (), keep: bool = False) -> Plan:
        """The same plan from a stage on, or with some of the stages alone.

        Args:
            first: the stage to begin with.
            only: the stages to run; empty means all.
            keep: leave out the clean-up.

        Raises:
            UserError: there is no stage of that name.
        """
        names = [stage.name for stage in self.stages]
        for name in [*only, *([first] if first else [])]:
            if name not in names:
                raise UserError(f"{self.name} has no stage {name!r}", f"its stages: {', '.join(names)}")
        begin = names.index(first) if first else 0
        kept = tuple(stage for stage in self.stages[begin:] if not only or stage.name in only)
        return Plan(self.name, kept, () if keep else self.cleanup)


SETUP = Stage("setup", (sys.executable, "-m", "mshare_pkg.stages", "setup"), "do what its message says")
LINT = Stage("lint", ("python", "-m", "mshare_pkg.stages.lint"), "each tool's output is in build/logs/lint")
UNIT = Stage(
    "unit",
    ("pytest", "-q", "-n", "2", "tests/unit", "tests/modules"),
    "run a test alone: .venv/bin/pytest FILE::TEST",
)
KERNEL = Stage(
    "kernel", ("mshare", "kernel", "build", "--base", "6.12", "--flavour", "vm", "--output", "build/kernel")
)
QUICK = Stage(
    "selftest",
    ("mshare", "kernel", "selftest", "--quick", "--build", "build/kernel"),
    "run one program alone: .venv/bin/mshare kernel selftest --only NAME",
)
FULL = Stage("selftest", ("mshare", "kernel", "selftest", "--build", "build/kernel"), QUICK.remedy)
DEBUG_KERNEL = Stage("kernel", (*KERNEL.argv[:-1], "build/kernel-debug", "--debug"))
DEBUG_FULL = Stage(
    "selftest",
    ("mshare", "kernel", "selftest", "--build", "build/kernel-debug", "--output", "build/selftest-debug"),
    QUICK.remedy,
)

#: Every plan, by its make target.
PLANS = {
    plan.name: plan
    for plan in (
        Plan("test", (SETUP, LINT, UNIT, KERNEL, QUICK)),
        Plan("test-kernel", (SETUP, KERNEL, FULL)),
        Plan("test-kernel-debug", (SETUP, DEBUG_KERNEL, DEBUG_FULL)),
    )
}
