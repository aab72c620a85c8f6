"""`mshare status`: what each host of a fleet runs, by default starts, has mounted and provisioned."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..errors import InfraError, MshareError
from ..fleet import inventory as inventories
from ..fleet import status as fleet


@click.command()
@click.option("-i", "--inventory", required=True, type=click.Path(path_type=Path), help="Ansible inventory.")
@click.option("-l", "--limit", default="", help="Ansible pattern of the hosts that are meant; else all.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=20,
    show_default=True,
    help="Seconds for connecting to a host, and again for its answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every host's state, or error, as JSON.")
def command(*, inventory: Path, limit: str, timeout: float, as_json: bool) -> None:
    """Show each host: release, default, pending trial, mount, regions, newer Debian kernels.

    Exits with 3 when a host gave no answer.
    """
    answers = fleet.status(inventories.read(inventory, limit), timeout)
    failed = [name for name, answer in answers.items() if isinstance(answer, MshareError)]
    if as_json:
        ui.emit({n: {"error": a.message} if isinstance(a, MshareError) else a for n, a in answers.items()})
    else:
        for name, answer in answers.items():
            click.echo(fleet.line(name, answer))
    if failed:
        raise InfraError(f"{len(failed)} of {len(answers)} hosts gave no answer: {', '.join(failed)}")
