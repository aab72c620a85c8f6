"""The files by which others reach a lab: known_hosts, ssh_config and inventory.yml."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import yaml

from ..errors import InfraError
from .record import Record
from .ssh import KEX

KEY = "id_ed25519"
KNOWN_HOSTS = "known_hosts"
SSH_CONFIG = "ssh_config"
INVENTORY = "inventory.yml"

#: Inventory group of the machines.
GROUP = "mshare_hosts"


def control_directory(lab: Path) -> Path:
    """A directory with a short name for ssh's control sockets, made when missing; only its owner may enter.

    Raises:
        InfraError: somebody else has it.
    """
    digest = hashlib.sha256(os.fsencode(lab)).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"mshare-lab-{os.getuid()}-{digest}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InfraError(f"{path} is not a private directory of this user", "remove it")
    return path


def ssh_config(lab: Path, record: Record) -> str:
    """An ssh configuration for the machines by their names, with host keys checked and connections shared."""
    lines = []
    for name, port in record.hosts.items():
        lines += [f"Host {name}", f"    Port {port}"]
    lines += [
        f"Host {' '.join(record.hosts)}",
        "    HostName 127.0.0.1",
        "    User root",
        f"    IdentityFile {lab / KEY}",
        "    IdentitiesOnly yes",
        "    BatchMode yes",
        "    StrictHostKeyChecking yes",
        f"    UserKnownHostsFile {lab / KNOWN_HOSTS}",
        "    GlobalKnownHostsFile /dev/null",
        f"    KexAlgorithms {KEX}",
        "    ConnectTimeout 60",
        "    ServerAliveInterval 15",
        "    ServerAliveCountMax 4",
        "    ControlMaster auto",
        f"    ControlPath {record.control}/%n",
        "    ControlPersist 60",
    ]
    return "\n".join(lines) + "\n"


def inventory(lab: Path, record: Record, repo_url: str) -> str:
    """An Ansible inventory with the machines in the group `mshare_hosts`."""
    options = {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": lab / KNOWN_HOSTS,
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "KexAlgorithms": KEX,
        "ServerAliveInterval": 15,
        "ServerAliveCountMax": 4,
    }
    group = {
        "hosts": {
            name: {
                "ansible_host": "127.0.0.1",
                "ansible_port": port,
                # Why a trial boot failed is on the console.
                "mshare_kernel_console_log": str(lab / "hosts" / name / "console.log"),
            }
            for name, port in record.hosts.items()
        },
        "vars": {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(lab / KEY),
            "ansible_ssh_common_args": " ".join(f"-o {name}={value}" for name, value in options.items()),
            "ansible_python_interpreter": "/usr/bin/python3",
            "mshare_repo_url": repo_url,
            "mshare_repo_key": str(record.repo / "apt" / "mshare.gpg"),
        },
    }
    return "# Written by `mshare lab up`.\n" + yaml.safe_dump({GROUP: group}, sort_keys=False)
