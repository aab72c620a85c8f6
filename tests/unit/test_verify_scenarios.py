"""The runner of Molecule's scenarios: Molecule finds ours, and stays out of the home directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mshare_pkg.paths import project_root
from mshare_pkg.verify import scenarios

ROOT = project_root()


def test_state_lies_in_build(tmp_path: Path) -> None:
    found = scenarios.environment(tmp_path, "default", 2)
    for name in ("HOME", "ANSIBLE_HOME", "MOLECULE_EPHEMERAL_DIRECTORY", "MSHARE_LAB_DIR"):
        assert Path(found[name]).is_relative_to(tmp_path / "build" / "molecule" / "default")
    assert found["MSHARE_LAB_HOSTS"] == "2"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "molecule").glob("*/molecule.yml")), ids=lambda path: path.parent.name
)
def test_molecule_accepts_the_scenario(path: Path, tmp_path: Path) -> None:
    name = path.parent.name
    env = {**os.environ, **scenarios.environment(ROOT, name, 1)}
    env |= {
        "HOME": str(tmp_path),
        "ANSIBLE_HOME": str(tmp_path),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "m"),
    }
    words = ["molecule", "--base-config", str(ROOT / "molecule/config.yml"), "matrix", "test", "-s", name]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for step in ("create", "converge", "idempotence", "verify", "destroy"):
        assert step in said
    assert "WARNING" not in said
