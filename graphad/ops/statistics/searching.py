"""Places in a sorted row: searchsorted, digitize."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.families.common import Declared, public
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant, Variable, as_variable, describe


class Search(Declared):
    """Where the elements of the second operand would stand in the first, which is sorted."""

    shaped_by = 1

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[1].with_dtype(np.intp),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.asarray(xp.searchsorted(arrays[0], arrays[1], side=params["side"]))

    def cuts(self, position: int) -> bool:
        return True


_searchsorted = Search("searchsorted")


@public(np.searchsorted, topic="sorting", differentiable=False, samples=lambda rng: [
    Sample((np.array([0.0, 1.0, 1.0, 2.5]), np.array([[1.0, -1.0], [3.0, 2.0]]))),
    Sample((np.array([0.0, 1.0, 1.0, 2.5]), np.float64(1.0)), {"side": "right"}),
    Sample((np.array([1.0, 0.0, 2.5]), np.array([0.5])), {"sorter": [1, 0, 2]})])  # fmt: skip
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Variable:
    """Where the elements of `v` would be inserted into the sorted `a`, as ``np.searchsorted``.

    a (n,), v any shape; integers 0 … n in the shape of v. side: before or behind equal elements.
    `sorter`: indices that sort a.  Raises ShapeError unless a has one axis, UseError for `side`.

    >>> import graphad as ga
    >>> ga.searchsorted(ga.constant([1.0, 2.0, 3.0]), [0.5, 2.0]).eval()
    array([0, 1])
    """
    row, values = as_variable(a), as_variable(v)
    if side not in ("left", "right"):
        raise UseError(f"searchsorted: side={side!r}", remedy='use "left" or "right"')
    if row.ndim != 1:
        raise ShapeError(
            f"searchsorted: {describe(row)} has {row.ndim} axes", remedy="use ga.ravel, or a row"
        )
    if sorter is not None:
        row = OPS["take"](row, sorter, axis=0)
    result: Variable = _searchsorted(row, values, side=side)
    return result


# ---- digitize --------------------------------------------------------------------------------
class Digits(Declared):
    """The bin of each element of the first operand, for edges in the second, in either order."""

    shaped_by = 0

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0].with_dtype(np.intp),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.asarray(xp.digitize(*arrays, right=params["right"]))

    def cuts(self, position: int) -> bool:
        return True


_digitize = Digits("digitize")


@public(np.digitize, topic="sorting", differentiable=False, samples=lambda rng: [
    Sample((np.array([[0.2, 6.4, 3.0], [1.0, 1.6, -2.0]]), np.array([0.0, 1.0, 2.5, 4.0]))),
    Sample((np.array([0.2, 1.0, 3.0]), np.array([4.0, 1.0, 0.5])), {"right": True}),
    Sample((np.float64(1.0),), {"bins": [0.0, 1.0]})])  # fmt: skip
def digitize(x: Any, bins: Any, right: bool = False) -> Variable:
    """The number of the bin in which each element lies, as ``np.digitize``: integers 0 … n.

    x any shape, bins (n,) ascending or descending: bins[i-1] ≤ x < bins[i], with `right` the
    right edge belongs to the bin. Raises DTypeError for complex x, ShapeError unless bins has one
    axis, and for bins that are not monotonic UseError (at run time a ValueError).

    >>> import graphad as ga
    >>> ga.digitize(ga.constant([0.2, 6.4]), [0.0, 1.0, 2.5]).eval()
    array([1, 3])
    """
    values, edges = as_variable(x), as_variable(bins)
    if values.dtype.kind == "c" or edges.dtype.kind == "c":
        raise DTypeError("digitize of complex numbers", remedy="take the real part first")
    if edges.ndim != 1:
        raise ShapeError(f"digitize: bins {edges.type} have {edges.ndim} axes",
                         remedy="give one row of edges")  # fmt: skip
    if isinstance(edges, Constant):
        steps = np.diff(edges.value.astype(float))
        if not (np.all(steps >= 0) or np.all(steps <= 0)):
            raise UseError("digitize: bins are not monotonic", remedy="sort them")
    result: Variable = _digitize(values, edges, right=bool(right))
    return result
