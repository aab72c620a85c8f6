"""`mshare kernel stepwise`: show that the kernel builds and boots after each patch of the series."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from .. import ui
from ..errors import UserError
from ..kernel import base as bases
from ..kernel import mail, options, variants
from ..paths import project_root
from . import programs, runner, stepwise
from .result import Result

#: What runs on the last kernel; on those before, the first finds no msharefs and says so.
_PROGRAMS = ("info", "mount", "life")


@click.command(name="stepwise")
@options.of_source()
@options.output("build/stepwise", "the image, the guest's files and logs")
@options.as_json("the list of patches")
def command(*, base: str, flavour: str, jobs: int | None, output: Path, as_json: bool) -> None:
    """Build and boot the kernel after each patch that `mshare kernel patch` writes."""
    root = project_root()
    found = bases.load(base, root)
    mails = mail.collect(root, found.series)
    if not mails:
        raise UserError(f"the series of base {found.series} is empty", "add patches or new files first")
    output.mkdir(parents=True, exist_ok=True)
    image = output / "vmlinuz"

    def boot(last: bool) -> Result:
        names = _PROGRAMS if last else _PROGRAMS[:1]
        return runner.execute(
            runner.Plan(root, image, programs.select(names), output / "guest", quick=True, title="kernel")
        )

    kernels = variants.requests(root, found, flavour)
    steps = stepwise.walk(
        kernels[variants.ON],
        kernels[variants.UNPATCHED],
        mails,
        image=image,
        jobs=jobs or os.cpu_count() or 1,
        boot=boot,
    )
    if as_json:
        ui.emit([asdict(step) for step in steps])
    changed = sum(step.changed for step in steps)
    ui.say(f"the kernel builds after each of {len(steps)} patches, and boots: {changed} of them change it")
