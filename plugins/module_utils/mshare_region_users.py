# SPDX-License-Identifier: MIT
"""Which processes have a region open or mapped, as /proc tells."""

from __future__ import annotations

import contextlib
import os

_DELETED = " (deleted)"


def find(device, inode, name, proc="/proc"):
    """The users of a region, by PID: a list of `{"pid", "command", "open": bool, "mapped": bool}`.

    `device` and `inode` are its st_dev and st_ino, `name` its file name. The calling process is left out.
    Without root, processes of other users stay hidden; so do those of outer PID namespaces.
    """
    users = []
    for entry in sorted((one for one in os.listdir(proc) if one.isdigit()), key=int):
        if int(entry) == os.getpid():
            continue
        here = os.path.join(proc, entry)
        mapped = _maps(here, device, inode)
        opened = _opens(here, device, inode, name)
        if mapped or opened:
            users.append({"pid": int(entry), "command": _command(here), "open": opened, "mapped": mapped})
    return users


def _maps(here, device, inode):
    """Whether /proc/PID/maps has a line of this file: it names device (hexadecimal) and inode."""
    needle = b" %02x:%02x %d " % (os.major(device), os.minor(device), inode)
    try:
        with open(os.path.join(here, "maps"), "rb") as stream:
            return needle in stream.read()
    except OSError:  # it has ended, or is not ours to see
        return False


def _opens(here, device, inode, name):
    """Whether a descriptor of the process is this file.

    Only links that end in the region's name are looked at more closely: a stat of just any file may hang.
    """
    directory = os.path.join(here, "fd")
    try:
        descriptors = os.listdir(directory)
    except OSError:
        return False
    for descriptor in descriptors:
        link = os.path.join(directory, descriptor)
        with contextlib.suppress(OSError):
            path = os.readlink(link)
            if path.endswith(_DELETED):
                path = path[: -len(_DELETED)]
            if os.path.basename(path) == name:
                status = os.stat(link)
                if (status.st_dev, status.st_ino) == (device, inode):
                    return True
    return False


def _command(here):
    try:
        with open(os.path.join(here, "comm"), encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return "?"
