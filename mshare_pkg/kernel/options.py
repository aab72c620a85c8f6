"""Options that commands about kernels have in common: which kernel, what guest, where the output goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

#: Takes and returns a command's function, as click's own decorators do.
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _all(*options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def of_source() -> Decorator:
    """`--base`, `--flavour`, `--jobs`: a kernel that the command builds."""
    return _all(
        click.option(
            "--base", default="6.12", show_default=True, help="Kernel base: a file in kernel/bases."
        ),
        click.option("--flavour", default="vm", show_default=True, help="Configuration flavour."),
        click.option("--jobs", type=click.IntRange(1), help="Compilers at once; else one for each CPU."),
    )


def of_build(verb: str) -> Decorator:
    """`--build`, `--vmlinuz`: a kernel that is there; `verb` is what the command does to it."""
    return _all(
        click.option(
            "--build",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("build/kernel"),
            show_default=True,
            help=f"Kernel build to {verb}: the directory with build.json.",
        ),
        click.option(
            "--vmlinuz",
            type=click.Path(path_type=Path),
            help=f"Kernel image to {verb}, in place of a build.",
        ),
    )


def of_guest(*, cpus: int = 2, memory: int = 1024) -> Decorator:
    """`--cpus`, `--memory` in MiB: the guest."""
    return _all(
        click.option(
            "--cpus", type=click.IntRange(1, 64), default=cpus, show_default=True, help="Virtual CPUs."
        ),
        click.option(
            "--memory",
            type=click.IntRange(512),
            default=memory,
            show_default=True,
            help="Memory in MiB.",
        ),
    )


def timeout() -> Decorator:
    """`--timeout` in seconds."""
    return click.option("--timeout", type=click.FloatRange(1), help="Limit of a guest's run in seconds.")


def output(default: str, what: str) -> Decorator:
    """`--output`, a directory for `what`."""
    return click.option(
        "--output",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(default),
        show_default=True,
        help=f"Directory for {what}.",
    )


def as_json(what: str) -> Decorator:
    """`--json`, which prints `what` on standard output."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} on standard output.")
