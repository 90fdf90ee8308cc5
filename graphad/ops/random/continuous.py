"""Continuous distributions: what NumPy draws, and how the numbers move with the parameters.

Where a draw is a formula of standard draws (location and scale, powers), its derivatives are those
of the formula, with the standard draw repeated from the same state. Where NumPy rejects proposals
(gamma, beta, Student's t) they are those of the quantile function, F(y(θ), θ) held fixed:
∂y/∂θ = -F_θ/F_y (implicit reparameterisation; M. Figurnov, S. Mohamed, A. Mnih, "Implicit
reparameterization gradients", 2018). Gradients of expected values are unbiased either way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.random import Drawn
from graphad.ir.op import OPS
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Variable
from graphad.ops.elementwise import exp, sqrt, square, where
from graphad.ops.random.declare import REQUIRED, Distribution, distribution, float_result
from graphad.ops.special.bessel import i0e, i1e
from graphad.ops.special.entropy import xlog1py, xlogy
from graphad.ops.special.error import erfcx
from graphad.ops.special.incomplete import beta_slopes, gamma_slope, t_slope
from graphad.ops.trigonometric import cos

# ---- without parameters ----------------------------------------------------------------------
random = distribution("random", {}, (), typed=True, doc="Uniform on [0, 1).")
standard_normal = distribution(
    "standard_normal", {}, (), typed=True, doc="Normal with mean 0 and variance 1."
)


def _exponential(given: Sequence[TensorType], size: Shape | None, **keywords: Any) -> TensorType:
    if keywords.get("method", "zig") not in ("zig", "inv"):
        raise UseError(
            f"random.standard_exponential: method={keywords['method']!r}",
            remedy='choose "zig" (ziggurat) or "inv" (inverse)',
        )
    return float_result("random.standard_exponential")(given, size, **keywords)


standard_exponential = distribution(
    "standard_exponential", {}, (), typed=True, static={"method": "zig"}, result=_exponential,
    doc="Exponential with mean 1; `method`: \"zig\" (ziggurat) or \"inv\" (inverse).",
)  # fmt: skip
standard_cauchy = distribution("standard_cauchy", {}, (), doc="Cauchy around 0 with scale 1.")


# ---- location and scale ----------------------------------------------------------------------
#   y = loc + scale·z            ∂y/∂loc = 1                 ∂y/∂scale = z
def _z(drawn: Drawn, *_: Any) -> Variable:
    return drawn.again(standard_normal.family)


def _e(drawn: Drawn, *_: Any) -> Variable:
    return drawn.again(standard_exponential.family)


def _u(drawn: Drawn, *_: Any) -> Variable:
    return drawn.again(random.family)


def _standard(drawn: Drawn, *_: Any) -> Variable:
    return drawn.again(drawn.node.op.family, 0.0, 1.0)  # type: ignore[arg-type]


_PLACED = {"loc": 0.0, "scale": 1.0}
normal = distribution("normal", _PLACED, (1, _z), doc="Normal with mean loc and deviation scale.")
laplace = distribution("laplace", _PLACED, (1, _standard), doc="Double exponential around loc.")
gumbel = distribution("gumbel", _PLACED, (1, _standard), doc="Gumbel, of extreme values.")
logistic = distribution("logistic", _PLACED, (1, _standard), doc="Logistic around loc.")
uniform = distribution(
    "uniform", {"low": 0.0, "high": 1.0}, (lambda d, a, b: 1 - _u(d), _u),
    doc="Uniform on [low, high).")  # fmt: skip
exponential = distribution("exponential", {"scale": 1.0}, (_e,), doc="Exponential of mean scale.")
rayleigh: Distribution = distribution(
    "rayleigh", {"scale": 1.0}, (lambda d, s: d.again(rayleigh.family, 1.0),),
    doc="Rayleigh, the length of two normal numbers of deviation scale.")  # fmt: skip


# ---- formulas --------------------------------------------------------------------------------
def _triangle(drawn: Drawn, left: Variable, mode: Variable, right: Variable) -> tuple:
    """(below the mode?, half the distance from the end, width of that part, of the whole).

    With u fixed, (y - l)² = u·(m - l)·(r - l) below the mode, and above it
    (r - y)² = (1 - u)·(r - m)·(r - l).
    """
    y = drawn.y
    below = y <= mode
    half = where(below, y - left, right - y) / 2
    part = where(below, mode - left, right - mode)
    return below, half, where(part > 0, part, 1.0), right - left


def _by_left(drawn: Drawn, left: Variable, mode: Variable, right: Variable) -> Variable:
    below, half, part, whole = _triangle(drawn, left, mode, right)
    return where(below, 1 - half / part, 0.0) + where(below, -half, half) / whole


def _by_mode(drawn: Drawn, left: Variable, mode: Variable, right: Variable) -> Variable:
    _, half, part, _ = _triangle(drawn, left, mode, right)
    return half / part


def _by_right(drawn: Drawn, left: Variable, mode: Variable, right: Variable) -> Variable:
    below, half, part, whole = _triangle(drawn, left, mode, right)
    return where(below, 0.0, 1 - half / part) + where(below, half, -half) / whole


lognormal = distribution(  # y = exp(mean + sigma·z)
    "lognormal", {"mean": 0.0, "sigma": 1.0},
    (lambda d, m, s: d.y, lambda d, m, s: d.y * _z(d)),
    doc="The exponential of a normal number.")  # fmt: skip
weibull = distribution(  # y = e^(1/a)
    "weibull", {"a": REQUIRED}, (lambda d, a: -xlogy(d.y, d.y) / a,),
    doc="Weibull with shape a and scale 1.")  # fmt: skip
pareto = distribution(  # y = exp(e/a) - 1
    "pareto", {"a": REQUIRED}, (lambda d, a: -xlog1py(1 + d.y, d.y) / a,),
    doc="Pareto II (Lomax) with shape a.")  # fmt: skip
power = distribution(  # y = (1 - exp(-e))^(1/a)
    "power", {"a": REQUIRED}, (lambda d, a: -xlogy(d.y, d.y) / a,),
    doc="On [0, 1] with density a·y^(a - 1).")  # fmt: skip
triangular = distribution(
    "triangular", {"left": REQUIRED, "mode": REQUIRED, "right": REQUIRED},
    (_by_left, _by_mode, _by_right), doc="Triangular on [left, right] with its peak at mode.",
)  # fmt: skip

# ---- by the quantile function ----------------------------------------------------------------
standard_gamma = distribution(
    "standard_gamma", {"shape": REQUIRED}, (lambda d, a: gamma_slope(a, d.y),), typed=True,
    doc="Gamma with scale 1.")  # fmt: skip


def _unscaled(drawn: Drawn, shape: Variable) -> Variable:
    return drawn.again(standard_gamma.family, shape)


gamma = distribution(  # y = scale·g
    "gamma", {"shape": REQUIRED, "scale": 1.0},
    (lambda d, a, s: s * gamma_slope(a, _unscaled(d, a)), lambda d, a, s: _unscaled(d, a)),
    doc="Gamma with mean shape·scale.")  # fmt: skip
chisquare = distribution(  # y = 2·g, g of shape df/2
    "chisquare", {"df": REQUIRED}, (lambda d, df: gamma_slope(df / 2, d.y / 2),),
    doc="Chi-square with df degrees of freedom.")  # fmt: skip
beta = distribution(
    "beta", {"a": REQUIRED, "b": REQUIRED},
    (lambda d, a, b: beta_slopes(a, b, d.y)[0], lambda d, a, b: beta_slopes(a, b, d.y)[1]),
    doc="Beta on [0, 1] with mean a/(a + b).")  # fmt: skip
standard_t = distribution(
    "standard_t", {"df": REQUIRED}, (lambda d, df: t_slope(df, d.y),),
    doc="Student's t with df degrees of freedom.")  # fmt: skip


def _ratio(drawn: Drawn, m: Variable, n: Variable) -> tuple[Variable, Variable, Variable]:
    """(x, ∂y/∂x, y) of y = n·x/(m·(1 - x)), where x is beta with parameters m/2, n/2."""
    y = drawn.y
    scaled = m * y / n
    x = scaled / (1 + scaled)
    return x, n / m * square(1 + scaled), y


def _by_numerator(drawn: Drawn, m: Variable, n: Variable) -> Variable:
    x, slope, y = _ratio(drawn, m, n)
    return slope * beta_slopes(m / 2, n / 2, x)[0] / 2 - y / m


def _by_denominator(drawn: Drawn, m: Variable, n: Variable) -> Variable:
    x, slope, y = _ratio(drawn, m, n)
    return slope * beta_slopes(m / 2, n / 2, x)[1] / 2 + y / n


f = distribution(
    "f", {"dfnum": REQUIRED, "dfden": REQUIRED}, (_by_numerator, _by_denominator),
    doc="F, the ratio of two chi-square numbers over their degrees of freedom.")  # fmt: skip


# With F = Φ(a) + exp(2λ/μ)·Φ(-b), a, b = √(λ/y)·(y/μ ∓ 1), and Mills' ratio m = Φ(-b)/φ(b):
# ∂y/∂μ = 2·√λ·y^1.5·m/μ², ∂y/∂λ = y/λ - 2·y^1.5·m/(μ·√λ).
def _mills(drawn: Drawn, mean: Variable, scale: Variable) -> Variable:
    """2·y^1.5·m."""
    y = drawn.y
    b = sqrt(scale / y) * (y / mean + 1)
    return math.sqrt(2 * math.pi) * y * sqrt(y) * erfcx(b / math.sqrt(2))


wald = distribution(
    "wald", {"mean": REQUIRED, "scale": REQUIRED},
    (lambda d, m, s: sqrt(s) / square(m) * _mills(d, m, s),
     lambda d, m, s: d.y / s - _mills(d, m, s) / (m * sqrt(s))),
    doc="Inverse Gaussian.")  # fmt: skip


# On the circle, with d = y - μ: F_κ = ∫₀ᵈ (cos t - A)·p(t) dt and A = I₁(κ)/I₀(κ), so
# ∂y/∂κ = -∫₀ᵈ (cos t - A)·exp(κ·(cos t - cos d)) dt, by Gauss' rule.
NODES = 64  # enough for what is drawn: 1e-12 from κ = 0.01 to 10⁴


def _by_kappa(drawn: Drawn, mu: Variable, kappa: Variable) -> Variable:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    turns = OPS["rint"]((drawn.y - mu) / (2 * math.pi))
    d = (drawn.y - mu - 2 * math.pi * turns)[..., None]
    k = (kappa + 0 * drawn.y)[..., None]
    t = d / 2 * (1 + nodes)
    mean = (i1e(kappa) / i0e(kappa) + 0 * drawn.y)[..., None]
    values = (cos(t) - mean) * exp(k * (cos(t) - cos(d)))
    total: Variable = -OPS["sum"](d / 2 * weights * values, axis=-1)
    return total


vonmises = distribution(
    "vonmises", {"mu": REQUIRED, "kappa": REQUIRED}, (1, _by_kappa),
    doc="Von Mises, on the circle from -π to π, around mu with concentration kappa.")  # fmt: skip
