"""The lint runner: all linters run, what one of them says is shown, nothing is left running."""

from __future__ import annotations

import sys
from pathlib import Path

from mshare_pkg.stages.checkpatch import stage
from mshare_pkg.stages.lint import Tool, report, run_all


def python(name: str, code: str) -> Tool:
    return Tool(name, (sys.executable, "-c", code))


def test_all_run_and_only_findings_are_shown(tmp_path: Path) -> None:
    tools = [python("good", "print('fine')"), python("bad", "print('line 3 is long'); raise SystemExit(1)")]
    verdicts = run_all(tools, tmp_path, tmp_path / "logs")
    assert [verdict.exit_code for verdict in verdicts] == [0, 1]
    text = report(verdicts)
    assert "line 3 is long" in text
    assert "fine" not in text
    assert [line.split()[-1] for line in text.splitlines()[-2:]] == ["clean", "FAILED"]
    assert (tmp_path / "logs" / "good.log").read_text() == "fine\n"


def test_checkpatch_sees_files_where_they_stand_in_a_kernel(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    for name in ("src/mm/mshare.c", "src/notes.txt", "selftests/mshare/map.c", "patches/6.12/hook.patch"):
        (kernel / name).parent.mkdir(parents=True, exist_ok=True)
        (kernel / name).write_text("x\n")
    tree = tmp_path / "tree"
    (tree / "stale").mkdir(parents=True)
    assert stage(kernel, tree) == {
        "mm/mshare.c": "src/mm/mshare.c",
        "tools/testing/selftests/mshare/map.c": "selftests/mshare/map.c",
    }
    assert not (tree / "stale").exists()
