"""SSH to hosts of an inventory by Fabric, with host keys checked and every wait bounded."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import fabric
import fabric.runners

from ..errors import InfraError
from .inventory import Host

DEFAULT_PORT = "22"


class _Refuse:
    """What to do with a host whose key is not known: never go on. Fabric by itself would accept it."""

    def missing_host_key(self, _client: object, hostname: str, key: Any) -> None:
        """Called by paramiko in place of trusting the key."""
        raise InfraError(f"the key of {hostname} ({key.get_name()}) is not in the known hosts")


class _Remote(fabric.runners.Remote):  # type: ignore[misc]  # fabric has no types
    """A command on a host; when its time is over, the connection may be closed before this comes to it."""

    def kill(self) -> None:
        """Called in a timer's thread, where an error would be a traceback for the user and no more."""
        with contextlib.suppress(EOFError, OSError):
            super().kill()


def connection(host: Host, timeout: float) -> Any:
    """A Fabric connection, not open yet, that refuses hosts whose key is not known.

    Args:
        host: its `ansible_*` variables say where and how; known hosts come from `UserKnownHostsFile` among
            its ssh options, else from the user's own file.
        timeout: seconds for each step of connecting.
    """
    key = host.text("ansible_ssh_private_key_file", "ansible_private_key_file")
    arguments: dict[str, Any] = {"banner_timeout": timeout, "auth_timeout": timeout}
    if key:
        arguments |= {
            "key_filename": str(Path(key).expanduser()),
            "look_for_keys": False,
            "allow_agent": False,
        }
    made = fabric.Connection(
        host.text("ansible_host", "ansible_ssh_host", default=host.name),
        user=host.text("ansible_user", "ansible_ssh_user") or None,
        port=int(host.text("ansible_port", "ansible_ssh_port", default=DEFAULT_PORT)),
        connect_timeout=timeout,
        connect_kwargs=arguments,
        config=fabric.Config(overrides={"runners": {"remote": _Remote}}),
    )
    known = host.ssh_options.get("userknownhostsfile", "")
    for name in known.split():
        if Path(name).expanduser().is_file():
            made.client.load_host_keys(str(Path(name).expanduser()))
    if not known:
        made.client.load_system_host_keys()
    made.client.set_missing_host_key_policy(_Refuse())
    return made


def output_of(host: Host, command: str, timeout: float) -> str:
    """What a command prints on a host.

    Raises:
        InfraError: the host cannot be reached, its key is not known, or the command failed or took too long.
    """
    become = (
        "sudo -n " if str(host.variables.get("ansible_become", "")).lower() in ("true", "yes", "1") else ""
    )
    opened = connection(host, timeout)
    try:
        with opened:
            done = opened.run(
                become + command, hide=True, warn=True, pty=False, in_stream=False, timeout=timeout
            )
    except Exception as error:  # paramiko, socket and invoke have no common base
        kind = "" if isinstance(error, InfraError) else f"{type(error).__name__}: "
        said = f"{kind}{error}".strip().splitlines()[0]
        remedy = "see that it is up, and that its key is in the known hosts"
        raise InfraError(f"asking {host.name}: {said}", remedy) from error
    if done.exited != 0:
        raise InfraError(f"asking {host.name}: exit code {done.exited}: {str(done.stderr).strip()[-500:]}")
    return str(done.stdout)
