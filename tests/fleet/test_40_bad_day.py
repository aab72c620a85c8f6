"""A bad day: a kernel that panics at boot is rolled out, and nothing comes of it but a clear message."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import badkernel
import database
import pytest
from machines import Fleet, Machine, Recap, fingerprint, kernels_started, variables


@dataclass(frozen=True)
class BadDay:
    """The rollout of the bad kernel: its release, the play, the console, the other machine's states."""

    release: str
    play: Recap
    console: str
    waiting_before: dict[str, Any]
    waiting_after: dict[str, Any]


def state(machine: Machine) -> dict[str, Any]:
    """What must not change on a machine that is not touched."""
    return {**fingerprint(machine), "boot": machine.boot_id}


@pytest.fixture(scope="module")
def bad_day(databases: Fleet, first: Machine, second: Machine, bad: tuple[Path, str]) -> BadDay:
    """Roll the bad kernel out over the fleet, one machine first."""
    folder, url = bad
    before, mark = state(second), first.console_size()
    play = databases.play(
        "deploy",
        **variables(
            folder,
            mshare_repo_url=url,
            mshare_waves=[1, "100%"],
        ),
    )
    console = first.console(mark)
    return BadDay(
        json.loads((folder / "build.json").read_text())["release"], play, console, before, state(second)
    )


def test_the_machine_is_back_on_the_good_kernel(
    bad_day: BadDay, first: Machine, build: dict[str, Any]
) -> None:
    assert first.release == build["release"] != bad_day.release
    assert first.settle() == "running"


def test_the_bad_kernel_was_started_once(bad_day: BadDay, build: dict[str, Any]) -> None:
    assert kernels_started(bad_day.console) == [bad_day.release, build["release"]]
    assert bad_day.console.count(badkernel.LAST_WORDS) == 1
    assert bad_day.console.count("Kernel panic - not syncing: Attempted to kill init!") == 1


def test_the_play_says_so_and_stops(bad_day: BadDay, first: Machine, second: Machine) -> None:
    assert bad_day.play.returncode != 0
    assert f"{first.name} has fallen back" in bad_day.play.output
    assert "Kernel panic - not syncing: Attempted to kill init!" in bad_day.play.output
    assert bad_day.release in bad_day.play.output
    assert bad_day.play.of(first.name)["failed"] == 1
    assert bad_day.play.of(second.name) == {}


def test_the_other_machine_was_not_touched(bad_day: BadDay) -> None:
    assert bad_day.waiting_after == bad_day.waiting_before


def test_nothing_of_the_trial_is_left(bad_day: BadDay, first: Machine, build: dict[str, Any]) -> None:
    variables_of_grub = first.out("grub-editenv", "-", "list")
    assert build["release"] in variables_of_grub
    assert bad_day.release not in variables_of_grub
    assert first.ssh("test", "-e", "/etc/mshare/trial.json", check=False).returncode == 1


def test_regions_are_back_after_both_boots(bad_day: BadDay, first: Machine) -> None:
    assert bad_day
    database.check(first)


def test_the_good_build_can_be_rolled_out_again(
    bad_day: BadDay, deployed: Fleet, first: Machine, good: Path
) -> None:
    assert bad_day
    boot = first.boot_id
    done = deployed.play("deploy", **variables(good))
    assert done.returncode == 0, done.output[-6000:]
    assert first.boot_id == boot
