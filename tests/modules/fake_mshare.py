"""msharefs for tests: regions are sparse files in a directory, objects are kept in memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

GRANULARITY = 1 << 30


class FakeKernel:
    """Stands in for mshare_kernel_calls.Kernel; `fail_at` makes mapping an object at that offset fail."""

    def __init__(self, root: Path, mounted: bool = True, fail_at: int | None = None) -> None:
        self.root = root
        self.mounted = mounted
        self.fail_at = fail_at
        self.clients = 0
        self.objects: dict[int, list[tuple[int, int, str]]] = {}
        (root / "mshare_info").write_text(f"{GRANULARITY}\n")

    def is_mshare(self, descriptor: int) -> bool:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return self.mounted and path.is_relative_to(self.root)

    def fdinfo(self, descriptor: int) -> str:
        lines = [f"pos:\t0\nmshare_clients:\t{self.clients}"]
        for offset, size, access in sorted(self.objects.get(os.fstat(descriptor).st_ino, [])):
            lines.append(f"mshare_object:\t{offset:#x} {size:#x} {access.ljust(2, '-')} anon -")
        return "\n".join(lines) + "\n"

    def map_anonymous(self, descriptor: int, offset: int, size: int, access: str) -> None:
        if offset == self.fail_at:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self.objects.setdefault(os.fstat(descriptor).st_ino, []).append((offset, size, access))

    def unmap(self, descriptor: int, offset: int, size: int) -> None:
        mine = self.objects[os.fstat(descriptor).st_ino]
        mine[:] = [one for one in mine if not offset <= one[0] < offset + size]
