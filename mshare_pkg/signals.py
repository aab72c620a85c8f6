"""Being stopped: a signal ends work in an orderly way, and does not end the cleaning up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handled(handler: object) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals, and may say what they do
        return
    # What whoever started this has switched off stays off: nohup, and a shell's background jobs.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def stoppable() -> Iterator[None]:
    """In this block SIGTERM and SIGHUP do what Ctrl-C does: they raise KeyboardInterrupt."""
    with _handled(_interrupt):
        yield


@contextmanager
def deferred() -> Iterator[None]:
    """In this block Ctrl-C, SIGTERM and SIGHUP wait: what they do, they do at its end.

    For what must not be cut in two, such as starting a program and knowing which process it is.
    """
    noted: list[int] = []
    try:
        with _handled(lambda number, _frame: noted.append(number)):
            yield
    finally:
        if noted:
            signal.raise_signal(noted[0])


@contextmanager
def undisturbed() -> Iterator[None]:
    """In this block Ctrl-C, SIGTERM and SIGHUP do nothing."""
    with _handled(signal.SIG_IGN):
        yield
