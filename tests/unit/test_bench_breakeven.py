"""From where on a region saves memory: by hand, with numbers that can be checked in the head."""

from __future__ import annotations

import pytest

from mshare_pkg.bench.breakeven import Model, fit, processes_from, size_from, table

KIB = 1024
REGION = Model(base=20 * KIB, copy=2 * KIB, own=0, own_copy=0)
MEMFD = Model(base=2 * KIB, copy=0, own=0, own_copy=2 * KIB)
HUGE = Model(base=1 * KIB, copy=0, own=0, own_copy=0)
MIB = 1 << 20


def test_model() -> None:
    assert MEMFD.bytes(mib=16, processes=3) == (2 + 3 * 32) * KIB
    assert REGION.bytes(mib=16, processes=3) == REGION.bytes(mib=16, processes=300) == (20 + 32) * KIB


def test_fit_finds_the_model_again() -> None:
    model = Model(base=5000, copy=2048, own=4096, own_copy=100)
    points = {
        mib * MIB: (round(model.bytes(mib, 1)) - 1000, round(model.bytes(mib, 8)) - 1000)
        for mib in (2, 8, 32)
    }
    assert fit(points, processes=8, fixed=1000) == model


def test_processes_from() -> None:
    # At 2 MiB a region takes 24 KiB; a memfd 2 KiB and 4 KiB for each process: 22 with five, 26 with six.
    assert processes_from(REGION, MEMFD, 2) == 6
    # At 32 MiB 84 KiB; 2 KiB and 64 KiB for each: with two.
    assert processes_from(REGION, MEMFD, 32) == 2


def test_equal_is_not_saved() -> None:
    # At 3 MiB 26 KiB; 2 KiB and 6 KiB for each: the same with four.
    assert REGION.bytes(3, 4) == MEMFD.bytes(3, 4)
    assert processes_from(REGION, MEMFD, 3) == 5


def test_a_region_that_costs_less_from_the_beginning_saves_with_one_process() -> None:
    assert processes_from(Model(0, 0, 0, 0), MEMFD, 2) == 1


def test_never() -> None:
    assert processes_from(REGION, HUGE, 1024) is None
    assert size_from(REGION, HUGE, 256) is None


def test_size_from() -> None:
    # With two processes 20 + 2 S against 2 + 4 S: the same at 9 MiB.
    assert size_from(REGION, MEMFD, 2) == 10
    assert size_from(REGION, MEMFD, 6) == 2
    assert size_from(REGION, MEMFD, 256) == 2
    # With one process the region is never smaller.
    assert size_from(REGION, MEMFD, 1) is None


def test_size_from_at_the_step_itself_is_not_saved_when_equal() -> None:
    # With two processes 6 + 2 S against 2 + 4 S: the same at 2 MiB.
    assert size_from(Model(6 * KIB, 2 * KIB, 0, 0), MEMFD, 2) == 4


def test_a_saving_that_does_not_depend_on_size() -> None:
    assert size_from(HUGE, Model(2 * KIB, 0, 0, 0), 4) == 2
    assert size_from(HUGE, HUGE, 4) is None


@pytest.mark.parametrize("processes", [1, 2, 5, 17, 256])
@pytest.mark.parametrize("mib", [2, 4, 6, 64, 1024])
def test_both_questions_agree_with_the_model(processes: int, mib: int) -> None:
    saves = MEMFD.bytes(mib, processes) > REGION.bytes(mib, processes)
    least = processes_from(REGION, MEMFD, mib)
    size = size_from(REGION, MEMFD, processes)
    assert (least is not None and processes >= least) == saves
    assert (size is not None and mib >= size) == saves


def test_table() -> None:
    found = table(REGION, {"memfd": MEMFD, "hugetlb": HUGE}, sizes=[2, 32], processes=[2, 16])
    assert found["by_size"][0]["processes"] == {"memfd": 6, "hugetlb": None}
    assert found["by_size"][1]["saved_bytes"] == {
        "memfd": {"2": (2 + 128 - 84) * KIB, "16": (2 + 1024 - 84) * KIB},
        "hugetlb": {"2": (1 - 84) * KIB, "16": (1 - 84) * KIB},
    }
    assert found["by_processes"] == [
        {"processes": 2, "mib": {"memfd": 10, "hugetlb": None}},
        {"processes": 16, "mib": {"memfd": 2, "hugetlb": None}},
    ]
