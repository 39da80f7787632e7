"""Callbacks: what a program hangs into a training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastmlp.errors import InvalidTypeError, invalid_type

__all__ = ["Callbacks"]

EVENTS = ("on_train_begin", "on_step_end", "on_chunk_end", "on_epoch_end", "on_train_end")


class Callbacks:
    """The methods of a training's callbacks, by event.

    Parameters
    ----------
    callbacks : iterable of objects
        Each with any of the events as a method; an object with none is refused.

    Examples
    --------
    >>> class Stop:
    ...     def on_epoch_end(self, trainer, history):
    ...         return True
    >>> Callbacks([Stop()]).notify("on_epoch_end", None, None)
    True
    """

    def __init__(self, callbacks: Iterable[Any]) -> None:
        expected = f"objects with one of {', '.join(EVENTS)}"
        if not isinstance(callbacks, Iterable):
            raise invalid_type("callbacks", f"a sequence of {expected}", callbacks)
        self._methods: dict[str, list[Any]] = {event: [] for event in EVENTS}
        for callback in callbacks:
            methods = {event: getattr(callback, event, None) for event in EVENTS}
            if isinstance(callback, type):  # its methods would be called without an object
                got = f"the class {callback.__name__}; give an object, {callback.__name__}(...)"
                raise InvalidTypeError(f"callbacks: expected {expected}, got {got}")
            if not any(callable(method) for method in methods.values()):
                raise invalid_type("callbacks", expected, callback)
            for event, method in methods.items():
                if callable(method):
                    self._methods[event].append(method)

    def wants(self, event: str) -> bool:
        """Return whether a callback has a method for the event."""
        return bool(self._methods[event])

    def notify(self, event: str, *details: Any) -> bool:
        """Call all methods of an event; return whether one answered True, which means stop."""
        answers = [call(*details) for call in self._methods[event]]
        return any(answer is True for answer in answers)
