"""`mshare kernel selftest`: the kernel's own tests, in a guest."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..errors import CheckFailed
from ..kernel import options
from ..paths import project_root
from . import guest, programs, runner


@click.command(name="selftest")
@options.of_build("test")
@click.option("--quick", is_flag=True, help="Fewer rounds: about three minutes under software emulation.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this program only; may be given again.")
@options.of_guest()
@options.timeout()
@click.option(
    "--allow-skipped",
    is_flag=True,
    help="A skipped test is no failure: for kernels or guests that lack things.",
)
@click.option("--append", default="", metavar="TEXT", help="More words for the kernel's command line.")
@options.output("build/selftest", "the programs, the guest's files and its logs")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML there.")
@options.as_json("the result")
def command(
    *,
    build: Path,
    vmlinuz: Path | None,
    quick: bool,
    only: tuple[str, ...],
    cpus: int,
    memory: int,
    timeout: float | None,
    allow_skipped: bool,
    append: str,
    output: Path,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Run the selftests of msharefs on a kernel, in a QEMU guest with nothing else in it.

    A warning in the kernel's log fails the run, as a failed test does, or one that was skipped.
    """
    image, debug = guest.find_kernel(build, vmlinuz)
    result = runner.execute(
        runner.Plan(
            root=project_root(),
            image=image,
            programs=programs.select(only, debug=debug, quick=quick),
            work=output,
            debug=debug,
            quick=quick,
            cpus=cpus,
            memory=memory,
            timeout=timeout,
            append=append,
            allow_skipped=allow_skipped,
        )
    )
    if junit is not None:
        result.write_junit(junit)
    if as_json:
        ui.emit(result.as_json())
    for run in result.runs:
        for case in run.report.cases:
            if case.outcome == "skipped":
                ui.say(f"  skipped: {run.name}: {case.name} ({case.detail})")
    ui.say(
        f"{result.release or image}: {result.count('passed')} passed, {result.count('failed')} failed, "
        f"{result.count('skipped')} skipped, {len(result.findings)} complaints of the kernel "
        f"({result.seconds:.0f} s)"
    )
    if not result.ok:
        raise CheckFailed(
            "the kernel selftests failed:\n" + "\n".join(result.failures()),
            f"the kernel's whole log is {result.console}; run one program alone with --only",
        )
