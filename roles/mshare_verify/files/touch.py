#!/usr/bin/env python3
"""Let two unrelated processes use one region, and print what they saw as JSON. Standard library only.

Usage: touch.py [--point DIR] [--attach NAME]... [--write NAME]...

A region of our own, one granule with one object, is made, used and removed: one program writes a token,
another program, started by itself, maps the region at an address of its own choice and reads the token
back. --attach NAME: a second program maps the region NAME and touches nothing. --write NAME: the token test
in NAME itself, over the first 16 bytes of its first object: only for regions whose content may be lost.

The object: schema, regions (name -> {"outcome": "ok" or what went wrong, "written", "read"}); our own
region is "".
"""

import argparse
import fcntl
import json
import mmap
import os
import secrets
import struct
import subprocess
import sys

CREATE_MAPPING = 0x40287800
MAP_FIXED = 0x10
OBJECT_BYTES = 1 << 20
#: The programs that attach; argv: path, "attach" or "write" or "read", offset, token. "read" prints.
ATTACH = """
import mmap, os, sys
path, verb, offset, token = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
writes = verb == "write"
fd = os.open(path, os.O_RDWR if writes else os.O_RDONLY)
prot = mmap.PROT_READ | (mmap.PROT_WRITE if writes else 0)
memory = mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_SHARED, prot)
if writes:
    memory[offset:offset + len(token)] = token
elif verb == "read":
    print(memory[offset:offset + len(token)].decode("ascii", "replace"))
"""


def attach(path, verb, offset=0, token=""):
    """Run one of the programs that attach and return what it printed.

    Raises:
        OSError: it failed; a death by a signal is told by name.
    """
    argv = [sys.executable, "-c", ATTACH, path, verb, str(offset), token]
    done = subprocess.run(
        argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, start_new_session=True
    )
    if done.returncode != 0:
        how = "signal %d" % -done.returncode if done.returncode < 0 else "exit code %d" % done.returncode
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise OSError("the process that should %s ended with %s %s" % (verb, how, "".join(last)))
    return done.stdout.decode().strip()


def exchange(path, offset):
    """One process writes a token into a region, another one reads it."""
    token = secrets.token_hex(8)
    attach(path, "write", offset, token)
    read = attach(path, "read", offset, token)
    return {"outcome": "ok" if read == token else "another token was read", "written": token, "read": read}


def own_region(point):
    """The token test in a region that is made for it and removed."""
    with open(os.path.join(point, "mshare_info"), encoding="ascii") as handle:
        granule = int(handle.read())
    path = os.path.join(point, ".mshare-verify-%d" % os.getpid())
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, granule)
        prot, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | MAP_FIXED | mmap.MAP_ANONYMOUS
        fcntl.ioctl(fd, CREATE_MAPPING, struct.pack("=QQQIIi4x", 0, OBJECT_BYTES, 0, prot, flags, -1))
        return exchange(path, OBJECT_BYTES - mmap.PAGESIZE)
    finally:
        os.close(fd)
        os.unlink(path)


def first_object(path):
    """The offset of the first object of a region, in bytes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with open("/proc/self/fdinfo/%d" % fd, encoding="utf-8") as handle:
            return min(int(line.split()[1], 16) for line in handle if line.startswith("mshare_object:"))
    finally:
        os.close(fd)


def attach_only(path):
    """A process maps a region and touches nothing."""
    attach(path, "attach")
    return {"outcome": "ok", "written": None, "read": None}


def main():
    parser = argparse.ArgumentParser(description="let two unrelated processes use one region")
    parser.add_argument("--point", default="/sys/fs/mshare")
    parser.add_argument("--attach", action="append", default=[], metavar="NAME")
    parser.add_argument("--write", action="append", default=[], metavar="NAME")
    options = parser.parse_args()
    jobs = {"": lambda: own_region(options.point)}
    for name in options.attach:
        path = os.path.join(options.point, name)
        jobs[name] = lambda path=path: attach_only(path)
    for name in options.write:
        path = os.path.join(options.point, name)
        jobs[name] = lambda path=path: exchange(path, first_object(path))
    results = {}
    for name, job in jobs.items():
        try:
            results[name] = job()
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            results[name] = {"outcome": str(error), "written": None, "read": None}
    print(json.dumps({"schema": 1, "regions": results}))


if __name__ == "__main__":
    main()
