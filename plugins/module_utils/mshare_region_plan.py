# SPDX-License-Identifier: MIT
"""The planner of regions: what shall be and what is in, steps out. It touches nothing and reads nothing."""

from __future__ import annotations

from .mshare_region_errors import BadInput, Refused
from .mshare_sizes import format_size, round_up

#: What a new region gets where the declaration leaves it open.
FRESH = {"owner": 0, "group": 0, "mode": 0o600, "objects": []}


def target(desired, found, granularity):
    """The whole state to reach, or None for a region that shall not be there.

    `desired` is a declaration (see mshare_region_spec), `found` None or what mshare_region_store found,
    `granularity` bytes. What the declaration leaves open is as found, or as FRESH. The result has `size`
    (rounded up), `owner`, `group`, `mode`, `objects`. Raises BadInput where the two do not fit together.
    """
    if desired["state"] == "absent":
        return None
    if desired["size"] is not None:
        size = round_up(desired["size"], granularity)
    elif found and found["size"]:
        size = found["size"]
    else:
        raise BadInput("region %s has to be made, and no size is given" % desired["name"], "give its size")
    state = {"size": size}
    for key, fresh in FRESH.items():
        kept = found[key] if found else fresh
        state[key] = kept if desired[key] is None else desired[key]
    if desired["objects"] is not None:
        _check_apart(desired["name"], state["objects"])
    for one in state["objects"]:
        if one["offset"] + one["size"] > size:
            raise BadInput(
                "region %s: its object at %s ends at %s, beyond the region's %s"
                % (
                    desired["name"],
                    format_size(one["offset"]),
                    format_size(one["offset"] + one["size"]),
                    format_size(size),
                ),
                "give the region a larger size, or list objects that lie in it",
            )
    return state


def plan(desired, found, granularity):
    """The steps from `found` to `desired`, in order; an empty list when there is nothing to do.

    Arguments as for `target`. A step is a dict with `do`: create; size (`size`); map and unmap (`offset`,
    `size`, for map `access` and `type`, and for a file `path` and `file_offset`); owner (`owner`, `group`);
    mode (`mode`); remove. All sizes are bytes. Memory that is in the region and stays in it is never touched:
    objects are compared as ranges, so a larger object is the old one and a new one behind it. Only another
    region size means a new region.

    Raises BadInput, and Refused for a step that takes memory from processes that use the region.
    """
    name = desired["name"]
    goal = target(desired, found, granularity)
    forced = desired["force"]
    if goal is None:
        if found is None:
            return []
        _refuse(found, forced, "removing region %s" % name)
        return [{"do": "remove"}]
    if found is None:
        return _make(goal)
    if found["size"] not in (0, goal["size"]):
        sizes = (name, format_size(found["size"]), format_size(goal["size"]))
        _refuse(found, forced, "changing the size of region %s from %s to %s" % sizes)
        if desired["objects"] is None:
            _check_replaceable(name, goal)
        return [{"do": "remove"}, *_make(goal)]
    steps = [] if found["size"] else [{"do": "size", "size": goal["size"]}]
    extra = _difference(found["objects"], goal["objects"])
    if extra:
        _refuse(found, forced, "taking objects out of region %s" % name)
    steps += [_step("unmap", piece) for piece in extra]
    steps += [_step("map", piece) for piece in _difference(goal["objects"], found["objects"])]
    if (found["owner"], found["group"]) != (goal["owner"], goal["group"]):
        if found["owner"] not in (0, goal["owner"]):
            _refuse(found, forced, "taking region %s from user %d" % (name, found["owner"]))
        steps.append({"do": "owner", "owner": goal["owner"], "group": goal["group"]})
    if found["mode"] != goal["mode"]:
        steps.append({"do": "mode", "mode": goal["mode"]})
    return steps


def _make(goal):
    """The steps that make a region. It is its maker's alone until all objects are in it."""
    steps = [{"do": "create"}, {"do": "size", "size": goal["size"]}]
    steps += [_step("map", piece) for piece in _difference(goal["objects"], [])]
    if (goal["owner"], goal["group"]) != (FRESH["owner"], FRESH["group"]):
        steps.append({"do": "owner", "owner": goal["owner"], "group": goal["group"]})
    if goal["mode"] != FRESH["mode"]:
        steps.append({"do": "mode", "mode": goal["mode"]})
    return steps


def _step(do, piece):
    step = {"do": do, "offset": piece["offset"], "size": piece["size"]}
    if do == "map":
        step["access"] = piece["access"]
        step["type"] = piece["type"]
        if piece["type"] == "file":
            step["path"] = piece["path"]
            step["file_offset"] = piece["file_offset"]
    return step


def _refuse(found, forced, doing):
    """Raise Refused when processes use the region; the kernel's count also sees those hidden from us."""
    users = found["users"]
    if forced or not (users or found["clients"]):
        return
    if users:
        who = "in use by %s" % ", ".join("%d (%s)" % (user["pid"], user["command"]) for user in users)
    else:
        who = "mapped %d times by processes that cannot be seen from here" % found["clients"]
    raise Refused("%s: it is %s" % (doing, who), users)


def _check_replaceable(name, goal):
    for one in goal["objects"]:
        if one["type"] == "file":  # it may be gone, or have been mapped from another place of it on
            raise BadInput(
                "region %s: its size cannot change while it holds an object of type %s" % (name, one["type"]),
                "list the objects that the new region shall have",
            )


def _check_apart(name, objects):
    for index, after in enumerate(objects[1:]):
        before = objects[index]
        touch = before["offset"] + before["size"] == after["offset"]
        if touch and _kind(before) == _kind(after) and after["type"] == "file":
            raise BadInput(
                "region %s: its objects at %s and %s touch, and both are the start of one file: the kernel "
                "would not tell them from one object"
                % (name, format_size(before["offset"]), format_size(after["offset"])),
                "leave a page between them, or make the first one larger",
            )


def _kind(one):
    return one["type"], one["access"], one.get("path")


def _difference(these, those):
    """The parts of the objects `these` that no object of the same kind among `those` covers, as objects.

    Parts that touch and are of one kind are one: [0, 4K) and [4K, 8K) are the same memory as [0, 8K). Where
    in its file an object begins, the kernel does not tell: as all begin at the start of their files, and what
    was added behind them goes on there, two of a file are the same as far as they overlap if they begin at
    the same place of the region, and not at all if they do not. `file_offset` is that of the part.
    """
    pieces = []
    for one in _merged(these):
        start = at = one["offset"]
        end = start + one["size"]
        for other in _merged(those):
            other_end = other["offset"] + other["size"]
            if _kind(other) != _kind(one) or other_end <= at or other["offset"] >= end:
                continue
            if one["type"] == "file" and other["offset"] != start:
                continue
            if other["offset"] > at:
                pieces.append(dict(one, offset=at, size=other["offset"] - at, file_offset=at - start))
            at = other_end
        if at < end:
            pieces.append(dict(one, offset=at, size=end - at, file_offset=at - start))
    return pieces


def _merged(objects):
    merged = []
    for one in sorted(objects, key=lambda each: each["offset"]):
        last = merged[-1] if merged else None
        touches = last and last["offset"] + last["size"] == one["offset"]
        if touches and _kind(last) == _kind(one):
            merged[-1] = dict(last, size=last["size"] + one["size"])
        else:
            merged.append(one)
    return merged
