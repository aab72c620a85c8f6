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
    (
        *(
            "mshare",
            "kernel",
            "selftest",
            "--build",
            "build/kernel-debug",
            "--output",
            "build/selftest-debug",
        ),
        # KASAN keeps an eighth of the memory for itself, and freed memory for a while.
        *("--memory", "2048"),
    ),
    QUICK.remedy,
)
ENDURE = Stage(
    "endure",
    ("mshare", "kernel", "endure", "--build", "build/kernel"),
    "run it again: it goes on after the last whole boot",
)
#: 16 processes on four CPUs with all the checks: some minutes.
DEBUG_ENDURE = Stage(
    "endure",
    (
        *("mshare", "kernel", "endure", "--build", "build/kernel-debug", "--output", "build/endure-debug"),
        *("--operations", "20000"),
    ),
    "the kernel's log is build/endure-debug/console.log",
)

BENCH = Stage(
    "bench",
    ("mshare", "kernel", "bench", "--build", "build/kernel", "--output", "build/bench"),
    "the program's output is build/bench/tests.log; a shorter run: .venv/bin/mshare kernel bench --quick",
)

COST = Stage(
    "cost",
    ("mshare", "kernel", "cost", "--output", "build/cost"),
    "each kernel's counts are build/cost/KERNEL/boot-N/tests.log",
)

PUBLISH = Stage("publish", ("mshare", "repo", "publish", "build/kernel", "--repo", "build/repo"))
MOLECULE = Stage(
    "molecule",
    ("python", "-m", "mshare_pkg.verify.scenarios", "default", "test"),
    "keep the machine: .venv/bin/python -m mshare_pkg.verify.scenarios default converge",
)


def lab_up(directory: str, hosts: int) -> Stage:
    """Bring up a lab that serves build/repo."""
    argv = ("mshare", "lab", "up", "--hosts", str(hosts), "--dir", directory, "--repo", "build/repo")
    return Stage("lab", argv, f"the machines' consoles are {directory}/hosts/*/console.log")


def lab_down(directory: str, name: str = "down") -> Stage:
    """Take a lab down, if it is up. What its consoles said stays, for whoever asks why."""
    argv = ("mshare", "lab", "down", "--keep-logs", "--dir", directory)
    return Stage(name, argv, "see what of it still runs: mshare lab status")


def on_a_lab(directory: str, hosts: int, report: str) -> tuple[Stage, ...]:
    """The chain from a published build to a report, on machines of a lab."""
    inventory = f"{directory}/inventory.yml"
    variables = f"{directory}/group_vars/mshare_hosts.yml"
    return (
        lab_up(directory, hosts),
        Stage("declare", ("install", "-D", "-m", "0644", "mshare_pkg/stages/demo.yml", variables)),
        Stage(
            "site",
            ("ansible-playbook", "-i", inventory, "playbooks/site.yml"),
            "the play names host and reason",
        ),
        Stage("status", ("mshare", "status", "-i", inventory)),
        Stage("verify", ("mshare", "verify", "-i", inventory, "--measure", "--report", report)),
        Stage("report", ("mshare", "report", report)),
    )


FLEET = Stage(
    "fleet",
    ("pytest", "-v", "--exitfirst", "--durations=10", "tests/fleet", "--lab", "build/fleet"),
    "keep the machines: python3 -m mshare_pkg.stages test --from lab --keep",
)

#: Every plan, by its make target.
PLANS = {
    plan.name: plan
    for plan in (
        Plan(
            "demo",
            (SETUP, KERNEL, PUBLISH, *on_a_lab("build/demo", 2, "build/report.json")),
            (lab_down("build/demo"),),
        ),
        Plan("bench", (SETUP, KERNEL, BENCH)),
        Plan("cost", (SETUP, COST)),
        Plan(
            "test",
            (SETUP, LINT, UNIT, KERNEL, QUICK, PUBLISH, MOLECULE, lab_up("build/fleet", 2), FLEET),
            (lab_down("build/fleet"), lab_down("build/molecule/default/lab", "molecule-down")),
        ),
        Plan("test-kernel", (SETUP, KERNEL, FULL)),
        Plan("test-kernel-debug", (SETUP, DEBUG_KERNEL, DEBUG_FULL, DEBUG_ENDURE)),
        Plan("endure", (SETUP, KERNEL, ENDURE)),
        Plan("sparse", (SETUP, Stage("sparse", ("mshare", "kernel", "sparse")))),
        Plan("stepwise", (SETUP, Stage("stepwise", ("mshare", "kernel", "stepwise")))),
        Plan("mutants", (SETUP, Stage("mutants", ("mshare", "kernel", "mutants")))),
    )
}
