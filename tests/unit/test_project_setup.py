"""`make setup`: which packages are missing, when .venv is made anew, the link of the collection."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.run import Result
from mshare_pkg.stages import setup

ROOT = Path(__file__).parents[2]


class Recorder:
    """Stands for `run`: notes each argv and answers with exit codes and texts in turn, then with success."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.calls: list[list[str]] = []
        self._answers = list(answers)

    def __call__(self, argv: list[str | Path], **_: object) -> Result:
        words = [str(word) for word in argv]
        self.calls.append(words)
        code, text = self._answers.pop(0) if self._answers else (0, "")
        return Result(tuple(words), code, text, "")


def test_the_list_names_each_package_once() -> None:
    wanted = setup.wanted_packages((ROOT / "packages.txt").read_text())
    assert len(wanted) == len(set(wanted))
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in wanted)
    assert "python3-venv" in wanted


def test_comments_and_blank_lines_are_no_packages() -> None:
    assert setup.wanted_packages("# head\n\ngit # why\nmake\n") == ["git", "make"]


def test_only_installed_packages_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "run", Recorder((1, "git installed\nperl config-files\n")))
    assert setup.missing_packages(["git", "perl", "qemu-utils"]) == ["perl", "qemu-utils"]


def test_root_installs_and_updates_the_lists_only_when_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fine = Recorder()
    monkeypatch.setattr(setup, "run", fine)
    setup.install_packages(["git"])
    assert [call[1] for call in fine.calls] == ["install"]
    stale = Recorder((100, ""))
    monkeypatch.setattr(setup, "run", stale)
    setup.install_packages(["git"])
    assert [call[1] for call in stale.calls] == ["install", "update", "install"]


def test_lists_older_than_a_day_are_fetched_by_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "APT_PARTIAL", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    asked = Recorder()
    monkeypatch.setattr(setup, "run", asked)
    setup.refresh_lists()
    assert asked.calls == []
    old = time.time() - setup.MAX_LIST_AGE - 60
    os.utime(tmp_path, (old, old))
    setup.refresh_lists()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    setup.refresh_lists()
    assert asked.calls == [["apt-get", "update"]]


def test_lists_that_can_not_be_fetched_do_not_end_the_setup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "APT_PARTIAL", tmp_path / "none")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(setup, "run", Recorder((100, "")))
    setup.refresh_lists()
    assert "going on with the lists that are there" in capsys.readouterr().out


def test_anyone_else_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InfraError, match="2 Debian packages are missing: git make") as caught:
        setup.install_packages(["git", "make"])
    assert "sudo apt-get install --yes --no-install-recommends git make" in caught.value.remedy


def test_nothing_missing_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = Recorder()
    monkeypatch.setattr(setup, "run", idle)
    setup.install_packages([])
    assert idle.calls == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv").mkdir()
    return tmp_path


def test_venv_is_made_when_pyproject_changes(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Recorder()
    monkeypatch.setattr(setup, "run", calls)
    assert setup.ensure_venv(checkout)
    assert not setup.ensure_venv(checkout)
    assert len(calls.calls) == 2
    (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert setup.ensure_venv(checkout)
    assert "--clear" not in calls.calls[2]


def test_a_venv_of_another_place_is_cleared(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Recorder()
    monkeypatch.setattr(setup, "run", calls)
    setup.ensure_venv(checkout)
    moved = checkout.parent / f"{checkout.name}-moved"
    checkout.rename(moved)
    assert setup.ensure_venv(moved)
    assert "--clear" in calls.calls[2]


def test_a_failed_installation_is_tried_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Result:
        raise InfraError("no network")

    monkeypatch.setattr(setup, "run", fail)
    with pytest.raises(InfraError):
        setup.ensure_venv(checkout)
    monkeypatch.setattr(setup, "run", Recorder())
    assert setup.ensure_venv(checkout)


def test_the_collection_is_a_link_to_the_checkout(checkout: Path) -> None:
    setup.link_collection(checkout)
    setup.link_collection(checkout)
    link = checkout / "build" / "collections" / "ansible_collections" / "mshare" / "fleet"
    assert link.is_symlink()
    assert link.resolve() == checkout
