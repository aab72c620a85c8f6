# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""Why a trial boot did not last: what the host itself still knows about it. Standard library only."""

from __future__ import annotations

import os
import re

#: Where panics are kept over a reboot: by firmware or RAM (pstore), and where systemd-pstore files them.
PSTORE = ("/sys/fs/pstore", "/var/lib/systemd/pstore")
LINES = 15


def boots_after(listing, armed_boot_id, current_boot_id):
    """Boots between the one that armed a trial and the current one, oldest first.

    Args:
        listing: what `journalctl --list-boots` prints.
        armed_boot_id, current_boot_id: with or without dashes.

    Returns:
        A list of boot ids, of boots that wrote to the journal; empty too when the arming boot is not listed.
    """
    ids = [words[1] for words in (line.split() for line in listing.splitlines()) if len(words) > 1]
    ids = [ident for ident in ids if re.fullmatch("[0-9a-f]{32}", ident)]
    armed, current = armed_boot_id.replace("-", ""), current_boot_id.replace("-", "")
    if armed not in ids:
        return []
    return [ident for ident in ids[ids.index(armed) + 1 :] if ident != current]


def reason_of(trial, taken, journal_boots, panic):
    """Why the host is not on the kernel on trial, in one sentence.

    Args:
        trial: the trial file's content.
        taken: GRUB has spent the one-shot entry.
        journal_boots: boots in between that wrote to the journal.
        panic: a line of a panic that pstore kept, or an empty string.
    """
    release = trial["release"]
    if trial.get("guard"):
        return trial["guard"]["reason"]
    if not taken:
        return "GRUB did not take the one-shot entry of %s: it is still set" % release
    if panic:
        return "%s panicked: %s" % (release, panic)
    if journal_boots:
        return "%s reached user space, but the host left it before it was committed" % release
    return "%s did not reach user space: it panicked or was reset in the kernel or its initramfs" % release


def _pstore(since):
    lines = []
    for base in PSTORE:
        for directory, _dirs, names in os.walk(base):
            for name in sorted(names):
                path = os.path.join(directory, name)
                try:
                    if os.path.getmtime(path) < since:
                        continue
                    with open(path, encoding="utf-8", errors="replace") as stream:
                        lines += stream.read().splitlines()
                except OSError:
                    continue
    return lines


def collect(facts, run, trial_path):
    """Gather what is known about the trial that a host has fallen back from.

    Args:
        facts: of the host, with its trial file.
        run: a function from argv to a program's output (empty when it fails).
        trial_path: the trial file; its age tells new panics from old ones.

    Returns:
        A dict: `reason`, `lines` (the last of pstore or of the journal), `journal_boots` (those since that
        wrote to it).
    """
    trial = facts["trial"]
    taken = (facts["grub"]["env"] or {}).get("next_entry", "") != trial["entry"]
    listing = run(["journalctl", "--list-boots", "--no-pager", "--quiet"])
    boots = boots_after(listing, trial["armed_boot_id"], facts["boot_id"])
    try:
        since = os.path.getmtime(trial_path)
    except OSError:
        since = 0
    kept = _pstore(since)
    panics = [line for line in kept if "Kernel panic" in line]
    lines = kept[-LINES:]
    if not lines and boots:
        lines = run(
            ["journalctl", "--boot", boots[-1], "--lines", str(LINES), "--no-pager", "--quiet"]
        ).splitlines()
    return {
        "reason": reason_of(trial, taken, boots, panics[-1] if panics else ""),
        "lines": lines,
        "journal_boots": boots,
    }
