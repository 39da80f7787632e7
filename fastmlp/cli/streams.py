"""Standard error, for what is said beside the results."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(text: str) -> None:
    """Print one line to standard error, whatever the text holds."""
    print(" ".join(text.splitlines()), file=sys.stderr, flush=True)
