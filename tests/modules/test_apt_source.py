"""The planner of a host's trust in the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils import mshare_apt_source as source
from plugins.module_utils.mshare_host import Reader

BARE: dict[str, Any] = {source.KEY: None, source.PIN: None, source.SOURCE: None, "lists": []}
LIST = "/var/lib/apt/lists/10.0.2.2:80_dists_mshare_InRelease"


def plan(found: dict[str, Any], url: str = "http://x") -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = source.plan_present(found, url, "mshare", ["main"], b"key")
    return actions


def after(found: dict[str, Any], actions: list[dict[str, Any]]) -> dict[str, Any]:
    """What a host has once the actions are carried out, and apt has fetched the index."""
    written = {one["path"]: source.content_of(one) for one in actions if one["do"] == "write"}
    return {**found, **written, "lists": [LIST]}


def test_bare_host() -> None:
    actions = plan(BARE)
    assert [one.get("path", one["do"]) for one in actions] == [source.KEY, source.PIN, source.SOURCE, "run"]
    assert b"Signed-By: /etc/apt/keyrings/mshare.gpg\n" in source.content_of(actions[2])


def test_noop_second_run() -> None:
    assert plan(after(BARE, plan(BARE))) == []


def test_new_address_is_written_and_fetched() -> None:
    actions = plan(after(BARE, plan(BARE)), "http://y")
    assert [one.get("path", one["do"]) for one in actions] == [source.SOURCE, "run"]


def test_index_that_was_never_fetched_is_fetched() -> None:
    actions = plan({**after(BARE, plan(BARE)), "lists": []})
    assert [one["do"] for one in actions] == ["run"]


def test_refused_repository_leaves_what_was_there() -> None:
    old = after(BARE, plan(BARE))
    assert after(old, source.plan_undo(plan(old, "http://y"), old)) == old
    assert {one["do"] for one in source.plan_undo(plan(BARE), BARE)} == {"remove"}


def test_absent() -> None:
    removed = [one["path"] for one in source.plan_absent(after(BARE, plan(BARE)))]
    assert removed == [source.SOURCE, source.PIN, source.KEY, LIST]
    assert source.plan_absent(BARE) == []


def test_read(tmp_path: Path) -> None:
    for name, text in ((source.KEY, "key"), (LIST, "")):
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True)
        path.write_text(text)
    found = source.read(Reader(str(tmp_path)), "mshare")
    assert (found[source.KEY], found[source.PIN], found["lists"]) == (b"key", None, [LIST])


@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="needs apt")
def test_pin_takes_the_project_s_packages_and_no_other(tmp_path: Path) -> None:
    for directory in ("lists", "parts"):
        (tmp_path / directory).mkdir()
    stanza = "Package: {}\nVersion: 9\nArchitecture: amd64\nFilename: ./x.deb\nSize: 1\nSHA256: {}\n\n"
    names = ("linux-image-6.12.117-mshare1-vm", "mshare-tools", "bash", "linux-image-amd64")
    lists = tmp_path / "lists"
    (lists / "x_dists_mshare_main_binary-amd64_Packages").write_text(
        "".join(stanza.format(name, "0" * 64) for name in names)
    )
    (lists / "x_dists_mshare_InRelease").write_text(
        "Origin: mshare\nLabel: mshare\nSuite: mshare\nCodename: mshare\nArchitectures: amd64\n"
        "Components: main\n"
        f"Date: Sun, 22 Nov 2026 00:00:00 UTC\nSHA256:\n {'0' * 64} 1 main/binary-amd64/Packages\n"
    )
    (tmp_path / "sources.list").write_text("deb [trusted=yes arch=amd64] http://x mshare main\n")
    (tmp_path / "pin").write_text(source.PIN_TEXT)
    (tmp_path / "status").touch()
    options = {
        "Dir::Etc::sourcelist": tmp_path / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": tmp_path / "pin",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State::lists": lists,
        "Dir::State::status": tmp_path / "status",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Architecture": "amd64",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(
        ["apt-cache", *words, "policy", *names],
        check=True,
        text=True,
        capture_output=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    found = dict(
        zip(
            names, [line.split()[1] for line in done.stdout.splitlines() if "Candidate:" in line], strict=True
        )
    )
    assert found == {names[0]: "9", "mshare-tools": "9", "bash": "(none)", "linux-image-amd64": "(none)"}
