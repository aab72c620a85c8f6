"""The stage runner: order, logs, exit codes, the clean-up that always runs, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mshare_pkg.errors import UserError
from mshare_pkg.stages.plan import Plan, Stage
from mshare_pkg.stages.runner import Runner


def script(name: str, code: str) -> Stage:
    return Stage(name, (sys.executable, "-c", code), "mend it")


def run(tmp_path: Path, plan: Plan) -> tuple[int, dict[str, object], list[str]]:
    said: list[str] = []
    record = tmp_path / "stages.json"
    code = Runner(tmp_path, tmp_path / "logs", said.append).run(plan, record)
    return code, json.loads(record.read_text()), said


def outcomes(record: dict[str, object]) -> list[tuple[str, str]]:
    stages = record["stages"]
    assert isinstance(stages, list)
    return [(stage["name"], stage["outcome"]) for stage in stages]


def test_passes_in_order_and_logs_what_was_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plan = Plan("p", (script("one", "print('3 passed in 0.1s')"), script("two", "print('two')")))
    code, record, said = run(tmp_path, plan)
    assert code == 0
    assert record["outcome"] == "passed"
    assert outcomes(record) == [("one", "passed"), ("two", "passed")]
    assert (tmp_path / "logs/p/one.log").read_text() == "3 passed in 0.1s\n"
    assert "3 passed in 0.1s\n" in capfd.readouterr().out
    assert "total" in said[-1]


def test_a_failure_stops_the_rest_names_the_log_and_cleans_up(tmp_path: Path) -> None:
    plan = Plan(
        "p",
        (script("bad", "print('page 3 is lost'); raise SystemExit(4)"), script("after", "")),
        (script("down", "print('down')"),),
    )
    code, record, said = run(tmp_path, plan)
    assert code == 4
    assert outcomes(record) == [("bad", "failed"), ("after", "not reached"), ("down", "passed")]
    text = "\n".join(said)
    assert "stage bad failed with exit code 4; its log: logs/p/bad.log" in text
    assert "what to do: mend it" in text
    assert said[-1].endswith("page 3 is lost"), "it can be all that a CI shows"


def test_a_failing_clean_up_fails_the_run(tmp_path: Path) -> None:
    code, record, _ = run(
        tmp_path, Plan("p", (script("good", ""),), (script("down", "raise SystemExit(3)"),))
    )
    assert code == 3
    assert record["outcome"] == "failed"


def test_there_is_nothing_to_clean_up_when_setup_failed(tmp_path: Path) -> None:
    plan = Plan("p", (script("setup", "raise SystemExit(3)"), script("lab", "")), (script("down", ""),))
    code, record, _ = run(tmp_path, plan)
    assert code == 3
    assert outcomes(record) == [("setup", "failed"), ("lab", "not reached")]


def test_a_missing_program_is_a_failed_stage(tmp_path: Path) -> None:
    code, record, _ = run(tmp_path, Plan("p", (Stage("none", ("/nonexistent/program",)),)))
    assert code == 127
    assert outcomes(record) == [("none", "failed")]


def test_what_a_stage_leaves_running_does_not_hold_it_up(tmp_path: Path) -> None:
    leave = "import subprocess as s; p = s.Popen(['sleep', '60']); print(p.pid)"
    start = time.monotonic()
    code, _, _ = run(tmp_path, Plan("p", (script("leaves", leave),)))
    os.kill(int((tmp_path / "logs/p/leaves.log").read_text()), signal.SIGKILL)
    assert code == 0
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_stage_and_the_clean_up_still_runs(
    tmp_path: Path, number: signal.Signals
) -> None:
    waits = (
        "import time\n"
        "try: print('up', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('tidied'); raise"
    )
    plan = Plan("p", (script("waits", waits), script("after", "")), (script("down", "print('down')"),))
    log = tmp_path / "logs/p/waits.log"

    def strike() -> None:
        while not (log.exists() and "up" in log.read_text()):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    striker = threading.Thread(target=strike)
    striker.start()
    code, record, _ = run(tmp_path, plan)
    striker.join()
    assert code == 128 + number
    assert "tidied" in log.read_text()
    assert outcomes(record) == [("waits", "interrupted"), ("after", "not reached"), ("down", "passed")]


def test_a_signal_while_a_stage_starts_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen

    def interrupted(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = popen(*args, **options)
        signal.raise_signal(signal.SIGINT)
        return process

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    start = time.monotonic()
    code, record, _ = run(tmp_path, Plan("p", (Stage("waits", ("sleep", "60")),)))
    assert code == 128 + signal.SIGINT
    assert outcomes(record) == [("waits", "interrupted")]
    assert time.monotonic() - start < 20


def test_cut_keeps_order_and_clean_up() -> None:
    plan = Plan("p", tuple(Stage(name, ("true",)) for name in "abc"), (Stage("down", ("true",)),))
    assert [stage.name for stage in plan.cut("b").stages] == ["b", "c"]
    assert [stage.name for stage in plan.cut(only=["c", "a"]).stages] == ["a", "c"]
    assert plan.cut("b").cleanup == plan.cleanup
    assert plan.cut(keep=True).cleanup == ()
    with pytest.raises(UserError, match="no stage 'x'"):
        plan.cut("x")


def test_the_command_needs_no_venv() -> None:
    """The stages module is what makes .venv, so it may import the standard library alone."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(root)!r}); import mshare_pkg.stages.__main__",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
