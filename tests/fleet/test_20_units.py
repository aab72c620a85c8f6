"""A database unit that requires a region starts after it, not without it, and is not robbed of it."""

from __future__ import annotations

from pathlib import Path

import database
import pytest
from machines import REGIONS, Fleet, Machine, variables


def test_a_unit_that_requires_a_region_starts_after_it(databases: Fleet) -> None:
    for machine in databases.machines.values():
        database.check(machine)


def test_memory_is_charged_to_the_slice_of_regions(databases: Fleet) -> None:
    for machine in databases.machines.values():
        database.check_charged(machine)


def test_a_region_in_use_is_not_removed(databases: Fleet, second: Machine, good: Path) -> None:
    """By the command, the play, or a rollback: each names the process, and changes nothing."""
    pid = second.out("systemctl", "show", "--value", "-p", "MainPID", database.UNIT)
    done = second.ssh("mshare", "region", "remove", "fleet", check=False)
    assert done.returncode == 1
    assert pid in done.stderr
    resized = [{**REGIONS[0], "size": "2G"}]
    for playbook, more in (("configure", {"mshare_regions_list": resized}), ("rollback", {})):
        play = databases.play(playbook, "--limit", second.name, **variables(good, **more))
        assert play.returncode != 0
        assert f"in use by {pid} (python3)" in " ".join(play.output.split()), play.output[-6000:]
        assert play.of(second.name)["changed"] == 0, play.output[-6000:]
    database.check(second)


def test_limits_change_under_regions_in_use(databases: Fleet, good: Path) -> None:
    """The mount's by a remount, the slice's at once; both are there for the next boot."""
    limits = {"mshare_mount_nr_regions": 32, "mshare_regions_memory_max": "512M"}
    done = databases.play("configure", **variables(good, **limits))
    assert done.returncode == 0, done.output[-6000:]
    for machine in databases.machines.values():
        limit = machine.out("cat", "/sys/fs/cgroup/mshare.slice/mshare-regions.slice/memory.max")
        assert limit == str(512 << 20)
        assert "nr_regions=32" in machine.out("findmnt", "-n", "-o", "OPTIONS", "/sys/fs/mshare")
        assert "nr_regions=32" in machine.out("systemctl", "cat", "sys-fs-mshare.mount")
        database.check(machine)


@pytest.mark.usefixtures("databases")
def test_without_its_region_the_unit_does_not_start(second: Machine) -> None:
    declared, aside = "/etc/mshare/regions.d/fleet.json", "/root/fleet.json"
    second.ssh("systemctl", "stop", database.UNIT, database.REGION)
    second.ssh("mv", declared, aside)
    second.ssh("mshare", "region", "remove", "fleet", check=False)
    try:
        assert second.ssh("systemctl", "start", database.UNIT, check=False).returncode != 0
    finally:
        second.ssh("mv", aside, declared)
        second.ssh("systemctl", "reset-failed")
        second.ssh("systemctl", "start", database.UNIT)
    database.check(second)
