"""What a host should be, as its inventory variables and build.json say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from .sizes import to_bytes

MOUNT_POINT = "/sys/fs/mshare"


@dataclass(frozen=True)
class MappedObject:
    """An object in a region: bytes from its start, bytes, `anon` and so on, `r` or `rw`, a file's path."""

    offset: int
    size: int
    type: str = "anon"
    access: str = "rw"
    path: str | None = None


@dataclass(frozen=True)
class Region:
    """A declared region. `size`: bytes as declared, not rounded up yet; None leaves an item unchecked."""

    name: str
    size: int | None = None
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    objects: tuple[MappedObject, ...] | None = None


@dataclass(frozen=True)
class Mount:
    """The declared mount; None leaves an option unchecked. `size` is in bytes."""

    present: bool = True
    mode: int = 0o1777
    uid: str | None = None
    gid: str | None = None
    size: int | None = None
    nr_regions: int | None = None


@dataclass(frozen=True)
class Expected:
    """All that one host is checked against; processes and mib are the size of the measurement."""

    release: str | None
    build_id: str | None
    mount: Mount
    regions: tuple[Region, ...]
    absent: tuple[str, ...]
    writable: tuple[str, ...]
    ignored_log: tuple[str, ...]
    processes: int
    mib: int


def _mode(text: str | int) -> int:
    """A mode; YAML turns 0660 into the number 432, and leaves '0660' text."""
    return text if isinstance(text, int) else int(text, 8)


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _objects(items: Sequence[Mapping[str, Any]]) -> tuple[MappedObject, ...]:
    return tuple(
        MappedObject(
            offset=to_bytes(item.get("offset", 0)),
            size=to_bytes(item["size"]),
            type=item.get("type", "anon"),
            access=item.get("access", "rw"),
            path=item.get("path"),
        )
        for item in items
    )


def _region(item: Mapping[str, Any]) -> Region:
    return Region(
        name=item["name"],
        size=to_bytes(item["size"]) if item.get("size") is not None else None,
        owner=_optional(item.get("owner")),
        group=_optional(item.get("group")),
        mode=_mode(item["mode"]) if item.get("mode") is not None else None,
        objects=_objects(item["objects"]) if item.get("objects") is not None else None,
    )


def _mount(variables: Mapping[str, Any]) -> Mount:
    size, regions = variables.get("mshare_mount_size"), variables.get("mshare_mount_nr_regions")
    return Mount(
        present=variables.get("mshare_mount_state", "present") != "absent",
        mode=_mode(variables.get("mshare_mount_mode") or "1777"),
        uid=_optional(variables.get("mshare_mount_uid")),
        gid=_optional(variables.get("mshare_mount_gid")),
        size=to_bytes(size) if size is not None else None,
        nr_regions=int(regions) if regions is not None else None,
    )


def from_variables(variables: Mapping[str, Any], build: Mapping[str, Any] | None) -> Expected:
    """What a host's variables (`mshare_mount_*`, `mshare_regions_list`, `mshare_verify_*`) and its build ask.

    Raises:
        UserError: a variable does not mean what it should.
    """
    try:
        declared = list(variables.get("mshare_regions_list") or [])
        present = [item for item in declared if item.get("state", "present") == "present"]
        return Expected(
            release=build["release"] if build else None,
            build_id=build["build_id"] if build else None,
            mount=_mount(variables),
            regions=tuple(_region(item) for item in present),
            absent=tuple(item["name"] for item in declared if item not in present),
            writable=tuple(variables.get("mshare_verify_write_regions") or ()),
            ignored_log=tuple(variables.get("mshare_verify_ignore_log") or ()),
            processes=int(variables.get("mshare_verify_processes") or 64),
            mib=int(variables.get("mshare_verify_mib") or 256),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the variables of a host do not say what to expect: {type(error).__name__}: {error}",
            "compare mshare_regions_list and mshare_mount_* with the roles' README",
        ) from error


def build_of(variables: Mapping[str, Any], override: str | None, base: Path) -> dict[str, Any] | None:
    """The build.json of a host: `override`, else `mshare_kernel_build_json`, else the default.

    Args:
        variables: the host's inventory variables.
        override: a path that goes before them.
        base: what a relative path starts from.

    Returns:
        Its content; None when nothing was named and `base/build/kernel/build.json` is not there.

    Raises:
        UserError: the named file cannot be read, or its name is a template that only a play can resolve.
    """
    named = override or variables.get("mshare_kernel_build_json")
    path = base / (named or "build/kernel/build.json")
    if not named and not path.exists():
        return None
    remedy = "name the build's file with --build-json or in mshare_kernel_build_json"
    if "{{" in str(path):
        raise UserError(f"mshare_kernel_build_json is a template: {named}", remedy)
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"reading what kernel the hosts should run: {error}", remedy) from error
    if not isinstance(data, dict) or not {"release", "build_id"} <= data.keys():
        raise UserError(f"{path} has no release and build_id: it is not a build.json", remedy)
    return data
