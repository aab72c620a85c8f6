"""A rollback leaves nothing: stock kernel and default, packages gone, files and bootloader as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import database
from machines import Fleet, Machine, fingerprint, variables


def test_without_consent_to_reboot_nothing_is_taken_away(deployed: Fleet, first: Machine, good: Path) -> None:
    def kept() -> tuple[str, set[str], str]:
        return first.release, first.packages(), first.out("ls", "/sys/fs/mshare")

    before = kept()
    assert "-mshare" in before[0]
    assert "fleet" in before[2]
    assert "-mshare" in first.out("grub-editenv", "-", "list")
    done = deployed.play("rollback", "--limit", first.name, **variables(good, mshare_kernel_reboot_ok=False))
    assert done.returncode == 0, done.output[-6000:]
    assert f"{first.name} must boot" in done.output
    assert kept() == before
    assert "-mshare" not in first.out("grub-editenv", "-", "list")


def test_rollback_gives_back_the_stock_machine(deployed: Fleet, stock: dict[str, Any], good: Path) -> None:
    for machine in deployed.machines.values():
        database.remove(machine)
    done = deployed.play("rollback", **variables(good))
    assert done.returncode == 0, done.output[-6000:]
    for name, machine in deployed.machines.items():
        assert fingerprint(machine) == stock[name]
        assert machine.settle() == "running"


def test_a_second_rollback_changes_nothing(deployed: Fleet, good: Path) -> None:
    done = deployed.play("rollback", **variables(good))
    assert done.returncode == 0, done.output[-6000:]
    assert all(done.of(name)["changed"] == 0 for name in deployed.machines)
