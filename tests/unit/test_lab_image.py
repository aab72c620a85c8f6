"""What decides which image is used: the recipe, apt's sources and versions, and the shelves of the cache."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.lab import needs, recipe, shelf, sources

_POLICY = """\
grub-pc:
  Installed: (none)
  Candidate: 2.06-13+deb12u1
  Version table:
     2.06-13+deb12u1 500
lz4:
  Installed: 1.9.4-1
  Candidate: 1.9.4-1
nothing:
  Installed: (none)
  Candidate: (none)
"""


def test_sources_are_debians_of_the_suite_only() -> None:
    text = (
        "Debian\tbookworm\tmain\thttp://archive.example/debian/\n"
        "Debian\tbookworm\tcontrib\thttp://archive.example/debian/\n"
        "Debian\tbookworm-security\tmain\thttp://archive.example/security/\n"
        "Debian\ttrixie\tmain\thttp://archive.example/debian/\n"
        "Somebody\tbookworm\tmain\thttp://other.example/\n"
    )
    assert sources.parse_targets(text, "bookworm") == (
        f"deb [signed-by={sources.KEYRING}] http://archive.example/debian/ bookworm main",
        f"deb [signed-by={sources.KEYRING}] http://archive.example/security/ bookworm-security main",
    )


def test_versions_are_the_candidates() -> None:
    assert sources.parse_policy(_POLICY) == {"grub-pc": "2.06-13+deb12u1", "lz4": "1.9.4-1"}


def test_a_new_version_of_a_package_is_a_new_image(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = recipe.load()
    versions = dict.fromkeys(wanted.packages, "1")
    monkeypatch.setattr(sources, "candidates", lambda _packages: dict(versions))
    first = wanted.key()
    assert wanted.key() == first
    versions["linux-image-cloud-amd64"] = "2"
    assert wanted.key() != first


def test_the_recipe_keeps_checking_and_grub_stock() -> None:
    wanted = recipe.load()
    assert {"grub-pc", "linux-image-cloud-amd64", "openssh-server", "python3-apt"} <= set(wanted.packages)
    assert "GRUB_DEFAULT=0\n" in wanted.files["etc/default/grub"]
    assert wanted.files["etc/fstab"] == "UUID=@UUID@ / ext4 errors=remount-ro 0 1\n"
    assert wanted.disk_bytes % (1 << 20) == 0


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find", lambda name: None if name in ("mmdebstrap", "sfdisk") else "/bin/true")
    with pytest.raises(InfraError, match="mmdebstrap, sfdisk") as caught:
        needs.require(needs.BUILD)
    assert caught.value.remedy.endswith("apt-get install fdisk mmdebstrap")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_CACHE", str(tmp_path))


def _nothing(_work: Path) -> None:
    pass


def test_a_thing_is_made_once_and_made_again_when_damaged() -> None:
    made: list[Path] = []

    def make(work: Path) -> None:
        made.append(work)
        (work / "file").write_text("good")

    first = shelf.obtain("things", "a", make, _nothing)
    assert shelf.obtain("things", "a", make, _nothing) == first
    assert len(made) == 1
    (first / "file").write_text("evil")
    assert (shelf.obtain("things", "a", make, _nothing) / "file").read_text() == "good"
    assert len(made) == 2


def test_a_failed_making_leaves_nothing_and_is_discarded() -> None:
    discarded: list[Path] = []

    def fail(work: Path) -> None:
        (work / "half").write_text("")
        raise InfraError("no")

    with pytest.raises(InfraError):
        shelf.obtain("things", "a", fail, discarded.append)
    (place,) = {path.parent for path in discarded}
    assert list(place.iterdir()) == []


def test_what_a_killed_maker_left_is_discarded_first(tmp_path: Path) -> None:
    left = tmp_path / "lab/things/.work-a"
    left.mkdir(parents=True)
    (left / "pid").write_text("1")
    order: list[str] = []
    shelf.obtain("things", "a", lambda _work: order.append("make"), lambda _work: order.append("discard"))
    assert order == ["discard", "make"]


def test_two_at_once_make_it_once() -> None:
    made: list[Path] = []
    begun, go = threading.Event(), threading.Event()

    def make(work: Path) -> None:
        made.append(work)
        begun.set()
        go.wait(30)

    threads = [threading.Thread(target=shelf.obtain, args=("things", "a", make, _nothing)) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(made) == 1


def test_a_shelf_keeps_the_last_ones() -> None:
    for key in "abcde":
        last = shelf.obtain("things", key, _nothing, _nothing)
    assert len(list(last.parent.iterdir())) == shelf.KEPT
    assert last.is_dir()
