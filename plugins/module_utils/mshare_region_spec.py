# SPDX-License-Identifier: MIT
"""What a region shall be: arguments as people write them in, a checked declaration out."""

from __future__ import annotations

import grp
import json
import os
import pwd

from .mshare_fdinfo import DELETED
from .mshare_region_errors import BadInput
from .mshare_region_names import check_name
from .mshare_sizes import format_size, parse_mode, parse_size

KEYS = ("name", "size", "owner", "group", "mode", "state", "force", "objects")
OBJECT_KEYS = ("offset", "size", "type", "access", "path")
DECLARATIONS = "/etc/mshare/regions.d"


def declaration(arguments, page):
    """A declaration, checked as far as it can be without looking at the host.

    `arguments` is a dict with some of KEYS; None and a missing key both mean "leave alone". `page` is the
    host's page size in bytes. The result has all KEYS: `size` in bytes as asked for, `owner` and `group` as
    numbers, `mode` as a number, `objects` a sorted list of `{"offset", "size", "access", "type", "path"}`, or
    None; `path` is None unless the type is file. Raises BadInput.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise BadInput("a region has no %s" % ", ".join(unknown), "the keys are %s" % ", ".join(KEYS))
    name = check_name(given.get("name"))
    state = given.get("state", "present")
    if state not in ("present", "absent"):
        raise BadInput("region %s: state is %r" % (name, state), "use present or absent")
    return {
        "name": name,
        "state": state,
        "force": _flag(given.get("force", False), name),
        "size": _region_size(given["size"], name) if "size" in given else None,
        "owner": _id(given["owner"], name, "owner", _uid) if "owner" in given else None,
        "group": _id(given["group"], name, "group", _gid) if "group" in given else None,
        "mode": parse_mode(given["mode"], 0o777, "region %s: mode" % name) if "mode" in given else None,
        "objects": _objects(given["objects"], name, page) if "objects" in given else None,
    }


def read_declaration(name, directory=DECLARATIONS):
    """The arguments that `directory`/NAME.json holds, with its name; raises BadInput."""
    path = os.path.join(directory, check_name(name) + ".json")
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except FileNotFoundError as error:
        raise BadInput("region %s is not declared: there is no %s" % (name, path)) from error
    except (OSError, ValueError) as error:
        raise BadInput("reading %s: %s" % (path, error), "it must be a JSON object") from error
    if not isinstance(data, dict):
        raise BadInput("reading %s: found %s" % (path, type(data).__name__), "it must be a JSON object")
    if data.setdefault("name", name) != name:
        raise BadInput("%s declares a region %r" % (path, data["name"]), "file and name must agree")
    return data


def _flag(value, name):
    if not isinstance(value, bool):
        raise BadInput("region %s: force is %r" % (name, value), "use true or false")
    return value


def _region_size(value, name):
    size = parse_size(value, "size of region %s" % name)
    if size == 0:
        raise BadInput("region %s: its size is 0" % name, "give at least one byte; it is rounded up")
    return size


def _uid(value):
    return pwd.getpwnam(value).pw_uid


def _gid(value):
    return grp.getgrnam(value).gr_gid


def _id(value, name, what, look_up):
    text = str(value)
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return look_up(text)
    except KeyError as error:
        raise BadInput(
            "region %s: %s %r is not known on this host" % (name, what, value),
            "create it first, or give a number",
        ) from error


def _objects(values, name, page):
    if not isinstance(values, list):
        raise BadInput("region %s: objects is %r" % (name, values), "use a list")
    objects = sorted((_object(value, name, page) for value in values), key=lambda one: one["offset"])
    for index, after in enumerate(objects[1:]):
        before = objects[index]
        if before["offset"] + before["size"] > after["offset"]:
            raise BadInput(
                "region %s: the objects at %s and %s overlap"
                % (name, format_size(before["offset"]), format_size(after["offset"]))
            )
    return objects


def _object(value, name, page):
    if not isinstance(value, dict) or set(value) - set(OBJECT_KEYS) or "size" not in value:
        raise BadInput(
            "region %s: object %r" % (name, value), "an object has offset, size, type, access and path"
        )
    what = "of an object of region %s" % name
    one = {
        "offset": parse_size(_default(value, "offset", 0), "offset " + what),
        "size": parse_size(value["size"], "size " + what),
        "access": _default(value, "access", "rw"),
        "type": _default(value, "type", "anon"),
        "path": value.get("path"),
    }
    if one["size"] == 0:
        raise BadInput("size %s is 0" % what)
    for key in ("offset", "size"):
        if one[key] % page:
            raise BadInput(
                "%s %s is %s bytes, not a multiple of the page size %d" % (key, what, one[key], page),
                "objects are never rounded: write the size that is meant",
            )
    if one["access"] not in ("rw", "r"):
        raise BadInput("access %s is %r" % (what, one["access"]), "use rw or r")
    if one["type"] not in ("anon", "hugetlb", "file"):
        raise BadInput("type %s is %r" % (what, one["type"]), "use anon, hugetlb or file")
    if one["type"] == "file":
        _check_path(one["path"], what)
    elif one["path"] is not None:
        raise BadInput(
            "type %s is %s, and a path is given: %s" % (what, one["type"], one["path"]),
            "leave the path out, or use the type file",
        )
    return one


def _check_path(path, what):
    if path is None:
        raise BadInput("type %s is file, and no path is given" % what, "give the path of the file to map")
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        raise BadInput("path %s is %r" % (what, path), "give an absolute path of printable characters")
    if path.endswith(DELETED):
        raise BadInput(
            "path %s is %s: this is what the kernel shows of a file that was removed" % (what, path),
            "give the file another name",
        )


def _default(value, key, default):
    return default if value.get(key) is None else value[key]
