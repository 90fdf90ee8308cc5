"""What a number is made of: its angle, fraction, exponent, neighbours, bits.

The pieces that jump (integral parts, exponents, spacings) have derivative zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.families.elementwise import Elementwise, as_ufunc, elementwise
from graphad.ir.op import OPS, Sample
from graphad.ir.ufuncs import as_ufunc_call
from graphad.ir.variable import Variable, as_variable
from graphad.ops.elementwise import NONZERO, where
from graphad.ops.functions.arithmetic import ldexp
from graphad.ops.logical import isnan, trunc

_BITS = np.array([0, 1, -2, 3, 250, -8])
_HALVES = np.array([-1.4, -0.6, 0.3, 0.8, 1.7, 2.3])


@public(np.angle, topic="elementwise", samples=lambda rng: [
    Sample((NONZERO,)), Sample((NONZERO,), {"deg": True}),
    Sample((np.array([[1 + 1j, -1 + 0.5j], [-1j, 2 - 1j]]),)),
])  # fmt: skip
def angle(z: Any, deg: bool = False) -> Variable:
    """The angle of complex numbers in (-π, π], or in degrees; of real ones 0 or π.

    The derivative is that of arctan2: at z = 0, which has no direction, it is 0; across the
    negative axis the jump is ignored. By a real z it is zero.

    >>> import graphad as ga
    >>> float(ga.angle(ga.constant(1j), deg=True).eval())
    90.0
    """
    variable = as_variable(z)
    if variable.dtype.kind == "c":
        found: Variable = OPS["arctan2"](OPS["imag"](variable), OPS["real"](variable))
    else:
        found = OPS["arctan2"](0, variable)
    return found * (180 / float(np.pi)) if deg else found


# ---- fraction and integral part, mantissa and exponent ---------------------------------------
_fraction = Elementwise(
    "modf_fraction", lambda xp, x: xp.modf(x)[0], (1,), dtype=as_ufunc(np.modf))  # fmt: skip
_exponent = Elementwise(
    "frexp_exponent",
    lambda xp, x: xp.frexp(x)[1],
    None,
    dtype=lambda dtypes, params: np.dtype("int32"),
)


@public(np.modf, topic="elementwise", samples=lambda rng: [
    Sample((_HALVES,)), Sample((np.array([[2.5, -3.25]]),)),
])  # fmt: skip
@as_ufunc_call(np.modf)
def modf(x: Any, /) -> tuple[Variable, Variable]:
    """(fraction, integral part), both with the sign of x, as ``np.modf``.

    The derivative of the fraction is 1, that of the integral part 0, also at integers.

    >>> import graphad as ga
    >>> [float(part.eval()) for part in ga.modf(ga.constant(-2.25))]
    [-0.25, -2.0]
    """
    variable = as_variable(x)
    fraction = _fraction(variable)
    whole = variable if variable.dtype == fraction.dtype else variable.astype(fraction.dtype)
    return fraction, trunc(whole)


@public(np.frexp, topic="elementwise", samples=lambda rng: [
    Sample((_HALVES,)), Sample((np.array([[12.3, -0.35]]),)),
])  # fmt: skip
@as_ufunc_call(np.frexp)
def frexp(x: Any, /) -> tuple[Variable, Variable]:
    """(mantissa, exponent) with ``x = mantissa · 2**exponent`` and ½ ≤ |mantissa| < 1, as NumPy.

    The exponent is an int32, taken as a constant by derivatives: that of the mantissa is
    ``2**-exponent``, also at powers of two.

    >>> import graphad as ga
    >>> [part.eval().item() for part in ga.frexp(ga.constant(12.0))]
    [0.75, 4]
    """
    variable = as_variable(x)
    as_ufunc(np.frexp)([variable.dtype], {})
    exponent = _exponent(variable)
    return ldexp(variable, -exponent), exponent


# ---- neighbours, bits ------------------------------------------------------------------------
nextafter = elementwise(
    "nextafter", lambda xp, x, y: xp.nextafter(x, y), (1, 0), reference=np.nextafter,
    domain=(NONZERO, np.array([-1.7, -0.1, 0.9, 2.7])),
    doc="The next number of this dtype after x1 towards x2. The derivatives are 1 and 0.",
)  # fmt: skip
spacing = elementwise(
    "spacing", lambda xp, x: xp.spacing(x), (0,), reference=np.spacing, domain=(_HALVES,),
    doc="The distance to the next number of this dtype away from 0. The derivative is zero.",
)  # fmt: skip
bitwise_count = elementwise(
    "bitwise_count", lambda xp, x: xp.bitwise_count(x), None, reference=np.bitwise_count,
    domain=(_BITS,), dtypes="ib", differentiable=False,
    doc="The number of bits that are 1 in |x|, a uint8.")  # fmt: skip


@public(np.fix, topic="elementwise", samples=lambda rng: [
    Sample((_HALVES,)), Sample((np.array([[2.5, -3.25]]),)),
])  # fmt: skip
def fix(x: Any, out: Any = None) -> Variable:
    """`x` without its fraction, as `trunc`. The derivative is zero.

    >>> import graphad as ga
    >>> ga.fix(ga.constant([2.7, -2.7])).eval()
    array([ 2., -2.])
    """
    return trunc(x, out=out)


# ---- NaN and infinities ----------------------------------------------------------------------
@public(np.nan_to_num, topic="elementwise", samples=lambda rng: [
    Sample((NONZERO,)),
    Sample((np.array([1.5, np.nan, np.inf, -np.inf]),), {"posinf": 2.0, "neginf": -3}),
    Sample((np.array([[np.nan, np.inf], [-np.inf, 2.5]]),),
           {"nan": 1.5, "posinf": 9.0, "neginf": -7.0}),
])  # fmt: skip
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Variable:
    """`x` with NaN replaced by `nan`, ∞ by `posinf` and -∞ by `neginf`, as ``np.nan_to_num``.

    None: the largest and the smallest number of the dtype. The parts of complex numbers are
    replaced one by one. Integers are left alone. The derivative is 1, and 0 where x was replaced.

    >>> import numpy as np, graphad as ga
    >>> ga.nan_to_num(ga.constant([1.0, np.nan]), nan=-1.0).eval()
    array([ 1., -1.])
    """
    variable = as_variable(x)
    if variable.dtype.kind not in "fc":
        return variable
    if variable.dtype.kind == "c":
        parts = [nan_to_num(OPS[part](variable), nan=nan, posinf=posinf, neginf=neginf)
                 for part in ("real", "imag")]  # fmt: skip
        return parts[0] + 1j * parts[1]
    limits, dtype = np.finfo(variable.dtype), variable.dtype
    high, low = (
        OPS["astype"](limit if value is None else value, dtype)
        for value, limit in ((posinf, limits.max), (neginf, limits.min))
    )
    finite = where(variable == np.inf, high, where(variable == -np.inf, low, variable))
    return where(isnan(variable), OPS["astype"](nan, dtype), finite)


@public(np.real_if_close, topic="elementwise", samples=lambda rng: [Sample((NONZERO,))])
def real_if_close(a: Any, tol: float = 100) -> Variable:
    """`a` itself, which must be real.

    For complex numbers the dtype of the result depends on the values in NumPy, and would not be
    known while the graph is built: raises DTypeError.

    >>> import graphad as ga
    >>> ga.real_if_close(ga.vector("x")).dtype
    dtype('float64')
    """
    variable = as_variable(a)
    if variable.dtype.kind == "c":
        raise DTypeError(
            f"real_if_close of {variable.dtype}",
            cause="whether the result is real depends on values, its dtype must be known before",
            remedy="take x.real, after ga.allclose(x.imag, 0) if it must be checked",
        )
    return variable


# ---- phases ----------------------------------------------------------------------------------
@public(np.unwrap, topic="elementwise", samples=lambda rng: [
    Sample((np.array([0.5, 3.0, -2.5, -0.1, 4.0, 12.0]),)),
    Sample((np.array([[0.5, 3.2], [1.7, -0.3], [2.9, 0.1]]),), {"axis": 0, "period": 2.0}),
    Sample((np.array([0, 3, 1, 7, 5, 4]),), {"period": 4}),
    Sample((np.array([0.5, 3.0, -2.5, -0.1]),), {"discont": 4.0}),
])  # fmt: skip
def unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Variable:
    """`p` with jumps of more than half a period along `axis` taken out, as ``np.unwrap``.

    What is added is constant where it does not jump: the derivative of the result is that of p.
    Raises UseError if `period` or `discont` is symbolic, AxisError for an axis that p lacks.

    >>> import graphad as ga
    >>> ga.unwrap(ga.constant([0.0, 3.0, 1.0]), period=4.0).eval()
    array([ 0., -1., -3.])
    """
    for name, value in (("period", period), ("discont", discont)):
        if isinstance(value, Variable):
            raise UseError(f"unwrap: {name} is symbolic", remedy=f"pass a number as {name}")
    variable = as_variable(p)
    along = normalize_axis(axis, variable.ndim, "unwrap")
    steps = OPS["diff"](variable, axis=along)
    dtype = np.result_type(steps.dtype, period)
    whole = dtype.kind in "iu"
    half, rest = divmod(period, 2) if whole else (period / 2, 0)
    wrapped = (steps + half) % period - half
    if rest == 0:  # half a period up stays half a period up
        wrapped = where((wrapped == -half) & (steps > 0), half, wrapped)
    far = abs(steps) < (period / 2 if discont is None else discont)
    added = OPS["stop_gradient"](where(far, 0, wrapped - steps))
    start = (slice(None),) * along + (slice(None, 1),)
    rest_of = (slice(None),) * along + (slice(1, None),)
    moved = variable[rest_of] + OPS["cumsum"](added, axis=along)
    first = variable[start]
    joined: Variable = OPS["concatenate"]([first.astype(dtype), moved.astype(dtype)], axis=along)
    return joined
