"""The command line: `fastmlp train`, `evaluate`, `predict`, `reproduce`, `race`, `info`, `cache`.

Results go to standard output, progress and complaints to standard error. The exit status is

- 0 when all went well;
- 1 where a figure of `reproduce` lies outside its tolerance, or a contender of `bench` failed;
- 2 for a mistake of the user's, data that cannot be used, a training that diverged, and a file that
  could not be written, with a line for each that says which;
- 130 after Ctrl-C, 143 after SIGTERM in `train`, which saves what there is first, a checkpoint too;
- 141 where the reader of the output had had enough.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from fastmlp.cli.parser import build_parser
from fastmlp.cli.statuses import BROKEN_PIPE, INTERRUPTED, MISTAKE, OK
from fastmlp.cli.streams import mend_streams, say
from fastmlp.errors import FastMLPError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after `fastmlp`; None takes them from the process.

    Returns
    -------
    int
        The exit status.

    Examples
    --------
    >>> main(["--version"])
    fastmlp 0.1.0
    0
    """
    mend_streams()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            arguments = build_parser().parse_args(argv)
            status: int = arguments.run(arguments)
            sys.stdout.flush()
            return status
        except SystemExit as done:  # --help and --version
            return int(done.code or OK)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:  # the reader, `head` say, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except (FastMLPError, OSError, MemoryError) as error:
            say(f"fastmlp: error: {error or type(error).__name__}")
            return MISTAKE


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"fastmlp: warning: {message}")
