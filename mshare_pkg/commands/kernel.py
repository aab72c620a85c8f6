"""`mshare kernel`: build kernel packages, test and measure a kernel, and write the change as mails."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from .. import ui
from ..bench.command import command as bench
from ..cost.command import command as cost
from ..errors import CheckFailed, UserError
from ..kernel import base as bases
from ..kernel import build as builds
from ..kernel import mail, options, sparse, variants
from ..kernel.inputs import Request
from ..kernel_selftest.command import command as selftest
from ..kernel_selftest.endure_command import command as endure
from ..kernel_selftest.mutants_command import command as mutants
from ..kernel_selftest.stepwise_command import command as stepwise
from ..paths import project_root
from ..run import run

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group
def command() -> None:
    """Build kernels with msharefs, test and measure them, and write the change as mails."""


command.add_command(selftest)
command.add_command(endure)
command.add_command(mutants)
command.add_command(stepwise)
command.add_command(bench)
command.add_command(cost)


@command.command
@options.of_source()
@options.output("build/kernel", "packages and build.json")
@click.option("--series", type=_DIRECTORY, help="Directory with another quilt series, in place of ours.")
@click.option("--src", type=_DIRECTORY, help="Directory with new kernel files, in place of kernel/src.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration fragment in place of kernel/config/mshare.config.",
)
@click.option(
    "--revision", type=click.IntRange(1, 9999), help="N of -mshareN; else one more than the highest."
)
@click.option("--debug", is_flag=True, help="Add the checks of kernel/config/debug.config.")
@options.as_json("build.json")
@click.option("--dry-run", is_flag=True, help="Say what would be built, and build nothing.")
def build(
    *,
    base: str,
    flavour: str,
    output: Path,
    series: Path | None,
    src: Path | None,
    config: Path | None,
    revision: int | None,
    debug: bool,
    jobs: int | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Build Debian packages of a kernel with msharefs."""
    root = project_root()
    request = Request(root, bases.load(base, root), flavour, debug, series, src, revision, config)
    if dry_run:
        planned = builds.dry_run(request)
        ui.say(
            f"would build {planned['release']} ({'in the cache' if planned['cached'] else 'to be compiled'})"
        )
        ui.say(f"  of {planned['base']['source_package']} {planned['base']['source_version']}")
        ui.say(f"  patches: {', '.join(patch['name'] for patch in planned['patches']) or 'none'}")
        ui.say(f"  new files: {len(planned['src'])}; configuration: {', '.join(planned['config'])}")
        ui.say(f"  into {output}: {', '.join(planned['packages'])}")
    else:
        planned = builds.build(request, output, jobs or os.cpu_count() or 1)
        ui.say(f"{planned['release']}, build id {planned['build_id']}, is in {output}:")
        for package in planned["packages"]:
            ui.say(
                f"  {package['kind']:8}{package['name']} {package['version']} ({package['size'] >> 10} KiB)"
            )
    if as_json:
        ui.emit(planned)


def _git_identity(root: Path) -> str:
    """The name and address that git uses in the checkout."""
    values = [
        run(["git", "config", key], doing="asking git who you are", cwd=root, check=False).stdout.strip()
        for key in ("user.name", "user.email")
    ]
    if not all(values):
        raise UserError("git does not know your name and address", 'say --from "Name <address>"')
    return f"{values[0]} <{values[1]}>"


@command.command("sparse")
@options.of_source()
@options.as_json("the list of what sparse says")
def check_sparse(*, base: str, flavour: str, jobs: int | None, as_json: bool) -> None:
    """Run sparse, the kernel's semantic checker, over what the series adds.

    With the configuration of the debug build, in which each file that it touches is compiled.
    """
    root = project_root()
    found = bases.load(base, root)
    kernels = {
        name: replace(request, debug=True)
        for name, request in variants.requests(root, found, flavour).items()
    }
    said, files = sparse.check(
        kernels[variants.ON],
        kernels[variants.UNPATCHED],
        mail.collect(root, found.series),
        jobs or os.cpu_count() or 1,
    )
    if as_json:
        ui.emit(said)
    if said:
        raise CheckFailed(
            "\n".join([f"sparse has {len(said)} things to say", *said]), "mend what the lines name"
        )
    ui.say(f"sparse has nothing to say of what the series adds to {files} C files")


@command.command
@click.option("--base", default="6.12", show_default=True, help="Kernel base whose series is written.")
@options.output("build/patches", "the mails")
@click.option("--from", "sender", help='Sender, "Name <address>"; else as git knows you.')
@click.option("--signoff", is_flag=True, help="Add your Signed-off-by line to each mail.")
@options.as_json("the list of files")
def patch(*, base: str, output: Path, sender: str | None, signoff: bool, as_json: bool) -> None:
    """Write the whole change as a series of mails."""
    root = project_root()
    series = bases.load(base, root).series
    mails = mail.collect(root, series)
    if not mails:
        raise UserError(f"the series of base {series} is empty", "add patches or new files first")
    sender = sender or _git_identity(root)
    files = mail.write_series(
        mails, output, series=series, sender=sender, signoff=signoff, now=datetime.now(UTC).astimezone()
    )
    ui.say(f"{len(files) - 1} mails and a cover letter are in {output}")
    if as_json:
        ui.emit([str(path) for path in files])
