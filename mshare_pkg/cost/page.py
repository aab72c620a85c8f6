"""The table of a comparison, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kernels import OTHERS, UNPATCHED


def markdown(report: Mapping[str, Any]) -> str:
    """The page."""
    lines = [
        "# Instructions, without and with msharefs",
        "",
        f"Median of {report['rounds']} rounds of the instructions, of kernel and program, that one of each "
        "takes; "
        + "; ".join(f"{kernel}: `{release}`" for kernel, release in report["releases"].items())
        + f". At most {report['limit_percent']:g} % more is asked for.",
        "",
        f"| what | {UNPATCHED} | CONFIG_MSHARE=n | CONFIG_MSHARE=y | more with =n, % | more with =y, % |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in report["rows"]:
        numbers = [f"{row['instructions'][kernel]:,.1f}" for kernel in (UNPATCHED, *OTHERS)]
        more = [f"{row['more_percent'][kernel]:+.2f}" for kernel in OTHERS]
        lines.append(f"| {' | '.join([row['title'], *numbers, *more])} |")
    return "\n".join([*lines, ""])
