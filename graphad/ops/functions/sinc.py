"""sinc and the modified Bessel function i0; derivatives of all orders have no singularity."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.families.elementwise import Elementwise, as_first_of, elementwise, real_float
from graphad.ir.op import RISKY

Array = np.ndarray[Any, Any]
_LARGEST = 720.0  # i0 overflows beyond


# ---- sinc ------------------------------------------------------------------------------------
def _moment(n: int, u: Array) -> Array:
    """F_n(u) = ∫₀¹ tⁿ exp(iut) dt.

    By parts F_n = (exp(iu) - n F_{n-1}) / (iu), stable for |u| > n; below, the series
    Σ_k (iu)^k / (k! (n + k + 1)).
    """
    near = np.abs(u) <= n + 1
    small, large = np.where(near, u, 0), np.where(near, n + 2, u)
    wave = np.exp(1j * large)
    far = (wave - 1) / (1j * large)
    for k in range(1, n + 1):
        far = (wave - k * far) / (1j * large)
    term = np.ones_like(far)
    series = term / (n + 1)
    for k in range(1, 4 * n + 24):
        term = term * (1j * small / k)
        series = series + term / (n + k + 1)
    return np.where(near, series, far)


def _sinc_slope(order: Any, x: Array) -> Array:
    """The `order`-th derivative of sinc(x) = ∫₀¹ cos(πxt) dt:  πⁿ ∫₀¹ tⁿ cos(πxt + nπ/2) dt."""
    n, u = int(order), np.pi * np.asarray(x, np.result_type(x, np.float64))
    turn = (1, 1j, -1, -1j)[n % 4]
    if u.dtype.kind == "c":
        found = (turn * _moment(n, u) + np.conj(turn) * _moment(n, -u)) / 2
    else:
        found = (turn * _moment(n, u)).real
    return np.asarray(np.pi**n * found, x.dtype)


_slope: Any = Elementwise(
    "sinc_slope", lambda xp, n, x: _sinc_slope(n, x),
    (None, lambda y, n, x: _slope(n + 1, x)), dtype=as_first_of(1))  # fmt: skip
sinc = elementwise(
    "sinc", lambda xp, x: xp.sinc(x), (lambda y, x: _slope(1, x),),
    reference=np.sinc, dtype=as_first_of(0), floats=True, domain=((-2.3, 2.3),), arity=1,
    doc="sin(πx) / (πx), and 1 at 0.\n\n    All derivatives are smooth and accurate, also near 0: "
    "sinc'(0) = 0, sinc''(0) = -π²/3.")  # fmt: skip


# ---- the modified Bessel function ------------------------------------------------------------
def _bessel(order: Any, x: Array) -> Array:
    """I_n = I_{-n} = I_0(x) Π r_k with the ratios r_k = I_k / I_{k-1} = x / (2k + x r_{k+1}).

    The recurrence runs down from a k so high that r = 0 will do: its errors are multiplied by
    r² < 1 at each step, with r_k ≈ 1 - k/|x| for large x (NIST DLMF 10.33.1).
    """
    n, wide = abs(int(order)), np.asarray(x, np.result_type(x, np.float64))
    z = np.where(np.isnan(wide), 0, np.clip(wide, -_LARGEST, _LARGEST))
    start = n + 16 + int(7 * np.sqrt(np.max(np.abs(z), initial=0)))
    ratio, product = np.zeros_like(z), np.ones_like(z)
    for k in range(start, 0, -1):
        ratio = z / (2 * k + z * ratio)
        product = product * ratio if k <= n else product
    return np.asarray(np.i0(wide) * product, x.dtype)


_in: Any = Elementwise(
    "bessel_in", lambda xp, n, x: _bessel(n, x),
    (None, lambda y, n, x: (_in(n - 1, x) + _in(n + 1, x)) / 2),
    dtype=as_first_of(1), hazard=RISKY)  # fmt: skip
i0 = elementwise(
    "i0", lambda xp, x: xp.i0(x), (lambda y, x: _in(1, x),),
    reference=np.i0, dtype=real_float, floats=True, hazard=RISKY, domain=((-4.0, 4.0),), arity=1,
    doc="The modified Bessel function of the first kind and order 0, even in x.\n\n"
    "    Its derivative is I₁, and I_n' = (I_{n-1} + I_{n+1}) / 2.")  # fmt: skip
