"""How others reach machines: ssh's configuration, the inventory, known hosts, ports and the wait for ssh."""

from __future__ import annotations

import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.lab import Host, access, identity, ports, ssh
from mshare_pkg.lab.record import Record, load


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A lab of two machines."""
    return Record(
        image=tmp_path / "image",
        snapshot=None,
        accelerator="tcg",
        memory=1024,
        repo=tmp_path / "repo",
        web_port=20001,
        control=tmp_path / "control",
        hosts={"mshare-lab-1": 20002, "mshare-lab-2": 20003},
    )


def test_ssh_reads_its_configuration_with_checking_on(tmp_path: Path, record: Record) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(access.ssh_config(tmp_path, record))
    text = subprocess.run(
        ["ssh", "-G", "-F", config, "mshare-lab-2"], check=True, capture_output=True, text=True
    ).stdout
    said = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    assert said["hostname"] == "127.0.0.1"
    assert said["port"] == "20003"
    assert said["user"] == "root"
    assert said["stricthostkeychecking"] == "true"
    assert said["userknownhostsfile"] == str(tmp_path / "known_hosts")
    assert said["identityfile"] == str(tmp_path / "id_ed25519")


def test_the_inventory_is_what_playbooks_expect(tmp_path: Path, record: Record) -> None:
    data = yaml.safe_load(access.inventory(tmp_path, record, "http://10.0.2.2:20001"))
    group = data["mshare_hosts"]
    first = {"ansible_host": "127.0.0.1", "ansible_port": 20002}
    console = Host(tmp_path, record, "mshare-lab-1").console_log
    assert group["hosts"]["mshare-lab-1"] == {**first, "mshare_kernel_console_log": str(console)}
    assert group["vars"]["mshare_repo_url"] == "http://10.0.2.2:20001"
    assert group["vars"]["mshare_repo_key"] == str(tmp_path / "repo/apt/mshare.gpg")
    assert "-o StrictHostKeyChecking=yes" in group["vars"]["ansible_ssh_common_args"]
    assert f"-o UserKnownHostsFile={tmp_path}/known_hosts" in group["vars"]["ansible_ssh_common_args"]


def test_a_record_comes_back_as_it_was_written(tmp_path: Path, record: Record) -> None:
    record.save(tmp_path / "lab.json")
    assert load(tmp_path / "lab.json") == record


def test_a_record_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"schema": 0}')
    with pytest.raises(UserError, match="another version"):
        load(tmp_path / "lab.json")


def test_the_control_directory_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    place = access.control_directory(Path("/some/lab"))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert access.control_directory(Path("/some/lab")) == place
    assert access.control_directory(Path("/other/lab")) != place
    place.chmod(0o755)
    with pytest.raises(InfraError, match="not a private directory"):
        access.control_directory(Path("/some/lab"))


def test_known_hosts_lines_name_the_port() -> None:
    assert ssh.known_host(20002, "ssh-ed25519 AAAA machine\n") == "[127.0.0.1]:20002 ssh-ed25519 AAAA\n"


def _serve(greeting: bytes) -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(greeting)

    threading.Thread(target=accept, daemon=True).start()
    return listener, listener.getsockname()[1]


def test_only_a_greeting_is_an_answer() -> None:
    listener, port = _serve(b"SSH-2.0-OpenSSH\r\n")
    with listener:
        assert ssh.answers(port)
    # QEMU takes the connection of a machine that is not up, and closes it.
    listener, port = _serve(b"")
    with listener:
        assert not ssh.answers(port)
    listener.close()
    assert not ssh.answers(port)


def test_waiting_ends_with_the_machine_and_with_the_time() -> None:
    start = time.monotonic()
    assert not ssh.wait(ports.free(), 60, lambda: False)
    assert not ssh.wait(ports.free(), 0.3, lambda: True)
    assert time.monotonic() - start < 30


def test_a_taken_port_is_not_free() -> None:
    port = ports.free()
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
    assert port < 32768


def test_a_clock_between_two_moments_is_right() -> None:
    identity.check_clock("one", "100.5", 100.0, 101.0)
    identity.check_clock("one", "96.0", 100.0, 101.0)
    with pytest.raises(InfraError, match=r"clock of one is 60\.0 s off"):
        identity.check_clock("one", "40.0", 100.0, 101.0)


def test_a_machine_is_given_its_own_name_keys_and_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, str] = {}

    def run(_self: ssh.Access, command: list[str], *, doing: str, stdin: str) -> None:
        sent.update(command=command[0], doing=doing, stdin=stdin)

    monkeypatch.setattr(ssh.Access, "run", run)
    one = identity.Identity("mshare-lab-1", tmp_path)
    one.create()
    (tmp_path / "user.pub").write_text("ssh-ed25519 USER\n")
    one.give(ssh.Access(1, tmp_path, tmp_path), tmp_path / "user.pub")
    target = tmp_path / "root"
    target.mkdir()
    unpack = f"base64 -d | tar -x --no-same-owner -C {target}"
    subprocess.run(["sh", "-c", unpack], input=sent["stdin"], text=True, check=True)
    assert (target / "etc/hostname").read_text() == "mshare-lab-1\n"
    assert (target / "root/.ssh/authorized_keys").read_text() == "ssh-ed25519 USER\n"
    key = target / "etc/ssh/ssh_host_ed25519_key"
    assert key.read_text() == one.host_key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (target / "run/mshare-lab/machine-id").read_text() == one.machine_id.read_text()
    subprocess.run(["sh", "-n", target / "run/mshare-lab/script"], check=True)
