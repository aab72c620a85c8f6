"""Huge pages and files as objects: what the host must have, and what a pretended msharefs makes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_mshare import FakeKernel, Mapped

from plugins.module_utils import mshare_region_backing as backing
from plugins.module_utils.mshare_region_ensure import ensure
from plugins.module_utils.mshare_region_errors import BadInput, RegionError
from plugins.module_utils.mshare_region_text import step_text

PAGE = os.sysconf("SC_PAGE_SIZE")
HUGE = 2 << 20


pytestmark = pytest.mark.usefixtures("no_locks")


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No pool of the machine is looked at; gives the pool's directory."""
    (tmp_path / "meminfo").write_text("MemTotal: 1 kB\nHugepagesize:    2048 kB\n")
    (tmp_path / "pmd").write_text(f"{HUGE}\n")
    pool = tmp_path / "pools" / "hugepages-2048kB"
    pool.mkdir(parents=True)
    monkeypatch.setattr(backing, "MEMINFO", str(tmp_path / "meminfo"))
    monkeypatch.setattr(backing, "PMD_SIZE", str(tmp_path / "pmd"))
    monkeypatch.setattr(backing, "POOLS", str(pool.parent))
    fill(pool)
    return pool


def fill(pool: Path, free: int = 0, resv: int = 0, surplus: int = 0, nr_overcommit: int = 0) -> None:
    """Set the counts of the pool, in pages."""
    counts = {"free": free, "resv": resv, "surplus": surplus, "nr_overcommit": nr_overcommit}
    for name, count in counts.items():
        (pool / f"{name}_hugepages").write_text(f"{count}\n")


@pytest.fixture
def kernel(root: Path) -> FakeKernel:
    return FakeKernel(root, pages=8)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A file of ten pages and a byte."""
    (tmp_path / "table").write_bytes(b"x" * (10 * PAGE + 1))
    return tmp_path / "table"


def region(*objects: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "db", "size": "1G", "objects": list(objects), **more}


def file(path: Path, pages: int = 10, **more: Any) -> dict[str, Any]:
    return {"type": "file", "path": str(path), "size": pages * PAGE, **more}


def huge(pages: int, **more: Any) -> dict[str, Any]:
    return {"type": "hugetlb", "size": pages * HUGE, **more}


def inside(root: Path, kernel: FakeKernel) -> list[Mapped]:
    return sorted(kernel.objects[(root / "db").stat().st_ino])


def test_all_kinds_are_made_then_left_alone(root: Path, kernel: FakeKernel, host: Path, table: Path) -> None:
    fill(host, free=8)
    wanted = region({"size": "2M"}, huge(2, offset="2M"), file(table, offset="6M", access="r"))
    first = ensure(wanted, str(root), kernel=kernel)
    assert inside(root, kernel) == [
        Mapped(0, HUGE, "rw"),
        Mapped(HUGE, 2 * HUGE, "rw", "hugetlb"),
        Mapped(3 * HUGE, 10 * PAGE, "r", "file", str(table)),
    ]
    assert [one.get("path") for one in first["after"]["objects"]] == [None, None, str(table)]
    again = ensure(wanted, str(root), kernel=kernel)
    assert again["steps"] == [] and again["before"] == again["after"] == first["after"]


def test_a_file_is_enlarged_by_its_rest(root: Path, kernel: FakeKernel, table: Path) -> None:
    ensure(region(file(table, 4)), str(root), kernel=kernel)
    told = ensure(region(file(table, 11)), str(root), check=True, kernel=kernel)
    text = f"map {7 * 4}K of {table} from its byte {4 * PAGE} on (rw) at 16K"
    assert PAGE != 4096 or [step_text(step) for step in told["steps"]] == [text]
    ensure(region(file(table, 11)), str(root), kernel=kernel)
    assert inside(root, kernel) == [
        Mapped(0, 4 * PAGE, "rw", "file", str(table)),
        Mapped(4 * PAGE, 7 * PAGE, "rw", "file", str(table), 4 * PAGE),
    ]
    assert ensure(region(file(table, 11)), str(root), kernel=kernel)["steps"] == []
    ensure(region(file(table, 2)), str(root), kernel=kernel)
    assert inside(root, kernel) == [Mapped(0, 2 * PAGE, "rw", "file", str(table))]


def test_a_file_that_was_replaced_is_mapped_anew(root: Path, kernel: FakeKernel, table: Path) -> None:
    ensure(region(file(table)), str(root), kernel=kernel)
    table.unlink()
    table.write_bytes(bytes(10 * PAGE))
    done = ensure(region(file(table)), str(root), kernel=kernel)
    assert [step["do"] for step in done["steps"]] == ["unmap", "map"]
    assert done["before"]["objects"][0]["path"] == f"{table} (deleted)"
    assert ensure(region(file(table)), str(root), kernel=kernel)["steps"] == []
    table.rename(table.with_name("moved"))
    moved = region(file(table.with_name("moved")))
    assert ensure(moved, str(root), kernel=kernel)["steps"] == []


def test_huge_pages_are_added(root: Path, kernel: FakeKernel, host: Path) -> None:
    fill(host, free=8)
    ensure(region(huge(1)), str(root), kernel=kernel)
    ensure(region(huge(3)), str(root), kernel=kernel)
    assert inside(root, kernel) == [Mapped(0, HUGE, "rw", "hugetlb"), Mapped(HUGE, 2 * HUGE, "rw", "hugetlb")]
    assert kernel.pages == 5


@pytest.mark.parametrize("key", ["offset", "size"])
def test_huge_pages_are_whole(root: Path, kernel: FakeKernel, key: str) -> None:
    one = {**huge(1), key: "1M"}
    with pytest.raises(
        BadInput, match=rf"its object at .* {key} is 1M, not a multiple of the huge page .* 2M"
    ):
        ensure(region(one), str(root), kernel=kernel)


def test_too_few_huge_pages_are_told_before_anything_is_done(
    root: Path, kernel: FakeKernel, host: Path
) -> None:
    fill(host, free=4, resv=3)
    with pytest.raises(RegionError, match="too few huge pages") as failed:
        ensure(region(huge(2)), str(root), kernel=kernel)
    assert failed.value.remedy == "raise vm.nr_hugepages (huge pages of 2M: 2 needed, 1 free)"
    assert not (root / "db").exists()
    (warning,) = ensure(region(huge(2)), str(root), check=True, kernel=kernel)["warnings"]
    assert "raise vm.nr_hugepages" in warning
    kernel.mounted = False
    assert "raise vm.nr_hugepages" in str(ensure(region(huge(2)), str(root), True, kernel)["warnings"])


def test_the_kernel_has_the_last_word_on_huge_pages(root: Path, kernel: FakeKernel, host: Path) -> None:
    fill(host, free=9)
    with pytest.raises(RegionError, match="ENOMEM") as failed:
        ensure(region(huge(9)), str(root), kernel=kernel)
    assert "of 2M: 9 needed, 9 free" in failed.value.remedy
    assert not (root / "db").exists()


def test_pages_that_come_back_are_not_asked_for(host: Path) -> None:
    def found(pages: int, **more: Any) -> dict[str, Any]:
        return {"objects": [huge(pages)], "users": [], "clients": 0, **more} if pages else {"objects": []}

    before, user = found(4), [{"pid": 1, "command": "a", "open": True, "mapped": False}]
    for one in (found(4), found(3), None):
        for anew in (True, False):
            assert backing.shortage(before, one, anew) is None
    assert "of 2M: 1 needed" in str(backing.shortage(before, found(5), False))
    for used in (found(4, users=user), found(4, clients=1)):
        assert backing.shortage(used, found(4), False) is None
        assert "of 2M: 4 needed" in str(backing.shortage(used, found(4), True))
    fill(host, surplus=1, nr_overcommit=5)
    assert backing.shortage(None, found(4), True) is None
    assert backing.shortage(None, found(5), True)


def test_another_default_size_of_huge_pages(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(backing.MEMINFO).write_text("Hugepagesize: 1048576 kB\n")
    assert backing.huge_page_size() == HUGE
    assert f"raise {host}/nr_hugepages" in backing.pool_remedy(HUGE)
    monkeypatch.setattr(backing, "PMD_SIZE", "/nonexistent")
    assert backing.huge_page_size() == 1 << 30
    Path(backing.MEMINFO).write_text("MemTotal: 1 kB\n")
    with pytest.raises(BadInput, match="there is no Hugepagesize"):
        backing.huge_page_size()


def refused(wanted: dict[str, Any], root: Path, kernel: FakeKernel) -> str:
    """What is said of a declaration, when it is made as when it is checked; nothing was done."""
    said = []
    for check in (True, False):
        with pytest.raises(BadInput) as bad:
            ensure(wanted, str(root), check=check, kernel=kernel)
        said.append(str(bad.value))
    assert not (root / "db").exists() and said[0] == said[1]
    assert "region db: its object at 4K" in said[0]
    return said[0]


def test_files_that_cannot_be_mapped(root: Path, kernel: FakeKernel, table: Path, tmp_path: Path) -> None:
    def says(path: Path, pages: int = 10, **more: Any) -> str:
        return refused(region(file(path, pages, offset=4096, **more)), root, kernel)

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(table)
    assert "there is no file" in says(tmp_path / "none")
    assert "there is no file" in says(table / "below")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        assert "is not a regular file" in says(path)
    assert f"knows {tmp_path}/link as {table}; write that path" in says(tmp_path / "link")
    assert f"knows {tmp_path}/../{tmp_path.name}/table as {table}" in says(
        tmp_path / ".." / tmp_path.name / "table"
    )
    size = 10 * PAGE + 1
    assert f"ends at byte {12 * PAGE} of {table}, which has {size}: " in says(table, 12)
    assert "SIGBUS; make the file larger first" in says(table, 12)


def test_a_file_without_a_name(root: Path, kernel: FakeKernel) -> None:
    memory = os.memfd_create("memory")
    os.ftruncate(memory, PAGE)
    path = Path(f"/proc/self/fd/{memory}")
    assert "as /memfd:memory (deleted); use a file that has a name" in refused(
        region(file(path, 1, offset=4096)), root, kernel
    )
    os.close(memory)


def test_a_program_that_runs_cannot_be_written(
    root: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, table: Path
) -> None:
    real = os.open

    def busy(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if path == str(table) and flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(26, "Text file busy")
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", busy)
    said = refused(region(file(table, offset=4096)), root, kernel)
    assert "for reading and writing: Text file busy; make the file writable, or use the access r" in said
    assert ensure(region(file(table, access="r")), str(root), kernel=kernel)["steps"]


def test_a_file_is_looked_at_when_nothing_changes(root: Path, kernel: FakeKernel, table: Path) -> None:
    ensure(region(file(table)), str(root), kernel=kernel)
    os.truncate(table, PAGE)
    with pytest.raises(BadInput, match="SIGBUS"):
        ensure(region(file(table)), str(root), kernel=kernel)
    table.unlink()
    assert ensure({"name": "db", "state": "absent"}, str(root), kernel=kernel)["steps"] == [{"do": "remove"}]


def test_files_of_other_file_systems_are_explained(
    root: Path, kernel: FakeKernel, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(kernel, "map_file", refuse)
    with pytest.raises(RegionError, match=f"from {table}: No such device") as failed:
        ensure(region(file(table)), str(root), kernel=kernel)
    assert "tmpfs, ext4, xfs" in failed.value.remedy
