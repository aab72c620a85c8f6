"""What a person sees: progress bars on a terminal, plain lines in a pipe; all of it on standard error."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one line for a person."""
    console.print(text, markup=False)


def emit(data: object) -> None:
    """Print data as JSON on standard output, for `--json`."""
    click.echo(json.dumps(data, indent=2, sort_keys=True, default=str))


class Step:
    """A long piece of work that a person waits for; see `step`."""

    def __init__(self, title: str, progress: Progress | None, task: TaskID | None) -> None:
        self._title = title
        self._progress = progress
        self._task = task
        self._last = 0.0

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far the work is: `done` of `total` units; in a pipe, at most one line in 30 s."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total, note=note)
        elif time.monotonic() - self._last >= 30:
            self._last = time.monotonic()
            of = f"/{total:.0f}" if total else ""
            say(f"  {self._title}: {done:.0f}{of} {note}".rstrip())


@contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have a thread do `work` while the block runs; the event that it gets is set when the block is over."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def step(title: str, total: float | None = None) -> Iterator[Step]:
    """Show a long piece of work: a bar on a terminal, a line at its start and end in a pipe."""
    start = time.monotonic()
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            yield Step(title, progress, progress.add_task(title, total=total, note=""))
    else:
        say(f"{title} ...")
        yield Step(title, None, None)
    say(f"{title}: done in {time.monotonic() - start:.1f} s")
