"""Exponential, sine and cosine integrals, Lambert's W, Owen's T."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import public
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.refusal import refuse
from graphad.ir.op import RISKY, Sample
from graphad.ir.variable import Variable, apply, as_variable
from graphad.libraries import scipy
from graphad.ops.elementwise import exp, square, where
from graphad.ops.special.bessel import spherical_jn
from graphad.ops.special.declare import dtype_of, opaque, refuse_complex, special
from graphad.ops.special.error import erf
from graphad.ops.trigonometric import cos

_POSITIVE = (0.4, 3.0)

# ---- exponential integrals -------------------------------------------------------------------
#   y = f(x)                     dy/dx
expi = special(
    "expi", lambda y, x: exp(x) / x, domain=(np.array([-1.7, -0.6, 0.5, 1.4, 2.2]),),
    doc="Ei(x), the exponential integral, real.")  # fmt: skip
exp1 = special(
    "exp1", lambda y, x: -exp(-x) / x, domain=(_POSITIVE,), real=False,
    doc="E₁(z), the exponential integral ∫₁^∞ exp(-zt)/t dt.")  # fmt: skip


def _expn_slope(y: Variable, n: Variable, x: Variable) -> Variable:
    """E'ₙ = -Eₙ₋₁; E₋₁(x) = exp(-x)·(1 + x)/x²."""
    before = expn(where(n > 0, n - 1, 0), x)
    return -where(n > 0, before, exp(-x) * (1 + x) / square(x))


expn: Callable[..., Variable] = special(
    "expn", refuse("the order n"), _expn_slope, domain=(np.array([0, 1, 2, 3]), _POSITIVE),
    doc="expn(n, x), the exponential integral Eₙ of order n = 0, 1, 2, …")  # fmt: skip


# ---- sine and cosine integrals ---------------------------------------------------------------
def _part(name: str, position: int, partial: Any) -> Elementwise:
    def value(x: Any) -> Any:
        return scipy("special").sici(x)[position]

    return Elementwise(
        name, opaque(value), (partial,), dtype=dtype_of("sici", value, real=True), hazard=RISKY
    )


_si = _part("sine_integral", 0, lambda y, x: spherical_jn(0, x))
_ci = _part("cosine_integral", 1, lambda y, x: cos(x) / x)


class SiciResult(NamedTuple):
    """What `sici` returns."""

    Si: Variable
    Ci: Variable


@public(
    namespace="special", reference=lambda x: scipy("special").sici(refuse_complex(x)),
    samples=lambda rng: [Sample((rng.uniform(0.3, 4, size=s),)) for s in ((5,), (2, 3))],
)  # fmt: skip
def sici(x: Any) -> SiciResult:
    """(Si(x), Ci(x)), the sine and cosine integrals, as ``scipy.special.sici``.

    >>> import graphad as ga
    >>> ga.special.sici(ga.constant(0.0)).Si.eval()
    np.float64(0.0)
    """
    return SiciResult(_si.build((x,)), _ci.build((x,)))


# ---- Lambert's W -----------------------------------------------------------------------------
def _lambertw_value(z: Any, k: int) -> Any:
    """Real for real z: NaN where the branch is not real."""
    found = scipy("special").lambertw(z, k)
    if np.iscomplexobj(z):
        return found
    dtype = z.dtype if z.dtype.kind == "f" else np.dtype(float)
    start = -math.exp(-1)  # on the branch point, rounding decides whether W is complex
    inside = (z >= start) & (z <= 0 if k == -1 else True)
    return np.where(inside, found.real, np.nan).astype(dtype)


_lambertw = Elementwise(
    "lambertw", opaque(_lambertw_value), (lambda w, z: 1 / (z + exp(w)),),
    dtype=dtype_of("lambertw", _lambertw_value), hazard=RISKY)  # fmt: skip


@public(
    namespace="special", reference=lambda z, k=0, tol=1e-8: _lambertw_value(np.asarray(z), k),
    samples=lambda rng: [
        Sample((rng.uniform(-0.2, 3, size=(2, 3)),)),
        Sample((rng.uniform(-0.3, -0.1, size=3),), {"k": -1}),
    ],
)  # fmt: skip
def lambertw(z: Any, k: int = 0, tol: float = 1e-8) -> Variable:
    """W with W·exp(W) = z on branch k, as ``scipy.special.lambertw``, but real for real z.

    Of real z the branches 0 (z ≥ -1/e) and -1 (-1/e ≤ z < 0) are real, else the result is NaN; for
    other values convert z to complex first. W' = 1/(z + exp(W)), infinite at -1/e. `tol` is
    accepted for compatibility. Raises UseError where k is no Python integer, or another branch
    than 0 and -1 for real z.

    >>> import graphad as ga
    >>> float(ga.special.lambertw(ga.constant(1.0)).eval().round(6))
    0.567143
    """
    variable = as_variable(z)
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise UseError(f"lambertw: the branch k={k!r} is not an integer", remedy="pass k=0 or -1")
    if variable.dtype.kind != "c" and k not in (0, -1):
        raise UseError(f"lambertw: branch k={k} is not real anywhere",
                       remedy='convert the argument with z.astype("complex128")')  # fmt: skip
    return apply(_lambertw.op(k=int(k)), (variable,))


# ---- Owen's T --------------------------------------------------------------------------------
_OWEN = 0.5 / math.sqrt(2 * math.pi)
#   z = T(h, a)                  ∂z/∂h                       ∂z/∂a
owens_t = special(
    "owens_t",
    lambda z, h, a: exp(-0.5 * square(h)) * erf(a * h * math.sqrt(0.5)) * -_OWEN,
    lambda z, h, a: exp(-0.5 * square(h) * (1 + square(a))) / (2 * math.pi * (1 + square(a))),
    finite=True,
    doc="owens_t(h, a): the probability that X > h and 0 < Y < a·X, X and Y normal.",
)  # fmt: skip
