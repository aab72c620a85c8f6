# SPDX-License-Identifier: MIT
"""The planner of the mount of msharefs: options and facts in, steps out."""

from __future__ import annotations

from .mshare_region_errors import BadInput, NoMshare, Refused, RegionError
from .mshare_sizes import parse_mode, parse_size, round_up

#: What the mount has where /proc/self/mountinfo does not show an option; 0 is "no limit" for the last two.
DEFAULTS = {"mode": 0o1777, "uid": 0, "gid": 0, "size": 0, "nr_regions": 0}


def desired_options(arguments, user, group, page):
    """The options to hold, as numbers, of a dict with some of the keys of DEFAULTS; None leaves one alone.

    `user` and `group` turn names into numbers (or raise KeyError); `page` is the page size in bytes, to which
    the kernel rounds `size` up. Raises BadInput.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    options = {}
    if "mode" in given:
        options["mode"] = parse_mode(given["mode"], 0o7777, "mount option mode")
    for key, look_up in (("uid", user), ("gid", group)):
        if key in given:
            options[key] = _number(given[key], key, look_up)
    if "size" in given:
        options["size"] = round_up(parse_size(given["size"], "mount option size"), page)
    if "nr_regions" in given:
        options["nr_regions"] = _number(given["nr_regions"], "nr_regions", None)
    return options


def found_options(text):
    """The options that msharefs shows, `mode=1777,uid=0,...,size=1048576k`, as desired_options has them."""
    shown = dict(word.partition("=")[::2] for word in text.split(","))
    options = dict(DEFAULTS)
    for key in ("uid", "gid", "nr_regions"):
        if key in shown:
            options[key] = int(shown[key])
    if "mode" in shown:
        options["mode"] = int(shown["mode"], 8)
    if "size" in shown:
        options["size"] = parse_size(shown["size"])
    return options


def option_text(options):
    """Options as mount(8) takes them."""
    words = {key: "%04o" % value if key == "mode" else str(value) for key, value in options.items()}
    return ",".join("%s=%s" % (key, words[key]) for key in DEFAULTS if key in words)


def plan(state, desired, facts):
    """The steps to a mount with the options `desired` (state mounted), or to none (state unmounted).

    `facts` is `{"path", "supported": bool, "mounts": [{"fstype", "options": text}], "regions": [name]}`;
    mounts are those on the path, the uppermost last. A step is `{"do": "mount"|"remount"|"unmount",
    "options": text}`.

    Raises NoMshare where the running kernel cannot, RegionError where something else is mounted there, and
    Refused rather than let regions go.
    """
    path = facts["path"]
    top = facts["mounts"][-1] if facts["mounts"] else None
    if top is not None and top["fstype"] != "msharefs":
        raise RegionError(
            "mounting msharefs on %s: %s is mounted there" % (path, top["fstype"]), "unmount it"
        )
    if state == "unmounted":
        if top is None:
            return []
        if facts["regions"]:
            raise Refused(
                "unmounting %s: these regions would go: %s" % (path, ", ".join(facts["regions"])),
                [],
                "remove them first",
            )
        return [{"do": "unmount", "options": ""}]
    if top is None:
        if not facts["supported"]:
            raise NoMshare(
                "mounting msharefs: the running kernel has none", "deploy a kernel of this project first"
            )
        return [{"do": "mount", "options": option_text(desired)}]
    now = found_options(top["options"])
    change = {key: value for key, value in desired.items() if now[key] != value}
    return [{"do": "remount", "options": option_text(change)}] if change else []


def _number(value, key, look_up):
    text = str(value)
    if text.isascii() and text.isdigit():
        return int(text)
    if look_up is None:
        raise BadInput("mount option %s: %r is not a number" % (key, value))
    try:
        return look_up(text)
    except KeyError as error:
        raise BadInput("mount option %s: %r is not known on this host" % (key, value)) from error
