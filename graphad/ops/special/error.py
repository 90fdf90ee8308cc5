"""The error function and its relatives, the normal distribution function, the logistic function.

Values are SciPy's, or formulas that are exact in the tails. Source of the derivatives: NIST
Digital Library of Mathematical Functions, section 7.10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ir.families.common import normalize_axes, public
from graphad.ir.families.elementwise import as_float, elementwise, real_float
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.variable import Variable
from graphad.libraries import scipy
from graphad.ops.activation import logsumexp as plain_logsumexp
from graphad.ops.activation import softplus
from graphad.ops.elementwise import exp, expm1, square
from graphad.ops.special.declare import refuse_complex, special

_SLOPE = 2 / math.sqrt(math.pi)
_INSIDE = (-0.8, 0.8)
_PROBABILITY = (0.15, 0.85)

#   y = f(x)                     dy/dx
erf: Callable[..., Variable] = special(
    "erf", lambda y, x: _SLOPE * exp(-square(x)), real=False, finite=True, tame=True,
    doc="Error function 2/√π ∫₀ˣ exp(-t²) dt.")  # fmt: skip
erfc = special(
    "erfc", lambda y, x: -_SLOPE * exp(-square(x)), real=False, finite=True, tame=True,
    doc="1 - erf(x), accurate where it is tiny.")  # fmt: skip
erfcx: Callable[..., Variable] = special(
    "erfcx", lambda y, x: 2 * x * y - _SLOPE, real=False,
    doc="exp(x²)·erfc(x), without overflow for large x.")  # fmt: skip
erfi = special(
    "erfi", lambda y, x: _SLOPE * exp(square(x)), real=False, doc="-i·erf(i·x).")  # fmt: skip
dawsn = special(
    "dawsn", lambda y, x: 1 - 2 * x * y, real=False, finite=True,
    doc="Dawson's integral exp(-x²) ∫₀ˣ exp(t²) dt.")  # fmt: skip
erfinv = special(
    "erfinv", lambda y, x: exp(square(y)) / _SLOPE, domain=(_INSIDE,),
    doc="Inverse of erf, for -1 ≤ x ≤ 1; ±∞ at the ends.")  # fmt: skip
erfcinv = special(
    "erfcinv", lambda y, x: exp(square(y)) / -_SLOPE, domain=((0.2, 1.8),),
    doc="Inverse of erfc, for 0 ≤ x ≤ 2; ±∞ at the ends.")  # fmt: skip

# ---- the normal distribution function --------------------------------------------------------
_HALF = math.sqrt(0.5)


def mills(x: Variable) -> Variable:
    """φ(x)/Φ(x) = √(2/π) / erfcx(-x/√2), without cancellation in either tail."""
    return math.sqrt(2 / math.pi) / erfcx(-_HALF * x)


ndtr: Callable[..., Variable] = special(
    "ndtr", lambda y, x: exp(-0.5 * square(x)) / math.sqrt(2 * math.pi), real=False, finite=True,
    tame=True, doc="Φ(x), the distribution function of the normal distribution.")  # fmt: skip
log_ndtr = special(
    "log_ndtr", lambda y, x: mills(x), real=False, domain=((-3.0, 3.0),),
    doc="log Φ(x), accurate in both tails.")  # fmt: skip
ndtri = special(
    "ndtri", lambda y, x: math.sqrt(2 * math.pi) * exp(0.5 * square(y)), domain=(_PROBABILITY,),
    doc="Inverse of Φ, for 0 ≤ x ≤ 1; ±∞ at the ends.")  # fmt: skip
ndtri_exp = special(
    "ndtri_exp", lambda y, x: 1 / mills(y), domain=((-3.0, -0.2),),
    doc="Inverse of log Φ: `ndtri` of exp(x), also where that underflows.")  # fmt: skip

# ---- the logistic function -------------------------------------------------------------------
OPS.alias("special.expit", "sigmoid")
OPS.alias("special.softplus", "softplus")
OPS.alias("special.log1pexp", "softplus")
OPS.alias("special.exp2", "exp2")
OPS.alias("special.expm1", "expm1")
OPS.alias("special.log1p", "log1p")
OPS.alias("special.cbrt", "cbrt")

logit = special(
    "logit", lambda y, x: 1 / (x * (1 - x)), domain=(_PROBABILITY,),
    doc="log(x / (1 - x)), the inverse of `expit`; ±∞ at 0 and 1.")  # fmt: skip
log1mexp = elementwise(
    "log1mexp",
    lambda xp, x: xp.where(
        xp.greater(x, -math.log(2)), xp.log(xp.negative(xp.expm1(x))),
        xp.log1p(xp.negative(xp.exp(x)))),
    (lambda y, x: -1 / expm1(-x),),
    reference=lambda x: np.log(1 - np.exp(_floating(x))),
    dtype=real_float, floats=True, hazard=RISKY, domain=((-3.0, -0.3),), arity=1,
    namespace="special",
    doc="log(1 - exp(x)) for x < 0, accurate at both ends (M. Mächler, 2012); NaN for x > 0.",
)  # fmt: skip


@public(
    namespace="special", reference=lambda x: -np.logaddexp(0, -_floating(x)),
    samples=lambda rng: [Sample((rng.uniform(-4, 4, size=s),)) for s in ((5,), (2, 3))],
)  # fmt: skip
def log_expit(x: Any) -> Variable:
    """log(1 / (1 + exp(-x))), accurate in both tails.

    x (…). Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.special.log_expit(ga.constant([-1000.0, 0.0])).eval().round(6)
    array([-1.00000e+03, -6.93147e-01])
    """
    return -softplus(-as_float(x))


def _floating(x: Any) -> Any:
    array = np.asarray(refuse_complex(x))
    return array if array.dtype.kind == "f" else array.astype(float)


# ---- sums of exponentials --------------------------------------------------------------------
_ROWS: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1}]


def _rows(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.normal(size=(3, 4)),), k) for k in _ROWS]


def _like_input(name: str) -> Callable[..., Any]:
    def reference(x: Any, **keywords: Any) -> Any:
        array = _floating(x)  # SciPy has no softmax of nothing
        return getattr(scipy("special"), name)(array, **keywords) if array.size else array

    return reference


def _joined(x: Any, axis: Any, name: str) -> tuple[Variable, tuple[int, ...]]:
    variable = as_float(x)
    return variable, normalize_axes(axis, variable.ndim, name)


@public(namespace="special", reference=_like_input("softmax"), samples=_rows)
def softmax(x: Any, axis: Any = None) -> Variable:
    """exp(x) / Σ exp(x) over `axis` (an int, a tuple; None: all), as ``scipy.special.softmax``.

    Raises AxisError for a wrong axis, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.special.softmax(ga.constant([[0.0, 0.0]])).eval()
    array([[0.5, 0.5]])
    """
    variable, axes = _joined(x, axis, "softmax")
    return OPS["softmax"](variable, axis=axes)


@public(namespace="special", reference=_like_input("log_softmax"), samples=_rows)
def log_softmax(x: Any, axis: Any = None) -> Variable:
    """x - log Σ exp(x) over `axis` (None: all), as ``scipy.special.log_softmax``.

    Raises AxisError for a wrong axis, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.special.log_softmax(ga.constant([0.0, -1000.0])).eval()
    array([    0., -1000.])
    """
    variable, axes = _joined(x, axis, "log_softmax")
    return OPS["log_softmax"](variable, axis=axes)


def _weighted_samples(rng: np.random.Generator) -> list[Sample]:
    x, b = rng.normal(size=(3, 4)), rng.uniform(0.5, 2.0, size=(3, 4))
    signed = b * np.array([1, -1, -1, 1.5])
    return [
        Sample((x,), {"axis": 0}),
        Sample((x,), {"axis": (0, 1), "keepdims": True}),
        Sample((x,), {"axis": 1}, {"b": b}),
        Sample((x,), {"axis": 0, "return_sign": True}, {"b": signed}),
        Sample((x,), {}, {"b": b[0]}),
    ]


def _logsumexp_reference(a: Any, b: Any = None, **keywords: Any) -> Any:
    array = _floating(a)
    b = None if b is None else refuse_complex(b)
    if array.size:
        return scipy("special").logsumexp(array, b=b, **keywords)
    signed = keywords.pop("return_sign", False)  # SciPy fails on no elements and several axes
    total = np.sum(np.exp(array) * (1 if b is None else b), **keywords)
    return (np.log(np.abs(total)), np.sign(total)) if signed else np.log(total)


@public(namespace="special", reference=_logsumexp_reference, samples=_weighted_samples)
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b·exp(a) over `axis` (None: all), without overflow, as ``scipy.special.logsumexp``.

    a (…), b: weights that broadcast against it, also negative or zero. Without `return_sign` a
    negative sum gives NaN; with it, (log |Σ|, sign of Σ). Rows of all -∞ give -∞ and gradient 0.

    >>> import graphad as ga
    >>> float(ga.special.logsumexp(ga.constant([1000.0, 1000.0]), b=[2.0, 1.0]).eval().round(6))
    1001.098612
    """
    return plain_logsumexp(a, axis, b, keepdims, return_sign)
