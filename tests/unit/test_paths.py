"""Where things are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mshare_pkg.errors import UserError
from mshare_pkg.paths import cache_dir, data_dir, project_root


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MSHARE_ROOT", raising=False)
    root = tmp_path / "checkout"
    (root / "kernel" / "src").mkdir(parents=True)
    (root / "galaxy.yml").write_text("namespace: mshare\n")
    return root


def test_the_root_is_found_from_below(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "kernel" / "src")
    assert project_root() == checkout


def test_elsewhere_it_is_the_checkout_of_this_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MSHARE_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert project_root() == Path(__file__).parents[2]


def test_a_named_root_must_be_one(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_ROOT", str(checkout))
    assert project_root() == checkout
    monkeypatch.setenv("MSHARE_ROOT", str(tmp_path))
    with pytest.raises(UserError, match="no msharefs checkout"):
        project_root()


def test_the_cache_is_made_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_CACHE", str(tmp_path / "c"))
    assert cache_dir("a", "b") == tmp_path / "c" / "a" / "b"
    assert (tmp_path / "c" / "a" / "b").is_dir()
    monkeypatch.delenv("MSHARE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_dir() == tmp_path / "x" / "mshare"


def test_what_is_kept_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_DATA", str(tmp_path / "d"))
    assert data_dir("gnupg") == tmp_path / "d" / "gnupg"
    assert (tmp_path / "d" / "gnupg").stat().st_mode & 0o777 == 0o700
