"""Run the stages of a plan one after the other, clean up in any case, and tell what took how long."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import InfraError
from ..run import tail
from .plan import Plan, Stage
from .stream import Stopper, stream

#: Exit code of a stage whose program is missing, as a shell has it.
NOT_FOUND = 127


@dataclass(frozen=True)
class Done:
    """What became of a stage: `outcome` is passed, failed, interrupted or not reached; times in seconds."""

    name: str
    argv: tuple[str, ...]
    outcome: str
    seconds: float
    exit_code: int | None
    log: str


def environment(root: Path) -> dict[str, str]:
    """The environment of the stages: .venv first, Python unbuffered, this checkout's ansible.cfg."""
    env = dict(os.environ)
    env["PATH"] = f"{root / '.venv' / 'bin'}:{env.get('PATH', os.defpath)}"
    env["PYTHONUNBUFFERED"] = "1"
    env["ANSIBLE_CONFIG"] = str(root / "ansible.cfg")
    return env


def table(done: list[Done], total: float) -> str:
    """The stages with their times as text, a line each, the total last."""
    width = max([len(one.name) for one in done] + [len("total")])
    rows = [f"  {one.name:<{width}}  {one.seconds:>8.1f} s  {one.outcome}" for one in done]
    return "\n".join([*rows, f"  {'total':<{width}}  {total:>8.1f} s"])


def _has_tools(done: list[Done]) -> bool:
    """Whether setup did not fail: if it did, nothing was started, and there is nothing to clean up with."""
    return not any(one.name == "setup" and one.outcome != "passed" for one in done)


class Runner:
    """Runs plans in a checkout; logs go to `logs`, a directory for each plan."""

    def __init__(self, root: Path, logs: Path, say: Callable[[str], None]) -> None:
        self.root = root
        self.logs = logs
        self.say = say
        self.stopper = Stopper()

    def run(self, plan: Plan, record: Path) -> int:
        """Run a plan; write `record` (JSON, schema 1); return the exit code for the shell.

        The code is 0, that of the first stage that failed, or 128 plus the number of the stop signal.
        """
        begun = datetime.datetime.now(datetime.UTC)
        start = time.monotonic()
        folder = self.logs / plan.name
        folder.mkdir(parents=True, exist_ok=True)
        done: list[Done] = []
        with self.stopper.installed():
            for stage in plan.stages:
                failed = any(one.outcome != "passed" for one in done)
                reached = not failed and self.stopper.asked is None
                done.append(self._one(stage, folder) if reached else self._left_out(stage))
            # A second Ctrl-C must not leave machines behind.
            self.stopper.deaf = True
            done += [self._one(stage, folder) for stage in plan.cleanup if _has_tools(done)]
        total = time.monotonic() - start
        code = self._exit_code(done)
        record.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "schema": 1,
            "plan": plan.name,
            "created": begun.isoformat(timespec="seconds"),
            "outcome": "passed" if code == 0 else "interrupted" if self.stopper.asked else "failed",
            "seconds": round(total, 1),
            "stages": [asdict(one) for one in done],
        }
        record.write_text(json.dumps(document, indent=2) + "\n")
        self._close(plan, done, total)
        return code

    def _one(self, stage: Stage, folder: Path) -> Done:
        log = folder / f"{stage.name}.log"
        self.say(f"== {stage.name}: {shlex.join(stage.argv)}")
        asked_before = self.stopper.asked
        start = time.monotonic()
        try:
            code = stream(
                stage.argv, cwd=self.root, env=environment(self.root), log=log, stopper=self.stopper
            )
        except InfraError as error:
            log.write_text(f"{error}\n")
            self.say(str(error))
            code = NOT_FOUND
        seconds = time.monotonic() - start
        stopped = code != 0 and self.stopper.asked is not None and asked_before is None
        outcome = "interrupted" if stopped else "passed" if code == 0 else "failed"
        self.say(f"== {stage.name}: {outcome} after {seconds:.1f} s")
        where = str(log.relative_to(self.root)) if log.is_relative_to(self.root) else str(log)
        return Done(stage.name, stage.argv, outcome, round(seconds, 1), code, where)

    @staticmethod
    def _left_out(stage: Stage) -> Done:
        return Done(stage.name, stage.argv, "not reached", 0.0, None, "")

    def _exit_code(self, done: list[Done]) -> int:
        if self.stopper.asked is not None:
            return 128 + self.stopper.asked
        return next((one.exit_code or 1 for one in done if one.outcome == "failed"), 0)

    def _close(self, plan: Plan, done: list[Done], total: float) -> None:
        remedies = {stage.name: stage.remedy for stage in (*plan.stages, *plan.cleanup)}
        self.say(f"\n{plan.name}:\n{table(done, total)}")
        for one in done:
            if one.outcome == "failed":
                self.say(f"\nstage {one.name} failed with exit code {one.exit_code}; its log: {one.log}")
                self.say(f"  what to do: {remedies[one.name] or 'read the end of the log'}")
                # Again, here: who gets only the end of what was printed, as of many a CI, sees why.
                self.say(f"the end of that log:\n{tail((self.root / one.log).read_text(errors='replace'))}")
        if self.stopper.asked is not None:
            self.say(f"\nstopped by {self.stopper.asked.name}")
