"""Running extrema along an axis: cummax, cummin (``np.maximum.accumulate`` and its twin)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.families.common import normalize_axis, public
from graphad.ir.families.reduction import Scan
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable

_LEVELS = np.array([[0.5, -1.0, 2.0, 1.5], [1.0, 3.0, -2.0, 4.0], [-0.5, 2.5, 3.5, 0.0]])
_largest = Scan(
    "running_maximum", lambda xp, x, axis: np.maximum.accumulate(x, axis=axis))  # fmt: skip
_smallest = Scan(
    "running_minimum", lambda xp, x, axis: np.minimum.accumulate(x, axis=axis))  # fmt: skip


def _samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_LEVELS,), {"axis": 0}), Sample((_LEVELS,), {"axis": 1}),
            Sample((_LEVELS,), {"axis": -1})]  # fmt: skip


def _running(name: str, scan: Scan, a: Any, axis: int, dtype: Any) -> Variable:
    """The extremum so far is an element: the last one that equals it, or the first NaN."""
    variable = as_variable(a)
    variable = variable if dtype is None else variable.astype(dtype)
    along = normalize_axis(axis, variable.ndim, name)
    best = scan(OPS["stop_gradient"](variable), axis=along)
    if variable.dtype.kind not in "fc":
        return best
    size = [1] * variable.ndim
    size[along] = -1
    places = OPS["reshape"](OPS["arange"](variable.shape[along]), size)
    hit = (variable == best) | (OPS["isnan"](variable) & OPS["isnan"](best))
    chosen = _largest(OPS["where"](hit, places, 0), axis=along)
    taken: Variable = OPS["take_along_axis"](variable, chosen, axis=along)
    return taken


@public(topic="reduction", samples=_samples,
        reference=lambda a, axis: np.maximum.accumulate(a, axis=axis))  # fmt: skip
def cummax(a: Any, axis: int = 0, dtype: Any = None) -> Variable:
    """The largest element so far along `axis`, as ``np.maximum.accumulate``; NaN from a NaN on.

    Complex numbers are ordered by the real, then the imaginary part.

    The derivative goes to the last element that has this value.
    Raises AxisError for an axis that `a` does not have.

    >>> import graphad as ga
    >>> ga.cummax(ga.constant([1.0, 3.0, 2.0])).eval()
    array([1., 3., 3.])
    """
    return _running("cummax", _largest, a, axis, dtype)


@public(topic="reduction", samples=_samples,
        reference=lambda a, axis: np.minimum.accumulate(a, axis=axis))  # fmt: skip
def cummin(a: Any, axis: int = 0, dtype: Any = None) -> Variable:
    """The smallest element so far along `axis`, as ``np.minimum.accumulate``.

    The derivative goes to the last element that has this value.
    Raises AxisError for an axis that `a` does not have.

    >>> import graphad as ga
    >>> ga.cummin(ga.constant([3.0, 1.0, 2.0])).eval()
    array([3., 1., 1.])
    """
    return _running("cummin", _smallest, a, axis, dtype)
