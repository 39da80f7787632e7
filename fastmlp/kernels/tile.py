"""The register tile: the one primitive on which every product of the package is built.

A strip is a few vectors of columns of C, for any number of rows:

    mode STORE     C[r, :] = Σ_k A[r, k] · B[k, :]
    mode RESUME    C[r, :] = C[r, :] + Σ_k A[r, k] · B[k, :]     (the chain goes on from C)
    mode UPDATE    C[r, :] = C[r, :] + alpha · Σ_k A[r, k] · B[k, :]

It is cut into tiles of TILE_ROWS rows (half as many in the widest strip) whose accumulators all
stay in registers, and single rows for what is left. Both strides of A are free, so A may be a block
of rows (the forward product) or of columns (the weight gradient). Each element is one chain of
fused multiply-adds over ascending k, whatever the shape of the tile that computes it: shapes never
change a result.

It is written as LLVM vectors because LLVM does not find this shape in scalar loops (it reaches
about half of what the tile does). `llvm.fmuladd` is a fused multiply-add where the CPU has one
and a multiplication and an addition elsewhere; `llvm.fma` would call the C library there, per
element. The method is that of the BLIS micro-kernel: Van Zee and van de Geijn, "BLIS: a framework
for rapidly instantiating BLAS functionality", ACM TOMS 41(3), 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.kernels.target import CACHE_LINE, TILE_ROWS, TILE_VECTORS, VECTOR_BYTES
from fastmlp.kernels.vectors import I64, Emitter

__all__ = [
    "RESUME",
    "STORE",
    "UPDATE",
    "fma",
    "strip_1",
    "strip_2",
    "strip_4",
    "strip_full",
    "strip_masked",
]

STORE: Final = 0
RESUME: Final = 1
UPDATE: Final = 2


class _Operand(NamedTuple):
    """A matrix in memory: its first element and, in elements, its strides."""

    at: Any
    row: Any
    k: Any = None


def _emit_tile(
    emit: Emitter, rows: int, vectors: int, a: _Operand, b: _Operand, c: _Operand,
    depth: Any, mode: Any, alpha: Any, mask: Any, ahead: Any,
) -> None:  # fmt: skip
    """Emit one tile at the builder's position; leave the builder where the tile is done.

    Each step of k also fetches one line, `ahead` elements from the row of B that it reads.
    """
    builder = emit.builder
    a_rows, c_rows = [a.at], [c.at]
    for _ in range(1, rows):
        # Opaque, else LLVM walks from row to row of A in every step of k: a chain of additions
        # that takes longer than the step itself.
        a_rows.append(emit.opaque(builder.gep(a_rows[-1], [a.row])))
        c_rows.append(builder.gep(c_rows[-1], [c.row]))

    def grid(make: Callable[[int, int], Any]) -> list[list[Any]]:
        return [[make(row, v) for v in range(vectors)] for row in range(rows)]

    zero = ir.Constant(emit.vector, [0.0] * emit.lanes)
    resume = builder.icmp_signed("==", mode, mode.type(RESUME))
    start = grid(lambda row, v: builder.select(resume, emit.load(c_rows[row], v, mask), zero))

    entry = builder.block
    loop = builder.append_basic_block("tile.loop")
    done = builder.append_basic_block("tile.done")
    builder.cbranch(builder.icmp_signed(">", depth, I64(0)), loop, done)

    builder.position_at_end(loop)
    k, a_step, b_now = builder.phi(I64), builder.phi(I64), builder.phi(b.at.type)
    sums = grid(lambda row, v: builder.phi(emit.vector))
    if ahead is not None:
        emit.prefetch(builder.gep(b_now, [ahead]))
    b_vectors = [emit.load(b_now, v, mask) for v in range(vectors)]
    factors = [emit.splat(builder.load(builder.gep(row, [a_step]))) for row in a_rows]
    news = grid(lambda row, v: emit.fma(factors[row], b_vectors[v], sums[row][v]))
    following = builder.add(k, I64(1))
    for phi, first, next_value in (
        (k, I64(0), following),
        (a_step, I64(0), builder.add(a_step, a.k)),
        (b_now, b.at, builder.gep(b_now, [b.row])),
    ):
        phi.add_incoming(first, entry)
        phi.add_incoming(next_value, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

    builder.position_at_end(done)
    results = grid(lambda row, v: builder.phi(emit.vector))
    for row in range(rows):
        for v in range(vectors):
            for phi in (sums[row][v], results[row][v]):
                phi.add_incoming(start[row][v], entry)
                phi.add_incoming(news[row][v], loop)
    is_update = builder.icmp_signed("==", mode, mode.type(UPDATE))
    with builder.if_else(is_update) as (then, otherwise):
        with then:
            scale = emit.splat(alpha)
            for row in range(rows):
                for v in range(vectors):
                    old = emit.load(c_rows[row], v, mask)
                    emit.store(emit.fma(scale, results[row][v], old), c_rows[row], v, mask)
        with otherwise:
            for row in range(rows):
                for v in range(vectors):
                    emit.store(results[row][v], c_rows[row], v, mask)


def _height(vectors: int) -> int:
    """Return how many rows of accumulators `vectors` wide fit into the registers."""
    return TILE_ROWS // 2 if vectors > TILE_VECTORS else TILE_ROWS


def _strip_function(
    module: ir.Module, name: str, element: ir.Type, vectors: int, masked: bool
) -> ir.Function:
    """Return the strip as a function of the module, made if it is not there.

    It is kept out of line: a product calls it for tens of thousands of multiply-adds, and copies
    of its loops at each of a dozen calls would only cost compile time.
    """
    if name in module.globals:
        return module.globals[name]
    pointer = element.as_pointer()
    arguments = [pointer, I64, I64, pointer, I64, I64, pointer, *[I64] * 4, element, I64]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    a_at, a_row, a_k, b_at, b_row, depth, c_at, c_row, rows, columns, mode, alpha, following = (
        function.args
    )
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    emit = Emitter(builder, element, {"float": 4, "double": 8}[str(element)])
    mask = emit.mask(columns) if masked else None
    top = cgutils.alloca_once_value(builder, I64(0))
    for height in (_height(vectors), 1):
        head = builder.append_basic_block("rows")
        body = builder.append_basic_block("rows.body")
        after = builder.append_basic_block("rows.done")
        builder.branch(head)
        builder.position_at_end(head)
        row = builder.load(top)
        next_row = builder.add(row, I64(height))
        builder.cbranch(builder.icmp_signed("<=", next_row, rows), body, after)
        builder.position_at_end(body)
        a = _Operand(builder.gep(a_at, [builder.mul(row, a_row)]), a_row, a_k)
        b = _Operand(b_at, b_row)
        c = _Operand(builder.gep(c_at, [builder.mul(row, c_row)]), c_row)
        ahead = None
        if height > 1 and vectors > 1:  # one vector is bound by its loads
            # The first tiles each fetch one line of every row of the strip that is needed next:
            # weights that another thread has just updated come from its cache, far away.
            line = CACHE_LINE // emit.itemsize
            lines = -(-vectors * emit.lanes // line)
            which = builder.srem(builder.sdiv(row, I64(height)), I64(lines))
            ahead = builder.add(following, builder.mul(which, I64(line)))
        _emit_tile(emit, height, vectors, a, b, c, depth, mode, alpha, mask, ahead)
        builder.store(next_row, top)
        builder.branch(head)
        builder.position_at_end(after)
    builder.ret_void()
    return function


def _make_strip(vectors: int, masked: bool = False) -> Any:
    """Return a strip `vectors` wide, callable from compiled code and from Python.

    A masked strip is one vector wide and touches only its first `columns` lanes.

    The arguments of a strip: `a, a_at, a_row, a_k` an array, the element at which it begins and
    its strides in elements between rows and along k; `b, b_at, b_row` and `c, c_at, c_row` the
    same, their columns contiguous; `depth`, the length of k; `rows`; `columns`; `mode`; `alpha`;
    `following`, how many elements after this strip of B the one stands that is needed next (strips
    of one vector do not use it).
    """
    if numba.config.DISABLE_JIT:
        return _interpreted(vectors, masked)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        dtype = sig.args[0].dtype
        element = context.get_data_type(dtype)
        starts = []
        for position in (0, 4, 8):
            array = context.make_array(sig.args[position])(context, builder, args[position])
            starts.append(builder.gep(array.data, [args[position + 1]]))
        name = f"fastmlp.strip.{vectors}{'m' if masked else ''}.f{dtype.bitwidth}"
        function = _strip_function(builder.module, name, element, vectors, masked)
        a, b, c = starts
        builder.call(function, [a, *args[2:4], b, *args[6:8], c, *args[10:]])
        return context.get_dummy_value()

    @intrinsic
    def strip(
        typing: Any, a: Any, a_at: Any, a_row: Any, a_k: Any, b: Any, b_at: Any, b_row: Any,
        depth: Any, c: Any, c_at: Any, c_row: Any, rows: Any, columns: Any, mode: Any, alpha: Any,
        following: Any,
    ) -> Any:  # fmt: skip
        if not all(isinstance(array, types.Array) for array in (a, b, c)):
            return None
        if a.dtype not in (types.float32, types.float64) or not a.dtype == b.dtype == c.dtype:
            raise numba.TypingError("arrays of one dtype are expected, float32 or float64")
        i = types.int64
        return types.void(a, i, i, i, b, i, i, i, c, i, i, i, i, i, a.dtype, i), generate

    return strip


def _interpreted(vectors: int, masked: bool) -> Callable[..., None]:
    """Return the strip as plain Python, for `NUMBA_DISABLE_JIT=1`."""

    def elements(array: Any) -> Any:
        if array.flags.c_contiguous:
            return array.reshape(-1)
        span = sum((n - 1) * abs(s) for n, s in zip(array.shape, array.strides, strict=True))
        shape = (span // array.itemsize + 1,)
        return np.lib.stride_tricks.as_strided(array, shape, (array.itemsize,))

    def strip(
        a: Any, a_at: int, a_row: int, a_k: int, b: Any, b_at: int, b_row: int, depth: int,
        c: Any, c_at: int, c_row: int, rows: int, columns: int, mode: int, alpha: Any,
        following: int,
    ) -> None:  # fmt: skip
        width = columns if masked else vectors * (VECTOR_BYTES // c.itemsize)
        a, b, c = elements(a), elements(b), elements(c)
        for row in range(rows):
            out = c[c_at + row * c_row : c_at + row * c_row + width]
            sums = out.copy() if mode == RESUME else np.zeros(width, c.dtype)
            for k in range(depth):
                factor = a[a_at + row * a_row + k * a_k]
                sums += factor * b[b_at + k * b_row : b_at + k * b_row + width]
            out[:] = out + alpha * sums if mode == UPDATE else sums

    return strip


strip_full = _make_strip(TILE_VECTORS)
strip_2 = _make_strip(2)
strip_4 = _make_strip(4)
strip_1 = _make_strip(1)
strip_masked = _make_strip(1, masked=True)


@intrinsic
def _fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x · y + z, rounded once where the CPU can."""
    if not isinstance(x, types.Float):
        raise numba.TypingError(f"fma is of floats, not of {x}")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = context.get_data_type(sig.return_type)
        kind = ir.FunctionType(element, [element] * 3)
        name = f"llvm.fmuladd.f{sig.return_type.bitwidth}"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return x(x, x, x), generate


def _multiply_add(x: Any, y: Any, z: Any) -> Any:
    """Return x · y + z, rounded twice, for `NUMBA_DISABLE_JIT=1`."""
    return x * y + z


fma: Any = _multiply_add if numba.config.DISABLE_JIT else _fma
