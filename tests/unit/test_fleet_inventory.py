"""Hosts of an inventory, and how they are reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.fleet import ssh
from mshare_pkg.fleet.inventory import Host, read

INVENTORY = """
mshare_hosts:
  children:
    web: {hosts: {b: {ansible_port: 2202}, a: {}}}
  vars: {ansible_user: root}
others: {hosts: {c: {}}}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY)
    return path


def test_hosts_of_the_group_with_their_variables(inventory: Path) -> None:
    hosts = read(inventory)
    assert [host.name for host in hosts] == ["a", "b"]
    assert (hosts[1].variables["ansible_port"], hosts[1].text("ansible_user")) == (2202, "root")
    assert [host.name for host in read(inventory, limit="b")] == ["b"]


def test_missing_inventory_and_empty_pattern_are_the_user_s_errors(inventory: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no host of the group mshare_hosts"):
        read(inventory, limit="c")


@pytest.mark.parametrize("text", ["mshare_hosts: [", "root:x:0:0:root:/root:/bin/bash", ""])
def test_what_ansible_cannot_read_is_the_user_s_error(inventory: Path, text: str) -> None:
    inventory.write_text(text)
    with pytest.raises(UserError, match=r"inventory\.yml") as wrong:
        read(inventory)
    assert "ansible-inventory" in wrong.value.remedy


def test_ssh_options() -> None:
    text = "-F none -o UserKnownHostsFile=/a/known -oStrictHostKeyChecking=yes -o 'ProxyCommand ssh -W x y'"
    options = Host("a", {"ansible_ssh_common_args": text}).ssh_options
    assert options["userknownhostsfile"] == "/a/known"
    assert options["stricthostkeychecking"] == "yes"
    assert options["proxycommand"] == "ssh -W x y"


def test_connection_takes_what_the_inventory_says(tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(
        "[127.0.0.1]:2299 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIINXmyrJYys9C/H/hnuon14CRG1v/hTZD+Ncay0DhJ+O\n"
    )
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": 2299,
        "ansible_user": "root",
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
    }
    made = ssh.connection(Host("a", variables), timeout=3)
    assert (made.host, made.port, made.user, made.connect_timeout) == ("127.0.0.1", 2299, "root", 3)
    assert "[127.0.0.1]:2299" in made.client.get_host_keys()


def test_a_host_that_does_not_answer_is_an_error_with_its_name() -> None:
    with pytest.raises(InfraError, match="asking a: "):
        ssh.output_of(Host("a", {"ansible_host": "127.0.0.1", "ansible_port": 1}), "true", timeout=2)
