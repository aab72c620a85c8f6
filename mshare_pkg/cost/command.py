"""`mshare kernel cost`: what msharefs costs those that do not use it."""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from .. import ui
from ..errors import CheckFailed, InfraError
from ..kernel import base as bases
from ..kernel import build as builds
from ..kernel import options, variants
from ..kernel_selftest import measuring, runner
from ..kernel_selftest.programs import Program
from ..paths import project_root
from ..run import run
from . import counts, page

PROGRAM = "cost"

#: Seconds that a guest may take: one emulated CPU that counts is slow, and the machine may be busy.
_GUEST_SECONDS = 1200

#: One node and no chance in where things lie: the same work has the same instructions then.
_APPEND = "numa=fake=1 movablecore=0 norandmaps"


#: What the names of our functions and variables have in them.
_OURS = re.compile("mshare")


def measure(image: Path, work: Path, rounds: int, timeout: float | None) -> counts.Counts:
    """Count on one kernel.

    Args:
        image: the kernel to boot.
        work: directory for the program, the guest's files and its logs.
        rounds: how often everything is measured.
        timeout: of the whole run in seconds; None for the usual one.

    Raises:
        CheckFailed: the kernel complained in its log.
        InfraError: a tool is missing or failed; the program did not end well, or did not print all.
        UserError: another run is using the same directory.
    """
    result = measuring.execute(
        runner.Plan(
            root=project_root(),
            image=image,
            programs=[Program(PROGRAM, full=("-n", str(rounds)))],
            work=work,
            cpus=1,
            counting=True,
            timeout=timeout or _GUEST_SECONDS,
            append=_APPEND,
            case_seconds=_GUEST_SECONDS,
            program_seconds=_GUEST_SECONDS,
            title=f"counting instructions ({work.parent.name}, {work.name})",
        )
    )
    return counts.parse(result.runs[0].lines, str(work / "tests.log"))


def measure_often(image: Path, work: Path, boots: int, rounds: int, timeout: float | None) -> counts.Counts:
    """Count on one kernel, booted several times, each in a directory `boot-N` of `work`.

    Raises:
        CheckFailed, InfraError, UserError: as `measure`.
    """
    each = [measure(image, work / f"boot-{boot}", rounds, timeout) for boot in range(1, boots + 1)]
    return functools.reduce(counts.Counts.and_of, each)


def check_symbols(off: Sequence[str], on: Sequence[str]) -> None:
    """See that CONFIG_MSHARE=n compiles nothing of msharefs in, by names of functions and variables.

    Args:
        off: the symbols of the kernel without it.
        on: the symbols of the kernel with it, which must have some of its name.

    Raises:
        CheckFailed: there are such symbols without it, or none with it.
    """
    if not any(map(_OURS.search, on)):
        raise CheckFailed(
            "the kernel with CONFIG_MSHARE=y has no symbol of msharefs",
            "see kernel/config/mshare.config, and whether its System.map is whole",
        )
    if left := sorted(filter(_OURS.search, off)):
        raise CheckFailed(
            f"CONFIG_MSHARE=n leaves {len(left)} symbols of msharefs in the kernel: {', '.join(left[:8])}",
            "put what defines them under CONFIG_MSHARE",
        )


def symbols(deb: Path) -> list[str]:
    """The names in the System.map of a kernel's image package.

    Raises:
        InfraError: the package cannot be unpacked, or has no System.map.
    """
    with tempfile.TemporaryDirectory() as scratch:
        run(["dpkg-deb", "-x", deb, scratch], doing=f"unpacking {deb.name}")
        maps = list(Path(scratch, "boot").glob("System.map-*"))
        if not maps:
            raise InfraError(f"{deb.name} has no System.map", "build the kernel anew: mshare kernel build")
        return [line.split()[2] for line in maps[0].read_text().splitlines()]


@click.command(name="cost")
@options.of_source()
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    default=25,
    show_default=True,
    help="Rounds in each boot.",
)
@click.option(
    "--limit",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    metavar="PERCENT",
    help="Fail if anything takes so many more instructions.",
)
@click.option(
    "--boots",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Boots of each kernel; the lower decile of all rounds counts.",
)
@options.timeout()
@options.output("build/cost", "cost.md and cost.json, and for kernels and the guests' files")
@options.as_json("the report")
def command(
    *,
    base: str,
    flavour: str,
    jobs: int | None,
    rounds: int,
    limit: float,
    boots: int,
    timeout: float | None,
    output: Path,
    as_json: bool,
) -> None:
    """Count what msharefs costs those that do not use it.

    Builds the unpatched kernel and ours with CONFIG_MSHARE=n and =y, boots each in a QEMU guest that counts
    instructions, and compares faults, calls, fork and exec. Where things lie differs between boots, so that
    each is booted several times; the unpatched one as often again, to see what is chance.
    """
    root = project_root()
    images, packages = {}, {}
    for name, request in variants.requests(root, bases.load(base, root), flavour).items():
        folder = output / "kernels" / name
        made = builds.build(request, folder, jobs or os.cpu_count() or 1)
        images[name] = folder / str(made["vmlinuz"])
        packages[name] = next(
            folder / entry["path"] for entry in made["packages"] if entry["kind"] == "image"
        )
    check_symbols(symbols(packages[variants.OFF]), symbols(packages[variants.ON]))
    images[counts.AGAIN] = images[variants.UNPATCHED]
    found = {
        name: measure_often(image, output / name, boots, rounds, timeout) for name, image in images.items()
    }
    report = counts.compare(found, limit, boots)
    (output / "cost.json").write_text(json.dumps(report, indent=1) + "\n")
    path = output / "cost.md"
    path.write_text(page.markdown(report))
    if as_json:
        ui.emit(report)
    else:
        click.echo(path.read_text(), nl=False)
    if too_much := counts.over(report):
        raise CheckFailed(
            f"not within {limit:g} % of the unpatched kernel's instructions:\n" + "\n".join(too_much),
            f"the rounds are in {output / 'cost.json'}; shorten what the hooks of kernel/patches do there, "
            "or take more --rounds where the unpatched kernel differs from itself",
        )
    ui.say(f"nothing takes more than {limit:g} % more instructions; {path}, cost.json beside it")
