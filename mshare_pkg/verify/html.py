"""A verification report as one self-contained page: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from . import plot
from .sizes import human


def _kib(number: float | None) -> str:
    return "" if number is None else human(number * 1024)


def render(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(kib=_kib, size=human)
    text = resources.files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(report=report, plot=plot.svg(report["plot"]))
