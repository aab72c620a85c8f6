"""From measurements to the report, its page, its plot; and the command around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench_samples import SIZE, lines, objects
from click.testing import CliRunner

from mshare_pkg.bench import command, measured, page, plot, run, summary
from mshare_pkg.cli import cli
from mshare_pkg.errors import CheckFailed, InfraError, UserError
from mshare_pkg.kernel_selftest import runner
from mshare_pkg.kernel_selftest.kernel_log import Finding
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.transcript import ProgramRun


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return command.document(measured.parse(lines()), "2026-01-02T03:04:05+00:00", 12.34, quick=True)


def figure(report: dict[str, Any], part: str, title: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report[part] if one["title"] == title)
    return found


def test_page_tables(report: dict[str, Any]) -> None:
    assert report["page_tables"] == {
        "processes": [1, 2, 4],
        "kib": {"msharefs": [68, 72, 80], "memfd": [64, 128, 256], "hugetlb": [0, 0, 0]},
        "times_better": {"memfd": [64 / 68, 128 / 72, 256 / 80], "hugetlb": [0, 0, 0]},
    }


def test_until_the_kth_process(report: dict[str, Any]) -> None:
    until = report["until"]
    assert until["faults_of_the_last"]["memfd"] == [8192, 512, 512]
    assert until["faults"]["memfd"] == [8192, 8704, 9728]
    assert until["seconds"]["msharefs"] == pytest.approx([10e-6, 12e-6, 16e-6])
    assert until["seconds_of_a_later_one"] == pytest.approx(
        {"msharefs": 2e-6, "memfd": 4e-6, "hugetlb": 3e-6}
    )
    assert until["times_better"]["memfd"] == pytest.approx([1, 14 / 12, 22 / 16])


def test_medians_and_ratios_within_a_round(report: dict[str, Any]) -> None:
    attach = figure(report, "timed", "attach and detach")
    # Rounds take 1, 2 and 3 times as long: the median is that of the second.
    assert attach["median"] == {"msharefs": 2.0, "memfd": 6.0, "hugetlb": 4.0}
    assert attach["times_better"]["memfd"] == {"median": 3.0, "least": 3.0, "most": 3.0}


def test_of_a_throughput_more_is_better(report: dict[str, Any]) -> None:
    touches = figure(report, "timed", "random touches, the first")
    assert touches["median"]["msharefs"] == pytest.approx(400 / 2000 * 1e9)
    assert touches["times_better"]["memfd"]["median"] == pytest.approx(3)


def test_a_ratio_with_nothing_to_compare() -> None:
    found = objects()
    for line in found:
        if line["measure"] == "mapped" and line["memory"] == "msharefs":
            line["slab_kib"] = 0
    mapped = figure(summary.summarize(measured.parse(lines(found))), "counted", "kernel objects of a mapping")
    assert mapped["median"]["msharefs"] == 0
    assert mapped["times_better"] == {"memfd": None, "hugetlb": None}


def test_break_even(report: dict[str, Any]) -> None:
    even = report["break_even"]
    assert even["models"]["msharefs"] == {
        "base": 12 * 1024,
        "copy": 2048,
        "own": 4096,
        "own_copy": 0,
    }
    assert even["models"]["memfd"] == {"base": 2048, "copy": 0, "own": 0, "own_copy": 2048}
    # 12 + 2 * 2 + 4 n against 2 + 4 n: never; at 8 MiB 12 + 16 + 4 n against 2 + 16 n: from 3.
    assert [row["processes"]["memfd"] for row in even["by_size"]][:2] == [None, 3]
    assert [row["mib"] for row in even["by_size"]] == [2, 8, 32, 128, 512, 1024]


def test_what_was_measured_between_is_held_against_the_fit() -> None:
    found = objects()
    for line in found:
        if line["measure"] == "many" and line["memory"] == "memfd" and line["bytes"] == SIZE:
            line["tables_kib"][1] += 12  # with two processes: neither the first number nor the last
    even = summary.summarize(measured.parse(lines(found)))["break_even"]
    assert even["differs_bytes"] == {"msharefs": 0, "memfd": 12 * 1024, "hugetlb": 0}


def test_the_page_tells_every_table(report: dict[str, Any]) -> None:
    text = page.markdown(report, "bench.svg")
    assert "![Plots of the tables below](bench.svg)" in text
    assert "| 4 | 80 | 256 | 0 | 3.2 | 0 |" in text
    assert "| attach and detach | µs | 2 | 6 | 4 | 3 (3 to 3) | 2 (2 to 2) |" in text
    assert "- msharefs: 12 + 2 S + n (4 + 0 S)" in text
    assert "| 2 | never | never |" in text
    assert "differ from it by at most 0 KiB (msharefs), 0 KiB (memfd), 0 KiB (hugetlb)." in text
    for part in ("counted", "timed"):
        for one in report[part]:
            assert f"| {one['title']} | {one['unit']} |" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert min(widths) >= 4


def test_the_plot_is_svg_that_loads_nothing(report: dict[str, Any]) -> None:
    text = plot.svg(report)
    root = ElementTree.fromstring(text)  # noqa: S314 - we have just drawn it
    assert root.tag.endswith("svg")
    assert "<image" not in text
    assert "@import" not in text
    assert f"page tables for {SIZE >> 20} MiB" in text
    assert plot.svg(report) == text


def test_files(report: dict[str, Any], tmp_path: Path) -> None:
    assert command.write(report, tmp_path) == tmp_path / "bench.md"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "bench.md", "bench.svg"]
    loaded = json.loads((tmp_path / "bench.json").read_text())
    assert loaded["schema"] == 1
    assert measured.parse(lines([loaded["machine"], *loaded["measurements"]])).rounds == 3


@pytest.mark.parametrize(
    ("size", "memory", "why"),
    [
        (run.Size(3, 32, 1), 2048, "3 processes"),
        (run.Size(512, 32, 1), 2048, "512 processes"),
        (run.Size(16, 48, 1), 2048, "48 MiB"),
        (run.Size(16, 0, 1), 2048, "0 MiB"),
        (run.Size(16, 32, 0), 2048, "0 rounds"),
        (run.Size(256, 256, 5), 1024, "need a guest of"),
    ],
)
def test_sizes_that_cannot_be_measured(size: run.Size, memory: int, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        size.check(memory)
    assert caught.value.remedy


def test_the_usual_sizes_fit_the_usual_guest() -> None:
    for size in (run.QUICK, run.FULL):
        size.check(memory=1024)


def outcome(
    text: list[str], exit_code: int | None = 0, problems: tuple[str, ...] = (), complaint: str = ""
) -> Result:
    findings = (Finding("bench", complaint, complaint),) if complaint else ()
    runs = (ProgramRun("bench", text, exit_code),)
    return Result("6.12", runs, findings, problems, 1.0, Path("console.log"))


def execute(monkeypatch: pytest.MonkeyPatch, result: Result) -> tuple[measured.Measured, list[runner.Plan]]:
    plans: list[runner.Plan] = []

    def fake(plan: runner.Plan) -> Result:
        plans.append(plan)
        return result

    monkeypatch.setattr(runner, "execute", fake)
    here = Path()
    found, _ = run.execute(here, here, here, run.QUICK, quick=True, cpus=2, memory=2048)
    return found, plans


def test_the_program_gets_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found, (plan,) = execute(monkeypatch, outcome(lines()))
    assert found.rounds == 3
    assert [program.quick for program in plan.programs] == [("-q", "-p", "16", "-m", "32", "-n", "3")]
    assert plan.tell(ProgramRun("bench", exit_code=0, seconds=61.4)) == "bench: exit code 0 (61 s)"


def test_a_complaint_of_the_kernel_fails_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckFailed, match="BUG: Bad page state"):
        execute(monkeypatch, outcome(lines(), complaint="BUG: Bad page state"))


@pytest.mark.parametrize(
    ("exit_code", "why"),
    [
        (1, "ended with 1"),
        (None, "never ended"),
        (137, "was killed: its time was over"),
        (142, "gave up: a measurement took too long"),
    ],
)
def test_a_program_that_did_not_end_well(
    monkeypatch: pytest.MonkeyPatch, exit_code: int | None, why: str
) -> None:
    with pytest.raises(InfraError, match=why) as caught:
        execute(monkeypatch, outcome(["# bench.c:1: no memory", *lines()], exit_code))
    assert "# create: msharefs, round 1" in caught.value.message


def test_a_guest_that_died(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InfraError, match="the guest ended before"):
        execute(monkeypatch, outcome(lines(), problems=("the guest ended before its tests did",)))


def build(directory: Path, flavour: str) -> None:
    (directory / "vmlinuz").write_bytes(b"")
    (directory / "build.json").write_text(json.dumps({"vmlinuz": "vmlinuz", "flavour": flavour}))


def test_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build(tmp_path, "vm")
    output = tmp_path / "out"
    output.mkdir()
    monkeypatch.setattr(runner, "execute", lambda _: outcome(lines()))
    words = ["kernel", "bench", "--quick", "--build", str(tmp_path), "--output", str(output)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert done.stdout == (output / "bench.md").read_text()
    assert json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)["quick"] is True


def test_command_refuses_a_debug_kernel(tmp_path: Path) -> None:
    build(tmp_path, "vm-debug")
    done = CliRunner().invoke(cli, ["kernel", "bench", "--build", str(tmp_path)])
    assert isinstance(done.exception, UserError)
    assert "is a debug kernel" in str(done.exception)


def test_command_without_a_kernel(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["kernel", "bench", "--build", str(tmp_path)])
    assert isinstance(done.exception, UserError)
