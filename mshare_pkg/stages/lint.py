"""`make lint`: every linter, two at a time; those that found something are shown whole at the end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..paths import project_root
from .runner import environment

#: How many linters run at the same time.
JOBS = 2


@dataclass(frozen=True)
class Tool:
    """A linter: its name, and the program that exits with 0 when there is nothing to say."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a linter said; `log` has its output."""

    tool: Tool
    exit_code: int
    seconds: float
    log: Path


#: The selftests' own flags, with which a warning of the compiler is an error.
_STRICT_COMPILE = (
    *("env", "CFLAGS=-O2 -Werror"),
    *("make", "-s", "-C", "kernel/selftests/mshare", "CC=gcc", "OUTPUT=../../../build/lint/selftests"),
)

#: The long ones first, so that the short ones fill the gaps.
TOOLS = (
    Tool("ansible-test", ("python", "-m", "mshare_pkg.stages.sanity")),
    Tool("checkpatch", ("python", "-m", "mshare_pkg.stages.checkpatch")),
    Tool("ansible-lint", ("ansible-lint", "--offline", "--profile", "production", "--nocolor")),
    Tool("mypy", ("mypy",)),
    Tool("compiler", _STRICT_COMPILE),
    Tool("changelog", ("antsibull-changelog", "lint")),
    Tool("yamllint", ("yamllint", "--strict", ".")),
    Tool("ruff", ("ruff", "check", ".")),
    Tool("ruff-format", ("ruff", "format", "--check", ".")),
)


def run_all(tools: Sequence[Tool], root: Path, logs: Path, jobs: int = JOBS) -> list[Verdict]:
    """Run linters, at most `jobs` at a time, and return what they said in the order given.

    Their programs are in our process group, so that a Ctrl-C reaches them; all have ended when this
    returns or raises.
    """
    logs.mkdir(parents=True, exist_ok=True)
    env = environment(root)
    waiting = list(tools)
    running: dict[Tool, tuple[subprocess.Popen[bytes], float]] = {}
    verdicts: dict[Tool, Verdict] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                tool = waiting.pop(0)
                with (logs / f"{tool.name}.log").open("wb") as log:
                    process = subprocess.Popen(
                        tool.argv,
                        cwd=root,
                        env=env,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                running[tool] = (process, time.monotonic())
            time.sleep(0.05)
            for tool, (process, start) in list(running.items()):
                if (code := process.poll()) is not None:
                    seconds = time.monotonic() - start
                    verdicts[tool] = Verdict(tool, code, seconds, logs / f"{tool.name}.log")
                    del running[tool]
    finally:
        for process, _ in running.values():
            process.terminate()
            process.wait()
    return [verdicts[tool] for tool in tools]


def report(verdicts: Sequence[Verdict]) -> str:
    """The output of those that found something, then a line for each linter."""
    parts = []
    for verdict in verdicts:
        if verdict.exit_code != 0:
            parts.append(f"== {verdict.tool.name} (exit code {verdict.exit_code})")
            parts.append(verdict.log.read_text(errors="replace").rstrip())
    for verdict in verdicts:
        word = "clean" if verdict.exit_code == 0 else "FAILED"
        parts.append(f"  {verdict.tool.name:<14} {verdict.seconds:>7.1f} s  {word}")
    return "\n".join(parts)


def main() -> int:
    """Run all linters of the checkout; the exit code is 1 when one of them has something to say."""
    root = project_root()
    try:
        verdicts = run_all(TOOLS, root, root / "build" / "logs" / "lint")
    except KeyboardInterrupt:
        return 130
    print(report(verdicts), flush=True)
    return int(any(verdict.exit_code != 0 for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
