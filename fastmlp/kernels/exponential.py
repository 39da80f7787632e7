"""Exponential, sigmoid and tanh of one number, as straight-line code.

exp(x) = 2ⁿ · exp(r) with n = round(x / ln 2) and |r| ≤ ln(2)/2: the reduction by a two-part ln 2 is
Cody and Waite's (Software Manual for the Elementary Functions, 1980), the polynomial is the Taylor
series cut where its remainder is below a tenth of a rounding, and 2ⁿ is written into the exponent
bits, in two factors so that subnormal results round correctly. All of it is straight-line code
that LLVM turns into vectors; the C library's exp would be a call per element. The error is below
1.1 units in the last place over the whole range (1.5 on a CPU without fused multiply-add); overflow
gives infinity, underflow zero, and NaN stays NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmlp.kernels.target import by_dtype, device
from fastmlp.kernels.tile import fma

__all__ = [
    "exp_float32",
    "exp_float64",
    "exp_scalar",
    "expm1_scalar",
    "sigmoid_float32",
    "sigmoid_float64",
    "sigmoid_scalar",
    "tanh_scalar",
]

_F, _D = np.float32, np.float64

# 1/k! for k = 7 … 0 and 13 … 0; the remainders at r = ln(2)/2 are 5e-9 and 4e-18.
_F7, _F6, _F5, _F4, _F3 = _F(1 / 5040), _F(1 / 720), _F(1 / 120), _F(1 / 24), _F(1 / 6)
_D13, _D12, _D11 = _D(1 / 6227020800), _D(1 / 479001600), _D(1 / 39916800)
_D10, _D9, _D8 = _D(1 / 3628800), _D(1 / 362880), _D(1 / 40320)
_D7, _D6, _D5, _D4, _D3 = _D(1 / 5040), _D(1 / 720), _D(1 / 120), _D(1 / 24), _D(1 / 6)

# ln 2 in two parts: n times the first is exact for every n that occurs.
_F_LN2_HIGH, _F_LN2_LOW = _F(0.693359375), _F(-2.12194440054690583e-4)
_D_LN2_HIGH, _D_LN2_LOW = _D(6.93145751953125e-1), _D(1.42860682030941723212e-6)
_F_LOG2_E, _D_LOG2_E = _F(1.4426950408889634), _D(1.4426950408889634)

# Adding 1.5 · 2^23 (2^52) rounds to an integer and leaves it in the low bits of the sum.
_F_ROUND, _D_ROUND = _F(12582912.0), _D(6755399441055744.0)


@device
def exp_float32(x: Any) -> Any:
    """Return e to the power x; a scalar."""
    x = _F(88.8) if x > _F(88.8) else x
    x = _F(-104.0) if x < _F(-104.0) else x
    shifted = fma(x, _F_LOG2_E, _F_ROUND)
    n = shifted - _F_ROUND
    r = fma(n, -_F_LN2_LOW, fma(n, -_F_LN2_HIGH, x))
    p = fma(_F7, r, _F6)
    p = fma(p, r, _F5)
    p = fma(p, r, _F4)
    p = fma(p, r, _F3)
    p = fma(p, r, _F(0.5))
    p = fma(p, r, _F(1.0))
    p = fma(p, r, _F(1.0))
    power = np.int32(_F(shifted).view(np.int32) - np.int32(0x4B400000))
    half = np.int32(power >> np.int32(1))
    first = np.int32((half + np.int32(127)) << np.int32(23))
    second = np.int32((power - half + np.int32(127)) << np.int32(23))
    return p * np.int32(first).view(np.float32) * np.int32(second).view(np.float32)


@device
def exp_float64(x: Any) -> Any:
    """Return e to the power x; a scalar."""
    x = 709.8 if x > 709.8 else x
    x = -746.0 if x < -746.0 else x
    shifted = fma(x, _D_LOG2_E, _D_ROUND)
    n = shifted - _D_ROUND
    r = fma(n, -_D_LN2_LOW, fma(n, -_D_LN2_HIGH, x))
    p = fma(_D13, r, _D12)
    p = fma(p, r, _D11)
    p = fma(p, r, _D10)
    p = fma(p, r, _D9)
    p = fma(p, r, _D8)
    p = fma(p, r, _D7)
    p = fma(p, r, _D6)
    p = fma(p, r, _D5)
    p = fma(p, r, _D4)
    p = fma(p, r, _D3)
    p = fma(p, r, 0.5)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    power = np.int64(_D(shifted).view(np.int64) - np.int64(0x4338000000000000))
    half = np.int64(power >> np.int64(1))
    first = np.int64((half + np.int64(1023)) << np.int64(52))
    second = np.int64((power - half + np.int64(1023)) << np.int64(52))
    return p * np.int64(first).view(np.float64) * np.int64(second).view(np.float64)


exp_scalar = by_dtype(exp_float32, exp_float64)


@device
def sigmoid_float32(x: Any) -> Any:
    """Return 1 / (1 + e^-x); a scalar."""
    return _F(1.0) / (_F(1.0) + exp_float32(-x))


@device
def sigmoid_float64(x: Any) -> Any:
    """Return 1 / (1 + e^-x); a scalar."""
    return 1.0 / (1.0 + exp_float64(-x))


sigmoid_scalar = by_dtype(sigmoid_float32, sigmoid_float64)


@device
def tanh_float32(x: Any) -> Any:
    """Return tanh x; a scalar. Below 0.625 the polynomial of Moshier's Cephes library (tanhf)."""
    z = x * x
    p = fma(_F(-5.70498872745e-3), z, _F(2.06390887954e-2))
    p = fma(p, z, _F(-5.37397155531e-2))
    p = fma(p, z, _F(1.33314422036e-1))
    p = fma(p, z, _F(-3.33332819422e-1))
    small = fma(p * z, x, x)
    size = abs(x)
    large = _F(1.0) - _F(2.0) / (exp_float32(size + size) + _F(1.0))
    large = -large if x < _F(0.0) else large
    return small if size < _F(0.625) else large


@device
def tanh_float64(x: Any) -> Any:
    """Return tanh x; a scalar. Below 0.625 as in Moshier's Cephes library (tanh), rational."""
    z = x * x
    p = fma(-9.64399179425052238628e-1, z, -9.92877231001918586564e1)
    p = fma(p, z, -1.61468768441708447952e3)
    q = fma(z + 1.12811678491632931402e2, z, 2.23548839060100448583e3)
    q = fma(q, z, 4.84406305325125486048e3)
    small = fma(p * z / q, x, x)
    size = abs(x)
    large = 1.0 - 2.0 / (exp_float64(size + size) + 1.0)
    large = -large if x < 0.0 else large
    return small if size < 0.625 else large


tanh_scalar = by_dtype(tanh_float32, tanh_float64)


@device
def expm1_float32(x: Any) -> Any:
    """Return e to the power x, minus 1; a scalar. Near 0 the Taylor series itself, x factored."""
    p = fma(_F7, x, _F6)
    p = fma(p, x, _F5)
    p = fma(p, x, _F4)
    p = fma(p, x, _F3)
    p = fma(p, x, _F(0.5))
    small = fma(p * x, x, x)
    large = exp_float32(x) - _F(1.0)
    return small if abs(x) < _F(0.35) else large


@device
def expm1_float64(x: Any) -> Any:
    """Return e to the power x, minus 1; a scalar. Near 0 the Taylor series itself, x factored."""
    p = fma(_D13, x, _D12)
    p = fma(p, x, _D11)
    p = fma(p, x, _D10)
    p = fma(p, x, _D9)
    p = fma(p, x, _D8)
    p = fma(p, x, _D7)
    p = fma(p, x, _D6)
    p = fma(p, x, _D5)
    p = fma(p, x, _D4)
    p = fma(p, x, _D3)
    p = fma(p, x, 0.5)
    small = fma(p * x, x, x)
    large = exp_float64(x) - 1.0
    return small if abs(x) < 0.35 else large


expm1_scalar = by_dtype(expm1_float32, expm1_float64)
