"""Dense products: C = A B in its three uses, and the public kernels on ordinary arrays.

    forward            outputs  = inputs · weights           a = rows of inputs,    k = features
    weight gradient    gradient = inputsᵀ · delta            a = columns of inputs, k = samples
    input delta        delta'   = delta · weightsᵀ           a = rows of delta,     k = outputs

All three are `product`: both strides of A are free.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels import tile
from fastmlp.kernels.activations import (
    IDENTITY,
    RELU,
    SIGMOID,
    TANH,
    activate_block,
    softmax_row,
)
from fastmlp.kernels.checks import require_floats, require_size
from fastmlp.kernels.memory import out_of_line, scratch_like
from fastmlp.kernels.public import (
    blocks,
    flat,
    is_regular,
    parallel_twin,
    part_bounds,
    parts,
)
from fastmlp.kernels.target import (
    PANEL_BYTES,
    SCRATCH_ROWS,
    TILE_VECTORS,
    VECTOR_BYTES,
    device,
    kernel,
)
from fastmlp.kernels.tile import RESUME, STORE, fma

__all__ = [
    "dense",
    "dense_backward_biases",
    "dense_backward_biases_parallel",
    "dense_backward_input",
    "dense_backward_input_parallel",
    "dense_backward_weights",
    "dense_backward_weights_parallel",
    "dense_parallel",
    "dense_relu",
    "dense_relu_parallel",
    "dense_sigmoid",
    "dense_sigmoid_parallel",
    "dense_softmax",
    "dense_softmax_parallel",
    "dense_tanh",
    "dense_tanh_parallel",
    "product",
]

Array = NDArray[Any]


@device
def product(
    a: Array, a_at: int, a_row: int, a_k: int, b: Array, b_at: int, b_row: int, depth: int,
    c: Array, c_at: int, c_row: int, rows: int, columns: int, mode: int, alpha: float,
) -> None:  # fmt: skip
    """C = A B, C + A B or C + alpha · A B by `mode`; one chain an element, k ascending.

    a : array, read. Element (r, k) stands at `a_at + r * a_row + k * a_k`.
    b : array, read. Element (k, j) stands at `b_at + k * b_row + j`.
    c : array, written (and read unless mode is STORE). Element (r, j) at `c_at + r * c_row + j`.

    a, b, c share one dtype; c overlaps neither a nor b. The columns are cut into strips as wide
    as the tile; four vectors that remain make one strip, since narrow ones load more than they
    multiply. A strip of B stays in the first-level cache while
    all rows of A pass it (Goto and van de Geijn 2008, without packing).
    """
    out_of_line()
    lanes = VECTOR_BYTES // c.itemsize
    j = 0
    while j + lanes <= columns:
        vectors = (columns - j) // lanes
        if vectors == 4 and TILE_VECTORS == 3:
            tile.strip_4(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += 4 * lanes
        elif vectors >= TILE_VECTORS:
            tile.strip_full(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += TILE_VECTORS * lanes
        elif vectors == 2:
            tile.strip_2(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += 2 * lanes
        else:
            tile.strip_1(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += lanes
    if j < columns:
        tile.strip_masked(
            a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
            c, c_at + j, c_row, rows, columns - j, mode, alpha,
        )  # fmt: skip


# --- public kernels -------------------------------------------------------------------------------

# Rows of the input delta that one transposed block of weights serves.
_INPUT_ROWS: Final = 256


@device
def has_unit_columns(array: Array) -> bool:
    """Return whether the elements of each row of a (n, m) array follow one another in memory."""
    return is_regular(array) and (array.shape[1] < 2 or array.strides[1] == array.itemsize)


@device
def multiply(
    a: Array, a_at: int, a_row: int, a_k: int, b: Array, b_row: int, depth: int,
    c: Array, c_at: int, c_row: int, rows: int, columns: int,
) -> None:  # fmt: skip
    """C = A B, walked along k by panels so that a strip of B stays in the first-level cache."""
    out_of_line()
    panel = PANEL_BYTES // c.itemsize
    for k in range(0, max(depth, 1), panel):  # at depth 0 the sums are still to be stored
        product(
            a, a_at + k * a_k, a_row, a_k, b, k * b_row, b_row, min(panel, depth - k),
            c, c_at, c_row, rows, columns, RESUME if k > 0 else STORE, c.dtype.type(0),
        )  # fmt: skip


@device
def multiply_naive(a: Array, b: Array, c: Array, top: int, bottom: int) -> None:
    """Rows [top, bottom) of C = A B for any strides: the same chains as `product`, one by one."""
    for r in range(top, bottom):
        for j in range(c.shape[1]):
            total = c.dtype.type(0)
            for k in range(a.shape[1]):
                total = fma(a[r, k], b[k, j], total)
            c[r, j] = total


@device
def dense_part(code: int, x: Array, w: Array, b: Array, out: Array, part: int) -> None:
    """Write rows of activation(x w + b): one of `parts(n)`."""
    top, bottom = part_bounds(out.shape[0], part)
    size = out.itemsize
    if is_regular(x) and has_unit_columns(w) and has_unit_columns(out):
        row, to = x.strides[0] // size, out.strides[0] // size
        multiply(
            flat(x), top * row, row, x.strides[1] // size, flat(w), w.strides[0] // size,
            x.shape[1], flat(out), top * to, to, bottom - top, out.shape[1],
        )  # fmt: skip
    else:
        multiply_naive(x, w, out, top, bottom)
    rows = out[top:bottom]
    for r in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[r, j] += b[j]
    if code != IDENTITY:
        for block in range(blocks(rows)):
            activate_block(code, rows, rows, block)


@device
def weights_part(x: Array, delta: Array, out: Array, part: int) -> None:
    """Write rows of xᵀ delta: one of `parts(n_in)`."""
    top, bottom = part_bounds(out.shape[0], part)
    size = out.itemsize
    if is_regular(x) and has_unit_columns(delta) and has_unit_columns(out):
        column, to = x.strides[1] // size, out.strides[0] // size
        multiply(
            flat(x), top * column, column, x.strides[0] // size, flat(delta),
            delta.strides[0] // size, x.shape[0], flat(out), top * to, to, bottom - top,
            out.shape[1],
        )  # fmt: skip
    else:
        multiply_naive(x.T, delta, out, top, bottom)


@device
def input_part(delta: Array, w: Array, out: Array, part: int) -> None:
    """Write rows of delta wᵀ: the part-th _INPUT_ROWS of them."""
    top, bottom = part * _INPUT_ROWS, min(out.shape[0], (part + 1) * _INPUT_ROWS)
    size = out.itemsize
    if not (is_regular(delta) and has_unit_columns(out)):
        multiply_naive(delta, w.T, out, top, bottom)
        return
    scratch, panel, depth = scratch_like(out), PANEL_BYTES // size, delta.shape[1]
    row, to = delta.strides[0] // size, out.strides[0] // size
    step = delta.strides[1] // size
    for j in range(0, out.shape[1], panel):
        columns = min(panel, out.shape[1] - j)
        for k in range(0, max(depth, 1), SCRATCH_ROWS):
            count = min(SCRATCH_ROWS, depth - k)
            for i in range(columns):
                for o in range(count):
                    scratch[o * panel + i] = w[j + i, k + o]
            product(
                flat(delta), top * row + k * step, row, step, scratch, np.int64(0), panel, count,
                flat(out), top * to + j, to, bottom - top, columns, RESUME if k > 0 else STORE,
                out.dtype.type(0),
            )  # fmt: skip


@device
def require_dense(x: Array, w: Array, b: Array, out: Array) -> None:
    """Raise KernelShapeError unless the arrays of a dense layer fit together."""
    require_size("w", "rows", x.shape[1], w.shape[0])
    require_size("b", "elements", w.shape[1], b.shape[0])
    require_size("out", "rows", x.shape[0], out.shape[0])
    require_size("out", "columns", w.shape[1], out.shape[1])


@kernel
def dense(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write x w + b to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    Each element is one chain of fused multiply-adds over ascending k in the dtype of x, from
    zero, then the bias: a row does not depend on the rows beside it. w and out whose rows have
    gaps between elements (Fortran order, `w[:, ::2]`) go the slow way, to the same bits.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.tolist()
    [[7.0, 8.0]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(IDENTITY), x, w, b, out, np.int64(part))


dense_parallel = parallel_twin(dense)


@kernel
def dense_sigmoid(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write sigmoid(x w + b) to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_sigmoid(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.round(4).tolist()
    [[0.9991, 0.9997]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(SIGMOID), x, w, b, out, np.int64(part))


dense_sigmoid_parallel = parallel_twin(dense_sigmoid)


@kernel
def dense_tanh(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write tanh(x w + b) to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_tanh(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.round(4).tolist()
    [[1.0, 1.0]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(TANH), x, w, b, out, np.int64(part))


dense_tanh_parallel = parallel_twin(dense_tanh)


@kernel
def dense_relu(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write max(x w + b, 0) to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_relu(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.tolist()
    [[7.0, 8.0]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(RELU), x, w, b, out, np.int64(part))


dense_relu_parallel = parallel_twin(dense_relu)


@kernel
def dense_softmax(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write softmax(x w + b), row by row, to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_softmax(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.round(4).tolist()
    [[0.2689, 0.7311]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(IDENTITY), x, w, b, out, np.int64(part))
        top, bottom = part_bounds(out.shape[0], np.int64(part))
        for r in range(top, bottom if out.shape[1] > 0 else top):
            softmax_row(out[r], out.shape[1])


dense_softmax_parallel = parallel_twin(dense_softmax)


@kernel
def dense_backward_weights(x: Array, delta: Array, out: Array) -> None:
    """Write xᵀ delta to `out`: the gradient of the weights.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    delta : (n, n_out), the dtype of x, read; the loss by x w + b
    out : (n_in, n_out), the dtype of x, written; it overlaps no input

    Examples
    --------
    >>> out = np.empty((2, 1))
    >>> dense_backward_weights(np.array([[1.0, 2.0]]), np.array([[3.0]]), out)
    >>> out.tolist()
    [[3.0], [6.0]]
    """
    require_floats((x, delta, out))
    require_size("delta", "rows", x.shape[0], delta.shape[0])
    require_size("out", "rows", x.shape[1], out.shape[0])
    require_size("out", "columns", delta.shape[1], out.shape[1])
    for part in prange(parts(out.shape[0])):
        weights_part(x, delta, out, np.int64(part))


dense_backward_weights_parallel = parallel_twin(dense_backward_weights)


@kernel
def dense_backward_biases(delta: Array, out: Array) -> None:
    """Write the column sums Σ_r delta[r, j] to `out`: the gradient of the biases.

    Parameters
    ----------
    delta : (n, n_out), float32 or float64, read; the loss by x w + b
    out : (n_out,), the dtype of delta, written

    Notes
    -----
    The sums are in the dtype of delta, over ascending rows.

    Examples
    --------
    >>> out = np.empty(2)
    >>> dense_backward_biases(np.array([[1.0, 2.0], [3.0, 4.0]]), out)
    >>> out.tolist()
    [4.0, 6.0]
    """
    require_floats((delta, out))
    require_size("out", "elements", delta.shape[1], out.shape[0])
    for part in prange(parts(out.shape[0])):
        left, right = part_bounds(out.shape[0], np.int64(part))
        for j in range(left, right):
            out[j] = out.dtype.type(0)
        for r in range(delta.shape[0]):
            for j in range(left, right):
                out[j] += delta[r, j]


dense_backward_biases_parallel = parallel_twin(dense_backward_biases)


@kernel
def dense_backward_input(delta: Array, w: Array, out: Array) -> None:
    """Write delta wᵀ to `out`: the gradient of the layer's input.

    Parameters
    ----------
    delta : (n, n_out), float32 or float64, read; the loss by x w + b
    w : (n_in, n_out), the dtype of delta, read
    out : (n, n_in), the dtype of delta, written; it overlaps no input

    Notes
    -----
    Blocks of w are transposed in scratch memory on the stack, each for 256 rows of delta.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_backward_input(np.array([[3.0]]), np.array([[1.0], [2.0]]), out)
    >>> out.tolist()
    [[3.0, 6.0]]
    """
    require_floats((delta, w, out))
    require_size("w", "columns", delta.shape[1], w.shape[1])
    require_size("out", "rows", delta.shape[0], out.shape[0])
    require_size("out", "columns", w.shape[0], out.shape[1])
    for part in prange((out.shape[0] + _INPUT_ROWS - 1) // _INPUT_ROWS):
        input_part(delta, w, out, np.int64(part))


dense_backward_input_parallel = parallel_twin(dense_backward_input)
