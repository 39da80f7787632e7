"""Ctrl-C and a request to end, kept back where they would leave work half recorded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

__all__ = ["DeferredInterrupt", "Terminated", "terminable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM."""


class DeferredInterrupt:
    """While entered, Ctrl-C and SIGTERM wait for `check`, or for the end.

    It may be entered again while it is, in another thread too: the program's handlers come back
    when the first to enter leaves. Only the main thread receives signals: in others, and where the
    program has no handler of its own in Python, nothing is changed.

    Examples
    --------
    >>> with DeferredInterrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print("goes on")
    ...     try:
    ...         interrupt.check()
    ...     except KeyboardInterrupt:
    ...         print("interrupted")
    goes on
    interrupted
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._pending: list[int] = []
        self._passing: list[bool] = []  # for each time it was entered, whether signals pass now

    def __enter__(self) -> DeferredInterrupt:
        """Begin to keep signals back."""
        if _in_main_thread():
            self._passing.append(False)
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler) and handler != self._receive:
                    self._previous[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the program's handlers, and let them have a signal that waits."""
        if not _in_main_thread():
            return
        self._passing.pop()
        if not self._passing:
            for number, handler in self._previous.items():
                if signal.getsignal(number) == self._receive:  # else the program set another
                    signal.signal(number, handler)
        self.check()

    def _receive(self, number: int, frame: Any) -> None:
        if not self._passing or self._passing[-1]:
            self._previous[number](number, frame)
        elif number not in self._pending:
            self._pending.append(number)

    def check(self) -> None:
        """Let the program's handlers have signals that wait; as a rule they raise."""
        while self._pending and _in_main_thread():
            number = self._pending.pop(0)
            self._previous[number](number, None)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let signals through at once, for code of others that may take long."""
        if not (self._passing and _in_main_thread()):
            yield
            return
        depth = len(self._passing) - 1
        self._passing[depth] = True
        try:
            self.check()
            yield
        finally:
            self._passing[depth] = False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`, as Ctrl-C raises KeyboardInterrupt.

    Examples
    --------
    >>> with terminable():
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except Terminated:
    ...         print("tidied up")
    tidied up
    """

    def end(number: int, frame: Any) -> None:
        raise Terminated

    if not _in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
