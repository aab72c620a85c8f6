#!/usr/bin/env python3
"""Print, as one JSON object, all that the checks of a host want to know. Reads only; standard library only.

Usage: facts.py [MOUNT_POINT]        (default /sys/fs/mshare)

The object: schema, release, boot_id, build_id (hex of the GNU build id in /sys/kernel/notes), config_mshare
("y", "n" or null when the configuration cannot be found), cmdline, filesystem (is msharefs registered),
mount (null or fstype and options: a map, values are text or null), magic (statfs f_type, hex), mshare_info
(text), regions (name relative to the mount point -> size, uid, gid, owner, group, mode, clients, objects;
sizes in bytes), kernel_log (lines that tell of a fault in the kernel), errors (what could not be read).
"""

import ctypes
import errno
import grp
import gzip
import json
import os
import pwd
import re
import stat
import struct
import sys

#: What the kernel prints when something in it went wrong; each is matched against one record of its log.
TROUBLE = re.compile(
    r"WARNING: |BUG: |BUG at |Oops|Kernel panic|general protection fault|Bad rss-counter|Bad page|"
    r"non-zero pgtables_bytes|INFO: task .* blocked|possible recursive locking|possible circular locking|"
    r"invalid opcode|unable to handle|Call Trace|nonzero pagetables|soft lockup|self-detected stall"
)
NT_GNU_BUILD_ID = 3


def text_of(path):
    """The stripped content of a text file."""
    with open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read().strip()


def build_id(notes):
    """The GNU build id in a block of ELF notes, as hex; None when there is none."""
    at = 0
    while at + 12 <= len(notes):
        name_size, data_size, kind = struct.unpack_from("=III", notes, at)
        name_at = at + 12
        data_at = name_at + (name_size + 3) // 4 * 4
        if kind == NT_GNU_BUILD_ID and notes[name_at : name_at + name_size].rstrip(b"\0") == b"GNU":
            return notes[data_at : data_at + data_size].hex()
        at = data_at + (data_size + 3) // 4 * 4
    return None


def config_symbol(symbol, config):
    """The value of a symbol in a kernel configuration: "y", "m", text, or "n" when it is not set."""
    found = re.search(r"^%s=(.*)$" % re.escape(symbol), config, re.MULTILINE)
    return found.group(1).strip('"') if found else "n"


def kernel_config(release):
    """The text of the running kernel's configuration, or None."""
    for path in ("/proc/config.gz", "/boot/config-%s" % release):
        try:
            opener = gzip.open if path.endswith(".gz") else open
            with opener(path, "rt") as handle:
                return handle.read()
        except FileNotFoundError:
            continue
    return None


def mount_of(point, mountinfo):
    """The last mount on a point: {"fstype", "options" of mount and superblock together}, or None."""
    found = None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        words, rest = left.split(), right.split()
        if len(words) >= 6 and words[4].replace("\\040", " ") == point:
            options = {}
            for option in (words[5] + "," + rest[2]).split(","):
                key, equals, value = option.partition("=")
                options[key] = value if equals else None
            found = {"fstype": rest[0], "options": options}
    return found


def fdinfo_of(text):
    """(number of mappings or None, list of objects) from the fdinfo of an open region."""
    clients, objects = None, []
    for line in text.split("\n"):
        key, _, value = line.partition(":")
        if key == "mshare_clients":
            clients = int(value)
        elif key == "mshare_object":
            offset, size, access, kind, path = value.lstrip("\t").split(" ", 4)
            found = {"offset": int(offset, 16), "size": int(size, 16)}
            objects.append(dict(found, access=access, type=kind, path=path))
    return clients, objects


def name_of(lookup, number):
    """The name of a user or group id, or the number as text."""
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def owners(status):
    """Who may do what with a file."""
    return {
        "uid": status.st_uid,
        "gid": status.st_gid,
        "owner": name_of(pwd.getpwuid, status.st_uid),
        "group": name_of(grp.getgrgid, status.st_gid),
        "mode": "%04o" % stat.S_IMODE(status.st_mode),
    }


def region(path):
    """What one region is and holds."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        with open("/proc/self/fdinfo/%d" % fd, encoding="utf-8", errors="replace", newline="\n") as handle:
            clients, objects = fdinfo_of(handle.read())
    finally:
        os.close(fd)
    return dict(owners(status), size=status.st_size, clients=clients, objects=objects)


def regions(point):
    """Every region below a mount point, by its name there."""
    found = {}
    for folder, _, names in os.walk(point):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.relpath(path, point) != "mshare_info":
                try:
                    found[os.path.relpath(path, point)] = region(path)
                except FileNotFoundError:
                    continue  # removed between the listing and the look
    return found


def statfs_magic(path):
    """f_type of statfs(2), as hex; os.statvfs does not have it."""
    buffer = (ctypes.c_long * 64)()
    if ctypes.CDLL(None, use_errno=True).statfs(path.encode(), buffer) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return hex(buffer[0])


def kernel_log():
    """Messages of the kernel's log that match TROUBLE; userspace's own records are left out."""
    lines = []
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while True:
            try:
                record = os.read(fd, 8192).decode(errors="replace")
            except OSError as error:
                if error.errno == errno.EPIPE:
                    continue  # records were overwritten while we read: go on with the next
                if error.errno == errno.EAGAIN:
                    return lines
                raise
            prefix, _, message = record.partition(";")
            if int(prefix.split(",")[0]) < 8 and TROUBLE.search(message.split("\n")[0]):
                lines.append(message.split("\n")[0])
    finally:
        os.close(fd)


def gather(point):
    """All facts; what cannot be read is None and named in "errors"."""
    facts = {"schema": 1, "errors": []}

    def take(name, read):
        try:
            facts[name] = read()
        except (OSError, ValueError) as error:
            facts[name] = None
            facts["errors"].append("%s: %s" % (name, error))

    def notes():
        with open("/sys/kernel/notes", "rb") as handle:
            return build_id(handle.read())

    facts["release"] = os.uname().release
    config = kernel_config(facts["release"])
    facts["config_mshare"] = config_symbol("CONFIG_MSHARE", config) if config is not None else None
    take("boot_id", lambda: text_of("/proc/sys/kernel/random/boot_id"))
    take("build_id", notes)
    take("cmdline", lambda: text_of("/proc/cmdline"))
    take("filesystem", lambda: "msharefs" in text_of("/proc/filesystems").split())
    take("mount", lambda: mount_of(point, text_of("/proc/self/mountinfo")))
    mounted = facts["mount"] is not None and facts["mount"]["fstype"] == "msharefs"
    facts["root"] = facts["magic"] = facts["mshare_info"] = None
    facts["regions"] = {}
    if mounted:
        take("root", lambda: owners(os.stat(point)))
        take("magic", lambda: statfs_magic(point))
        take("mshare_info", lambda: text_of(os.path.join(point, "mshare_info")))
        take("regions", lambda: regions(point))
    take("kernel_log", kernel_log)
    return facts


if __name__ == "__main__":
    print(json.dumps(gather(sys.argv[1] if len(sys.argv) > 1 else "/sys/fs/mshare")))
