"""What the benchmark program prints is checked before anything is computed from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bench_samples import PROCESSES, ROUNDS, lines, objects

from mshare_pkg.bench import measured
from mshare_pkg.errors import InfraError


def test_a_complete_run() -> None:
    found = measured.parse(lines())
    assert found.rounds == ROUNDS
    assert [line["round"] for line in found.of("fork", "memfd", touched_bytes=0)] == [0, 1, 2]
    assert found.of("fork", "memfd", touched_bytes=17) == []


def test_counts_are_the_powers_of_two() -> None:
    assert measured.counts(PROCESSES) == [1, 2, 4]
    assert measured.counts(256)[-1] == 256
    assert measured.counts(3) == [1, 2]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("no JSON", "Expecting value"),
        ("[]", "no measurement"),
        ('{"measure": "weather"}', "no measurement"),
        ('{"measure": "few", "memory": "paper", "round": 0}', "of no kind of memory"),
        ('{"measure": "mapped", "memory": "memfd", "count": 1, "slab_kib": 1}', "or of no round"),
        ('{"measure": "mapped", "memory": "memfd", "round": 0, "count": 1}', "the number 'slab_kib'"),
        (
            '{"measure": "mapped", "memory": "memfd", "round": 0, "count": true, "slab_kib": 1}',
            "the number 'count'",
        ),
        (
            '{"measure": "mapped", "memory": "memfd", "round": 0, "count": 0, "slab_kib": 1}',
            "'count' is not positive",
        ),
        (
            '{"measure": "few", "memory": "memfd", "round": 0, "bytes": 1, "tables_kib": ["1"]}',
            "the list 'tables_kib'",
        ),
    ],
)
def test_a_line_that_is_no_measurement(line: str, why: str) -> None:
    with pytest.raises(InfraError, match="line 3: ") as caught:
        measured.parse([*lines()[:2], line, *lines()[2:]])
    assert why in caught.value.message
    assert line[:20] in caught.value.message
    assert caught.value.remedy


def without(index: int) -> list[dict[str, Any]]:
    found = objects()
    del found[index]
    return found


@pytest.mark.parametrize("index", [0, 1, 2, 20, len(objects()) - 1])
def test_a_missing_measurement(index: int) -> None:
    with pytest.raises(InfraError, match=r"not complete|does not tell what machine"):
        measured.parse(lines(without(index)))


@pytest.mark.parametrize("key", ["tables_kib", "faults", "attach_ns", "touch_ns", "detach_ns"])
@pytest.mark.parametrize("measure", ["few", "many"])
def test_a_list_that_is_too_short(measure: str, key: str) -> None:
    found = objects()
    next(line for line in found if line["measure"] == measure)[key].pop()
    with pytest.raises(InfraError, match=f"'{measure}' of msharefs with . processes is not complete"):
        measured.parse(lines(found))


def test_nothing_at_all() -> None:
    with pytest.raises(InfraError, match="what machine it ran on"):
        measured.parse([])


def test_the_sample_has_every_measurement_that_is_known() -> None:
    assert {one["measure"] for one in map(json.loads, lines()[2:])} == set(measured._NUMBERS)
