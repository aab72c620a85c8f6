# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""Read what a host is: its kernel, bootloader, memory and packages, as one JSON-able dict.

Only files are read and no program is run, so that it is quick on a slow machine and can be tested on a
directory tree. Standard library only.
"""

from __future__ import annotations

import glob
import os
import re
import struct

from .mshare_grub import config_traits, parse_env, parse_menu, release_of
from .mshare_region_users import find as find_users
from .mshare_trial import STATE_DIR, TRIAL, read_json

GRUB_CFG = "/boot/grub/grub.cfg"
GRUBENV = "/boot/grub/grubenv"
DROPIN = "/etc/default/grub.d/mshare.cfg"
BEFORE = STATE_DIR + "/before.json"

#: Programs that the bootloader steps run, and where Debian keeps them.
TOOLS = ("/usr/sbin/update-grub", "/usr/bin/grub-editenv")
#: The guard's two files in the package mshare-tools.
GUARD_FILES = (
    "/lib/systemd/system/mshare-trial-guard.service",
    "/usr/lib/python3/dist-packages/mshare_tools/mshare_trial.py",
)
#: Type of the build id among ELF notes (include/uapi/linux/elf.h: NT_GNU_BUILD_ID).
_NT_GNU_BUILD_ID = 3


class Reader:
    """Reads files below a root directory (`/` on a host, a made tree in tests)."""

    def __init__(self, root="/"):
        self.root = root

    def path(self, path):
        """Where an absolute path of the host lies."""
        return os.path.join(self.root, path.lstrip("/"))

    def data(self, path):
        """The bytes of a file, or None when it cannot be read."""
        try:
            with open(self.path(path), "rb") as stream:
                return stream.read()
        except OSError:
            return None

    def text(self, path, default=""):
        """The text of a file, or the default when it cannot be read."""
        data = self.data(path)
        return default if data is None else data.decode("utf-8", "replace")

    def exists(self, path):
        """Whether there is such a file."""
        return os.path.exists(self.path(path))

    def glob(self, pattern):
        """The host's paths that match a pattern, sorted."""
        found = glob.glob(self.path(pattern))
        return sorted("/" + os.path.relpath(name, self.root) for name in found)


def build_id_of(notes):
    """The GNU build id in ELF notes, in hex, or an empty string.

    Args:
        notes: the bytes of `/sys/kernel/notes`.
    """
    at = 0
    while at + 12 <= len(notes):
        name_size, desc_size, kind = struct.unpack_from("=III", notes, at)
        name_at = at + 12
        desc_at = name_at + (name_size + 3) // 4 * 4
        if kind == _NT_GNU_BUILD_ID and notes[name_at : name_at + name_size] == b"GNU\0":
            return notes[desc_at : desc_at + desc_size].hex()
        at = desc_at + (desc_size + 3) // 4 * 4
    return ""


def mounts_of(mountinfo):
    """The mounts in `/proc/self/mountinfo`, in order: dicts of device, point, options, type, source."""
    mounts = []
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if dash and len(fields) >= 6 and len(rest) >= 3:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[4])
            mounts.append(
                {
                    "device": fields[2],
                    "point": point,
                    "options": sorted(set((fields[5] + "," + rest[2]).split(","))),
                    "type": rest[0],
                    "source": rest[1],
                }
            )
    return mounts


def mount_of(mounts, path):
    """The mount that holds a path: the last one listed of the longest matching points."""
    best = None
    for mount in mounts:
        point = mount["point"].rstrip("/")
        if path == point or path.startswith(point + "/"):
            if best is None or len(mount["point"]) >= len(best["point"]):
                best = mount
    return best


def _device_kind(reader, device):
    """What stands below a file system: `plain`, `device-mapper`, `raid`, or `none` (no block device)."""
    base = "/sys/dev/block/" + device
    if device.startswith("0:") or not reader.exists(base):
        return "none"
    # A partition of an array has no directory of these, but the array, whose directory holds the partition's.
    whole = os.path.realpath(reader.path(base)) if reader.exists(base + "/partition") else None
    for name, kind in (("dm", "device-mapper"), ("md", "raid")):
        if reader.exists(base + "/" + name) or (whole and os.path.exists(os.path.join(whole, "..", name))):
            return kind
    return "plain"


def _free_mib(reader, path):
    try:
        stat = os.statvfs(reader.path(path))
    except OSError:
        return 0
    return stat.f_bavail * stat.f_frsize // 2**20


def _filesystem(reader, mounts, path):
    mount = mount_of(mounts, path) or {"point": "", "type": "", "options": [], "device": "0:0"}
    return {
        "point": mount["point"],
        "type": mount["type"],
        "read_only": "ro" in mount["options"],
        "device_kind": _device_kind(reader, mount["device"]),
        "free_mib": _free_mib(reader, path),
    }


def _grub(reader, mounts):
    text = reader.text(GRUB_CFG)
    env_text = reader.data(GRUBENV)
    env, env_error = None, ""
    if env_text is not None:
        try:
            env = parse_env(env_text.decode("utf-8", "replace"))
        except ValueError as error:
            env_error = str(error)
    return {
        "config": reader.exists(GRUB_CFG),
        "entries": parse_menu(text),
        "env": env,
        "env_error": env_error,
        "tools_missing": [tool for tool in TOOLS if not reader.exists(tool)],
        "filesystem": _filesystem(reader, mounts, os.path.dirname(GRUBENV)),
        "dropin": reader.text(DROPIN, None),
        "dropin_directory": reader.exists(os.path.dirname(DROPIN)),
        **config_traits(text),
    }


def _numbers(text):
    values = {}
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            values[name] = int(words[0])
    return values


def _memory(reader):
    meminfo = _numbers(reader.text("/proc/meminfo"))
    return {
        "overcommit_memory": int(reader.text("/proc/sys/vm/overcommit_memory", "0").strip() or 0),
        "overcommit_ratio": int(reader.text("/proc/sys/vm/overcommit_ratio", "50").strip() or 0),
        "total_kib": meminfo.get("MemTotal", 0),
        "swap_kib": meminfo.get("SwapTotal", 0),
        "commit_limit_kib": meminfo.get("CommitLimit", 0),
        "committed_kib": meminfo.get("Committed_AS", 0),
    }


def _kernels(reader):
    kernels = {}
    for path in reader.glob("/boot/vmlinuz-*"):
        release = release_of(path)
        initrd = "/boot/initrd.img-" + release
        config = reader.text("/boot/config-" + release)
        kernels[release] = {
            "vmlinuz_bytes": os.path.getsize(reader.path(path)),
            "initrd_bytes": os.path.getsize(reader.path(initrd)) if reader.exists(initrd) else 0,
            "mshare": "\nCONFIG_MSHARE=y\n" in "\n" + config,
        }
    return kernels


def stanzas(text, fields):
    """Chosen fields of each stanza of an RFC 822 style file (dpkg's status, apt's extended states)."""
    for block in text.split("\n\n"):
        found = {}
        for line in block.splitlines():
            name, colon, value = line.partition(":")
            if colon and name in fields:
                found[name] = value.strip()
        if found:
            yield found


def packages_of(status):
    """Installed packages in the text of dpkg's status file: name to version."""
    return {
        found["Package"]: found.get("Version", "")
        for found in stanzas(status, ("Package", "Version", "Status"))
        if found.get("Status", "").endswith(" installed") and "Package" in found
    }


def _package_of_kernel(reader, release):
    want = "/boot/vmlinuz-" + release
    for path in reader.glob("/var/lib/dpkg/info/linux-image-*.list"):
        if want in reader.text(path).splitlines():
            return os.path.basename(path)[: -len(".list")].partition(":")[0]
    return ""


def read_host(root="/"):
    """Everything that the planners of the roles need to know about a host.

    Args:
        root: the directory that stands for `/`.

    Returns:
        A dict of JSON values: release, boot_id, build_id, boot_image (the release that GRUB was told to
        load), uefi (firmware started it so), uptime_s, filesystems (msharefs known), msharefs mounts, kernels
        (files in /boot), boot (its file system), grub, memory, packages (ours and kernels), auto (those that
        apt calls automatic), kernel_package, guard, trial, before.
    """
    reader = Reader(root)
    mounts = mounts_of(reader.text("/proc/self/mountinfo"))
    release = reader.text("/proc/sys/kernel/osrelease").strip()
    image = re.search(r"(?:^|\s)BOOT_IMAGE=(\S+)", reader.text("/proc/cmdline"))
    uptime = reader.text("/proc/uptime").split()
    packages = {
        name: version
        for name, version in packages_of(reader.text("/var/lib/dpkg/status")).items()
        if name.startswith(("linux-image-", "linux-headers-", "mshare-"))
    }
    auto = [
        found.get("Package", "")
        for found in stanzas(reader.text("/var/lib/apt/extended_states"), ("Package", "Auto-Installed"))
        if found.get("Auto-Installed") == "1"
    ]
    return {
        "release": release,
        "boot_id": reader.text("/proc/sys/kernel/random/boot_id").strip(),
        "build_id": build_id_of(reader.data("/sys/kernel/notes") or b""),
        "boot_image": release_of(image.group(1)) if image else "",
        "uefi": reader.exists("/sys/firmware/efi"),
        "uptime_s": float(uptime[0]) if uptime else 0.0,
        "filesystem_known": "msharefs" in reader.text("/proc/filesystems").split(),
        "mounts": [mount for mount in mounts if mount["type"] == "msharefs"],
        "kernels": _kernels(reader),
        "boot": _filesystem(reader, mounts, "/boot"),
        "grub": _grub(reader, mounts),
        "memory": _memory(reader),
        "packages": packages,
        "auto": sorted(name for name in auto if name in packages),
        "kernel_package": _package_of_kernel(reader, release),
        # One of an older build looks for the trial elsewhere.
        "guard": all(reader.exists(path) for path in GUARD_FILES) and TRIAL in reader.text(GUARD_FILES[0]),
        "guard_enabled": reader.exists("/etc/systemd/system/sysinit.target.wants/mshare-trial-guard.service"),
        "trial": read_json(reader.path(TRIAL)),
        "before": read_json(reader.path(BEFORE)),
    }


def region_users(mounts):
    """Programs that have a region open or mapped.

    Args:
        mounts: the msharefs mounts.

    Returns:
        A list of dicts: pid, command, region (path).
    """
    users = []
    for mount in mounts:
        for directory, _dirs, names in os.walk(mount["point"]):
            for name in sorted(names):
                path = os.path.join(directory, name)
                status = os.lstat(path)
                if name != "mshare_info":
                    for user in find_users(status.st_dev, status.st_ino, name):
                        users.append({"pid": user["pid"], "command": user["command"], "region": path})
    return users
