"""Products with logarithms that are 0 at 0, entropies, and the power transforms of Box and Cox.

Outside their domain `entr`, `rel_entr` and `kl_div` are constantly -∞ or ∞, with derivative 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphad.ir.families.elementwise import Elementwise, as_ufunc
from graphad.ir.op import RISKY
from graphad.ir.variable import Variable
from graphad.ops.elementwise import abs_, log, log1p, power, sign, square, where
from graphad.ops.special.declare import special
from graphad.ops.special.hypergeometric import hyp1f1, hyp2f1

_POSITIVE = (0.3, 3.0)

# x/y, and 0 for x = 0 whatever y
_xdivy = Elementwise(
    "xdivy", lambda xp, x, y: xp.where(xp.equal(x, 0), x, xp.divide(x, y)),
    (lambda z, x, y: 1 / y, lambda z, x, y: -xdivy(z, y)),
    dtype=as_ufunc(np.divide), hazard=RISKY)  # fmt: skip


def xdivy(x: Variable, y: Variable) -> Variable:
    """x / y, and 0 for x = 0 whatever y."""
    return _xdivy.build((x, y))


#   z = f(x, y)                  ∂z/∂x                       ∂z/∂y
xlogy: Callable[..., Variable] = special(
    "xlogy", lambda z, x, y: log(y), lambda z, x, y: xdivy(x, y), real=False,
    domain=((-2.0, 2.0), _POSITIVE),
    doc="x·log(y), and 0 for x = 0 whatever y; there the derivative in y is 0 too.")  # fmt: skip
xlog1py: Callable[..., Variable] = special(
    "xlog1py", lambda z, x, y: log1p(y), lambda z, x, y: xdivy(x, 1 + y), real=False,
    domain=((-2.0, 2.0), (-0.5, 2.0)),
    doc="x·log(1 + y), and 0 for x = 0 whatever y; there the derivative in y is 0 too.",
)  # fmt: skip
entr: Callable[..., Variable] = special(
    "entr", lambda y, x: where(x < 0, 0, -1 - log(x)), domain=(_POSITIVE,),
    doc="-x·log(x), 0 at 0, -∞ for negative x. The derivative at 0 is infinite.")  # fmt: skip


def _log_ratio(x: Variable, y: Variable) -> Variable:
    """log(x/y), accurate where x ≈ y and where x/y overflows; 0 outside the domain."""
    ratio = where(x > 0, rel_entr(x, y) / where(x > 0, x, 1), log(x) - log(y))
    return where((x < 0) | (y < 0), 0, ratio)


def _inside(x: Variable, y: Variable) -> Variable:
    return (x >= 0) & (y >= 0)


rel_entr: Callable[..., Variable] = special(
    "rel_entr", lambda z, x, y: _log_ratio(x, y) + where(_inside(x, y), 1, 0),
    lambda z, x, y: where(_inside(x, y), -xdivy(x, y), 0), domain=(_POSITIVE,),
    value=None, doc="x·log(x/y) for x > 0, y > 0; 0 for x = 0, y ≥ 0; else ∞.")  # fmt: skip
kl_div = special(
    "kl_div", lambda z, x, y: _log_ratio(x, y),
    lambda z, x, y: where(_inside(x, y), 1 - xdivy(x, y), 0), domain=(_POSITIVE,),
    doc="x·log(x/y) - x + y for x > 0, y > 0; y for x = 0, y ≥ 0; else ∞.")  # fmt: skip

huber = special(
    "huber", lambda z, d, r: where((d >= 0) & (abs_(r) > d), abs_(r) - d, 0),
    lambda z, d, r: where(d < 0, 0, where(abs_(r) > d, d * sign(r), r)),
    domain=((0.5, 1.2), np.array([-2.3, -1.4, -0.3, 0.2, 1.7, 2.9])),
    doc="huber(δ, r) = r²/2 for |r| ≤ δ, δ·(|r| - δ/2) beyond; ∞ for δ < 0.")  # fmt: skip


# ---- Box and Cox -----------------------------------------------------------------------------
def _power_slope(u: Variable, lmbda: Variable) -> Variable:
    """∂/∂λ of (uᵏ - 1)/λ at k = λ: with l = log u it is l·exprel(λ·l), so l²·exprel'(λ·l),
    exprel'(t) = ½ ₁F₁(2; 3; t), also at λ = 0."""
    level = log(u)
    return square(level) * (0.5 * hyp1f1(2.0, 3.0, lmbda * level))


def _root_slope(u: Variable, lmbda: Variable) -> Variable:
    """∂/∂λ of log1p(λ·u)/λ = u·L(λ·u) with L(t) = log1p(t)/t = ₂F₁(1, 1; 2; -t), so u²·L'(λ·u),
    L'(t) = -½ ₂F₁(2, 2; 3; -t), also at λ = 0."""
    return -0.5 * square(u) * hyp2f1(2.0, 2.0, 3.0, -(lmbda * u))


boxcox = special(
    "boxcox", lambda z, x, k: power(x, k - 1), lambda z, x, k: _power_slope(x, k),
    domain=(_POSITIVE, (-1.5, 1.5)),
    doc="boxcox(x, λ) = (x**λ - 1)/λ, and log(x) for λ = 0.")  # fmt: skip
boxcox1p = special(
    "boxcox1p", lambda z, x, k: power(1 + x, k - 1), lambda z, x, k: _power_slope(1 + x, k),
    domain=((-0.5, 2.0), (-1.5, 1.5)),
    doc="boxcox1p(x, λ) = boxcox(1 + x, λ), accurate for small x.")  # fmt: skip
inv_boxcox: Callable[..., Variable] = special(
    "inv_boxcox", lambda z, y, k: power(z, 1 - k), lambda z, y, k: z * _root_slope(y, k),
    domain=((-0.6, 0.8), (-1.0, 1.0)),
    doc="inv_boxcox(y, λ) = (λ·y + 1)**(1/λ), and exp(y) for λ = 0: the inverse of `boxcox`.",
)  # fmt: skip
inv_boxcox1p = special(
    "inv_boxcox1p", lambda z, y, k: power(1 + z, 1 - k),
    lambda z, y, k: (1 + z) * _root_slope(y, k), domain=((-0.6, 0.8), (-1.0, 1.0)),
    doc="inv_boxcox1p(y, λ) = inv_boxcox(y, λ) - 1, accurate for small y.")  # fmt: skip
