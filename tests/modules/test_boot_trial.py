"""The guard's verdicts, and the reasons for a trial that did not last."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils import mshare_evidence, mshare_trial

TRIAL: dict[str, Any] = {"release": "new", "armed_boot_id": "boot-1", "entry": "new-id", "deadline_s": 600}


@pytest.mark.parametrize(
    ("trial", "now", "action"),
    [
        pytest.param(None, ("new", "boot-2", "old-id", 9999), "leave", id="no trial"),
        pytest.param(TRIAL, ("old", "boot-1", "old-id", 9999), "leave", id="armed for the next boot"),
        pytest.param(TRIAL, ("old", "boot-3", "old-id", 9999), "leave", id="fallen back"),
        pytest.param(TRIAL, ("new", "boot-2", "new-id", 9999), "leave", id="default saved, trial file left"),
        pytest.param(TRIAL, ("new", "boot-2", "old-id", 599), "wait", id="in time"),
        pytest.param(TRIAL, ("new", "boot-2", "old-id", 600), "reboot", id="too late"),
    ],
)
def test_guard(trial: dict[str, Any] | None, now: tuple[str, str, str, float], action: str) -> None:
    """`now`: running release, boot id, saved entry, uptime."""
    found, why = mshare_trial.verdict(trial, *now)
    assert found == action
    assert why


LISTING = "\n".join(
    f"{number:3} {character * 32} Sun 2026-11-22 22:00:00 UTC Sun 2026-11-22 22:10:00 UTC"
    for number, character in ((-2, "a"), (-1, "b"), (0, "c"))
)


@pytest.mark.parametrize(
    ("armed", "current", "expected"),
    [("a", "c", ["b" * 32]), ("b", "c", []), ("d", "c", [])],
    ids=["one between", "none between", "the arming boot is not listed"],
)
def test_boots_after(armed: str, current: str, expected: list[str]) -> None:
    dashed = "-".join((armed * 8, armed * 4, armed * 4, armed * 4, armed * 12))
    assert mshare_evidence.boots_after(LISTING, dashed, current * 32) == expected


@pytest.mark.parametrize(
    ("trial", "taken", "boots", "panic", "expected"),
    [
        (TRIAL, False, [], "", "GRUB did not take the one-shot entry of new: it is still set"),
        (
            TRIAL,
            True,
            [],
            "",
            "new did not reach user space: it panicked or was reset in the kernel or its initramfs",
        ),
        (TRIAL, True, ["b"], "", "new reached user space, but the host left it before it was committed"),
        (TRIAL, True, [], "Kernel panic - x", "new panicked: Kernel panic - x"),
        ({**TRIAL, "guard": {"reason": "nobody came"}}, True, ["b"], "", "nobody came"),
    ],
)
def test_reason(trial: dict[str, Any], taken: bool, boots: list[str], panic: str, expected: str) -> None:
    assert mshare_evidence.reason_of(trial, taken, boots, panic) == expected
