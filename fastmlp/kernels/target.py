"""What the host CPU offers, and every choice that depends on it.

All jit options, the width of a vector, the shape of the register tile and the block sizes live
here and nowhere else. The instruction set is what LLVM generates for the CPU that Numba compiles
for, so `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` are honoured.

The tile shapes follow Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
ACM TOMS 34(3), 2008: as many accumulators as registers allow, enough of them to hide the latency
of a fused multiply-add (4 cycles on 2 units: at least 8), and few loads per multiply-add.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import llvmlite.binding as llvm
import numba
from numba import njit
from numba.extending import overload

from fastmlp.kernels.cache import KernelCache
from fastmlp.kernels.library import DEVICE_OPTIONS, KERNEL_OPTIONS

__all__ = [
    "ALIGNMENT",
    "BLOCK_ROWS",
    "CACHE_LINE",
    "EAGER_LOOKS",
    "MACHINE",
    "PANEL_BYTES",
    "PATIENT_LOOKS",
    "SCRATCH_ROWS",
    "SPAN_BYTES",
    "TILE_ROWS",
    "TILE_VECTORS",
    "VECTOR_BYTES",
    "by_dtype",
    "checking_device",
    "cuts_columns",
    "describe",
    "kernel",
    "lanes",
    "parallel_kernel",
    "rows_together",
    "skips_zeros",
]


class InstructionSet(NamedTuple):
    """A vector width and the register tile that suits it."""

    name: str
    vector_bytes: int
    registers: int
    tile_rows: int
    tile_vectors: int


AVX512: Final = InstructionSet("AVX-512", 64, 32, 8, 3)
AVX2: Final = InstructionSet("AVX2", 32, 16, 4, 3)
NEON: Final = InstructionSet("NEON", 16, 32, 8, 3)
GENERIC: Final = InstructionSet("generic", 16, 16, 4, 2)

# One fused multiply-add of 16 floats: the registers LLVM picks for it name the instruction set.
_PROBE: Final = """
declare <16 x float> @llvm.fmuladd.v16f32(<16 x float>, <16 x float>, <16 x float>)
define void @probe(ptr %a, ptr %b) {
  %x = load <16 x float>, ptr %a
  %y = load <16 x float>, ptr %b
  %z = call <16 x float> @llvm.fmuladd.v16f32(<16 x float> %x, <16 x float> %y, <16 x float> %x)
  store <16 x float> %z, ptr %a
  ret void
}
"""


def _host_assembly() -> str:
    """Return the assembly of the probe for the CPU that Numba compiles for."""
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        name = numba.config.CPU_NAME or llvm.get_host_cpu_name()
        features = numba.config.CPU_FEATURES
        if features is None:
            features = llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple()
        machine = target.create_target_machine(cpu=name, features=features, opt=2)
        return str(machine.emit_assembly(llvm.parse_assembly(_PROBE)))
    except RuntimeError:  # a CPU that LLVM cannot describe gets the narrow tile
        return ""


def _instruction_set(assembly: str) -> InstructionSet:
    """Return the instruction set whose fused multiply-add the assembly uses."""
    if re.search(r"vfn?madd.*%zmm", assembly):
        return AVX512
    if re.search(r"vfn?madd.*%ymm", assembly):
        return AVX2
    if re.search(r"fmla(\.4s|\s+v)", assembly):
        return NEON
    return GENERIC


HOST: Final = _instruction_set(_host_assembly())
VECTOR_BYTES: Final = HOST.vector_bytes
TILE_ROWS: Final = HOST.tile_rows
TILE_VECTORS: Final = HOST.tile_vectors

MACHINE: Final = {"amd64": "x86_64", "arm64": "aarch64"}.get(
    platform.machine().lower(), platform.machine().lower()
)

CACHE_LINE: Final = 64
ALIGNMENT: Final = 64  # NumPy's own 16 bytes make every 64-byte load straddle two lines

# A panel is what the rows of a product are cut into, along k and along the columns: 9 cache lines,
# which every instruction set divides into whole tiles, and an odd number, so that the rows of a
# panel spread over all cache sets. A strip of B as deep as a panel of floats is wide, 144 rows of
# three 64-byte vectors, fills 27 of the 32 or 48 KB of a first-level cache.
PANEL_BYTES: Final = 9 * CACHE_LINE

# Samples that are worked on together. Their panels span few enough pages (128 rows of 576 bytes:
# 18) for the first-level TLB, which the weight gradient needs as it walks down their columns.
BLOCK_ROWS: Final = 128

# The most of them, where the parameters are more than a second-level cache holds: they come from
# further away once a block. A block's multiplications and additions are bounded so that training
# can be interrupted every tenth of a second or so.
_MOST_BLOCK_ROWS: Final = 512
_CACHE_BYTES: Final = 1 << 20
_BLOCK_OPERATIONS: Final = 10**10

# Weights that all entries of a block meet before the next ones do: most of a first-level cache.
SPAN_BYTES: Final = 44 * 1024

# Rows of a gradient that are finished in scratch memory before the update rule is applied.
SCRATCH_ROWS: Final = 32


# Looks at a barrier, of some 50 ns each, before a waiting thread offers its core to others, and
# before one that has not come is given up. Waking a thread that sleeps takes 50 to 100 us.
EAGER_LOOKS: Final = 2_000
PATIENT_LOOKS: Final = 10_000


def skips_zeros(density: float, vectors: int) -> bool:
    """Return whether rows of which `density` is not zero are faster held as entries.

    An entry costs a load for each of `vectors` vectors of outputs and about 2.5 besides; the dense
    tile does close to two multiply-adds where that does one load.
    """
    return density < 0.5 * vectors / (vectors + 2.5)


def cuts_columns(vectors: int, parts: int) -> bool:
    """Return whether threads share the `vectors` of the first layer's columns, not its rows.

    Each must get a whole strip. Rows can always be cut evenly, so the widest share must be no more
    than a tenth too wide.
    """
    widest = -(-vectors // parts)
    return vectors >= TILE_VECTORS * parts and 10 * widest * parts <= 11 * vectors


def rows_together(batch: int, parameters: int, itemsize: int, skips: bool) -> int:
    """Return how many samples of a batch to work on together, for a number of parameters."""
    if parameters * itemsize <= _CACHE_BYTES:
        # Entries leave room in the cache: then a batch is worth to be done in one.
        return batch if skips and batch <= 2 * BLOCK_ROWS else BLOCK_ROWS
    rows = _BLOCK_OPERATIONS // (6 * parameters) // BLOCK_ROWS * BLOCK_ROWS
    return min(max(rows, BLOCK_ROWS), _MOST_BLOCK_ROWS)


def lanes(itemsize: int) -> int:
    """Return how many elements of `itemsize` bytes a vector holds."""
    return VECTOR_BYTES // itemsize


# No fast-math anywhere: every multiply-add is written as one, so results do not depend on what
# the compiler may reorder, and NaN stays NaN. The NumPy error model drops the division checks.
_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    dispatcher = njit(**_OPTIONS, **KERNEL_OPTIONS, **options)(function)
    if not numba.config.DISABLE_JIT:
        KernelCache.attach(dispatcher, "-".join(sorted(options)))
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function for one thread: it releases the GIL and is cached on disk."""
    return _compiled(function)


def device(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call: no entry from Python, no cache of its own."""
    return njit(**_OPTIONS, **DEVICE_OPTIONS)(function)


def checking_device(function: Callable[..., Any]) -> Any:
    """Compile a device function that raises: Numba gives it what it makes the exception from."""
    return njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile the parallel twin: the same body, its `prange` loops spread over threads."""
    return _compiled(function, parallel=True)


def by_dtype(float32: Callable[..., Any], float64: Callable[..., Any]) -> Any:
    """Return one function that is `float32` or `float64` by the type of its argument.

    The choice is made at compile time. Both are functions of one scalar.
    """

    def chosen(x: Any) -> Any:
        return (float32 if x.dtype.itemsize == 4 else float64)(x)

    chosen.__name__ = float32.__name__.removesuffix("_float32")
    chosen.__doc__ = float32.__doc__

    @overload(chosen, jit_options=_OPTIONS)
    def choose(x: Any) -> Callable[..., Any]:
        def single(x: Any) -> Any:
            return float32(x)

        def double(x: Any) -> Any:
            return float64(x)

        # Numba names machine code by it; under one name, cached files would run each other's.
        single.__qualname__ = double.__qualname__ = chosen.__name__
        return single if x == numba.types.float32 else double

    return chosen


def describe() -> dict[str, object]:
    """Return what was found: CPU, instruction set, lanes, tile, and the compiler's versions."""
    return {
        "cpu": numba.config.CPU_NAME or llvm.get_host_cpu_name(),
        "machine": platform.machine(),
        "instruction_set": HOST.name,
        "lanes_float32": lanes(4),
        "lanes_float64": lanes(8),
        "tile": f"{TILE_ROWS} rows x {TILE_VECTORS} vectors",
        "cores": os.cpu_count() or 1,
        "numba": numba.__version__,
        "llvm": ".".join(map(str, llvm.llvm_version_info)),
    }
