"""Judge what a host said against what is expected: pure functions that return the problems they found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .expected import Expected, MappedObject, Mount, Region
from .sizes import human, to_bytes

Facts = Mapping[str, Any]
MSHARE_MAGIC = 0x4D534852
NAME_A_BUILD = "name a build.json by --build-json or mshare_kernel_build_json"


def _differs(what: str, found: object, wanted: object) -> list[str]:
    return [] if found == wanted else [f"{what} is {found}, expected {wanted}"]


def release(facts: Facts, expected: Expected) -> list[str]:
    """The running kernel's release."""
    if expected.release is None:
        return [f"nothing says which release to expect: {NAME_A_BUILD}"]
    return _differs("the running release", facts["release"], expected.release)


def build_id(facts: Facts, expected: Expected) -> list[str]:
    """The GNU build id of the running kernel: a rebuild under the same release is noticed."""
    if expected.build_id is None:
        return [f"nothing says which build id to expect: {NAME_A_BUILD}"]
    return _differs("the build id in /sys/kernel/notes", facts["build_id"], expected.build_id)


def config(facts: Facts) -> list[str]:
    """CONFIG_MSHARE=y in the configuration of the running kernel."""
    if facts["config_mshare"] is None:
        return ["neither /proc/config.gz nor /boot/config-RELEASE is there"]
    return _differs("CONFIG_MSHARE", facts["config_mshare"], "y")


def filesystem(facts: Facts) -> list[str]:
    """The filesystem type is registered."""
    return [] if facts["filesystem"] else ["msharefs is not in /proc/filesystems"]


def log(facts: Facts, expected: Expected) -> list[str]:
    """No line of the kernel's log tells of a fault in it."""
    if facts["kernel_log"] is None:
        return ["the kernel's log could not be read: " + "; ".join(facts["errors"])]
    return [
        line
        for line in facts["kernel_log"]
        if not any(re.search(item, line) for item in expected.ignored_log)
    ]


def mounted(facts: Facts, expected: Expected) -> list[str]:
    """Something is mounted on the mount point or not, it is msharefs, and statfs says so too."""
    mount = facts["mount"]
    if not expected.mount.present:
        return [f"{mount['fstype']} is mounted, expected nothing"] if mount else []
    if mount is None:
        return ["nothing is mounted on the mount point"]
    magic = int(facts["magic"], 16) if facts["magic"] else None
    return _differs("the mount's type", mount["fstype"], "msharefs") + _differs(
        "the statfs magic", magic, MSHARE_MAGIC
    )


def mount_options(facts: Facts, mount: Mount) -> list[str]:
    """The options in /proc/self/mountinfo are the declared ones; sizes and modes are compared as numbers."""
    if facts["mount"] is None:
        return ["nothing is mounted on the mount point"]
    options: Mapping[str, str | None] = facts["mount"]["options"]
    problems = _differs("mode=", f"{int(options.get('mode') or '1777', 8):04o}", f"{mount.mode:04o}")
    for key, wanted in (("uid", mount.uid), ("gid", mount.gid)):
        if wanted is not None:
            names = {
                options.get(key) or "0",
                (facts.get("root") or {}).get("owner" if key == "uid" else "group"),
            }
            problems += [] if wanted in names else [f"{key}= is {options.get(key) or '0'}, expected {wanted}"]
    if mount.size is not None:
        found = to_bytes(options.get("size") or 0)
        problems += _differs("size=", human(found), human(mount.size))
    if mount.nr_regions is not None:
        problems += _differs("nr_regions=", int(options.get("nr_regions") or 0), mount.nr_regions)
    return problems


def granularity(facts: Facts) -> list[str]:
    """`mshare_info` holds one decimal number, a power of two of at least a page."""
    text = facts["mshare_info"]
    if text is None or not re.fullmatch(r"[1-9][0-9]*", text):
        return [f"mshare_info holds {text!r}, not a decimal number"]
    number = int(text)
    return (
        []
        if number >= 4096 and number & (number - 1) == 0
        else [f"the granularity {number} is no power of two"]
    )


def regions_there(facts: Facts, expected: Expected) -> list[str]:
    """Each declared region is there, and those declared absent are not."""
    found = facts["regions"] or {}
    problems = [f"region {item.name} is not there" for item in expected.regions if item.name not in found]
    return problems + [
        f"region {name} is there, expected absent" for name in expected.absent if name in found
    ]


def _each(facts: Facts, expected: Expected) -> list[tuple[Region, Mapping[str, Any]]]:
    found = facts["regions"] or {}
    return [(item, found[item.name]) for item in expected.regions if item.name in found]


def region_sizes(facts: Facts, expected: Expected) -> list[str]:
    """Each region has its declared size, rounded up to the granularity that the host tells."""
    problems = []
    for item, found in _each(facts, expected):
        if item.size is not None:
            granule = int(facts["mshare_info"])
            wanted = -(-item.size // granule) * granule
            problems += _differs(f"the size of region {item.name}", human(found["size"]), human(wanted))
    return problems


def region_owners(facts: Facts, expected: Expected) -> list[str]:
    """Owner and group of each region, by name or number."""
    problems = []
    for item, found in _each(facts, expected):
        for what, wanted, names in (
            ("owner", item.owner, (found["owner"], str(found["uid"]))),
            ("group", item.group, (found["group"], str(found["gid"]))),
        ):
            if wanted is not None and wanted not in names:
                problems.append(f"the {what} of region {item.name} is {names[0]}, expected {wanted}")
    return problems


def region_modes(facts: Facts, expected: Expected) -> list[str]:
    """Mode of each region."""
    problems = []
    for item, found in _each(facts, expected):
        if item.mode is not None:
            problems += _differs(f"the mode of region {item.name}", found["mode"], f"{item.mode:04o}")
    return problems


def _shown(item: MappedObject) -> str:
    what = f"{item.type} {item.path}" if item.path else item.type
    return f"{human(item.size)} of {what} ({item.access}) at {human(item.offset)}"


def _joined(items: Iterable[MappedObject]) -> list[MappedObject]:
    """Objects of one kind that touch as one: what was enlarged is told in pieces, and declared as a whole."""
    joined: list[MappedObject] = []
    for item in sorted(items, key=lambda one: one.offset):
        last = joined[-1] if joined else None
        if last and replace(last, offset=last.offset + last.size, size=item.size) == item:
            joined[-1] = replace(last, size=last.size + item.size)
        else:
            joined.append(item)
    return joined


def region_objects(facts: Facts, expected: Expected) -> list[str]:
    """The objects in each region, as fdinfo tells them, are exactly the declared ones."""
    problems = []
    for item, found in _each(facts, expected):
        if item.objects is None:
            continue
        there = _joined(
            MappedObject(
                one["offset"],
                one["size"],
                one["type"],
                one["access"].replace("-", ""),
                None if one["path"] == "-" else one["path"],
            )
            for one in found["objects"]
        )
        wanted = _joined(item.objects)
        problems += [f"region {item.name} lacks {_shown(one)}" for one in wanted if one not in there]
        problems += [
            f"region {item.name} holds {_shown(one)}, not declared" for one in there if one not in wanted
        ]
    return problems


def touched(touch: Facts) -> list[str]:
    """What one process stored, another one that has nothing to do with it has read."""
    return [
        f"{'a region of its own' if not name else 'region ' + name}: {result['outcome']}"
        for name, result in touch["regions"].items()
        if result["outcome"] != "ok"
    ]


def attached(touch: Facts, expected: Expected) -> list[str]:
    """Each declared region was mapped by a process."""
    return [
        f"region {item.name} was not tried" for item in expected.regions if item.name not in touch["regions"]
    ]
