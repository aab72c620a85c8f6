"""The table of a comparison, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kernel.variants import OFF, ON, UNPATCHED
from .counts import LABELS


def markdown(report: Mapping[str, Any]) -> str:
    """The page."""
    releases = {"unpatched": UNPATCHED, **{LABELS[kernel]: kernel for kernel in (OFF, ON)}}
    lines = [
        "# Instructions, without and with msharefs",
        "",
        "Instructions, of kernel and program, that one of each takes: "
        f"the lower decile of {report['rounds']} rounds in {report['boots']} boots of each kernel. "
        + "; ".join(f"{label}: `{report['releases'][kernel]}`" for label, kernel in releases.items())
        + f". At most {report['limit_percent']:g} % more are asked for; the last column is the "
        "unpatched kernel booted as often again.",
        "",
        f"| what | {' | '.join(releases)} | {' | '.join(f'{label}, %' for label in LABELS.values())} |",
        f"| --- |{' ---: |' * (len(releases) + len(LABELS))}",
    ]
    for row in report["rows"]:
        numbers = [f"{row['instructions'][kernel]:,.1f}" for kernel in releases.values()]
        more = [f"{row['more_percent'][kernel]:+.2f}" for kernel in LABELS]
        lines.append(f"| {' | '.join([row['title'], *numbers, *more])} |")
    return "\n".join([*lines, ""])
