"""Level 0 as entries: a block of samples without its zeros, forward and for the weight gradient.

The features are cut into spans, few enough that their rows of weights stay in the first-level cache
while all samples of the block pass. A span's entries stand together, sample by sample; for each
span and sample there is a bound (see `sparse`). For the gradient the entries are transposed: each
feature has a slot for every sample, and a bound; the bounds of features that have entries stand
first in their group (`layout.GROUP`).

    values, columns    entries (first half), transposed entries (second half)
    bounds             of samples, of features, and how many in each group
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.layout import (
    CAPACITY,
    COLUMN_STEP,
    FIRST,
    FLOAT32,
    GROUP,
    INPUTS,
    KIND,
    OUTPUT_BEFORE,
    OUTPUT_WIDTH,
    OUTPUTS,
    REACH,
    ROW_STEP,
    SPAN,
    UINT8,
    WEIGHTS,
    WEIGHTS_ROW,
)
from fastmlp.kernels.memory import element_of
from fastmlp.kernels.sparse import BOUND, MOST_VECTORS, compress, sparse_strip
from fastmlp.kernels.target import VECTOR_BYTES, device
from fastmlp.kernels.tile import RESUME, STORE

__all__ = [
    "element",
    "forward_entries",
    "gather_entries",
    "gradient_of_entries",
    "scaled",
    "transpose_entries",
]

Array = NDArray[Any]


@device
def element(kind: int, x: Array, at: int) -> float:
    """Return element `at` of the data whose memory is x, as float64, which holds each exactly."""
    if kind == UINT8:
        return float(x[at])
    if kind == FLOAT32:
        return float(element_of(x, at, np.float32))
    return float(element_of(x, at, np.float64))


@device
def scaled(value: float, factor: float) -> float:
    """Return value · factor; NaN also for an infinity, which a saturated unit would hide."""
    product = value * factor
    return product + (product - product)


@device
def gather_entries(
    x: Array, source: Array, indices: Array, row_starts: Array, order: Array, position: int,
    features: int, scale: float, values: Array, columns: Array, bounds: Array, settings: Array,
    top: int, bottom: int,
) -> None:  # fmt: skip
    """Write the entries of rows [top, bottom): of x[order[position + r]] · scale, and the one.

    Arguments as for `samples.gather_rows`.
    """
    real = values.dtype.type
    factor, lanes = real(scale), VECTOR_BYTES // values.itemsize
    span, capacity, kind = settings[SPAN], settings[CAPACITY], source[KIND]
    itemsize = 1 if kind == UINT8 else 4 if kind == FLOAT32 else 8
    step = source[COLUMN_STEP]
    spans = features // span + 1
    for r in range(top, bottom):
        sample = order[position + r] if order.shape[0] > 0 else position + r
        listed = row_starts.shape[0] > 0
        i = row_starts[sample] if listed else 0
        listed_end = row_starts[sample + 1] if listed else 0
        row = source[FIRST] + sample * source[ROW_STEP]
        for s in range(spans):
            at = (s * capacity + r) * BOUND
            first = (s * capacity + top) * settings[REACH]
            if r > top:
                first = bounds[at - 1]
            end, low, high = first, s * span, min(features, (s + 1) * span)
            if listed:
                while i < listed_end and indices[i] < high:
                    value = scaled(real(element(kind, x, i)), factor)
                    values[end] = value
                    columns[end] = indices[i]
                    end += np.int64(value != real(0))
                    i += 1
            else:
                if step == 1:
                    whole = (high - low) // lanes * lanes
                    end = compress(
                        x, (row + low) * itemsize, kind, whole, factor, low, values, columns, end
                    )
                    low += whole
                for j in range(low, high):
                    value = scaled(real(element(kind, x, row + j * step)), factor)
                    values[end] = value
                    columns[end] = j
                    end += np.int64(value != real(0))
            if s == spans - 1:
                values[end] = real(1)
                columns[end] = features
                end += 1
            bounds[at] = r
            bounds[at + 1] = first
            bounds[at + 2] = end


@device
def forward_entries(
    table: Array, parameters: Array, activations: Array, values: Array, columns: Array,
    bounds: Array, settings: Array, first_vector: int, end_vector: int, top: int, bottom: int,
) -> None:  # fmt: skip
    """Compute vectors [first_vector, end_vector) of level 1's columns for rows [top, bottom)."""
    real = activations.dtype.type
    lanes, capacity = VECTOR_BYTES // activations.itemsize, settings[CAPACITY]
    width, row = table[0, OUTPUT_WIDTH], table[0, WEIGHTS_ROW]
    spans = table[0, INPUTS] // settings[SPAN] + 1
    v = first_vector
    while v < end_vector:
        j = v * lanes
        panel = j // width
        rest = min(end_vector, (panel + 1) * (width // lanes)) - v
        strips = (rest + MOST_VECTORS - 1) // MOST_VECTORS
        vectors = (rest + strips - 1) // strips
        c_at = capacity * (table[0, OUTPUT_BEFORE] + panel * width) + j - panel * width
        for s in range(spans):
            sparse_strip(
                values, columns, bounds, (s * capacity + top) * BOUND, bottom - top,
                parameters, table[0, WEIGHTS] + j, row, activations, c_at, width, vectors,
                np.int64(STORE) if s == 0 else np.int64(RESUME), real(0),
            )  # fmt: skip
        v += vectors


@device
def transposed_bounds(table: Array, settings: Array) -> int:
    """Return where the bounds of features begin."""
    spans = table[0, INPUTS] // settings[SPAN] + 1
    before: int = spans * settings[CAPACITY] * BOUND
    return before


@device
def transpose_entries(
    table: Array, values: Array, columns: Array, bounds: Array, settings: Array, rows: int,
    first_span: int, end_span: int,
) -> None:  # fmt: skip
    """Transpose the entries of rows [0, rows) of spans [first_span, end_span).

    A sample after the other, so that each feature's entries stand in ascending order.
    """
    capacity, span, features = settings[CAPACITY], settings[SPAN], table[0, INPUTS] + 1
    half = values.shape[0] // 2
    slots, slot_columns = values[half:], columns[half:]
    feature_bounds = bounds[transposed_bounds(table, settings) :]
    group = settings[GROUP]
    groups = (features + group - 1) // group
    counts = feature_bounds[groups * group * BOUND :]
    for s in range(first_span, end_span):
        low, high = s * span, min(features, (s + 1) * span)
        if rows == 1:  # its entries are their own transpose
            for g in range(low // group, (high + group - 1) // group):
                counts[g] = 0
            for e in range(bounds[s * capacity * BOUND + 1], bounds[s * capacity * BOUND + 2]):
                g = columns[e] // group
                at = (g * group + counts[g]) * BOUND
                feature_bounds[at] = columns[e]
                feature_bounds[at + 1] = e
                feature_bounds[at + 2] = e + 1
                counts[g] += 1
                slot_columns[e] = 0
                slots[e] = values[e]
            continue
        for f in range(low, high):
            feature_bounds[f * BOUND] = f
            feature_bounds[f * BOUND + 1] = f * capacity
            feature_bounds[f * BOUND + 2] = f * capacity
        for r in range(rows):
            at = (s * capacity + r) * BOUND
            # Unsigned, else every index is looked at for whether it counts from the end.
            for e in range(np.uintp(bounds[at + 1]), np.uintp(bounds[at + 2])):
                end = np.uintp(columns[e]) * np.uintp(BOUND) + np.uintp(2)
                slot = np.uintp(feature_bounds[end])
                feature_bounds[end] = slot + np.uintp(1)
                slot_columns[slot] = r
                slots[slot] = values[e]
        for f in range(low, high, group):
            found = np.int64(0)
            for k in range(f, min(f + group, high)):
                to, from_ = (f + found) * BOUND, k * BOUND
                first, end_ = feature_bounds[from_ + 1], feature_bounds[from_ + 2]
                feature_bounds[to] = k
                feature_bounds[to + 1] = first
                feature_bounds[to + 2] = end_
                found += np.int64(end_ > first)
            counts[f // group] = found


@device
def gradient_of_entries(
    table: Array, values: Array, columns: Array, bounds: Array, deltas: Array, settings: Array,
    group: int, panel: int, out: Array, out_at: int, out_row: int, mode: int, alpha: float,
) -> None:  # fmt: skip
    """Compute the gradient of one group of rows of the first weights, in one panel of columns.

    out : written by `mode`, the group's rows from `out_at` on, `out_row` elements apart.
    """
    real = deltas.dtype.type
    lanes, capacity = VECTOR_BYTES // deltas.itemsize, settings[CAPACITY]
    width = table[0, OUTPUT_WIDTH]
    whole = (table[0, OUTPUTS] + lanes - 1) // lanes
    rest = min(width // lanes, whole - panel * (width // lanes))
    half = values.shape[0] // 2
    size = settings[GROUP]
    top = group * size
    if mode == STORE:  # rows without entries have no bound
        for r in range(min(size, table[0, INPUTS] + 1 - top)):
            row = out[out_at + r * out_row : out_at + r * out_row + rest * lanes]
            for j in range(row.shape[0]):
                row[j] = real(0)
    start = transposed_bounds(table, settings)
    groups = (table[0, INPUTS] + size) // size
    count = bounds[start + groups * size * BOUND + group]
    strips = (rest + MOST_VECTORS - 1) // MOST_VECTORS
    v = 0
    while v < rest:
        vectors = min((rest + strips - 1) // strips, rest - v)
        sparse_strip(
            values[half:], columns[half:], bounds, start + top * BOUND, count, deltas,
            panel * width * capacity + v * lanes, width, out, out_at - top * out_row + v * lanes,
            out_row, vectors, np.int64(RESUME) if mode == STORE else mode, alpha,
        )  # fmt: skip
        v += vectors
