"""The parameters of a network: one aligned buffer, a view a layer, and other programs' layouts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.buffers import Workspace, aligned_zeros
from fastmlp.errors import invalid
from fastmlp.kernels import layout as fields
from fastmlp.validation import as_finite

__all__ = ["Parameters", "check_memory", "check_shapes"]


class Layers(Sequence[NDArray[Any]]):
    """Arrays of the layers: another array at a place is written into the one that is there.

    Examples
    --------
    >>> layers = Layers("weights", [np.zeros((2, 1)), np.zeros((1, 2))])
    >>> layers[-1] = [[1.0, 2.0]]
    >>> layers[1].tolist(), len(layers), len(layers[:1])
    ([[1.0, 2.0]], 2, 1)
    """

    def __init__(self, name: str, arrays: list[NDArray[Any]]) -> None:
        self._name, self._arrays = name, arrays

    def __len__(self) -> int:
        return len(self._arrays)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return the array of a layer; for a slice a list of them."""
        return self._arrays[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write one array, or for a slice all or none of as many."""
        places = range(len(self))[index]
        if isinstance(places, int):
            pairs = [(value, places)]
        else:
            pairs = _zipped(self._name, f"{len(places)} arrays", value, places)
        checked = []
        for array, i in pairs:
            own = self[i]
            new = as_finite(f"{self._name}[{i}]", array, own.shape, own.dtype)
            # A layer may be given as what another is to become.
            checked.append((own, new.copy() if len(pairs) > 1 else new))
        for own, array in checked:
            own[:] = array

    def __add__(self, others: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return a list of these arrays and others."""
        return [*self, *others]

    def __repr__(self) -> str:
        return repr(self._arrays)


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
    weights, biases : sequences of ndarray (n_in, n_out) and (n_out,)
        Writable views of the buffer, one a layer. What is assigned, to one or to all, is written
        into them.
    """

    def __init__(
        self, sizes: list[int], codes: list[int], dtype: np.dtype[Any], input_scale: float
    ) -> None:
        self.sizes, self.dtype, self.input_scale = sizes, dtype, input_scale
        self.table, self._buffer_sizes = fields.layout(sizes, codes, dtype.itemsize)
        self.buffer = aligned_zeros(self._buffer_sizes.parameters, dtype)
        self._idle: list[Workspace] = []
        self.idle_compiled: list[Any] = []  # see `inference.predict_few`
        weights, biases = self.views(self.buffer)
        self._weights, self._biases = Layers("weights", weights), Layers("biases", biases)

    @property
    def weights(self) -> Layers:
        """Writable views of the weights, one a layer."""
        return self._weights

    @weights.setter
    def weights(self, arrays: Sequence[ArrayLike]) -> None:
        self._weights[:] = arrays

    @property
    def biases(self) -> Layers:
        """Writable views of the biases, one a layer."""
        return self._biases

    @biases.setter
    def biases(self, arrays: Sequence[ArrayLike]) -> None:
        self._biases[:] = arrays

    def views(self, buffer: NDArray[Any]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return writable views of the true elements of a buffer that is laid out as `buffer`."""
        weights, biases = [], []
        for (start, bias, stop), n_out in zip(self.layer_bounds(), self.sizes[1:], strict=True):
            matrix = buffer[start:stop].reshape(-1, stop - bias)
            weights.append(matrix[:-1, :n_out])
            biases.append(matrix[-1, :n_out])
        return weights, biases

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

    @property
    def columns(self) -> int:
        """Elements that the activations of one sample take."""
        return self._buffer_sizes.columns

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
        flat = as_finite("parameters", parameters, (self.n_parameters,), self.dtype)
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
        arrays = []
        for i, (matrix, w) in enumerate(
            _zipped("matrices", f"{len(self.weights)} of them", matrices, self.weights)
        ):
            shape = (w.shape[0] + 1, w.shape[1])
            arrays.append(as_finite(f"matrices[{i}]", matrix, shape, self.dtype).copy())
        for array, w, b in zip(arrays, self.weights, self.biases, strict=True):
            b[:] = array[0]
            w[:] = array[1:]

    def pack_gradients(
        self, gradients: tuple[Sequence[ArrayLike], Sequence[ArrayLike]]
    ) -> NDArray[Any]:
        """Return per-layer gradients laid out as `buffer` is, padding zero."""
        packed = aligned_zeros(self.buffer.size, self.dtype)
        expected = f"two lists of {len(self.weights)} arrays: of weights and of biases"
        parts = _zipped("gradients", expected, gradients, self.views(packed))
        for side, (arrays, views) in enumerate(parts):
            for i, (array, view) in enumerate(_zipped("gradients", expected, arrays, views)):
                name = f"gradients[{side}][{i}]"
                view[:] = as_finite(name, array, view.shape, self.dtype)
        return packed

    def unpack_gradients(
        self, packed: NDArray[Any]
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return copies of a buffer's true elements, layer by layer."""
        weights, biases = self.views(packed)
        return [w.copy() for w in weights], [b.copy() for b in biases]

    def named(self, buffer: NDArray[Any], prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return views of a buffer that is laid out as the parameters, by names for a file."""
        tensors = {}
        for i, (w, b) in enumerate(zip(*self.views(buffer), strict=True)):
            tensors[f"{prefix}weights_{i}"], tensors[f"{prefix}biases_{i}"] = w, b
        return tensors

    def take(
        self, tensors: Mapping[str, NDArray[Any]], buffer: NDArray[Any], prefix: str = ""
    ) -> None:
        """Fill a buffer that is laid out as the parameters from arrays by their names in a file."""
        for name, view in self.named(buffer, prefix).items():
            array = tensors[name]
            if array.shape != view.shape or array.dtype != self.dtype:
                expected = f"{self.dtype} {view.shape}"
                raise invalid(name, expected, f"{array.dtype} {array.shape}")
            view[:] = array


def _zipped(name: str, expected: str, given: Any, own: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return what was given beside what it is for; refuse what is no sequence as long."""
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != len(own):
        got = f"{len(given)}" if hasattr(given, "__len__") else type(given).__name__
        raise invalid(name, expected, got)
    return list(zip(given, own, strict=True))


def check_memory(units: Sequence[int], itemsize: int) -> None:
    """Refuse a network whose parameters this machine has no memory for."""
    count = sum((n_in + 1) * n_out for n_in, n_out in pairwise(units))
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if count * itemsize > memory:
        expected = f"a network that fits in {memory >> 20} MB of memory"
        raise invalid("sizes", expected, f"one of {count * itemsize >> 20} MB")


def check_shapes(sizes: Any, tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
    """Refuse a file's sizes unless its weights have them, by their names in the file."""
    layers = sum(name.startswith(f"{prefix}weights_") for name in tensors)
    shapes = [tensors[f"{prefix}weights_{i}"].shape for i in range(layers)]
    if not isinstance(sizes, list) or not shapes or list(pairwise(sizes)) != shapes:
        raise invalid("sizes", f"those of the weights, {shapes}", sizes)
