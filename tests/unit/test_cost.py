"""Instruction counts: what the program printed, the comparison, the page, and the command around them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mshare_pkg.cli import cli
from mshare_pkg.cost import command, counts
from mshare_pkg.errors import CheckFailed, InfraError, UserError
from mshare_pkg.kernel import base as bases
from mshare_pkg.kernel import build as builds
from mshare_pkg.kernel import variants
from mshare_pkg.kernel.config import merge
from mshare_pkg.kernel.inputs import Request, gather
from mshare_pkg.kernel.source import Source
from mshare_pkg.kernel_selftest import runner
from mshare_pkg.kernel_selftest.kernel_log import Finding
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.transcript import ProgramRun

ROOT = Path(__file__).parents[2]


def lines(each: float = 1000, rounds: int = 3, release: str = "6.12.1-vm", **other: float) -> list[str]:
    """What the program prints where one of anything takes `each` instructions, but for the `other`."""
    found = [json.dumps({"release": release, "rounds": rounds})]
    for number in range(1, rounds + 1):
        for name in counts.TITLES:
            typical = other.get(name.replace("-", "_"), each)
            # Rounds but the first are disturbed: what is low does not care.
            taken = int(typical * 10 * (1 if number == 1 else 1 + number / 8))
            found.append(json.dumps({"measure": name, "round": number, "count": 10, "instructions": taken}))
    return found


def outcome(
    said: list[str], exit_code: int | None = 0, *, complaint: str = "", problems: tuple[str, ...] = ()
) -> Result:
    findings = (Finding("cost", complaint, complaint),) if complaint else ()
    run = ProgramRun("cost", said, exit_code)
    return Result("6.12.1-vm", (run,), findings, problems, 1.0, Path("console.log"))


def compared(limit: float = 0.5, again: float = 1000, **on: float) -> dict[str, Any]:
    return counts.compare(
        {
            "unpatched": counts.parse(lines(), "a"),
            "off": counts.parse(lines(), "b"),
            "on": counts.parse(lines(**on), "c"),
            "again": counts.parse(lines(mremap=again), "d"),
        },
        limit,
    )


def test_instructions_of_one_operation() -> None:
    found = counts.parse(["# note", "", *lines(mprotect=77)], "tests.log")
    assert found.release == "6.12.1-vm"
    assert found.low("exec") == 1000
    assert found.low("mprotect") == 77
    assert found.each["exec"] == (1000, 1250, 1375)


def test_rounds_of_several_boots_count_together() -> None:
    first, second = (counts.parse(lines(exec=each), "tests.log") for each in (990, 980))
    found = first.and_of(second)
    assert len(found.each["exec"]) == 6
    assert found.low("exec") == 980


def test_one_lucky_boot_does_not_count() -> None:
    found = counts.Counts("6.12.1-vm", {"exec": (900.0, *[1000.0] * 60, *[1500.0] * 14)})
    assert found.low("exec") == 1000


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda _: [], "not 0 rounds of"),
        (lambda said: said[:-1], "not 3 rounds of reclaim"),
        (lambda said: [*said, "{"], "no measurement"),
        (lambda said: [*said, '{"measure": "sleep", "count": 1, "instructions": 1}'], "'sleep'"),
        (lambda said: [*said, '{"measure": "exec", "count": 0, "instructions": 1}'], "ZeroDivisionError"),
        (lambda said: [*said, "[1]"], "no measurement"),
    ],
)
def test_output_that_is_not_whole(change: Callable[[list[str]], list[str]], why: str) -> None:
    with pytest.raises(InfraError, match=re.escape(why)):
        counts.parse(change(lines()), "tests.log")


def test_within_the_limit() -> None:
    report = compared(exec=1005)
    row = next(row for row in report["rows"] if row["name"] == "exec")
    assert row["more_percent"] == {"off": 0, "on": pytest.approx(0.5), "again": 0}
    assert counts.over(compared(exec=1004)) == []
    # Fewer is never too much.
    assert counts.over(compared(exec=500)) == []


def test_over_the_limit() -> None:
    assert counts.over(compared(exec=1006)) == ["vfork, exec, exit, wait, CONFIG_MSHARE=y: +0.60 %"]
    assert counts.over(compared(limit=0.7, exec=1006)) == []


def test_what_chance_decides_is_no_answer() -> None:
    said = ["mremap to another address, a page of many, unpatched again: -1.00 %"]
    assert counts.over(compared(again=990)) == said
    assert counts.over(compared(again=990, mremap=2000)) == said


def test_titles_are_those_of_the_program() -> None:
    source = (ROOT / "kernel" / "selftests" / "mshare" / "cost.c").read_text()
    table = source[source.index("measures[] = {") :].partition("};")[0]
    assert re.findall(r'\{ "([a-z-]+)",', table) == list(counts.TITLES)


def test_kernels_differ_in_what_is_compared_alone() -> None:
    source = Source("linux-source-6.12", "6.12.99-1", "0" * 64, Path("linux-source.deb"))
    found = {
        name: gather(request, source, "amd64", {})
        for name, request in variants.requests(ROOT, bases.load("6.12"), "vm").items()
    }
    plain, off, on = found[variants.UNPATCHED], found[variants.OFF], found[variants.ON]
    assert (plain.patches, plain.src_files) == ((), ())
    assert (off.patches, off.src_files) == (on.patches, on.src_files)
    assert on.patches
    wanted = {name: merge(one.fragments) for name, one in found.items()}
    assert wanted[variants.OFF].pop("CONFIG_MSHARE") == "n"
    assert wanted[variants.ON].pop("CONFIG_MSHARE") == "y"
    assert wanted[variants.UNPATCHED] == wanted[variants.OFF] == wanted[variants.ON]


def image_package(folder: Path, *symbols: str) -> Path:
    """A package with a System.map of these names."""
    root = folder / "tree"
    (root / "boot").mkdir(parents=True)
    (root / "DEBIAN").mkdir()
    text = "".join(f"ffffffff8100{n:04x} T {name}\n" for n, name in enumerate(symbols))
    (root / "boot" / "System.map-6.12").write_text(text)
    (root / "DEBIAN" / "control").write_text(
        "Package: linux-image-6.12\nVersion: 1\nArchitecture: amd64\n"
        "Maintainer: A <a@localhost>\nDescription: x\n"
    )
    subprocess.run(["dpkg-deb", "--build", root, folder / "image.deb"], check=True, capture_output=True)
    return folder / "image.deb"


def test_symbols_of_a_package(tmp_path: Path) -> None:
    assert command.symbols(image_package(tmp_path, "schedule", "mshare_fault")) == [
        "schedule",
        "mshare_fault",
    ]


@pytest.mark.parametrize(
    ("off", "on", "why"),
    [
        (
            ["schedule", "vma_is_mshare"],
            ["mshare_fault"],
            "leaves 1 symbols of msharefs in the kernel: vma_is_mshare",
        ),
        (["schedule"], ["schedule"], "CONFIG_MSHARE=y has no symbol"),
    ],
)
def test_symbols_that_must_not_be_there_and_those_that_must(off: list[str], on: list[str], why: str) -> None:
    with pytest.raises(CheckFailed, match=why):
        command.check_symbols(off, on)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[runner.Plan]:
    """What was booted; a kernel counts as its directory's name asks for."""
    seen: list[runner.Plan] = []
    said = {"unpatched": lines(), "off": lines(), "on": lines(exec=1010), "again": lines()}

    def boot(plan: runner.Plan) -> Result:
        plan.work.mkdir(parents=True, exist_ok=True)
        seen.append(plan)
        return outcome(said[plan.work.parent.name])

    def build(request: Request, folder: Path, jobs: int) -> dict[str, Any]:
        image_package(folder, "schedule", *(["mshare_fault"] if folder.name == variants.ON else []))
        return {
            "vmlinuz": f"vmlinuz-{request.config}-{request.series}-{jobs}".replace("/", "_"),
            "packages": [{"kind": "meta", "path": "meta.deb"}, {"kind": "image", "path": "image.deb"}],
        }

    monkeypatch.setattr(runner, "execute", boot)
    monkeypatch.setattr(builds, "build", build)
    return seen


def test_command(plans: list[runner.Plan], tmp_path: Path) -> None:
    words = ["kernel", "cost", "--output", str(tmp_path), "--rounds", "3", "--boots", "2"]
    done = CliRunner().invoke(cli, [*words, "--limit", "2"])
    assert done.exit_code == 0, done.output
    assert done.stdout == (tmp_path / "cost.md").read_text()
    assert "| vfork, exec, exit, wait | 1,000.0 | 1,000.0 | 1,010.0 | +0.00 | +1.00 | +0.00 |" in done.stdout
    assert len({plan.image for plan in plans}) == 3
    assert plans[-1].image == plans[0].image
    for plan in plans:
        assert plan.programs[0].full == ("-n", "3")
        assert plan.cpus == 1
        arguments = runner.qemu_arguments(plan)
        assert "-icount" in arguments
        assert "tcg,thread=single" in arguments


def test_too_much_fails_and_leaves_the_report(plans: list[runner.Plan], tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["kernel", "cost", "--output", str(tmp_path), "--json"])
    assert isinstance(done.exception, CheckFailed)
    assert "vfork, exec, exit, wait, CONFIG_MSHARE=y: +1.00 %" in str(done.exception)
    assert json.loads((tmp_path / "cost.json").read_text()) == json.loads(done.stdout)
    assert len(plans) == 12


@pytest.mark.parametrize(
    ("result", "error", "why"),
    [
        (outcome(lines(), complaint="BUG: Bad page state"), CheckFailed, "Bad page state"),
        (outcome(["# cost.c:1: use QEMU's -icount"], 1), InfraError, "use QEMU's -icount"),
        (outcome(lines(), None), InfraError, "counting instructions"),
        (outcome(lines(), problems=("no end after 1200 s",)), InfraError, "no end after"),
        (Result("", (), (), (), 1.0, Path("console.log")), InfraError, "counting instructions"),
    ],
)
def test_a_guest_that_did_not_end_well(
    monkeypatch: pytest.MonkeyPatch, result: Result, error: type[Exception], why: str
) -> None:
    monkeypatch.setattr(runner, "execute", lambda _: result)
    with pytest.raises(error, match=why):
        command.measure(Path("vmlinuz"), Path("work"), 3, None)


def test_another_flavour_is_refused() -> None:
    done = CliRunner().invoke(cli, ["kernel", "cost", "--flavour", "cloud"])
    assert isinstance(done.exception, UserError)
