"""`mshare kernel build`, all of it, on a toy kernel."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kernel_toy import REPO, STAMP, VERSION, Toy, make_toy

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.kernel import store
from mshare_pkg.kernel.files import sha256_of
from mshare_pkg.kernel.source import Source, fetch


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    return make_toy(tmp_path, monkeypatch)


def said(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def field(deb: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "-f", deb, name], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_build_json_and_packages(toy: Toy) -> None:
    build = toy.build()
    out = toy.root / "out"
    assert build["schema"] == 1
    assert build["release"] == "6.12.99-mshare1-vm"
    assert build["base"] == {
        "series": "6.12",
        "upstream": "6.12.99",
        "source_package": "linux-source-6.12",
        "source_version": VERSION,
    }
    assert (build["flavour"], build["architecture"], build["revision"]) == ("vm", "amd64", 1)
    assert [patch["name"] for patch in build["patches"]] == ["kconfig.patch", "fault.patch"]
    assert build["toolchain"].keys() == {"gcc", "ld"}
    packages = {package["kind"]: package for package in build["packages"]}
    assert packages.keys() == {"image", "headers", "meta", "dev", "tools"}
    version = f"{VERSION}+mshare1"
    assert {
        kind: (package["name"], package["version"]) for kind, package in packages.items() if kind != "tools"
    } == {
        "image": ("linux-image-6.12.99-mshare1-vm", version),
        "headers": ("linux-headers-6.12.99-mshare1-vm", version),
        "meta": ("linux-image-mshare-vm", version),
        "dev": ("mshare-dev", version),
    }
    for package in packages.values():
        deb = out / package["path"]
        assert sha256_of(deb) == package["sha256"]
        assert deb.stat().st_size == package["size"]
        assert (field(deb, "Package"), field(deb, "Version")) == (package["name"], package["version"])
    meta = out / packages["meta"]["path"]
    assert field(meta, "Depends") == f"linux-image-6.12.99-mshare1-vm (= {version})"
    assert hashlib.sha256((out / build["config"]).read_bytes()).hexdigest() == build["config_sha256"]
    notes = subprocess.run(
        ["readelf", "-n", out / build["vmlinuz"]], check=True, capture_output=True, text=True
    )
    assert build["build_id"] in notes.stdout
    assert not toy.works(), "the work tree goes when the build is done"


def test_files_of_packages(toy: Toy) -> None:
    build = toy.build()
    found = {}
    for package in build["packages"]:
        deb = toy.root / "out" / package["path"]
        listing = said("dpkg-deb", "-c", deb)
        assert "root/root" in listing
        found[package["kind"]] = listing
    assert "./boot/vmlinuz-6.12.99-mshare1-vm" in found["image"]
    assert (
        "./lib/modules/6.12.99-mshare1-vm/build -> /usr/src/linux-headers-6.12.99-mshare1-vm"
        in found["headers"]
    )
    assert "./usr/include/linux/msharefs.h" in found["dev"]
    assert "./usr/share/doc/mshare-dev/examples/create.c" in found["dev"]


def test_examples_compile_against_the_package(toy: Toy) -> None:
    """With the header that the package installs, before any other of the machine."""
    source, header, samples = toy.kernel / "src", "include/uapi/linux/msharefs.h", "samples/mshare"
    (source / "mm/mshare.c").write_text("int mshare_fault(int address) { return address; }\n")
    shutil.copy(REPO / "kernel/src" / header, source / header)
    shutil.rmtree(source / samples)
    shutil.copytree(REPO / "kernel/src" / samples, source / samples)
    build = toy.build()
    (dev,) = [package for package in build["packages"] if package["kind"] == "dev"]
    root = toy.root / "dev"
    said("dpkg-deb", "-x", toy.root / "out" / dev["path"], root)
    examples = sorted((root / "usr/share/doc/mshare-dev/examples").glob("*.c"))
    assert [path.name for path in examples] == ["mshare_attach.c", "mshare_create.c"]
    for example in examples:
        program = toy.root / example.stem
        said("gcc", "-Wall", "-Wextra", "-Werror", "-isystem", root / "usr/include", "-o", program, example)
        done = subprocess.run([program], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "usage:" in done.stderr
    with_header = said("gcc", "-M", "-isystem", root / "usr/include", examples[1])
    assert str(root / "usr/include/linux/msharefs.h") in with_header


def test_same_inputs_are_not_built_again(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    first = toy.build()
    monkeypatch.setenv("FAKELINUX_STOP", "1")  # any compile would fail from here on
    assert toy.build(output="other") == first
    assert toy.downloads() == 1


def test_same_inputs_elsewhere_give_the_same_bytes(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    first = toy.build()
    monkeypatch.setenv("MSHARE_CACHE", str(toy.cache) + "-of-another-machine")
    monkeypatch.setenv("MSHARE_DATA", str(toy.data) + "-of-another-machine")
    monkeypatch.setenv("KCFLAGS", "-Wrong")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    assert toy.build() == first


def test_time_of_the_build_is_that_of_its_source(toy: Toy) -> None:
    build = toy.build()
    assert b"Tue Nov 14 22:13:20 UTC 2023" in (toy.root / "out" / build["vmlinuz"]).read_bytes(), STAMP


def test_changed_inputs_get_a_release_of_their_own(toy: Toy) -> None:
    first = toy.build()
    source = toy.kernel / "src/mm/mshare.c"
    before = source.read_text()
    source.write_text(before.replace("+", "-"))
    second = toy.build()
    assert second["release"] == "6.12.99-mshare2-vm"
    assert second["key"] != first["key"]
    assert sorted(path.name for path in (toy.root / "out").iterdir()) == [
        "build.json",
        "config-6.12.99-mshare2-vm",
        "packages",
        "vmlinuz-6.12.99-mshare2-vm",
    ], "what the earlier build left is gone"
    source.write_text(before)
    assert toy.build() == first


def test_revision_by_hand(toy: Toy) -> None:
    assert toy.build("--revision", "7")["release"] == "6.12.99-mshare7-vm"
    assert toy.build()["revision"] == 7
    (toy.kernel / "src/mm/another.c").write_text("/* new */\n")
    error = toy.fail("--revision", "7")
    assert isinstance(error, UserError)
    assert "other inputs" in error.message


def test_debug_flavour(toy: Toy) -> None:
    build = toy.build("--debug")
    assert build["release"] == "6.12.99-mshare1-vm-debug"
    assert build["flavour"] == "vm-debug"
    assert "linux-image-mshare-vm-debug" in [package["name"] for package in build["packages"]]
    assert "CONFIG_DEBUG_VM=y" in (toy.root / "out" / build["config"]).read_text()


def test_any_other_series(toy: Toy, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "series").write_text("# nothing at all\n")
    build = toy.build("--series", str(plain))
    assert build["patches"] == []
    assert "dev" not in [package["kind"] for package in build["packages"]]
    assert "CONFIG_MSHARE" not in (toy.root / "out" / build["config"]).read_text()
    (plain / "config").write_text("CONFIG_MSHARE=y\n")
    error = toy.fail("--series", str(plain))
    assert "CONFIG_MSHARE: wanted y, got absent" in error.message
    assert "config" in error.remedy


def test_a_series_that_goes_on_from_ours(toy: Toy, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(toy.kernel / "patches/6.12", more)
    build = toy.build("--series", str(more))
    assert [patch["name"] for patch in build["patches"]] == ["kconfig.patch", "fault.patch"]
    assert "dev" in [package["kind"] for package in build["packages"]]
    assert "CONFIG_MSHARE=y" in (toy.root / "out" / build["config"]).read_text()


def test_a_series_that_makes_the_files_itself(toy: Toy, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(toy.kernel / "patches/6.12", whole)
    made = [path for path in (toy.kernel / "src").rglob("*") if path.is_file()]
    for number, path in enumerate(made):
        text = path.read_text().splitlines(keepends=True)
        name = path.relative_to(toy.kernel / "src")
        lines = [f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(text)} @@\n", *("+" + line for line in text)]
        (whole / f"file{number}.patch").write_text("".join(lines))
        with (whole / "series").open("a") as series:
            series.write(f"file{number}.patch\n")
    build = toy.build("--series", str(whole))
    assert len(build["patches"]) == 2 + len(made)
    assert "CONFIG_MSHARE=y" in (toy.root / "out" / build["config"]).read_text()


def test_failing_hunk_leaves_nothing(toy: Toy) -> None:
    patch = toy.kernel / "patches/6.12/fault.patch"
    patch.write_text(patch.read_text().replace("address < 0", "address < 1"))
    error = toy.fail()
    assert isinstance(error, UserError)
    assert "fault.patch" in error.message
    assert "mm/memory.c: hunk #1" in error.message
    assert not toy.works()
    assert not (toy.root / "out").exists()


def test_lost_symbol(toy: Toy) -> None:
    with (toy.kernel / "config/vm.config").open("a") as file:
        file.write("CONFIG_NUMAS=y\nCONFIG_SWAP=n\nCONFIG_PANIC_TIMEOUT=11\n")
    (toy.kernel / "config/mshare.config").write_text("CONFIG_MSHARE=y\nCONFIG_MMU=n\n")
    error = toy.fail()
    assert isinstance(error, UserError)
    assert "CONFIG_NUMAS: wanted y, got absent" in error.message
    assert "CONFIG_MSHARE: wanted y, got absent" in error.message
    assert "CONFIG_SWAP" not in error.message


def test_interrupted_build_goes_on(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKELINUX_STOP", "1")
    error = toy.fail()
    assert isinstance(error, InfraError)
    assert "***" in error.message
    (work,) = toy.works()
    assert (work / "tree/mm/memory.o").is_file()
    monkeypatch.delenv("FAKELINUX_STOP")
    result = toy.run()
    assert result.exception is None
    assert "going on at 4 objects" in result.stderr
    log = store.place(json.loads(result.stdout)["key"]) / "compile.log"
    assert "CC" not in log.read_text()
    assert toy.downloads() == 1


def test_killed_build_goes_on(toy: Toy) -> None:
    """kill -9 while it compiles: make lives on, and the next run waits for it and takes its work."""
    gate = toy.root / "gate.h"
    os.mkfifo(gate)
    source = toy.kernel / "src/mm/mshare.c"
    source.write_text(f'#include "{gate}"\n{source.read_text()}')
    argv = [sys.executable, "-c", "from mshare_pkg.cli import main; main()", "kernel", "build"]
    argv += ["--output", str(toy.root / "out")]

    def compiling() -> bool:
        return any("mm/mshare.o" in (work / "compile.log").read_text() for work in toy.works())

    first = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    until(lambda: bool(toy.works()) and (toy.works()[0] / "compile.log").exists() and compiling())
    first.kill()
    first.wait()
    assert not (toy.root / "out").exists()
    second = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    time.sleep(1)  # long enough to run into the compiler that still waits, were there no lock
    threading.Thread(target=let_through, args=(gate,), daemon=True).start()
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 0, said
    assert "going on at" in said
    build = json.loads((toy.root / "out/build.json").read_text())
    assert build["release"] == "6.12.99-mshare1-vm"
    assert "mm/mshare.o" not in (store.place(build["key"]) / "compile.log").read_text(), "compiled twice"
    assert not toy.works()


def until(true: Callable[[], bool]) -> None:
    """Wait, at most a minute, until something is so."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def let_through(gate: Path) -> None:
    """Give everyone who reads a named pipe an empty file."""
    while gate.exists():
        gate.write_bytes(b"")
        time.sleep(0.02)


def test_inputs_that_change_meanwhile(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def edit_and_fetch(source: Source) -> None:
        (toy.kernel / "src/mm/mshare.c").write_text("int mshare_fault(int address) { return 1; }\n")
        fetch(source)

    monkeypatch.setattr("mshare_pkg.kernel.workspace.fetch", edit_and_fetch)
    error = toy.fail()
    assert isinstance(error, UserError)
    assert "changed while the build read them" in error.message
    assert not toy.works()


def test_compile_error_shows_the_line(toy: Toy) -> None:
    (toy.kernel / "src/mm/mshare.c").write_text("int mshare_fault(int address) { return nonsense; }\n")
    error = toy.fail()
    assert "mm/mshare.c:1:" in error.message
    assert "nonsense" in error.message


def test_tampered_cache_is_built_again(toy: Toy) -> None:
    first = toy.build()
    stored = store.place(first["key"])
    (deb,) = stored.glob("packages/linux-image-6*.deb")
    deb.write_bytes(deb.read_bytes() + b"!")
    result = toy.run()
    assert "damaged" in result.stderr
    assert json.loads(result.stdout) == first
    (stored / "manifest.json").write_text("[]")
    assert "damaged" in toy.run().stderr


def test_wrong_source_is_refused(toy: Toy) -> None:
    toy.offer(digest="0" * 64)
    error = toy.fail()
    assert isinstance(error, InfraError)
    assert "signed index says 000" in error.message


def test_damaged_source_in_the_cache_is_fetched_again(toy: Toy) -> None:
    toy.build()
    (deb,) = (toy.cache / "sources").glob("*/*.deb")
    deb.write_bytes(b"damaged")
    toy.build("--debug")
    assert toy.downloads() == 2


def test_apt_without_lists(toy: Toy) -> None:
    (toy.archive / "Packages").unlink()
    error = toy.fail()
    assert isinstance(error, InfraError)
    assert "apt-get update" in error.remedy


def test_source_out_of_bounds(toy: Toy) -> None:
    toy.offer(version="6.13.1-1")
    error = toy.fail()
    assert isinstance(error, UserError)
    assert "6.13.1" in error.message


def test_dry_run_writes_nothing(toy: Toy) -> None:
    result = toy.run("--dry-run")
    assert result.exception is None
    planned = json.loads(result.stdout)
    assert (planned["release"], planned["cached"]) == ("6.12.99-mshare1-vm", False)
    assert planned["config"] == ["vm.config", "mshare.config"]
    assert not (toy.root / "out").exists()
    assert not (toy.data / "releases.json").exists()
    toy.build()
    assert json.loads(toy.run("--dry-run").stdout)["cached"] is True


def test_two_at_once_compile_once(toy: Toy) -> None:
    argv = [sys.executable, "-c", "from mshare_pkg.cli import main; main()", "kernel", "build"]
    outputs = [str(toy.root / name) for name in ("one", "two")]
    processes = [
        subprocess.Popen([*argv, "--output", output], stderr=subprocess.PIPE, text=True) for output in outputs
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert "".join(errors).count("compile 6.12.99-mshare1-vm ...") == 1
    first, second = (json.loads((Path(output) / "build.json").read_text()) for output in outputs)
    assert first == second


def test_output_keeps_files_of_others(toy: Toy) -> None:
    out = toy.root / "out"
    out.mkdir()
    (out / "notes").write_text("mine\n")
    (out / "build.json").write_text(
        json.dumps({"packages": [{"path": "../secret"}], "vmlinuz": "x", "config": "y"})
    )
    (toy.root / "secret").write_text("keep\n")
    toy.build()
    assert (out / "notes").exists()
    assert (toy.root / "secret").exists()
