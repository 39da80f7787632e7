"""Smooth rectifiers of one number, and their slopes, as straight-line code.

    softplus(x) = log(1 + eˣ)     slope σ(x)
    silu(x)     = x σ(x)          slope σ(x) (1 + x (1 - σ(x)))        (Elfwing et al. 2018)
    gelu(x)     = x Φ(x)          slope Φ(x) + x φ(x)                  (Hendrycks and Gimpel 2016)

σ is the sigmoid, Φ and φ are distribution and density of the standard normal: gelu is the exact
one, not its approximation by tanh.
"""

from __future__ import annotations

from typing import Any

from fastmlp.kernels.exponential import exp_scalar, sigmoid_scalar
from fastmlp.kernels.target import device
from fastmlp.kernels.tile import fma

__all__ = ["gelu_scalar", "gelu_slope", "silu_scalar", "silu_slope", "softplus_scalar"]

_ROOT_HALF, _DENSITY = 0.7071067811865476, 0.3989422804014327  # √½ and 1 / √(2π)


@device
def softplus_scalar(x: Any) -> Any:
    """Return log(1 + e^x) = max(x, 0) + log(1 + u), u = e^-|x|; a scalar.

    log(1 + u) = 2 Σ s^(2k+1) / (2k + 1) with s = u / (2 + u) ≤ 1/3, cut after 17 terms.
    """
    real = type(x)
    u = exp_scalar(-abs(x))
    s = u / (u + real(2))
    z = s * s
    p = fma(real(2 / 33), z, real(2 / 31))
    p = fma(p, z, real(2 / 29))
    p = fma(p, z, real(2 / 27))
    p = fma(p, z, real(2 / 25))
    p = fma(p, z, real(2 / 23))
    p = fma(p, z, real(2 / 21))
    p = fma(p, z, real(2 / 19))
    p = fma(p, z, real(2 / 17))
    p = fma(p, z, real(2 / 15))
    p = fma(p, z, real(2 / 13))
    p = fma(p, z, real(2 / 11))
    p = fma(p, z, real(2 / 9))
    p = fma(p, z, real(2 / 7))
    p = fma(p, z, real(2 / 5))
    p = fma(p, z, real(2 / 3))
    p = fma(p, z, real(2))
    return p * s + (real(0) if x < real(0) else x)


@device
def silu_scalar(x: Any) -> Any:
    """Return x σ(x); a scalar."""
    return x * sigmoid_scalar(x)


@device
def silu_slope(x: Any) -> Any:
    """Return σ(x) (1 + x (1 - σ(x))); a scalar."""
    real = type(x)
    s = sigmoid_scalar(x)
    return s * fma(x, real(1) - s, real(1))


@device
def normal_scalar(x: Any) -> Any:
    """Return Φ(x); a scalar. By erf and erfc of Moshier's Cephes library (ndtr)."""
    real = type(x)
    t = x * real(_ROOT_HALF)
    size = abs(t)
    z = t * t
    p = fma(real(9.60497373987051638749), z, real(9.00260197203842689217e1))
    p = fma(p, z, real(2.23200534594684319226e3))
    p = fma(p, z, real(7.00332514112805075473e3))
    p = fma(p, z, real(5.55923013010394962768e4))
    q = z + real(3.35617141647503099647e1)
    q = fma(q, z, real(5.21357949780152679795e2))
    q = fma(q, z, real(4.59432382970980127987e3))
    q = fma(q, z, real(2.26290000613890934246e4))
    q = fma(q, z, real(4.92673942608635921086e4))
    near = fma(real(0.5) * t, p / q, real(0.5))
    a = real(9) if size > real(9) else size
    p = fma(real(2.46196981473530512524e-10), a, real(5.64189564831068821977e-1))
    p = fma(p, a, real(7.46321056442269912687))
    p = fma(p, a, real(4.86371970985681366614e1))
    p = fma(p, a, real(1.96520832956077098242e2))
    p = fma(p, a, real(5.26445194995477358631e2))
    p = fma(p, a, real(9.34528527171957607540e2))
    p = fma(p, a, real(1.02755188689515710272e3))
    p = fma(p, a, real(5.57535335369399327526e2))
    q = a + real(1.32281951154744992508e1)
    q = fma(q, a, real(8.67072140885989742329e1))
    q = fma(q, a, real(3.54937778887819891062e2))
    q = fma(q, a, real(9.75708501743205489753e2))
    q = fma(q, a, real(1.82390916687909736289e3))
    q = fma(q, a, real(2.24633760818710981792e3))
    q = fma(q, a, real(1.65666309194161350182e3))
    q = fma(q, a, real(5.57535340817727675546e2))
    tail = real(0.5) * exp_scalar(-a * a) * (p / q)
    far = tail if x < real(0) else real(1) - tail
    return near if size < real(1) else far


@device
def gelu_scalar(x: Any) -> Any:
    """Return x Φ(x); a scalar."""
    return x * normal_scalar(x)


@device
def gelu_slope(x: Any) -> Any:
    """Return Φ(x) + x φ(x); a scalar."""
    real = type(x)
    density = real(_DENSITY) * exp_scalar(real(-0.5) * x * x)
    return fma(x, density, normal_scalar(x))
