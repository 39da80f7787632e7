"""Passes over data: forward for inference, forward and backward for training.

They join checked data, parameters and buffers into calls of the kernels, and decide for each call
between the parallel kernel and its serial twin.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.buffers import Entries, Frame, Workspace, aligned_zeros, block_rows
from fastmlp.kernels import barrier, layout, step, updates
from fastmlp.kernels import frame as field
from fastmlp.kernels.penalty import SQUARES_ROWS
from fastmlp.kernels.samples import samples_part
from fastmlp.kernels.target import (
    BLOCK_ROWS,
    SCRATCH_ROWS,
    TILE_ROWS,
    VECTOR_BYTES,
    cuts_columns,
    lanes,
    rows_together,
    skips_zeros,
)
from fastmlp.kernels.weights import weights_part
from fastmlp.parameters import Parameters
from fastmlp.targets import Targets
from fastmlp.threads import Pace, granted, wanted
from fastmlp.validation import Samples

__all__ = ["Rule", "TrainingPass", "forward", "updates_of"]

_NO_ROWS = np.zeros(0, np.int64)
_NO_RATES = np.zeros(0)
# Time between two looks at the clock, the callbacks and Ctrl-C.
_CHUNK_SECONDS = 0.05
# The same where the work is only to see how fast it goes with another number of threads.
_TRIAL_SECONDS = 0.005
# Floating-point operations of a forward pass to begin with, before the speed is known: a few ms.
_FIRST_CHUNK = 2e8
# Floating-point operations of one call of the inference kernel, for each thread.
_CALL = 1e9


def forward(
    parameters: Parameters,
    samples: Samples,
    targets: Targets | None = None,
    weight: NDArray[np.float64] | None = None,
    loss: int = layout.NO_LOSS,
    out: NDArray[Any] | None = None,
    threads: int | None = None,
    zero_skipping: bool | None = None,
    constants: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Run all samples through the network.

    Writes the outputs to `out`, (n, outputs), if given; returns the sums of loss, correctness and
    weight over the samples, zero without targets.
    """
    if targets is None:
        targets = Targets(_NO_ROWS, np.zeros((1, parameters.sizes[-1]), parameters.dtype), False)
    if out is None:
        out = np.zeros((0, 0), parameters.dtype)
    block = min(samples.n, BLOCK_ROWS)
    blocks = -(-samples.n // block)
    work = parameters.operations(samples.n)
    threads = min(blocks, wanted(threads, work, work, step.infer_parallel))
    space = parameters.borrow_workspace(TILE_ROWS * -(-block // TILE_ROWS) * threads)
    density = density_to_skip(parameters, samples, zero_skipping)
    entries = entries_for(parameters, samples, density, block, space.capacity, threads)
    sums = np.zeros((blocks, 3))
    settings = _settings(Rule(), loss, 0, block, space, entries)
    frame = Frame(
        parameters.dtype,
        _memory(parameters, space, entries)
        | _data(samples, targets, np.zeros(0) if weight is None else weight)
        | {field.RECORDS: sums, field.SETTINGS: settings, field.OUT: out,
           field.RATES: _rates(Rule(), parameters, constants)},
    )  # fmt: skip
    address = samples_part.address(parameters.dtype)
    # Back in Python every 50 ms or so, where Ctrl-C is seen.
    stride = threads * max(1, int(_CALL / parameters.operations(block)))
    for first in range(0, blocks, stride):
        with granted(threads) as parts:
            settings[layout.PARTS] = parts
            kernel = step.infer_parallel if parts > 1 else step.infer
            kernel(frame.numbers, address, first, min(blocks, first + stride), samples.n)
    parameters.return_workspace(space)
    with np.errstate(all="ignore"):  # infinite losses are the caller's business
        total: NDArray[np.float64] = sums.sum(axis=0)
    return total


def density_to_skip(
    parameters: Parameters, samples: Samples, zero_skipping: bool | None
) -> float | None:
    """Return the density of samples whose zeros are to be skipped; None where they are not."""
    if zero_skipping is False:
        return None
    density = samples.density()
    row = min(int(parameters.table[0, layout.OUTPUT_WIDTH]), parameters.sizes[1])
    vectors = -(-row * parameters.dtype.itemsize // VECTOR_BYTES)
    return density if zero_skipping or skips_zeros(density, vectors) else None


def entries_for(
    parameters: Parameters, samples: Samples, density: float | None, rows: int, capacity: int,
    threads: int,
) -> Entries:  # fmt: skip
    """Return room for the entries of a block; none at all where there is no density to skip."""
    if density is None:
        return Entries.none(parameters.dtype)
    panel = int(parameters.table[0, layout.OUTPUT_WIDTH]) * parameters.dtype.itemsize
    return Entries(
        parameters.sizes[0], panel, rows, capacity, threads, density, samples.most, parameters.dtype
    )


def _memory(parameters: Parameters, space: Workspace, entries: Entries) -> dict[int, NDArray[Any]]:
    return {
        field.TABLE: parameters.table, field.PARAMETERS: parameters.buffer,
        field.ACTIVATIONS: space.activations, field.DELTAS: space.deltas,
        field.RESULTS: space.results, field.VALUES: entries.values,
        field.COLUMNS: entries.columns, field.BOUNDS: entries.bounds,
    }  # fmt: skip


def _data(
    samples: Samples, targets: Targets, weight: NDArray[np.float64]
) -> dict[int, NDArray[Any]]:
    return {
        field.X: samples.x, field.SOURCE: samples.source, field.INDICES: samples.indices,
        field.ROW_STARTS: samples.row_starts, field.LABELS: targets.labels,
        field.TARGETS: targets.values, field.SAMPLE_WEIGHT: weight,
    }  # fmt: skip


class Rule(NamedTuple):
    """An update rule and its numbers, as the kernels take them."""

    code: int = updates.NONE
    rates: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    l2: float = 0.0
    dropout: float = 0.0


def _rates(
    rule: Rule, parameters: Parameters, constants: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the numbers of a rule, and a loss's constants, as `layout` names them."""
    *first, weight_decay = rule.rates
    scale = parameters.input_scale
    numbers = [*first, rule.l2, weight_decay, scale, rule.dropout]
    return np.array(numbers if constants is None else [*numbers, *constants])


def updates_of(records: NDArray[np.float64]) -> int:
    """Return how many of these steps made an update: those with a sample whose weight is not 0."""
    return int(np.count_nonzero(records[:, layout.WEIGHT]))


def _settings(
    rule: Rule, loss: int, batch: int, block: int, space: Workspace, entries: Entries
) -> NDArray[np.int64]:
    """Return the integers of a run as `layout` names them; PARTS is set at each call."""
    settings = np.zeros(layout.SETTINGS, np.int64)
    settings[layout.RULE], settings[layout.LOSS] = rule.code, loss
    settings[layout.BATCH], settings[layout.BLOCK] = batch, block
    settings[layout.CAPACITY], settings[layout.SKIPS] = space.capacity, entries.span > 0
    settings[layout.SPAN], settings[layout.REACH] = entries.span, entries.reach
    settings[layout.GROUP] = entries.group
    return settings


class TrainingPass:
    """One training's data, buffers and position: epochs are begun, then advanced through.

    Attributes
    ----------
    records : ndarray (steps, 3) float64
        Sums of loss, correctness and weight of each finished step of the epoch.
    seconds : float
        Spent in the kernels so far.
    gradient : ndarray
        Laid out as the parameters; holds the gradient where the rule is NONE.
    """

    def __init__(
        self,
        parameters: Parameters,
        samples: Samples,
        targets: Targets,
        weight: NDArray[np.float64],
        loss: int,
        rule: Rule,
        batch: int,
        states: tuple[NDArray[Any], NDArray[Any]] | None = None,
        threads: int | None = None,
        epochs: int = 1,
        zero_skipping: bool | None = None,
        constants: NDArray[np.float64] | None = None,
    ) -> None:
        self.parameters = parameters
        self.batch = batch
        density = density_to_skip(parameters, samples, zero_skipping)
        together = rows_together(
            batch, parameters.buffer.size, parameters.dtype.itemsize, density is not None
        )
        rows = block_rows(batch, 1, together)
        # Forward, gradient and hidden deltas: three times the work of the forward product.
        total = 3 * parameters.operations(samples.n) * epochs
        between = 3 * parameters.operations(rows) / 2
        most = wanted(threads, between, total, step.train_parallel)
        self.block = block_rows(batch, most, together)
        self._vectors = -(-parameters.sizes[1] // lanes(parameters.dtype.itemsize))
        self._pace = Pace(most)
        self._adaptive = threads is None
        self._compiled: set[int] = set()
        self.seconds = 0.0
        self._chunk = max(1, int(_FIRST_CHUNK / parameters.operations(1)))
        self._owner, self._weight = samples.owner, weight
        self._space = parameters.borrow_workspace(self.block)
        self._entries = entries_for(
            parameters, samples, density, self.block, self._space.capacity, most
        )
        stored = rule.code == updates.NONE or self.block < batch
        widest = int(parameters.table[:, layout.WEIGHTS_ROW].max())
        finished = max(SCRATCH_ROWS, self._entries.group)  # rows of a gradient at a time
        scratch = 0 if rule.code == updates.NONE else finished * widest
        size = parameters.buffer.size if stored else 0
        self.gradient = aligned_zeros(size + most * scratch, parameters.dtype)
        none = aligned_zeros(0, parameters.dtype)
        state_1, state_2 = states or (none, none)
        blocks = sum(-(-int(n) // SQUARES_ROWS) for n in parameters.table[:, layout.INPUTS])
        self._rates, self._schedule = _rates(rule, parameters, constants), _NO_RATES
        self._progress = np.zeros(layout.PROGRESS, np.int64)
        self._settings = _settings(rule, loss, batch, self.block, self._space, self._entries)
        self._settings[layout.LEARN], self._settings[layout.SCRATCH] = 1, scratch
        self._frame = Frame(
            parameters.dtype,
            _memory(parameters, self._space, self._entries)
            | _data(samples, targets, weight)
            | {field.TRANSPOSED: parameters.empty_transposed(), field.GRADIENT: self.gradient,
               field.STATE_1: state_1, field.STATE_2: state_2, field.SQUARES: np.zeros(blocks),
               field.RUNNING: np.zeros(4), field.RATES: self._rates,
               field.SETTINGS: self._settings, field.PROGRESS: self._progress,
               field.BARRIER: aligned_zeros(barrier.CELLS, np.int64)},
        )  # fmt: skip
        self._addresses = (
            samples_part.address(parameters.dtype),
            weights_part.address(parameters.dtype),
        )
        self.records = np.zeros((0, 3))
        self.begin(_NO_ROWS)

    def begin(
        self,
        order: NDArray[np.int64],
        done: NDArray[np.float64] | None = None,
        learning_rate: float | NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        """Begin an epoch over the samples of `order`, or go on after steps with records `done`.

        `learning_rate` replaces the rule's: a number, or one for each step. `seed` is of dropout.
        """
        self._hold_epoch(order)
        self._progress[:] = 0
        if done is not None:
            self.records[: len(done)] = done
            self._progress[:] = min(len(done) * self.batch, len(order)), updates_of(done)
        self._settings[layout.SEED] = seed
        schedule = learning_rate if isinstance(learning_rate, np.ndarray) else _NO_RATES
        if learning_rate is not None and schedule is _NO_RATES:
            self._rates[layout.LEARNING_RATE] = learning_rate
        if schedule is not self._schedule:
            self._schedule = schedule
            self._frame.hold({field.SCHEDULE: schedule})

    def _hold_epoch(self, order: NDArray[np.int64]) -> None:
        """Take the order of an epoch; its records may stand where those of the last did."""
        self.order = order
        self._frame.hold({field.ORDER: order})
        steps = -(-len(order) // self.batch)
        if len(self.records) != steps:
            self.records = np.zeros((steps, 3))
            self._frame.hold({field.RECORDS: self.records})

    @property
    def position(self) -> int:
        """Samples of the epoch that are done."""
        return int(self._progress[layout.POSITION])

    @property
    def updates(self) -> int:
        """Updates made in the epoch: steps but for those whose samples all have weight 0."""
        return int(self._progress[layout.UPDATES])

    def last_update(self, order: NDArray[np.int64], end: int) -> int:
        """Return the last step before `end` that makes an update in an epoch; -1 if none does."""
        for index in range(end - 1, -1, -1):
            rows = order[index * self.batch : (index + 1) * self.batch]
            if len(self._weight) == 0 or self._weight[rows].any():
                return index
        return -1

    @property
    def finished_steps(self) -> int:
        """Steps of the epoch that are finished."""
        done = self.position == len(self.order)
        return len(self.records) if done else self.position // self.batch

    def advance(self, stop: int, steps_before: int = 0) -> bool:
        """Train on until `stop` samples of the epoch are done, or the end of the block there.

        `steps_before` is how many updates were made before the epoch. Returns False where a loss
        was not finite: the parameters are then those that gave it. `seconds` grows by the time
        that took, compilation not included.
        """
        position = self.position
        with granted(self._pace.choose()) as parts:
            if parts not in self._compiled:
                self._call(parts, position, steps_before)
                self._compiled.add(parts)
            started = time.perf_counter()
            finite = self._call(parts, min(stop, len(self.order)), steps_before)
            elapsed = time.perf_counter() - started
        self.seconds += elapsed
        work = 3 * self.parameters.operations(self.position - position)
        if self._adaptive and work > 0:
            self._pace.saw(parts, work, elapsed)
        return finite

    def _call(self, parts: int, stop: int, steps_before: int) -> bool:
        self._settings[layout.PARTS] = parts
        self._settings[layout.CUTS] = cuts_columns(self._vectors, parts)
        kernel = step.train_parallel if parts > 1 else step.train
        return bool(kernel(self._frame.numbers, *self._addresses, steps_before, stop))

    def advance_a_while(self, stop: int, steps_before: int = 0) -> bool:
        """Do what `advance` does for about 50 ms, after which somebody looks at the clock."""
        position, seconds = self.position, self.seconds
        finite = self.advance(min(stop, position + self._chunk), steps_before)
        elapsed = max(self.seconds - seconds, 1e-9)
        span = _TRIAL_SECONDS if self._pace.trying else _CHUNK_SECONDS
        self._chunk = max(1, int((self.position - position) / elapsed * span))
        return finite

    def drop_step(self) -> None:
        """Go back to the beginning of a step that is under way: nothing of it was applied."""
        if self.position < len(self.order):
            self._progress[layout.POSITION] = self.finished_steps * self.batch

    def close(self) -> None:
        """Give the buffers back and let go of the data; the figures stay."""
        self.parameters.return_workspace(self._space)
        del self._frame, self._owner, self._entries, self._weight
