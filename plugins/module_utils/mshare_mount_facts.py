# SPDX-License-Identifier: MIT
"""What a host tells of the mount of msharefs."""

from __future__ import annotations

import os
import re

_OCTAL = re.compile(r"\\([0-7]{3})")


def read_facts(path, proc="/proc"):
    """The facts that mshare_mount_plan.plan takes, for one mount point."""
    with open(os.path.join(proc, "self/mountinfo"), encoding="utf-8", errors="surrogateescape") as stream:
        mounts = mounts_on(path, stream.read())
    with open(os.path.join(proc, "filesystems"), encoding="utf-8") as stream:
        supported = any(line.split()[-1:] == ["msharefs"] for line in stream)
    regions = regions_below(path) if mounts and mounts[-1]["fstype"] == "msharefs" else []
    return {"path": path, "supported": supported, "mounts": mounts, "regions": regions}


def mounts_on(path, mountinfo):
    """The mounts on a path, the uppermost last: their file system type and the options of it."""
    mounts = []
    for line in mountinfo.splitlines():
        before, _dash, after = line.partition(" - ")
        point = _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), before.split(" ")[4])
        if point == path:
            fstype, _source, options = after.split(" ", 2)
            mounts.append({"fstype": fstype, "options": options})
    return mounts


def regions_below(path):
    """The regions in a mount and in its directories, sorted, relative to it."""
    regions = []
    for directory, _directories, files in os.walk(path):
        regions += [os.path.relpath(os.path.join(directory, one), path) for one in files]
    return sorted(one for one in regions if one != "mshare_info")
