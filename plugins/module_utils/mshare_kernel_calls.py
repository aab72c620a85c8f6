# SPDX-License-Identifier: MIT
"""The calls into msharefs that Python has no function for. Layouts and numbers: linux/msharefs.h."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct

#: statfs magic, "MSHR".
MAGIC = 0x4D534852
CREATE_MAPPING = 0x40287800
UNMAP = 0x40107801
_MAP_FIXED_NOREPLACE = 0x100000
_MAP_HUGETLB = 0x40000
_MAP_HUGE_SHIFT = 26
_NO_FILE = 0xFFFFFFFF
_PROT = {"rw": mmap.PROT_READ | mmap.PROT_WRITE, "r": mmap.PROT_READ, "w": mmap.PROT_WRITE, "": 0}


class Kernel:
    """msharefs as the running kernel has it. Every method takes an open descriptor and raises OSError."""

    def is_mshare(self, descriptor):
        """Whether the file lies on a msharefs, by statfs; its first member on 64-bit Linux is a long."""
        libc = ctypes.CDLL(None, use_errno=True)
        answer = ctypes.create_string_buffer(512)
        if libc.fstatfs(descriptor, answer):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return ctypes.c_long.from_buffer(answer).value == MAGIC

    def fdinfo(self, descriptor):
        """The text of the descriptor's fdinfo."""
        path = "/proc/self/fdinfo/%d" % descriptor
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            return stream.read()

    def map_anonymous(self, descriptor, offset, size, access):
        """Put anonymous memory into the region, in bytes; EEXIST where something is already."""
        self._map(descriptor, (offset, size, 0), access, mmap.MAP_ANONYMOUS, _NO_FILE)

    def map_huge_pages(self, descriptor, offset, size, access, page):
        """The same with huge pages of `page` bytes, which the pool must have: else ENOMEM."""
        flags = mmap.MAP_ANONYMOUS | _MAP_HUGETLB | (page.bit_length() - 1) << _MAP_HUGE_SHIFT
        self._map(descriptor, (offset, size, 0), access, flags, _NO_FILE)

    def map_file(self, descriptor, where, access, file):
        """The same with a file, a descriptor; `where` is offset and size, and the offset in the file."""
        self._map(descriptor, where, access, 0, file)

    def _map(self, descriptor, where, access, flags, file):
        flags |= mmap.MAP_SHARED | _MAP_FIXED_NOREPLACE
        argument = struct.pack("<QQQIII4x", *where, _PROT[access], flags, file)
        fcntl.ioctl(descriptor, CREATE_MAPPING, argument)

    def unmap(self, descriptor, offset, size):
        """Take what is there out of the region, for every process."""
        fcntl.ioctl(descriptor, UNMAP, struct.pack("<QQ", offset, size))
