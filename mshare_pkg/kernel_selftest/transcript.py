"""What the guest tells on its second serial port while it runs: marks of its init, and TAP between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import tap

MARK = "@@ "


@dataclass
class ProgramRun:
    """One program's run. `exit_code` is None as long as it has not ended; `seconds` are the controller's."""

    name: str
    lines: list[str] = field(default_factory=list)
    exit_code: int | None = None
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def report(self) -> tap.Report:
        """What the program printed, parsed."""
        return tap.parse(self.lines)

    def problems(self) -> list[str]:
        """Why the run as a whole is no success; failed cases are not repeated here."""
        found = self.report.problems()
        failed = any(case.outcome == "failed" for case in self.report.cases)
        if self.exit_code is None:
            found.append("it never ended")
        elif self.exit_code == 128 + 9:
            found.append("it was killed: its time was over")
        elif self.exit_code != 0 and not failed and not found:
            found.append(f"its exit code is {self.exit_code}, though no test failed")
        elif self.exit_code == 0 and failed:
            found.append("its exit code is 0, though a test failed")
        return found


@dataclass
class Transcript:
    """All that the guest told so far; `done` is set by its last mark."""

    release: str = ""
    runs: list[ProgramRun] = field(default_factory=list)
    done: bool = False
    clock: Callable[[], float] = time.monotonic
    _rest: str = ""

    def feed(self, text: str) -> None:
        """Take in more of the text; a line that is not complete yet waits for the next call."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line.rstrip("\r"))

    def _take(self, line: str) -> None:
        if not line.startswith(MARK):
            if self.runs and self.runs[-1].exit_code is None:
                self.runs[-1].lines.append(line)
            return
        word, *rest = line.removeprefix(MARK).split()
        if word == "kernel":
            self.release = " ".join(rest)
        elif word == "begin":
            self.runs.append(ProgramRun(rest[0], started=self.clock()))
        elif word == "end" and self.runs and self.runs[-1].name == rest[0]:
            self.runs[-1].exit_code = int(rest[1])
            self.runs[-1].seconds = self.clock() - self.runs[-1].started
        elif word == "done":
            self.done = True


class Follower:
    """Reads a file that another program is writing, from where it was last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def more(self) -> str:
        """What was written since the last call; empty when there is nothing, or no file yet."""
        if not self._path.exists():
            return ""
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        self._offset += len(data)
        return data.decode(errors="replace")
