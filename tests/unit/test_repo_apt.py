"""What a host's apt makes of the repository: the real apt, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from repo_tools import build

from mshare_pkg.repo import manifest
from mshare_pkg.repo.repository import Repository

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt")

IMAGE = "linux-image-6.12.117-mshare1-vm"


class Host:
    """An apt with its own configuration and state, that trusts one key for one repository."""

    def __init__(self, root: Path, repository: Repository) -> None:
        self.root = root
        for name in (
            "state/lists/partial",
            "cache/archives/partial",
            "etc/sources.list.d",
            "etc/trusted.gpg.d",
        ):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        shutil.copy(repository.public_key, root / "etc/mshare.gpg")
        (root / "etc/sources.list.d/mshare.sources").write_text(
            f"Types: deb\nURIs: file:{repository.apt}\nSuites: mshare\nComponents: main\n"
            f"Architectures: amd64\nSigned-By: {root}/etc/mshare.gpg\n"
        )
        (root / "apt.conf").write_text(
            f'Dir "{root}"; Dir::State "state"; Dir::State::status "{root}/status"; Dir::Cache "cache";'
            f'Dir::Etc "etc"; Dir::Etc::parts "none"; APT::Architecture "amd64"; APT::Sandbox::User "root";'
        )

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            words, env=environment, cwd=self.root, check=False, text=True, capture_output=True
        )

    def update(self) -> subprocess.CompletedProcess[str]:
        return self("apt-get", "--error-on=any", "update")

    def fetch(self) -> subprocess.CompletedProcess[str]:
        return self(
            "apt-get",
            "-y",
            "--download-only",
            "-o",
            "Dir::Bin::methods=/usr/lib/apt/methods",
            "install",
            IMAGE,
        )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    made = Repository(tmp_path / "repo")
    made.publish(manifest.load(build(tmp_path / "build", 1)), home)
    return made


@pytest.fixture
def host(tmp_path: Path, repository: Repository) -> Host:
    return Host(tmp_path / "host", repository)


def test_installs_from_a_good_repository(host: Host) -> None:
    done = host.update()
    assert done.returncode == 0, done.stderr
    assert IMAGE in host("apt-cache", "madison", IMAGE).stdout
    done = host.fetch()
    assert done.returncode == 0, done.stderr


def test_tampered_index_is_refused(host: Host, repository: Repository) -> None:
    for path in (repository.apt / "dists/mshare/main/binary-amd64").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes() + b"\n")
    done = host.update()
    assert done.returncode != 0
    assert "size" in done.stderr or "Hash Sum mismatch" in done.stderr
    assert IMAGE not in host("apt-cache", "madison", IMAGE).stdout


def test_tampered_signature_is_refused(host: Host, repository: Repository) -> None:
    path = repository.apt / "dists/mshare/InRelease"
    path.write_text(path.read_text().replace("Label: mshare", "Label: others"))
    done = host.update()
    assert done.returncode != 0
    assert "BADSIG" in done.stderr or "invalid" in done.stderr


def test_unsigned_index_is_refused(host: Host, repository: Repository) -> None:
    for name in ("InRelease", "Release.gpg"):
        (repository.apt / "dists/mshare" / name).unlink()
    done = host.update()
    assert done.returncode != 0
    assert "not signed" in done.stderr


def test_index_of_another_key_is_refused(host: Host, repository: Repository, tmp_path: Path) -> None:
    other = tmp_path / "other-gnupg"
    other.mkdir(mode=0o700)
    repository.publish(manifest.load(tmp_path / "build"), other)
    done = host.update()
    assert done.returncode != 0
    assert "NO_PUBKEY" in done.stderr


def test_tampered_package_is_refused(host: Host, repository: Repository) -> None:
    assert host.update().returncode == 0
    path = next((repository.apt / "pool").rglob(f"{IMAGE}_*.deb"))
    path.write_bytes(path.read_bytes().replace(b"x", b"y", 1))
    done = host.fetch()
    assert done.returncode != 0
    assert "Hash Sum mismatch" in done.stderr
