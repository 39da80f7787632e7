"""The exponential over the whole range of both dtypes."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from fastmlp import kernels
from fastmlp.kernels.target import GENERIC, HOST

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="millions of elements")

ULPS = 1.1 if HOST != GENERIC else 1.5  # as activations.py promises


def exp(x):
    out = np.full((1, x.size), np.nan, x.dtype)
    kernels.exp(x.reshape(1, -1), out)
    return out[0]


def error_in_ulps(x):
    """Return the largest error, x in float32 or float64, and the argument it occurs at."""
    info, wide = np.finfo(x.dtype), np.float64 if x.dtype == np.float32 else np.longdouble
    got = exp(x)
    with np.errstate(over="ignore", under="ignore"):
        want = np.exp(x.astype(wide))
        ulp = np.ldexp(wide(1), np.maximum(np.frexp(want)[1], info.minexp + 1) - info.nmant - 1)
    largest = wide(info.max)
    overflows = want > largest + ulp  # within one ulp of the largest number either is right
    assert np.isposinf(got[overflows]).all()
    inside = np.isfinite(got) & ~overflows
    assert (want[~inside & ~overflows] > largest - ulp[~inside & ~overflows]).all()
    error = np.abs(got[inside].astype(wide) - want[inside]) / ulp[inside]
    return float(error.max()), x[inside][error.argmax()]


def patterns(kind, exponents, mantissas, mantissa_bits):
    """Return all combinations of sign, exponent and mantissa but infinities and NaN."""
    exponent = np.arange(exponents - 1, dtype=np.uint64)[:, None] << np.uint64(mantissa_bits)
    bits = (exponent | mantissas.astype(np.uint64)).reshape(-1)
    values = bits.astype({4: np.uint32, 8: np.uint64}[np.dtype(kind).itemsize]).view(kind)
    return np.concatenate([values, -values])


def test_float32_at_every_exponent():
    random = np.random.default_rng(0)
    mantissas = np.r_[0, 1, 2**23 - 1, random.integers(0, 2**23, 2000)]
    error, at = error_in_ulps(patterns(np.float32, 2**8, mantissas, 23))
    assert error < ULPS, at


def test_float32_between_underflow_and_overflow():
    error, at = error_in_ulps(np.linspace(-104.5, 89, 2_000_000, dtype=np.float32))
    assert error < ULPS, at


def test_float64_at_every_exponent_and_between():
    random = np.random.default_rng(0)
    mantissas = np.r_[0, 1, 2**52 - 1, random.integers(0, 2**52, 100)]
    if np.finfo(np.longdouble).nmant <= np.finfo(np.float64).nmant:
        pytest.skip("no wider type to compare with")
    for x in (patterns(np.float64, 2**11, mantissas, 52), random.uniform(-746.5, 710, 500_000)):
        error, at = error_in_ulps(x)
        assert error < ULPS, at


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_special_values(kind):
    largest = np.finfo(kind).max
    given = np.array([0, -0.0, np.inf, -np.inf, largest, -largest, np.nan], kind)
    np.testing.assert_array_equal(exp(given), np.array([1, 1, np.inf, 0, np.inf, 0, np.nan], kind))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_never_decreases(kind):
    """Steps of a few ulps around a change of the power of two, where the pieces meet."""
    start = kind(0.5 * np.log(2))
    x = start + np.arange(-2000, 2000) * np.spacing(start)
    assert (np.diff(exp(x.astype(kind))) >= 0).all()
