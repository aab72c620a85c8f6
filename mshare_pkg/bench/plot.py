"""The plot of a benchmark, as one SVG: page tables, time until all have touched all, break-even."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..svg import draw
from .measured import KINDS

#: Colours that are told apart without colour vision, and a mark for each.
_STYLE = {"msharefs": ("#0b66a8", "s"), "memfd": ("#b3400a", "o"), "hugetlb": ("#5a636c", "^")}


def svg(report: Mapping[str, Any]) -> str:
    """The plot of a report (`command.document`): a whole SVG file that loads nothing."""
    return draw((12, 4), 10, lambda figure: _paint(figure, report))


def _paint(figure: Any, report: Mapping[str, Any]) -> None:
    tables, until, even = figure.subplots(1, 3)
    size = f"{report['machine']['bytes'] >> 20} MiB"
    found = report["page_tables"]
    _curves(
        tables,
        found["processes"],
        {kind: [kib / 1024 for kib in found["kib"][kind]] for kind in KINDS},
        f"page tables for {size}",
        "growth of PageTables, MiB",
    )
    # Huge pages may take no page of page tables more, and zero has no place on a logarithmic axis.
    tables.set_yscale("symlog", base=2, linthresh=1 / 64)
    tables.set_ylim(bottom=0)
    tables.yaxis.set_major_formatter("{x:g}")
    found = report["until"]
    _curves(until, found["processes"], found["seconds"], "until the k-th has touched every page", "seconds")
    until.set_ylim(bottom=0)
    _break_even(even, report["break_even"]["by_size"])


def _curves(axes: Any, x: list[int], curves: Mapping[str, list[float]], title: str, y: str) -> None:
    for kind, values in curves.items():
        color, marker = _STYLE[kind]
        axes.plot(x, values, label=kind, color=color, marker=marker, linewidth=2, markersize=5)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("processes")
    axes.set_ylabel(y)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(color="#d9dee3", linewidth=0.6)
    axes.legend(frameon=False)


def _break_even(axes: Any, rows: list[Mapping[str, Any]]) -> None:
    points = [(row["mib"], row["processes"]["memfd"]) for row in rows if row["processes"]["memfd"]]
    axes.set_title("a region saves memory beside a memfd", fontsize=11)
    axes.set_xlabel("size, MiB")
    axes.set_ylabel("from so many processes")
    if not points:
        axes.text(0.5, 0.5, "never", transform=axes.transAxes, ha="center")
        return
    x, y = zip(*points, strict=True)
    color, marker = _STYLE["msharefs"]
    axes.plot(x, y, color=color, marker=marker, linewidth=2, markersize=5)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(bottom=0)
    axes.grid(color="#d9dee3", linewidth=0.6)
