"""A run of training steps, and inference: the kernels that the trainer and the network call.

A run is one parallel region, in which threads wait for one another at barriers: two a step, after
samples went forward and back, and after the weights. It is four where the first layer is cut by
columns, so that each thread's weights stay in its own core's cache: gather, first layer, what
follows by samples, weights; and three where zeros are skipped, since there the next block is
gathered while weights are updated. All are cut by output element, so an element is computed by one
thread, in one order, whatever the number of threads.

A batch larger than a block accumulates its gradient over blocks; the last applies it. A batch whose
sample weights are all 0 makes no update. `position`, the number of samples of the epoch that are
done, and how many updates they made are all the state a run needs to go on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels import frame as field
from fastmlp.kernels.barrier import TOGETHER, VERDICT, all_present, wait_for_all
from fastmlp.kernels.frame import matrix, vector
from fastmlp.kernels.layout import (
    ALL,
    BATCH,
    BETA_1,
    BETA_2,
    BLOCK,
    CORRECT,
    CUTS,
    FIRST_LAYER,
    GATHER,
    L2,
    LEARNING_RATE,
    LOSS,
    LOSS_SUM,
    NO_LOSS,
    PARTS,
    PENALTY,
    POSITION,
    REST,
    RULE,
    SKIPS,
    TRANSPOSE,
    UPDATE_WEIGHTS,
    UPDATES,
    WEIGHT,
)
from fastmlp.kernels.samples import samples_part
from fastmlp.kernels.target import device, kernel, parallel_kernel
from fastmlp.kernels.updates import ADAM, adam_rate
from fastmlp.kernels.weights import weights_part

__all__ = ["infer", "infer_parallel", "train", "train_parallel"]

Array = NDArray[Any]

_process_samples = samples_part.call
_update_weights = weights_part.call


@device
def batch_weight(order: Array, first: int, last: int, sample_weight: Array) -> float:
    """Return the sum of the sample weights of one batch."""
    if sample_weight.shape[0] == 0:
        return float(last - first)
    total = 0.0
    for i in range(first, last):
        total += sample_weight[order[i]]
    return total


@device
def train_part(
    frame: Array, samples_address: int, weights_address: int, steps_before: int, stop: int,
    part: int, parts: int,
) -> None:  # fmt: skip
    """Do one part of `parts` of all steps up to `stop`; nothing where other parts stay away.

    All parts walk through the same phases, each with its own copy of where it is and of the sums,
    which come out alike; the first writes them down.
    """
    settings, progress = (
        vector(frame, field.SETTINGS, np.int64),
        vector(frame, field.PROGRESS, np.int64),
    )
    order, rates = vector(frame, field.ORDER, np.int64), vector(frame, field.RATES, np.float64)
    running, records = (
        vector(frame, field.RUNNING, np.float64),
        matrix(frame, field.RECORDS, np.float64),
    )
    results, squares = (
        matrix(frame, field.RESULTS, np.float64),
        vector(frame, field.SQUARES, np.float64),
    )
    schedule = vector(frame, field.SCHEDULE, np.float64)
    sample_weight = vector(frame, field.SAMPLE_WEIGHT, np.float64)
    barrier = vector(frame, field.BARRIER, np.int64)
    batch, block, rule, l2 = settings[BATCH], settings[BLOCK], settings[RULE], rates[L2]
    position, updates, goal = progress[POSITION], progress[UPDATES], parts
    loss, correct, penalty = running[LOSS_SUM], running[CORRECT], running[PENALTY]
    total, rate, step_l2 = running[WEIGHT], 0.0, 0.0
    # Where entries, or the columns of the first layer, are shared, threads wait for one another.
    skips = settings[SKIPS] != 0
    in_one = parts == 1 or not (skips or settings[CUTS] != 0)
    phase = np.int64(ALL if in_one else GATHER)
    if not all_present(barrier, parts):
        return
    _update_weights(
        weights_address,
        (frame, np.int64(TRANSPOSE), np.int64(0), False, False, 0.0, 0.0, part, parts),
    )
    goal += parts
    wait_for_all(barrier, goal)
    while position < stop:
        first = position // batch * batch
        last = min(order.shape[0], first + batch)
        rows = min(position + block, last) - position
        starts, ends = position == first, position + rows == last
        if starts and phase != REST and phase != UPDATE_WEIGHTS:
            loss = correct = penalty = 0.0
            total = batch_weight(order, first, last, sample_weight)
        moves = total > 0.0
        penalised = np.int64(starts and l2 != 0.0 and moves)
        # What is done to samples. The update needs the inputs of a block, but not its entries as
        # they were gathered: there the next block's are gathered meanwhile.
        doing, at, end = phase, position, rows
        if phase == UPDATE_WEIGHTS:
            if moves:
                _update_weights(
                    weights_address, (frame, phase, rows, starts, ends, rate, step_l2, part, parts)
                )
            doing, at = np.int64(GATHER), position + rows
            end = min(at + block, at // batch * batch + batch, order.shape[0]) - at
            if not skips or in_one or at >= stop:
                end = np.int64(0)
        if end > 0:
            _process_samples(
                samples_address,
                (frame, doing, at, np.int64(0), end, total, part, parts, penalised),
            )
        goal += parts
        wait_for_all(barrier, goal)
        if phase == UPDATE_WEIGHTS:
            phase = np.int64(ALL if in_one else FIRST_LAYER if skips else GATHER)
            position += rows
            updates += np.int64(ends and moves)
            if part == 0:
                if ends:
                    index = first // batch
                    records[index, LOSS_SUM] = loss + 0.5 * l2 * penalty
                    records[index, CORRECT] = correct
                    records[index, WEIGHT] = total
                running[LOSS_SUM], running[CORRECT] = loss, correct
                running[PENALTY], running[WEIGHT] = penalty, total
                progress[POSITION], progress[UPDATES] = position, updates
        elif phase in (ALL, REST):
            for r in range(rows):
                loss += results[r, LOSS_SUM]
                correct += results[r, CORRECT]
            if penalised != 0:
                for i in range(squares.shape[0]):
                    penalty += squares[i]
            if not math.isfinite(loss + penalty):
                return
            if schedule.shape[0] > 0:
                rates[LEARNING_RATE] = schedule[first // batch]
            rate = rates[LEARNING_RATE]
            if rule == ADAM:
                count = steps_before + updates + 1
                rate = adam_rate(rate, rates[BETA_1], rates[BETA_2], count)
            step_l2 = l2 / total if moves else 0.0
            phase = np.int64(UPDATE_WEIGHTS)
        else:
            phase += np.int64(1)


def _train(
    frame: Array, samples_address: int, weights_address: int, steps_before: int, stop: int
) -> bool:
    """Train on the samples of an epoch up to `stop`; return False where a loss was not finite.

    PROGRESS is read, and written after each block, so that it holds the truth whenever the call
    ends. After a loss that is not finite it stands at the beginning of that block, whose update was
    not made. A step that is cut short goes on at the next call, from GRADIENT and RUNNING.

    frame : of arrays, see `frame`. samples_address, weights_address : of the units `samples_part`
    and `weights_part` for the compute dtype. steps_before : updates made before the epoch.
    """
    settings, progress = (
        vector(frame, field.SETTINGS, np.int64),
        vector(frame, field.PROGRESS, np.int64),
    )
    barrier = vector(frame, field.BARRIER, np.int64)
    parts = settings[PARTS]
    barrier[VERDICT] = 0
    while barrier[VERDICT] != TOGETHER:
        barrier[:] = 0
        for part in prange(parts):
            train_part(
                frame, samples_address, weights_address, steps_before, stop, np.int64(part), parts
            )
        parts = np.int64(1)  # alone, should they not have come together
    finite: bool = progress[POSITION] >= stop
    return finite


train = kernel(_train)
train_parallel = parallel_kernel(_train)


def _infer(frame: Array, samples_address: int, first: int, last: int, n: int) -> None:
    """Compute the outputs of blocks [first, last) of n samples; their losses too if LOSS is one.

    A block is BLOCK samples; each part works in BLOCK rows of its own. RECORDS, (blocks, 3), gets
    loss, correctness and weight of each block.
    """
    settings = vector(frame, field.SETTINGS, np.int64)
    results, sums = (
        matrix(frame, field.RESULTS, np.float64),
        matrix(frame, field.RECORDS, np.float64),
    )
    block, parts = settings[BLOCK], settings[PARTS]
    for part in prange(parts):
        top = np.int64(part) * block
        for index in range(
            first + np.int64(part) * (last - first) // parts,
            first + (np.int64(part) + 1) * (last - first) // parts,
        ):
            rows = min(block, n - index * block)
            _process_samples(
                samples_address,
                (
                    frame, np.int64(ALL), index * block - top, top, top + rows, 1.0, np.int64(0),
                    np.int64(1), np.int64(0),
                ),
            )  # fmt: skip
            if settings[LOSS] != NO_LOSS:
                for r in range(top, top + rows):
                    for column in range(3):
                        sums[index, column] += results[r, column]


infer = kernel(_infer)
infer_parallel = parallel_kernel(_infer)
