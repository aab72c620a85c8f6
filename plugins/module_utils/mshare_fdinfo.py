# SPDX-License-Identifier: MIT
"""What the kernel tells of an open region in /proc/PID/fdinfo/FD."""

from __future__ import annotations

from .mshare_region_errors import RegionError

#: What the kernel puts behind the path of a file whose name was removed.
DELETED = " (deleted)"


def parse_fdinfo(text):
    r"""The clients and objects of a region: `{"clients": int, "objects": [object, ...]}`, sorted by offset.

    An object is `{"offset": bytes, "size": bytes, "access": "rw"|"r"|"w"|"", "type": "anon"|"hugetlb"|"file",
    "path": str or None}`, of a line `mshare_object:\t0x0 0x10000000 rw anon -`. Each call that mapped memory
    made an object, and none is joined with its neighbour; taking out the middle of one leaves two. A file's
    path is the kernel's, with " (deleted)" behind it when that name is gone. Lines of other kinds are
    skipped. Raises RegionError for a line that cannot be read.
    """
    clients = None
    objects = []
    for line in text.split("\n"):  # the kernel escapes this one character in paths, and no other
        key, _colon, value = line.partition(":")
        try:
            if key == "mshare_clients":
                clients = int(value)
            elif key == "mshare_object":
                objects.append(_object(value.lstrip("\t")))
        except ValueError as error:
            raise RegionError("reading what the kernel tells of a region: %r" % line) from error
    if clients is None:
        raise RegionError(
            "reading what the kernel tells of a region: no line mshare_clients",
            "boot a kernel of this project",
        )
    return {"clients": clients, "objects": sorted(objects, key=lambda one: one["offset"])}


def _object(value):
    offset, size, access, kind, path = value.split(" ", 4)
    return {
        "offset": int(offset, 16),
        "size": int(size, 16),
        "access": access.replace("-", ""),
        "type": kind,
        "path": None if path == "-" else path,
    }
