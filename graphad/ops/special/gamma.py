"""The gamma function and its relatives: logarithm, reciprocal, digamma, polygamma, zeta, counts.

Values are SciPy's. Source of the derivatives: NIST Digital Library of Mathematical Functions,
chapters 5 and 25; ψ is digamma, ψₙ polygamma.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import public
from graphad.ir.families.refusal import refuse
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.elementwise import where
from graphad.ops.special.declare import of_scipy, special
from graphad.ops.trigonometric import cos, sin

NOT_POLES = np.array([-2.4, -1.6, -0.3, 0.4, 1.2, 2.7])
ABOVE = (0.4, 3.0)

#   y = f(x)                     ∂y/∂x for each operand
gamma: Callable[..., Variable] = special(
    "gamma", lambda y, x: y * digamma(x), domain=(NOT_POLES,),
    doc="Γ(x), real. Poles at 0, -1, -2, …, where value and derivative are infinite or NaN.",
)  # fmt: skip
gammaln: Callable[..., Variable] = special(
    "gammaln", lambda y, x: digamma(x), domain=(NOT_POLES,),
    doc="log |Γ(x)|; infinite at the poles 0, -1, -2, …")  # fmt: skip
loggamma: Callable[..., Variable] = special(
    "loggamma", lambda y, x: digamma(x), domain=(ABOVE,),
    doc="log Γ(x) for real x; NaN for negative x (take `gammaln`).")  # fmt: skip
gammasgn = special(
    "gammasgn", 0, domain=(NOT_POLES,), finite=True,
    doc="The sign of Γ(x). The derivative is zero, also where it jumps.")  # fmt: skip
digamma: Callable[..., Variable] = special(
    "digamma", lambda y, x: polygamma(1, x), domain=(NOT_POLES,), aliases=["psi"],
    doc="ψ(x) = Γ'(x) / Γ(x), real. Poles at 0, -1, -2, …")  # fmt: skip
polygamma: Callable[..., Variable] = special(
    "polygamma", refuse("the order n"), lambda y, n, x: polygamma(n + 1, x),
    domain=(np.array([0, 1, 2, 3]), NOT_POLES),
    doc="polygamma(n, x): the n-th derivative of digamma at x, n = 0, 1, 2, … Integers give "
    "float64. A derivative in n raises GradientError.")  # fmt: skip


# ---- 1/Γ -------------------------------------------------------------------------------------
def _rgamma_slope(y: Variable, x: Variable) -> Variable:
    """(1/Γ)' = -ψ(x)/Γ(x), which is ∞·0 at the poles; left of ½ by reflection,
    1/Γ(x) = Γ(1-x)·sin(πx)/π, so it is (Γ(1-x)·cos(πx) - Γ(1-x)·ψ(1-x)·sin(πx)/π)."""
    left = x < 0.5
    far = where(left, 1 - x, 1)
    rest = x - OPS["rint"](x)  # sin(πx) = ± sin(π·rest), exact for large x
    sign = 1 - 2 * OPS["remainder"](OPS["rint"](x), 2)
    turn = sign * (cos(math.pi * rest) - digamma(far) * sin(math.pi * rest) / math.pi)
    return where(left, gamma(far) * turn, -y * digamma(where(left, 1, x)))


rgamma = special(
    "rgamma", _rgamma_slope, domain=(np.array([-2.4, -2.0, -1.6, 0.0, 0.3, 1.2, 2.7]),),
    doc="1 / Γ(x), real: 0 at the poles of Γ, with the right derivatives there.")  # fmt: skip


# ---- zeta ------------------------------------------------------------------------------------
def _zeta_value(x: Any, q: Any) -> Any:
    return scipy("special").zeta(x, q)


hurwitz: Callable[..., Variable] = special(
    "hurwitz_zeta", refuse("the exponent x"), lambda y, x, q: -x * hurwitz(x + 1, q),
    value=_zeta_value, domain=(np.array([2, 3, 5]), ABOVE),
    doc="Σ (k + q)^-x over k = 0, 1, …: `zeta` with both arguments.")  # fmt: skip
riemann = special(
    "riemann_zeta", refuse("the exponent x"), value=lambda x: scipy("special").zeta(x),
    domain=(np.array([2, 3, 5]),), doc="Σ k^-x over k = 1, 2, …: `zeta` with one argument.",
)  # fmt: skip


@public(
    namespace="special", reference=lambda x, q=None: scipy("special").zeta(x, q),
    samples=lambda rng: [
        Sample((np.array([2, 3, 4]), rng.uniform(0.5, 3.0, size=3))),
        Sample((np.array([2, 3, 4]),)),
    ],
)  # fmt: skip
def zeta(x: Any, q: Any = None) -> Variable:
    """Riemann's (q = None) or Hurwitz' zeta function Σ (k + q)^-x, as ``scipy.special.zeta``.

    Its derivative in x has no closed form and raises GradientError.

    >>> import graphad as ga
    >>> float(ga.special.zeta(ga.constant(2.0)).eval().round(6))
    1.644934
    """
    return riemann(x) if q is None else hurwitz(x, q)


# ---- products of ratios ----------------------------------------------------------------------
def _shift(name: str) -> Callable[..., Variable]:
    return special(
        name, lambda y, z, m: y * (digamma(z + m) - digamma(z)),
        lambda y, z, m: y * digamma(z + m), domain=(ABOVE, ABOVE), depth=2,
        doc="poch(z, m) = Γ(z + m) / Γ(z), the rising factorial.")  # fmt: skip


poch = _shift("poch")


def _rgammas(n: Variable, k: Variable) -> tuple[Variable, ...]:
    top = gamma(n + 1)
    return top, rgamma(k + 1), rgamma(n - k + 1)


def _binom_k(y: Variable, n: Variable, k: Variable) -> Variable:
    """∂/∂k = y·(ψ(n-k+1) - ψ(k+1)); where y = 0 at poles of ψ, from Γ(n+1)·r(k+1)·r(n-k+1)."""
    inside = (k > -1) & (n - k > -1)
    plain = y * (digamma(where(inside, n - k, 0) + 1) - digamma(where(inside, k, 0) + 1))
    top, low, high = _rgammas(n, where(inside, 0.5, k))
    slope, other = (_rgamma_slope(r, v) for r, v in ((low, k + 1), (high, n - k + 1)))
    return where(inside, plain, top * (slope * high - low * other))


def _binom_n(y: Variable, n: Variable, k: Variable) -> Variable:
    """∂/∂n = y·(ψ(n+1) - ψ(n-k+1)); outside as above."""
    inside = (k > -1) & (n - k > -1)
    plain = y * (digamma(n + 1) - digamma(where(inside, n - k, 0) + 1))
    top, low, high = _rgammas(n, where(inside, 0.5, k))
    return where(inside, plain, y * digamma(n + 1) + top * low * _rgamma_slope(high, n - k + 1))


binom = special(
    "binom", _binom_n, _binom_k, domain=((2.2, 4.0), np.array([-0.4, 0.3, 1.1, 2.0])),
    doc="binom(n, k): the binomial coefficient Γ(n+1) / (Γ(k+1)·Γ(n-k+1)) for real n and k.",
)  # fmt: skip


# ---- counting --------------------------------------------------------------------------------
def _refuse_exact(name: str, exact: bool, instead: str) -> None:
    if exact:
        raise UseError(
            f"{name}: exact=True works on Python integers of any size, which arrays cannot hold",
            remedy=f"leave it out, or compute the number before with {instead}",
        )


@public(
    namespace="special", reference=lambda n: scipy("special").factorial(n),
    samples=lambda rng: [Sample((np.array([0.5, 2.0, 3.3]),)), Sample((np.array([[0.2, 4.0]]),))],
)  # fmt: skip
def factorial(n: Any, exact: bool = False) -> Variable:
    """n! = Γ(n + 1), 0 for negative n, as ``scipy.special.factorial``, in float64.

    Raises UseError for exact=True, DTypeError for booleans and complex numbers.

    >>> import graphad as ga
    >>> ga.special.factorial(ga.constant([0, 3, 4])).eval()
    array([ 1.,  6., 24.])
    """
    _refuse_exact("factorial", exact, "math.factorial")
    given = as_variable(n)
    if given.dtype.kind not in "fiu":
        raise DTypeError(f"factorial: not defined for dtype {given.dtype}",
                         remedy="take integers or real floats")  # fmt: skip
    number = given.astype("float64")
    negative = number < 0
    return where(negative, 0, gamma(where(negative, 0, number) + 1))


@public(
    namespace="special",
    reference=lambda N, k, repetition=False: scipy("special").comb(N, k, repetition=repetition),
    samples=lambda rng: [
        Sample((np.array([4.5, 5.0]), np.array([2.2, 1.7]))),
        Sample((np.array([3.5]), np.array([[1.25], [2.5]])), {"repetition": True}),
    ],
)  # fmt: skip
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Variable:
    """Combinations of k among N things, as ``scipy.special.comb``: 0 where k > N or k < 0.

    With `repetition`, k among N + k - 1. For real numbers it is `binom`. Raises UseError for
    exact=True.

    >>> import graphad as ga
    >>> ga.special.comb(ga.constant([5, 5]), 2).eval()
    array([10., 10.])
    """
    _refuse_exact("comb", exact, "math.comb")
    total, part = as_variable(N), as_variable(k)
    if repetition:
        return where((part == 0) & (total >= 0), 1, binom(total + part - 1, part))
    possible = (part <= total) & (total >= 0) & (part >= 0)
    return where(possible, binom(total, part), 0)


# ---- multivariate ----------------------------------------------------------------------------
def _multigammaln_reference(a: Any, d: int) -> Any:
    good = np.real(a) > 0.5 * (d - 1)
    value = scipy("special").multigammaln(np.where(good, a, d), d)
    return np.where(good, value, np.nan).astype(of_scipy("gammaln")(a).dtype)


@public(
    namespace="special", reference=_multigammaln_reference,
    samples=lambda rng: [
        Sample((rng.uniform(2.0, 4.0, size=(2, 3)),), {"d": d}) for d in (1, 2, 4)],
)  # fmt: skip
def multigammaln(a: Any, d: int) -> Variable:
    """log of the multivariate gamma function, d(d-1)/4·log π + Σ log Γ(a - j/2), j = 0 … d-1.

    a (…): above (d - 1)/2, else NaN (SciPy raises). Raises UseError where d is no positive int.

    >>> import graphad as ga
    >>> float(ga.special.multigammaln(ga.constant(2.0), 1).eval())
    0.0
    """
    if isinstance(d, bool) or not isinstance(d, int | np.integer) or d < 1:
        raise UseError(f"multigammaln: d={d!r} is not a positive integer",
                       remedy="pass the dimension, e.g. d=3")  # fmt: skip
    first = gammaln(as_variable(a))
    number = as_variable(a).astype(first.dtype)  # integers too, whatever SciPy makes of them
    total = first + d * (d - 1) / 4 * math.log(math.pi)
    for j in range(1, int(d)):
        total = total + gammaln(number - j / 2)
    return where(number > (d - 1) / 2, total, np.nan)
