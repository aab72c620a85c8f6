"""The modules' code is imported as `plugins.module_utils.NAME`, from the root of the checkout."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture
def no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock and no cgroup of the machine is touched."""
    monkeypatch.setattr("plugins.module_utils.mshare_region_store.LOCK_DIRECTORY", str(tmp_path / "locks"))
    monkeypatch.setattr("plugins.module_utils.mshare_region_slice.own_cgroup", lambda: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where msharefs is pretended to be mounted."""
    (tmp_path / "mnt").mkdir()
    return tmp_path / "mnt"
