"""What the measurements say: medians over rounds, and ratios of what was measured in the same round."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from . import breakeven
from .measured import KINDS, Measured, counts

REGION, *OTHERS = KINDS

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """Something that is measured once a round for each kind of memory.

    Attributes:
        title: what it is; the reader's name for it.
        unit: of the value.
        measure: the measurement that it is read from.
        value: reads it.
        where: which of the measurements of that name, when a round has several.
        more_is_better: for a throughput.
    """

    title: str
    unit: str
    measure: str
    value: Callable[[Line], float]
    where: Mapping[str, int]
    more_is_better: bool = False


def _us(line: Line) -> float:
    return float(line["ns"] / line["count"] / 1000)


def _kib_each(line: Line) -> float:
    return float(line["free_kib"] / line["count"])


def _touch(process: int) -> Callable[[Line], float]:
    return lambda line: float(line["touch_ns"][process] / 1000)


def _faults(process: int) -> Callable[[Line], float]:
    return lambda line: float(line["faults"][process])


def _per_second(line: Line) -> float:
    return float(line["count"] / line["ns"] * 1e9)


def timed(size: int) -> list[Figure]:
    """Times and throughputs; `size` is the memory in bytes that a process touches when it touches all."""
    return [
        Figure("1st process touches every page (stores)", "µs", "few", _touch(0), {}),
        Figure("2nd process touches every page (loads)", "µs", "few", _touch(1), {}),
        Figure("3rd process touches every page (stores)", "µs", "few", _touch(2), {}),
        Figure("detach after touching every page", "µs", "few", lambda line: line["detach_ns"][1] / 1000, {}),
        Figure("attach and detach", "µs", "attach", _us, {"touched_bytes": 0}),
        Figure("attach, touch one byte, detach", "µs", "attach", _us, {"touched_bytes": 1}),
        Figure(
            "fork, the call",
            "µs",
            "fork",
            lambda line: line["fork_ns"] / line["count"] / 1000,
            {"touched_bytes": 0},
        ),
        Figure("fork, exit, wait", "µs", "fork", _us, {"touched_bytes": 0}),
        Figure("fork, the child touches every page (loads)", "µs", "fork", _us, {"touched_bytes": size}),
        Figure("random touches, the first", "touches/s", "random", _per_second, {"pass": 1}, True),
        Figure("random touches, again", "touches/s", "random", _per_second, {"pass": 2}, True),
        Figure("make a region or file", "µs", "create", _us, {}),
    ]


def counted(size: int) -> list[Figure]:
    """Faults and memory, which do not depend on how busy the machine is; `size` as for `timed`."""
    return [
        Figure("faults of the 1st process (stores)", "faults", "few", _faults(0), {}),
        Figure("faults of the 2nd process (loads)", "faults", "few", _faults(1), {}),
        Figure("faults of the 3rd process (stores)", "faults", "few", _faults(2), {}),
        Figure(
            "faults of a forked child (loads)",
            "faults",
            "fork",
            lambda line: line["faults"] / line["count"],
            {"touched_bytes": size},
        ),
        Figure(
            "faults of a process in its first random touches",
            "faults",
            "random",
            lambda line: line["faults"] / line["processes"],
            {"pass": 1},
        ),
        Figure("memory of a region or file that nobody uses", "KiB", "create", _kib_each, {}),
        Figure(
            "kernel objects of a mapping",
            "bytes",
            "mapped",
            lambda line: line["slab_kib"] * 1024 / line["count"],
            {},
        ),
    ]


def _compare(measured: Measured, figure: Figure) -> dict[str, Any]:
    values = {
        kind: [figure.value(line) for line in measured.of(figure.measure, kind, **figure.where)]
        for kind in KINDS
    }
    ratios = {}
    for kind in OTHERS:
        pairs = zip(values[REGION], values[kind], strict=True)
        found = [(a / b if figure.more_is_better else b / a) for a, b in pairs if a > 0 and b > 0]
        ratios[kind] = {"median": median(found), "least": min(found), "most": max(found)} if found else None
    return {
        "title": figure.title,
        "unit": figure.unit,
        "median": {kind: median(values[kind]) for kind in KINDS},
        "times_better": ratios,
    }


def _tables(measured: Measured, size: int) -> dict[str, Any]:
    grown = {kind: list(_many(measured, kind, size)["tables_kib"]) for kind in KINDS}
    return {
        "processes": counts(int(measured.machine["processes"])),
        "kib": grown,
        "times_better": {
            kind: [
                other / own if own else None for own, other in zip(grown[REGION], grown[kind], strict=True)
            ]
            for kind in OTHERS
        },
    }


def _until(measured: Measured, size: int) -> dict[str, Any]:
    """Faults and time until the k-th process has touched everything, each after the one before."""
    at = [count - 1 for count in counts(int(measured.machine["processes"]))]
    faults, seconds, last, later = {}, {}, {}, {}
    for kind in KINDS:
        line = _many(measured, kind, size)
        spent = [a + b for a, b in zip(line["attach_ns"], line["touch_ns"], strict=True)]
        total = list(itertools.accumulate(spent))
        summed = list(itertools.accumulate(line["faults"]))
        seconds[kind] = [total[k] / 1e9 for k in at]
        faults[kind] = [summed[k] for k in at]
        last[kind] = [line["faults"][k] for k in at]
        later[kind] = median(spent[1:]) / 1e9
    return {
        "processes": [k + 1 for k in at],
        "faults": faults,
        "faults_of_the_last": last,
        "seconds": seconds,
        "seconds_of_a_later_one": later,
        "times_better": {
            kind: [other / own for own, other in zip(seconds[REGION], seconds[kind], strict=True)]
            for kind in OTHERS
        },
    }


def _many(measured: Measured, kind: str, size: int) -> Line:
    return measured.of("many", kind, bytes=size)[0]


def _break_even(measured: Measured) -> dict[str, Any]:
    processes = int(measured.machine["processes"])
    models, differs = {}, {}
    for kind in KINDS:
        tables = {
            int(line["bytes"]): (line["tables_kib"][0] * 1024, line["tables_kib"][-1] * 1024)
            for line in measured.of("many", kind)
        }
        fixed = median(_kib_each(line) * 1024 for line in measured.of("create", kind))
        model = models[kind] = breakeven.fit(tables, processes, fixed)
        differs[kind] = max(
            abs(model.bytes(line["bytes"] / 2**20, n) - fixed - kib * 1024)
            for line in measured.of("many", kind)
            for n, kib in zip(counts(processes), line["tables_kib"], strict=True)
        )
    # Up to one granule: a region of several has more pages of page tables above.
    top = int(measured.machine["granule"]) >> 20
    sizes = [mib for mib in (2, 8, 32, 128, 512, 1024) if mib <= top]
    others = {kind: models[kind] for kind in OTHERS}
    return {
        "models": {kind: asdict(model) for kind, model in models.items()},
        "differs_bytes": {kind: round(most) for kind, most in differs.items()},
        **breakeven.table(models[REGION], others, sizes, counts(processes)[1:]),
    }


def summarize(measured: Measured) -> dict[str, Any]:
    """All that follows from a run, as data.

    `times_better` is how many times better the region is: above 1 where it is smaller, faster or takes fewer.
    Of figures with rounds it is the median of the ratios within each round, with the least and the most; null
    where either value is zero in every round.
    """
    size = int(measured.machine["bytes"])
    return {
        "page_tables": _tables(measured, size),
        "until": _until(measured, size),
        "counted": [_compare(measured, figure) for figure in counted(size)],
        "timed": [_compare(measured, figure) for figure in timed(size)],
        "break_even": _break_even(measured),
    }
