"""A host takes nothing from a repository that was tampered with: index, signature or package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from machines import Fleet, Machine

from mshare_pkg.paths import project_root
from mshare_pkg.run import Result, run

#: apt with the host's own source (its key, suite, components) at another address, and with lists of its own.
FETCH = """
set -e
rm -rf /root/tamper; mkdir -p /root/tamper/lists/partial /root/tamper/archives/partial
sed 's|^URIs:.*|URIs: {url}|' /etc/apt/sources.list.d/mshare.sources > /root/tamper/mshare.sources
set -- -o Dir::Etc::sourcelist=/root/tamper/mshare.sources -o Dir::Etc::sourceparts=- \
  -o Dir::State::lists=/root/tamper/lists -o Dir::Cache::archives=/root/tamper/archives \
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
  -o Acquire::Languages=none -o APT::Update::Error-Mode=any -o Acquire::Retries=0
apt-get "$@" -q update
apt-get "$@" -qy --reinstall --download-only install mshare-tools
"""


def fetch(machine: Machine, url: str) -> Result:
    """Let a machine read an index at an address and download a package by it; nothing is installed."""
    return machine.ssh("sh", "-c", FETCH.format(url=url), check=False)


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def copy(repo: Path, tmp_path: Path) -> Path:
    """A copy of what the lab serves, to be tampered with."""
    return Path(shutil.copytree(repo / "apt", tmp_path / "apt", symlinks=True))


def test_an_honest_copy_is_taken(
    deployed: Fleet, second: Machine, copy: Path, serve: Callable[[Path], str]
) -> None:
    assert deployed
    done = fetch(second, serve(copy))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_index_is_refused(
    deployed: Fleet, second: Machine, copy: Path, serve: Callable[[Path], str]
) -> None:
    assert deployed
    indexes = [path for path in (copy / "dists" / "mshare" / "main").rglob("*") if path.is_file()]
    assert indexes
    for path in indexes:
        flip_a_bit(path)
    done = fetch(second, serve(copy))
    assert done.returncode != 0
    assert "Hash" in done.stderr or "unexpected size" in done.stderr, done.stderr


def change_what_is_signed(copy: Path) -> None:
    """Change a word in what the key has signed."""
    (signed,) = (copy / "dists").resolve().rglob("InRelease")
    signed.write_text(signed.read_text().replace("Codename: ", "Codename: x"))
    (signed.parent / "Release").unlink(missing_ok=True)


def test_a_changed_release_file_is_refused(
    deployed: Fleet, second: Machine, copy: Path, serve: Callable[[Path], str]
) -> None:
    assert deployed
    change_what_is_signed(copy)
    done = fetch(second, serve(copy))
    assert done.returncode != 0
    assert "BADSIG" in done.stderr or "not valid" in done.stderr or "invalid" in done.stderr, done.stderr


def test_an_index_signed_by_another_key_is_refused(
    deployed: Fleet, second: Machine, good: Path, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    assert deployed
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    options = ["gpg", "--homedir", home, "--batch", "--passphrase", ""]
    run([*options, "--quick-gen-key", "stranger", "ed25519", "sign"], doing="making a stranger's key")
    words = ["mshare", "repo", "publish", good, f"--repo={tmp_path / 'repo'}", f"--gnupghome={home}"]
    run(words, doing="publishing as a stranger")
    run(["gpgconf", "--homedir", home, "--kill", "all"], doing="ending the stranger's agent")
    done = fetch(second, serve(tmp_path / "repo" / "apt"))
    assert done.returncode != 0
    assert "NO_PUBKEY" in done.stderr, done.stderr


def test_a_changed_package_is_refused(
    deployed: Fleet, second: Machine, copy: Path, serve: Callable[[Path], str]
) -> None:
    assert deployed
    packages = sorted((copy / "pool").rglob("mshare-tools_*.deb"))
    assert packages
    for path in packages:
        flip_a_bit(path)
    done = fetch(second, serve(copy))
    assert done.returncode != 0
    assert "Hash Sum mismatch" in done.stderr, done.stderr
    left = second.out("find", "/root/tamper/archives", "-name", "*.deb")
    assert left == "", json.dumps(left)


def ask(fleet: Fleet, machine: Machine) -> Result:
    """Let the role ask a machine whether its repository is what it should be."""
    words = ["-m", "include_role", "-a", "name=mshare.fleet.mshare_repo tasks_from=refresh"]
    argv = ["ansible", "-i", fleet.inventory.resolve(), machine.name, *words]
    return run(argv, doing="asking for the repository", cwd=project_root(), check=False)


def test_the_role_tells_an_honest_repository_from_another(
    deployed: Fleet, second: Machine, copy: Path, serve: Callable[[Path], str]
) -> None:
    done = ask(deployed, second)
    assert done.returncode == 0, done.stdout + done.stderr
    change_what_is_signed(copy)
    source = "/etc/apt/sources.list.d/mshare.sources"
    second.ssh("cp", source, "/root/mshare.sources")
    try:
        second.ssh("sed", "-i", f"s|^URIs:.*|URIs: {serve(copy)}|", source)
        done = ask(deployed, second)
    finally:
        second.ssh("mv", "/root/mshare.sources", source)
    assert done.returncode != 0
    assert "BADSIG" in done.stdout, done.stdout + done.stderr
    assert ask(deployed, second).returncode == 0
