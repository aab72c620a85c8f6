"""`mshare repo`: publish builds to a signed apt repository, and list what is there."""

from __future__ import annotations

from pathlib import Path

import click

from .. import ui
from ..errors import UserError
from ..paths import data_dir
from ..repo import manifest
from ..repo.repository import KEEP_BUILDS, Repository

_REPO = click.option(
    "--repo",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/repo"),
    show_default=True,
    help="Directory of the repository; REPO/apt is what hosts are to be served.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")


@click.group
def command() -> None:
    """Publish builds to a signed apt repository."""


@command.command
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@_REPO
@click.option(
    "--gnupghome",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="GnuPG home with the signing key; by default one of mshare's own, where a key is made on first use.",
)
@click.option("--key", default="", help="Fingerprint, id or user id of the signing key.")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=KEEP_BUILDS,
    show_default=True,
    help="Builds that stay installable.",
)
@_JSON
def publish(
    *, directory: Path, repo: Path, gnupghome: Path | None, key: str, keep: int, as_json: bool
) -> None:
    """Publish the packages of the build in DIR (where its build.json is)."""
    with ui.step(f"publishing {directory} to {repo}"):
        build = manifest.load(directory)
        repository = Repository(repo)
        outcome = repository.publish(build, gnupghome or data_dir("gnupg"), key, keep)
    if not outcome.changed:
        ui.say(f"{outcome.release} is published already: nothing to do")
    for release in outcome.retired:
        ui.say(f"retired {release}: only the newest {keep} builds stay installable")
    ui.say(f"hosts trust {repository.public_key} ({outcome.fingerprint})")
    if as_json:
        ui.emit(
            {
                "changed": outcome.changed,
                "release": outcome.release,
                "key": outcome.fingerprint,
                "public_key": str(repository.public_key),
                "retired": outcome.retired,
            }
        )


@command.command("list")
@_REPO
@_JSON
def list_(*, repo: Path, as_json: bool) -> None:
    """List the builds in a repository, oldest first."""
    if not (repo / "builds").is_dir():
        raise UserError(f"listing {repo}: it is no repository", "publish a build to it first")
    builds = Repository(repo).builds()
    if as_json:
        ui.emit(
            [
                {
                    "release": build.release,
                    "build_id": build.build_id,
                    "published": build.published,
                    "packages": {package.name: package.version for package in build.packages},
                }
                for build in builds
            ]
        )
        return
    for build in builds:
        click.echo(f"{build.release}  {build.published[:19]}Z  build id {build.build_id or '(none)'}")
        for package in build.packages:
            click.echo(f"  {package.name} {package.version} ({package.size / 2**20:.1f} MiB)")
