"""A trained network in other compiled code: a few samples forward, without allocation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.checks import (
    require_dimensions,
    require_one_or_two_dimensions,
    require_size,
)
from fastmlp.kernels.entries import forward_entries
from fastmlp.kernels.layout import (
    ACTIVATION,
    INPUTS,
    OUTPUT_BEFORE,
    OUTPUT_WIDTH,
    OUTPUTS,
    SETTINGS,
)
from fastmlp.kernels.losses import output_rows
from fastmlp.kernels.memory import out_of_line
from fastmlp.kernels.samples import forward_rows, vectors_of_layer
from fastmlp.kernels.subnormals import flush_subnormals, restore_subnormals
from fastmlp.kernels.target import device, kernel

__all__ = ["CompiledNetwork", "predict", "predict_finite"]

Array = NDArray[Any]


class CompiledNetwork(NamedTuple):
    """A network for compiled code: its layout and parameters, and memory to work in.

    The parameters are the network's own: what trains it changes them. The rest is written by every
    call, so each thread needs one of its own.
    """

    table: NDArray[np.int64]
    parameters: NDArray[Any]
    input_scale: float
    settings: NDArray[np.int64]  # and, after them, the bounds of one sample's entries
    memory: NDArray[Any]  # activations, then values of entries
    columns: NDArray[np.int32]  # of entries


@device
def predict_row(compiled: Any, sample: Array, out: Array) -> None:
    """Write the outputs for one sample: sample (n_in,), read; out (n_out,), written."""
    out_of_line()
    table, columns, activations = compiled.table, compiled.columns, compiled.memory
    values = activations[activations.shape[0] - columns.shape[0] :]
    bounds = compiled.settings[SETTINGS:]
    real = values.dtype.type
    scale = real(compiled.input_scale)
    end = np.uintp(0)  # unsigned: no look at whether it counts from the end
    for j in range(sample.shape[0]):
        value = real(sample[j]) * scale
        values[end] = value
        columns[end] = j
        end += np.uintp(value != real(0))
    values[end] = real(1)
    columns[end] = sample.shape[0]
    bounds[0], bounds[1], bounds[2] = 0, 0, np.int64(end) + 1
    one, zero = np.int64(1), np.int64(0)
    forward_entries(
        table, compiled.parameters, activations, values, columns, bounds, compiled.settings, zero,
        vectors_of_layer(table, zero, values.itemsize), zero, one,
    )  # fmt: skip
    forward_rows(
        table, compiled.parameters, activations, one, zero, one, activations, np.int64(-1), 0.0,
        zero, zero,
    )  # fmt: skip
    last = table.shape[0] - 1
    at = table[last, OUTPUT_BEFORE]
    row = activations[at : at + table[last, OUTPUT_WIDTH]]
    output_rows(table[last, ACTIVATION], row, row[:0], row.shape[0], table[last, OUTPUTS])
    for j in range(out.shape[0]):
        out[j] = row[j]


@kernel
def predict(compiled: Any, x: Array, out: Array) -> None:
    """Compute the outputs of a network: `Network.predict_proba` for compiled code.

    Nothing is allocated, and another network of the same dtype, of whatever depth and sizes, needs
    no compilation. Inputs are not checked for NaN: they give NaN.

    Parameters
    ----------
    compiled : CompiledNetwork
        From `Network.compiled()`; its memory is written.
    x : (n, n_in) or (n_in,), any real dtype, read
    out : (n, n_out), or (n_out,) if x is (n_in,), any real dtype, written

    Raises
    ------
    KernelShapeError
        A size or a number of dimensions does not fit.

    Examples
    --------
    A network as the right-hand side of a differential equation:

    >>> import numba
    >>> import fastmlp
    >>> @numba.njit
    ... def simulate(field, state, steps, dt):
    ...     slope = np.empty_like(state)
    ...     for _ in range(steps):
    ...         predict(field, state, slope)
    ...         state += dt * slope
    >>> net = fastmlp.Network([2, 16, 2], hidden="tanh", output="identity", seed=0)
    >>> state = np.array([1.0, 0.0], "float32")
    >>> simulate(net.compiled(), state, 100, 0.01)
    >>> bool(np.isfinite(state).all())
    True
    """
    require_one_or_two_dimensions("x", x)
    require_dimensions("out", out, x)
    last = compiled.table.shape[0] - 1
    require_size("x", "features", compiled.table[0, INPUTS], x.shape[x.ndim - 1])
    require_size("out", "outputs", compiled.table[last, OUTPUTS], out.shape[out.ndim - 1])
    if x.ndim == 1:
        before = flush_subnormals()
        predict_row(compiled, x, out)
        restore_subnormals(before)
    else:
        require_size("out", "rows", x.shape[0], out.shape[0])
        before = flush_subnormals()
        for r in range(x.shape[0]):
            predict_row(compiled, x[r], out[r])
        restore_subnormals(before)


@kernel
def predict_finite(compiled: Any, x: Array, out: Array) -> int:
    """Do what `predict` does, sizes unchecked; return where x is not finite first, or -1.

    Where only an output is not finite, return the size of x.

    x : (n, n_in), C-contiguous, read; the place is counted row by row. out : (n, n_out), written.
    """
    flat = x.reshape(x.size)
    found = 0
    for i in range(flat.shape[0]):
        found += not abs(flat[i]) < np.inf
    if found > 0:
        for i in range(flat.shape[0]):
            if not abs(flat[i]) < np.inf:
                return i
    before = flush_subnormals()
    for r in range(x.shape[0]):
        predict_row(compiled, x[r], out[r])
    restore_subnormals(before)
    for r in range(out.shape[0]):
        for j in range(out.shape[1]):
            if not abs(out[r, j]) < np.inf:
                return x.size
    return -1
