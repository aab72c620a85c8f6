"""`mshare verify` end to end, against this machine: it is no msharefs host, and the report has to say so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from verify_samples import BUILD

from mshare_pkg.commands.verify import command
from mshare_pkg.errors import CheckFailed, UserError
from mshare_pkg.verify import fleet

INVENTORY = """\
mshare_hosts:
  hosts:
    here: {ansible_connection: local}
  vars:
    mshare_regions_list: [{name: demo, size: 1G}]
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY)
    return path


def test_a_host_without_msharefs_fails_and_is_reported(inventory: Path, tmp_path: Path) -> None:
    build = tmp_path / "build.json"
    build.write_text(json.dumps(BUILD))
    path = tmp_path / "report.json"
    arguments = [
        "-i",
        str(inventory),
        "--build-json",
        str(build),
        "--report",
        str(path),
        "--no-measure",
        "--json",
    ]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, CheckFailed), done.output
    report = json.loads(path.read_text())
    assert json.loads(done.stdout) == report
    host = report["hosts"]["here"]
    assert host["release"] == os.uname().release
    outcomes = {check["name"]: check["outcome"] for check in host["checks"]}
    assert outcomes["release"] == outcomes["mounted"] == outcomes["there"] == outcomes["touch"] == "failed"
    assert "shared_tables" not in outcomes
    (release,) = [check for check in host["checks"] if check["name"] == "release"]
    assert release["detail"] == f"the running release is {os.uname().release}, expected {BUILD['release']}"
    assert path.with_suffix(".html").exists()
    assert path.with_suffix(".xml").exists()


def test_an_inventory_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"inventory\.yml"):
        fleet.check(tmp_path / "inventory.yml")


def test_an_inventory_that_cannot_be_read_is_the_users_error(inventory: Path) -> None:
    inventory.write_text("mshare_hosts: [")
    with pytest.raises(UserError, match=r"inventory\.yml"):
        fleet.check(inventory, measure=False)


def test_no_host_of_that_name_is_the_users_error(inventory: Path) -> None:
    with pytest.raises(UserError, match="no host"):
        fleet.check(inventory, hosts="elsewhere", measure=False)
