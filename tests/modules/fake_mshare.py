"""msharefs for tests: regions are sparse files in a directory, objects are kept in memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

GRANULARITY = 1 << 30


class Mapped(NamedTuple):
    """An object: bytes in the region, access, kind, the file's path when it was mapped, bytes in the file."""

    offset: int
    size: int
    access: str
    kind: str = "anon"
    path: str = "-"
    file_offset: int = 0

    def part(self, start: int, end: int) -> Mapped:
        """What of it lies in a range of the region."""
        start, end = max(start, self.offset), min(end, self.offset + self.size)
        file_offset = self.file_offset + start - self.offset if self.kind == "file" else 0
        return self._replace(offset=start, size=end - start, file_offset=file_offset)


class FakeKernel:
    """Stands in for mshare_kernel_calls.Kernel.

    `fail_at` makes mapping an object at that offset fail; the pool has `pages` huge pages of 2 MiB left.
    """

    def __init__(self, root: Path, mounted: bool = True, fail_at: int | None = None, pages: int = 0) -> None:
        self.root = root
        self.mounted = mounted
        self.fail_at = fail_at
        self.pages = pages
        self.clients = 0
        self.objects: dict[int, list[Mapped]] = {}
        self.files: dict[str, int] = {}
        (root / "mshare_info").write_text(f"{GRANULARITY}\n")

    def is_mshare(self, descriptor: int) -> bool:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return self.mounted and path.is_relative_to(self.root)

    def fdinfo(self, descriptor: int) -> str:
        lines = [f"pos:\t0\nmshare_clients:\t{self.clients}"]
        for one in sorted(self.objects.get(os.fstat(descriptor).st_ino, [])):
            path = Path(f"/proc/self/fd/{self.files[one.path]}").readlink() if one.kind == "file" else "-"
            where = f"{one.offset:#x} {one.size:#x} {one.access.ljust(2, '-')}"
            lines.append(f"mshare_object:\t{where} {one.kind} {path}")
        return "\n".join(lines) + "\n"

    def map_anonymous(self, descriptor: int, offset: int, size: int, access: str) -> None:
        self._map(descriptor, Mapped(offset, size, access))

    def map_huge_pages(self, descriptor: int, offset: int, size: int, access: str, page: int) -> None:
        if page != 2 << 20 or (offset | size) % page:
            raise OSError(errno.EINVAL, "Invalid argument")
        if size > self.pages * page:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self._map(descriptor, Mapped(offset, size, access, "hugetlb"))
        self.pages -= size // page

    def map_file(self, descriptor: int, where: tuple[int, int, int], access: str, file: int) -> None:
        offset, size, file_offset = where
        path = str(Path(f"/proc/self/fd/{file}").readlink())
        if access == "rw":
            os.pwrite(file, b"", 0)  # EBADF unless it is open for writing
        self._map(descriptor, Mapped(offset, size, access, "file", path, file_offset))
        self.files[path] = os.dup(file)  # an object holds its file, and its path is the kernel's

    def _map(self, descriptor: int, new: Mapped) -> None:
        if new.offset == self.fail_at:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        mine = self.objects.setdefault(os.fstat(descriptor).st_ino, [])
        if any(one.offset < new.offset + new.size and new.offset < one.offset + one.size for one in mine):
            raise OSError(errno.EEXIST, "File exists")
        mine.append(new)

    def unmap(self, descriptor: int, offset: int, size: int) -> None:
        mine = self.objects[os.fstat(descriptor).st_ino]
        end = offset + size
        self.pages += sum(max(0, one.part(offset, end).size) for one in mine if one.kind == "hugetlb") // (
            2 << 20
        )
        parts = [part for one in mine for part in (one.part(0, offset), one.part(end, GRANULARITY << 10))]
        mine[:] = [part for part in parts if part.size > 0]
