"""The hosts of an Ansible inventory, as Ansible itself resolves them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..paths import project_root
from ..run import run, tail

#: The group that the playbooks of this project address.
GROUP = "mshare_hosts"


@dataclass(frozen=True)
class Host:
    """A host: its inventory name, and its variables."""

    name: str
    variables: Mapping[str, Any]

    def text(self, *names: str, default: str = "") -> str:
        """The first of some variables that is set, as text."""
        found = (self.variables[name] for name in names if self.variables.get(name) not in (None, ""))
        return str(next(found, default))

    @property
    def ssh_options(self) -> dict[str, str]:
        """The `-o` options of OpenSSH that the inventory sets, by name in lower case."""
        words: list[str] = []
        for name in ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"):
            words += shlex.split(self.text(name))
        pairs = (word for flag, word in pairwise(words) if flag == "-o")
        joined = [*pairs, *(word[2:] for word in words if word.startswith("-o") and word != "-o")]
        split = (option.replace("=", " ", 1).partition(" ") for option in joined)
        return {name.lower(): value.strip() for name, _space, value in split}


def ansible(program: str) -> Path:
    """A program of ansible-core: the one beside this Python, whatever PATH says."""
    return Path(sys.executable).with_name(program)


def environment() -> dict[str, str]:
    """Variables with which Ansible finds the checkout as the collection mshare.fleet.

    The link is made when missing, as `make setup` does.
    """
    root = project_root()
    collections = root / "build" / "collections"
    link = collections / "ansible_collections" / "mshare" / "fleet"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(root, link.parent), target_is_directory=True)
    return {"ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(collections)}


def read(inventory: Path, limit: str = "", group: str = GROUP) -> list[Host]:
    """The hosts of a group, with their variables, sorted by name.

    Args:
        inventory: file or directory.
        limit: an Ansible host pattern that narrows the group; empty takes all of it.
        group: the group.

    Raises:
        UserError: there is no such inventory, Ansible cannot read it, or no host in it is meant.
    """
    if not inventory.exists():
        remedy = "`mshare lab up` writes build/lab/inventory.yml"
        raise UserError(f"reading the inventory: no {inventory}", remedy)
    argv = [str(ansible("ansible-inventory")), "-i", str(inventory.resolve()), "--list"]
    argv += ["--limit", limit] if limit else []
    # By itself Ansible takes what it cannot parse for an inventory without hosts.
    env = environment() | {"ANSIBLE_INVENTORY_UNPARSED_FAILED": "1"}
    done = run(argv, doing=f"reading {inventory}", env=env, timeout=60, check=False)
    if done.returncode != 0:
        raise UserError(
            f"reading the inventory {inventory}: {tail(done.stderr or done.stdout, 8)}",
            f"correct what `ansible-inventory -i {inventory} --list` complains of",
        )
    data: dict[str, Any] = json.loads(done.stdout)
    variables = data.get("_meta", {}).get("hostvars", {})
    names = sorted(set(_members(data, group)))
    if not names:
        remedy = f"see `ansible-inventory -i {inventory} --graph`"
        raise UserError(f"no host of the group {group} in {inventory}{limit and f' is in {limit}'}", remedy)
    return [Host(name, variables.get(name, {})) for name in names]


def _members(data: Mapping[str, Any], group: str) -> Iterator[str]:
    entry = data.get(group, {})
    yield from entry.get("hosts", [])
    for child in entry.get("children", []):
        yield from _members(data, child)
