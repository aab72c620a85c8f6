"""The result of a run of the kernel selftests: JSON for programs, JUnit XML for CI, text for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .kernel_log import Finding
from .transcript import ProgramRun


@dataclass(frozen=True)
class Result:
    """A run: the kernel's release, each program's run, findings in its log, and what else went wrong.

    All of it is of the last boot; `boots` tells how many there were (`kernel_log.is_of_emulator`). Our guests
    have what every case needs, so a skipped one is a failure where `skips_allowed` does not say otherwise.
    """

    release: str
    runs: tuple[ProgramRun, ...]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    seconds: float
    console: Path
    boots: int = 1
    skips_allowed: bool = False

    def count(self, outcome: str) -> int:
        """How many cases ended with this outcome."""
        return sum(case.outcome == outcome for run in self.runs for case in run.report.cases)

    @property
    def ok(self) -> bool:
        """Nothing failed, nothing is missing, and the kernel has nothing to complain about."""
        return bool(self.runs) and not self.failures()

    def as_json(self) -> dict[str, Any]:
        """The result as data; `seconds` are the controller's wall clock."""
        return {
            "schema": 1,
            "release": self.release,
            "ok": self.ok,
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "skipped": self.count("skipped"),
            "seconds": round(self.seconds, 1),
            "boots": self.boots,
            "problems": list(self.problems),
            "kernel_findings": [vars(finding) for finding in self.findings],
            "programs": [
                {
                    "name": run.name,
                    "exit_code": run.exit_code,
                    "seconds": round(run.seconds, 1),
                    "problems": run.problems(),
                    "cases": [vars(case) for case in run.report.cases],
                }
                for run in self.runs
            ],
            "console": str(self.console),
        }

    def failures(self) -> list[str]:
        """Everything that makes the run a failure, one text each, with its details indented."""
        texts = list(self.problems)
        for run in self.runs:
            texts += [f"{run.name}: {problem}" for problem in run.problems()]
            for case in run.report.cases:
                if case.outcome == "failed":
                    texts.append(_indented(f"{run.name}: {case.name}", case.detail))
                elif case.outcome == "skipped" and not self.skips_allowed:
                    texts.append(f"{run.name}: {case.name}: skipped: {case.detail or 'no reason given'}")
        texts += [
            _indented(f"kernel log, during {finding.program or 'start'}:", finding.context)
            for finding in self.findings
        ]
        return texts

    def write_junit(self, path: Path) -> None:
        """Write JUnit XML: a suite for each program, and one for the kernel's log."""
        root = ElementTree.Element("testsuites", name="kernel selftests", time=f"{self.seconds:.1f}")
        for run in self.runs:
            suite = ElementTree.SubElement(root, "testsuite", name=run.name, time=f"{run.seconds:.1f}")
            for case in run.report.cases:
                element = _junit_case(suite, run.name, case.name)
                if case.outcome == "failed":
                    ElementTree.SubElement(element, "failure", message=case.name).text = case.detail
                elif case.outcome == "skipped":
                    ElementTree.SubElement(element, "skipped", message=case.detail)
            for problem in run.problems():
                element = _junit_case(suite, run.name, "the program as a whole")
                ElementTree.SubElement(element, "error", message=problem)
        suite = ElementTree.SubElement(root, "testsuite", name="kernel")
        element = _junit_case(suite, "kernel", "the kernel's log and end")
        for text in (*self.problems, *(finding.context for finding in self.findings)):
            ElementTree.SubElement(element, "failure", message=text.splitlines()[0]).text = text
        for suite in root:
            for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
                suite.set(attribute, str(sum(case.find(tag) is not None for case in suite)))
            suite.set("tests", str(len(suite)))
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _junit_case(suite: ElementTree.Element, program: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=f"kernel_selftest.{program}", name=name)


def _indented(head: str, detail: str) -> str:
    return "\n".join([head, *(f"    {line}" for line in detail.splitlines())])
