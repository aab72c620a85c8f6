"""A lab's life: what a failed or interrupted start leaves, and what taking it down removes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab_fakes import fake_lab, processes_of

from mshare_pkg.errors import InfraError, UserError
from mshare_pkg.lab import Lab


def test_failed_start_shows_the_consoles_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_lab(tmp_path, monkeypatch, "die")
    lab = Lab(tmp_path / "lab")
    with pytest.raises(InfraError) as caught:
        lab.up(2, tmp_path / "repo", cold=True)
    assert str(caught.value).count("Kernel panic - not syncing") == 2
    assert "mshare-lab-1 did not come up: its QEMU ended" in str(caught.value)
    assert processes_of(lab.directory) == []
    left = {str(path.relative_to(lab.directory)) for path in lab.directory.rglob("*") if path.is_file()}
    assert left == {
        "hosts/mshare-lab-1/console.log",
        "hosts/mshare-lab-2/console.log",
        "web/access.log",
    }
    lab.down()
    assert not lab.directory.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_interrupted_start_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    cache = fake_lab(tmp_path, monkeypatch, "hang")
    program = (
        "import sys; from pathlib import Path\n"
        "from mshare_pkg.lab import image; from mshare_pkg.cli import main\n"
        "image.obtain = lambda: Path(sys.argv[1]); main(['lab', 'up', '--cold', '--dir', sys.argv[2]])"
    )
    directory = tmp_path / "lab"
    command = [sys.executable, "-c", program, cache / "lab/images/base", directory]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while len(list(directory.glob("hosts/*/pid"))) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert processes_of(directory) == []
    assert not list(directory.glob("lab.json"))


def test_killed_start_is_cleaned_up_by_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_lab(tmp_path, monkeypatch, "hang")
    place = tmp_path / "lab/hosts/mshare-lab-1"
    place.mkdir(parents=True)
    argv = ["-pidfile", str(place / "pid"), "-chardev", f"file,id=console,path={place / 'console.log'}"]
    subprocess.run(["qemu-system-x86_64", *argv], check=True)
    assert len(processes_of(place)) == 1
    lab = Lab(tmp_path / "lab")
    with pytest.raises(UserError, match="part of one"):
        lab.up(1, tmp_path / "repo")
    lab.down()
    assert processes_of(place) == []
    assert not lab.directory.exists()
    lab.down()


def test_down_leaves_what_is_not_the_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/notes").write_text("mine")
    Lab(tmp_path / "lab").down()
    assert (tmp_path / "lab/notes").read_text() == "mine"


def test_a_lab_that_is_not_up_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no lab is up"):
        _ = Lab(tmp_path / "lab").hosts


def test_a_directory_that_ssh_could_not_quote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot live in"):
        Lab(tmp_path / "my lab")


def test_a_stranger_with_our_pid_is_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSHARE_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "lab/hosts/mshare-lab-1"
    place.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (place / "pid").write_text(f"{stranger.pid}\n")
        Lab(tmp_path / "lab").down()
        assert stranger.poll() is None
        os.kill(stranger.pid, signal.SIGKILL)
    assert not (tmp_path / "lab").exists()
