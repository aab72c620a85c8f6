"""The report: its JSON, JUnit XML and page, from results of two hosts."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from verify_samples import MEASURED, results, sample

from mshare_pkg.commands import verify
from mshare_pkg.commands.report import command
from mshare_pkg.errors import CheckFailed, UserError
from mshare_pkg.verify import html, junit, report

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def made(failed: str = "") -> dict[str, Any]:
    return report.make(results(failed), NOW)


def test_report_names_release_hosts_and_checks() -> None:
    data = json.loads(json.dumps(made("mounted")))
    assert data["schema"] == 1
    assert data["created"] == "2026-01-02T03:04:05+00:00"
    assert data["release"] == "6.12.117-mshare1-vm"
    assert list(data["hosts"]) == ["mshare-lab-1", "mshare-lab-2"]
    assert data["checks"] == {"passed": 5, "failed": 1, "skipped": 0}
    assert data["hosts"]["mshare-lab-1"]["saved_kib"] == 516 * 64 - 540
    assert [(one["host"], one["kind"]) for one in data["plot"]["series"]] == [
        (host, kind) for host in data["hosts"] for kind in ("private", "shared")
    ]
    assert data["plot"]["series"][1]["points"][-1] == [64, 540]


def test_a_host_that_did_not_answer_is_in_the_report() -> None:
    data = report.make(
        {**results(), "gone": {"checks": [{**results()["mshare-lab-1"]["checks"][0], "outcome": "failed"}]}}
    )
    assert data["hosts"]["gone"]["release"] is None
    assert data["release"] is None
    assert "gone" in html.render(data)
    assert "unknown" in html.render(data)


def test_junit_has_a_suite_for_each_host() -> None:
    root = ET.fromstring(junit.render(made("mounted")))  # noqa: S314 - our own text
    suites = {suite.get("name"): suite for suite in root}
    assert suites["mshare-lab-1"].get("tests") == "3"
    assert suites["mshare-lab-2"].get("failures") == "1"
    failure = suites["mshare-lab-2"].find("testcase/failure")
    assert failure is not None
    assert failure.text == "it is <not> as & ?[1mexpected"


def test_page_loads_nothing_and_escapes_what_hosts_say() -> None:
    page = html.render(made("mounted"))
    assert "it is &lt;not&gt; as &amp;" in page
    assert "<script" not in page
    outside = re.findall(r"""(?:href|src)=["']([^"']+)|url\(([^)]+)\)""", page)
    assert all(first.startswith("#") or second.startswith("#") for first, second in outside)
    assert "@import" not in page


def test_page_of_the_same_report_is_the_same_text() -> None:
    assert html.render(made()) == html.render(made())


def test_page_without_measurements_has_no_plot() -> None:
    unmeasured = {name: {**host, "measure": None} for name, host in results().items()}
    assert "<svg" not in html.render(report.make(unmeasured))
    skipped = sample(MEASURED, skipped="no room", shared=None, private=None)
    page = html.render(report.make({"a": {**results()["mshare-lab-1"], "measure": skipped}}))
    assert "Nothing was measured: no room." in page


def test_written_files_lie_side_by_side_and_are_rendered_again(tmp_path: Path) -> None:
    path = tmp_path / "out" / "report.json"
    report.write(made(), path)
    assert sorted(one.name for one in path.parent.iterdir()) == ["report.html", "report.json", "report.xml"]
    page, xml = tmp_path / "again.html", tmp_path / "again.xml"
    done = CliRunner().invoke(command, [str(path), "--html", str(page), "--junit", str(xml), "--json"])
    assert done.exit_code == 0, done.output
    assert page.read_text() == path.with_suffix(".html").read_text()
    assert xml.read_text() == path.with_suffix(".xml").read_text()
    assert json.loads(done.stdout)["checks"]["passed"] == 6


def test_a_failed_check_is_named_and_ends_the_command_with_1(tmp_path: Path) -> None:
    report.write(made("mounted"), tmp_path / "report.json")
    done = CliRunner().invoke(command, [str(tmp_path / "report.json")])
    assert isinstance(done.exception, CheckFailed)
    assert done.exception.exit_code == 1
    assert "mshare-lab-2: msharefs is mounted on /sys/fs/mshare" in str(done.exception)


def test_a_host_that_was_not_measured_fails_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = sample(MEASURED, skipped="no room", shared=None, private=None)
    found = {**results(), "small": {**results()["mshare-lab-1"], "measure": skipped}}
    monkeypatch.setattr("mshare_pkg.verify.fleet.check", lambda *_, **__: found)
    words = ["-i", "inventory", "--report", str(tmp_path / "report.json")]
    assert CliRunner().invoke(verify.command, words).exception is None
    done = CliRunner().invoke(verify.command, [*words, "--measure"])
    assert isinstance(done.exception, CheckFailed), done.output
    assert done.exception.message == "not measured:\n  small: no room"
    assert json.loads((tmp_path / "report.json").read_text())["hosts"]["small"]["saved_kib"] is None
    del found["small"]
    assert CliRunner().invoke(verify.command, [*words, "--measure"]).exception is None


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2, "hosts": {}}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError):
        report.load(tmp_path / "report.json")
