"""Incomplete gamma and beta functions and their inverses; beta; Student's t distribution function.

Derivatives in the argument are densities; those in the parameters are truncated log-moments (see
`moments`), computed by quadrature, of any order. Inverses are differentiated implicitly:
F(a, x(a, p)) = p gives ∂x/∂p = 1/F_x, ∂x/∂a = -F_a/F_x.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ir.families.elementwise import Elementwise
from graphad.ir.op import RISKY
from graphad.ir.variable import Apply, Variable, apply
from graphad.libraries import scipy
from graphad.ops.elementwise import exp, log, log1p, power, sign, square, stop_gradient, where
from graphad.ops.special.declare import opaque, special
from graphad.ops.special.entropy import xlog1py, xlogy
from graphad.ops.special.gamma import digamma, gammaln, polygamma
from graphad.ops.special.moments import beta_moment, gamma_moment

_SHAPE, _PART = (0.6, 3.0), (0.15, 0.85)


def _dtype(dtypes: Any, params: Any) -> np.dtype:
    found = np.result_type(*dtypes)
    return found if found.kind == "f" else np.dtype(float)


# ---- beta ------------------------------------------------------------------------------------
beta = special(
    "beta", lambda y, a, b: y * (digamma(a) - digamma(a + b)),
    lambda y, a, b: y * (digamma(b) - digamma(a + b)), domain=(_SHAPE,),
    doc="beta(a, b) = Γ(a)·Γ(b)/Γ(a+b).")  # fmt: skip
betaln: Callable[..., Variable] = special(
    "betaln", lambda y, a, b: digamma(a) - digamma(a + b),
    lambda y, a, b: digamma(b) - digamma(a + b), domain=(_SHAPE,),
    doc="log |beta(a, b)|.")  # fmt: skip

# ---- densities -------------------------------------------------------------------------------
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


def gamma_density(a: Variable, x: Variable) -> Variable:
    """(a-1)·log x - x - log Γ(a), the log of the gamma density.

    For large a, where these terms cancel, by Stirling's series (DLMF 5.11.1) as
    -a·(u - log(1+u)) - log x + ½ log(a/2π) - Σ cₙ/a²ⁿ⁻¹ with u = (x - a)/a.
    """
    large = a > 10
    plain = xlogy(a - 1, x) - x - gammaln(a)
    u = (x - a) / a
    series, inverse = 0 * a, 1 / a
    for coefficient in reversed(_STIRLING):
        series = series * square(inverse) + coefficient
    stirling = 0.5 * log(a / (2 * math.pi)) - series * inverse
    return where(large, stirling - a * (u - log1p(u)) - log(x), plain)


def beta_density(a: Variable, b: Variable, x: Variable) -> Variable:
    """(a-1)·log x + (b-1)·log(1-x) - log B(a, b), the log of the beta density."""
    return xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b)


# ---- log-moments -----------------------------------------------------------------------------
def _power(base: Variable, exponent: int) -> Variable | float:
    return 1.0 if exponent == 0 else base if exponent == 1 else power(base, float(exponent))


def _owner(y: Variable) -> Apply:
    assert y.owner is not None
    return y.owner


def _gamma_by_a(y: Variable, a: Variable, x: Variable) -> Variable:
    """∂M_k/∂a = M_{k+1} - k·ψ'(a)·M_{k-1}."""
    k = _owner(y).op.params["order"]
    return _gamma_truncated(a, x, k + 1) - k * polygamma(1, a) * _gamma_truncated(a, x, k - 1)


def _gamma_by_x(y: Variable, a: Variable, x: Variable) -> Variable:
    level = log(where(x > 0, x, 1)) - digamma(a)
    slope = _power(level, _owner(y).op.params["order"]) * exp(gamma_density(a, x))
    return where(x > 0, slope, 0)


_gamma_moment = Elementwise(
    "gamma_moment", opaque(gamma_moment), (_gamma_by_a, _gamma_by_x), dtype=_dtype, hazard=RISKY
)


def _gamma_truncated(a: Variable, x: Variable, order: int) -> Variable:
    return apply(_gamma_moment.op(order=order), (a, x)) if order else gammainc(a, x)


def _beta_by_a(y: Variable, a: Variable, b: Variable, x: Variable) -> Variable:
    """∂N_jk/∂a = N_{j+1,k} - j·(ψ'(a) - ψ'(a+b))·N_{j-1,k} + k·ψ'(a+b)·N_{j,k-1}."""
    j, k = (_owner(y).op.params[name] for name in "jk")
    total, whole = _beta_truncated(a, b, x, j + 1, k), polygamma(1, a + b)
    if j:
        total = total - j * (polygamma(1, a) - whole) * _beta_truncated(a, b, x, j - 1, k)
    return total + k * whole * _beta_truncated(a, b, x, j, k - 1) if k else total


def _beta_by_b(y: Variable, a: Variable, b: Variable, x: Variable) -> Variable:
    """∂N_jk/∂b = N_{j,k+1} - k·(ψ'(b) - ψ'(a+b))·N_{j,k-1} + j·ψ'(a+b)·N_{j-1,k}."""
    j, k = (_owner(y).op.params[name] for name in "jk")
    total, whole = _beta_truncated(a, b, x, j, k + 1), polygamma(1, a + b)
    if k:
        total = total - k * (polygamma(1, b) - whole) * _beta_truncated(a, b, x, j, k - 1)
    return total + j * whole * _beta_truncated(a, b, x, j - 1, k) if j else total


def _beta_by_x(y: Variable, a: Variable, b: Variable, x: Variable) -> Variable:
    j, k = (_owner(y).op.params[name] for name in "jk")
    inside = (x > 0) & (x < 1)
    safe, both = where(inside, x, 0.5), digamma(a + b)
    first = _power(log(safe) - digamma(a) + both, j)
    second = _power(log1p(-safe) - digamma(b) + both, k)
    return where(inside, first * second * exp(beta_density(a, b, x)), 0)


_beta_moment = Elementwise(
    "beta_moment", opaque(beta_moment), (_beta_by_a, _beta_by_b, _beta_by_x), dtype=_dtype,
    hazard=RISKY)  # fmt: skip


def _beta_truncated(a: Variable, b: Variable, x: Variable, j: int, k: int) -> Variable:
    return apply(_beta_moment.op(j=j, k=k), (a, b, x)) if j + k else betainc(a, b, x)


# ---- incomplete gamma ------------------------------------------------------------------------
def _by_shape(a: Variable, x: Variable) -> Variable:
    return _gamma_truncated(a, x, 1)


def _density(a: Variable, x: Variable) -> Variable:
    return exp(gamma_density(a, x))


_NUMERIC = "Derivatives in parameters are computed by quadrature, to about 1e-12."
#   y = f(a, x)                  ∂y/∂a                       ∂y/∂x
gammainc: Callable[..., Variable] = special(
    "gammainc", lambda y, a, x: _by_shape(a, x), lambda y, a, x: _density(a, x),
    domain=(_SHAPE, (0.4, 3.5)), finite=True,
    doc=f"gammainc(a, x), the regularised lower incomplete gamma function P(a, x). {_NUMERIC}",
)  # fmt: skip
gammaincc = special(
    "gammaincc", lambda y, a, x: -_by_shape(a, x), lambda y, a, x: -_density(a, x),
    domain=(_SHAPE, (0.4, 3.5)), finite=True,
    doc=f"gammaincc(a, x) = 1 - gammainc(a, x), accurate where it is tiny. {_NUMERIC}",
)  # fmt: skip
gammaincinv = special(
    "gammaincinv", lambda x, a, p: -_by_shape(a, x) / _density(a, x),
    lambda x, a, p: 1 / _density(a, x), domain=(_SHAPE, _PART),
    doc=f"gammaincinv(a, p): the x with gammainc(a, x) = p. {_NUMERIC}")  # fmt: skip
gammainccinv = special(
    "gammainccinv", lambda x, a, p: -_by_shape(a, x) / _density(a, x),
    lambda x, a, p: -1 / _density(a, x), domain=(_SHAPE, _PART),
    doc=f"gammainccinv(a, p): the x with gammaincc(a, x) = p. {_NUMERIC}")  # fmt: skip


def gamma_slope(a: Variable, x: Variable) -> Variable:
    """∂x/∂a of the gamma quantile, at the x itself: -(∂P/∂a)/(∂P/∂x); near 0, where both factors
    leave the range of floats, from P = xᵃ/Γ(a+1): -x/a·(log x - ψ(a+1))."""
    tiny = x < 1e-13
    safe = where(tiny, 1.0, x)
    near = -(xlogy(x, x) - x * digamma(a + 1)) / a
    return where(tiny, near, -_by_shape(a, safe) / _density(a, safe))


# ---- incomplete beta -------------------------------------------------------------------------
def _incomplete(name: str, s: int, doc: str) -> Callable[..., Variable]:
    """I_x(a, b) for s = 1, 1 - I_x(a, b) for s = -1."""
    return special(
        name,
        lambda y, a, b, x: s * _beta_truncated(a, b, x, 1, 0),
        lambda y, a, b, x: s * _beta_truncated(a, b, x, 0, 1),
        lambda y, a, b, x: s * exp(beta_density(a, b, x)),
        domain=(_SHAPE, _SHAPE, _PART), finite=True, doc=f"{doc} {_NUMERIC}", depth=2,
    )  # fmt: skip


def _inverse(name: str, s: int, doc: str) -> Callable[..., Variable]:
    return special(
        name,
        lambda x, a, b, p: -_beta_truncated(a, b, x, 1, 0) / exp(beta_density(a, b, x)),
        lambda x, a, b, p: -_beta_truncated(a, b, x, 0, 1) / exp(beta_density(a, b, x)),
        lambda x, a, b, p: s / exp(beta_density(a, b, x)),
        domain=(_SHAPE, _SHAPE, _PART), doc=f"{doc} {_NUMERIC}", depth=2,
    )  # fmt: skip


betainc: Callable[..., Variable] = _incomplete(
    "betainc", 1, "betainc(a, b, x), the regularised incomplete beta function."
)
betaincc = _incomplete("betaincc", -1, "1 - betainc(a, b, x), accurate where it is tiny.")
betaincinv = _inverse("betaincinv", 1, "betaincinv(a, b, p): the x with betainc(a, b, x) = p.")
betainccinv = _inverse("betainccinv", -1, "betainccinv(a, b, p): the x with betaincc = p.")


def beta_slopes(a: Variable, b: Variable, x: Variable) -> tuple[Variable, Variable]:
    """∂x/∂a and ∂x/∂b of the beta quantile, at the x itself: -(∂I/∂a)/(∂I/∂x), …; near 0 from
    I = xᵃ/(a·B(a, b)), near 1 from the same of 1 - x, whose parameters are (b, a)."""
    low, high = x < 1e-13, x > 1 - 1e-13
    safe, rest = where(low | high, 0.5, x), 1 - x
    density, whole = exp(beta_density(a, b, safe)), digamma(a + b)
    by_a = -_beta_truncated(a + 0 * safe, b + 0 * safe, safe, 1, 0) / density
    by_b = -_beta_truncated(a + 0 * safe, b + 0 * safe, safe, 0, 1) / density
    low_a = -(xlogy(x, x) + x * (whole - digamma(a + 1))) / a
    low_b = x * (digamma(b) - whole) / a
    high_a = -rest * (digamma(a) - whole) / b
    high_b = (xlogy(rest, rest) + rest * (whole - digamma(b + 1))) / b
    return (
        where(low, low_a, where(high, high_a, by_a)),
        where(low, low_b, where(high, high_b, by_b)),
    )


def t_slope(df: Variable, t: Variable) -> Variable:
    """∂t/∂df of the quantile of Student's t, at the t itself."""
    return -_t_by_df(df, t) / exp(t_density(df, t))


# ---- Student's t -----------------------------------------------------------------------------
def t_density(df: Variable, t: Variable) -> Variable:
    """The log of the density of Student's t distribution."""
    return -betaln(df / 2, 0.5) - 0.5 * log(df) - (df + 1) / 2 * log1p(square(t) / df)


def _t_by_df(df: Variable, t: Variable) -> Variable:
    """With x = df/(df + t²): F = ½ + ½·sign(t)·(1 - I_x(df/2, ½)), so
    ∂F/∂df = -¼·sign(t)·N₁₀(df/2, ½, x) - t·F'(t)/(2·df), and N₁₀(p, q, x) = -N₀₁(q, p, 1-x).

    This is smooth at t = 0, its factors are not: derivatives in t are taken of `_t_drift`."""
    drift = apply(_t_drift.op(order=1), (df, t))
    t = stop_gradient(t)
    half, small = df / 2, square(t) < df
    w = square(t) / (df + square(t))
    near = -_beta_truncated(0.5 + 0 * w, half + 0 * w, where(small, w, 0.5), 0, 1)
    far = _beta_truncated(half + 0 * w, 0.5 + 0 * w, where(small, 0.5, 1 - w), 1, 0)
    known = -0.25 * sign(t) * where(small, near, far) - t / (2 * df) * exp(t_density(df, t))
    return known + drift


def _t_density_by_df(df: Variable, t: Variable, order: int) -> Variable:
    """The derivative of that order in df of the density: f₀ is the density, and since f' = f·L₁
    with Lₙ the derivatives of log f, fₖ = Σⱼ binom(k-1, j)·fⱼ·Lₖ₋ⱼ."""
    found = [exp(t_density(df, t))]
    logs = [_log_t_density_by_df(df, t, n) for n in range(1, order + 1)]
    for k in range(1, order + 1):
        terms = [math.comb(k - 1, j) * found[j] * logs[k - j - 1] for j in range(k)]
        found.append(functools.reduce(lambda a, b: a + b, terms))
    return found[order]


def _log_t_density_by_df(df: Variable, t: Variable, n: int) -> Variable:
    """The n-th derivative, n ≥ 1, of log Γ((df+1)/2) - log Γ(df/2) - ½·log df - (df+1)/2·ℓ with
    ℓ = log(df + t²) - log df."""

    def inverse(m: int) -> Variable:  # of log df
        return (-1) ** (m - 1) * math.factorial(m - 1) / power(df, float(m))

    def level(m: int) -> Variable:
        if m == 0:
            return log1p(square(t) / df)
        return (-1) ** (m - 1) * math.factorial(m - 1) / power(df + square(t), float(m)) - inverse(
            m
        )

    gammas = (polygamma(n - 1, (df + 1) / 2) - polygamma(n - 1, df / 2)) / 2**n
    return gammas - inverse(n) / 2 - n / 2 * level(n - 1) - (df + 1) / 2 * level(n)


def _order(y: Variable) -> int:
    order: int = _owner(y).op.params["order"]
    return order


# Zero, with the derivatives that the order-th derivative of F in df has in t.
_t_drift: Elementwise = Elementwise(
    "t_drift", opaque(lambda df, t, order: np.zeros_like(df + t, _dtype((df.dtype, t.dtype), {}))),
    (lambda y, df, t: apply(_t_drift.op(order=_order(y) + 1), (df, t)),
     lambda y, df, t: _t_density_by_df(df, t, _order(y))),
    dtype=_dtype)  # fmt: skip
stdtr = special(
    "stdtr", lambda y, df, t: _t_by_df(df, t), lambda y, df, t: exp(t_density(df, t)),
    domain=((1.5, 5.0), np.array([-2.3, -0.8, 0.0, 0.6, 1.9])), finite=True,
    doc=f"stdtr(df, t), the distribution function of Student's t. {_NUMERIC}")  # fmt: skip


def _t_quantile(df: Any, p: Any) -> Any:
    """SciPy's, after one more step of Newton's method: its own ends at errors of 1e-13."""
    functions = scipy("special")
    t = functions.stdtrit(df, p)
    scale = functions.gammaln((df + 1) / 2) - functions.gammaln(df / 2)
    density = np.exp(scale - (df + 1) / 2 * np.log1p(t * t / df)) / np.sqrt(df * np.pi)
    step = (functions.stdtr(df, t) - p) / density
    small = np.abs(step) < 1e-6 * (1 + np.abs(t))  # not where it is NaN
    return np.where(small, t - step, t).astype(t.dtype)


stdtrit = special(
    "stdtrit", lambda t, df, p: -_t_by_df(df, t) / exp(t_density(df, t)),
    lambda t, df, p: exp(-t_density(df, t)), domain=((1.5, 5.0), (0.3, 0.7)),
    value=_t_quantile,
    doc=f"stdtrit(df, p): the t with stdtr(df, t) = p. {_NUMERIC}")  # fmt: skip
