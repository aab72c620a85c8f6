"""A host that is as it should be, in the words of the programs that ask it; tests change what they need."""

from __future__ import annotations

import copy
from typing import Any

GIB = 1 << 30
MIB = 1 << 20
BUILD = {"release": "6.12.117-mshare1-vm", "build_id": "c0ffee" * 6 + "c0ff"}
VARIABLES = {
    "mshare_mount_size": "512M",
    "mshare_mount_nr_regions": 8,
    "mshare_regions_list": [
        {
            "name": "demo",
            "size": "256M",
            "owner": "root",
            "group": "1",
            "mode": "0640",
            "objects": [{"offset": 0, "size": "256M"}],
        },
        {"name": "old", "state": "absent"},
    ],
}
FACTS = {
    "schema": 1,
    "errors": [],
    "release": BUILD["release"],
    "boot_id": "3b1e2f60-0000-4000-8000-000000000001",
    "build_id": BUILD["build_id"],
    "config_mshare": "y",
    "cmdline": "BOOT_IMAGE=/boot/vmlinuz-6.12.117-mshare1-vm root=/dev/vda1 ro panic=10",
    "filesystem": True,
    "mount": {
        "fstype": "msharefs",
        "options": {"rw": None, "nosuid": None, "mode": "1777", "size": "524288k", "nr_regions": "8"},
    },
    "root": {"uid": 0, "gid": 0, "owner": "root", "group": "root", "mode": "1777"},
    "magic": "0x4d534852",
    "mshare_info": str(GIB),
    "regions": {
        "demo": {
            "uid": 0,
            "gid": 1,
            "owner": "root",
            "group": "daemon",
            "mode": "0640",
            "size": GIB,
            "clients": 0,
            "objects": [{"offset": 0, "size": 256 * MIB, "access": "rw", "type": "anon", "path": "-"}],
        }
    },
    "kernel_log": [],
}
TOUCH = {
    "schema": 1,
    "regions": {
        "": {"outcome": "ok", "written": "00ff", "read": "00ff"},
        "demo": {"outcome": "ok", "written": None, "read": None},
    },
}
COUNTS = [1, 2, 4, 8, 16, 32, 64]


def curve(growth: list[int], own: int, faults: list[int]) -> dict[str, Any]:
    """One curve of a measurement."""
    found: dict[str, Any] = {"counts": COUNTS, "growth_kib": growth, "own_kib": [own] * len(faults)}
    found.update(faults=faults, seconds=[0.01] * len(faults), wall_seconds=3.5)
    return found


MEASURED = {
    "schema": 1,
    "processes": 64,
    "object_bytes": 256 * MIB,
    "page_bytes": 4096,
    "region_bytes": GIB,
    "copy_kib": 512,
    "skipped": None,
    "shared": curve([520, 520, 524, 524, 528, 532, 540], 0, [65537, 1] + [1] * 62),
    "private": curve([516 * count for count in COUNTS], 512, [65536, 65536] + [4096] * 62),
}


def sample(original: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A deep copy of one of the samples with some of its keys changed."""
    return {**copy.deepcopy(original), **changes}


def checks(failed: str = "") -> list[dict[str, Any]]:
    """Checks of one host as the plugin writes them; the one named `failed` is."""
    titles = {
        "release": "runs the release that build.json names",
        "mounted": "msharefs is mounted on /sys/fs/mshare",
        "shared_tables": "all processes of a region share one copy of its page tables",
    }
    return [
        {
            "name": name,
            "title": title,
            "outcome": "failed" if name == failed else "passed",
            "seconds": 0.01,
            "detail": "it is <not> as & \x1b[1mexpected" if name == failed else "",
        }
        for name, title in titles.items()
    ]


def results(failed: str = "") -> dict[str, Any]:
    """Results of two hosts, as `fleet.check` returns them."""
    second = sample(MEASURED, private=curve([520 * count for count in COUNTS], 512, [65536] * 64))
    return {
        "mshare-lab-1": {"checks": checks(), "facts": FACTS, "touch": TOUCH, "measure": MEASURED},
        "mshare-lab-2": {"checks": checks(failed), "facts": FACTS, "touch": TOUCH, "measure": second},
    }
