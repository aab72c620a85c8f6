"""`mshare kernel mutants`: show that the selftests fail where the kernel is broken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from .. import ui
from ..kernel import base as bases
from ..kernel import options
from ..kernel.inputs import Request
from ..paths import project_root
from . import mutants, runner
from .programs import Program
from .result import Result


@click.command(name="mutants")
@options.of_source()
@click.option("--only", multiple=True, metavar="NAME", help="Try this mutant only; may be given again.")
@click.option("--list", "listing", is_flag=True, help="Name the mutants and the cases that must fail.")
@options.output("build/mutants", "the images, the guests' files and logs")
@options.as_json("how each was noticed")
def command(
    *,
    base: str,
    flavour: str,
    only: tuple[str, ...],
    listing: bool,
    jobs: int | None,
    output: Path,
    as_json: bool,
) -> None:
    """Break the kernel on purpose, once for each patch in kernel/mutants, and see the selftest fail.

    Each patch names the case that must notice it. A mutant that passes fails the run.
    """
    root = project_root()
    chosen = mutants.load(root / "kernel" / "mutants", only)
    if listing:
        for mutant in chosen:
            click.echo(f"{mutant.name}: {mutant.subject} ({'; '.join(map(str, mutant.fails))})")
        return
    output.mkdir(parents=True, exist_ok=True)
    image = output / "vmlinuz"
    trees = mutants.Trees(Request(root, bases.load(base, root), flavour), jobs or os.cpu_count() or 1)

    def test(programs: Sequence[Program], name: str) -> Result:
        return runner.execute(runner.Plan(root, image, programs, output / name))

    noticed = mutants.hunt(chosen, trees.images(chosen, image), test)
    if as_json:
        ui.emit(noticed)
    ui.say(f"all {len(noticed)} mutants were noticed")
