"""Readers of one word of the command line, each with its own complaint."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from fastmlp.names import HIDDEN

__all__ = [
    "activations", "at_least_two", "batch_size", "batch_sizes", "checked", "count", "fraction",
    "names", "not_negative", "positive", "seed", "share", "sizes",
]  # fmt: skip


def checked(kind: type, expected: str, accept: Callable[[Any], bool]) -> Callable[[str], Any]:
    """Return a reader of one word that says what it expected and what it got."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accept(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return read


count = checked(int, "a positive integer", lambda value: value > 0)
at_least_two = checked(int, "an integer of at least 2", lambda value: value > 1)
seed = checked(int, "an integer from 0 to 2**64 - 1", lambda value: 0 <= value < 2**64)
positive = checked(float, "a positive number", lambda value: 0 < value < math.inf)
not_negative = checked(float, "a number from 0 up", lambda value: 0 <= value < math.inf)
share = checked(float, "a number between 0 and 1", lambda value: 0 < value < 1)
fraction = checked(float, "a number from 0 to below 1", lambda value: 0 <= value < 1)


def activations(text: str) -> str | list[str]:
    """Return one name of an activation, or several.

    Examples
    --------
    >>> activations("relu"), activations("relu,gelu")
    ('relu', ['relu', 'gelu'])
    """
    given = names(text)
    for word in given or [text]:
        if word not in HIDDEN:
            expected = f"names among {', '.join(HIDDEN)}, with commas between them"
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return given if len(given) > 1 else given[0]


def names(text: str) -> list[str]:
    """Return words that commas divide.

    Examples
    --------
    >>> names("fastmlp, numpy")
    ['fastmlp', 'numpy']
    """
    return [word.strip() for word in text.split(",") if word.strip()]


def sizes(text: str) -> list[int]:
    """Return sizes of layers; there may be none.

    Examples
    --------
    >>> sizes("200,100"), sizes("none")
    ([200, 100], [])
    """
    if text.strip().lower() in ("", "none"):
        return []
    try:
        return [count(word) for word in text.split(",")]
    except argparse.ArgumentTypeError:
        expected = "positive integers with commas between them, or none"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from None


def batch_size(text: str) -> int | None:
    """Return a number of samples, or None for all of them.

    Examples
    --------
    >>> batch_size("32"), batch_size("full")
    (32, None)
    """
    if text == "full":
        return None
    try:
        return int(count(text))
    except argparse.ArgumentTypeError:
        expected = "a positive integer or full"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from None


def batch_sizes(text: str) -> list[int | None]:
    """Return different batch sizes.

    Examples
    --------
    >>> batch_sizes("1,32,full")
    [1, 32, None]
    """
    try:
        found = [batch_size(word.strip()) for word in text.split(",")]
        if len(set(found)) == len(found):
            return found
    except argparse.ArgumentTypeError:
        pass
    expected = "different positive integers, or full, with commas between them"
    raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
