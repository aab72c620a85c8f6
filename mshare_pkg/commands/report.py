"""`mshare report`: render a report again."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..verify import html, junit, report


@click.command()
@click.argument("path", metavar="REPORT", type=click.Path(path_type=Path), default=Path("build/report.json"))
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="write the page here")
@click.option("--junit", "xml", type=click.Path(path_type=Path, dir_okay=False), help="write JUnit XML here")
@click.option("--json", "as_json", is_flag=True, help="print the report on standard output")
def command(path: Path, page: Path | None, xml: Path | None, as_json: bool) -> None:
    """Show the verification report REPORT (build/report.json), or render it as a page and as JUnit XML.

    Exits with 1 when a check in it failed.
    """
    loaded = report.load(path)
    if page:
        page.write_text(html.render(loaded))
        ui.say(f"page: {page}")
    if xml:
        xml.write_text(junit.render(loaded))
        ui.say(f"JUnit: {xml}")
    if as_json:
        ui.emit(loaded)
    else:
        counts = ", ".join(f"{number} {outcome}" for outcome, number in loaded["checks"].items())
        release = loaded["release"] or "several releases"
        ui.say(f"{loaded['created']}: {len(loaded['hosts'])} hosts on {release}: {counts}")
    report.raise_for_failures(loaded)
