"""Figures as SVG: the same data makes the same text, which loads nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

#: What matplotlib would else write of the time and of itself.
_NO_METADATA = {"Date": None, "Creator": None, "Type": None, "Format": None}


def draw(size: tuple[float, float], font_size: int, paint: Callable[[Any], None]) -> str:
    """A whole SVG file.

    Args:
        size: width and height in inches.
        font_size: in points.
        paint: draws on a matplotlib figure.
    """
    # Imported here: it takes a second, and only a plot needs it.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "mshare",
        "font.family": "sans-serif",
        "font.size": font_size,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    return text.getvalue()
