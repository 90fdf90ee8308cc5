"""Extrema and logic over axes: max, min, argmax, argmin, any, all.

The convention at ties: elements that are equal to the extremum share its derivative equally, and
`initial` is one of them. NaN wins, and then no element has a derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import normalize_axes, normalize_axis, public, refuse_out
from graphad.ir.families.reduction import Reduction, mask_of
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable

_MASK = np.array([[True, False], [True, True], [False, True]])
_AXES: Sequence[dict[str, Any]] = (
    {}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": 1, "keepdims": True}, {"axis": ()},
)  # fmt: skip


def _without_ties(rng: np.random.Generator) -> list[Sample]:
    def x() -> Any:
        return rng.permutation(12).reshape(2, 3, 2) / 4

    start = {"where": _MASK, "initial": np.float64(1.1)}
    return [*[Sample((x(),), dict(k)) for k in _AXES], Sample((x(),), {"axis": 1}, start),
            Sample((x(),), {"axis": (0, 2), "initial": 1.6, "keepdims": True})]  # fmt: skip


# ---- extrema ---------------------------------------------------------------------------------
def extremum_vjp(
    g: Variable, y: Variable, x: Variable, axis: tuple[int, ...], where: Any = None,
    initial: Any = None,
) -> Any:  # fmt: skip
    """The cotangent goes to the elements equal to the extremum, in equal parts."""
    hit = OPS["equal"](x, y)
    hit = hit if where is None else OPS["logical_and"](hit, where)
    count = OPS["sum"](hit, axis=axis, keepdims=True).astype(g.dtype)
    if initial is None:
        return OPS["where"](hit, g / OPS["maximum"](count, 1), 0)
    at_start = OPS["equal"](initial, y)
    part = g / OPS["maximum"](count + at_start, 1)
    return OPS["where"](hit, part, 0), OPS["where"](at_start, part, 0)


def _family(name: str) -> Reduction:
    def value(xp: Any, x: Any, axis: Any, keepdims: bool, **extra: Any) -> Any:
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, **extra)

    return Reduction(name, value, vjp=extremum_vjp, needs_elements=True)


_max, _min = _family("max"), _family("min")


def extremum(
    family: Reduction, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Variable:
    """A node of `family`, with `where` and `initial` as operands; UseError for one without it."""
    variable, operands = as_variable(a), mask_of(where)
    axes = normalize_axes(axis, variable.ndim, family.name)
    if initial is not None:
        start = as_variable(initial)
        if start.ndim:
            raise UseError(
                f"{family.name}: initial= with {start.ndim} axes", remedy="give a scalar"
            )
        same = start.dtype == variable.dtype
        operands = {**operands, "initial": start if same else start.astype(variable.dtype)}
    elif operands:
        raise UseError(
            f"{family.name}: where= needs initial=",
            cause=f"the {family.name} of no elements is not defined",
            remedy="give initial=, the value where nothing is chosen: -np.inf, np.inf, …",
        )
    return family(variable, *operands.values(), axis=axes, keepdims=bool(keepdims),
                  **dict.fromkeys(operands, True))  # fmt: skip


@public(np.max, np.amax, topic="reduction", samples=_without_ties)
def max_(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Variable:  # fmt: skip
    """Maximum over `axis` (an int, a tuple, None for all axes), as ``np.max``; NaN wins.

    `initial`, a scalar, takes part; `where`, booleans that broadcast against a, says what counts,
    and needs `initial`. Ties share the derivative equally.
    Raises ShapeError for an axis known to have size 0 if there is no `initial` (at run time a
    ValueError), UseError for `where` without `initial`, AxisError.

    >>> import graphad as ga
    >>> ga.max(ga.constant([[1.0, 5.0], [7.0, 2.0]]), axis=1).eval()
    array([5., 7.])
    """
    refuse_out("max", out)
    return extremum(_max, a, axis, keepdims, initial, where)


@public(np.min, np.amin, topic="reduction", samples=_without_ties)
def min_(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Variable:  # fmt: skip
    """Minimum over `axis` (an int, a tuple, None for all axes), as ``np.min``; NaN wins.

    Parameters, ties and errors are those of `max`.

    >>> import graphad as ga
    >>> ga.min(ga.constant([[1.0, 5.0], [7.0, 2.0]]), axis=1).eval()
    array([1., 2.])
    """
    refuse_out("min", out)
    return extremum(_min, a, axis, keepdims, initial, where)


# ---- where they are --------------------------------------------------------------------------
def place_family(name: str) -> Reduction:
    """The reduction to the first index along one axis that ``np.name`` finds."""
    return Reduction(
        name, lambda xp, x, axis, keepdims: getattr(xp, name)(x, axis=axis[0], keepdims=keepdims),
        dtype=lambda dtype: np.dtype(np.intp), needs_elements=True)  # fmt: skip


_argmax, _argmin = place_family("argmax"), place_family("argmin")


def place(family: Reduction, a: Any, axis: Any, keepdims: bool) -> Variable:
    """The index along an axis; for None in the flattened array."""
    variable = as_variable(a)
    if axis is None:
        found = family(OPS["ravel"](variable), axis=(0,), keepdims=False)
        return OPS["reshape"](found, (1,) * variable.ndim) if keepdims else found
    along = normalize_axis(axis, variable.ndim, family.name)
    return family(variable, axis=(along,), keepdims=bool(keepdims))


def place_samples(rng: np.random.Generator) -> list[Sample]:
    """Each form of the keywords."""
    x = rng.normal(size=(3, 4))
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": 1, "keepdims": True}),
            Sample((x,), {"keepdims": True})]  # fmt: skip


@public(np.argmax, topic="reduction", samples=place_samples, differentiable=False)
def argmax(
    a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False
) -> Variable:
    """Index of the first maximum along `axis` (None: in the flattened array), as ``np.argmax``.

    Raises ShapeError for an axis known to have size 0 (at run time a ValueError), AxisError.

    >>> import graphad as ga
    >>> int(ga.argmax(ga.constant([1.0, 9.0, 3.0])).eval())
    1
    """
    refuse_out("argmax", out)
    return place(_argmax, a, axis, keepdims)


@public(np.argmin, topic="reduction", samples=place_samples, differentiable=False)
def argmin(
    a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False
) -> Variable:
    """Index of the first minimum along `axis` (None: in the flattened array), as ``np.argmin``.

    Raises ShapeError for an axis known to have size 0 (at run time a ValueError), AxisError.

    >>> import graphad as ga
    >>> int(ga.argmin(ga.constant([4.0, 9.0, 3.0])).eval())
    2
    """
    refuse_out("argmin", out)
    return place(_argmin, a, axis, keepdims)


# ---- logic -----------------------------------------------------------------------------------
def _logical(name: str) -> Callable[..., Variable]:
    def value(xp: Any, x: Any, axis: Any, keepdims: bool, **extra: Any) -> Any:
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, **extra)

    family = Reduction(name, value, dtype=lambda dtype: np.dtype(bool))

    def build(a: Any, axis: Any, keepdims: bool, where: Any) -> Variable:
        variable, mask = as_variable(a), mask_of(where)
        axes = normalize_axes(axis, variable.ndim, name)
        return family(variable, *mask.values(), axis=axes, keepdims=bool(keepdims),
                      **dict.fromkeys(mask, True))  # fmt: skip

    return build


_any, _all = _logical("any"), _logical("all")


def _boolean_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.integers(0, 2, size=(3, 2)).astype(bool)
    y = np.array([[0.0, -0.0, np.nan], [0.5, 0.0, np.inf]])
    return [Sample((x,)), Sample((x,), {"axis": 0}), Sample((x,), {"axis": 1, "keepdims": True}),
            Sample((x,), {"axis": ()}), Sample((y,), {"axis": 0}, {"where": _MASK[:2, :1]}),
            Sample((y,), {"axis": (0, 1)})]  # fmt: skip


@public(np.any, topic="reduction", samples=_boolean_samples, differentiable=False)
def any_(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Variable:
    """Is any element along `axis` true (not zero)? As ``np.any``; `where` says what counts.

    >>> import graphad as ga
    >>> bool(ga.any(ga.constant([False, True])).eval())
    True
    """
    refuse_out("any", out)
    return _any(a, axis, keepdims, where)


@public(np.all, topic="reduction", samples=_boolean_samples, differentiable=False)
def all_(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Variable:
    """Are all elements along `axis` true (not zero)? As ``np.all``; `where` says what counts.

    >>> import graphad as ga
    >>> bool(ga.all(ga.constant([False, True])).eval())
    False
    """
    refuse_out("all", out)
    return _all(a, axis, keepdims, where)
