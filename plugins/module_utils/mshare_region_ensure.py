# SPDX-License-Identifier: MIT
"""Read, plan, apply: what the module mshare_region and the command `mshare region` share."""

from __future__ import annotations

import os

from . import mshare_region_backing as backing
from .mshare_region_errors import NoMshare, RegionError
from .mshare_region_plan import plan, target
from .mshare_region_slice import in_slice
from .mshare_region_spec import declaration
from .mshare_region_store import ROOT, Store


def ensure(arguments, root=ROOT, check=False, kernel=None):
    """Bring one region to what `arguments` declare (see mshare_region_spec), or only tell what it takes.

    Returns a dict: `name`, `path`, `steps` (the plan), `before` and `after` (states, or None for no region),
    `granularity` (bytes, or None where no msharefs is mounted), `rounded` (whether the size was rounded up)
    and `warnings`. A host without a mount has no regions: nothing is absent there, and with `check` the plan
    is told as far as it can be. Too few huge pages are a warning then, as they may be there in time.
    Raises RegionError and its kinds.
    """
    desired = declaration(arguments, os.sysconf("SC_PAGE_SIZE"))
    name = desired["name"]
    if desired["state"] == "present":
        backing.check(desired)
    try:
        with Store(root, kernel=kernel, change=not check) as store:
            granularity = store.granularity()
            before = store.find(name)
            if before and before["objects"] is None:
                raise RegionError(
                    "opening %s: permission denied" % store.path(name), "run it as root or as its owner"
                )
            steps = plan(desired, before, granularity)
            answer = _answer(desired, root, granularity, before, steps)
            _check_pool(answer, before, target(desired, before, granularity), check)
            if steps and not check:
                _apply(store, name, steps, answer["warnings"])
            return answer
    except NoMshare as error:
        if desired["state"] == "present" and not check:
            raise
        page = os.sysconf("SC_PAGE_SIZE")
        answer = _answer(desired, root, None, None, plan(desired, None, page))
        _check_pool(answer, None, target(desired, None, page), check)
        if answer["steps"]:
            answer["warnings"].append(
                "%s: the size of region %s is rounded up once it is" % (error.message, name)
            )
        return answer


def _check_pool(answer, before, goal, check):
    short = backing.shortage(before, goal, _makes(answer["steps"]))
    if short:
        found = "region %s: there are too few huge pages" % answer["name"]
        if not check:
            raise RegionError(found, short)
        answer["warnings"].append("%s; %s" % (found, short))


def _makes(steps):
    return any(step["do"] == "create" for step in steps)


def _apply(store, name, steps, warnings):
    if not _makes(steps):
        store.apply(name, steps)
        return
    with in_slice() as elsewhere:
        store.apply(name, steps)
    if elsewhere:
        warnings.append("the memory of region %s is charged to the caller's cgroup (%s)" % (name, elsewhere))


def _answer(desired, root, granularity, before, steps):
    known = granularity or os.sysconf("SC_PAGE_SIZE")
    after = target(desired, before, known)
    return {
        "name": desired["name"],
        "path": os.path.join(root, desired["name"]),
        "steps": steps,
        "before": state(before),
        "after": state(after),
        "granularity": granularity,
        "rounded": bool(granularity and after and desired["size"] not in (None, after["size"])),
        "warnings": [],
    }


def state(region):
    """A region as people read it: what a declaration can say of it, mode in octal; None stays None."""
    if region is None:
        return None
    return {
        "size": region["size"],
        "owner": region["owner"],
        "group": region["group"],
        "mode": "%04o" % region["mode"],
        "objects": None if region["objects"] is None else [_object(one) for one in region["objects"]],
    }


def _object(one):
    shown = {key: one[key] for key in ("offset", "size", "access", "type")}
    if one["path"] is not None:
        shown["path"] = one["path"]
    return shown
