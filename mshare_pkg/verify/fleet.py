"""Run the checks of tests/host against an inventory."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from .. import ui
from ..errors import InfraError, UserError
from ..fleet import inventory as inventories
from ..paths import project_root
from ..run import run, tail

#: Pytest's exit codes that mean: the checks ran.
RAN = (0, 1)
NOTHING_COLLECTED = 5
#: Seconds for the whole fleet: eight hosts at a time, each at most 25 minutes (`probe.LIMITS_S`).
TIMEOUT = 7200.0


def check(
    inventory: Path, *, hosts: str = "mshare_hosts", build_json: Path | None = None, measure: bool = True
) -> dict[str, Any]:
    """Run every check on every host of an inventory.

    Args:
        inventory: an Ansible inventory.
        hosts: a host or group pattern of it.
        build_json: what the hosts should run, in place of their variable `mshare_kernel_build_json`.
        measure: measure page tables too.

    Returns:
        For each host its "checks", and what its "facts", "touch" and "measure" programs printed.

    Raises:
        UserError: no inventory, one that Ansible cannot read, or no host in it that the pattern names.
        InfraError: pytest itself failed.
    """
    inventories.read(inventory, limit=hosts, group="all")
    root = project_root()
    with tempfile.TemporaryDirectory(prefix="mshare-verify-") as folder:
        results = Path(folder) / "results.json"
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "mshare_pkg.verify.collect",
            "-p",
            "no:cacheprovider",
        ]
        argv += [f"--mshare-results={results}", f"--hosts=ansible://{hosts}"]
        argv += [f"--ansible-inventory={inventory.resolve()}", str(root / "tests" / "host")]
        argv += [] if measure else ["-m", "not measure"]
        # testinfra starts `ansible-inventory` by name: the one beside this Python, whoever's PATH it is.
        env = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        }
        env |= {"MSHARE_BUILD_JSON": str(build_json.resolve())} if build_json else {}
        with ui.step(f"checking the hosts of {inventory}"):
            done = run(argv, doing="checking the hosts", cwd=root, env=env, check=False, timeout=TIMEOUT)
        remedy = f"try `ansible-inventory -i {inventory} --graph`"
        if done.returncode == NOTHING_COLLECTED:
            raise UserError(f"no host of {inventory} matches {hosts}", remedy)
        if done.returncode not in RAN or not results.exists():
            raise InfraError(
                f"pytest ended with {done.returncode}\n{tail(done.stdout + done.stderr)}", remedy
            )
        found = json.loads(results.read_text())
    if not found:
        raise UserError(f"no host of {inventory} matches {hosts}", remedy)
    assert isinstance(found, dict)  # noqa: S101 - our own plugin wrote it
    return found
