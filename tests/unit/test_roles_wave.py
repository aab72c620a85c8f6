"""What the role mshare_kernel does with the hosts of one wave, whatever becomes of each.

The playbook and the role are the real ones; what would touch a host is stood in for, so that a wave has a
host in each state. That modules, boots and reboots do what they say is shown on machines: tests/fleet.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mshare_pkg.paths import project_root

#: Host -> the phases that it is found in, one after the other; whether it is sound, and comes back.
HOSTS: dict[str, dict[str, Any]] = {
    "good": {"phases": ["other", "trial"], "sound": True, "back": True},
    "panics": {"phases": ["other", "fallen_back"], "sound": True, "back": True},
    "faulty": {"phases": ["other", "trial"], "sound": False, "back": True},
    "hangs": {"phases": ["other"], "sound": True, "back": False},
    "other-build": {"phases": ["other", "unexpected"], "sound": True, "back": True},
    "fell-before": {"phases": ["fallen_back"], "sound": True, "back": True},
    "by-hand": {"phases": ["running"], "sound": True, "back": True},
    "by-hand-faulty": {"phases": ["running"], "sound": False, "back": True},
    "committed": {"phases": ["committed"], "sound": True, "back": True},
    "interrupted": {"phases": ["trial"], "sound": True, "back": True},
}
#: The same for a rollback, whose role asks twice before it touches anything; and what runs then.
OURS = "6.12.117-mshare1-vm"
BACK: dict[str, dict[str, Any]] = {
    "goes": {"phases": ["other", "other", "trial"], "runs": [OURS, OURS, "stock"], "back": True},
    "on-trial": {"phases": ["other", "other", "committed"], "runs": [OURS, OURS, "stock"], "back": True},
    "is-there": {"phases": ["other"], "runs": ["stock"], "back": True},
    "panics": {"phases": ["other", "other", "fallen_back"], "runs": [OURS], "back": True},
    "fell-before": {"phases": ["fallen_back"], "runs": [OURS], "back": True},
    "by-hand": {"phases": ["other"], "runs": [OURS], "back": True},
    "hangs": {"phases": ["other"], "runs": [OURS], "back": False},
}

#: Stands in for a module: notes its call, and answers by the host's variables.
ACTION = """
import json, pathlib
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        name, host = self._task.action.split(".")[-1], task_vars["inventory_hostname"]
        log = pathlib.Path(task_vars["calls"], host)
        calls = log.read_text().splitlines() if log.exists() else []
        state = self._task.args.get("state")
        log.write_text("\\n".join([*calls, name + (" " + state if state else "")]) + "\\n")
        if name == "mshare_reboot" and not task_vars["back"]:
            return {"failed": True, "msg": "timed out"}
        seen = min(calls.count("mshare_boot_info"), len(task_vars["phases"]) - 1)
        runs = task_vars.get("runs", ["the kernel that runs"])
        facts = {"release": runs[min(seen, len(runs) - 1)], "build_id": "cc", "kernels": {}}
        facts["trial"] = {"release": "stock"}
        phase = task_vars["phases"][seen]
        told = {"reason": "it panicked", "lines": []} if phase == "fallen_back" else None
        answer = {"changed": False, "phase": phase, "refusals": [], "facts": facts, "fallback": told}
        return {**answer, "stock_release": "stock", "region_users": []}
"""
ACTIONS = ("mshare_boot_info", "mshare_boot", "mshare_packages", "mshare_reboot")
GATE = """
- name: Pass
  ansible.builtin.assert:
    that: sound
    fail_msg: a fault is in the log
"""


def played(place: Path, book: str, hosts: dict[str, dict[str, Any]]) -> tuple[str, dict[str, list[str]]]:
    """One run of a playbook that fails: what it printed, and the calls that each host got."""
    ours, fleet = project_root(), place / "ansible_collections/mshare/fleet"
    for name in ("roles", "playbooks", "plugins", "meta"):
        shutil.copytree(ours / name, fleet / name)
    shutil.copy(ours / "galaxy.yml", fleet)
    (fleet / "plugins/action").mkdir()
    for name in ACTIONS:
        (fleet / f"plugins/action/{name}.py").write_text(ACTION)
    (fleet / "roles/mshare_verify/tasks/main.yml").write_text(GATE)
    for name in ("mshare_repo", "mshare_mount", "mshare_regions"):
        (fleet / f"roles/{name}/tasks/main.yml").write_text("")
    reboot = fleet / "roles/mshare_kernel/tasks/reboot.yml"
    stood_in, found = re.subn(
        r"ansible\.builtin\.reboot:\n(?: {8}.*\n)+", "mshare.fleet.mshare_reboot:\n", reboot.read_text()
    )
    assert found == 1
    reboot.write_text(stood_in)
    build = {"release": "new", "build_id": "bb"}
    build |= {"packages": [{"kind": "image", "name": "linux-image-new", "version": "1"}]}
    (place / "build.json").write_text(json.dumps(build))
    (place / "calls").mkdir()
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "calls": str(place / "calls"),
        "mshare_kernel_build_json": str(place / "build.json"),
        "mshare_kernel_reboot_ok": True,
    }
    (place / "inventory.yml").write_text(
        yaml.safe_dump({"mshare_hosts": {"hosts": hosts, "vars": variables}})
    )
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(place), "ANSIBLE_FORKS": "4"}
    argv = [Path(sys.executable).parent / "ansible-playbook", "-i", "inventory.yml"]
    argv += ["-e", '{"mshare_waves": ["100%"]}', fleet / f"playbooks/{book}.yml"]
    done = subprocess.run(argv, check=False, cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode != 0, done.stdout
    calls = {path.name: path.read_text().splitlines() for path in (place / "calls").iterdir()}
    return done.stdout + done.stderr, calls


@pytest.fixture(scope="module")
def wave(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, list[str]]]:
    return played(tmp_path_factory.mktemp("wave"), "deploy", HOSTS)


@pytest.fixture(scope="module")
def back(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, list[str]]]:
    return played(tmp_path_factory.mktemp("back"), "rollback", BACK)


def test_who_passes_is_committed_and_nobody_else(wave: tuple[str, dict[str, list[str]]]) -> None:
    _, calls = wave
    assert {host for host in HOSTS if "mshare_boot committed" in calls[host]} == {
        "good",
        "by-hand",
        "interrupted",
    }


def test_who_is_tried_is_armed_first(wave: tuple[str, dict[str, list[str]]]) -> None:
    _, calls = wave
    tried = {host for host in HOSTS if "mshare_reboot" in calls[host]}
    assert tried == {"good", "panics", "faulty", "hangs", "other-build"}
    for host in tried:
        order = ["mshare_boot held", "mshare_packages", "mshare_boot armed", "mshare_reboot"]
        assert [call for call in calls[host] if call in order][:4] == order, host


def test_what_failed_before_is_reported_before_anything_is_installed(
    wave: tuple[str, dict[str, list[str]]],
) -> None:
    _, calls = wave
    assert calls["fell-before"] == ["mshare_boot_info", "mshare_boot held"]
    assert calls["by-hand-faulty"] == ["mshare_boot_info"]


def test_a_rollback_tries_the_stock_kernel(back: tuple[str, dict[str, list[str]]]) -> None:
    """Packages stay on all hosts of the wave, as one of them has failed."""
    _, calls = back
    asked, tried = ["mshare_boot_info"] * 2, ["mshare_boot armed", "mshare_reboot"]
    assert calls["goes"] == [*asked, *tried, "mshare_boot_info", "mshare_boot committed"]
    assert calls["on-trial"] == [*asked, *tried, "mshare_boot_info"]
    assert calls["is-there"] == asked
    assert calls["panics"] == calls["by-hand"] == [*asked, *tried, "mshare_boot_info", "mshare_boot held"]
    assert calls["fell-before"] == [*asked, "mshare_boot held"]
    assert calls["hangs"] == [*asked, *tried]


@pytest.mark.parametrize(
    ("run", "host", "said"),
    [
        ("wave", "panics", "panics has fallen back: it panicked"),
        ("wave", "fell-before", "fell-before has fallen back: it panicked"),
        ("wave", "hangs", "hangs did not come back within 900 s of its reboot (timed out)"),
        ("wave", "faulty", "faulty runs new, which is not sound: a fault is in the log"),
        ("wave", "by-hand-faulty", "the host's default stays as it is"),
        ("wave", "other-build", "not sound: its build id is cc, not bb"),
        ("back", "panics", "panics has fallen back: it panicked"),
        ("back", "panics", "the trial of stock is over"),
        ("back", "fell-before", "fell-before has fallen back: it panicked"),
        ("back", "by-hand", f"by-hand has fallen back: it runs {OURS}"),
        ("back", "hangs", "hangs did not come back within 900 s of its reboot (timed out)"),
    ],
)
def test_each_host_that_did_not_get_there_is_told(
    request: pytest.FixtureRequest, run: str, host: str, said: str
) -> None:
    output, _ = request.getfixturevalue(run)
    assert said in " ".join(output.split()), host
