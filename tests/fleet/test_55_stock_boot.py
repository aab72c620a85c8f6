"""A boot without msharefs: it is not degraded, and what requires a region is not started."""

from __future__ import annotations

from typing import Any

import database
from machines import Fleet, Machine


def test_a_boot_without_msharefs_is_not_degraded(
    databases: Fleet, second: Machine, stock: dict[str, Any], build: dict[str, Any]
) -> None:
    """The machine stays on that kernel, with ours as its default: the rollback begins there."""
    assert databases
    (release,) = stock[second.name]["release"]
    (saved,) = [
        line.removeprefix("saved_entry=")
        for line in second.out("grub-editenv", "-", "list").splitlines()
        if line.startswith("saved_entry=")
    ]
    assert build["release"] in saved
    second.ssh("grub-editenv", "-", "set", f"next_entry={saved.replace(build['release'], release)}")
    second.ssh("sync")
    second.host.power_cycle()
    second.host.wait()
    assert second.settle() == "running"
    assert second.release == release
    assert second.ssh("test", "-e", "/sys/fs/mshare", check=False).returncode == 1
    for unit in (database.REGION, database.UNIT, "sys-fs-mshare.mount"):
        assert second.ssh("systemctl", "is-active", unit, check=False).stdout.strip() == "inactive", unit
    assert second.ssh("systemctl", "start", database.UNIT, check=False).returncode != 0
    assert second.settle() == "running"
