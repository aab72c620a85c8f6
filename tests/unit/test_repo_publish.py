"""Publishing builds: what changes, what is refused, what stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from repo_tools import build

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.repo import manifest, signing
from mshare_pkg.repo.repository import Outcome, Repository


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GnuPG home that is empty at first."""
    path = tmp_path_factory.mktemp("gnupg")
    path.chmod(0o700)
    return path


def publish(repository: Repository, directory: Path, home: Path, keep: int = 10) -> Outcome:
    return repository.publish(manifest.load(directory), home, keep=keep)


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file, to see that nothing was written."""
    return {
        str(path.relative_to(root)): (path.lstat().st_ino, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if path.name != "lock"
    }


def test_second_publication_of_a_build_changes_nothing(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    directory = build(tmp_path / "one", 1)
    assert publish(repository, directory, home).changed
    before = files(repository.path)
    assert not publish(repository, directory, home).changed
    assert files(repository.path) == before


def test_newer_tools_of_a_published_kernel_are_added(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    publish(repository, build(tmp_path / "one", 1, tools="0.1.0+mshare1"), home)
    (before,) = repository.builds()
    newer = build(tmp_path / "newer", 1, tools="0.1.0+mshare2")
    assert publish(repository, newer, home).changed
    (after,) = repository.builds()
    assert [one.version for one in after.packages if one.name == "mshare-tools"] == ["0.1.0+mshare2"]
    assert (after.published, after.build_id) == (before.published, before.build_id)
    text = (repository.apt / "dists/mshare/main/binary-amd64/Packages").read_text()
    assert text.count("Package: mshare-tools\n") == 1
    assert not publish(repository, newer, home).changed


def test_index_is_signed_by_the_exported_key(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    publish(repository, build(tmp_path / "one", 1), home)
    in_release = repository.apt / "dists/mshare/InRelease"
    signing.verify(in_release, repository.public_key)
    in_release.write_text(in_release.read_text().replace("Origin: mshare", "Origin: others"))
    with pytest.raises(InfraError, match="verifying InRelease"):
        signing.verify(in_release, repository.public_key)


def test_two_releases_and_both_metapackages_stay_installable(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    publish(repository, build(tmp_path / "one", 1), home)
    publish(repository, build(tmp_path / "two", 2), home)
    text = (repository.apt / "dists/mshare/main/binary-amd64/Packages").read_text()
    for line in (
        "Package: linux-image-6.12.117-mshare1-vm",
        "Package: linux-image-6.12.117-mshare2-vm",
        "Filename: pool/main/linux-image-mshare-vm/linux-image-mshare-vm_6.12.117-1+mshare1_amd64.deb",
        "Filename: pool/main/linux-image-mshare-vm/linux-image-mshare-vm_6.12.117-1+mshare2_amd64.deb",
    ):
        assert text.count(line) == 1
    assert [one.release for one in repository.builds()] == ["6.12.117-mshare1-vm", "6.12.117-mshare2-vm"]


def test_release_with_another_build_id_is_refused(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    publish(repository, build(tmp_path / "one", 1), home)
    before = files(repository.path)
    with pytest.raises(UserError, match=r"6\.12\.117-mshare1-vm: it is published on .* this one differs"):
        publish(repository, build(tmp_path / "other", 1, build_id="ff" * 20), home)
    assert files(repository.path) == before


def test_package_version_with_other_content_is_refused(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    first = build(tmp_path / "one", 1)
    publish(repository, first, home)
    second = build(tmp_path / "two", 2)
    data = json.loads((second / "build.json").read_text())
    other = json.loads((build(tmp_path / "x", 1, content="y") / "build.json").read_text())["packages"][0]
    (second / other["path"]).write_bytes((tmp_path / "x" / other["path"]).read_bytes())
    data["packages"].append(other)
    (second / "build.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="is published, with other content"):
        publish(repository, second, home)


def test_package_that_is_not_what_build_json_says_is_refused(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    directory = build(tmp_path / "one", 1)
    package = next(directory.glob("linux-image-6*.deb"))
    package.write_bytes(package.read_bytes().replace(b"x", b"y", 1))
    with pytest.raises(UserError, match=r"it is not what build\.json says"):
        publish(repository, directory, home)
    assert not repository.apt.exists()


def test_interrupted_publication_goes_on(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "repo")
    publish(repository, build(tmp_path / "one", 1), home)
    in_force = (repository.apt / "dists").resolve()

    def fail(*_: object) -> None:
        raise InfraError("out of paper")

    second = build(tmp_path / "two", 2)
    with monkeypatch.context() as patch:
        patch.setattr(signing, "verify", fail)
        with pytest.raises(InfraError):
            publish(repository, second, home)
    assert (repository.apt / "dists").resolve() == in_force
    assert publish(repository, second, home).changed
    assert (repository.apt / "dists").resolve() != in_force
    assert not list((repository.apt / "snapshots").glob(".new-*"))


def test_lost_package_in_the_pool_is_put_back(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    directory = build(tmp_path / "one", 1)
    publish(repository, directory, home)
    lost = next((repository.apt / "pool").rglob("*.deb"))
    lost.unlink()
    assert publish(repository, directory, home).changed
    assert lost.is_file()


def test_old_builds_are_retired_with_their_packages(tmp_path: Path, home: Path) -> None:
    repository = Repository(tmp_path / "repo")
    outcomes = [publish(repository, build(tmp_path / str(n), n), home, keep=2) for n in (1, 2, 3)]
    assert [one.retired for one in outcomes] == [(), (), ("6.12.117-mshare1-vm",)]
    assert not list((repository.apt / "pool").rglob("*mshare1*.deb"))
    assert "mshare1" not in (repository.apt / "dists/mshare/main/binary-amd64/Packages").read_text()


def test_unknown_key_is_named(tmp_path: Path, home: Path) -> None:
    with pytest.raises(UserError, match="no secret key 'nobody'"):
        Repository(tmp_path / "repo").publish(manifest.load(build(tmp_path / "one", 1)), home, key="nobody")
