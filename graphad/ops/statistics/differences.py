"""Differences along an axis and their inverses: diff, ediff1d, trapezoid, gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.families.common import normalize_axes, normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.variable import Variable, as_variable, describe

Index = tuple[Any, ...]
_KNOTS = np.array([0.0, 1.5, 3.0, 7.0, 8.0])
_HALF = np.float32(0.5)


def _along(axis: int, start: Any, stop: Any) -> Index:
    """The index that takes ``start:stop`` along `axis`."""
    return (slice(None),) * axis + (slice(start, stop),)


def _at(axis: int, place: int) -> Index:
    return (slice(None),) * axis + (place,)


# ---- differences -----------------------------------------------------------------------------
def _edge(value: Any, like: Variable, axis: int) -> Variable:
    """What is joined to `like` along `axis`: a scalar counts for all positions."""
    variable = as_variable(value)
    if variable.ndim:
        return variable
    sizes = [1 if i == axis else size for i, size in enumerate(like.shape)]
    broadcast: Variable = OPS["broadcast_to"](variable, sizes)
    return broadcast


@public(np.diff, topic="reduction", samples=lambda rng: [
    Sample((rng.normal(size=(3, 4)),)), Sample((rng.normal(size=(3, 4)),), {"axis": 0}),
    Sample((rng.normal(size=5),), {"n": 2}), Sample((rng.normal(size=5),), {"n": 0}),
    Sample((rng.normal(size=(2, 3)),), {"prepend": _HALF, "append": _HALF}),
])  # fmt: skip
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Variable:
    """Differences of neighbours along `axis`, taken `n` times, as ``np.diff``.

    The axis gets shorter by n (down to 0). `prepend`, `append`: a scalar or an array that is
    joined first. Booleans give booleans: do the neighbours differ?
    Raises UseError for a negative n, AxisError for an axis that `a` does not have.

    >>> import graphad as ga
    >>> ga.diff(ga.constant([1.0, 2.0, 4.0])).eval()
    array([1., 2.])
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise UseError(f"diff: n={n!r}", remedy="n is an integer, 0 or more")
    variable = as_variable(a)
    if n == 0:
        return variable
    along = normalize_axis(axis, variable.ndim, "diff")
    front = [] if prepend is None else [_edge(prepend, variable, along)]
    back = [] if append is None else [_edge(append, variable, along)]
    if front or back:
        variable = OPS["concatenate"]([*front, variable, *back], axis=along)
    for _ in range(n):
        late, early = variable[_along(along, 1, None)], variable[_along(along, None, -1)]
        variable = late != early if variable.dtype.kind == "b" else late - early
    return variable


@public(np.ediff1d, topic="reduction", samples=lambda rng: [
    Sample((rng.normal(size=(2, 3)),)),
    Sample((rng.normal(size=4), rng.normal(size=2), rng.normal(size=1)))])  # fmt: skip
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Variable:
    """Differences of neighbours in the flattened array, as ``np.ediff1d``: one axis.

    `to_begin`, `to_end` are joined to the result, in the dtype of `ary`.
    Raises DTypeError if that dtype cannot hold them.

    >>> import graphad as ga
    >>> ga.ediff1d(ga.constant([1.0, 2.0, 4.0]), to_begin=0.0).eval()
    array([0., 1., 2.])
    """
    variable = OPS["ravel"](as_variable(ary))
    parts = [variable[1:] - variable[:-1]]
    for value, place, name in ((to_begin, 0, "to_begin"), (to_end, len(parts), "to_end")):
        if value is None:
            continue
        extra = as_variable(value)
        if not np.can_cast(extra.dtype, variable.dtype, "same_kind"):
            raise DTypeError(
                f"ediff1d: {name} has dtype {extra.dtype}, the array {variable.dtype}",
                remedy="convert one of them with x.astype(...)",
            )
        flat = OPS["ravel"](extra)
        flat = flat if flat.dtype == variable.dtype else flat.astype(variable.dtype)
        parts.insert(place if name == "to_begin" else len(parts), flat)
    result: Variable = OPS["concatenate"](parts) if len(parts) > 1 else parts[0]
    return result


# ---- integrals and derivatives of sampled functions ------------------------------------------
@public(np.trapezoid, topic="reduction", aliases=("trapz",), samples=lambda rng: [
    Sample((rng.normal(size=(3, 4)),)), Sample((rng.normal(size=(3, 4)),), {"axis": 0, "dx": 0.5}),
    Sample((rng.normal(size=(2, 5)), _KNOTS)),
    Sample((rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), {"axis": 0})])  # fmt: skip
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Variable:
    """Integral over `axis` by the trapezoidal rule, Σ (x_{i+1} - x_i)(y_i + y_{i+1})/2, as NumPy.

    y (…, n, …); x (n,) or a shape that fits y; without x the points are `dx` apart.
    Raises AxisError for an axis that y does not have.

    >>> import graphad as ga
    >>> float(ga.trapezoid(ga.constant([1.0, 2.0, 3.0]), dx=2.0).eval())
    8.0
    """
    values = as_variable(y)
    along = normalize_axis(axis, values.ndim, "trapezoid")
    width = dx
    if x is not None:
        points = as_variable(x)
        width = diff(points, axis=0 if points.ndim == 1 else axis)
        if points.ndim == 1:
            width = OPS["expand_dims"](width, tuple(range(1, values.ndim - along)))
    pairs = values[_along(along, 1, None)] + values[_along(along, None, -1)]
    total: Variable = OPS["sum"](width * pairs / 2.0, axis=along)
    return total


def _spacings(variable: Variable, varargs: Any, axes: tuple[int, ...]) -> list[Any]:
    """One spacing (scalar or coordinates) for each axis."""
    given = [v if type(v) in (int, float) else as_variable(v) for v in varargs]
    if not given:
        return [1.0] * len(axes)
    if len(given) == 1 and (not isinstance(given[0], Variable) or given[0].ndim == 0):
        return given * len(axes)
    if len(given) != len(axes):
        raise UseError(
            f"gradient: {len(given)} spacings for {len(axes)} axes",
            remedy="give none, one number, or one number or coordinate array for each axis",
        )
    for spacing, axis in zip(given, axes, strict=True):
        if not isinstance(spacing, Variable) or spacing.ndim == 0:
            continue
        if spacing.ndim > 1 or not _fits(spacing.type.shape[0], variable.type.shape[axis]):
            raise ShapeError(
                f"gradient: coordinates {spacing.type} for axis {axis} of {describe(variable)}",
                remedy="coordinates have one axis, with one number for each point",
            )
    return given


def _fits(a: Any, b: Any) -> bool:
    return joint_size(a, b) is not None and (1 not in (a, b) or a == b)


def _uniform(f: Variable, h: Any, axis: int, order: int) -> tuple[Variable, Variable, Variable]:
    """First, inner and last derivatives for points `h` apart."""
    inner = (f[_along(axis, 2, None)] - f[_along(axis, None, -2)]) / (2.0 * h)
    if order == 1:
        first = (f[_at(axis, 1)] - f[_at(axis, 0)]) / h
        last = (f[_at(axis, -1)] - f[_at(axis, -2)]) / h
    else:
        a, b, c = f[_at(axis, 0)], f[_at(axis, 1)], f[_at(axis, 2)]
        first = (-1.5 * a + 2.0 * b - 0.5 * c) / h
        a, b, c = f[_at(axis, -3)], f[_at(axis, -2)], f[_at(axis, -1)]
        last = (0.5 * a - 2.0 * b + 1.5 * c) / h
    return first, inner, last


def _uneven(f: Variable, x: Variable, axis: int, order: int) -> tuple[Variable, ...]:
    """The same at coordinates x; from Fornberg, Math. Comp. 51 (1988), as in NumPy."""
    h = diff(x.astype("float64") if x.dtype.kind in "iu" else x)
    trailing = tuple(range(1, f.ndim - axis))
    h1, h2 = OPS["expand_dims"](h[:-1], trailing), OPS["expand_dims"](h[1:], trailing)
    inner = (
        -h2 / (h1 * (h1 + h2)) * f[_along(axis, None, -2)]
        + (h2 - h1) / (h1 * h2) * f[_along(axis, 1, -1)]
        + h1 / (h2 * (h1 + h2)) * f[_along(axis, 2, None)]
    )
    if order == 1:
        first = (f[_at(axis, 1)] - f[_at(axis, 0)]) / h[0]
        last = (f[_at(axis, -1)] - f[_at(axis, -2)]) / h[-1]
        return first, inner, last
    p, q = h[0], h[1]
    first = (-(2.0 * p + q) / (p * (p + q)) * f[_at(axis, 0)] + (p + q) / (p * q) * f[_at(axis, 1)]
             - p / (q * (p + q)) * f[_at(axis, 2)])  # fmt: skip
    p, q = h[-2], h[-1]
    last = (q / (p * (p + q)) * f[_at(axis, -3)] - (q + p) / (p * q) * f[_at(axis, -2)]
            + (2.0 * q + p) / (q * (p + q)) * f[_at(axis, -1)])  # fmt: skip
    return first, inner, last


def _sampled_derivative(f: Variable, spacing: Any, axis: int, order: int) -> Variable:
    even = not isinstance(spacing, Variable) or spacing.ndim == 0
    pieces = (_uniform if even else _uneven)(f, spacing, axis, order)
    first, inner, last = pieces
    ends = [OPS["expand_dims"](v, axis) for v in (first, last)]
    joined = OPS["concatenate"]([ends[0], inner, ends[1]], axis=axis)
    if joined.dtype.kind == "c" and f.dtype.kind != "c":
        joined = OPS["real"](joined)
    result: Variable = joined if joined.dtype == f.dtype else joined.astype(f.dtype)
    return result


@public(np.gradient, topic="reduction", samples=lambda rng: [
    Sample((rng.normal(size=5),), {"axis": 0}),
    Sample((rng.normal(size=5),), {"axis": 0, "edge_order": 2}),
    Sample((rng.normal(size=(3, 4)),), {"axis": 1})])  # fmt: skip
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Derivative of a sampled function by central differences, as ``np.gradient``.

    `varargs`: the distance of the points, or for each axis a distance or coordinates (n,).
    At the ends differences are one-sided, of order `edge_order` (1 or 2). One Variable with the
    shape and dtype of f (integers: float64) for one axis, a tuple of them for several.
    Raises UseError for other orders and numbers of spacings, ShapeError for coordinates that do
    not fit, and for an axis known to have fewer than edge_order + 1 points.

    >>> import graphad as ga
    >>> ga.gradient(ga.constant([1.0, 2.0, 4.0, 7.0])).eval()
    array([1. , 1.5, 2.5, 3. ])
    """
    variable = as_variable(f)
    variable = variable.astype("float64") if variable.dtype.kind in "iu" else variable
    if edge_order not in (1, 2):
        raise UseError(f"gradient: edge_order={edge_order!r}", remedy="use 1 or 2")
    axes = normalize_axes(axis, variable.ndim, "gradient")
    if isinstance(axis, tuple):
        axes = tuple([normalize_axis(i, variable.ndim, "gradient") for i in axis])
    for i in axes:
        size = variable.type.shape[i]
        if isinstance(size, int) and size < edge_order + 1:
            raise ShapeError(
                f"gradient: axis {i} of {describe(variable)} has {size} points",
                remedy=f"differences of order {edge_order} need at least {edge_order + 1}",
            )
    spacings = _spacings(variable, varargs, axes)
    found = [
        _sampled_derivative(variable, h, i, edge_order)
        for h, i in zip(spacings, axes, strict=True)
    ]
    return found[0] if len(found) == 1 else tuple(found)
