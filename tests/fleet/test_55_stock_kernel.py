"""Back on the stock kernel: nobody commits a trial. A boot without msharefs is not degraded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import database
import pytest
from machines import Fleet, Machine, kernels_started

#: Seconds of the trial: less than the machine takes to start everything.
DEADLINE_S = 30
PATIENCE_S = 900


@pytest.fixture(scope="module")
def console(databases: Fleet, second: Machine, stock: dict[str, Any], build: dict[str, Any]) -> Iterator[str]:
    """Try our kernel on the machine, and commit it not; what the console told until another kernel started.

    The machine stays on its stock kernel, the trial's end unreported, and ours as the default: the rollback
    begins there.
    """
    (release,) = stock[second.name]["release"]
    (saved,) = [
        line.removeprefix("saved_entry=")
        for line in second.out("grub-editenv", "-", "list").splitlines()
        if line.startswith("saved_entry=")
    ]
    assert build["release"] in saved
    databases.module(second, "mshare_boot", state="held", release=release)
    trial = {"release": build["release"], "build_id": build["build_id"], "deadline": DEADLINE_S}
    databases.module(second, "mshare_boot", state="armed", **trial)
    mark = second.console_size()
    second.ssh("systemctl", "reboot", check=False)
    end = time.monotonic() + PATIENCE_S
    while len(kernels_started(second.console(mark))) < 2:
        assert time.monotonic() < end, second.console(mark)[-4000:]
        time.sleep(2)
    second.host.wait()
    yield second.console(mark)
    second.ssh("grub-editenv", "-", "set", f"saved_entry={saved}")


def test_a_trial_that_nobody_commits_ends_by_itself(
    console: str, second: Machine, stock: dict[str, Any], build: dict[str, Any]
) -> None:
    (release,) = stock[second.name]["release"]
    assert second.release == release
    assert kernels_started(console) == [build["release"], release]
    told = json.loads(second.out("cat", "/etc/mshare/trial.json"))["guard"]["reason"]
    assert told == f"nobody committed the trial of {build['release']} within {DEADLINE_S} s of its start"


def test_a_boot_without_msharefs_is_not_degraded(console: str, second: Machine) -> None:
    assert console
    assert second.settle() == "running"
    assert second.ssh("test", "-e", "/sys/fs/mshare", check=False).returncode == 1
    for unit in (database.REGION, database.UNIT, "sys-fs-mshare.mount"):
        assert second.ssh("systemctl", "is-active", unit, check=False).stdout.strip() == "inactive", unit
    assert second.ssh("systemctl", "start", database.UNIT, check=False).returncode != 0
    assert second.settle() == "running"
