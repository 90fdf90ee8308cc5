"""Values put along an axis or on the diagonal of a copy: put_along_axis, fill_diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.arrays.updates import index_set, value_like
from graphad.ops.statistics.sorting import along_axis


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _put_reference(arr: Any, indices: Any, values: Any, axis: Any) -> Any:
    if np.iscomplexobj(values) and not np.iscomplexobj(arr):
        raise TypeError("complex values for a real array")
    if not np.size(values) and np.size(indices):  # let pass before NumPy 2.3
        raise ValueError("no values for some indices")
    changed = np.array(arr, order="C")
    np.put_along_axis(changed, indices, values, axis)
    return changed


@public(
    topic="indexing", reference=_put_reference,
    samples=lambda rng: [
        Sample((_x(3, 4),), {"indices": np.array([[1, 1], [0, -1], [2, 2]]), "axis": 1},
               {"values": _x(3, 2)}),
        Sample((_x(3, 4),), {"indices": np.array([[2, 0, 0, 1]]), "axis": 0},
               {"values": rng.normal(size=4)}),
        Sample((_x(3, 4),), {"indices": np.array([11, 0, 11]), "axis": None},
               {"values": rng.normal(size=3)}),
    ],
)  # fmt: skip
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None = -1) -> Variable:
    """A copy of `arr` with `values` where `take_along_axis` with `indices` reads.

    ``np.put_along_axis`` does this in place. Of equal places along the axis the last wins.
    Raises as `take_along_axis` and `index_set`.

    >>> import graphad as ga
    >>> ga.put_along_axis(ga.constant([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], 9.0, 1).eval()
    array([[1., 9.],
           [9., 4.]])
    """
    variable = as_variable(arr)
    if axis is None:
        flat = put_along_axis(OPS["ravel"](variable), indices, values, 0)
        whole: Variable = OPS["reshape"](flat, variable.shape)
        return whole
    return index_set(variable, along_axis(variable, indices, axis, "put_along_axis"), values)


def _fill_reference(a: Any, val: Any, wrap: bool = False) -> Any:
    if np.iscomplexobj(val) and not np.iscomplexobj(a):
        raise TypeError("complex values for a real array")
    changed = np.array(a, order="C")
    np.fill_diagonal(changed, val, wrap)
    return changed


@public(
    topic="indexing", reference=_fill_reference,
    samples=lambda rng: [
        Sample((_x(3, 4),), {}, {"val": np.float64(2.5)}),
        Sample((_x(5, 2), ), {}, {"val": rng.normal(size=3)}),
        Sample((_x(7, 2),), {"wrap": True}, {"val": rng.normal(size=4)}),
        Sample((_x(3, 3, 3),), {}, {"val": rng.normal(size=2)}),
    ],
)  # fmt: skip
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> Variable:
    """A copy of `a` with `val` on the main diagonal, what ``np.fill_diagonal`` does in place.

    a (n, m), or with more axes of equal size; `val` a scalar, or an array whose elements are taken
    in turn, again from the first if there are too few. wrap: tall matrices go on behind an empty
    row. Raises ShapeError for a vector, or more than two axes that can be seen to differ in size.

    >>> import graphad as ga
    >>> ga.fill_diagonal(ga.zeros((2, 2)), [5.0, 6.0]).eval()
    array([[5., 0.],
           [0., 6.]])
    """
    variable = as_variable(a)
    sizes = variable.shape
    if len(sizes) < 2:
        raise ShapeError(f"fill_diagonal of {variable.type}", remedy="give at least two axes")
    if len(sizes) > 2 and len({size for size in variable.type.shape if isinstance(size, int)}) > 1:
        raise ShapeError(
            f"fill_diagonal of {variable.type}",
            cause="an array with more than two axes has a diagonal if they are equal",
            remedy="give axes of equal size",
        )
    if len(sizes) > 2:
        variable = OPS["broadcast_to"](variable, sizes[:1] * len(sizes))  # compared at run time
    step: Any = 1 + (sizes[1] if len(sizes) == 2 else _strides(sizes[1:]))
    stop: Any = variable.size
    if len(sizes) == 2 and not wrap:
        stop = sizes[1] * sizes[1]
    flat = OPS["ravel"](variable)
    place = OPS["arange"](flat.shape[0])[0:stop:step]
    values = OPS["ravel"](value_like(val, variable, "fill_diagonal", "unsafe"))
    if values.type.shape != (1,):
        values = OPS["resize"](values, place.shape)
    filled: Variable = OPS["reshape"](index_set(flat, place, values), sizes)
    return filled


def _strides(sizes: Sequence[Any]) -> Any:
    """n + n² + …: the distance of diagonal elements is one step along each axis."""
    total: Any = 0
    product: Any = 1
    for size in reversed(sizes):
        product = product * size
        total = total + product
    return total
