"""Mutants: what their files say, and when one counts as noticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mshare_pkg.errors import CheckFailed, UserError
from mshare_pkg.kernel.patching import touched
from mshare_pkg.kernel.series import Patch
from mshare_pkg.kernel_selftest import mutants
from mshare_pkg.kernel_selftest.kernel_log import Finding
from mshare_pkg.kernel_selftest.mutants import Mutant
from mshare_pkg.kernel_selftest.programs import Program
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.transcript import ProgramRun

REPO = Path(__file__).parents[2]
MUTANT = Mutant("mlock", "mlock() succeeds", "mmap", "mlock: EINVAL", Path("mlock.patch"))


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
        source = REPO / "kernel" / "selftests" / "mshare" / f"{mutant.program}.c"
        assert mutant.case in source.read_text(), mutant.name
        assert touched(mutant.path.read_text()), mutant.name


def test_a_file_that_names_no_test_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.patch").write_text("Subject: x\nFails: nonsense: y\n---\n")
    with pytest.raises(UserError, match=r"bad\.patch does not begin with Subject"):
        mutants.load(tmp_path)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="there is no mutant nonsense"):
        mutants.load(REPO / "kernel" / "mutants", ["nonsense"])


def test_what_counts_as_noticed() -> None:
    assert mutants.verdict(FAILED, MUTANT) == "the case failed"
    assert mutants.verdict(PASSED, MUTANT) == ""
    complaint = Finding("mmap", "WARNING: at mm/mshare.c", "")
    assert "complained" in mutants.verdict(a_result("ok 1 mlock: EINVAL", findings=(complaint,)), MUTANT)
    assert mutants.verdict(a_result("not ok 1 another case", exit_code=1), MUTANT) == ""


def test_the_case_must_run_without_the_mutant() -> None:
    assert mutants.passes(PASSED, MUTANT)
    assert not mutants.passes(FAILED, MUTANT)
    assert not mutants.passes(a_result("ok 1 mlock: EINVAL # SKIP no reason"), MUTANT)
    assert not mutants.passes(a_result("ok 1 another case"), MUTANT)


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
    with pytest.raises(CheckFailed, match="does not pass on the kernel without a mutant"):
        hunt(FAILED, on_none=FAILED)


def test_a_patch_is_taken_out_again(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.c").write_text("one\ntwo\n")
    path = tmp_path / "x.patch"
    path.write_text("Subject: x\n---\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,1 @@\n one\n-two\n")
    with mutants.applied(tree, Patch("x.patch", path, "")):
        assert (tree / "a.c").read_text() == "one\n"
    assert (tree / "a.c").read_text() == "one\ntwo\n"
