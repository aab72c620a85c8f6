"""Processes that outlive the command that started them, found again and ended by their pid files."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from ..errors import InfraError

#: Seconds until a killed process must be gone.
_DEATH_SECONDS = 30


def find(pid_file: Path) -> int | None:
    """Process id of the process that was started with this pid file's absolute path among its arguments.

    The number in the file alone proves nothing: it may have passed to a stranger. None when there is no such
    process.
    """
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(pid_file) in words else None


def kill(pid_file: Path) -> None:
    """End that process at once, and remove the pid file. Nothing happens when it does not run.

    Raises:
        InfraError: it does not go.
    """
    pid = find(pid_file)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _DEATH_SECONDS
        while find(pid_file) is not None:
            if time.monotonic() > deadline:
                raise InfraError(f"process {pid} of {pid_file} does not die")
            time.sleep(0.02)
    pid_file.unlink(missing_ok=True)
