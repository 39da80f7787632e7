"""Vectors in LLVM: what the functions that are written as vectors are written with."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils

from fastmlp.kernels.target import VECTOR_BYTES

__all__ = ["I32", "I64", "Emitter", "data_of"]

I32: Final = ir.IntType(32)
I64: Final = ir.IntType(64)


def data_of(context: Any, builder: Any, sig: Any, args: Any, position: int) -> Any:
    """Return the address of the first element of an intrinsic's argument, an array."""
    array = context.make_array(sig.args[position])
    return array(context, builder, args[position]).data


class Emitter:
    """Emits loads, stores and multiply-adds on vectors of one element type."""

    def __init__(self, builder: Any, element: ir.Type, itemsize: int) -> None:
        self.builder = builder
        self.element = element
        self.itemsize = itemsize
        self.lanes = VECTOR_BYTES // itemsize
        self.vector = ir.VectorType(element, self.lanes)
        self._suffix = f"v{self.lanes}f{8 * itemsize}"

    def function(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> Any:
        """Return a function of the module, declared if it is not there."""
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, name)

    def opaque(self, value: Any) -> Any:
        """Return the value with its origin hidden from LLVM."""
        kind = ir.FunctionType(value.type, [value.type])
        return self.builder.asm(kind, "", "=r,0", [value], False)

    def splat(self, scalar: Any) -> Any:
        """Return a vector with the scalar in every lane."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, I32(0))
        lanes = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, lanes)

    def mask(self, columns: Any) -> Any:
        """Return the mask of the first `columns` lanes."""
        index = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", index, self.splat(columns))

    def _address(self, pointer: Any, v: int) -> Any:
        at = self.builder.gep(pointer, [I64(v * self.lanes)])
        return self.builder.bitcast(at, self.vector.as_pointer())

    def load(self, pointer: Any, v: int, mask: Any = None) -> Any:
        """Return vector v from a pointer on; masked lanes are zero."""
        address = self._address(pointer, v)
        if mask is None:
            value = self.builder.load(address)
            value.align = self.itemsize
            return value
        name = f"llvm.masked.load.{self._suffix}.p0"
        arguments = [address.type, I32, mask.type, self.vector]
        function = self.function(name, self.vector, arguments)
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.builder.call(function, [address, I32(self.itemsize), mask, zero])

    def store(self, value: Any, pointer: Any, v: int, mask: Any = None) -> None:
        """Store vector v from a pointer on; masked lanes are left."""
        address = self._address(pointer, v)
        if mask is None:
            self.builder.store(value, address).align = self.itemsize
            return
        name = f"llvm.masked.store.{self._suffix}.p0"
        arguments = [self.vector, address.type, I32, mask.type]
        function = self.function(name, ir.VoidType(), arguments)
        self.builder.call(function, [value, address, I32(self.itemsize), mask])

    def prefetch(self, pointer: Any) -> None:
        """Ask for a line to be brought into the first-level cache; it may be anywhere."""
        arguments = [pointer.type, I32, I32, I32]
        function = self.function("llvm.prefetch.p0", ir.VoidType(), arguments)
        self.builder.call(function, [pointer, I32(0), I32(3), I32(1)])

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """Return x · y + z, rounded once where the CPU can."""
        function = self.function(f"llvm.fmuladd.{self._suffix}", self.vector, [self.vector] * 3)
        return self.builder.call(function, [x, y, z])
