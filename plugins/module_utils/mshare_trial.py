# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""The trial boot's state on a host, and the guard that ends a trial which nobody commits.

The state is one file. The controller writes it when it arms a trial and removes it when it commits. On the
trial boot `mshare-trial-guard.service` runs this module: at the deadline it reboots the host, which then
starts its saved default, the kernel that was running before. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from .mshare_grub import parse_env

STATE_DIR = "/var/lib/mshare"
#: On the root file system, whatever else a host has: the guard must find it when nothing more can be mounted.
TRIAL = "/etc/mshare/trial.json"
GRUBENV = "/boot/grub/grubenv"
UNIT = "mshare-trial-guard.service"

#: Seconds between two looks of the guard at the trial file.
POLL_S = 5

#: Ways to reboot, each with less ceremony than the one before, and seconds that it is given. The last cannot
#: be held up by a stuck unit. The first has three times what a unit has to stop (systemd's default: 90 s).
REBOOTS = ((("reboot",), 300), (("reboot", "--force"), 60), (("reboot", "--force", "--force"), 60))


def read_json(path):
    """The JSON object in a file, or None when there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def verdict(trial, release, boot_id, saved_entry, uptime_s):
    """What the guard has to do now. A pure function.

    Args:
        trial: the trial file's content, or None.
        release, boot_id: of the kernel that runs.
        saved_entry: GRUB's saved default.
        uptime_s: seconds since this boot began.

    Returns:
        A pair (action, why): `leave` (nothing to guard), `wait`, or `reboot`.
    """
    if trial is None:
        return "leave", "no trial is pending"
    if trial.get("armed_boot_id") == boot_id:
        return "leave", "the trial is armed for the next boot"
    if trial.get("release") != release:
        return "leave", "this is not the kernel on trial: the host has fallen back"
    if saved_entry == trial.get("entry"):
        return "leave", "the kernel on trial is the saved default already"
    deadline = trial.get("deadline_s", 0)
    if uptime_s < deadline:
        return "wait", "%d s are left" % (deadline - uptime_s)
    return "reboot", "nobody committed the trial of %s within %d s of its start" % (release, deadline)


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _saved_entry():
    try:
        return parse_env(_read(GRUBENV)).get("saved_entry", "")
    except (OSError, ValueError):
        return ""


def write_trial(trial):
    """Write the trial file, so that it is either the old or the new one after a loss of power."""
    temporary = TRIAL + ".new"
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(trial, stream, indent=1, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, TRIAL)


def _say(text):
    try:
        print("mshare-trial-guard: %s" % text, flush=True)
    except OSError:  # nobody takes the log any more: no reason to stay
        pass


def _reboot():
    for argv, patience_s in REBOOTS:
        subprocess.run(["systemctl", *argv], check=False)
        time.sleep(patience_s)


def main():
    """Guard the trial of this boot; returns the exit code."""
    boot_id = _read("/proc/sys/kernel/random/boot_id").strip()
    while True:
        trial = read_json(TRIAL)
        uptime_s = float(_read("/proc/uptime").split()[0])
        action, why = verdict(trial, os.uname().release, boot_id, _saved_entry(), uptime_s)
        if action == "wait":
            time.sleep(POLL_S)
            continue
        _say(why)
        if action == "leave":
            return 0
        try:
            write_trial(dict(trial, guard={"boot_id": boot_id, "reason": why}))
        except OSError as error:  # a read-only root must not keep the host on a kernel that failed
            _say("cannot note the reason: %s" % error)
        _reboot()
        return 1


if __name__ == "__main__":
    sys.exit(main())
