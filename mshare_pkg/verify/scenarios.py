"""Run Molecule's scenarios on lab machines: `python -m mshare_pkg.verify.scenarios [SCENARIO] [COMMAND]`.

Molecule would put the collection into the home directory and look for scenarios elsewhere; here it gets a
home of its own under build/molecule, and finds ours in molecule/.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..paths import cache_dir, data_dir, project_root


def environment(root: Path, scenario: str, hosts: int) -> dict[str, str]:
    """The variables that Molecule and the scenarios' files need; machines and state lie in build/molecule."""
    place = root / "build" / "molecule" / scenario
    bin_dir = Path(sys.executable).parent
    return {
        "PATH": os.pathsep.join((str(bin_dir), os.environ.get("PATH", os.defpath))),
        "HOME": str(place / "home"),
        "ANSIBLE_HOME": str(place / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(root / "build" / "collections"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(place / "molecule"),
        "MOLECULE_GLOB": str(root / "molecule" / "*" / "molecule.yml"),
        "MSHARE_BUILD_JSON": str(root / "build" / "kernel" / "build.json"),
        "MSHARE_LAB_DIR": str(place / "lab"),
        "MSHARE_LAB_HOSTS": str(hosts),
        "MSHARE_REPO": str(root / "build" / "repo"),
        "MSHARE_ROOT": str(root),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run one scenario and return Molecule's exit code; its output goes where ours goes."""
    parser = argparse.ArgumentParser(description="Run a Molecule scenario on machines of the lab.")
    parser.add_argument("scenario", nargs="?", default="default")
    parser.add_argument(
        "command", nargs="?", default="test", help="test, create, converge, verify, destroy, ..."
    )
    parser.add_argument("--hosts", type=int, default=1, help="machines (1)")
    options = parser.parse_args(argv)
    root = project_root()
    extra = environment(root, options.scenario, options.hosts)
    for name in ("HOME", "ANSIBLE_HOME"):
        Path(extra[name]).mkdir(parents=True, exist_ok=True)
    # What is kept in the real home has to be named before HOME changes.
    extra |= {"MSHARE_CACHE": str(cache_dir()), "MSHARE_DATA": str(data_dir())}
    config = root / "molecule" / "config.yml"
    words = ["molecule", "--base-config", str(config), options.command, "--scenario-name", options.scenario]
    return subprocess.run(words, cwd=root, env={**os.environ, **extra}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
