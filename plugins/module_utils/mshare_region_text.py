# SPDX-License-Identifier: MIT
"""Regions and plans as text for people."""

from __future__ import annotations

from .mshare_sizes import format_size

_COLUMNS = ("NAME", "SIZE", "OBJECTS", "OWNER", "GROUP", "MODE", "MAPPED", "PIDS")
_PIDS_SHOWN = 8


def table(regions):
    """One line a region, under a heading. OBJECTS is the sum of what is in it, MAPPED the kernel's count."""
    rows = [_COLUMNS, *(_row(one) for one in regions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    line = "  ".join("%%-%ds" % width for width in widths)
    return "\n".join((line % row).rstrip() for row in rows)


def _row(region):
    objects = region["objects"]
    inside = "?" if objects is None else format_size(sum(one["size"] for one in objects))
    clients = "?" if region["clients"] is None else str(region["clients"])
    pids = [str(user["pid"]) for user in region["users"]]
    shown = ",".join(pids[:_PIDS_SHOWN]) + (",..." if len(pids) > _PIDS_SHOWN else "")
    size = format_size(region["size"])
    return (
        region["name"],
        size,
        inside,
        region["owner"],
        region["group"],
        region["mode"],
        clients,
        shown or "-",
    )


def page(region):
    """All that is known of one region."""
    owner = "%s:%s %s" % (region["owner"], region["group"], region["mode"])
    lines = [
        "%s" % region["path"],
        "  size     %s (%d bytes)" % (format_size(region["size"]), region["size"]),
        "  owner    %s" % owner,
        "  mapped   %s" % ("?" if region["clients"] is None else "%d times" % region["clients"]),
        "  objects  %s" % ("?" if region["objects"] is None else len(region["objects"])),
    ]
    for one in region["objects"] or []:
        where = (format_size(one["size"]), format_size(one["offset"]), one["access"] or "none", one["type"])
        lines.append("    %s at %s  %s %s %s" % (*where, one["path"] or ""))
    lines.append("  used by  %s" % (len(region["users"]) or "nobody that can be seen"))
    for user in region["users"]:
        how = " and ".join(word for word in ("open", "mapped") if user[word])
        lines.append("    %d  %s  %s" % (user["pid"], user["command"], how))
    return "\n".join(line.rstrip() for line in lines)


def done(answer, check):
    """What `ensure` or `remove` did, or with `check` would do."""
    name, steps = answer["name"], answer["steps"]
    if not steps:
        return "%s: %s" % (name, "nothing to do" if answer["after"] else "not there, nothing to do")
    would = "would " if check else ""
    lines = ["%s:" % name, *("  %s%s" % (would, step_text(step)) for step in steps)]
    if answer["rounded"]:
        size = (format_size(answer["after"]["size"]), format_size(answer["granularity"]))
        lines.append("  its size is rounded up to %s, a multiple of %s" % size)
    return "\n".join(lines)


def _map_text(step):
    what = format_size(step["size"])
    if step["type"] == "hugetlb":
        what += " of huge pages"
    elif step["type"] == "file":
        what += " of %s" % step["path"]
        if step["file_offset"]:
            what += " from its byte %d on" % step["file_offset"]
    return "map %s (%s) at %s" % (what, step["access"], format_size(step["offset"]))


def step_text(step):
    """One step of a plan in words."""
    do = step["do"]
    if do == "size":
        return "set the size to %s" % format_size(step["size"])
    if do == "map":
        return _map_text(step)
    if do == "unmap":
        return "unmap %s at %s" % (format_size(step["size"]), format_size(step["offset"]))
    if do == "owner":
        return "give it to %d:%d" % (step["owner"], step["group"])
    if do == "mode":
        return "set the mode to %04o" % step["mode"]
    return do
