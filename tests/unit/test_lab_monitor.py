"""Talking to QEMU's monitor, and the web server that machines fetch from."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.lab import ports, qmp
from mshare_pkg.lab.webserver import WebServer


def _monitor(path: Path, answers: dict[str, dict[str, Any]], seen: list[str]) -> socket.socket:
    """A monitor that gives each command its answer, after an event."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as stream:
                stream.write(json.dumps({"QMP": {}}) + "\n")
                stream.flush()
                for line in stream:
                    command = json.loads(line)["execute"]
                    seen.append(command)
                    stream.write(json.dumps({"event": "STOP"}) + "\n")
                    stream.write(json.dumps(answers.get(command, {"return": {}})) + "\n")
                    stream.flush()

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_a_command_gets_its_answer_and_not_an_event(tmp_path: Path) -> None:
    seen: list[str] = []
    with _monitor(tmp_path / "qmp.sock", {"query-status": {"return": {"status": "running"}}}, seen):
        assert qmp.execute(tmp_path / "qmp.sock", "query-status") == {"status": "running"}
    assert seen == ["qmp_capabilities", "query-status"]


def test_a_refusal_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with (
        _monitor(tmp_path / "qmp.sock", {"cont": {"error": {"desc": "no, thanks"}}}, []),
        pytest.raises(InfraError, match="refused cont: no, thanks"),
    ):
        qmp.execute(tmp_path / "qmp.sock", "cont")


def test_nobody_listening_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="did not answer to cont"):
        qmp.execute(tmp_path / "qmp.sock", "cont")


def test_a_state_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    failed = {"query-migrate": {"return": {"status": "failed", "error-desc": "bad stream"}}}
    with (
        _monitor(tmp_path / "qmp.sock", failed, []),
        pytest.raises(InfraError, match="loading the machine's state: bad stream"),
    ):
        qmp.load(tmp_path / "qmp.sock", tmp_path / "state")


def test_a_state_is_saved_of_a_machine_that_stands_still(tmp_path: Path) -> None:
    seen: list[str] = []
    with _monitor(tmp_path / "qmp.sock", {"query-migrate": {"return": {"status": "completed"}}}, seen):
        qmp.save(tmp_path / "qmp.sock", tmp_path / "state")
    done = [command for command in seen if command != "qmp_capabilities"]
    assert done == ["stop", "migrate-set-parameters", "migrate", "query-migrate"]


def test_the_monitors_path_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    (tmp_path / "s").symlink_to(deep)
    with _monitor(tmp_path / "s/qmp.sock", {}, []):
        assert qmp.execute(deep / "qmp.sock", "cont") == {}


def test_files_published_later_are_served_until_the_end(tmp_path: Path) -> None:
    server = WebServer(tmp_path / "web", tmp_path / "repo/apt", ports.free())
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}/dists/Release"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url, timeout=30)
        caught.value.close()
        assert caught.value.code == 404
        (tmp_path / "repo/apt/dists").mkdir(parents=True)
        (tmp_path / "repo/apt/dists/Release").write_text("Suite: mshare\n")
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.read() == b"Suite: mshare\n"
        assert server.pid() is not None
        with pytest.raises(InfraError, match="starting the lab's web server"):
            WebServer(tmp_path / "other", tmp_path, server.port).start()
    finally:
        server.stop()
    assert server.pid() is None
    server.stop()
    assert "GET /dists/Release" in (tmp_path / "web/access.log").read_text()
