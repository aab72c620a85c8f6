"""Reaching a machine by ssh: keys, known host keys, commands, and waiting until it answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..run import Result, run
from . import needs

#: The key exchange that costs an emulated machine least; good enough for a loopback connection.
KEX = "curve25519-sha256"

_POLL_SECONDS = 0.25


def make_key(path: Path, comment: str) -> None:
    """Make an ed25519 key pair without a passphrase: `path` and `path`.pub; an old one is replaced."""
    path.unlink(missing_ok=True)
    run(
        [needs.tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
        doing="making an ssh key",
    )


def known_host(port: int, public_key: str) -> str:
    """The line of a known_hosts file for a machine behind a port of 127.0.0.1."""
    kind, key = public_key.split()[:2]
    return f"[127.0.0.1]:{port} {kind} {key}\n"


def answers(port: int, seconds: float = 5) -> bool:
    """Whether an ssh server greets on a port of 127.0.0.1 within that time.

    QEMU accepts connections before the machine does, so only the greeting counts.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.settimeout(seconds)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait(port: int, seconds: float, alive: Callable[[], bool]) -> bool:
    """Wait until an ssh server greets on a port of 127.0.0.1.

    Args:
        port: TCP port.
        seconds: how long to wait at most.
        alive: asked between tries; once it says no, waiting ends.

    Returns:
        Whether it greets.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(port):
            return True
        if not alive():
            return False
        time.sleep(_POLL_SECONDS)
    return False


@dataclass(frozen=True)
class Access:
    """The way into a machine as root, with its host key checked.

    Attributes:
        port: TCP port of 127.0.0.1.
        key: private key.
        known_hosts: file with the machine's host key.
    """

    port: int
    key: Path
    known_hosts: Path

    def argv(self) -> list[str]:
        """The ssh command without the remote command."""
        return [
            needs.tool("ssh"),
            *("-F", "none", "-p", str(self.port), "-i", str(self.key)),
            *("-o", "BatchMode=yes"),
            *("-o", "IdentitiesOnly=yes"),
            *("-o", "StrictHostKeyChecking=yes"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}"),
            *("-o", f"KexAlgorithms={KEX}"),
            *("-o", "ConnectTimeout=60", "-o", "ServerAliveInterval=15"),
            *("-T", "root@127.0.0.1"),
        ]

    def run(
        self,
        command: Sequence[str],
        *,
        doing: str,
        stdin: str | None = None,
        timeout: float = 120,
        check: bool = True,
    ) -> Result:
        """Run a command line (words are joined by blanks, as ssh does) on the machine.

        Raises:
            InfraError: it cannot be reached, timed out, or failed while `check` is set.
        """
        return run([*self.argv(), *command], doing=doing, stdin=stdin, timeout=timeout, check=check)


def check_directory(path: Path) -> Path:
    """The absolute form of a directory whose name goes into ssh's and Ansible's argument lists.

    Raises:
        UserError: they could not quote it.
    """
    full = path.absolute()
    if not all(letter.isalnum() or letter in "/._-+@=" for letter in str(full)):
        raise UserError(f"the lab cannot live in {full}", "choose a path of letters, digits and ._-+@=")
    return full
