"""Windows that slide along axes, as views: `sliding_window_view`; and their transpose.

`slide` and its transpose `overlap_add` know a stride between windows and a dilation inside of them
for each axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import fill_sizes, normalize_axis, public, size_spec
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.op import Sample
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Variable, as_variable

Types = Sequence[TensorType]
Axes = tuple[int, ...]  # an axis, stride or dilation for each axis of windows


def extent(window: Any, dilation: int) -> Any:
    """How many elements a window reaches over, of which it takes every `dilation`-th."""
    return (window - 1) * dilation + 1


def count(size: Any, window: Any, stride: int, dilation: int) -> Any:
    """How many windows start in an axis of that size."""
    return (size - extent(window, dilation)) // stride + 1


def check_width(width: Any) -> None:
    """ShapeError for a window that can be seen to have no element."""
    if isinstance(width, int) and width < 1:
        raise ShapeError(f"a window of {width} elements", remedy="windows have 1 or more")


def too_large(size: Any, reach: Any) -> ShapeError:
    """The error for a window that reaches over more elements than there are."""
    return ShapeError(
        f"a window over {reach} elements along an axis with {size}",
        cause="windows lie inside of the array",
        remedy="take a smaller window or dilation, or pad the axis",
    )


# ---- windows ---------------------------------------------------------------------------------
def _slide_shape(types: Types, axis: Axes, window: Shape, stride: Axes, dilation: Axes) -> Shape:
    shape = list(types[0].shape)
    for a, width, step, gap in zip(axis, window, stride, dilation, strict=True):
        check_width(width)
        size, reach = shape[a], extent(width, gap)
        if isinstance(size, int) and isinstance(reach, int) and size < reach:
            raise too_large(size, reach)
        shape[a] = count(size, width, step, gap)
    return (*shape, *window)


def _slide_value(
    xp: Any, x: Any, *sizes: Any, axis: Axes, window: Shape, stride: Axes, dilation: Axes
) -> Any:
    shape, strides, ends = list(x.shape), list(x.strides), []  # on arrays only
    widths = fill_sizes(window, sizes)
    for a, width, step, gap in zip(axis, widths, stride, dilation, strict=True):
        check_width(width)
        size, reach = shape[a], extent(width, gap)
        if size < reach:
            raise too_large(size, reach)
        ends.append(strides[a] * gap)
        shape[a], strides[a] = count(size, width, step, gap), strides[a] * step
    return np.lib.stride_tricks.as_strided(
        x, shape + list(widths), strides + ends, writeable=False
    )


def _slide_vjp(g: Variable, node: Apply) -> list[Variable]:
    x, params = node.inputs[0], node.op.params
    sizes = [x.shape[a] for a in params["axis"]]
    return [overlap_add(g, params["axis"], sizes, params["stride"], params["dilation"])]


_slide = Movement(
    "slide", is_view=True, shape=_slide_shape, value=_slide_value, vjp=_slide_vjp,
    batch=along_axes,
)  # fmt: skip


def slide(x: Variable, axis: Any, window: Any, stride: Any = 1, dilation: Any = 1) -> Variable:
    """Windows along `axis`: (…, n, …) gives (…, windows, …, window), a view.

    All of `axis`, `window`, `stride` and `dilation` may be sequences, for several axes that
    differ; the axes of the windows come last, in that order.

    >>> import graphad as ga
    >>> from graphad.ops.signal.windows import slide
    >>> slide(ga.constant([1, 2, 3, 4, 5]), 0, 2, stride=2).eval()
    array([[1, 2],
           [3, 4]])
    """
    axes = _each(axis, 1)
    spec, sizes = size_spec(_each(window, 1), "slide")
    return _slide(x, *sizes, axis=axes, window=spec, stride=_each(stride, len(axes)),
                  dilation=_each(dilation, len(axes)))  # fmt: skip


def _each(given: Any, axes: int) -> tuple[Any, ...]:
    """One for each axis."""
    return tuple(given) if isinstance(given, tuple | list) else (given,) * axes


def _add_shape(types: Types, axis: Axes, size: Shape, stride: Axes, dilation: Axes) -> Shape:
    shape = types[0].shape
    sizes = dict(zip(axis, size, strict=True))
    return tuple([sizes.get(a, n) for a, n in enumerate(shape[: len(shape) - len(axis)])])


def _add_value(
    xp: Any, x: Any, *sizes: Any, axis: Axes, size: Shape, stride: Axes, dilation: Axes
) -> Any:
    """Adds up by places in the windows or by windows, whichever are fewer."""
    axes = len(axis)
    places, widths = [x.shape[a] for a in axis], x.shape[x.ndim - axes :]
    shape, steps = list(x.shape[: x.ndim - axes]), x.strides[: x.ndim - axes]  # on arrays only
    for a, n in zip(axis, fill_sizes(size, sizes), strict=True):
        shape[a] = n
    for width in widths:
        check_width(width)
    total = _zeros_in_order(shape, steps, x.dtype)
    front = xp.moveaxis(total, axis, range(axes))
    rows = zip(places, widths, stride, dilation, strict=True)
    if math.prod(widths) <= math.prod(places):
        parts = xp.moveaxis(x, range(x.ndim - axes, x.ndim), range(axes))
        parts = xp.moveaxis(parts, [a + axes for a in axis], range(axes, 2 * axes))
        turns, spans = widths, [(gap, p, step) for p, _, step, gap in rows]
    else:
        parts = xp.moveaxis(x, axis, range(axes))
        parts = xp.moveaxis(parts, range(x.ndim - axes, x.ndim), range(axes, 2 * axes))
        turns, spans = places, [(step, w, gap) for _, w, step, gap in rows]
    for index in np.ndindex(*turns):
        where = tuple([
            slice(i * start, i * start + max(n - 1, 0) * by + 1 if n else 0, by)
            for i, (start, n, by) in zip(index, spans, strict=True)
        ])  # fmt: skip
        front[where] += parts[index]
    return total


def _zeros_in_order(shape: Sequence[int], steps: Sequence[int], dtype: Any) -> Any:
    """Zeros whose axes lie in memory in the order of the strides `steps`; first those that repeat
    an element."""
    order = sorted(range(len(shape)), key=lambda i: -abs(steps[i]) if steps[i] else -math.inf)
    zeros = np.zeros([shape[i] for i in order], dtype)
    return zeros.transpose([order.index(i) for i in range(len(shape))])


def _add_vjp(g: Variable, node: Apply) -> list[Variable]:
    x, params = node.inputs[0], node.op.params
    widths = x.shape[x.ndim - len(params["axis"]) :]
    return [slide(g, params["axis"], widths, params["stride"], params["dilation"])]


_overlap_add = Movement(
    "overlap_add", shape=_add_shape, value=_add_value, vjp=_add_vjp,
    batch=along_axes)  # fmt: skip


def overlap_add(x: Variable, axis: Any, size: Any, stride: Any = 1, dilation: Any = 1) -> Variable:
    """The transpose of `slide`: windows (…, windows, …, window) added up in (…, size, …).

    Several axes as in `slide`, one size for each.

    >>> import graphad as ga
    >>> from graphad.ops.signal.windows import overlap_add
    >>> overlap_add(ga.constant([[1, 2], [3, 4]]), 0, 3).eval()
    array([1, 5, 4])
    """
    axes = _each(axis, 1)
    spec, sizes = size_spec(_each(size, 1), "overlap_add")
    return _overlap_add(x, *sizes, axis=axes, size=spec, stride=_each(stride, len(axes)),
                        dilation=_each(dilation, len(axes)))  # fmt: skip


# ---- several axes ----------------------------------------------------------------------------
@public(np.lib.stride_tricks.sliding_window_view, topic="shape", samples=lambda rng: [
    Sample((rng.normal(size=5),), {"window_shape": 3}),
    Sample((rng.normal(size=(3, 4)),), {"window_shape": (2, 3)}),
    Sample((rng.normal(size=(3, 4)),), {"window_shape": 2, "axis": 1}),
    Sample((rng.normal(size=(2, 5)),), {"window_shape": (2, 3), "axis": (1, 1)})])  # fmt: skip
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Variable:
    """Windows of `window_shape` at every place, as ``np.lib.stride_tricks.sliding_window_view``.

    Along each of `axis` (None: all axes, in order) the size becomes the number of windows, and the
    axes of the windows come last. A view; equal elements of windows add up in derivatives.
    Raises ShapeError for windows larger than the array, or (unlike NumPy) without
    elements, UseError for writeable and subok.

    >>> import numpy as np, graphad as ga
    >>> x = ga.vector("x", shape=("n",))
    >>> np.lib.stride_tricks.sliding_window_view(x, 3).type
    float64[n - 2, 3]
    """
    variable = as_variable(x)
    for name, given in (("subok", subok), ("writeable", writeable)):
        if given:
            raise UseError(
                f"sliding_window_view: {name}={given!r}",
                cause="the result is symbolic, and never written into",
                remedy=f"leave {name}=False",
            )
    widths = list(window_shape) if isinstance(window_shape, tuple | list) else [window_shape]
    if axis is None:
        axes = list(range(variable.ndim))
    else:
        given_axes = axis if isinstance(axis, tuple | list) else (axis,)
        axes = [normalize_axis(a, variable.ndim, "sliding_window_view") for a in given_axes]
    if len(axes) != len(widths):
        raise ShapeError(
            f"sliding_window_view: {len(widths)} window sizes for {len(axes)} axes of an array "
            f"of shape {shape_text(variable.type.shape)}",
            remedy="give one size for each axis, and name the axes with axis=",
        )
    if len(set(axes)) == len(axes) > 0:
        return slide(variable, axes, widths)
    for a, width in zip(axes, widths, strict=True):  # windows of windows
        variable = slide(variable, a, width)
    return variable
