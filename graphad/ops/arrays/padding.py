"""Padding: np.pad with all its modes.

Axis by axis, what stands before and behind is computed from the array as it is by then, and
joined to it: corners are pads of pads, as in NumPy. All modes are differentiable where the pad
depends on elements; the pad of "maximum" and "minimum" shares the derivative as `max` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.arrays.reflecting import end_of, first_place, mirrored, wrapped

Pair = tuple[Any, Any]
Sides = tuple[Variable, Variable]
_KEYWORDS: dict[str, dict[str, Any]] = {
    "constant": {"constant_values": 0}, "edge": {}, "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None}, "mean": {"stat_length": None},
    "median": {"stat_length": None}, "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"}, "symmetric": {"reflect_type": "even"},
    "wrap": {}, "empty": {},
}  # fmt: skip


# ---- arguments -------------------------------------------------------------------------------
def pairs(value: Any, ndim: int, name: str) -> list[Pair]:
    """(before, after) for each axis of what stands for them: x, (x,), (b, a), ((b, a), …)."""

    def plain(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            return item.tolist()
        if isinstance(item, Variable) and item.ndim and isinstance(item.type.shape[0], int):
            return list(item)
        return item

    def pair(item: Any) -> Pair:
        row = plain(item)
        if not isinstance(row, tuple | list):
            return row, row
        if len(row) not in (1, 2) or any(isinstance(plain(x), tuple | list) for x in row):
            raise _no_pairs(value, ndim, name)
        return row[0], row[-1]

    rows = plain(value)
    if not isinstance(rows, tuple | list):
        return [(rows, rows)] * ndim
    rows = [plain(row) for row in rows]
    nested = [isinstance(row, tuple | list) for row in rows]
    if not any(nested):
        return [pair(rows)] * ndim
    if not all(nested) or len(rows) not in (1, ndim):
        raise _no_pairs(value, ndim, name)
    found = [pair(row) for row in rows]
    return found * ndim if len(found) == 1 else found


def _no_pairs(value: Any, ndim: int, name: str) -> UseError:
    return UseError(
        f"pad: {name}={value!r} for an array with {ndim} axes",
        remedy=f"{name} is x, (before, after), or one (before, after) for each axis",
    )


def _widths(pad_width: Any, ndim: int) -> list[Pair]:
    if isinstance(pad_width, dict):
        found: list[Pair] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            found[normalize_axis(axis, ndim, "pad")] = pairs(width, 1, "pad_width")[0]
    else:
        found = pairs(pad_width, ndim, "pad_width")
    for width in [w for pair in found for w in pair]:
        symbolic = isinstance(width, Dim) or (
            isinstance(width, Variable) and not width.ndim and width.dtype.kind in "iu"
        )
        if symbolic:
            continue
        if isinstance(width, bool) or not isinstance(width, int | np.integer):
            raise UseError(f"pad: pad_width={pad_width!r}", remedy="widths are integers")
        if width < 0:
            raise ShapeError(
                f"pad: pad_width={pad_width!r} is negative", remedy="cut with a slice: x[1:-1]"
            )
    return found


def _lengths(stat_length: Any, ndim: int) -> list[Pair]:
    if stat_length is None:
        return [(None, None)] * ndim
    found = pairs(stat_length, ndim, "stat_length")
    for length in [n for pair in found for n in pair]:
        if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 0:
            raise UseError(
                f"pad: stat_length={stat_length!r}", remedy="give ints ≥ 0, or None for all"
            )
    return found


# ---- what stands before and behind -----------------------------------------------------------
def along(axis: int, start: Any, stop: Any, step: Any = None) -> tuple[Any, ...]:
    """The index that takes ``start:stop:step`` along `axis`."""
    return (*[slice(None)] * axis, slice(start, stop, step))


def _repeated(x: Variable, axis: int, count: Any) -> Variable:
    """What has one element along `axis`, `count` times."""
    sizes = list(x.shape)
    sizes[axis] = count
    found: Variable = OPS["broadcast_to"](x, sizes)
    return found


def _number(value: Any, x: Variable, dtype: Any = None) -> Variable:
    """A value to pad with, in the dtype of x as NumPy's assignment converts it, or in another."""
    found, target = as_variable(value), np.dtype(dtype or x.dtype)
    if found.dtype.kind == "c" and x.dtype.kind != "c":
        raise DTypeError(
            f"pad: a complex value for an array of {x.dtype}", remedy="convert the array"
        )
    found = found if found.dtype == target else found.astype(target)
    return OPS["reshape"](found, (1,) * x.ndim)


def _constant(x: Variable, axis: int, width: Pair, values: Pair) -> Sides:
    before, after = (
        _repeated(
            OPS["broadcast_to"](
                _number(value, x), [1 if i == axis else n for i, n in enumerate(x.shape)]
            ),
            axis,
            count,
        )
        for value, count in zip(values, width, strict=True)
    )
    return before, after


def _edge(x: Variable, axis: int, width: Pair) -> Sides:
    return (
        _repeated(end_of(x, axis, 0), axis, width[0]),
        _repeated(end_of(x, axis, -1), axis, width[1]),
    )


def _ramp(edge: Variable, axis: int, count: Any, value: Any) -> Variable:
    """`count` values from `value` towards the edge, which is not reached."""
    place = OPS["arange"](count)
    target = np.result_type(edge.dtype, 0.0) if edge.dtype.kind in "fc" else np.dtype(float)
    size = OPS["maximum"](as_variable(count), 1)
    fractions = place.astype(target) / size.astype(target)
    column = OPS["reshape"](fractions, (place.shape[0], *[1] * (edge.ndim - axis - 1)))
    end = _number(value, edge, target)
    ramp = end + column * (edge.astype(target) - end)
    ramp = OPS["floor"](ramp) if edge.dtype.kind in "iu" else ramp
    return ramp.astype(edge.dtype)


def _linear_ramp(x: Variable, axis: int, width: Pair, values: Pair) -> Sides:
    before = _ramp(end_of(x, axis, 0), axis, width[0], values[0])
    after = _ramp(end_of(x, axis, -1), axis, width[1], values[1])
    return before, OPS["flip"](after, axis)


def _statistic(name: str) -> Callable[..., Sides]:
    def sides(x: Variable, axis: int, width: Pair, lengths: Pair) -> Sides:
        size = x.type.shape[axis]
        parts = []
        if not isinstance(size, int):  # without elements there is no mean: an error at run time
            x = x[along(axis, first_place(x, axis), None)]
        for length, first in zip(lengths, (True, False), strict=True):
            part = x
            if length is not None and not (isinstance(size, int) and length >= size):
                if length == 0 and name in ("max", "min"):
                    raise ShapeError(
                        "pad: stat_length=0 leaves no element to take the extremum of",
                        remedy="give 1 or more",
                    )
                # behind: the last ones, also where there are fewer than `length`
                last = along(axis, None, -length - 1, -1) if length else along(axis, None, 0)
                part = x[along(axis, None, length) if first else last]
            found = OPS[name](part, axis=axis, keepdims=True)
            if found.dtype != x.dtype:
                found = OPS["rint"](found) if x.dtype.kind in "iu" else found
                found = found.astype(x.dtype)
            parts.append(_repeated(found, axis, width[0 if first else 1]))
        return parts[0], parts[1]

    return sides


def _empty(x: Variable, axis: int, width: Pair) -> Sides:
    return _constant(x, axis, width, (0, 0))


_SIDES: dict[str, Callable[..., Sides]] = {
    "constant": _constant, "edge": _edge, "linear_ramp": _linear_ramp, "wrap": wrapped,
    "maximum": _statistic("max"), "minimum": _statistic("min"), "mean": _statistic("mean"),
    "median": _statistic("median"), "empty": _empty,
    "reflect": lambda x, axis, width, kind: mirrored(x, axis, width, kind, 1),
    "symmetric": lambda x, axis, width, kind: mirrored(x, axis, width, kind, 0),
}  # fmt: skip


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(12).reshape(3, 4) / 4
    both = ((1, 2), (2, 0))
    rows: Sequence[dict[str, Any]] = (
        {"pad_width": 2},
        {"pad_width": both, "constant_values": ((1.5, 2.0), (3.0, 4.0))},
        {"pad_width": {-1: (1, 2)}, "constant_values": 2},
        *[{"pad_width": both, "mode": m} for m in _KEYWORDS if m not in ("constant", "empty")],
        {"pad_width": ((2, 3), (0, 1)), "mode": "linear_ramp", "end_values": (1.0, 9.0)},
        *[{"pad_width": (1, 2), "mode": m, "stat_length": ((2, 1), (3, 9))}
          for m in ("maximum", "minimum", "mean")],
        {"pad_width": (1, 2), "mode": "median", "stat_length": ((1, 3), (3, 9))},  # without ties
        *[{"pad_width": ((7, 5), (3, 9)), "mode": m} for m in ("reflect", "symmetric", "wrap")],
        *[{"pad_width": ((7, 5), (3, 9)), "mode": m, "reflect_type": "odd"}
          for m in ("reflect", "symmetric")],
        {"pad_width": 0, "mode": "edge"},
    )  # fmt: skip
    return [Sample((x,), keywords) for keywords in rows] + [
        Sample((x,), {"pad_width": (1, 0)}, {"constant_values": np.float64(2.5)}),
        Sample((x,), {"pad_width": 3, "mode": "linear_ramp"}, {"end_values": np.float64(2.5)}),
    ]


def _reference(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if not np.iscomplexobj(array) and any(np.iscomplexobj(v) for v in kwargs.values()):
        raise TypeError("a complex value for a real array")
    if isinstance(pad_width, dict):  # in all versions
        pairs = [(0, 0)] * array.ndim
        for axis, width in pad_width.items():
            pairs[axis] = width if isinstance(width, tuple) else (width, width)
        pad_width = pairs
    return np.pad(array, pad_width, mode, **kwargs)


@public(np.pad, topic="shape", samples=_samples, reference=_reference)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Variable:
    """`array` with more elements before and behind along each axis, as ``np.pad``.

    pad_width: n, (before, after), one such pair for each axis, or {axis: pair}; widths may be
    entries of ``x.shape`` or integer scalars. The modes are NumPy's:

    constant     constant_values (numbers or Variables; 0)
    edge         the outermost element
    linear_ramp  from end_values (0) evenly to the outermost element
    maximum, mean, median, minimum   of the outermost stat_length elements (None: all)
    reflect, symmetric   mirrored at the outermost element, or beside it; reflect_type "even", or
                 "odd" for what is mirrored in value as well
    wrap         periodic
    empty        values that nobody relies on; they are zeros

    Raises ShapeError for an axis of size 0 (but "constant", "empty"), UseError for other modes and
    keywords, and for functions as modes, which would write into an array.

    >>> import graphad as ga
    >>> ga.pad(ga.constant([1, 2, 3]), (1, 2), mode="reflect").eval()
    array([2, 1, 2, 3, 2, 1])
    """
    variable = as_variable(array)
    if callable(mode):
        raise UseError(
            f"pad: mode={mode!r}",
            cause="a function as mode writes into an array, which a Variable is not",
            remedy="pad with zeros, and set what is outside: ga.pad(x, n).at[:n].set(...)",
        )
    if mode not in _KEYWORDS:
        raise UseError(f"pad: mode={mode!r}", remedy=f"the modes are {', '.join(_KEYWORDS)}")
    if not kwargs.keys() <= _KEYWORDS[mode].keys():
        wrong = min(kwargs.keys() - _KEYWORDS[mode].keys())
        raise UseError(
            f"pad: {wrong}= with mode={mode!r}",
            remedy=f"it takes {', '.join(_KEYWORDS[mode]) or 'no keywords'}",
        )
    widths = _widths(pad_width, variable.ndim)
    return _padded(variable, widths, mode, {**_KEYWORDS[mode], **kwargs})


def _is_zero(width: Any) -> bool:
    return isinstance(width, int | np.integer) and width == 0


def _padded(x: Variable, widths: list[Pair], mode: str, options: dict[str, Any]) -> Variable:
    rows: list[list[Any]] = [[] for _ in widths]
    for name, value in options.items():
        if name == "reflect_type":
            if value not in ("even", "odd"):
                raise UseError(f"pad: reflect_type={value!r}", remedy='"even" or "odd"')
            rows = [[value] for _ in widths]
        elif name == "stat_length":
            rows = [[pair] for pair in _lengths(value, x.ndim)]
        else:
            rows = [[pair] for pair in pairs(value, x.ndim, name)]
    for axis, (width, row) in enumerate(zip(widths, rows, strict=True)):
        if all([_is_zero(w) for w in width]):
            continue
        if x.type.shape[axis] == 0 and mode not in ("constant", "empty"):
            raise ShapeError(
                f"pad: axis {axis} of {shape_text(x.type.shape)} has no element to pad with",
                remedy='use mode="constant"',
            )
        before, after = _SIDES[mode](x, axis, width, *row)
        parts = [before, x, after]
        kept = [part for part, w in zip(parts, (width[0], 1, width[1]), strict=True)
                if not _is_zero(w)]  # fmt: skip
        x = OPS["concatenate"](kept, axis=axis)
    return x
