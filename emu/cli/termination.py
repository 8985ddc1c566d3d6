"""SIGTERM ends a run as Ctrl-C does: with a report of what there is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_TERMINATED = 128 + signal.SIGTERM  # as shells say it: 143


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; what handles Ctrl-C handles it."""


class Termination:
    """Whether SIGTERM has come."""

    has_come = False


@contextmanager
def termination_as_interrupt() -> Iterator[Termination]:
    """Raise `Terminated` on the first SIGTERM; a second one ends the process."""
    state = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield state  # only the main thread may set handlers
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        state.has_come = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield state
    finally:
        signal.signal(signal.SIGTERM, before)
