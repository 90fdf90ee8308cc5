"""The rarer ufuncs of arithmetic: fmod, divmod, float_power, copysign, logaddexp2, gcd, …

Each declaration: value, then ∂y/∂x for each operand in columns (`z` is the result).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ir.families.common import public
from graphad.ir.families.elementwise import elementwise
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.ufuncs import as_ufunc_call
from graphad.ir.variable import Variable, as_variable
from graphad.ops.elementwise import (
    NONZERO,
    POSITIVE,
    _division_hazard,
    floor_divide,
    gap,
    remainder,
    sign,
)
from graphad.ops.logical import isnan, rint

_OTHERS = np.array([-1.7, -0.1, 0.9, 2.7])
_COUNTS = np.array([-12, -5, 0, 3, 8, 30])
_POWERS = np.array([-3, -1, 0, 2, 5])
_LN2 = float(np.log(2))


# ---- division --------------------------------------------------------------------------------
fmod = elementwise(
    "fmod", lambda xp, x, y: xp.fmod(x, y), (1, lambda z, x, y: -rint((x - z) / y)),
    reference=np.fmod, domain=(NONZERO, np.array([-0.8, 1.7])), hazard_of=_division_hazard,
    doc="x1 - x2·trunc(x1 / x2), with the sign of x1, as C's fmod. The derivatives are 1 and\n"
    "    -trunc(x1 / x2); at multiples of x2, where it jumps, these are those from further out.",
)  # fmt: skip


@public(np.divmod, topic="elementwise", samples=lambda rng: [
    Sample((np.array([5.3, -5.3, 0.4]), np.array([2.0, 2.0, 3.0]))),
    Sample((np.array([[7.5], [-7.5]]), np.array([2.0, -2.0]))),
])  # fmt: skip
@as_ufunc_call(np.divmod)
def divmod_(x1: Any, x2: Any, /) -> tuple[Variable, Variable]:
    """``(x1 // x2, x1 % x2)``, as ``np.divmod``; also what ``divmod(x1, x2)`` gives.

    Derivatives are those of `floor_divide` (zero) and `remainder` (1 and -floor(x1 / x2)).

    >>> import graphad as ga
    >>> [float(part.eval()) for part in divmod(ga.constant(7.5), 2)]
    [3.0, 1.5]
    """
    return floor_divide(x1, x2), remainder(x1, x2)


gcd = elementwise(
    "gcd", lambda xp, x, y: xp.gcd(x, y), None, reference=np.gcd, domain=(_COUNTS,), dtypes="i",
    differentiable=False, doc="The greatest common divisor of integers, 0 for two zeros.",
)  # fmt: skip
lcm = elementwise(
    "lcm", lambda xp, x, y: xp.lcm(x, y), None, reference=np.lcm, domain=(_COUNTS,), dtypes="i",
    differentiable=False, doc="The lowest common multiple of integers, 0 beside a zero.",
)  # fmt: skip


# ---- powers, logarithms ----------------------------------------------------------------------
@public(np.float_power, topic="elementwise", samples=lambda rng: [
    Sample((rng.uniform(*POSITIVE, 5), rng.uniform(-2, 2, 5))),
    Sample((rng.uniform(*POSITIVE, (2, 1)), rng.uniform(-2, 2, 3))),
    Sample((np.array([1.5, 2.5]), np.array(2))),
])  # fmt: skip
@as_ufunc_call(np.float_power)
def float_power(x1: Any, x2: Any, /) -> Variable:
    """``x1 ** x2`` in float64 at least, as ``np.float_power``: integers may have negative powers.

    Derivatives as those of `power`.

    >>> import graphad as ga
    >>> float(ga.float_power(ga.constant(2), -2).eval())
    0.25
    """
    operands = [as_variable(x) for x in (x1, x2)]
    dtype = np.result_type(*[x.dtype for x in operands], np.float64)
    wide = [x if x.dtype == dtype else OPS["astype"](x, dtype) for x in operands]
    found: Variable = OPS["power"](*wide)
    return found


logaddexp2 = elementwise(
    "logaddexp2", lambda xp, x, y: xp.logaddexp2(x, y),
    (lambda z, x, y: OPS["sigmoid"](gap(x, y) * _LN2),
     lambda z, x, y: OPS["sigmoid"](gap(y, x) * _LN2)),
    reference=np.logaddexp2, doc="log2(2**x1 + 2**x2), without overflow.\n\n"
    "    At x1 = x2 = -∞ both derivatives are 0, at x1 = x2 = ∞ they are ½.")  # fmt: skip
ldexp: Callable[..., Variable] = elementwise(
    "ldexp", lambda xp, x, n: xp.ldexp(x, n), None, reference=np.ldexp, domain=((-2, 2), _POWERS),
    hazard=RISKY,
    vjp=lambda g, z, x, n: (ldexp(g, n), None), jvp=lambda t, z, x, n: ldexp(t[0], n),
    doc="x1·2**x2 for integers x2, exact but for overflow and underflow.\n\n"
    "    The derivative by x1 is 2**x2; x2 has none.")  # fmt: skip


# ---- signs, steps, extrema -------------------------------------------------------------------
copysign: Callable[..., Variable] = elementwise(
    "copysign", lambda xp, x, y: xp.copysign(x, y),
    (lambda z, x, y: copysign(sign(x), y) * sign(x), 0),
    reference=np.copysign, domain=(NONZERO, _OTHERS),
    doc="|x1| with the sign of x2 (that of -0.0 is negative).\n\n"
    "    The derivative by x1 is ±1, and 0 at x1 = 0 as that of abs; by x2 it is 0.")  # fmt: skip
heaviside = elementwise(
    "heaviside", lambda xp, x, y: xp.heaviside(x, y), (0, lambda z, x, y: x == 0),
    reference=np.heaviside, domain=(np.array([-1.5, 0.8, 2.0]), (-2.0, 2.0)),
    doc="0 for x1 < 0, x2 for x1 = 0, 1 for x1 > 0, NaN for NaN.\n\n"
    "    The derivative by x1 is 0, also at the step; by x2 it is 1 at x1 = 0, else 0.",
)  # fmt: skip


def _part(winner: Variable, other: Variable) -> Variable:
    """1 where winner > other or other is NaN, ½ at ties, 0 elsewhere and where winner is NaN."""
    dtype = np.result_type(winner.dtype, other.dtype, np.float16)
    half = OPS["astype"](0.5, dtype)
    more = (winner > other) | (isnan(other) & ~isnan(winner))
    return half * more + half * (more | (winner == other))


fmax = elementwise(
    "fmax", lambda xp, x, y: xp.fmax(x, y),
    (lambda z, x, y: _part(x, y), lambda z, x, y: _part(y, x)),
    reference=np.fmax, domain=(NONZERO, _OTHERS),
    doc="The larger of x1 and x2; beside a NaN the other one.\n\n"
    "    At ties each gets half of the derivative, a NaN gets none.")  # fmt: skip
fmin = elementwise(
    "fmin", lambda xp, x, y: xp.fmin(x, y),
    (lambda z, x, y: _part(-x, -y), lambda z, x, y: _part(-y, -x)),
    reference=np.fmin, domain=(NONZERO, _OTHERS),
    doc="The smaller of x1 and x2; beside a NaN the other one.\n\n"
    "    At ties each gets half of the derivative, a NaN gets none.")  # fmt: skip
