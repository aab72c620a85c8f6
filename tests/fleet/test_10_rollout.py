"""A rollout: check mode touches nothing, the play brings every host there, a second run changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from machines import Fleet, fingerprint, variables

from mshare_pkg.verify import fleet as checks


def test_check_mode_on_fresh_hosts_changes_nothing(fleet: Fleet, stock: dict[str, Any], good: Path) -> None:
    boots = {name: one.boot_id for name, one in fleet.machines.items()}
    for playbook in ("deploy", "configure", "verify", "rollback"):
        done = fleet.play(playbook, "--check", "--diff", **variables(good))
        assert done.returncode == 0, done.output[-6000:]
    assert {name: fingerprint(one) for name, one in fleet.machines.items()} == stock
    assert {name: one.boot_id for name, one in fleet.machines.items()} == boots


def test_every_host_runs_the_build(deployed: Fleet, build: dict[str, Any]) -> None:
    assert {one.release for one in deployed.machines.values()} == {build["release"]}
    for one in deployed.machines.values():
        assert build["release"] in one.out("grub-editenv", "-", "list")
        assert one.settle() == "running"


def test_a_second_run_changes_nothing(deployed: Fleet, good: Path) -> None:
    for playbook in ("deploy", "configure", "verify"):
        done = deployed.play(playbook, **variables(good))
        assert done.returncode == 0, done.output[-6000:]
        for name in deployed.machines:
            assert done.of(name)["changed"] == 0, done.output[-6000:]


def test_every_check_passes(deployed: Fleet, good: Path, tmp_path: Path) -> None:
    inventory = Path(shutil.copy(deployed.inventory, tmp_path))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "mshare_hosts.json").write_text(json.dumps(variables(good)))
    found = checks.check(inventory, measure=False)
    assert set(found) == set(deployed.machines)
    wrong = {
        name: [one for one in host["checks"] if one["outcome"] != "passed"] for name, host in found.items()
    }
    assert not any(wrong.values()), wrong
    assert all(list(host["facts"]["regions"]) == ["fleet"] for host in found.values())
