"""The parameters of a network: one aligned buffer, a view a layer, and other programs' layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.buffers import Workspace, aligned_zeros
from fastmlp.errors import invalid
from fastmlp.kernels import layout as fields

__all__ = ["Parameters"]


class Parameters:
    """Weights and biases of fully connected layers, as `kernels.layout` describes.

    Parameters
    ----------
    sizes : list of int
        Units of each level, inputs first.
    codes : list of int
        Activation of each layer, as the kernels know it.
    dtype : numpy dtype
        float32 or float64.
    input_scale : float
        What inputs are multiplied by.

    Attributes
    ----------
    table : ndarray (layers, FIELDS) int64
        The layout that the kernels read.
    buffer : ndarray
        All parameters, padding included.
    weights, biases : lists of ndarray (n_in, n_out) and (n_out,)
        Writable views of the buffer, one a layer.
    """

    def __init__(
        self, sizes: list[int], codes: list[int], dtype: np.dtype[Any], input_scale: float
    ) -> None:
        self.sizes, self.dtype, self.input_scale = sizes, dtype, input_scale
        self.table, self._buffer_sizes = fields.layout(sizes, codes, dtype.itemsize)
        self.buffer = aligned_zeros(self._buffer_sizes.parameters, dtype)
        self._idle: list[Workspace] = []
        self.weights: list[NDArray[Any]] = []
        self.biases: list[NDArray[Any]] = []
        for start, biases, stop in self.layer_bounds():
            matrix = self.buffer[start:stop].reshape(-1, stop - biases)
            outputs = sizes[len(self.weights) + 1]
            self.weights.append(matrix[:-1, :outputs])
            self.biases.append(matrix[-1, :outputs])

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases, padding not counted."""
        return sum(w.size + b.size for w, b in zip(self.weights, self.biases, strict=True))

    def layer_bounds(self) -> list[tuple[int, int, int]]:
        """Return where each layer's weights, biases and end stand in `buffer`."""
        bounds = []
        for layer in self.table:
            first, row = int(layer[fields.WEIGHTS]), int(layer[fields.WEIGHTS_ROW])
            biases = first + int(layer[fields.INPUTS]) * row
            bounds.append((first, biases, biases + row))
        return bounds

    def empty_transposed(self) -> NDArray[Any]:
        """Return the buffer in which training keeps transposed weights."""
        return aligned_zeros(self._buffer_sizes.transposed, self.dtype)

    def borrow_workspace(self, rows: int) -> Workspace:
        """Return buffers for up to `rows` samples at a time, for one call or one training.

        Give them back with `return_workspace`: the next call then need not allocate.
        """
        try:
            space = self._idle.pop()
        except IndexError:  # none left, or another thread took it
            space = None
        if space is None or space.capacity < rows:
            first_level = int(self.table[0, fields.OUTPUT_BEFORE])
            space = Workspace(self._buffer_sizes, first_level, rows, self.dtype)
        return space

    def return_workspace(self, space: Workspace) -> None:
        """Keep a workspace for the next call."""
        self._idle.append(space)

    def operations(self, rows: int) -> float:
        """Return the floating-point operations of a forward pass of `rows` samples."""
        return 2.0 * rows * sum(w.size for w in self.weights)

    def parameters(self) -> NDArray[Any]:
        """Return a flat copy of all parameters, (n_parameters,): W1, b1, W2, b2, … row-major."""
        return self._flat(self.weights, self.biases)

    def set_parameters(self, parameters: ArrayLike) -> None:
        """Take parameters from a flat vector as `parameters()` returns it."""
        flat = np.asarray(parameters)
        if flat.shape != (self.n_parameters,):
            raise invalid("parameters", f"shape ({self.n_parameters},)", f"shape {flat.shape}")
        at = 0
        for w, b in zip(self.weights, self.biases, strict=True):
            w[:] = flat[at : at + w.size].reshape(w.shape)
            b[:] = flat[at + w.size : at + w.size + b.size]
            at += w.size + b.size

    def _flat(self, weights: Sequence[Any], biases: Sequence[Any]) -> NDArray[Any]:
        parts = [p.reshape(-1) for pair in zip(weights, biases, strict=True) for p in pair]
        return np.concatenate(parts)

    def augmented_weights(self) -> list[NDArray[Any]]:
        """Return copies of the layers as (n_in + 1, n_out) matrices, the biases as row 0."""
        return [
            np.vstack((b[np.newaxis], w)) for w, b in zip(self.weights, self.biases, strict=True)
        ]

    def set_augmented_weights(self, matrices: Sequence[ArrayLike]) -> None:
        """Take the layers from (n_in + 1, n_out) matrices whose row 0 is the biases."""
        if len(matrices) != len(self.weights):
            raise invalid("matrices", f"{len(self.weights)} of them", len(matrices))
        arrays = [np.asarray(matrix) for matrix in matrices]
        for i, (array, w) in enumerate(zip(arrays, self.weights, strict=True)):
            shape = (w.shape[0] + 1, w.shape[1])
            if array.shape != shape:
                raise invalid(f"matrices[{i}]", f"shape {shape}", f"shape {array.shape}")
        for array, w, b in zip(arrays, self.weights, self.biases, strict=True):
            b[:] = array[0]
            w[:] = array[1:]

    def pack_gradients(
        self, gradients: tuple[Sequence[ArrayLike], Sequence[ArrayLike]]
    ) -> NDArray[Any]:
        """Return per-layer gradients laid out as `buffer` is, padding zero."""
        packed = aligned_zeros(self.buffer.size, self.dtype)
        if len(gradients) != 2 or any(len(part) != len(self.weights) for part in gradients):
            expected = f"two lists of {len(self.weights)} arrays: of weights and of biases"
            raise invalid("gradients", expected, "others")
        for i, (start, biases, stop) in enumerate(self.layer_bounds()):
            dw, db = np.asarray(gradients[0][i]), np.asarray(gradients[1][i])
            w, b = self.weights[i], self.biases[i]
            if dw.shape != w.shape or db.shape != b.shape:
                expected = f"shapes {w.shape} and {b.shape} in layer {i}"
                raise invalid("gradients", expected, f"{dw.shape} and {db.shape}")
            packed[start:biases].reshape(w.shape[0], stop - biases)[:, : w.shape[1]] = dw
            packed[biases : biases + b.size] = db
        return packed

    def unpack_gradients(
        self, packed: NDArray[Any]
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return copies of a buffer's true elements, layer by layer."""
        dws, dbs = [], []
        bounds = self.layer_bounds()
        for w, (start, biases, stop) in zip(self.weights, bounds, strict=True):
            matrix = packed[start:stop].reshape(w.shape[0] + 1, stop - biases)
            dws.append(matrix[:-1, : w.shape[1]].copy())
            dbs.append(matrix[-1, : w.shape[1]].copy())
        return dws, dbs
