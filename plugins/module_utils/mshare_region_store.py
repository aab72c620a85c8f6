# SPDX-License-Identifier: MIT
"""The regions of one msharefs mount: what is there, and how a plan is carried out.

Everything goes through descriptors: a name is opened once, without following links, and what was opened is
checked to be a region before it is looked at or changed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from . import mshare_region_backing as backing
from . import mshare_region_users
from .mshare_fdinfo import parse_fdinfo
from .mshare_kernel_calls import Kernel
from .mshare_region_errors import NoMshare, RegionError
from .mshare_region_names import INFO, check_name
from .mshare_sizes import format_size

ROOT = "/sys/fs/mshare"
LOCK_DIRECTORY = "/run/mshare"

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_HINTS = {
    errno.ENOSPC: "raise the mount options size= or nr_regions=, or make room",
    errno.ENOMEM: "look at vm.overcommit_memory and at the memory limit of mshare-regions.slice",
    errno.EOPNOTSUPP: "the running kernel does not have this kind of object",
    errno.EACCES: "run it as root or as the region's owner",
    errno.EPERM: "run it as root or as the region's owner",
    errno.EBUSY: "run it again when it is no longer in use",
}
_FILE_HINTS = {
    errno.ENODEV: "use a file of a file system whose files can be mapped into regions: tmpfs, ext4, xfs, ...",
    errno.EACCES: "see that the file is not append-only (lsattr), and what the security module says",
    errno.EINVAL: "name a file that is not itself a region",
    errno.ETXTBSY: "name a file that is no swap file",
}


@contextlib.contextmanager
def explained(doing, hints=None):
    """Turn an OSError into a RegionError that says what was being done; `hints` are remedies by errno."""
    try:
        yield
    except OSError as error:
        name = errno.errorcode.get(error.errno, "?")
        remedy = {**_HINTS, **(hints or {})}.get(error.errno, "")
        raise RegionError("%s: %s (%s)" % (doing, error.strerror, name), remedy) from error


class Store:
    """The regions below the mount point `root`; use it as a context manager.

    Changes exclude each other and lookers by a lock that only root can take; for other users there is none.
    `kernel` stands for the running one. Raises NoMshare when `root` is no msharefs.
    """

    def __init__(self, root=ROOT, kernel=None, change=False):
        self._root = root
        self._kernel = kernel or Kernel()
        self._change = change
        self._stack = contextlib.ExitStack()
        self._directory = -1

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            try:
                self._directory = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise NoMshare(
                    "there is no %s" % self._root, "boot a kernel with msharefs, and mount it there"
                ) from error
            except OSError as error:
                raise RegionError("opening %s: %s" % (self._root, error.strerror)) from error
            stack.callback(os.close, self._directory)
            if not self._kernel.is_mshare(self._directory):
                raise NoMshare(
                    "no msharefs is mounted on %s" % self._root,
                    "run: mount -t msharefs msharefs %s" % self._root,
                )
            if os.geteuid() == 0:
                stack.enter_context(_lock(fcntl.LOCK_EX if self._change else fcntl.LOCK_SH))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception):
        self._stack.close()

    def path(self, name):
        """The path of a region."""
        return os.path.join(self._root, name)

    def granularity(self):
        """Bytes that the size of every region is a multiple of, from `mshare_info`."""
        with explained("reading %s" % self.path(INFO)):
            descriptor = os.open(INFO, os.O_RDONLY | _OPEN, dir_fd=self._directory)
            with open(descriptor, encoding="ascii") as stream:
                text = stream.read()
        if not text.strip().isdigit() or int(text) == 0:
            raise RegionError("reading %s: found %r, not a number of bytes" % (self.path(INFO), text))
        return int(text)

    def names(self):
        """The regions that lie directly in the mount, sorted; directories are not entered."""
        with explained("listing %s" % self._root), os.scandir(self._directory) as entries:
            files = [one.name for one in entries if one.is_file(follow_symlinks=False)]
        return sorted(one for one in files if one != INFO)

    def find(self, name):
        """What is known of a region, or None when it is not there.

        A dict: `name`; `size` in bytes (0 until it is set); `owner`, `group`, `mode`, numbers; `clients`,
        the kernel's count of mappings; `objects` as parse_fdinfo gives them; `users` as
        mshare_region_users.find gives them. `clients` and `objects` are None for who may not open it.
        """
        try:
            with self._open(name, os.O_RDONLY) as descriptor:
                status = os.fstat(descriptor)
                with explained("reading the fdinfo of %s" % self.path(name)):
                    inside = parse_fdinfo(self._kernel.fdinfo(descriptor))
        except FileNotFoundError:
            return None
        except PermissionError:
            status = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
            inside = {"clients": None, "objects": None}
        return {
            "name": name,
            "size": status.st_size,
            "owner": status.st_uid,
            "group": status.st_gid,
            "mode": stat.S_IMODE(status.st_mode),
            "users": mshare_region_users.find(status.st_dev, status.st_ino, name),
            **inside,
        }

    def apply(self, name, steps):
        """Carry out a plan. A region that this call creates and cannot finish is removed again."""
        rest = list(steps)
        if rest and rest[0]["do"] == "remove":
            rest.pop(0)
            self._remove(name)
        if not rest:
            return
        if rest[0]["do"] != "create":
            with self._writable(name) as descriptor:
                self._change_open(name, descriptor, rest)
            return
        with explained("creating %s" % self.path(name)):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN
            descriptor = os.open(check_name(name), flags, 0o600, dir_fd=self._directory)
        try:
            os.fchmod(descriptor, 0o600)
            self._change_open(name, descriptor, rest[1:])
        except BaseException:
            self._remove(name)
            raise
        finally:
            os.close(descriptor)

    def _change_open(self, name, descriptor, steps):
        path = self.path(name)
        for step in steps:
            do = step["do"]
            if do == "size":
                with explained("setting the size of %s to %d" % (path, step["size"])):
                    os.ftruncate(descriptor, step["size"])
            elif do == "map":
                self._map(name, descriptor, step)
            elif do == "unmap":
                with explained("taking %d bytes at %d out of %s" % (step["size"], step["offset"], path)):
                    self._kernel.unmap(descriptor, step["offset"], step["size"])
            elif do == "owner":
                with explained("giving %s to %d:%d" % (path, step["owner"], step["group"])):
                    os.fchown(descriptor, step["owner"], step["group"])
            elif do == "mode":
                with explained("setting the mode of %s to %04o" % (path, step["mode"])):
                    os.fchmod(descriptor, step["mode"])
            else:
                raise ValueError("no such step: %r" % (step,))

    def _map(self, name, descriptor, step):
        offset, size, access = where = (step["offset"], step["size"], step["access"])
        doing = "mapping an object of %d bytes (%s) at %d of %s" % (size, access, offset, self.path(name))
        if step["type"] == "hugetlb":
            with explained(doing, {errno.ENOMEM: backing.pool_remedy(size)}):
                self._kernel.map_huge_pages(descriptor, *where, backing.huge_page_size())
        elif step["type"] == "file":
            what, start = "region %s: its object at %s" % (name, format_size(offset)), step["file_offset"]
            with backing.opened(what, step["path"], access, start + size) as file:
                with explained("%s from %s" % (doing, step["path"]), _FILE_HINTS):
                    self._kernel.map_file(descriptor, (offset, size, start), access, file)
        else:
            with explained(doing):
                self._kernel.map_anonymous(descriptor, *where)

    def _remove(self, name):
        with explained("removing %s" % self.path(name)):
            os.unlink(check_name(name), dir_fd=self._directory)

    @contextlib.contextmanager
    def _writable(self, name):
        with contextlib.ExitStack() as stack:
            with explained("opening %s" % self.path(name)):
                descriptor = stack.enter_context(self._open(name, os.O_RDWR))
            yield descriptor

    @contextlib.contextmanager
    def _open(self, name, how):
        """Open a region; FileNotFoundError and PermissionError pass, what is no region is an error."""
        path = self.path(check_name(name))
        no_region = RegionError("%s is not a region" % path, "move it away, or choose another name")
        try:
            descriptor = os.open(name, how | _OPEN, dir_fd=self._directory)
        except (FileNotFoundError, PermissionError):
            raise
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise no_region from error
            raise RegionError("opening %s: %s" % (path, error.strerror)) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not self._kernel.is_mshare(descriptor):
                raise no_region
            yield descriptor
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _lock(how):
    with explained("locking %s" % LOCK_DIRECTORY):
        os.makedirs(LOCK_DIRECTORY, mode=0o700, exist_ok=True)
        descriptor = os.open(
            os.path.join(LOCK_DIRECTORY, "regions.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, how)
        except BaseException:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)
