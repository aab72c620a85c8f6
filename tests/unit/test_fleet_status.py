"""Asking a whole fleet: every host a value or an error."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

from mshare_pkg.errors import InfraError, MshareError
from mshare_pkg.fleet import payload, status
from mshare_pkg.fleet.inventory import Host
from mshare_pkg.paths import project_root

ANSWER: dict[str, Any] = {
    "release": "6.12.117-mshare1-vm",
    "default": "6.12.117-mshare1-vm",
    "trial": None,
    "mount": {"point": "/sys/fs/mshare", "options": ["mode=1777", "rw"]},
    "regions": [{"name": "demo", "size": 1 << 30}],
    "hidden_kernel": "6.1.0-57-cloud-amd64",
}


def test_every_host_is_a_value_or_an_error() -> None:
    def ask(host: Host) -> dict[str, Any]:
        if host.name == "b":
            raise InfraError("asking b: no answer")
        if host.name == "c":
            raise ValueError("nonsense")
        return {"release": host.name}

    answers = status.ask_all([Host(name, {}) for name in "abcd"], ask)
    assert list(answers) == ["a", "b", "c", "d"]
    assert answers["a"] == {"release": "a"}
    assert isinstance(answers["b"], MshareError)
    assert "ValueError: nonsense" in str(answers["c"])


def test_workers_are_bounded() -> None:
    lock, at_once, most = threading.Lock(), 0, 0
    gate = threading.Event()

    def ask(_: Host) -> dict[str, Any]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            if at_once == 2:
                gate.set()
        gate.wait(5)
        with lock:
            at_once -= 1
        return {}

    status.ask_all([Host(str(number), {}) for number in range(6)], ask, workers=2)
    assert most == 2


def test_line_for_a_person() -> None:
    assert status.line("a", ANSWER) == (
        "a: runs 6.12.117-mshare1-vm; its default; msharefs on /sys/fs/mshare (mode=1777,rw); regions demo; "
        "newer Debian kernel 6.1.0-57-cloud-amd64 is installed, and not the default"
    )
    trial = {
        **ANSWER,
        "trial": {"release": "x", "state": "running"},
        "default": "",
        "mount": None,
        "regions": [],
    }
    assert "default not held; msharefs not mounted; trial of x running" in status.line("a", trial)
    assert status.line("a", InfraError("asking a: no answer", "look")) == "a: ERROR: asking a: no answer"


def test_the_program_needs_nothing_on_the_host() -> None:
    command = payload.command(project_root() / "plugins" / "module_utils", "mshare_status", "report")
    assert len(command) < 100_000
    done = subprocess.run(
        ["sh", "-c", command],
        check=True,
        text=True,
        capture_output=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
    )
    assert json.loads(done.stdout)["release"]
