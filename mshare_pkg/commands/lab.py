"""`mshare lab`: local machines that boot from their own disks through GRUB."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from .. import ui
from ..errors import CheckFailed
from ..lab import Lab, access, image, needs, snapshot
from ..lab.fleet import MEMORY

_DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/lab"),
    show_default=True,
    help="The lab's directory.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the lab's state on standard output.")
_MEMORY = click.option(
    "--memory",
    type=click.IntRange(384, 65536),
    default=MEMORY,
    show_default=True,
    help="MiB of memory of each machine.",
)


@click.group
def command() -> None:
    """Run Debian machines under QEMU as a fleet for trying things out."""


@command.command
@click.option("--hosts", type=click.IntRange(1, 16), default=2, show_default=True, help="How many machines.")
@_DIRECTORY
@click.option(
    "--repo",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/repo"),
    show_default=True,
    help="Repository that the machines can install from; it may be published later.",
)
@click.option("--cold", is_flag=True, help="Boot every machine, instead of going on from a saved state.")
@_MEMORY
@_JSON
def up(*, hosts: int, directory: Path, repo: Path, cold: bool, memory: int, as_json: bool) -> None:
    """Start machines with Debian's stock kernel, and wait until ssh reaches them."""
    lab = Lab(directory)
    lab.up(hosts, repo, cold=cold, memory=memory)
    for host in lab.hosts.values():
        ui.say(f"  {host.name}: ssh port {host.port}, console in {host.console_log}")
    ui.say(f"inventory: {lab.directory / access.INVENTORY}; shell: mshare lab ssh {next(iter(lab.hosts))}")
    if as_json:
        ui.emit(_state(lab))


@command.command
@_DIRECTORY
@click.option("--keep-logs", is_flag=True, help="Leave the console logs.")
def down(*, directory: Path, keep_logs: bool) -> None:
    """End the machines and remove the lab's files."""
    Lab(directory).down(keep_logs=keep_logs)


@command.command
@_DIRECTORY
@_JSON
def status(*, directory: Path, as_json: bool) -> None:
    """Show which machines run. Exit code 1 when one of them does not answer."""
    state = _state(Lab(directory))
    if as_json:
        ui.emit(state)
    else:
        for name, host in state["hosts"].items():
            running = f"pid {host['pid']}" if host["pid"] else "off"
            answers = "answers" if host["ssh"] else "does not answer"
            ui.say(f"{name}: {running}, ssh on port {host['port']} {answers}")
        ui.say(f"web server: {state['web']['url']}, {'up' if state['web']['pid'] else 'down'}")
    if not state["up"]:
        raise CheckFailed(
            "part of the lab does not run", "mshare lab reset HOST, or mshare lab power-cycle HOST"
        )


@command.command(context_settings={"ignore_unknown_options": True})
@_DIRECTORY
@click.argument("host")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def ssh(*, directory: Path, host: str, words: tuple[str, ...]) -> None:
    """Open a shell on HOST, or run a command there: mshare lab ssh HOST -- uname -r."""
    lab = Lab(directory)
    name = lab.host(host).name
    os.execv(needs.tool("ssh"), ["ssh", "-F", str(lab.directory / access.SSH_CONFIG), name, *words])  # noqa: S606


@command.command
@_DIRECTORY
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
def reset(*, directory: Path, hosts: tuple[str, ...]) -> None:
    """Bring machines (all, unless named) back to how `up` left them; their disks are made anew."""
    with ui.step("lab: resetting machines"):
        Lab(directory).reset(hosts)


@command.command("power-cycle")
@_DIRECTORY
@click.argument("host")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until ssh reaches it again.")
def power_cycle(*, directory: Path, host: str, wait: bool) -> None:
    """Cut the power of HOST and power it on again; it boots from its disk."""
    machine = Lab(directory).host(host)
    with ui.step(f"lab: power-cycling {host}"):
        machine.power_cycle()
        if wait:
            machine.wait()


@command.command
@_DIRECTORY
@click.argument("host")
@click.option("--lines", type=click.IntRange(1), help="Only the last lines.")
@click.option("--follow", is_flag=True, help="Go on printing what comes, until interrupted.")
def console(*, directory: Path, host: str, lines: int | None, follow: bool) -> None:
    """Print what HOST wrote to its serial console."""
    machine = Lab(directory).host(host)
    with machine.console_log.open(errors="replace") as log:
        text = log.read()
        click.echo("\n".join(text.splitlines()[-lines:]) if lines else text)
        while follow:
            click.echo(log.read(), nl=False)
            sys.stdout.flush()
            time.sleep(0.5)


@command.command
@_MEMORY
def prepare(*, memory: int) -> None:
    """Make the machines' disk and saved state, which `up` otherwise makes when they are missing."""
    snapshot.obtain(image.obtain(), memory)


def _state(lab: Lab) -> dict[str, Any]:
    """The lab's state, for `--json`."""
    hosts = {
        host.name: {"port": host.port, "pid": host.pid(), "ssh": host.answers()}
        for host in lab.hosts.values()
    }
    web = {"url": lab.web.url, "pid": lab.web.pid()}
    return {
        "schema": 1,
        "dir": lab.directory,
        "inventory": lab.directory / access.INVENTORY,
        "hosts": hosts,
        "web": web,
        "up": web["pid"] is not None and all(host["ssh"] for host in hosts.values()),
    }
