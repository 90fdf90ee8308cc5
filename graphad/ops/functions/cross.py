"""The vector product: ``np.cross`` and ``np.linalg.cross``."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable


def _components(name: str, value: Any, axis: int, sizes: tuple[int, ...]) -> list[Variable]:
    """The two or three components along an axis; an unknown size is checked at run time."""
    variable = as_variable(value)
    along = normalize_axis(axis, variable.ndim, name)
    size = variable.type.shape[along]
    if isinstance(size, int) and size not in sizes:
        raise ShapeError(
            f"{name}: axis {axis} of {variable.type} has {size} elements",
            cause="a vector product is made of vectors with "
            + " or ".join(map(str, sizes)) + " components",
            remedy="name the axis of the components with axis=",
        )  # fmt: skip
    last = OPS["moveaxis"](variable, along, -1)
    if not isinstance(size, int):
        last, size = OPS["reshape"](last, (*last.shape[:-1], 3)), 3
    return [last[..., i] for i in range(size)]


def _product(a: list[Variable], b: list[Variable]) -> list[Variable]:
    """c_i = a_{i+1} b_{i+2} - a_{i+2} b_{i+1}, cyclically; a missing third component is 0."""
    if len(a) == len(b) == 2:
        return [a[0] * b[1] - a[1] * b[0]]
    third = a[0] * b[1] - a[1] * b[0]
    if len(a) == 2:
        return [a[1] * b[2], -(a[0] * b[2]), third]
    if len(b) == 2:
        return [-(a[2] * b[1]), a[2] * b[0], third]
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], third]


def _stacked(parts: list[Variable], axis: int, name: str) -> Variable:
    if len(parts) == 1:
        return parts[0]
    along = normalize_axis(axis, parts[0].ndim + 1, name)
    found: Variable = OPS["stack"](parts, axis=along)
    return found


@public(np.cross, topic="linalg", samples=lambda rng: [
    Sample((rng.normal(size=3), rng.normal(size=3))),
    Sample((rng.normal(size=(4, 1, 3)), rng.normal(size=(2, 3)))),
    Sample((rng.normal(size=(3, 2)), rng.normal(size=(2, 3))), {"axisa": 0}),
    Sample((rng.normal(size=(3, 2)), rng.normal(size=(2, 3))), {"axisa": 0, "axisc": 0}),
    Sample((rng.normal(size=(3, 2)), rng.normal(size=(3, 2))), {"axis": 0}),
])  # fmt: skip
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Variable:
    """Vector products of vectors along an axis, as ``np.cross``; the other axes broadcast.

    Vectors have 3 components, or 2, the third then being 0; of two vectors with 2 components the
    result is the third component. `axis` stands for `axisa`, `axisb` and `axisc` together. An axis
    of unknown size is taken to have 3, which is checked at run time. NumPy deprecates vectors
    with 2 components. Raises ShapeError for other sizes, AxisError for axes that do not exist.

    >>> import graphad as ga
    >>> ga.cross(ga.constant([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]).eval()
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    first = _components("cross", a, axisa, (2, 3))
    return _stacked(_product(first, _components("cross", b, axisb, (2, 3))), axisc, "cross")


def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Variable:
    """Vector products of vectors with 3 components along `axis`, as ``np.linalg.cross``.

    The other axes broadcast. Raises ShapeError for another number of components.

    >>> import graphad as ga
    >>> ga.linalg.cross(ga.constant([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]).eval()
    array([0., 0., 1.])
    """
    first, second = (_components("linalg.cross", x, axis, (3,)) for x in (x1, x2))
    return _stacked(_product(first, second), axis, "linalg.cross")


_linalg_cross.__name__ = _linalg_cross.__qualname__ = "cross"
public(np.linalg.cross, namespace="linalg", samples=lambda rng: [
    Sample((rng.normal(size=3), rng.normal(size=3))),
    Sample((rng.normal(size=(4, 1, 3)), rng.normal(size=(2, 3)))),
    Sample((rng.normal(size=(3, 2)), rng.normal(size=(3, 2))), {"axis": 0}),
])(_linalg_cross)  # fmt: skip
