"""Hypergeometric functions, and what is most accurately differentiated through them.

The derivative in the last argument is the function at the next parameters, so any order exists;
derivatives in the parameters are refused. Source: NIST Digital Library of Mathematical Functions,
sections 13.3, 15.5 and 19.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ir.families.refusal import refuse
from graphad.ir.variable import Variable
from graphad.libraries import scipy
from graphad.ops.elementwise import log, where
from graphad.ops.special.declare import special

_COUNTS = np.array([1, 2, 3])

hyp0f1: Callable[..., Variable] = special(
    "hyp0f1", refuse("the parameter v"), lambda y, v, z: hyp0f1(v + 1, z) / v,
    domain=(_COUNTS, (-2.0, 2.0)), doc="hyp0f1(v, z), the function ₀F₁(; v; z), real.",
)  # fmt: skip


def _kummer(a: Any, b: Any, x: Any) -> Any:
    """SciPy's hyp1f1, which does not return for infinite x."""
    infinite = np.isinf(a) | np.isinf(b) | np.isinf(x)
    safe = [np.where(infinite, v.dtype.type(1), v) for v in (a, b, x)]
    value = scipy("special").hyp1f1(*safe)
    return np.where(infinite, value.dtype.type(np.nan), value)


hyp1f1: Callable[..., Variable] = special(
    "hyp1f1", refuse("the parameter a"), refuse("the parameter b"),
    lambda y, a, b, z: a / b * hyp1f1(a + 1, b + 1, z), domain=(_COUNTS, _COUNTS, (-2.0, 2.0)),
    value=_kummer,
    doc="hyp1f1(a, b, x), Kummer's function ₁F₁(a; b; x), real, for finite operands.")  # fmt: skip
hyperu: Callable[..., Variable] = special(
    "hyperu", refuse("the parameter a"), refuse("the parameter b"),
    lambda y, a, b, x: -a * hyperu(a + 1, b + 1, x), domain=(_COUNTS, _COUNTS, (0.8, 2.0)),
    doc="hyperu(a, b, x), Tricomi's function U(a, b, x).")  # fmt: skip
hyp2f1: Callable[..., Variable] = special(
    "hyp2f1", refuse("the parameter a"), refuse("the parameter b"), refuse("the parameter c"),
    lambda y, a, b, c, z: a * b / c * hyp2f1(a + 1, b + 1, c + 1, z),
    domain=(_COUNTS, _COUNTS, _COUNTS + 3, (-0.8, 0.6)),
    doc="hyp2f1(a, b, c, z), Gauss' function ₂F₁(a, b; c; z), real.")  # fmt: skip


def _spence_slope(y: Variable, x: Variable) -> Variable:
    """log(x)/(1 - x), near 1 as -₂F₁(1, 1; 2; 1-x)."""
    near = (x > 0.5) & (x < 1.5)
    return where(near, -hyp2f1(1.0, 1.0, 2.0, 1 - x), log(x) / (1 - x))


# ---- special cases ---------------------------------------------------------------------------
#   y = f(x)                     dy/dx
exprel = special(
    "exprel", lambda y, x: 0.5 * hyp1f1(2.0, 3.0, x), doc="(exp(x) - 1) / x, and 1 at 0.",
)  # fmt: skip
spence = special(
    "spence", _spence_slope, domain=((0.3, 3.0),),
    doc="Spence's function ∫₁ˣ log(t)/(1 - t) dt, the dilogarithm of 1 - x; real, x ≥ 0.",
)  # fmt: skip
ellipk = special(
    "ellipk", lambda y, m: math.pi / 8 * hyp2f1(1.5, 1.5, 2.0, m), domain=((-1.5, 0.6),),
    doc="K(m), the complete elliptic integral of the first kind, of the parameter m = k².",
)  # fmt: skip
ellipe = special(
    "ellipe", lambda y, m: -math.pi / 8 * hyp2f1(0.5, 1.5, 2.0, m), domain=((-1.5, 0.6),),
    doc="E(m), the complete elliptic integral of the second kind, of the parameter m = k².",
)  # fmt: skip
