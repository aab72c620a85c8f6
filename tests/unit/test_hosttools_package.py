"""The package mshare-tools: reproducible, complete, and what is in it runs."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mshare_pkg import __version__
from mshare_pkg.hosttools import build_deb
from mshare_pkg.paths import project_root

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry of releases that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("data")
        patch.setenv("MSHARE_DATA", str(path))
        yield path


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_deb(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def tree(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package."""
    path = tmp_path_factory.mktemp("tree")
    subprocess.run(["dpkg-deb", "-x", deb, path], check=True)
    return path


@pytest.fixture
def mshare(tree: Path) -> Run:
    """Run the packaged command with the Python that runs the tests, without their packages."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", tree / "usr/bin/mshare", *map(str, arguments)],
            env={"PYTHONPATH": str(tree / "usr/lib/python3/dist-packages"), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_same_inputs_same_bytes(deb: Path, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        again = build_deb(tmp_path)
    finally:
        os.umask(old)
    assert again.name == deb.name == f"mshare-tools_{__version__}+mshare1_all.deb"
    assert again.read_bytes() == deb.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [deb.name]


def test_other_content_has_a_higher_version(
    deb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "plugins/module_utils"
    shutil.copytree(project_root() / "plugins/module_utils", changed)
    with next(iter(sorted(changed.glob("mshare_*.py")))).open("a") as source:
        source.write("# one more line\n")
    monkeypatch.setattr("mshare_pkg.hosttools.package.project_root", lambda: tmp_path)
    other = build_deb(tmp_path / "out")
    assert other.name == f"mshare-tools_{__version__}+mshare2_all.deb"
    monkeypatch.undo()
    assert build_deb(tmp_path / "again").name == deb.name


def test_control(deb: Path) -> None:
    shown = subprocess.run(["dpkg-deb", "-f", deb], capture_output=True, text=True, check=True).stdout
    assert (
        f"Version: {__version__}+mshare1\n" in shown
        and "Depends: python3" in shown
        and "@" + "VERSION" not in shown
    )


def test_owners_and_modes(deb: Path) -> None:
    listing = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=5) for line in listing.splitlines()]
    assert {row[1] for row in rows} == {"root/root"}
    assert {row[0] for row in rows if row[0][0] == "-" and row[5] != "./usr/bin/mshare"} == {"-rw-r--r--"}
    assert {row[0] for row in rows if row[0][0] == "d"} == {"drwxr-xr-x"}
    assert "./etc/mshare/regions.d/" in {row[5] for row in rows}


def test_every_module_imports_without_other_packages(tree: Path) -> None:
    packages = tree / "usr/lib/python3/dist-packages"
    names = sorted(path.stem for path in (packages / "mshare_tools").glob("*.py"))
    lines = "\n".join(f"import mshare_tools.{name}" for name in names)
    code = f"import sys; sys.path.append({str(packages)!r})\n{lines}"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], check=True)


def test_programs_that_units_start_are_there(tree: Path) -> None:
    units = sorted((tree / "usr/lib/systemd/system").iterdir())
    assert {"mshare-region@.service", "mshare-regions.slice"} <= {unit.name for unit in units}
    for unit in units:
        for line in unit.read_text().splitlines():
            if line.startswith("Exec"):
                argv = line.partition("=")[2].split()
                if "-m" in argv:
                    name = argv[argv.index("-m") + 1].replace(".", "/")
                    assert (tree / f"usr/lib/python3/dist-packages/{name}.py").is_file()
                else:
                    assert (tree / argv[0].lstrip("/")).is_file()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_units(tree: Path, tmp_path: Path) -> None:
    places = [tree / "usr/lib/systemd/system", tmp_path]
    (tmp_path / "database.service").write_text(
        "[Unit]\nRequires=mshare-region@pg-data.service\nAfter=mshare-region@pg-data.service\n"
        "[Service]\nExecStart=/bin/true\n"
    )
    for unit in places[0].iterdir():  # the paths of programs are checked too
        text = unit.read_text().replace("/usr/bin/mshare", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    checked = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            tmp_path / "database.service",
            tmp_path / "mshare-region@db.service",
        ],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "mshare" in line or "database" in line]
    assert checked.returncode == 0 and ours == [], checked.stderr


def test_man_page_names_every_command(tree: Path) -> None:
    page = gzip.decompress((tree / "usr/share/man/man8/mshare-region.8.gz").read_bytes()).decode()
    for word in ("list", "show", "ensure", "remove"):
        assert f".It Cm {word}" in page


def test_exit_codes_and_remedies(mshare: Run, tmp_path: Path) -> None:
    assert mshare().returncode == 2
    assert "usage" in mshare("--help").stdout
    assert mshare("region", "frobnicate").returncode == 2
    no_mount = mshare("region", "list", "--root", tmp_path)
    assert no_mount.returncode == 3 and "no msharefs is mounted" in no_mount.stderr
    assert "what to do: run: mount -t msharefs" in no_mount.stderr
    undeclared = mshare("region", "ensure", "db", "--declarations", tmp_path)
    assert undeclared.returncode == 2 and "is not declared" in undeclared.stderr
    bad_name = mshare("region", "show", "../etc")
    assert bad_name.returncode == 2 and "cannot be the name of a region" in bad_name.stderr


def test_check_tells_the_plan_as_json(mshare: Run, tmp_path: Path) -> None:
    (tmp_path / "db.json").write_text(json.dumps({"size": "1G", "objects": [{"size": "2M"}]}))
    (tmp_path / "bad.json").write_text('{"name": "other"}')
    options = ("--check", "--json", "--declarations", tmp_path, "--root", tmp_path)
    told = mshare("region", "ensure", r"d\x62", *options)
    assert told.returncode == 1
    assert [step["do"] for step in json.loads(told.stdout)[0]["steps"]] == ["create", "size", "map"]
    both = mshare("region", "ensure", "--all", *options)
    assert both.returncode == 2 and "file and name must agree" in both.stderr
    assert [one["name"] for one in json.loads(both.stdout)] == ["bad", "db"]


def test_removing_what_is_not_there_is_done(mshare: Run, tmp_path: Path) -> None:
    gone = mshare("region", "remove", "db", "--root", tmp_path)
    assert gone.returncode == 0 and "nothing to do" in gone.stdout
