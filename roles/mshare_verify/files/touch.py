#!/usr/bin/env python3
"""Let two unrelated processes use one region, and print what they saw as JSON. Standard library only.

Usage: touch.py [--point DIR] [--attach NAME]... [--write NAME]...

A region of our own, one granule with one object, is made, used and removed: one program writes a token,
another program, started by itself, maps the region at an address of its own choice and reads the token
back. --attach NAME: a second program maps the region NAME, and reads a few bytes where it holds files, which
must be those of the files; it touches no other memory. --write NAME: the token test in NAME itself, over the
first 16 bytes of its first object that is memory: only for regions whose content may be lost. Files are never
written; a region that holds nothing else is read only.

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
#: Bytes at the beginning and at the end of a file that are compared.
COMPARED_BYTES = 16
#: A file that a busy process writes may change between two looks at it.
LOOKS = 5
#: The programs that attach; argv: path, "attach" or "write" or "read", offset, token. "read" prints as many
#: bytes as the token has, in hex.
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
    print(memory[offset:offset + len(token)].hex())
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
    same = read == token.encode().hex()
    return {
        "outcome": "ok" if same else "another token was read",
        "written": token,
        "read": token if same else read,
    }


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


def fdinfo(path):
    """The text of a region's fdinfo."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with open(
            "/proc/self/fdinfo/%d" % fd, encoding="utf-8", errors="surrogateescape", newline="\n"
        ) as handle:
            return handle.read()
    finally:
        os.close(fd)


def objects_of(text):
    """The objects that an fdinfo tells of, by their offset."""
    objects = []
    for line in text.split("\n"):
        if line.startswith("mshare_object:\t"):
            offset, size, access, kind, path = line.partition("\t")[2].split(" ", 4)
            objects.append({"offset": int(offset, 16), "size": int(size, 16), "access": access})
            objects[-1].update(type=kind, path=path)
    return sorted(objects, key=lambda one: one["offset"])


def first_memory(text):
    """The offset in bytes of the first object that is no file and may be written, or None."""
    for one in objects_of(text):
        if one["type"] != "file" and one["access"] == "rw":
            return one["offset"]
    return None


def files_of(text):
    """(offset, size, path) of the files that can be read in a region, with what was added behind them."""
    files, last = [], None
    for one in objects_of(text):
        if last and one == dict(last, offset=last["offset"] + last["size"], size=one["size"]):
            files[-1] = (files[-1][0], files[-1][1] + one["size"], one["path"])
        elif one["type"] == "file" and one["access"].startswith("r"):
            files.append((one["offset"], one["size"], one["path"]))
        last = one if one["type"] == "file" and one["access"].startswith("r") else None
    return files


def bytes_of(path, offset, size):
    """Some bytes of a file."""
    with open(path, "rb") as handle:
        handle.seek(offset)
        return handle.read(size)


def compare(path, offset, size, file):
    """See that a region shows the first and the last bytes of a file that it holds.

    Raises:
        OSError: it shows others; or a process could not read them there.
    """
    length = min(size, os.stat(file).st_size)
    for at in {0, max(0, length - COMPARED_BYTES)}:
        for _ in range(LOOKS):
            there = bytes_of(file, at, min(COMPARED_BYTES, length))
            shown = attach(path, "read", offset + at, "-" * len(there)) if there else ""
            if shown == there.hex():
                break
        else:
            raise OSError("the region shows other bytes at %d than %s at %d" % (offset + at, file, at))


def attach_only(path):
    """A process maps a region, and reads where there are files."""
    attach(path, "attach")
    for offset, size, file in files_of(fdinfo(path)):
        if os.path.exists(file):  # whether it should be another one is for other checks to say
            compare(path, offset, size, file)
    return {"outcome": "ok", "written": None, "read": None}


def use(path):
    """The token test in a region, where it holds memory."""
    answer, offset = attach_only(path), first_memory(fdinfo(path))
    return answer if offset is None else exchange(path, offset)


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
        jobs[name] = lambda path=path: use(path)
    results = {}
    for name, job in jobs.items():
        try:
            results[name] = job()
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            results[name] = {"outcome": str(error), "written": None, "read": None}
    print(json.dumps({"schema": 1, "regions": results}))


if __name__ == "__main__":
    main()
