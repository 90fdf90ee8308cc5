"""Parts of matrices, turned and rolled arrays: tril, triu, diag, trace, kron, roll, rot90."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.families.common import normalize_axis, public, refuse_out
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.hooks import also_of_functions
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable, describe


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _integer(value: Any, name: str, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise UseError(f"{name}: {what}={value!r}", remedy=f"{what} is an int")
    return int(value)


def _zero(like: Variable) -> Variable:
    return as_variable(np.zeros((), like.dtype))


# ---- triangles -------------------------------------------------------------------------------
def _triangle(m: Any, k: Any, lower: bool, name: str) -> Variable:
    variable, shift = as_variable(m), _integer(k, name, "k")
    if variable.ndim == 0:
        raise AxisError(f"{name} of a scalar", remedy="give an array with axes")
    rows, columns = variable.shape[-2:] if variable.ndim > 1 else (variable.shape[0],) * 2
    place = OPS["arange"](columns) - OPS["arange"](rows)[:, None]
    kept = place <= shift if lower else place >= shift
    result: Variable = OPS["where"](kept, variable, _zero(variable))
    return result


def _triangle_samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_x(3, 4),)), Sample((_x(2, 3, 3),), {"k": 1}), Sample((_x(3, 2),), {"k": -1}),
            Sample((_x(3),))]  # fmt: skip


@public(np.tril, topic="shape", samples=_triangle_samples)
def tril(m: Any, k: int = 0) -> Variable:
    """The lower triangles (…, n, m), zeros above the k-th diagonal, as ``np.tril``.

    Raises AxisError for a scalar, UseError unless k is an int.

    >>> import graphad as ga
    >>> ga.tril(ga.constant([[1, 2], [3, 4]])).eval()
    array([[1, 0],
           [3, 4]])
    """
    return _triangle(m, k, True, "tril")


@public(np.triu, topic="shape", samples=_triangle_samples)
def triu(m: Any, k: int = 0) -> Variable:
    """The upper triangles (…, n, m), zeros below the k-th diagonal, as ``np.triu``.

    Raises AxisError for a scalar, UseError unless k is an int.

    >>> import graphad as ga
    >>> ga.triu(ga.constant([[1, 2], [3, 4]])).eval()
    array([[1, 2],
           [0, 4]])
    """
    return _triangle(m, k, False, "triu")


# ---- diagonals -------------------------------------------------------------------------------
def _diagonal_size(rows: Any, columns: Any) -> Any:
    if isinstance(rows, int) and isinstance(columns, int):
        return max(min(rows, columns), 0)
    return OPS["maximum"](OPS["minimum"](as_variable(rows), columns), 0)


@public(np.diagonal, topic="shape", samples=lambda rng: [
    Sample((_x(3, 4),)), Sample((_x(3, 4),), {"offset": 2}), Sample((_x(3, 4),), {"offset": -1}),
    Sample((_x(2, 3, 4),), {"axis1": 2, "axis2": 0}), Sample((_x(2, 2),), {"offset": 5}),
])  # fmt: skip
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The elements a[i, i + offset] of the two axes, along a new last axis, as ``np.diagonal``.

    Raises AxisError for axes that `a` does not have, or one named twice.

    >>> import graphad as ga
    >>> ga.diagonal(ga.constant([[1, 2], [3, 4]])).eval()
    array([1, 4])
    """
    variable, shift = as_variable(a), _integer(offset, "diagonal", "offset")
    first = normalize_axis(axis1, variable.ndim, "diagonal")
    second = normalize_axis(axis2, variable.ndim, "diagonal")
    if first == second:
        raise AxisError(f"diagonal: axis {first} is named twice", remedy="name two axes")
    moved = OPS["moveaxis"](variable, (first, second), (-2, -1))
    down, right = max(-shift, 0), max(shift, 0)
    rows, columns = moved.shape[-2:]
    place = OPS["arange"](_diagonal_size(rows - down, columns - right))
    result: Variable = moved[..., place + down, place + right]
    return result


@public(np.trace, topic="reduction", samples=lambda rng: [
    Sample((_x(3, 4),)), Sample((_x(2, 3, 4),), {"offset": 1, "axis1": 1, "axis2": 2})
])  # fmt: skip
@also_of_functions
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Variable:
    """The sum of a diagonal, as ``np.trace``; see `diagonal`.

    ``ga.trace(f, *arguments)`` of a Python function is something else: the graph of what it
    computes, see `graphad.functional.trace`.

    >>> import graphad as ga
    >>> int(ga.trace(ga.constant([[1, 2], [3, 4]])).eval())
    5
    """
    refuse_out("trace", out)
    result: Variable = OPS["sum"](diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)
    return result


@public(np.diag, topic="shape", samples=lambda rng: [
    Sample((_x(3),)), Sample((_x(3),), {"k": 2}), Sample((_x(3),), {"k": -1}),
    Sample((_x(3, 4),), {"k": 1})])  # fmt: skip
def diag(v: Any, k: int = 0) -> Variable:
    """A matrix (n + |k|, n + |k|) with `v` (n,) on its k-th diagonal, or the diagonal of a matrix.

    As ``np.diag``. Raises ShapeError for another number of axes.

    >>> import graphad as ga
    >>> ga.diag(ga.constant([1, 2])).eval()
    array([[1, 0],
           [0, 2]])
    """
    variable, shift = as_variable(v), _integer(k, "diag", "k")
    if variable.ndim == 2:
        return diagonal(variable, shift)
    if variable.ndim != 1:
        raise ShapeError(
            f"diag of {describe(variable)}", remedy="give a vector, a matrix, or use ga.diagonal"
        )
    if shift:
        fill = OPS["zeros"]((abs(shift),), dtype=variable.dtype)
        variable = OPS["concatenate"]([variable, fill] if shift > 0 else [fill, variable])
    place = OPS["arange"](variable.shape[0])
    result: Variable = OPS["where"](place - place[:, None] == shift, variable[:, None],
                                    _zero(variable))  # fmt: skip
    return result


@public(np.diagflat, topic="shape",
        samples=lambda rng: [Sample((_x(2, 2),)), Sample((_x(3),), {"k": 1})])  # fmt: skip
def diagflat(v: Any, k: int = 0) -> Variable:
    """A matrix with the flattened `v` on its k-th diagonal, as ``np.diagflat``.

    >>> import graphad as ga
    >>> ga.diagflat(ga.constant([[1], [2]])).eval()
    array([[1, 0],
           [0, 2]])
    """
    return diag(OPS["ravel"](as_variable(v)), k)


# ---- turning and rolling ---------------------------------------------------------------------
@public(
    np.matrix_transpose,
    np.linalg.matrix_transpose,
    aliases=("linalg.matrix_transpose",),
    topic="shape",
    samples=lambda rng: [Sample((_x(2, 3, 4),))],
)
def matrix_transpose(x: Any, /) -> Variable:
    """The last two axes exchanged, (…, n, m) to (…, m, n), as ``np.matrix_transpose``.

    >>> import graphad as ga
    >>> ga.matrix_transpose(ga.tensor("x", shape=("n", 2, 3))).type
    float64[n, 3, 2]
    """
    result: Variable = OPS["swapaxes"](x, -1, -2)
    return result


def _rolled(xp: Any, x: Any, shift: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """What goes over the end is put before the rest; NumPy's own is many times slower on small
    arrays. Sizes that are not known, and several axes, are left to it."""
    size = x.shape[axis[0]] if len(axis) == 1 else None
    step = shift[0] % size if isinstance(size, int) and size else 0
    if not step:
        return xp.roll(x, shift, axis)
    before = (slice(None),) * axis[0]
    parts = [x[(*before, slice(-step, None))], x[(*before, slice(None, -step))]]
    return xp.concatenate(parts, axis=axis[0])


_roll: Movement = Movement(
    "roll",
    shape=lambda types, shift, axis: types[0].shape,
    value=_rolled,
    vjp=lambda g, node: [
        _roll(g, shift=tuple([-s for s in node.op.params["shift"]]), axis=node.op.params["axis"])
    ],
    batch=along_axes,
)


@public(np.roll, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),), {"shift": 1}), Sample((_x(2, 3),), {"shift": -4, "axis": 1}),
    Sample((_x(2, 3),), {"shift": (1, 2), "axis": (0, 1)})])  # fmt: skip
def roll(a: Any, shift: Any, axis: Any = None) -> Variable:
    """Elements moved by `shift` places along `axis`, around the ends, as ``np.roll``.

    Without axis the flattened array is rolled. Several shifts and axes go together.
    Raises AxisError, and UseError for shifts that are no ints or not as many as axes.

    >>> import graphad as ga
    >>> ga.roll(ga.constant([1, 2, 3]), 1).eval()
    array([3, 1, 2])
    """
    variable = as_variable(a)
    if axis is None:
        flat = roll(OPS["ravel"](variable), shift, 0)
        rolled: Variable = OPS["reshape"](flat, variable.shape)
        return rolled
    shifts = list(shift) if isinstance(shift, tuple | list) else [shift]
    axes = list(axis) if isinstance(axis, tuple | list) else [axis]
    if 1 not in (len(shifts), len(axes)) and len(shifts) != len(axes):
        raise UseError(f"roll: {len(shifts)} shifts, {len(axes)} axes", remedy="give as many")
    count = max(len(shifts), len(axes))
    steps = [_integer(s, "roll", "shift") for s in shifts] * (count if len(shifts) == 1 else 1)
    places = [normalize_axis(i, variable.ndim, "roll") for i in axes]
    places *= count if len(axes) == 1 else 1
    return _roll(variable, shift=tuple(steps), axis=tuple(places))


@public(np.rot90, topic="shape", samples=lambda rng: [
    *[Sample((_x(2, 3),), {"k": k}) for k in range(-1, 4)],
    Sample((_x(2, 3, 4),), {"axes": (2, 0)})])  # fmt: skip
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Variable:
    """Turned k times by 90° from the first of `axes` towards the second, as ``np.rot90``.

    >>> import graphad as ga
    >>> ga.rot90(ga.constant([[1, 2], [3, 4]])).eval()
    array([[2, 4],
           [1, 3]])
    """
    variable, turns = as_variable(m), _integer(k, "rot90", "k") % 4
    first, second = (normalize_axis(i, variable.ndim, "rot90") for i in axes)
    if first == second:
        raise AxisError(f"rot90: axis {first} is named twice", remedy="name two axes")
    if turns == 2:
        variable = OPS["flip"](variable, (first, second))
    elif turns == 1:
        variable = OPS["swapaxes"](OPS["flip"](variable, second), first, second)
    elif turns == 3:
        variable = OPS["flip"](OPS["swapaxes"](variable, first, second), second)
    return variable


@public(np.fliplr, topic="shape", samples=lambda rng: [Sample((_x(2, 3),))])
def fliplr(m: Any) -> Variable:
    """Reversed along axis 1, as ``np.fliplr``. Raises AxisError for fewer than two axes.

    >>> import graphad as ga
    >>> ga.fliplr(ga.constant([[1, 2]])).eval()
    array([[2, 1]])
    """
    result: Variable = OPS["flip"](as_variable(m), 1)
    return result


@public(np.flipud, topic="shape", samples=lambda rng: [Sample((_x(2, 3),))])
def flipud(m: Any) -> Variable:
    """Reversed along axis 0, as ``np.flipud``. Raises AxisError for a scalar.

    >>> import graphad as ga
    >>> ga.flipud(ga.constant([1, 2])).eval()
    array([2, 1])
    """
    result: Variable = OPS["flip"](as_variable(m), 0)
    return result


# ---- products --------------------------------------------------------------------------------
@public(np.kron, topic="contraction", samples=lambda rng: [
    Sample((_x(2, 3), _x(2, 2))), Sample((_x(3), _x(2, 2))), Sample((_x(2), _x(3)))
])  # fmt: skip
def kron(a: Any, b: Any) -> Variable:
    """Kronecker product: each element of `a` times the whole of `b`, as ``np.kron``.

    (n, m) and (k, l) give (n·k, m·l); the array with fewer axes gets leading axes of size 1.

    >>> import graphad as ga
    >>> ga.kron(ga.constant([1, 10]), [1, 2]).eval()
    array([ 1,  2, 10, 20])
    """
    first, second = as_variable(a), as_variable(b)
    ndim = max(first.ndim, second.ndim)
    left = OPS["reshape"](first, (*[1] * (ndim - first.ndim), *first.shape))
    right = OPS["reshape"](second, (*[1] * (ndim - second.ndim), *second.shape))
    product = OPS["expand_dims"](left, tuple(range(1, 2 * ndim, 2))) * OPS["expand_dims"](
        right, tuple(range(0, 2 * ndim, 2))
    )
    sizes = [p * q for p, q in zip(left.shape, right.shape, strict=True)]
    result: Variable = OPS["reshape"](product, sizes)
    return result
