# SPDX-License-Identifier: MIT
"""What objects are made of on this host: files, and the pool of huge pages."""

from __future__ import annotations

import contextlib
import os
import stat

from .mshare_region_errors import BadInput
from .mshare_sizes import format_size, round_up

MEMINFO = "/proc/meminfo"
POOLS = "/sys/kernel/mm/hugepages"
PMD_SIZE = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

_DEFAULT_SIZE = "Hugepagesize:"
_FLAGS = {"r": os.O_RDONLY, "rw": os.O_RDWR}
_DOING = {"r": "reading", "rw": "reading and writing"}


def check(desired):
    """See that the host has what the objects of a declaration are made of; raises BadInput.

    Files are opened as their objects will open them. How many huge pages there are is `shortage`'s matter:
    those that are there already may be the region's own.
    """
    for one in desired["objects"] or []:
        what = "region %s: its object at %s" % (desired["name"], format_size(one["offset"]))
        if one["type"] == "hugetlb":
            page = huge_page_size()
            for key in ("offset", "size"):
                if one[key] % page:
                    raise BadInput(
                        "%s: %s is %s, not a multiple of the huge page size %s"
                        % (what, key, format_size(one[key]), format_size(page)),
                        "objects are never rounded: write the %s that is meant" % key,
                    )
        elif one["type"] == "file":
            with opened(what, one["path"], one["access"], one["size"]):
                pass


@contextlib.contextmanager
def opened(what, path, access, end):
    """Open the file of an object that ends at byte `end` of it; gives a descriptor.

    `what` names the object in errors, `access` is r or rw. Raises BadInput when the file is not there, is no
    regular file, cannot be opened so, is too short, or is shown under another path by the kernel: the path is
    all by which an object is known again.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a device or a FIFO can have effects
            raise BadInput("%s: %s is not a regular file" % (what, path), "name a regular file")
        descriptor = os.open(path, _FLAGS[access] | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(
            "%s: there is no file %s" % (what, path),
            "make it first, %d bytes or larger, and mount the file system it is on" % end,
        ) from error
    except OSError as error:
        raise BadInput(
            "%s: opening %s for %s: %s" % (what, path, _DOING[access], error.strerror),
            "make the file accessible" if access == "r" else "make the file writable, or use the access r",
        ) from error
    try:
        _check_file(what, path, descriptor, end)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_file(what, path, descriptor, end):
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise BadInput("%s: %s is not a regular file" % (what, path), "name a regular file")
    known = os.readlink("/proc/self/fd/%d" % descriptor)
    if known != path:
        raise BadInput(
            "%s: the kernel knows %s as %s" % (what, path, known),
            "write that path: it is what the kernel tells of the region"
            if os.path.exists(known)
            else "use a file that has a name",
        )
    if end > round_up(status.st_size, os.sysconf("SC_PAGE_SIZE")):
        raise BadInput(
            "%s ends at byte %d of %s, which has %d: whoever touches what is behind its end gets SIGBUS"
            % (what, end, path, status.st_size),
            "make the file larger first, or the object smaller",
        )


def huge_page_size():
    """Bytes of the huge pages that regions map, those of the PMD size: 2 MiB on x86-64.

    The kernel's default size (Hugepagesize in /proc/meminfo) is another one where it was booted with
    default_hugepagesz=1G; it counts where the kernel does not tell the PMD size.
    """
    try:
        return int(_text(PMD_SIZE))
    except (OSError, ValueError):
        return _default_size()


def _default_size():
    for line in _text(MEMINFO).splitlines():
        if line.startswith(_DEFAULT_SIZE):
            return int(line.split()[1]) * 1024
    raise BadInput(
        "reading %s: there is no %s" % (MEMINFO, _DEFAULT_SIZE.rstrip(":")),
        "the running kernel has no huge pages: use the type anon",
    )


def free_pages():
    """How many huge pages the pool can still give: free ones nobody has reserved, and what it may grow by."""
    folder = _pool()
    try:
        count = {
            name: int(_text(os.path.join(folder, name + "_hugepages")))
            for name in ("free", "resv", "surplus", "nr_overcommit")
        }
    except OSError:
        return 0
    growth = max(0, count["nr_overcommit"] - count["surplus"])
    return max(0, count["free"] - count["resv"] + growth)


def pool_remedy(size):
    """What to do when `size` bytes of huge pages are needed, and the pool does not have them."""
    page = huge_page_size()
    knob = "vm.nr_hugepages" if page == _default_size() else os.path.join(_pool(), "nr_hugepages")
    counts = (format_size(page), -(-size // page), free_pages())
    return "raise %s (huge pages of %s: %d needed, %d free)" % (knob, *counts)


def shortage(before, after, anew):
    """What to do for a change from `before` to `after` to find enough huge pages, or None if it will.

    `before` is what the store found, or None; `after` the planner's target, or None. A region that is made
    `anew` gives its old pages back only if no process has it.
    """
    back = before if before and not (anew and (before["users"] or before["clients"])) else None
    needed = _huge(after) - _huge(back)
    if needed <= 0 or needed <= free_pages() * huge_page_size():
        return None
    return pool_remedy(needed)


def _huge(region):
    objects = region["objects"] if region else []
    return sum(one["size"] for one in objects if one["type"] == "hugetlb")


def _pool():
    return os.path.join(POOLS, "hugepages-%dkB" % (huge_page_size() // 1024))


def _text(path):
    with open(path, encoding="ascii") as stream:
        return stream.read()
