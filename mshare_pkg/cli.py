"""The `mshare` command: a table of contents. The work is in the modules that the commands name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from . import __version__
from .errors import MshareError, of_the_system
from .signals import stoppable

#: Command name -> module with a click command named `command`; imported when used, so that `--help` is fast.
COMMANDS: dict[str, str] = {
    "deploy": "deploy",
    "kernel": "kernel",
    "lab": "lab",
    "report": "report",
    "repo": "repo",
    "rollback": "rollback",
    "status": "status",
    "verify": "verify",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"mshare_pkg.commands.{COMMANDS[cmd_name]}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a slip of ours, not of the user's
        return command


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mshare")
def cli() -> None:
    """Build kernels with msharefs, roll them out to a fleet, and check that they work.

    Exit codes: 0 done; 1 a check failed; 2 wrong input; 3 a tool or a machine failed.
    """


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: run the command line and turn our errors into messages and exit codes.

    SIGTERM and SIGHUP do what Ctrl-C does: what was started is ended, too.
    """
    try:
        with stoppable():
            cli.main(args=list(argv) if argv is not None else None, prog_name="mshare")
    except MshareError as error:
        _give_up(error)
    except OSError as error:
        _give_up(of_the_system(error))


def _give_up(error: MshareError) -> NoReturn:
    click.echo(f"mshare: {error}", err=True)
    sys.exit(error.exit_code)
