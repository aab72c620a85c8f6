"""`mshare kernel selftest`: the kernel's own tests, in a guest."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..errors import CheckFailed
from ..paths import project_root
from . import guest, programs, runner


@click.command(name="selftest")
@click.option(
    "--build",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/kernel"),
    show_default=True,
    help="Kernel build to test: the directory with build.json.",
)
@click.option("--vmlinuz", type=click.Path(path_type=Path), help="Kernel image to test, in place of a build.")
@click.option("--quick", is_flag=True, help="Fewer rounds: about three minutes under software emulation.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this program only; may be given again.")
@click.option("--cpus", type=click.IntRange(1, 64), default=2, show_default=True, help="Virtual CPUs.")
@click.option("--memory", type=click.IntRange(512), default=1024, show_default=True, help="Memory in MiB.")
@click.option("--timeout", type=click.FloatRange(1), help="Limit of the whole run in seconds.")
@click.option("--append", default="", metavar="TEXT", help="More words for the kernel's command line.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/selftest"),
    show_default=True,
    help="Directory for the programs, the guest's files and its logs.",
)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result on standard output.")
def command(
    *,
    build: Path,
    vmlinuz: Path | None,
    quick: bool,
    only: tuple[str, ...],
    cpus: int,
    memory: int,
    timeout: float | None,
    append: str,
    output: Path,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Run the selftests of msharefs on a kernel, in a QEMU guest with nothing else in it.

    A warning in the kernel's log fails the run, as a failed test does.
    """
    image, debug = guest.find_kernel(build, vmlinuz)
    result = runner.execute(
        runner.Plan(
            root=project_root(),
            image=image,
            programs=programs.select(only, debug),
            work=output,
            debug=debug,
            quick=quick,
            cpus=cpus,
            memory=memory,
            timeout=timeout,
            append=append,
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
