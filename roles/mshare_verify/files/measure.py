#!/usr/bin/env python3
"""Measure page-table memory against the number of processes that touch the same memory.

Usage: measure.py [--point DIR] [--processes 64] [--mib 256] [--timeout 600]

Twice in one run, first for a region of msharefs of one granule with --mib MiB of objects ("shared"), then
for a memfd mapped MAP_SHARED by each process ("private": each has page tables of its own): all processes
are started and map the memory; then, in steps of 1, 2, 4, ... processes, each of them touches every page.
After each step the growth of PageTables in /proc/meminfo since before the first touch is read
(/proc/sys/vm/stat_refresh is written first: the counter is batched for each CPU). The first two processes
touch by storing, the others by loading, which builds the same tables.

The object: schema, processes, object_bytes, page_bytes, region_bytes, copy_kib (one copy of the objects'
page tables), skipped (why nothing was measured, or null), and shared and private, each null or: counts
(processes), growth_kib, own_kib (growth of VmPTE of each process: the tables that are its own, whatever
else runs on the machine), faults (of each process in touching, beyond those of its own code), seconds (of
each), wall_seconds.
"""

import argparse
import fcntl
import gc
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time

CREATE_MAPPING = 0x40287800
MAP_FIXED = 0x10
PAGE = mmap.PAGESIZE
KIB_OF_A_PROCESS = 2048  #: what one forked process costs beyond the memory it maps; seen: 1.2 to 1.6 MiB


def meminfo(key):
    """A value of /proc/meminfo in KiB, after folding the counters of all CPUs."""
    with open("/proc/sys/vm/stat_refresh", "w", encoding="ascii") as handle:
        handle.write("1\n")
    with open("/proc/meminfo", encoding="ascii") as handle:
        return next(int(line.split()[1]) for line in handle if line.startswith(key + ":"))


def own_tables():
    """VmPTE of this process in KiB."""
    with open("/proc/self/status", encoding="ascii") as handle:
        return next(int(line.split()[1]) for line in handle if line.startswith("VmPTE:"))


def touch(memory, size, store):
    """Touch each page of the first `size` bytes of a mapping; mmap walks a slice with a step in C."""
    pages = size // PAGE
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    if store:
        memory[0:size:PAGE] = b"\1" * pages
    else:
        memory[0:size:PAGE]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, time.monotonic() - start


def touch_own(pages, store):
    """The faults of touch() in its own code and buffers: the same work over memory that is mapped already."""
    spare = mmap.mmap(-1, PAGE)
    spare[0] = 0
    counts = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        buffer = b"\1" * pages if store else bytes(pages)
        spare[0:PAGE:PAGE] = buffer[:1]
        del buffer
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return counts[-1]


def worker(fd, length, size, store, line):
    """One process: map, say so, wait for the word, touch, report, wait for the end."""
    own = os.open("/proc/self/fd/%d" % fd, os.O_RDWR)
    memory = mmap.mmap(own, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    code = touch_own(size // PAGE, store)
    line.sendall(b"mapped\n")
    if line.recv(1):
        before = own_tables()
        faults, seconds = touch(memory, size, store)
        line.sendall(b"%d %.4f %d\n" % (max(faults - code, 0), seconds, own_tables() - before))
        line.recv(1)


def start(fd, length, size, count):
    """Fork `count` workers; returns (pid, our end of its socket) of each, once all have mapped the memory."""
    crew = []
    gc.collect()
    gc.freeze()
    for index in range(count):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                ours.close()
                for _, other in crew:
                    other.close()
                worker(fd, length, size, index < 2, theirs)
                code = 0
            except OSError as error:
                sys.stderr.write("process %d: %s\n" % (index + 1, error))
            finally:
                os._exit(code)
        theirs.close()
        crew.append((pid, ours))
    for _, ours in crew:
        expect(ours)
    return crew


def expect(line):
    """The next line of a worker."""
    text = b""
    while not text.endswith(b"\n"):
        piece = line.recv(64)
        if not piece:
            raise OSError("a process that maps the memory ended early: %r" % text)
        text += piece
    return text.split()


def steps(count):
    """1, 2, 4, ... and the last one is `count`."""
    found = [1]
    while found[-1] < count:
        found.append(min(found[-1] * 2, count))
    return found


def curve(fd, length, size, count):
    """Page tables against the number of processes that have touched all pages of fd."""
    begin, crew = time.monotonic(), start(fd, length, size, count)
    result = {"counts": steps(count), "growth_kib": [], "own_kib": [], "faults": [], "seconds": []}
    try:
        before, done = meminfo("PageTables"), 0
        for upto in result["counts"]:
            for _, line in crew[done:upto]:
                line.sendall(b"g")
            for _, line in crew[done:upto]:
                faults, seconds, own = expect(line)
                result["own_kib"].append(int(own))
                result["faults"].append(int(faults))
                result["seconds"].append(float(seconds))
            done = upto
            result["growth_kib"].append(meminfo("PageTables") - before)
    finally:
        for pid, line in crew:
            line.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    result["wall_seconds"] = round(time.monotonic() - begin, 2)
    return result


def region(point, size):
    """(fd, length) of a region of few granules with one object of `size` bytes, its name removed already."""
    with open(os.path.join(point, "mshare_info"), encoding="ascii") as handle:
        granule = int(handle.read())
    length = -(-size // granule) * granule
    path = os.path.join(point, ".mshare-measure-%d" % os.getpid())
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    os.ftruncate(fd, length)
    prot, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | MAP_FIXED | mmap.MAP_ANONYMOUS
    fcntl.ioctl(fd, CREATE_MAPPING, struct.pack("=QQQIIi4x", 0, size, 0, prot, flags, -1))
    return fd, length


def measure(point, count, size):
    """Both curves; see the top of the file."""
    result = {"schema": 1, "processes": count, "object_bytes": size, "page_bytes": PAGE, "region_bytes": None}
    result.update(copy_kib=size // PAGE * 8 // 1024, skipped=None, shared=None, private=None)
    need = size // 1024 + count * (result["copy_kib"] + KIB_OF_A_PROCESS)
    available = meminfo("MemAvailable")
    if available < need:
        result["skipped"] = "%d KiB of memory are available, the measurement needs %d" % (available, need)
        return result
    if os.path.exists(os.path.join(point, "mshare_info")):
        fd, result["region_bytes"] = region(point, size)
        result["shared"] = curve(fd, result["region_bytes"], size, count)
        os.close(fd)
    fd = os.memfd_create("mshare-measure")
    os.ftruncate(fd, size)
    result["private"] = curve(fd, size, size, count)
    os.close(fd)
    return result


def main():
    parser = argparse.ArgumentParser(description="measure page-table memory against the number of processes")
    parser.add_argument("--point", default="/sys/fs/mshare")
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--timeout", type=int, default=600, help="seconds until the run is given up")
    options = parser.parse_args()
    signal.alarm(options.timeout)
    print(json.dumps(measure(options.point, options.processes, options.mib << 20)))


if __name__ == "__main__":
    main()
