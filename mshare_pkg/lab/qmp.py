"""Talking to a QEMU: its monitor protocol (QMP) over a UNIX socket, one command a connection."""

from __future__ import annotations

import json
import os
import shlex
import socket
import time
from pathlib import Path
from typing import Any

from ..errors import InfraError

#: Seconds for one answer. A monitor answers at once unless the controller is overloaded.
_ANSWER_SECONDS = 60

#: Seconds for saving or loading a machine's state, about 200 MB.
_MIGRATION_SECONDS = 300


def execute(path: Path, command: str, **arguments: object) -> Any:
    """Send a command to the QEMU whose socket that is, and return its answer.

    Raises:
        InfraError: nobody listens, it does not answer in time, or it refuses.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            # A socket's name is at most 107 bytes long; this one is short wherever the lab lies.
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            with connection.makefile("rw") as stream:
                json.loads(stream.readline())
                _ask(stream, "qmp_capabilities", {})
                return _ask(stream, command, arguments)
    except (OSError, ValueError) as error:
        raise InfraError(f"QEMU's monitor {path} did not answer to {command}: {error}") from error
    finally:
        os.close(folder)


def _ask(stream: Any, command: str, arguments: dict[str, object]) -> Any:
    """Write a command, skip events, return its answer."""
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    while True:
        answer = json.loads(stream.readline())
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise InfraError(f"QEMU refused {command}: {answer['error'].get('desc', answer['error'])}")


def _await_migration(path: Path, doing: str) -> None:
    deadline = time.monotonic() + _MIGRATION_SECONDS
    while time.monotonic() < deadline:
        answer = execute(path, "query-migrate")
        status = answer.get("status", "none")
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise InfraError(f"{doing}: {answer.get('error-desc', status)}")
        time.sleep(0.1)
    raise InfraError(f"{doing}: no end after {_MIGRATION_SECONDS} s")


def save(path: Path, state: Path) -> None:
    """Stop a machine and write its memory and devices to a file; what it wrote to its disk is in that file.

    Raises:
        InfraError: QEMU could not, or not in time.
    """
    execute(path, "stop")
    execute(path, "migrate-set-parameters", **{"max-bandwidth": 1 << 34})  # no network to spare
    execute(path, "migrate", uri=f"exec:cat > {shlex.quote(str(state))}")
    _await_migration(path, "saving the machine's state")


def load(path: Path, state: Path) -> None:
    """Load what `save` wrote into a QEMU that waits for it (`-incoming defer`); the machine then runs.

    Raises:
        InfraError: QEMU could not, or not in time.
    """
    execute(path, "migrate-incoming", uri=f"exec:cat {shlex.quote(str(state))}")
    _await_migration(path, "loading the machine's state")
    execute(path, "cont")
