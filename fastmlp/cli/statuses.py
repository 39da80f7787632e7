"""How the command line ends: its exit statuses, as README lists them."""

from __future__ import annotations

from typing import Final

__all__ = ["BROKEN_PIPE", "FAILED", "INTERRUPTED", "MISTAKE", "OK", "TERMINATED"]

OK: Final = 0
FAILED: Final = 1  # a figure outside its tolerance, a contender that failed
MISTAKE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143
