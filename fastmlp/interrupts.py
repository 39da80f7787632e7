"""Ctrl-C, kept back where it would leave work half recorded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

__all__ = ["DeferredInterrupt"]


class DeferredInterrupt:
    """While entered, Ctrl-C waits for `check`, or for the end; elsewhere it is as it was.

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
        self._previous: Any = None
        self._pending = self._passing = False

    def __enter__(self) -> DeferredInterrupt:
        """Begin to keep Ctrl-C back."""
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self._previous = handler
            signal.signal(signal.SIGINT, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the program's handler, and let it have a Ctrl-C that waits."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        try:
            self.check()
        finally:
            self._previous = None

    def _receive(self, number: int, frame: Any) -> None:
        if self._passing:
            self._previous(number, frame)
        else:
            self._pending = True

    def check(self) -> None:
        """Let the program's handler have a Ctrl-C that waits; as a rule it raises."""
        if self._pending:
            self._pending = False
            self._previous(signal.SIGINT, None)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let Ctrl-C through at once, for code of others that may take long."""
        self._passing = True
        try:
            self.check()
            yield
        finally:
            self._passing = False
