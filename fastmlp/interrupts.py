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

    Only the main thread receives signals: in others, and where the program has no handler of its
    own in Python, nothing is changed.

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
        self._passing = False

    def __enter__(self) -> DeferredInterrupt:
        """Begin to keep signals back."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
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
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        try:
            self.check()
        finally:
            self._previous = {}

    def _receive(self, number: int, frame: Any) -> None:
        if self._passing:
            self._previous[number](number, frame)
        else:
            self._pending.append(number)

    def check(self) -> None:
        """Let the program's handlers have signals that wait; as a rule they raise."""
        while self._pending:
            number = self._pending.pop(0)
            self._previous[number](number, None)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let signals through at once, for code of others that may take long."""
        self._passing = True
        try:
            self.check()
            yield
        finally:
            self._passing = False


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

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
