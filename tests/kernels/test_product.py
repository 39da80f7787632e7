"""The product that everything rests on: modes, strides, edges, and the machine code it becomes."""

from __future__ import annotations

import re

import numba
import numpy as np
import pytest

from fastmlp.kernels.dense import product
from fastmlp.kernels.target import (
    AVX2,
    AVX512,
    HOST,
    NEON,
    TILE_ROWS,
    TILE_VECTORS,
    kernel,
    lanes,
)
from fastmlp.kernels.tile import RESUME, STORE, UPDATE

OUTSIDE = 7.0  # what stands around C, and must stay
ALPHA = -0.5


@kernel
def call(a, a_at, a_row, a_k, b, b_at, b_row, depth, c, c_at, c_row, rows, columns, mode, alpha):
    """The same, with an entry from Python."""
    product(a, a_at, a_row, a_k, b, b_at, b_row, depth, c, c_at, c_row, rows, columns, mode, alpha)


def multiply(a, b, c, mode):
    """Return C after `product`, with gaps around every matrix; `a` may be any 2-D view."""
    a_row, a_k = (s // a.itemsize for s in a.strides)
    a_flat = a.base if a.base is not None else a
    buffers = []
    for matrix in (b, c):
        buffer = np.full((matrix.shape[0] + 2, matrix.shape[1] + 5), OUTSIDE, c.dtype)
        buffer[1:-1, 2:-3] = matrix
        buffers.append(buffer)
    starts = [buffer.shape[1] + 2 for buffer in buffers]
    (b_flat, c_flat), (b_row, c_row) = (
        [x.reshape(-1) for x in buffers],
        [x.shape[1] for x in buffers],
    )
    call(
        a_flat.reshape(-1), 0, a_row, a_k, b_flat, starts[0], b_row, b.shape[0],
        c_flat, starts[1], c_row, c.shape[0], c.shape[1], mode, c.dtype.type(ALPHA),
    )  # fmt: skip
    result = buffers[1][1:-1, 2:-3].copy()
    buffers[1][1:-1, 2:-3] = OUTSIDE
    assert (buffers[1] == OUTSIDE).all()
    return result


def make(rows, depth, columns, dtype):
    random = np.random.default_rng(0)
    shapes = ((rows, depth), (depth, columns), (rows, columns))
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def columns_to_try(dtype):
    vector = lanes(np.dtype(dtype).itemsize)
    whole = [n * vector for n in range(1, TILE_VECTORS + 3)]
    return [1, vector - 1, *whole, vector + 1, whole[-1] + 3]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", [STORE, RESUME, UPDATE])
def test_modes_and_edges(mode, dtype):
    for columns in columns_to_try(dtype):
        for rows in (1, TILE_ROWS - 1, TILE_ROWS, TILE_ROWS + 1, 2 * TILE_ROWS + 3):
            for depth in (0, 1, 2, 7):
                a, b, c = make(rows, depth, columns, dtype)
                exact = a.astype("d") @ b.astype("d")
                expected = {STORE: exact, RESUME: c + exact, UPDATE: c + ALPHA * exact}[mode]
                if mode == STORE:
                    c[:] = np.nan
                got = multiply(a, b, c, mode)
                bound = (depth + 2) * np.finfo(dtype).eps * max(1, np.abs(expected).max())
                np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_strides_of_a_do_not_matter(dtype):
    a, b, c = make(TILE_ROWS + 2, 50, columns_to_try(dtype)[-1], dtype)
    expected = multiply(a, b, c, STORE)
    wide = np.full((a.shape[0], 2 * a.shape[1]), np.nan, dtype)
    wide[:, ::2] = a
    for same in (np.ascontiguousarray(a.T).T, wide[:, ::2]):
        assert multiply(same, b, c, STORE).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_result_depends_on_the_tile_that_computes_it(dtype):
    a, b, c = make(2 * TILE_ROWS + 3, 50, columns_to_try(dtype)[-1], dtype)
    expected = multiply(a, b, c, STORE)
    for r in range(len(a)):
        assert multiply(a[r : r + 1].copy(), b, c[:1], STORE).tobytes() == expected[r].tobytes()
    for j in range(b.shape[1]):
        alone = multiply(a, b[:, j : j + 1], c[:, :1], STORE)
        assert alone.tobytes() == expected[:, j].tobytes()
    halves = multiply(
        a[:, 20:].copy(), b[20:], multiply(a[:, :20].copy(), b[:20], c, STORE), RESUME
    )
    assert halves.tobytes() == expected.tobytes()


# What a vector register is called, what a vector multiply-add is, and where the stack is.
MACHINES = {
    AVX512: (r"%zmm", r"vfn?madd\w*p[sd]", r"\(%rsp"),
    AVX2: (r"%ymm", r"vfn?madd\w*p[sd]", r"\(%rsp"),
    NEON: (r"\b[vq]\d+", r"fmla", r"\[sp"),
}


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="needs the compiler")
@pytest.mark.skipif(HOST not in MACHINES, reason="no fused multiply-add on this CPU")
@pytest.mark.parametrize("real", [numba.float32, numba.float64])
def test_full_tile_stays_in_vector_registers(real):
    vector, multiply_add, stack = MACHINES[HOST]
    array, i = real[::1], numba.int64
    # Not `kernel`: from its cache there would be no assembly.
    compiled = numba.njit(
        (array, i, i, i, array, i, i, i, array, i, i, i, i, i, real), error_model="numpy"
    )(call.py_func)
    (assembly,) = compiled.inspect_asm().values()
    # From each label to the next: a loop if there is a jump back, and up to that jump.
    _, *pieces = re.split(r"^(\S+):.*$", assembly, flags=re.MULTILINE)
    loops = []
    for label, block in zip(pieces[::2], pieces[1::2], strict=True):
        *body, _ = re.split(rf"^\s.*\b{re.escape(label.lstrip('.'))}$", block, flags=re.MULTILINE)
        loops += body[:1]
    whole = TILE_ROWS * TILE_VECTORS
    counts = [len(re.findall(rf"^\s*{multiply_add}", loop, re.MULTILINE)) for loop in loops]
    assert max(counts) >= whole, f"no loop with {whole} multiply-adds, but {sorted(counts)[-5:]}"
    loops = [loop for loop, count in zip(loops, counts, strict=True) if count >= whole]
    for loop in loops:
        lines = [line for line in loop.splitlines() if re.search(vector, line)]
        assert sum(bool(re.match(rf"\s*{multiply_add}", line)) for line in lines) >= whole
        assert not [line for line in lines if re.search(stack, line)], "spilled to the stack"
