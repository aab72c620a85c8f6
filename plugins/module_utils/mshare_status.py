# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""A host's state in a few words, for a person who looks after a fleet. Standard library only."""

from __future__ import annotations

import os
import re

from .mshare_boot import OURS
from .mshare_grub import find
from .mshare_host import read_host


def release_key(text):
    """A key that sorts kernel releases as dpkg sorts versions."""
    key = []
    for words, digits in re.findall(r"([^0-9]*)([0-9]*)", text):
        order = [-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in words]
        key.append(((*order, 0), int(digits or 0)))
    return key


def default_release(facts):
    """The release of GRUB's saved default, or an empty string when the default is not held."""
    saved = (facts["grub"]["env"] or {}).get("saved_entry", "")
    entry = find(facts["grub"]["entries"], saved) if facts["grub"]["saved_default"] else None
    return entry["release"] if entry else ""


def hidden_kernel(facts):
    """The newest Debian kernel that is installed but not started, because the default is held; or an empty
    string.

    One is hidden when it is newer than the stock kernel that the first rollout found, or newer than the
    default.
    """
    default = default_release(facts)
    stock = (facts["before"] or {}).get("release", "")
    if not default:
        return ""
    found = [
        release
        for release in facts["kernels"]
        if OURS not in release
        and release != default
        and (
            release_key(release) > release_key(default)
            or (stock and release_key(release) > release_key(stock))
        )
    ]
    return max(found, key=release_key) if found else ""


def trial_state(facts):
    """The pending trial: its release and `armed`, `running` or `failed`; or None."""
    trial = facts["trial"]
    if not trial:
        return None
    state = "running" if trial["release"] == facts["release"] else "failed"
    return {
        "release": trial["release"],
        "state": "armed" if trial["armed_boot_id"] == facts["boot_id"] else state,
        "deadline_s": trial["deadline_s"],
    }


def _regions(mounts):
    regions = []
    for mount in mounts:
        for directory, _dirs, names in os.walk(mount["point"]):
            for name in sorted(names):
                path = os.path.join(directory, name)
                if path != os.path.join(mount["point"], "mshare_info"):
                    regions.append(
                        {"name": os.path.relpath(path, mount["point"]), "size": os.lstat(path).st_size}
                    )
    return regions


def report():
    """The state of this host.

    Returns:
        A dict of JSON values: release, build_id, default (a release, empty when not held), trial, mount
        (point and options, or None), regions (name and size in bytes), hidden_kernel, packages (ours: name
        to version), uptime_s.
    """
    facts = read_host()
    mount = facts["mounts"][-1] if facts["mounts"] else None
    return {
        "release": facts["release"],
        "build_id": facts["build_id"],
        "default": default_release(facts),
        "trial": trial_state(facts),
        "mount": {"point": mount["point"], "options": mount["options"]} if mount else None,
        "regions": _regions(facts["mounts"][-1:]),
        "hidden_kernel": hidden_kernel(facts),
        "packages": {name: version for name, version in facts["packages"].items() if "mshare" in name},
        "uptime_s": facts["uptime_s"],
    }
