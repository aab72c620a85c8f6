"""Archives in cpio's newc format, as the kernel unpacks them as its initramfs; made without root."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import BinaryIO

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class _Entry:
    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


@dataclass
class Archive:
    """An archive in the making. Names are relative, without a leading slash; parents come first."""

    _entries: list[_Entry] = field(default_factory=list)

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory."""
        self._entries.append(_Entry(name, stat.S_IFDIR | mode))

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._entries.append(_Entry(name, stat.S_IFREG | mode, data))

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._entries.append(_Entry(name, stat.S_IFLNK | 0o777, target.encode()))

    def character_device(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a character device."""
        self._entries.append(_Entry(name, stat.S_IFCHR | mode, device=(major, minor)))

    def write(self, out: BinaryIO) -> None:
        """Write the archive to a binary file."""
        for number, entry in enumerate([*self._entries, _Entry(_TRAILER, 0)], start=1):
            _write_entry(out, number, entry)


def _padding(length: int) -> bytes:
    return b"\0" * (-length % 4)


def _write_entry(out: BinaryIO, inode: int, entry: _Entry) -> None:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    uid = gid = mtime = device_major = device_minor = checksum = 0
    numbers = (
        *(inode, entry.mode, uid, gid, links, mtime, len(entry.data)),
        *(device_major, device_minor, *entry.device, len(name), checksum),
    )
    header = _MAGIC.encode() + "".join(f"{number:08x}" for number in numbers).encode()
    for part in (header + name, entry.data):
        out.write(part)
        out.write(_padding(len(part)))
