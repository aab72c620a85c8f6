"""Read, plan, apply on a pretended msharefs: what is done to files, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_mshare import GRANULARITY, FakeKernel, Mapped

from plugins.module_utils.mshare_region_ensure import ensure
from plugins.module_utils.mshare_region_errors import BadInput, NoMshare, Refused, RegionError
from plugins.module_utils.mshare_region_slice import in_slice

ARGUMENTS: dict[str, Any] = {
    "name": "db",
    "size": "100M",
    "mode": "0640",
    "objects": [{"size": "1M"}, {"offset": "2M", "size": "1M", "access": "r"}],
}


pytestmark = pytest.mark.usefixtures("no_locks")


@pytest.fixture
def kernel(root: Path) -> FakeKernel:
    return FakeKernel(root)


@pytest.fixture
def user(root: Path, kernel: FakeKernel) -> Iterator[int]:
    """The PID of a process that has the region db open."""
    ensure(ARGUMENTS, str(root), kernel=kernel)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; f = open(sys.argv[1]); print('', flush=True); input()",
            root / "db",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.read(1)
    yield holder.pid
    holder.communicate(b"\n")


def test_made_then_left_alone(root: Path, kernel: FakeKernel) -> None:
    old = os.umask(0o777)
    try:
        first = ensure(ARGUMENTS, str(root), kernel=kernel)
    finally:
        os.umask(old)
    status = (root / "db").stat()
    assert (status.st_size, status.st_mode & 0o7777) == (GRANULARITY, 0o640)
    assert first["rounded"] and first["granularity"] == GRANULARITY and first["before"] is None
    again = ensure(ARGUMENTS, str(root), kernel=kernel)
    assert again["steps"] == [] and again["before"] == again["after"] == first["after"]


def test_check_changes_nothing(root: Path, kernel: FakeKernel) -> None:
    answer = ensure(ARGUMENTS, str(root), check=True, kernel=kernel)
    assert answer["steps"] and not (root / "db").exists()


def test_half_made_region_is_removed_again(root: Path) -> None:
    kernel = FakeKernel(root, fail_at=2 << 20)
    with pytest.raises(RegionError, match="ENOMEM") as failed:
        ensure(ARGUMENTS, str(root), kernel=kernel)
    assert "overcommit" in failed.value.remedy and not (root / "db").exists()


def test_changes_in_place(root: Path, kernel: FakeKernel) -> None:
    ensure(ARGUMENTS, str(root), kernel=kernel)
    inode = (root / "db").stat().st_ino
    ensure({"name": "db", "mode": "0600", "objects": [{"size": "1M"}]}, str(root), kernel=kernel)
    assert (root / "db").stat().st_ino == inode
    assert kernel.objects[inode] == [Mapped(0, 1 << 20, "rw")]


def test_who_has_it_open_is_named(root: Path, kernel: FakeKernel, user: int) -> None:
    for change in ({"size": "2G"}, {"state": "absent"}, {"objects": []}):
        with pytest.raises(Refused, match=str(user)) as refused:
            ensure({"name": "db", **change}, str(root), kernel=kernel)
        assert [(one["pid"], one["open"], one["mapped"]) for one in refused.value.users] == [
            (user, True, False)
        ]
    ensure({"name": "db", "state": "absent", "force": True}, str(root), kernel=kernel)
    assert not (root / "db").exists()


def test_own_descriptors_do_not_count(root: Path, kernel: FakeKernel) -> None:
    ensure(ARGUMENTS, str(root), kernel=kernel)
    with (root / "db").open():
        assert ensure({"name": "db", "state": "absent"}, str(root), kernel=kernel)["steps"]


@pytest.mark.parametrize("kind", ["symlink", "directory", "fifo"])
def test_other_files_are_not_touched(root: Path, kernel: FakeKernel, tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if kind == "symlink":
        (root / "db").symlink_to(victim)
    elif kind == "directory":
        (root / "db").mkdir()
    else:
        os.mkfifo(root / "db")
    for arguments in (ARGUMENTS, {"name": "db", "state": "absent", "force": True}):
        with pytest.raises(RegionError, match="is not a region"):
            ensure(arguments, str(root), kernel=kernel)
    assert victim.read_text() == "precious"


def test_without_a_mount(root: Path) -> None:
    kernel = FakeKernel(root, mounted=False)
    with pytest.raises(NoMshare, match="no msharefs is mounted"):
        ensure(ARGUMENTS, str(root), kernel=kernel)
    told = ensure(ARGUMENTS, str(root), check=True, kernel=kernel)
    assert told["steps"] and told["granularity"] is None and told["warnings"]
    assert ensure({"name": "db", "state": "absent"}, str(root), kernel=kernel)["steps"] == []
    with pytest.raises(BadInput):
        ensure({"name": "db"}, str(root), check=True, kernel=kernel)


def test_where_memory_is_charged_is_told(root: Path, kernel: FakeKernel) -> None:
    assert "caller's cgroup" in ensure(ARGUMENTS, str(root), kernel=kernel)["warnings"][0]


def test_inside_the_slice_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    cgroup = "/mshare.slice/mshare-regions.slice/mshare-region@db.service"
    monkeypatch.setattr("plugins.module_utils.mshare_region_slice.own_cgroup", lambda: cgroup)
    with in_slice() as why:
        assert why is None
