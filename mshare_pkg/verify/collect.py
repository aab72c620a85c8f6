"""Pytest plugin (`-p mshare_pkg.verify.collect --mshare-results FILE`): each check's result by host, as JSON.

The file: host name -> {"checks": [{"name", "title", "outcome", "seconds", "detail"}], and what the programs
on the host printed: "facts", "touch", "measure"}. `hold` and `host_of` are for the checks.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--mshare-results", metavar="FILE", help="write each host's results to FILE, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Collect results when they are asked for."""
    if config.getoption("--mshare-results"):
        config.pluginmanager.register(_Collector(Path(config.getoption("--mshare-results"))))


def detail_of(report: pytest.TestReport) -> str:
    """Why a check failed or was skipped, in a few words; empty when it passed."""
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr).strip().removeprefix("Failed: ")


def host_of(item: pytest.Item) -> Any:
    """The testinfra host that a check runs against, or None when there is none."""
    callspec = getattr(item, "callspec", None)
    host = callspec.params.get("_testinfra_host") if callspec else None
    return host if hasattr(host, "backend") else None  # pytest puts a marker in when no host matched


def hold(problems: Sequence[str]) -> None:
    """End the running check as failed when there are problems; they are its message.

    Raises:
        pytest.fail.Exception: there are.
    """
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


class _Collector:
    """Gathers the reports of one session."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hosts: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        host = host_of(item)
        if host and (report.when == "call" or report.outcome != "passed"):
            entry = self._hosts.setdefault(host.backend.get_hostname(), {"checks": []})
            doc = (getattr(item, "obj", None).__doc__ or "").strip().splitlines()
            entry["checks"].append(
                {
                    "name": item.name.partition("[")[0].removeprefix("test_"),
                    "title": doc[0] if doc else item.name,
                    "outcome": report.outcome,
                    "seconds": round(report.duration, 3),
                    "detail": detail_of(report),
                }
            )
            entry.update(report.user_properties)
        return report

    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._hosts))
