"""Mutants: what their files say, and when one counts as noticed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mshare_pkg.errors import CheckFailed, InfraError, UserError
from mshare_pkg.kernel.patching import apply_series, touched
from mshare_pkg.kernel.series import Patch
from mshare_pkg.kernel_selftest import mutants
from mshare_pkg.kernel_selftest.kernel_log import Finding
from mshare_pkg.kernel_selftest.mutants import Fail, Mutant
from mshare_pkg.kernel_selftest.programs import Program
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.transcript import ProgramRun

REPO = Path(__file__).parents[2]
FAIL = Fail("mmap", "mlock: EINVAL")
MUTANT = Mutant("mlock", "mlock() succeeds", (FAIL,), Path("mlock.patch"))


def a_result(line: str, exit_code: int = 0, findings: tuple[Finding, ...] = ()) -> Result:
    """A run of one case, whose line of TAP this is."""
    run = ProgramRun("mmap", lines=["TAP version 13", "1..1", line], exit_code=exit_code)
    return Result("6.12", (run,), findings, (), 1.0, Path("console.log"))


PASSED = a_result("ok 1 mlock: EINVAL")
FAILED = a_result("not ok 1 mlock: EINVAL", exit_code=1)


def test_ours_name_a_case_of_a_selftest() -> None:
    found = mutants.load(REPO / "kernel" / "mutants")
    assert len(found) >= 10
    for mutant in found:
        for fail in mutant.fails:
            source = REPO / "kernel" / "selftests" / "mshare" / f"{fail.program}.c"
            assert fail.case in source.read_text(), mutant.name
        assert touched(mutant.path.read_text()), mutant.name


def test_ours_apply_to_our_files(tmp_path: Path) -> None:
    source = REPO / "kernel" / "src"
    for mutant in mutants.load(REPO / "kernel" / "mutants"):
        files = touched(mutant.path.read_text())
        # What breaks a hook applies to a patched tree alone.
        if all((source / name).is_file() for name in files):
            tree = tmp_path / mutant.name
            shutil.copytree(source, tree)
            apply_series(tree, [mutant.patch()])
            assert any((tree / name).read_bytes() != (source / name).read_bytes() for name in files)


@pytest.mark.parametrize("fails", ["", "Fails: nonsense: y\n", "Fails: mmap: y\nFails: mmap\n"])
def test_a_file_that_names_no_test_is_refused(tmp_path: Path, fails: str) -> None:
    (tmp_path / "bad.patch").write_text(f"Subject: x\n{fails}---\n")
    with pytest.raises(UserError, match=r"bad\.patch does not begin with Subject"):
        mutants.load(tmp_path)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="there is no mutant nonsense"):
        mutants.load(REPO / "kernel" / "mutants", ["nonsense"])


def test_what_counts_as_noticed() -> None:
    assert mutants.verdict(FAILED, FAIL) == "the case failed"
    assert mutants.verdict(PASSED, FAIL) == ""
    complaint = Finding("mmap", "WARNING: at mm/mshare.c", "")
    assert "complained" in mutants.verdict(a_result("ok 1 mlock: EINVAL", findings=(complaint,)), FAIL)
    assert mutants.verdict(a_result("not ok 1 another case", exit_code=1), FAIL) == ""
    with pytest.raises(InfraError, match="stress was not run: no end after 9 s"):
        mutants.verdict(replace(PASSED, problems=("no end after 9 s",)), Fail("stress", "random"))


def hunt(on_mutant: Result, on_none: Result = PASSED) -> dict[str, str]:
    """Hunt one mutant with these results."""

    def images() -> Iterator[Mutant | None]:
        yield None
        yield MUTANT

    def test(programs: Sequence[Program], name: str) -> Result:
        assert programs == [Program("mmap", full=("-q", "-c", "mlock: EINVAL"))]
        return on_none if name == "none" else on_mutant

    return mutants.hunt([MUTANT], images(), test)


def test_a_hunt() -> None:
    assert hunt(FAILED) == {"mlock": "the case failed"}
    with pytest.raises(CheckFailed, match="1 of 1 mutants were not noticed: mlock"):
        hunt(PASSED)


@pytest.mark.parametrize(
    ("on_none", "why"),
    [
        (FAILED, "mmap: mlock: EINVAL did not pass"),
        (a_result("ok 1 mlock: EINVAL # SKIP no reason"), "did not pass"),
        (a_result("ok 1 another case"), "did not pass"),
        (a_result("ok 1 mlock: EINVAL", findings=(Finding("mmap", "BUG: x", "BUG: x"),)), "and yet"),
    ],
)
def test_the_kernel_without_a_mutant_must_be_sound(on_none: Result, why: str) -> None:
    with pytest.raises(CheckFailed, match=why):
        hunt(FAILED, on_none)


def test_all_that_a_mutant_names_must_fail() -> None:
    both = Mutant("both", "x", (FAIL, Fail("mmap", "mlock2")), Path("both.patch"))
    with pytest.raises(CheckFailed, match="1 of 1 mutants were not noticed"):
        mutants.hunt([both], iter([both]), lambda *_: FAILED)


def test_a_patch_is_taken_out_again(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.c").write_text("one\ntwo\n")
    path = tmp_path / "x.patch"
    path.write_text("Subject: x\n---\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,1 @@\n one\n-two\n")
    with mutants.applied(tree, Patch("x.patch", path, "")):
        assert (tree / "a.c").read_text() == "one\n"
    assert (tree / "a.c").read_text() == "one\ntwo\n"
