"""Endurance runs: what a chunk says, what is kept of it, and when it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mshare_pkg.errors import CheckFailed, InfraError
from mshare_pkg.kernel_selftest import endure
from mshare_pkg.kernel_selftest.result import Result
from mshare_pkg.kernel_selftest.tap import parse
from mshare_pkg.kernel_selftest.transcript import ProgramRun

STRESS = """TAP version 13
1..1
# 3 disturbers killed
# seed 7: map 60 unmap 40
# 100 operations, 2400 pages touched
ok 1 random operations with an oracle
"""
FUZZ = """TAP version 13
1..1
# seed 7: 5000 calls of 4 processes
ok 1 random calls
"""


def a_run(name: str, text: str) -> ProgramRun:
    """A program that printed this and ended well."""
    run = ProgramRun(name)
    run.lines.extend(text.splitlines())
    run.exit_code = 0
    return run


def a_result(stress: str = STRESS, fuzz: str = FUZZ, problems: tuple[str, ...] = ()) -> Result:
    """The result of a chunk."""
    runs = (a_run("stress", stress), a_run("fuzz", fuzz))
    return Result("6.12.1-mshare1-vm", runs, (), problems, 12.34, Path("console.log"))


def test_the_samples_are_what_the_parser_reads() -> None:
    assert parse(STRESS.splitlines()).problems() == []


def test_a_chunk_is_what_the_programs_said() -> None:
    assert endure.chunk_of(a_result(), 7) == endure.Chunk(7, {"map": 60, "unmap": 40}, 2400, 5000, 12.3)


def test_a_failure_is_no_chunk_and_names_the_seed() -> None:
    with pytest.raises(CheckFailed, match=r"seed 7 found something:\n.*the guest died"):
        endure.chunk_of(a_result(problems=("the guest died",)), 7)


def test_programs_that_say_nothing_are_an_error() -> None:
    silent = STRESS.replace("# 100 operations, 2400 pages touched\n", "")
    with pytest.raises(InfraError, match="stress did not say what it did"):
        endure.chunk_of(a_result(stress=silent), 7)


def test_it_ends_with_enough_operations_and_uses_each_seed_once(tmp_path: Path) -> None:
    state = endure.load(tmp_path / "state.json", "one")
    seeds: list[int] = []

    def run(seed: int) -> Result:
        seeds.append(seed)
        return a_result()

    endure.endure(state, 250, run, lambda state, _: endure.save(tmp_path / "state.json", state))
    assert seeds == [1, 2, 3]
    again = endure.load(tmp_path / "state.json", "one")
    assert (again.operations, again.touched, again.calls) == (300, 7200, 15000)
    sums = json.loads((tmp_path / "state.json").read_text())["sums"]
    assert sums["operations"] == 300
    assert sums["by_name"] == {"map": 180, "unmap": 120}
    endure.endure(again, 301, run, lambda *_: None)
    assert seeds == [1, 2, 3, 4]


def test_what_a_seed_does_depends_on_the_kernel_and_the_programs(tmp_path: Path) -> None:
    image, program = tmp_path / "vmlinuz", tmp_path / "stress"
    seen = set()
    for kernel, source in (("one", "a"), ("two", "a"), ("two", "b")):
        image.write_text(kernel)
        program.write_text(source)
        seen.add(endure.digest_of(image, program))
    assert len(seen) == 3
    assert endure.digest_of(image, program) in seen


def test_another_kernel_begins_anew(tmp_path: Path) -> None:
    state = endure.load(tmp_path / "state.json", "one")
    state.chunks.append(endure.chunk_of(a_result(), 1))
    endure.save(tmp_path / "state.json", state)
    assert endure.load(tmp_path / "state.json", "one").chunks == state.chunks
    assert endure.load(tmp_path / "state.json", "another").chunks == []


def test_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"chunks": 3}')
    with pytest.raises(InfraError, match="no state of mshare kernel endure"):
        endure.load(tmp_path / "state.json", "one")


def test_a_chunk_shares_its_seconds() -> None:
    stress, fuzz = endure.programs(9, 100)
    assert stress.full == ("-r", "9", "-s", "80")
    assert fuzz.full == ("-r", "9", "-s", "20")
