"""What every host of a fleet is, asked of all at once: for each a value or an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import InfraError, MshareError
from ..paths import project_root
from . import payload, ssh
from .inventory import Host

#: Hosts asked at the same time.
WORKERS = 16

Answer = dict[str, Any] | MshareError


def ask_all(
    hosts: Sequence[Host], ask: Callable[[Host], dict[str, Any]], workers: int = WORKERS
) -> dict[str, Answer]:
    """Ask every host, a bounded number at a time; an error of one is its answer, and no other's."""

    def one(host: Host) -> Answer:
        try:
            return ask(host)
        except MshareError as error:
            return error
        except Exception as error:
            return InfraError(f"asking {host.name}: {type(error).__name__}: {error}")

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(hosts)))) as pool:
        return dict(zip((host.name for host in hosts), pool.map(one, hosts), strict=True))


def status(hosts: Sequence[Host], timeout: float) -> dict[str, Answer]:
    """What each host is: see `mshare_status.report` in plugins/module_utils.

    Args:
        hosts: of an inventory.
        timeout: seconds for connecting, and again for the answer.
    """
    command = payload.command(project_root() / "plugins" / "module_utils", "mshare_status", "report")

    def ask(host: Host) -> dict[str, Any]:
        printed = ssh.output_of(host, command, timeout)
        value = json.loads(printed)
        if not isinstance(value, dict):
            raise InfraError(f"asking {host.name}: it printed {printed[:100]!r}")
        return value

    return ask_all(hosts, ask)


def line(name: str, answer: Answer) -> str:
    """One host's answer as a line for a person."""
    if isinstance(answer, MshareError):
        return f"{name}: ERROR: {answer.message}"
    parts = [f"runs {answer['release']}", _default(answer), _mount(answer["mount"])]
    parts += [f"trial of {trial['release']} {trial['state']}" for trial in (answer["trial"],) if trial]
    regions = answer["regions"]
    parts += [f"regions {', '.join(one['name'] for one in regions)}"] if regions else []
    hidden = answer["hidden_kernel"]
    parts += [f"newer Debian kernel {hidden} is installed, and not the default"] if hidden else []
    return f"{name}: {'; '.join(parts)}"


def _default(answer: Mapping[str, Any]) -> str:
    if answer["default"] == answer["release"]:
        return "its default"
    return f"default {answer['default'] or 'not held'}"


def _mount(mount: Mapping[str, Any] | None) -> str:
    return f"msharefs on {mount['point']} ({','.join(mount['options'])})" if mount else "msharefs not mounted"
