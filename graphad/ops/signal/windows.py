"""Windows that slide along axes, as views: `sliding_window_view`; and their transpose.

Windows along several axes are windows along one after the other: `slide` and its transpose
`overlap_add` know one axis, with a stride between windows and a dilation inside of them.
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


# ---- one axis --------------------------------------------------------------------------------
def _slide_shape(types: Types, axis: int, window: Any, stride: int, dilation: int) -> Shape:
    shape = types[0].shape
    check_width(window)
    size, reach = shape[axis], extent(window, dilation)
    if isinstance(size, int) and isinstance(reach, int) and size < reach:
        raise too_large(size, reach)
    return (*shape[:axis], count(size, window, stride, dilation), *shape[axis + 1 :], window)


def _slide_value(
    xp: Any, x: Any, *sizes: Any, axis: int, window: Any, stride: int, dilation: int
) -> Any:
    steps = x.strides  # on arrays only
    (width,) = fill_sizes((window,), sizes)
    check_width(width)
    size, reach = x.shape[axis], extent(width, dilation)
    if size < reach:
        raise too_large(size, reach)
    places = count(size, width, stride, dilation)
    shape = (*x.shape[:axis], places, *x.shape[axis + 1 :], width)
    strides = (*steps[:axis], steps[axis] * stride, *steps[axis + 1 :], steps[axis] * dilation)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _slide_vjp(g: Variable, node: Apply) -> list[Variable]:
    x, params = node.inputs[0], node.op.params
    axis, stride, dilation = params["axis"], params["stride"], params["dilation"]
    return [overlap_add(g, axis, x.shape[axis], stride, dilation)]


_slide = Movement(
    "slide", is_view=True, shape=_slide_shape, value=_slide_value, vjp=_slide_vjp,
    batch=along_axes,
)  # fmt: skip


def slide(x: Variable, axis: int, window: Any, stride: int = 1, dilation: int = 1) -> Variable:
    """Windows along `axis`: (…, n, …) gives (…, windows, …, window), a view.

    >>> import graphad as ga
    >>> from graphad.ops.signal.windows import slide
    >>> slide(ga.constant([1, 2, 3, 4, 5]), 0, 2, stride=2).eval()
    array([[1, 2],
           [3, 4]])
    """
    (size,), sizes = size_spec((window,), "slide")
    return _slide(x, *sizes, axis=axis, window=size, stride=stride, dilation=dilation)


def _add_shape(types: Types, axis: int, size: Any, stride: int, dilation: int) -> Shape:
    shape = types[0].shape
    return (*shape[:axis], size, *shape[axis + 1 : -1])


def _add_value(
    xp: Any, x: Any, *sizes: Any, axis: int, size: Any, stride: int, dilation: int
) -> Any:
    """Adds up by places in the windows or by windows, whichever are fewer."""
    steps = x.strides[:-1]  # on arrays only
    (full,) = fill_sizes((size,), sizes)
    total = _zeros_in_order((*x.shape[:axis], full, *x.shape[axis + 1 : -1]), steps, x.dtype)
    places, width = x.shape[axis], x.shape[-1]
    check_width(width)
    front, parts = xp.moveaxis(total, axis, 0), xp.moveaxis(x, (axis, -1), (0, 1))
    if width <= places:
        for k in range(width):
            start = k * dilation
            front[start : start + (places - 1) * stride + 1 : stride] += parts[:, k]
    else:
        for p in range(places):
            start = p * stride
            front[start : start + (width - 1) * dilation + 1 : dilation] += parts[p]
    return total


def _zeros_in_order(shape: Sequence[int], steps: Sequence[int], dtype: Any) -> Any:
    """Zeros whose axes lie in memory in the order of the strides `steps`; first those that repeat
    an element."""
    order = sorted(range(len(shape)), key=lambda i: -abs(steps[i]) if steps[i] else -math.inf)
    zeros = np.zeros([shape[i] for i in order], dtype)
    return zeros.transpose([order.index(i) for i in range(len(shape))])


def _add_vjp(g: Variable, node: Apply) -> list[Variable]:
    x, params = node.inputs[0], node.op.params
    return [slide(g, params["axis"], x.shape[-1], params["stride"], params["dilation"])]


_overlap_add = Movement(
    "overlap_add", shape=_add_shape, value=_add_value, vjp=_add_vjp,
    batch=along_axes)  # fmt: skip


def overlap_add(x: Variable, axis: int, size: Any, stride: int = 1, dilation: int = 1) -> Variable:
    """The transpose of `slide`: windows (…, windows, …, window) added up in (…, size, …).

    >>> import graphad as ga
    >>> from graphad.ops.signal.windows import overlap_add
    >>> overlap_add(ga.constant([[1, 2], [3, 4]]), 0, 3).eval()
    array([1, 5, 4])
    """
    (spec,), sizes = size_spec((size,), "overlap_add")
    return _overlap_add(x, *sizes, axis=axis, size=spec, stride=stride, dilation=dilation)


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
    for a, width in zip(axes, widths, strict=True):
        variable = slide(variable, a, width)
    return variable
