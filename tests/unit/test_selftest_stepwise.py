"""The series patch by patch, on the toy kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_toy import Toy, make_toy

from mshare_pkg.errors import CheckFailed, InfraError, UserError
from mshare_pkg.kernel import base as bases
from mshare_pkg.kernel import mail
from mshare_pkg.kernel.inputs import Request
from mshare_pkg.kernel_selftest import stepwise
from mshare_pkg.kernel_selftest.kernel_log import Finding
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.transcript import ProgramRun

RELEASE = "6.12.99-step-vm"
PASSED = ProgramRun("info", ["1..1", "ok 1 a"], 0)
SKIPPED = ProgramRun("info", ["1..0 # SKIP this kernel has no msharefs"], 4)


def outcome(run: ProgramRun, release: str = RELEASE, *, complaint: str = "", problem: str = "") -> Result:
    findings = (Finding("info", complaint, complaint),) if complaint else ()
    return Result(release, (run,), findings, (problem,) if problem else (), 1.0, Path("console.log"))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy = make_toy(tmp_path, monkeypatch)
    plain = toy.kernel / "variants" / "unpatched"
    plain.mkdir(parents=True)
    (plain / "series").write_text("")
    (plain / "config").write_text("")
    return toy


def walk(
    toy: Toy, last: Result, mails: list[mail.Mail] | None = None
) -> tuple[list[stepwise.Step], list[bool]]:
    """Walk the toy's series; what each boot was told of the kernel is the second item."""
    boots: list[bool] = []
    image = toy.root / "vmlinuz"

    def boot(is_last: bool) -> Result:
        assert RELEASE.encode() in image.read_bytes()
        boots.append(is_last)
        return last if is_last else outcome(SKIPPED)

    base = bases.load("6.12", toy.root)
    steps = stepwise.walk(
        Request(toy.root, base, "vm"),
        Request(toy.root, base, "vm", series=toy.kernel / "variants" / "unpatched"),
        mails or mail.collect(toy.root, "6.12"),
        image=image,
        jobs=1,
        boot=boot,
    )
    return steps, boots


def test_each_kernel_builds_and_boots_once(toy: Toy) -> None:
    steps, boots = walk(toy, outcome(PASSED))
    assert [(step.subject, step.changed) for step in steps] == [
        # The first kernel is the unpatched one: new files change nothing.
        ("uapi: add the user header of msharefs", True),
        ("samples: add msharefs examples", False),
        ("mm: share page tables between processes", False),
        ("mm: let msharefs be configured", True),
        ("mm: hand faults of regions to their host", True),
    ]
    assert boots == [False, False, True]
    assert toy.works() == []
    # It can be done again, and takes no name for a release.
    assert walk(toy, outcome(PASSED))[1] == boots
    assert not (toy.data / "releases.json").exists()


def test_a_patch_before_what_it_needs(toy: Toy) -> None:
    *before, kconfig, fault = mail.collect(toy.root, "6.12")
    with pytest.raises(
        InfraError, match="after the patch 'mm: hand faults of regions to their host'"
    ) as caught:
        walk(toy, outcome(PASSED), [*before, fault, kconfig])
    assert toy.works() == []
    # What the message names is there still.
    assert str(toy.root / "compile.log") in caught.value.message
    assert "mshare_fault" in (toy.root / "compile.log").read_text()


def test_the_last_kernel_is_tested_though_its_patch_changes_nothing(toy: Toy) -> None:
    header, sample, *others = mail.collect(toy.root, "6.12")
    steps, boots = walk(toy, outcome(PASSED), [header, *others, sample])
    assert boots == [False, False, False, True]
    assert not steps[-1].changed


def test_a_series_without_a_symbol(toy: Toy) -> None:
    mails = [one for one in mail.collect(toy.root, "6.12") if "configured" not in one.subject]
    with pytest.raises(UserError, match="no patch of the series touches a Kconfig file"):
        walk(toy, outcome(PASSED), mails)


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (outcome(PASSED, problem="the guest ended before its tests did"), "the guest ended"),
        (outcome(PASSED, complaint="BUG: Bad page state"), "Bad page state"),
        (outcome(PASSED, "6.12.99"), "6.12.99 booted, not 6.12.99-step-vm"),
        (outcome(SKIPPED), "info"),
    ],
)
def test_a_kernel_that_does_not_do(toy: Toy, last: Result, why: str) -> None:
    with pytest.raises(CheckFailed, match=why):
        walk(toy, last)
