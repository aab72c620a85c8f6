"""The short page of a benchmark, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .measured import KINDS
from .summary import OTHERS

#: Processes whose savings are shown by size, where they were measured.
_SHOWN = (16, 64, 256)


def markdown(report: Mapping[str, Any], picture: str) -> str:
    """The page; `picture` is the name of the SVG file beside it."""
    machine = report["machine"]
    size = f"{machine['bytes'] >> 20} MiB"
    lines = [
        "# msharefs beside a memfd and huge pages",
        "",
        f"`{machine['release']}`, {report['created']}: a guest of {machine['cpus']} CPUs and "
        f"{machine['memory_kib'] >> 10} MiB under software emulation; {machine['processes']} processes, "
        f"{size}, {machine['rounds']} rounds. Faults and page tables are counted. Times are those of an "
        "emulated machine: compare them within this run, and do not take them for those of hardware.",
        "",
        f"![Plots of the tables below]({picture})",
        "",
        *_page_tables(report["page_tables"], size),
        *_until(report["until"], size),
        *_compared("Counts", report["counted"], spread=False),
        *_compared("Times and throughput", report["timed"], spread=True),
        *_break_even(report["break_even"], machine["processes"], size),
    ]
    return "\n".join(lines)


def _page_tables(found: Mapping[str, Any], size: str) -> Iterable[str]:
    yield f"## Page tables for {size}, KiB"
    yield ""
    yield "Growth of `PageTables` since before the first of the processes attached."
    yield ""
    yield from _head(["processes", *KINDS, *(f"{kind} / msharefs" for kind in OTHERS)])
    for i, processes in enumerate(found["processes"]):
        yield _row(
            [
                str(processes),
                *(f"{found['kib'][kind][i]:,}" for kind in KINDS),
                *(_times(found["times_better"][kind][i]) for kind in OTHERS),
            ]
        )
    yield ""


def _until(found: Mapping[str, Any], size: str) -> Iterable[str]:
    yield f"## Until the k-th process has touched {size}"
    yield ""
    yield "One process after the other attaches and touches every page; the first stores, the others load."
    later = ", ".join(f"{found['seconds_of_a_later_one'][kind] * 1000:.3g} ms ({kind})" for kind in KINDS)
    yield f"The times are of one run; the median of the processes after the first is {later}."
    yield ""
    yield from _head(
        [
            "k",
            *(f"faults of the k-th, {kind}" for kind in KINDS),
            *(f"all faults, {kind}" for kind in KINDS),
            *(f"seconds, {kind}" for kind in KINDS),
        ]
    )
    for i, processes in enumerate(found["processes"]):
        yield _row(
            [
                str(processes),
                *(f"{found['faults_of_the_last'][kind][i]:,}" for kind in KINDS),
                *(f"{found['faults'][kind][i]:,}" for kind in KINDS),
                *(f"{found['seconds'][kind][i]:.3g}" for kind in KINDS),
            ]
        )
    yield ""


def _compared(title: str, rows: Sequence[Mapping[str, Any]], *, spread: bool) -> Iterable[str]:
    yield f"## {title}"
    yield ""
    yield "Medians over the rounds."
    if spread:
        yield "Times better: the median (least to most) of the ratios of each round; above 1, msharefs is."
    yield ""
    than = [f"times better than {kind}" for kind in OTHERS] if spread else []
    yield from _head(["what", "unit", *KINDS, *than])
    for row in rows:
        yield _row(
            [
                row["title"],
                row["unit"],
                *(_short(row["median"][kind]) for kind in KINDS),
                *(_spread(row["times_better"][kind]) for kind in OTHERS if spread),
            ]
        )
    yield ""


def _break_even(found: Mapping[str, Any], most: int, size: str) -> Iterable[str]:
    yield "## From where on a region saves memory"
    yield ""
    yield (
        "The kernel's memory beside the content, in KiB, for S MiB that n processes have touched, fitted to "
        f"three sizes up to {size} with one process and with all; larger ones are extrapolated. "
        "The pool of huge pages is not in it: it is set aside beforehand, used or not."
    )
    yield ""
    for kind, model in found["models"].items():
        base, copy, own, own_copy = (_short(model[key] / 1024) for key in ("base", "copy", "own", "own_copy"))
        yield f"- {kind}: {base} + {copy} S + n ({own} + {own_copy} S)"
    differs = ", ".join(f"{_short(found['differs_bytes'][kind] / 1024)} KiB ({kind})" for kind in KINDS)
    yield ""
    yield (
        f"The page tables that were measured, of each size with 1, 2, 4, ... {most} processes, differ "
        f"from it by at most {differs}."
    )
    shown = [n for n in _SHOWN if n <= most]
    yield ""
    yield from _head(
        [
            "size, MiB",
            *(f"saves beside {kind} from" for kind in OTHERS),
            *(f"saved beside memfd with {n} processes, KiB" for n in shown),
        ]
    )
    for row in found["by_size"]:
        yield _row(
            [
                f"{row['mib']:,}",
                *(_from(row["processes"][kind], "processes") for kind in OTHERS),
                *(f"{row['saved_bytes']['memfd'][str(n)] / 1024:,.0f}" for n in shown),
            ]
        )
    yield ""
    yield from _head(["processes", *(f"saves beside {kind} from" for kind in OTHERS)])
    for row in found["by_processes"]:
        yield _row([str(row["processes"]), *(_from(row["mib"][kind], "MiB") for kind in OTHERS)])
    yield ""


def _head(cells: Sequence[str]) -> Iterable[str]:
    yield _row(cells)
    yield _row(["---", *("---:" for _ in cells[1:])])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _short(value: float) -> str:
    """Three digits that count; whole numbers whole."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _spread(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "-"
    return f"{_times(found['median'])} ({_times(found['least'])} to {_times(found['most'])})"


def _from(number: float | None, unit: str) -> str:
    return "never" if number is None else f"{number:,.0f} {unit}"
