"""What test programs print: TAP 13 in the dialect of the kernel's selftests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_PLAN = re.compile(r"1\.\.(\d+)(?:\s+# SKIP\s*(.*))?$")
_LINE = re.compile(r"(not )?ok (\d+)(?: (.*?))?(?:\s*# (SKIP|TODO|XFAIL)\b\s*(.*))?$")


@dataclass(frozen=True)
class Case:
    """One line of TAP; `outcome` is "passed", "failed" or "skipped", `detail` the notes before it."""

    name: str
    outcome: str
    detail: str = ""


@dataclass
class Report:
    """All that one program printed.

    `planned` is None as long as no plan was seen; `skip_reason` is set when the plan skips everything;
    `notes` are the "#" lines that no case has claimed.
    """

    planned: int | None = None
    skip_reason: str | None = None
    cases: list[Case] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Why the output as a whole is no success; failed cases are not repeated here."""
        if self.planned is None:
            return ["it printed no plan"]
        if self.skip_reason is not None:
            return [f"it skipped everything: {self.skip_reason or 'no reason given'}"]
        if self.planned == 0:
            return ["its plan has no test"]
        if len(self.cases) != self.planned:
            return [f"{self.planned} tests were planned, {len(self.cases)} reported"]
        if all(case.outcome == "skipped" for case in self.cases):
            return ["every test was skipped"]
        return []


def parse(lines: Iterable[str]) -> Report:
    """Read the TAP of one program. Lines that are no TAP are kept as notes."""
    report = Report()
    notes: list[str] = []
    for raw in lines:
        line = raw.rstrip()
        if not line or line.startswith("TAP version"):
            continue
        if plan := _PLAN.match(line):
            report.planned = int(plan[1])
            if plan[2] is not None:
                report.skip_reason = plan[2].strip()
        elif case := _LINE.match(line):
            report.cases.append(_case(case, len(report.cases) + 1, notes))
            notes = []
        else:
            notes.append(line.removeprefix("# "))
    report.notes = notes
    return report


def _case(match: re.Match[str], expected: int, notes: list[str]) -> Case:
    failed, number, name, directive, reason = match.groups()
    detail = "\n".join(notes)
    if int(number) != expected:
        return Case(name or f"test {number}", "failed", f"number {number} where {expected} was due\n{detail}")
    if failed:
        return Case(name or f"test {number}", "failed", detail)
    if directive == "SKIP":
        return Case(name or f"test {number}", "skipped", reason or "")
    return Case(name or f"test {number}", "passed", detail)
