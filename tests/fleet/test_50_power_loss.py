"""Power is lost after a new kernel was installed, before it was tried: the old one comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import database
from machines import Fleet, Machine, kernels_started, variables


def test_the_old_kernel_boots_and_regions_come_back(
    databases: Fleet,
    second: Machine,
    bad: tuple[Path, str],
    build: dict[str, Any],
) -> None:
    folder, url = bad
    only = variables(folder, mshare_repo_url=url, mshare_kernel_reboot_ok=False)
    done = databases.play("deploy", "--limit", second.name, **only)
    assert done.returncode == 0, done.output[-6000:]
    assert "needs a reboot into" in done.output
    assert any("mshare99" in line for line in second.packages())
    mark = second.console_size()
    second.host.power_cycle()
    second.host.wait()
    assert second.settle() == "running"
    assert second.release == build["release"]
    assert kernels_started(second.console(mark)) == [build["release"]]
    database.check(second)


def test_memory_of_a_region_made_at_boot_is_charged_to_the_slice(databases: Fleet, second: Machine) -> None:
    """Its creator was a service that has ended; the processes that touch it are elsewhere."""
    assert databases
    database.check_charged(second)
