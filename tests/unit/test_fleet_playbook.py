"""Outcomes of a playbook: a real one, on hosts that are this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.fleet import playbook
from mshare_pkg.fleet.inventory import Host

HOSTS = [Host(name, {}) for name in ("a", "b", "c")]
INVENTORY = "mshare_hosts: {hosts: {a: {}, b: {}, c: {}}, vars: {ansible_connection: local}}\n"
PLAY = """
- hosts: mshare_hosts
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  tasks:
    - ansible.builtin.set_fact: {mshare_kernel_reboot_required: true}
    - name: Break
      ansible.builtin.fail: {msg: "it has fallen back"}
      when: inventory_hostname == 'b'
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "trouble.yml").write_text(PLAY)
    monkeypatch.setattr(playbook, "project_root", lambda: tmp_path)
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY)
    return path


def test_a_failure_stops_the_play_and_names_its_reason(
    inventory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes = playbook.play("trouble", inventory, HOSTS, [])
    assert {name: one.state for name, one in outcomes.items()} == {
        "a": "unchanged",
        "b": "failed",
        "c": "untouched",
    }
    assert outcomes["b"].message == "Break: it has fallen back"
    assert outcomes["a"].facts == {"mshare_kernel_reboot_required": True}
    assert [name for name, one in outcomes.items() if one.good] == ["a"]
    assert "PLAY RECAP" in capfd.readouterr().err


def test_a_playbook_that_cannot_run_is_the_infrastructure_s_error(inventory: Path) -> None:
    with pytest.raises(InfraError, match=r"running trouble\.yml: exit code"):
        playbook.play("trouble", inventory, HOSTS, ["--limit", "nobody"])
