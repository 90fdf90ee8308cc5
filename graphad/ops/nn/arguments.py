"""What convolutions and pools are told about the axes of space, checked: one entry for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.dimtext import shape_text
from graphad.ir.variable import Variable

Pads = list[tuple[Any, Any]]


def each_axis(name: str, what: str, given: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """One integer for each axis, from an integer or a sequence of them.

    >>> each_axis("pool", "stride", 2, 2), each_axis("pool", "stride", (2, 1), 2)
    ((2, 2), (2, 1))
    """
    listed = list(given) if isinstance(given, tuple | list | np.ndarray) else [given] * axes
    whole = [isinstance(g, int | np.integer) and not isinstance(g, bool) for g in listed]
    if len(listed) != axes or not all(whole) or any([g < least for g in listed]):
        raise UseError(
            f"{name}: {what}={given!r}",
            remedy=f"give an integer, {least} or more, or one for each of {axes} axes of space",
        )
    return tuple([int(g) for g in listed])


def space_axes(name: str, x: Variable, axes: int | None = None) -> int:
    """The number of axes after batch and channels; ShapeError if it is not `axes`, or is 0."""
    found = x.ndim - 2
    if found < 1 or (axes is not None and found != axes):
        wanted = "one or more" if axes is None else axes
        raise ShapeError(
            f"{name} of an array of shape {shape_text(x.type.shape)}",
            cause=f"its axes are (batch, channels, *space), of space {wanted}",
            remedy="insert axes of size 1 with x[None]",
        )
    return found


def paddings(
    name: str, mode: str, padding: Any, reaches: Sequence[Any], mirrored: bool = False
) -> Pads:
    """(zeros before, zeros after) each axis of space.

    mode "valid": none; "same": as many as keep the size (one more after than before, if they are
    odd; before if `mirrored`); "full": as many as let each element meet each place of the window.
    `padding`: an integer, or for each axis an integer or a pair.
    """
    if mode not in ("valid", "same", "full"):
        raise UseError(
            f"{name}: mode={mode!r}",
            remedy='choose "valid", "same" or "full", or give numbers with padding=',
        )
    if padding is None:
        total = [reach - 1 for reach in reaches]
        if mode == "full":
            return [(t, t) for t in total]
        if mode == "valid":
            return [(0, 0) for _ in total]
        halves = [(t // 2, t - t // 2) for t in total]
        return [(b, a) if mirrored else (a, b) for a, b in halves]
    if mode != "valid":
        raise UseError(
            f"{name}: mode={mode!r} and padding={padding!r}", remedy="give one of the two"
        )
    listed = list(padding) if isinstance(padding, tuple | list) else [padding] * len(reaches)
    if len(listed) != len(reaches):
        raise UseError(
            f"{name}: padding={padding!r}",
            remedy=f"give an integer, or an integer or a pair for each of the {len(reaches)} axes",
        )
    pairs = [p if isinstance(p, tuple | list) else (p, p) for p in listed]
    return [_checked_pair(name, padding, pair) for pair in pairs]


def _checked_pair(name: str, given: Any, pair: Sequence[Any]) -> tuple[Any, Any]:
    good = [
        isinstance(p, Dim) or (isinstance(p, int | np.integer) and p >= 0) for p in pair
    ]  # fmt: skip
    if len(pair) != 2 or not all(good):
        raise UseError(
            f"{name}: padding={given!r}",
            remedy="a pair is (zeros before, zeros after), integers of 0 or more",
        )
    before, after = (p if isinstance(p, Dim) else int(p) for p in pair)
    return before, after
