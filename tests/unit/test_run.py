"""The subprocess gateway: output, errors that explain themselves, time-outs that leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mshare_pkg.errors import InfraError
from mshare_pkg.run import run, tail


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_result_has_output_and_argv() -> None:
    done = run([*python("import sys; print('out'); print('err', file=sys.stderr)"), "a b"], doing="trying")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 0)
    assert done.argv[-1] == "a b"


def test_stdin_environment_and_directory(tmp_path: Path) -> None:
    code = "import os; print(input(), os.environ['WORD'], os.getcwd())"
    done = run(python(code), doing="trying", stdin="hello\n", env={"WORD": "w"}, cwd=tmp_path)
    assert done.stdout == f"hello w {tmp_path}\n"


def test_standard_input_is_empty_when_none_is_given() -> None:
    assert run(python("import sys; print(repr(sys.stdin.read()))"), doing="trying").stdout == "''\n"


def test_a_failure_says_what_was_being_done_and_what_was_printed() -> None:
    with pytest.raises(InfraError) as caught:
        run(python("print('the reason'); raise SystemExit(7)"), doing="packing", remedy="free some space")
    text = str(caught.value)
    assert text.startswith("packing: exit code 7 from ")
    assert "the reason" in text
    assert text.endswith("what to do: free some space")


def test_unchecked_failures_are_results() -> None:
    assert run(python("raise SystemExit(7)"), doing="asking", check=False).returncode == 7


def test_a_missing_program_is_named() -> None:
    with pytest.raises(InfraError, match="asking: no-such-program is not there"):
        run(["no-such-program"], doing="asking")


def test_a_log_gets_both_streams(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); raise SystemExit(1)"
    with pytest.raises(InfraError, match=f"whole log: {log}"):
        run(python(code), doing="trying", log=log)
    assert log.read_text() == "out\nerr\n"


def test_a_time_out_kills_the_whole_group(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import pathlib, subprocess, time; child = subprocess.Popen(['sleep', '60']); "
        f"pathlib.Path({str(child)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    with pytest.raises(InfraError, match="waiting: no end after 2 s"):
        run(python(code), doing="waiting", timeout=2)
    pid = int(child.read_text())
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def test_a_signal_while_a_program_starts_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def interrupted(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **options))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(["sleep", "60"], doing="sleeping")
    assert started[0].poll() == -signal.SIGKILL


def _runs(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and pid != os.getpid()


def test_tail_keeps_the_last_lines() -> None:
    assert tail("a\nb\nc\n\n", 2) == "b\nc"
    assert tail("") == ""
