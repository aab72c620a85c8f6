"""What `mshare deploy` and `mshare rollback` have in common: options, and how they end."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml

from .. import ui
from ..errors import CheckFailed, UserError
from .inventory import read
from .playbook import Outcome, play

_OPTIONS = (
    click.option(
        "-i", "--inventory", required=True, type=click.Path(path_type=Path), help="Ansible inventory."
    ),
    click.option("-l", "--limit", default="", help="Ansible pattern of the hosts that are meant; else all."),
    click.option("--check", is_flag=True, help="Change nothing; say what would be changed."),
    click.option("--diff", is_flag=True, help="Show the differences in files."),
    click.option("--reboot-ok", is_flag=True, help="Consent to reboots; without it, hosts wait for one."),
    click.option("-e", "--extra-vars", multiple=True, help="Ansible variables: NAME=VALUE, JSON, or @FILE."),
    click.option("--json", "as_json", is_flag=True, help="Print each host's outcome as JSON."),
)


def playbook_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `run_and_report`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def run_and_report(
    name: str,
    *,
    inventory: Path,
    limit: str,
    check: bool,
    diff: bool,
    reboot_ok: bool,
    extra_vars: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run a playbook over an inventory, and show what became of each host.

    Raises:
        UserError: there is no such inventory or host, or the extra variables cannot be read.
        CheckFailed: not every host got through it.
    """
    for text in extra_vars:
        _check_variables(text)
    hosts = read(inventory, limit)
    arguments = ["--limit", limit] if limit else []
    arguments += [flag for flag, wanted in (("--check", check), ("--diff", diff)) if wanted]
    arguments += ["-e", '{"mshare_kernel_reboot_ok": true}'] if reboot_ok else []
    arguments += [word for text in extra_vars for word in ("-e", text)]
    outcomes = play(name, inventory, hosts, arguments)
    for host, outcome in outcomes.items():
        ui.say(_line(host, outcome, check))
    if as_json:
        ui.emit({host: asdict(outcome) for host, outcome in outcomes.items()})
    bad = [host for host, outcome in outcomes.items() if not outcome.good]
    if bad:
        raise CheckFailed(f"{name}: {len(bad)} of {len(hosts)} hosts did not get through: {', '.join(bad)}")


def _check_variables(text: str) -> None:
    """See that extra variables are something that Ansible reads; it says so only once the play has begun.

    Raises:
        UserError: they are not.
    """
    remedy = "write -e NAME=VALUE, -e '{\"NAME\": VALUE}' or -e @FILE"
    try:
        if text.startswith("@"):
            Path(text[1:]).expanduser().read_text()  # what is in it may be for Ansible's vault alone
            wrong = False
        elif text.startswith(("{", "[")):
            wrong = not isinstance(yaml.safe_load(text), dict)
        else:
            wrong = "=" not in text
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"reading the extra variables: {error}", remedy) from error
    if wrong:
        raise UserError(f"the extra variables {text[:60]!r} name nothing", remedy)


def _line(host: str, outcome: Outcome, check: bool) -> str:
    text = f"{host}: {outcome.state}"
    if outcome.message:
        text += f": {outcome.message}"
    if outcome.good and outcome.facts.get("mshare_kernel_reboot_required") in (True, "True"):
        text += "; would need a reboot" if check else "; needs a reboot: run again with --reboot-ok"
    return text


def command_of(name: str, text: str) -> Any:
    """The click command that runs one playbook."""

    @click.command(help=inspect.cleandoc(text))
    @playbook_options
    def command(**options: Any) -> None:
        run_and_report(name, **options)

    return command
