"""The sparse strip: products with rows of which most elements are zero.

Rows are held as entries: the values that are not zero, and the columns they stand in. A strip is a
few vectors of columns of C, for a list of rows:

    mode STORE     C[r, :] = Σ_e value[e] · B[column[e], :]
    mode RESUME    C[r, :] = C[r, :] + Σ_e value[e] · B[column[e], :]
    mode UPDATE    C[r, :] = C[r, :] + alpha · Σ_e value[e] · B[column[e], :]

With rows of samples and B the weights it is the forward product; with the entries transposed, rows
of features and B the deltas, it is the weight gradient. Each element is one chain of fused
multiply-adds over ascending columns, from zero: to multiply and add a zero changes nothing, so the
result is that of the dense strip (see `tile`), to the last bit.

The limit is loads: a vector of B for every multiply-add. The caller sees to it that the rows of B
that many rows of C need lie in the first-level cache together.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.kernels.layout import FLOAT32, UINT8
from fastmlp.kernels.target import VECTOR_BYTES
from fastmlp.kernels.tile import RESUME, UPDATE
from fastmlp.kernels.vectors import I32, I64, Emitter, data_of

__all__ = ["BOUND", "MOST_VECTORS", "compress", "sparse_strip"]

# Accumulators of a strip: with the vector they are multiplied by, few enough for 16 registers.
MOST_VECTORS: Final = 8

# Numbers for each row: which it is, its first entry and the end of its entries.
BOUND: Final = 3


def _out_of_line(module: ir.Module, name: str, result: ir.Type, arguments: list[ir.Type]) -> Any:
    function = ir.Function(module, ir.FunctionType(result, arguments), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    return function


def _strip_function(module: ir.Module, name: str, element: ir.Type) -> ir.Function:
    """Return the strip as a function of the module, made if it is not there.

    It has one loop for each number of vectors, whose accumulators all stay in registers.
    """
    if name in module.globals:
        return module.globals[name]
    pointer = element.as_pointer()
    arguments = [
        pointer, I32.as_pointer(), I64.as_pointer(), I64, pointer, I64, pointer, I64, I64, I64,
        element,
    ]  # fmt: skip
    function = _out_of_line(module, name, ir.VoidType(), arguments)
    values, columns, bounds, count, b, b_row, c, c_row, vectors, mode, alpha = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    emit = Emitter(builder, element, {"float": 4, "double": 8}[str(element)])
    zero = ir.Constant(emit.vector, [0.0] * emit.lanes)
    resume = builder.icmp_signed("==", mode, I64(RESUME))
    update = builder.icmp_signed("==", mode, I64(UPDATE))
    scale = emit.splat(alpha)
    done = function.append_basic_block("done")
    ways = builder.switch(vectors, done)
    for width in range(1, MOST_VECTORS + 1):
        way = function.append_basic_block(f"vectors.{width}")
        ways.add_case(I64(width), way)
        builder.position_at_end(way)
        with cgutils.for_range(builder, count, intp=I64) as rows:
            bound = builder.gep(bounds, [builder.mul(rows.index, I64(BOUND))])
            r, first, end = (builder.load(builder.gep(bound, [I64(i)])) for i in range(BOUND))
            out = builder.gep(c, [builder.mul(r, c_row)])
            sums = [cgutils.alloca_once(builder, emit.vector) for _ in range(width)]
            for v, total in enumerate(sums):
                builder.store(builder.select(resume, emit.load(out, v), zero), total)
            with cgutils.for_range_slice(builder, first, end, I64(1), I64) as (entry, _):
                column = builder.sext(builder.load(builder.gep(columns, [entry])), I64)
                factor = emit.splat(builder.load(builder.gep(values, [entry])))
                line = builder.gep(b, [builder.mul(column, b_row)])
                for v, total in enumerate(sums):
                    builder.store(emit.fma(factor, emit.load(line, v), builder.load(total)), total)
            with builder.if_else(update) as (then, otherwise):
                with then:
                    for v, total in enumerate(sums):
                        emit.store(emit.fma(scale, builder.load(total), emit.load(out, v)), out, v)
                with otherwise:
                    for v, total in enumerate(sums):
                        emit.store(builder.load(total), out, v)
        builder.branch(done)
    builder.position_at_end(done)
    builder.ret_void()
    return function


@intrinsic
def _sparse_strip(
    typing: Any, values: Any, columns: Any, bounds: Any, bounds_at: Any, count: Any, b: Any,
    b_at: Any, b_row: Any, c: Any, c_at: Any, c_row: Any, vectors: Any, mode: Any, alpha: Any,
) -> Any:  # fmt: skip
    """Compute one strip."""
    if not values.dtype == b.dtype == c.dtype or columns.dtype != types.int32:
        raise numba.TypingError("values, b and c of one dtype are expected, and int32 columns")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        dtype = sig.args[0].dtype
        values, columns, bounds, b, c = (
            data_of(context, builder, sig, args, position) for position in (0, 1, 2, 5, 8)
        )
        function = _strip_function(
            builder.module, f"fastmlp.sparse.f{dtype.bitwidth}", context.get_data_type(dtype)
        )
        bounds = builder.gep(bounds, [args[3]])
        b, c = builder.gep(b, [args[6]]), builder.gep(c, [args[9]])
        builder.call(function, [values, columns, bounds, args[4], b, args[7], c, *args[10:]])
        return context.get_dummy_value()

    i = types.int64
    signature = types.void(
        values, columns, bounds, i, i, b, i, i, c, i, i, i, i, values.dtype
    )  # fmt: skip
    return signature, generate


def _interpreted_strip(
    values: Any, columns: Any, bounds: Any, bounds_at: int, count: int, b: Any, b_at: int,
    b_row: int, c: Any, c_at: int, c_row: int, vectors: int, mode: int, alpha: Any,
) -> None:  # fmt: skip
    """Compute the strip in plain Python, for `NUMBA_DISABLE_JIT=1`."""
    width = vectors * (VECTOR_BYTES // values.itemsize)
    for at in range(bounds_at, bounds_at + count * BOUND, BOUND):
        r, first, end = bounds[at : at + BOUND]
        out = c[c_at + r * c_row :][:width]
        sums = out.copy() if mode == RESUME else np.zeros(width, c.dtype)
        for e in range(first, end):
            sums += values[e] * b[b_at + columns[e] * b_row :][:width]
        out[:] = out + alpha * sums if mode == UPDATE else sums


# sparse_strip(values, columns, bounds, bounds_at, count, b, b_at, b_row, c, c_at, c_row, vectors,
# mode, alpha): `values` and int32 `columns`, the entries; `bounds`, int64, BOUND numbers for each
# of `count` rows from `bounds_at` on; b and c begin at `b_at` and `c_at`, their rows `b_row` and
# `c_row` elements apart, `vectors` vectors long, at most MOST_VECTORS.
sparse_strip: Any = _interpreted_strip if numba.config.DISABLE_JIT else _sparse_strip


def _compress_function(module: ir.Module, name: str, element: ir.Type) -> ir.Function:
    """Return `compress` as a function of the module, made if it is not there."""
    if name in module.globals:
        return module.globals[name]
    byte, pointer = ir.IntType(8), element.as_pointer()
    arguments = [byte.as_pointer(), I64, I64, element, I64, pointer, I32.as_pointer(), I64]
    function = _out_of_line(module, name, I64, arguments)
    x, kind, count, scale, column, values, columns, position = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    emit = Emitter(builder, element, {"float": 4, "double": 8}[str(element)])
    lanes = emit.lanes
    integers, mask_type = ir.VectorType(I32, lanes), ir.VectorType(ir.IntType(1), lanes)
    ramp = ir.Constant(integers, list(range(lanes)))
    stride = ir.Constant(integers, [lanes] * lanes)
    numbers = cgutils.alloca_once_value(
        builder, builder.add(emit.splat(builder.trunc(column, I32)), ramp)
    )
    at = cgutils.alloca_once_value(builder, position)
    factor, zero = emit.splat(scale), ir.Constant(emit.vector, [0.0] * lanes)
    done = function.append_basic_block("done")
    ways = builder.switch(kind, done)
    for code, source in enumerate((byte, ir.FloatType(), ir.DoubleType())):
        way = function.append_basic_block(f"kind.{code}")
        ways.add_case(I64(code), way)
        builder.position_at_end(way)
        with cgutils.for_range_slice(builder, I64(0), count, I64(lanes), I64) as (j, _):
            address = builder.gep(builder.bitcast(x, source.as_pointer()), [j])
            raw = builder.load(builder.bitcast(address, ir.VectorType(source, lanes).as_pointer()))
            raw.align = 1
            if code == UINT8:
                real = builder.uitofp(raw, emit.vector)
            elif source == element:
                real = raw
            else:
                convert = builder.fpext if code == FLOAT32 else builder.fptrunc
                real = convert(raw, emit.vector)
            real = builder.fmul(real, factor)
            real = builder.fadd(real, builder.fsub(real, real))  # as `entries.scaled`
            mask = builder.fcmp_unordered("!=", real, zero)
            now, number = builder.load(at), builder.load(numbers)
            for suffix, vector, target in (
                (f"v{lanes}f{8 * emit.itemsize}", real, values),
                (f"v{lanes}i32", number, columns),
            ):
                pack = emit.function(
                    f"llvm.experimental.vector.compress.{suffix}",
                    vector.type, [vector.type, mask_type, vector.type],
                )  # fmt: skip
                undefined = ir.Constant(vector.type, ir.Undefined)
                packed = builder.call(pack, [vector, mask, undefined])
                to = builder.bitcast(builder.gep(target, [now]), vector.type.as_pointer())
                builder.store(packed, to).align = 4
            bits = builder.zext(builder.bitcast(mask, ir.IntType(lanes)), I64)
            found = builder.call(emit.function("llvm.ctpop.i64", I64, [I64]), [bits])
            builder.store(builder.add(now, found), at)
            builder.store(builder.add(number, stride), numbers)
        builder.branch(done)
    builder.position_at_end(done)
    builder.ret(builder.load(at))
    return function


@intrinsic
def _compress(
    typing: Any, x: Any, at: Any, kind: Any, count: Any, scale: Any, column: Any, values: Any,
    columns: Any, position: Any,
) -> Any:  # fmt: skip
    """Find elements that are not zero."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        dtype = sig.args[6].dtype
        x, values, columns = (
            data_of(context, builder, sig, args, position) for position in (0, 6, 7)
        )
        name = f"fastmlp.compress.f{dtype.bitwidth}"
        function = _compress_function(builder.module, name, context.get_data_type(dtype))
        first = builder.gep(x, [args[1]])
        return builder.call(function, [first, *args[2:6], values, columns, args[8]])

    i = types.int64
    return i(x, i, i, i, values.dtype, i, values, columns, i), generate


def _interpreted_compress(
    x: Any, at: int, kind: int, count: int, scale: Any, column: int, values: Any, columns: Any,
    position: int,
) -> int:  # fmt: skip
    """Compress as plain Python, for `NUMBA_DISABLE_JIT=1`."""
    dtype = np.dtype({UINT8: "u1", FLOAT32: "f4"}.get(kind, "f8"))
    row = x[at : at + count * dtype.itemsize].view(dtype).astype(values.dtype) * scale
    row += row - row
    (where,) = row.nonzero()
    end = position + len(where)
    values[position:end], columns[position:end] = row[where], column + where
    return end


# compress(x, at, kind, count, scale, column, values, columns, position): find the elements that
# are not zero among the `count` (whole vectors) of `x` from byte `at` on; write each, times scale,
# to `values` and its number, counted from `column`, to `columns`, from `position` on; return the
# position after them. What stands after that, up to where `count` would end, is overwritten.
compress: Any = _interpreted_compress if numba.config.DISABLE_JIT else _compress
