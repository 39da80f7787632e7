"""Units: what is called by its address."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import types

from fastmlp.kernels.target import kernel
from fastmlp.kernels.unit import Unit


def _checked(real: Any, values: np.ndarray, most: int) -> None:
    for i in range(values.shape[0]):
        if i >= most:
            raise IndexError("too far")
        values[i] = real(i)


checked = Unit(_checked, types.float32[::1], types.int64)
_fill = checked.call


@kernel
def fill_twice(address: int, values: np.ndarray, most: int) -> None:
    _fill(address, (values, most))
    _fill(address, (values[::-1].copy(), most))
    values[0] = 9.0


def test_what_a_unit_raises_its_caller_raises() -> None:
    address, values = checked.address(np.dtype("float32")), np.full(4, 5, "float32")
    with pytest.raises(IndexError, match="too far"):
        fill_twice(address, values, 2)
    assert values.tolist() == [0, 1, 5, 5]
    fill_twice(address, values, 4)
    assert values.tolist() == [9, 1, 2, 3]
