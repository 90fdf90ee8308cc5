"""Linear interpolation: ``np.interp``, differentiable in the points and in the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.elementwise import where

_KNOTS = np.array([0.0, 1.0, 2.5, 4.0])
_AT = np.array([0.3, 1.7, 3.9, -0.8, 4.6])


def _real(name: str, value: Any) -> Variable:
    variable = as_variable(value)
    if variable.dtype.kind == "c":
        raise DTypeError(f"interp: {name} has dtype {variable.dtype}",
                         remedy="only fp may be complex")  # fmt: skip
    return variable.astype("float64")


def _data(xp: Any, fp: Any) -> tuple[Variable, Variable]:
    """Coordinates and values as float64 (complex128) vectors of the same size."""
    points, values = _real("xp", xp), as_variable(fp)
    values = values.astype("complex128" if values.dtype.kind == "c" else "float64")
    if points.ndim != 1 or values.ndim != 1:
        raise ShapeError(f"interp: xp is {points.type}, fp is {values.type}",
                         remedy="both have one axis")  # fmt: skip
    n, m = points.type.shape[0], values.type.shape[0]
    if 0 in (n, m) or (isinstance(n, int) and isinstance(m, int) and n != m):
        raise ShapeError(f"interp: {n} points xp, {m} values fp",
                         remedy="give one value for each point, at least one")  # fmt: skip
    if n != m:  # checked at run time: arrays that are stacked are of the same size
        points = OPS["stack"]([points, OPS["real"](values)])[0]
    return points, values


def _reference(x: Any, xp: Any, *rest: Any, **keywords: Any) -> Any:
    """np.interp, but complex points are refused with a period as well, and no points at all even
    where there is nothing to interpolate, as before NumPy 2.5."""
    if np.iscomplexobj(x) or np.iscomplexobj(xp):
        raise TypeError("complex points")
    if not np.size(xp):
        raise ValueError("no points")
    return np.interp(x, xp, *rest, **keywords)


@public(np.interp, topic="elementwise", reference=_reference, samples=lambda rng: [
    Sample((_AT, _KNOTS, rng.normal(size=4))),
    Sample((_AT.reshape(5, 1), _KNOTS, rng.normal(size=4)), {"left": -1.0, "right": 2}),
    Sample((np.array(1.7), _KNOTS, rng.normal(size=4))),
    Sample((_AT, _KNOTS, rng.normal(size=4)), {}, {"left": np.array(0.5)}),
    Sample((_AT, np.array([2.9, 0.2, 1.4]), rng.normal(size=3)), {"period": 3.5}),
    Sample((_AT, _KNOTS, rng.normal(size=4) + 1j * rng.normal(size=4))),
])  # fmt: skip
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Variable:
    """The piecewise linear function through the points (xp, fp), at `x`, as ``np.interp``.

    x any shape; xp (n,) increasing, which is not checked; fp (n,), real or complex. Below xp[0]
    the value is `left` (None: fp[0]), above xp[-1] it is `right` (None: fp[-1]). With `period`, x
    and xp are taken modulo it, in any order, and left and right do not count. float64, or
    complex128; derivatives by x, xp, fp, left and right. At a point of xp the slope is that of the
    interval above, at the last one that of the interval below.
    Raises ShapeError for n = 0 and for sizes that differ, DTypeError for complex x or xp.

    >>> import graphad as ga
    >>> ga.interp(ga.constant([-1.0, 0.5, 2.0]), [0.0, 1.0, 2.0], [3.0, 5.0, 4.0]).eval()
    array([3., 4., 4.])
    """
    at, (points, values) = _real("x", x), _data(xp, fp)
    if period is not None:
        at, points, values = _wrapped(at, points, values, period)
        left = right = None
    last = as_variable(points.shape[0]) - 1
    found = OPS["searchsorted"](points, OPS["stop_gradient"](at), side="right")
    i = OPS["clip"](found - 1, 0, OPS["maximum"](last - 1, 0))
    j = OPS["minimum"](i + 1, last)
    width = points[j] - points[i]
    slope = (values[j] - values[i]) / where(width == 0, 1.0, width)
    above = at >= points[-1]
    base = where(above, last, i)  # exact at the last point too
    inside = values[base] + slope * (at - points[base])
    low = values[0] if left is None else OPS["astype"](left, values.dtype)
    high = values[-1] if right is None else OPS["astype"](right, values.dtype)
    result: Variable = where(at < points[0], low, where(at > points[-1], high, inside))
    return result


def _wrapped(
    at: Variable, points: Variable, values: Variable, period: Any
) -> tuple[Variable, Variable, Variable]:
    """x, xp and fp with xp sorted within one period, and one more point on each side."""
    span = abs(_real("period", period))
    at, points = at % span, points % span
    order = OPS["argsort"](points)
    points, values = points[order], values[order]
    join = OPS["concatenate"]
    points = join([points[-1:] - span, points, points[:1] + span])
    return at, points, join([values[-1:], values, values[:1]])
