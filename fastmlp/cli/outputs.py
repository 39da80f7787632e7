"""Files that a command leaves: looked at before the work, written after it, each for itself."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fastmlp.cli.parser import DATA_SETS
from fastmlp.cli.statuses import MISTAKE
from fastmlp.cli.streams import say
from fastmlp.errors import FastMLPError, invalid
from fastmlp.output import check_writable

__all__ = ["Saved", "check_outputs", "save_each"]


class Saved(NamedTuple):
    """What came of writing files: paths by what they hold, and why others could not be written."""

    paths: dict[str, str]
    errors: list[str]

    def listing(self) -> str:
        """Return the paths as the rest of a line."""
        return "".join(f"; {what} saved to {path}" for what, path in self.paths.items())

    def status(self, otherwise: int) -> int:
        """Print a line for each error; return the exit status, `otherwise` if there are none."""
        sys.stdout.flush()  # the report comes first
        for error in self.errors:
            say(f"fastmlp: error: {error}")
        return MISTAKE if self.errors else otherwise


def check_outputs(arguments: Namespace, flags: Sequence[str]) -> None:
    """Refuse, before any work is done, what could not be written at its end."""
    taken = {} if arguments.data in DATA_SETS else {os.path.realpath(arguments.data): "DATA"}
    for flag in flags:
        path = getattr(arguments, flag)
        if path is None:
            continue
        check_writable(path)
        other = taken.setdefault(os.path.realpath(path), f"--{flag}")
        if other != f"--{flag}":
            raise invalid(f"--{flag}", f"a file other than that of {other}", path)
    if arguments.plot is not None:
        from fastmlp.plot import check_plot

        check_plot(arguments.plot)


def save_each(writers: Mapping[str, tuple[str | None, Callable[[str], object]]]) -> Saved:
    """Write each file that was asked for, also where another cannot be written.

    Parameters
    ----------
    writers : by what the file holds, its path, None where it was not asked for, and what writes it.

    Examples
    --------
    >>> def full(path):
    ...     raise FastMLPError(f"cannot write {path}: no space left on device")
    >>> save_each({"model": ("m", full), "history": ("h.csv", str), "plot": (None, str)})
    Saved(paths={'history': 'h.csv'}, errors=['cannot write m: no space left on device'])
    """
    saved = Saved({}, [])
    for what, (path, write) in writers.items():
        if path is None:
            continue
        try:
            write(path)
        except (FastMLPError, OSError, MemoryError) as error:
            saved.errors.append(str(error) or f"cannot write {path}: {type(error).__name__}")
        else:
            saved.paths[what] = path
    return saved
