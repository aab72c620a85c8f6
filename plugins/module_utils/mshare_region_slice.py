# SPDX-License-Identifier: MIT
"""Work inside mshare-regions.slice: the kernel charges a region's memory to the cgroup of its creator."""

from __future__ import annotations

import contextlib
import os
import subprocess

SLICE = "mshare-regions.slice"
CGROUPS = "/sys/fs/cgroup"


def own_cgroup(pid="self", proc="/proc"):
    """The path of a process's cgroup below /sys/fs/cgroup, or None without cgroup v2."""
    with contextlib.suppress(OSError), open("%s/%s/cgroup" % (proc, pid), encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("0::"):
                return line[3:].strip()
    return None


@contextlib.contextmanager
def in_slice():
    """Move this process into the slice for as long as the context lasts.

    Yields None, or why it stays where it is: without systemd, root and cgroup v2 there is nothing to do,
    and memory is charged to the caller's cgroup. systemd makes a transient scope, held open by a `cat`;
    Delegate= allows this process to join it.
    """
    home = own_cgroup()
    if home is not None and SLICE in home.split("/"):
        yield None
        return
    unified = home is not None and os.path.exists(CGROUPS + "/cgroup.controllers")
    if os.geteuid() != 0 or not unified or not os.path.isdir("/run/systemd/system"):
        yield "no systemd, cgroup v2 or root"
        return
    with contextlib.ExitStack() as stack:
        try:
            scope = _enter_scope(stack)
            _move(scope)
        except (OSError, subprocess.SubprocessError) as error:
            yield str(error)
            return
        try:
            yield None
        finally:
            with contextlib.suppress(OSError):
                _move(home)


def _enter_scope(stack):
    argv = ["systemd-run", "--scope", "--quiet", "--collect", "--slice=" + SLICE]
    argv += ["--unit=mshare-region-make-%d" % os.getpid(), "--property=Delegate=yes", "--", "cat"]
    holder = stack.enter_context(
        subprocess.Popen(
            argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    )
    stack.callback(holder.stdin.close)
    with contextlib.suppress(BrokenPipeError):
        holder.stdin.write(b"\n")
    if holder.stdout.read(1) != b"\n":  # cat answers once it is in its scope
        said = holder.stderr.read().decode(errors="replace").strip()
        raise subprocess.SubprocessError("systemd-run made no scope: %s" % said)
    scope = own_cgroup(holder.pid)
    if scope is None or SLICE not in scope.split("/"):
        raise subprocess.SubprocessError("systemd-run made no scope in %s" % SLICE)
    return scope


def _move(cgroup):
    with open("%s%s/cgroup.procs" % (CGROUPS, cgroup), "w", encoding="ascii") as stream:
        stream.write(str(os.getpid()))
