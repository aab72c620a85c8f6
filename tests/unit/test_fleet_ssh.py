"""Hosts that hang: every wait for one ends, and its name is in the error."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.fleet import ssh
from mshare_pkg.fleet.inventory import Host

#: Seconds that hosts get here, and within which a hanging one must have been given up.
PATIENCE, LIMIT = 1, 20


class _Anyone(paramiko.ServerInterface):
    """Lets anyone in; a command is accepted, and then nothing happens unless it is `echo`."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        return int(paramiko.common.AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return int(paramiko.common.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if command.startswith(b"echo "):
            threading.Thread(target=_answer, args=(channel, command[5:]), daemon=True).start()
        return True


def _answer(channel: paramiko.Channel, text: bytes) -> None:
    time.sleep(0.1)
    channel.sendall(text)
    channel.send_exit_status(0)
    channel.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that accepts connections, of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@pytest.fixture
def server(listener: socket.socket, tmp_path: Path) -> Iterator[Host]:
    """A host with an ssh server whose key is known."""
    key = paramiko.ECDSAKey.generate()
    user = paramiko.ECDSAKey.generate()
    user.write_private_key_file(str(tmp_path / "key"))
    port = listener.getsockname()[1]
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        connection, _ = listener.accept()
        transport = paramiko.Transport(connection)
        transports.append(transport)
        transport.add_server_key(key)
        # A client that does not trust the key goes away in the middle of it.
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Anyone())

    threading.Thread(target=serve, daemon=True).start()
    yield Host(
        "slow",
        {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(tmp_path / "key"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={tmp_path / 'known'}",
        },
    )
    for transport in transports:
        transport.close()


def given_up_after(host: Host, command: str) -> float:
    """Seconds until a host was given up, with an error that names it."""
    start = time.monotonic()
    with pytest.raises(InfraError, match=f"asking {host.name}: "):
        ssh.output_of(host, command, timeout=PATIENCE)
    return time.monotonic() - start


def test_a_host_that_answers_is_heard(server: Host) -> None:
    assert ssh.output_of(server, "echo hello", timeout=LIMIT) == "hello"


def test_a_host_that_never_greets_is_given_up(listener: socket.socket) -> None:
    host = Host("silent", {"ansible_host": "127.0.0.1", "ansible_port": listener.getsockname()[1]})
    assert given_up_after(host, "true") < LIMIT


def test_a_command_that_never_ends_is_given_up(server: Host) -> None:
    assert PATIENCE <= given_up_after(server, "sleep infinity") < LIMIT


def test_a_host_whose_key_is_not_known_is_refused(server: Host, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("")
    with pytest.raises(InfraError, match="is not in the known hosts"):
        ssh.output_of(server, "echo hello", timeout=LIMIT)
