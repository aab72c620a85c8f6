"""Run a playbook of the collection and say what became of each host."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import ui
from ..errors import InfraError
from ..paths import project_root
from ..run import run, tail
from .inventory import Host, ansible, environment

#: Seconds between two looks at a growing log.
POLL_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of a host.

    `state` is one of unchanged, changed, failed, unreachable, untouched (an earlier failure stopped the
    play); `message` says why when it is not well; `facts` are the `mshare_*` facts that roles set.
    """

    state: str
    message: str
    facts: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether the host got through the play."""
        return self.state in ("unchanged", "changed")


def play(name: str, inventory: Path, hosts: Sequence[Host], options: Sequence[str]) -> dict[str, Outcome]:
    """Run `playbooks/NAME.yml`; its output goes to standard error as it comes.

    Args:
        name: of the playbook.
        inventory: file or directory.
        hosts: those that are meant; each gets an outcome.
        options: further arguments of ansible-playbook.

    Raises:
        InfraError: ansible-playbook itself failed, so that no host has an outcome.
    """
    root = project_root()
    playbook = root / "playbooks" / f"{name}.yml"
    with tempfile.TemporaryDirectory(prefix="mshare-play-") as scratch:
        log, result = Path(scratch) / "log", Path(scratch) / "outcome.json"
        log.touch()
        env = environment() | {
            "ANSIBLE_CALLBACKS_ENABLED": "mshare.fleet.outcome",
            "MSHARE_OUTCOME_FILE": str(result),
            "PYTHONUNBUFFERED": "1",
        }
        env |= {"ANSIBLE_FORCE_COLOR": "1"} if sys.stderr.isatty() else {}
        argv = [str(ansible("ansible-playbook")), "-i", str(inventory.resolve()), *options, str(playbook)]
        with _following(log):
            done = run(argv, doing=f"running {playbook.name}", env=env, check=False, log=log)
        found = json.loads(result.read_text()) if result.exists() else {}
    if not found and done.returncode != 0:
        raise InfraError(f"running {playbook.name}: exit code {done.returncode}\n{tail(done.stdout)}")
    return {host.name: _outcome(found.get(host.name)) for host in hosts}


def _outcome(entry: dict[str, Any] | None) -> Outcome:
    if entry is None:
        return Outcome("untouched", "a failure elsewhere stopped the play before this host", {})
    state = "changed" if entry["changed"] else "unchanged"
    if entry["failed"]:
        state = "failed"
    elif entry["unreachable"]:
        state = "unreachable"
    return Outcome(state, entry["message"], entry["facts"])


def _following(log: Path) -> contextlib.AbstractContextManager[None]:
    """Copy a growing file to standard error for the length of a `with` block."""

    def follow(over: threading.Event) -> None:
        with log.open(errors="replace") as source:
            while True:
                last = over.is_set()
                sys.stderr.write(source.read())
                sys.stderr.flush()
                if last:
                    return
                time.sleep(POLL_S)

    return ui.meanwhile(follow)
