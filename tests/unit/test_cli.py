"""The command line: every command of its table is there, errors become messages and exit codes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mshare_pkg import __version__, cli
from mshare_pkg.errors import CheckFailed, InfraError, MshareError, UserError


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_help(name: str) -> None:
    done = CliRunner().invoke(cli.cli, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage: cli " + name in done.output


def test_version_and_unknown_commands() -> None:
    assert __version__ in CliRunner().invoke(cli.cli, ["--version"]).output
    done = CliRunner().invoke(cli.cli, ["no-such"])
    assert done.exit_code == 2
    assert "No such command" in done.output


@pytest.mark.parametrize(
    ("words", "found"), [(["ker"], "plain,kernel"), (["kernel", "build", "--fl"], "plain,--flavour")]
)
def test_a_shell_completes_commands_and_options(words: list[str], found: str) -> None:
    environment = {
        "_MSHARE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["mshare", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = CliRunner(env=environment).invoke(cli.cli, [], prog_name="mshare")
    assert done.output.splitlines() == [found]


@pytest.mark.parametrize(
    "error", [CheckFailed("no", "mend"), UserError("no", "mend"), InfraError("no", "mend")]
)
def test_errors_are_printed_with_their_remedy(
    error: MshareError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "cli", click.Command("mshare", callback=fail))
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == error.exit_code
    assert capsys.readouterr().err == "mshare: no\n  what to do: mend\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "/proc/r"), "No such file or directory: /proc/r"),
        (OSError(28, "No space left on device", "from", None, "to"), "No space left on device: to"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
    ],
)
def test_what_the_system_refuses_is_an_error_and_no_traceback(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "cli", click.Command("mshare", callback=fail))
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == InfraError.exit_code
    assert capsys.readouterr().err.startswith(f"mshare: {said}\n  what to do: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_was_started_ends_with_the_command(number: signal.Signals) -> None:
    code = (
        "import click; from mshare_pkg import cli; from mshare_pkg.run import run;"
        "cli.cli = click.Command('mshare', callback=lambda: run(['sleep', '600'], doing='sleeping'));"
        "cli.main([])"
    )
    command = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    deadline = time.monotonic() + 30
    while not (found := children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    command.send_signal(number)
    assert "Aborted!" in command.communicate(timeout=30)[1]
    assert command.returncode == 1
    assert not Path(f"/proc/{found[0]}").exists()
