"""Periodic continuations of an array beyond its ends: mirrored and wrapped; for `pad`.

Places beyond the ends are counted by their distance d from the end. An array of n elements that is
mirrored at its outermost elements has the period 2(n - 1), mirrored beside them 2n.
"""

from __future__ import annotations

from typing import Any

from graphad.ir.op import OPS
from graphad.ir.variable import Variable, as_variable

Sides = tuple[Variable, Variable]


def _taken(x: Variable, places: Variable, axis: int) -> Variable:
    return x[(*[slice(None)] * axis, places)]


def first_place(x: Variable, axis: int) -> Variable:
    """0, and an error at run time for an axis without elements."""
    place: Variable = OPS["arange"](x.shape[axis])[0]
    return place


def end_of(x: Variable, axis: int, place: int) -> Variable:
    """The slice at `place`, which must exist, with a size of 1 along the axis."""
    found: Variable = OPS["expand_dims"](x[(*[slice(None)] * axis, place)], axis)
    return found


def wrapped(x: Variable, axis: int, width: tuple[Any, Any]) -> Sides:
    """What a periodic array has before and behind: x[i mod n]."""
    size = x.shape[axis]
    size = size if isinstance(size, int) else as_variable(size) + first_place(x, axis)
    before = OPS["arange"](width[0]) - as_variable(width[0])
    after = OPS["arange"](width[1]) + as_variable(size)
    return tuple(  # type: ignore[return-value]
        [_taken(x, OPS["remainder"](place, size), axis) for place in (before, after)]
    )


def mirrored(x: Variable, axis: int, width: tuple[Any, Any], kind: str, first: int) -> Sides:
    """What a mirrored array has before and behind; `first` is the least distance, 1 or 0.

    The part behind is the part before of the array in reverse.
    """
    before = _before(x, axis, width[0], kind, first)
    after = _before(OPS["flip"](x, axis), axis, width[1], kind, first)
    return OPS["flip"](before, axis), after


def _before(x: Variable, axis: int, count: Any, kind: str, first: int) -> Variable:
    """x̃(-d) for the distances d = first, first + 1, …; x̃(-d) = x̃(d), or 2 x_0 - x̃(d) if odd.

    Beyond the first period 2(n - first) an odd continuation climbs by 2 (x_{n-1} - x_0) in each.
    """
    size = x.shape[axis]
    last = size - 1
    distance = OPS["arange"](count) + first
    if first:
        period: Any = max(2 * last, 1) if isinstance(last, int) else OPS["maximum"](
            as_variable(last) * 2, 1)  # fmt: skip
    else:
        period = 2 * size
    phase = OPS["remainder"](distance, period)
    turned = period - phase - (1 - first)  # the place of what comes back from the far end
    outward = phase <= last
    values = _taken(x, OPS["where"](outward, phase, turned), axis)
    if kind == "even":
        return values
    column = (slice(None), *[None] * (x.ndim - axis - 1))
    start, end = end_of(x, axis, 0), end_of(x, axis, -1)
    where = OPS["where"]
    values = where(outward[column], values, (2 * end - values).astype(x.dtype))
    rounds = OPS["floor_divide"](distance, period)[column]
    climb = (rounds * 2).astype(x.dtype) * (end - start if x.dtype.kind != "b" else end ^ start)
    values = where(rounds == 0, values, values + climb.astype(x.dtype))
    return (2 * start - values).astype(x.dtype)
