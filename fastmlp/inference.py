"""A network for compiled code, and the short way to predict a few samples that it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.buffers import aligned_zeros
from fastmlp.errors import invalid
from fastmlp.kernels import layout
from fastmlp.kernels.predict import CompiledNetwork, predict_finite
from fastmlp.kernels.sparse import BOUND
from fastmlp.parameters import Parameters

__all__ = ["compile_network", "predict_few", "run_few"]

# More samples, or more floating-point operations, are done faster as a block: that reads weights
# once for several samples, but takes 0.2 ms to begin. So few samples are never too many operations.
_MOST_ROWS, _MOST_OPERATIONS, _FEW = 64, 5e6, 4
_READ = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))


def compile_network(parameters: Parameters) -> CompiledNetwork:
    """Return what `kernels.predict` takes: the parameters, and memory of its own."""
    features, dtype = parameters.sizes[0], parameters.dtype
    settings = np.zeros(layout.SETTINGS + BOUND, np.int64)
    settings[layout.CAPACITY] = 1
    settings[layout.SPAN] = settings[layout.REACH] = features + 1
    return CompiledNetwork(
        table=parameters.table,
        parameters=parameters.buffer,
        input_scale=parameters.input_scale,
        settings=settings,
        memory=aligned_zeros(parameters.columns + features + 1, dtype),
        columns=aligned_zeros(features + 1, np.int32),
    )


def run_few(parameters: Parameters, x: Any) -> tuple[NDArray[Any], int] | None:
    """Return the outputs of a few samples, or None where x is not plainly a few samples.

    It does what `passes.forward` does, to the last bit, with fewer steps before the kernel. The
    number is -1; or where the first element of x is that is not finite, or the size of x where an
    output is not: then the outputs are not all there.
    """
    if type(x) is not np.ndarray or x.ndim != 2 or x.dtype not in _READ:
        return None
    rows, features = x.shape
    if not 0 < rows <= _MOST_ROWS or features != parameters.sizes[0]:
        return None
    if rows > _FEW and parameters.operations(rows) > _MOST_OPERATIONS:
        return None
    samples = x
    if x.dtype != parameters.dtype or not (x.flags.c_contiguous and x.flags.writeable):
        with np.errstate(over="ignore"):
            samples = np.array(x, parameters.dtype, order="C")  # one kind of array for the kernel
    out = np.empty((rows, parameters.sizes[-1]), parameters.dtype)
    try:
        network = parameters.idle_compiled.pop()
    except IndexError:  # none yet, or all in use by other threads
        network = compile_network(parameters)
    bad = predict_finite(network, samples, out)
    parameters.idle_compiled.append(network)
    return out, bad


def predict_few(parameters: Parameters, x: Any) -> NDArray[Any] | None:
    """Return what `run_few` does, but refuse numbers that are not finite."""
    few = run_few(parameters, x)
    if few is None:
        return None
    out, bad = few
    if bad >= 0:
        row, column = divmod(bad, x.shape[1])
        if bad == x.size or np.isfinite(x[row, column]):
            raise invalid("x", f"numbers with finite outputs in {parameters.dtype}", "greater ones")
        raise invalid("x", "finite numbers", f"{x[row, column]} at [{row}, {column}]")
    return out
