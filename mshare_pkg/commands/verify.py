"""`mshare verify`: run the checks over a fleet and write the report."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..verify import fleet, report


@click.command()
@click.option("-i", "--inventory", required=True, type=click.Path(path_type=Path), help="Ansible inventory")
@click.option("--hosts", default="mshare_hosts", show_default=True, help="host or group of the inventory")
@click.option(
    "--build-json",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="what the hosts should run; by default their variable mshare_kernel_build_json",
)
@click.option(
    "--report",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("build/report.json"),
    show_default=True,
    help="report to write; beside it FILE.xml (JUnit) and FILE.html",
)
@click.option(
    "--measure/--no-measure",
    default=None,
    help="measure page tables, about a minute a host; by default where there is room for it",
)
@click.option("--json", "as_json", is_flag=True, help="print the report on standard output")
def command(
    *, inventory: Path, hosts: str, build_json: Path | None, path: Path, measure: bool | None, as_json: bool
) -> None:
    """Check every host of an inventory, measure page tables, and write the report.

    Exits with 1 when a check failed, and with --measure also when a host was not measured; the report is
    written all the same.
    """
    results = fleet.check(inventory, hosts=hosts, build_json=build_json, measure=measure is not False)
    made = report.make(results)
    report.write(made, path)
    for name, host in made["hosts"].items():
        outcomes = [check["outcome"] for check in host["checks"]]
        counts = ", ".join(f"{outcomes.count(one)} {one}" for one in report.OUTCOMES if one in outcomes)
        saved = f"; {host['saved_kib']} KiB of page tables saved" if host["saved_kib"] is not None else ""
        ui.say(f"{name}: {host['release'] or 'release unknown'}: {counts}{saved}")
    ui.say(f"report: {path}, {path.with_suffix('.html')}, {path.with_suffix('.xml')}")
    if as_json:
        ui.emit(made)
    report.raise_for_failures(made)
    if measure:
        report.raise_for_unmeasured(made)
