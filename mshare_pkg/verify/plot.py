"""The plot of a report: page-table memory against process count, as SVG in colours of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..svg import draw

#: Colours that matplotlib draws in, and the CSS that takes their place, so that one SVG suits light and dark.
_STAND_INS = {
    "#010101": "var(--ink)",
    "#020202": "var(--grid)",
    "#030303": "var(--private)",
    "#040404": "var(--shared)",
}
_INK, _GRID, _PRIVATE, _SHARED = _STAND_INS
_STYLE = {
    "private": {"color": _PRIVATE, "label": "private: each process has its own page tables"},
    "shared": {"color": _SHARED, "label": "shared: a region of msharefs"},
}


def svg(plot: Mapping[str, Any]) -> str:
    """The SVG element of a plot, without an XML prologue; empty when nothing was measured.

    Args:
        plot: the report's `plot`: x, y (axis titles) and series (host, kind, points of processes and KiB).
    """
    if not plot["series"]:
        return ""
    drawn = draw((8, 4.2), 11, lambda figure: _paint(figure, plot))
    return _for_page(drawn[drawn.index("<svg") :])


def _paint(figure: Any, plot: Mapping[str, Any]) -> None:
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    labelled: set[str] = set()
    for series in plot["series"]:
        kind = series["kind"]
        style: dict[str, Any] = {
            **_STYLE[kind],
            "linewidth": 2.0,
            "marker": "o" if kind == "private" else "s",
            "markersize": 5,
        }
        if kind in labelled:
            style.pop("label")
        labelled.add(kind)
        x, y = zip(*series["points"], strict=True)
        axes.plot(x, [value / 1024 for value in y], **style)
    _name_ends(axes, plot["series"])
    axes.set_xlabel(plot["x"], color=_INK)
    axes.set_ylabel(plot["y"].replace("KiB", "MiB"), color=_INK)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.12)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.tick_params(colors=_INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)
    axes.legend(loc="upper left", frameon=False, labelcolor=_INK)


def _name_ends(axes: Any, series: list[Mapping[str, Any]]) -> None:
    """Write the highest last value of each kind at the end of its curve."""
    for kind in _STYLE:
        ends = [one["points"][-1] for one in series if one["kind"] == kind]
        if ends:
            x, y = max(ends, key=lambda point: point[1])
            axes.annotate(
                f"{y / 1024:.1f} MiB",
                (x, y / 1024),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                color=_INK,
            )


def _for_page(drawn: str) -> str:
    """Colours from the page's variables, size from the page, no metadata, a name for who cannot see it."""
    for stand_in, variable in _STAND_INS.items():
        drawn = drawn.replace(stand_in, variable)
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1)
    name = "Growth of page-table memory against the number of processes, private and shared"
    return drawn.replace("<svg ", f'<svg id="plot" role="img" aria-label="{name}" ', 1)
