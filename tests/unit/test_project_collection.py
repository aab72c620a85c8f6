"""The tree is an installable Ansible collection, and only what belongs to it is in its archive."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from mshare_pkg import __version__

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

#: What may be in the archive; the manifest of galaxy.yml is checked against it.
ALLOWED = (
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "LICENSES/*.txt",
    "MANIFEST.json",
    "README.md",
    "changelogs/c*.yaml",
    "meta/runtime.yml",
    "playbooks/*",
    "plugins/*.py",
    "roles/*",
)


def run(*argv: str | Path, cwd: Path, home: Path) -> str:
    env = {
        **os.environ,
        "HOME": str(home),
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(home),
    }
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built from what a clone would have and what a developer leaves beside it."""
    place = tmp_path_factory.mktemp("collection")
    checkout = place / "checkout"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT, home=place)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    for stray in ("plugins/modules/__pycache__/x.cpython-311.pyc", "roles/mshare_mount/notes.md~", "build/x"):
        (checkout / stray).parent.mkdir(parents=True, exist_ok=True)
        (checkout / stray).write_text("stray\n")
    run(
        BIN / "ansible-galaxy", "collection", "build", "--output-path", place, checkout, cwd=place, home=place
    )
    (built,) = place.glob("mshare-fleet-*.tar.gz")
    return built


def members(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return {member.name for member in tar if member.isfile()}


def test_the_archive_holds_nothing_else(archive: Path) -> None:
    names = members(archive)
    strangers = [name for name in names if not any(fnmatch.fnmatchcase(name, shape) for shape in ALLOWED)]
    assert strangers == []
    assert [name for name in names if name.endswith(("~", ".pyc"))] == []


@pytest.mark.parametrize("part", ["plugins", "roles", "playbooks"])
def test_the_archive_holds_all_of_the_collection(archive: Path, part: str) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert ours - members(archive) == set()


def test_it_installs_and_its_modules_are_documented(archive: Path, tmp_path: Path) -> None:
    install = [
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "--collections-path",
        tmp_path,
        archive,
    ]
    run(*install, cwd=tmp_path, home=tmp_path)
    installed = tmp_path / "ansible_collections" / "mshare" / "fleet"
    modules = sorted(path.stem for path in (installed / "plugins" / "modules").glob("*.py"))
    assert modules
    names = [f"mshare.fleet.{module}" for module in modules]
    documented = json.loads(run(BIN / "ansible-doc", "--json", *names, cwd=tmp_path, home=tmp_path))
    assert sorted(documented) == names


def test_versions_agree() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == __version__
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()
