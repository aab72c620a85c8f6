"""`mshare kernel bench`: what msharefs saves and costs, beside a memfd and huge pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from .. import ui
from ..errors import UserError
from ..kernel import options
from ..kernel_selftest import guest
from ..paths import project_root
from . import page, plot, run, summary
from .measured import Measured


def document(measured: Measured, created: str, seconds: float, quick: bool) -> dict[str, Any]:
    """The report as data: what ran, what follows from it (`summary.summarize`), and every measurement."""
    return {
        "schema": 1,
        "created": created,
        "seconds": round(seconds, 1),
        "quick": quick,
        "accelerator": "tcg",
        "machine": dict(measured.machine),
        **summary.summarize(measured),
        "measurements": [dict(line) for line in measured.lines],
    }


def write(report: Mapping[str, Any], output: Path) -> Path:
    """Write bench.json, bench.svg and bench.md into a directory that is there; returns the page."""
    (output / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    (output / "bench.svg").write_text(plot.svg(report))
    path = output / "bench.md"
    path.write_text(page.markdown(report, "bench.svg"))
    return path


@click.command(name="bench")
@options.of_build("measure")
@click.option("--quick", is_flag=True, help="Few processes, little memory, few rounds: a minute or two.")
@click.option("--processes", type=int, help="Up to so many, a power of two; default 256, quick 16.")
@click.option("--mib", type=int, help="MiB that each touches, a multiple of 32; default 64, quick 32.")
@click.option("--rounds", type=int, help="Rounds for the medians; default 5, quick 3.")
@options.of_guest()
@options.timeout()
@options.output("build/bench", "bench.md, bench.svg and bench.json, and for the guest's files")
@options.as_json("the report")
def command(
    *,
    build: Path,
    vmlinuz: Path | None,
    quick: bool,
    processes: int | None,
    mib: int | None,
    rounds: int | None,
    cpus: int,
    memory: int,
    timeout: float | None,
    output: Path,
    as_json: bool,
) -> None:
    """Measure what sharing page tables saves and costs, beside a memfd and huge pages, in a QEMU guest."""
    usual = run.QUICK if quick else run.FULL
    size = run.Size(
        usual.processes if processes is None else processes,
        usual.mib if mib is None else mib,
        usual.rounds if rounds is None else rounds,
    )
    size.check(memory)
    image, debug = guest.find_kernel(build, vmlinuz)
    if debug:
        raise UserError(
            f"{build} is a debug kernel: what it costs is mostly its checks",
            "build one without --debug, and name it with --build",
        )
    created = datetime.now(UTC).isoformat(timespec="seconds")
    measured, result = run.execute(
        project_root(), image, output, size, quick=quick, cpus=cpus, memory=memory, timeout=timeout
    )
    report = document(measured, created, result.seconds, quick)
    path = write(report, output)
    if as_json:
        ui.emit(report)
    else:
        click.echo(path.read_text(), nl=False)
    ui.say(f"{result.release}: {path}, bench.svg and bench.json beside it ({result.seconds:.0f} s)")
