"""The errors fastmlp raises: one family, each also the built-in error a caller would expect."""

from __future__ import annotations

from collections.abc import Callable

__all__ = [
    "CheckpointWarning",
    "DataError",
    "DivergenceError",
    "DivergenceWarning",
    "FastMLPError",
    "InvalidTypeError",
    "InvalidValueError",
]


_LONGEST = 500  # characters of a value in a message


class FastMLPError(Exception):
    """Base of every error that fastmlp raises on purpose."""


class InvalidValueError(FastMLPError, ValueError):
    """An argument of the right type has a value or shape that cannot be used."""


class InvalidTypeError(FastMLPError, TypeError):
    """An argument has a type that cannot be used."""


class DataError(FastMLPError, ValueError):
    """A file is missing, damaged, or not what it claims to be."""


class DivergenceError(FastMLPError, ValueError):
    """Training produced values that are not finite."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the training goes on."""


class DivergenceWarning(UserWarning):
    """A loss ended far above the one training began with, or was not finite on validation data."""


def invalid(argument: str, expected: str, got: object) -> InvalidValueError:
    """Return the error for a bad value: names the argument, what was expected and what came.

    Examples
    --------
    >>> str(invalid("batch_size", "a positive integer", -3))
    'batch_size: expected a positive integer, got -3'
    """
    return InvalidValueError(f"{argument}: expected {expected}, got {shown(got)}")


def shown(got: object, form: Callable[[object], str] = str) -> str:
    """Return what came in words that fit a message: its beginning, where it is long.

    Examples
    --------
    >>> shown(-10**5000), len(shown("a" * 1000))
    ('an int of too many digits to show', 500)
    """
    try:
        text = form(got)
    except ValueError:  # Python writes no integer of more than 4300 digits
        kind = type(got).__name__
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} of too many digits to show"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def invalid_type(argument: str, expected: str, got: object) -> InvalidTypeError:
    """Return the error for a bad type; `got` is shown by the name of its type.

    Examples
    --------
    >>> str(invalid_type("epochs", "an integer", "ten"))
    'epochs: expected an integer, got str'
    """
    return InvalidTypeError(f"{argument}: expected {expected}, got {type(got).__name__}")
