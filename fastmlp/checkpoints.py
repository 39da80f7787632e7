"""Checkpoints: a training on disk, to go on from after whatever ended it.

A checkpoint is a model file that holds the training besides: moments of the optimizer, state of
the random numbers, sums of the epoch under way, history. It is safetensors and JSON, read without
running code, and it is replaced as a whole: there is always one that can be read.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.buffers import aligned_zeros
from fastmlp.errors import CheckpointWarning, DataError, invalid
from fastmlp.history import COLUMNS
from fastmlp.network import Network
from fastmlp.optimizers import State
from fastmlp.output import OutputError, check_writable
from fastmlp.passes import updates_of
from fastmlp.persistence import read_tensors, write_tensors
from fastmlp.progress import Progress
from fastmlp.stopping import Best
from fastmlp.validation import check_flag, check_number

__all__ = ["Timetable", "read_checkpoint", "write_checkpoint"]

_MOMENTS = ("first", "second")
_COUNTS = ("epochs", "epochs_before", "steps_before", "n_samples")
# Of settings that older files do not name.
_SETTINGS_BEFORE = {
    "loss_constants": [],
    "dropout": 0.0,
    "input_size": 0.0,
    "multilabel": None, "schedule": None, "restore_best": False, "monitor": "loss",
}  # fmt: skip


class Timetable:
    """Where checkpoints of a training go, and when the next is due.

    Parameters
    ----------
    path : str, path or None
        None is for no checkpoints.
    every : float
        Seconds from one to the next.

    Attributes
    ----------
    current : bool
        Whether what is on disk is the training as it stands.
    """

    def __init__(self, path: str | os.PathLike[str] | None, every: float) -> None:
        self.path, self.every = path, every
        self.current = False
        self._last = -math.inf

    def begin(self) -> None:
        """Refuse a path that cannot be written; the first checkpoint is due `every` from now."""
        if self.path is not None:
            check_writable(self.path)
        self._last = time.monotonic()
        self.current = False

    def due(self) -> bool:
        """Return whether it is time for the next."""
        self.current = False
        return self.path is not None and time.monotonic() - self._last >= self.every

    def write(self, *what: Any) -> None:
        """Write one as `write_checkpoint` does; what hinders it is a warning, the old one stays."""
        if self.path is None or self.current:
            return
        try:
            write_checkpoint(self.path, *what)
            self.current = True
        except OutputError as error:
            warnings.warn(
                f"checkpoint: {error}; training goes on, and the last one that was written stays",
                CheckpointWarning,
                stacklevel=2,
            )
        finally:
            self._last = time.monotonic()


def write_checkpoint(
    path: str | os.PathLike[str],
    network: Network,
    state: State,
    settings: dict[str, Any],
    progress: Progress,
    records: NDArray[np.float64],
) -> None:
    """Write a training to a file, whole or not at all.

    Parameters
    ----------
    path : str or path
        Where to write; the folder must exist.
    network, state : Network, State
        Parameters, and what the optimizer remembers of them.
    settings : dict
        Of the trainer, by name: a training that goes on must have the same.
    progress : Progress
    records : ndarray (steps, 3)
        Of the finished steps of the epoch under way.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    # Where an epoch was left, the history has a row of what was done of it, which is not final.
    rows = progress.rows_before if progress.under_way else len(progress.history)
    columns = progress.history.to_dict()
    tensors = network.named(network.buffer)
    for name in _MOMENTS:
        buffer = getattr(state, name)
        if buffer.size:
            tensors |= network.named(buffer, f"{name}_")
    best = progress.best
    if best.parameters is not None:
        tensors |= network.named(best.parameters, "best_")
    tensors |= {f"history_{name}": np.array(columns[name][:rows], float) for name in COLUMNS}
    tensors["records"] = records
    tensors["marks"] = np.array(progress.marks, float).reshape(-1, 2)
    first = progress.first_loss
    training = {
        "settings": settings,
        "random": progress.drawn_from
        if progress.under_way
        else dict(progress.random.bit_generator.state),
        "under_way": progress.under_way,
        "seconds": progress.seconds,
        "best": best.value if math.isfinite(best.value) else None,
        "since_best": best.since,
        "planned_steps": progress.planned_steps,
        "first_loss": first if first is not None and math.isfinite(first) else None,
        **{name: getattr(progress, name) for name in _COUNTS},
    }
    if not progress.under_way:
        training["steps_before"] = state.steps
    write_tensors(path, tensors, network.description() | {"training": training})


def read_checkpoint(
    path: str | os.PathLike[str],
    network: Network,
    state: State,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Take a training from a file; `network`, `state` and `progress` change whole or not at all.

    Raises
    ------
    DataError
        The file is missing, damaged, or not a checkpoint.
    InvalidValueError
        It is one of another network, or of a training with other settings.
    """
    tensors, description = read_tensors(path)
    name = os.fspath(path)
    training = description.pop("training", None)
    if not isinstance(training, dict) or not isinstance(training.get("settings"), dict):
        raise DataError(f"{name}: expected a checkpoint, got a network without its training")
    theirs = _SETTINGS_BEFORE | description | training["settings"]
    for key, ours in (network.description() | settings).items():
        open_yet = (key, ours) in (("multilabel", None), ("input_size", 0.0))  # by the first fit
        if theirs.get(key) != ours and not open_yet:
            raise invalid(key, f"{theirs.get(key)!r}, as in {name}", repr(ours))
    try:
        multilabel = check_flag("multilabel", theirs["multilabel"], none=True)
        input_size = check_number("input_size", theirs["input_size"])
        parameters, *moments = _buffers(tensors, network, state)
        best = _best(tensors, training, network)
        found = _progress(tensors, training, settings["batch_size"])
        random = np.random.default_rng(0)
        random.bit_generator.state = training["random"]
        columns: dict[str, list[Any]] = {key: _column(tensors[f"history_{key}"]) for key in COLUMNS}
        columns["steps"] = [int(step) for step in columns["steps"]]
        rows = {len(column) for column in columns.values()}
        if len(rows) != 1:
            raise ValueError("columns of the history are of different lengths")
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{name}: expected a whole checkpoint, got {error!r}") from None
    network.buffer[:] = parameters
    network.multilabel, network.input_size = multilabel, input_size
    state.restore((*moments, found["steps_before"] + updates_of(found["records"])))
    for key, column in columns.items():
        getattr(progress.history, key)[:] = column
    for key, value in found.items():
        setattr(progress, key, value)
    progress.random, progress.rows_before, progress.best = random, rows.pop(), best
    progress.resumed = True


def _buffers(
    tensors: dict[str, NDArray[Any]], network: Network, state: State
) -> list[NDArray[Any]]:
    """Return parameters and moments, laid out as the network's."""
    buffers = []
    for name, like in (("", network.buffer), ("first_", state.first), ("second_", state.second)):
        buffer = aligned_zeros(like.size, network.dtype)
        if like.size:
            network.take(tensors, buffer, name)
        buffers.append(buffer)
    return buffers


def _best(
    tensors: dict[str, NDArray[Any]], training: dict[str, Any], network: Network
) -> Best:  # fmt: skip
    """Return the best epoch; older files have none."""
    value, since = training.get("best"), _count(training, "since_best", 0)
    if type(value) not in (int, float, type(None)) or not math.isfinite(value or 0):
        raise ValueError(f"best {value!r}")
    best = Best(math.inf if value is None else float(value), None, since)
    if "best_weights_0" in tensors:
        best.parameters = aligned_zeros(network.buffer.size, network.dtype)
        network.take(tensors, best.parameters, "best_")
    return best


def _count(training: dict[str, Any], key: str, missing: int | None = None) -> int:
    """Return a number of something; without one in the file, what it is where it is missing."""
    value = training[key] if missing is None else training.get(key, missing)
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{key} {value!r}")
    return value


def _column(values: NDArray[Any]) -> list[float]:
    if values.ndim != 1 or values.dtype != np.float64:
        raise ValueError(f"a column of the history of {values.dtype} {values.shape}")
    numbers: list[float] = values.tolist()
    return numbers


def _progress(
    tensors: dict[str, NDArray[Any]], training: dict[str, Any], batch_size: int | None
) -> dict[str, Any]:
    """Return the fields of `Progress` that stand in a file, after checking each."""
    found: dict[str, Any] = {key: _count(training, key) for key in _COUNTS}
    found["planned_steps"] = _count(training, "planned_steps", 0)
    if found["epochs_before"] > found["epochs"]:
        raise ValueError(f"epochs_before {found['epochs_before']!r}")
    seconds, first, under_way = (training[key] for key in ("seconds", "first_loss", "under_way"))
    if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
        raise ValueError(f"seconds {seconds!r}")
    if type(first) not in (int, float, type(None)) or type(under_way) is not bool:
        raise ValueError(f"first_loss {first!r}, under_way {under_way!r}")
    records, marks = tensors["records"], tensors["marks"]
    batch = min(batch_size or found["n_samples"], found["n_samples"])
    steps = -(-found["n_samples"] // max(1, batch))
    for array, width in ((records, 3), (marks, 2)):
        if array.shape[1:] != (width,) or array.dtype != np.float64:
            raise ValueError(f"records or marks of {array.dtype} {array.shape}")
    if len(records) > (steps if under_way else 0) or (under_way and len(marks) == 0):
        raise ValueError(f"{len(records)} records, {len(marks)} marks of {steps} steps")
    return found | {
        "seconds": float(seconds),
        "first_loss": first,
        "under_way": under_way,
        "records": records,
        "marks": [(int(step), float(when)) for step, when in marks],
    }
