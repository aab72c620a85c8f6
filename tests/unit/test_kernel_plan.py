"""What a build is made of and called: bases, configuration, tools, keys and releases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.kernel import base as bases
from mshare_pkg.kernel import config
from mshare_pkg.kernel.files import locked
from mshare_pkg.kernel.inputs import Request, build_key, gather
from mshare_pkg.kernel.releases import choose, release_name
from mshare_pkg.kernel.source import Source
from mshare_pkg.kernel.toolchain import check_tools

REPO = Path(__file__).resolve().parents[2]
DATA: dict[str, Any] = {
    "upstream": ">=6.12.90,<6.13",
    "source_package": "linux-source-6.12",
    "architectures": ["amd64"],
    "flavours": ["vm"],
    "expected_objects": 1,
    "tools": {"gcc": "gcc", "flex": "flex"},
    "headers": {"gelf.h": "libelf-dev"},
}
BASE = bases.parse("6.12", DATA, "test")


@pytest.mark.parametrize("path", sorted((REPO / "kernel/bases").glob("*.toml")), ids=lambda path: path.stem)
def test_bases_of_the_checkout(path: Path) -> None:
    base = bases.load(path.stem, REPO)
    for flavour in base.flavours:
        assert (REPO / "kernel/config" / f"{flavour}.config").is_file()


@pytest.mark.parametrize("path", sorted((REPO / "kernel/bases").glob("*.toml")), ids=lambda path: path.stem)
def test_setup_installs_what_bases_need(path: Path) -> None:
    base = bases.load(path.stem, REPO)
    listed = {line.split("#")[0].strip() for line in (REPO / "packages.txt").read_text().splitlines()}
    everywhere = {"apt", "dpkg", "gzip", "tar"}
    by_build_essential = {"gcc", "binutils"}
    needed = {*base.tools.values(), *base.headers.values()} - everywhere - by_build_essential
    assert needed <= listed
    assert "build-essential" in listed


@pytest.mark.parametrize("version", ["6.12.90", "6.12.117"])
def test_upstream_within(version: str) -> None:
    BASE.check_upstream(version)


@pytest.mark.parametrize("version", ["6.12.89", "6.13", "6.1.100", "next"])
def test_upstream_outside(version: str) -> None:
    with pytest.raises(UserError, match="not within"):
        BASE.check_upstream(version)


def test_upstream_of_debian_versions() -> None:
    assert bases.upstream_version("6.12.117-1~deb12u1") == "6.12.117"
    assert bases.upstream_version("1:6.1.2-rc1-3") == "6.1.2-rc1"


@pytest.mark.parametrize(
    "change", [{"upstream": 6}, {"upstream": "about 6"}, {"tools": []}, {"unknown": 1}], ids=str
)
def test_bad_base(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="somewhere"):
        bases.parse("6.12", {**DATA, **change}, "somewhere")


@pytest.mark.parametrize("name", ["6.99", "../6.12", ""])
def test_no_such_base(name: str) -> None:
    with pytest.raises(UserError, match="no kernel base") as caught:
        bases.load(name, REPO)
    assert "6.12" in caught.value.remedy


def test_no_such_flavour() -> None:
    with pytest.raises(UserError, match="no flavour 'cloud'"):
        BASE.check_flavour("cloud")


def test_missing_tools_name_their_packages() -> None:
    with pytest.raises(InfraError, match=r"flex, gelf\.h") as caught:
        check_tools(BASE, which=lambda tool: None if tool == "flex" else tool, header=lambda _: False)
    assert "apt-get install flex libelf-dev" in caught.value.remedy


def test_all_tools_there() -> None:
    check_tools(BASE, which=lambda tool: tool, header=lambda _: True)


def test_config_is_read() -> None:
    text = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C="x y"\n# comment\nCONFIG_D=n\nCONFIG_E=0x10\n'
    assert config.parse(text) == {
        "CONFIG_A": "n",
        "CONFIG_B": "y",
        "CONFIG_C": '"x y"',
        "CONFIG_D": "n",
        "CONFIG_E": "0x10",
    }


def test_lost_symbols() -> None:
    wanted = {"CONFIG_A": "y", "CONFIG_B": "n", "CONFIG_C": "n", "CONFIG_D": "10", "CONFIG_E": "y"}
    got = {"CONFIG_A": "y", "CONFIG_B": "y", "CONFIG_D": "5"}
    assert config.lost(wanted, got) == [
        ("CONFIG_B", "n", "y"),
        ("CONFIG_D", "10", "5"),
        ("CONFIG_E", "y", "absent"),
    ]


def test_fragments_of_the_checkout_name_kconfig_files() -> None:
    for path in (REPO / "kernel/config").glob("*.config"):
        groups = path.read_text().split("\n\n")
        for group in groups:
            if config.parse(group):
                assert "Kconfig" in group.splitlines()[0], f"{path.name}: {group.splitlines()[0]}"
    merged = config.merge([REPO / "kernel/config" / name for name in ("vm.config", "mshare.config")])
    assert "m" not in merged.values()
    assert merged["CONFIG_PANIC_TIMEOUT"] == "10"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    files = {
        "config/vm.config": "CONFIG_A=y\n",
        "config/mshare.config": "CONFIG_MSHARE=y\n",
        "config/debug.config": "CONFIG_B=y\n",
        "patches/6.12/series": "a.patch\n",
        "patches/6.12/a.patch": "--- a/x\n+++ b/x\n",
        "src/mm/mshare.c": "int x;\n",
    }
    for name, text in files.items():
        path = tmp_path / "kernel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


SOURCE = Source("linux-source-6.12", "6.12.117-1", "ab" * 32, Path("x.deb"))


def key_of(request: Request, source: Source = SOURCE, toolchain: str = "12") -> str:
    return gather(request, source, "amd64", {"gcc": toolchain}).key()


CHANGES: dict[str, Callable[[Path], object]] = {
    "patch": lambda kernel: (kernel / "patches/6.12/a.patch").write_text("--- a/y\n+++ b/y\n"),
    "order": lambda kernel: (kernel / "patches/6.12/series").write_text("# nothing\n"),
    "new file": lambda kernel: (kernel / "src/mm/more.c").write_text(""),
    "changed file": lambda kernel: (kernel / "src/mm/mshare.c").write_text("long x;\n"),
    "configuration": lambda kernel: (kernel / "config/vm.config").write_text("CONFIG_A=n\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_key_follows_content(checkout: Path, change: Callable[[Path], object]) -> None:
    request = Request(checkout, BASE, "vm")
    before = key_of(request)
    assert key_of(request) == before
    change(checkout / "kernel")
    assert key_of(request) != before


def test_key_follows_source_tools_and_flavour(checkout: Path) -> None:
    request = Request(checkout, BASE, "vm")
    keys = {
        key_of(request),
        key_of(request, replace(SOURCE, sha256="cd" * 32)),
        key_of(request, toolchain="13"),
        key_of(replace(request, debug=True)),
    }
    assert len(keys) == 4
    assert key_of(replace(request, revision=5)) in keys, "a release is no input"
    assert build_key("a", "one") != build_key("a", "two")


def test_key_ignores_places(checkout: Path, tmp_path: Path) -> None:
    ours = Request(checkout, BASE, "vm")
    by_name = replace(ours, series=checkout / "kernel/patches/6.12", src=checkout / "kernel/src")
    assert key_of(ours) == key_of(by_name)
    assert key_of(ours) == key_of(ours, replace(SOURCE, path=tmp_path / "elsewhere.deb"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"src": Path("/nonexistent")}, "no directory /nonexistent"),
        ({"series": Path("/nonexistent")}, "no file `series`"),
        ({"flavour": "metal"}, "no flavour"),
    ],
    ids=["src", "series", "flavour"],
)
def test_missing_inputs(checkout: Path, wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        key_of(replace(Request(checkout, BASE, "vm"), **wanted))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MSHARE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_releases_are_given_once(data: Path) -> None:
    assert choose("6.12.1", "vm", "a", None) == 1
    assert choose("6.12.1", "vm", "b", None) == 2
    assert choose("6.12.1", "vm", "a", None) == 1
    assert choose("6.12.1", "vm-debug", "c", None) == 1
    assert choose("6.12.2", "vm", "a", None) == 1
    assert choose("6.12.1", "vm", "d", 9) == 9
    assert choose("6.12.1", "vm", "d", None) == 9
    assert choose("6.12.1", "vm", "e", None) == 10
    assert json.loads((data / "releases.json").read_text())["6.12.1-mshare9-vm"] == "d"


def test_a_taken_release_is_refused(data: Path) -> None:
    choose("6.12.1", "vm", "a", 3)
    assert choose("6.12.1", "vm", "a", 3) == 3
    with pytest.raises(UserError, match="belongs to a build with other inputs"):
        choose("6.12.1", "vm", "b", 3)
    assert data.is_dir()


def test_a_choice_may_be_left_unwritten(data: Path) -> None:
    assert choose("6.12.1", "vm", "a", None, register=False) == 1
    assert not (data / "releases.json").exists()


def test_broken_registry(data: Path) -> None:
    data.mkdir()
    (data / "releases.json").write_text("{")
    with pytest.raises(UserError, match=r"releases\.json"):
        choose("6.12.1", "vm", "a", None)


def test_release_name() -> None:
    assert release_name("6.12.117", 1, "vm") == "6.12.117-mshare1-vm"
    assert SpecifierSet(DATA["upstream"]).contains("6.12.117")


def test_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with locked(path, waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(path):
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
