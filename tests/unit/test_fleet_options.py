"""What `mshare deploy` and `mshare rollback` take: wrong input is found before a play begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mshare_pkg.commands import deploy
from mshare_pkg.errors import UserError
from mshare_pkg.fleet import options
from mshare_pkg.fleet.playbook import Outcome


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The options of each play that was begun; every host gets through."""
    begun: list[list[str]] = []

    def play(name: str, inventory: Path, hosts: Any, words: list[str]) -> dict[str, Outcome]:  # noqa: ARG001
        begun.append(words)
        return {host.name: Outcome("unchanged", "", {}) for host in hosts}

    monkeypatch.setattr(options, "play", play)
    return begun


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yml"
    path.write_text("mshare_hosts: {hosts: {a: {}}}\n")
    return path


@pytest.mark.parametrize("text", ["{bad", "[1]", "@/nonexistent", "name", "@binary"])
def test_extra_variables_that_say_nothing(
    text: str, inventory: Path, plays: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    done = CliRunner().invoke(deploy.command, ["-i", str(inventory), "-e", text])
    assert isinstance(done.exception, UserError), done.output
    assert "-e NAME=VALUE" in done.exception.remedy
    assert plays == []


@pytest.mark.parametrize("text", ["a=1 b=2", '{"a": [1]}', "{a: 1}", "@file", "@vault"])
def test_extra_variables_go_to_the_play(
    text: str, inventory: Path, plays: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a: 1\n")
    (tmp_path / "vault").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    done = CliRunner().invoke(deploy.command, ["-i", str(inventory), "-e", text, "--reboot-ok", "--check"])
    assert done.exception is None, done.output
    assert plays == [["--check", "-e", '{"mshare_kernel_reboot_ok": true}', "-e", text]]
