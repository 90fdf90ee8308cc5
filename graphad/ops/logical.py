"""Comparisons, logic, bits, tests for special values, rounding: functions whose result jumps.

Comparisons and tests give booleans and cut every derivative; rounding has derivative zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir.families.common import public
from graphad.ir.families.elementwise import elementwise
from graphad.ir.op import Sample
from graphad.ir.variable import Variable, as_variable

_HALVES = np.array([-1.4, -0.6, 0.3, 0.8, 1.7, 2.3])
_BITS = np.array([0, 1, 2, 3, 5, 8])
_LEVELS = np.array([-1.0, 0.0, 1.0, 2.0])


def _compare(ufunc: np.ufunc, sign: str) -> Any:
    name = ufunc.__name__
    return elementwise(
        name, lambda xp, x, y: getattr(xp, name)(x, y), None, reference=ufunc,
        domain=(_LEVELS,), differentiable=False, doc=f"x1 {sign} x2, a boolean.")  # fmt: skip


less = _compare(np.less, "<")
less_equal = _compare(np.less_equal, "≤")
greater = _compare(np.greater, ">")
greater_equal = _compare(np.greater_equal, "≥")
equal = _compare(np.equal, "==")
not_equal = _compare(np.not_equal, "!=")
logical_and = _compare(np.logical_and, "and")
logical_or = _compare(np.logical_or, "or")
logical_xor = _compare(np.logical_xor, "either … or")


def _bits(ufunc: np.ufunc, sign: str) -> Any:
    name = ufunc.__name__
    return elementwise(
        name, lambda xp, *xs: getattr(xp, name)(*xs), None, reference=ufunc,
        domain=(_BITS,), dtypes="ib", differentiable=False,
        doc=f"{sign}, bit by bit for integers, logical for booleans.")  # fmt: skip


bitwise_and = _bits(np.bitwise_and, "x1 & x2")
bitwise_or = _bits(np.bitwise_or, "x1 | x2")
bitwise_xor = _bits(np.bitwise_xor, "x1 ^ x2")
invert = _bits(np.invert, "~x")
left_shift = _bits(np.left_shift, "x1 << x2")
right_shift = _bits(np.right_shift, "x1 >> x2")


def _test(ufunc: np.ufunc, what: str) -> Any:
    name = ufunc.__name__
    return elementwise(
        name, lambda xp, x: getattr(xp, name)(x), None, reference=ufunc,
        domain=(np.array([-np.inf, np.nan, 0.0, 1.5, np.inf]),), differentiable=False,
        doc=f"{what}, a boolean.")  # fmt: skip


logical_not = _test(np.logical_not, "Not x")
isnan = _test(np.isnan, "Is x not a number?")
isinf = _test(np.isinf, "Is x infinite?")
isfinite = _test(np.isfinite, "Is x neither infinite nor NaN?")
signbit = _test(np.signbit, "Is the sign bit set (true for -0.0)?")


def _round(ufunc: np.ufunc, what: str) -> Any:
    name = ufunc.__name__
    return elementwise(
        name, lambda xp, x: getattr(xp, name)(x), (0,), reference=ufunc, domain=(_HALVES,),
        doc=f"{what}. The derivative is zero, also at the jumps.")  # fmt: skip


floor = _round(np.floor, "The largest integer ≤ x, as a float")
ceil = _round(np.ceil, "The smallest integer ≥ x, as a float")
trunc = _round(np.trunc, "x without its fraction")
rint = _round(np.rint, "The nearest integer, halves to even, as a float")


@public(
    np.round, np.around, topic="elementwise",
    samples=lambda rng: [
        Sample((_HALVES,)), Sample((np.array([-0.11, 0.22, 0.38, 1.0]),), {"decimals": 1}),
        Sample((10 * _HALVES,), {"decimals": -1}),
        Sample((np.array([14, -26, 105]),), {"decimals": -1}),
    ],
)  # fmt: skip
def round_(x: Any, decimals: int = 0) -> Variable:
    """`x` rounded to `decimals` decimals, halves to even. The derivative is zero.

    >>> import graphad as ga
    >>> ga.round(ga.constant([0.5, 1.5, 2.4])).eval()
    array([0., 2., 2.])
    """
    variable = as_variable(x)
    if decimals == 0 and variable.dtype.kind not in "iu":
        return rint(variable)
    if variable.dtype.kind == "b":
        raise DTypeError("round of booleans to decimals", remedy="convert with x.astype(float)")
    factor = 10.0 ** abs(decimals)
    if variable.dtype.kind in "iu":
        if decimals >= 0:
            return variable + 0
        return (rint(variable / factor) * factor).astype(variable.dtype)
    return rint(variable * factor) / factor if decimals > 0 else rint(variable / factor) * factor
