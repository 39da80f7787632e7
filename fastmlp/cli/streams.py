"""Standard streams, in whatever state they were handed over."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

__all__ = ["mend_streams", "say"]


def mend_streams() -> None:
    """Make standard streams that can be written to: closed ones, and ones of few characters."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as `>&-` does
            # It takes the number of the closed one, which no other file gets then.
            setattr(sys, name, _nowhere(mode))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print one line to standard error, whatever the text holds, if it can be written to."""
    try:
        print(" ".join(text.splitlines()), file=sys.stderr, flush=True)
    except OSError:
        # What could not be written is still in its buffer, and would fail again at the exit.
        sys.stderr = _nowhere("w")


def _nowhere(mode: str) -> Any:
    """Return a stream that takes everything and gives nothing, open to the end of the process."""
    return open(os.devnull, mode, encoding="utf-8")
