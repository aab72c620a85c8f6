"""A database unit that requires a region starts after it, and not without it."""

from __future__ import annotations

import database
import pytest
from machines import Fleet, Machine


def test_a_unit_that_requires_a_region_starts_after_it(databases: Fleet) -> None:
    for machine in databases.machines.values():
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
