"""What a random program does in one step: functions on NumPy's interface, with their choices.

A maker looks at the arrays of its operands and at the choices, and returns an operation that is
applied to arrays and to Variables alike, or None where it does not apply. Jumps and kinks are only
made where no element is near them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Operation = Callable[..., Any]
BOUND = 8.0  # larger results are squeezed, so that errors do not grow from step to step
MARGIN = 0.05  # least distance from a kink or jump


class Choices:
    """A stream of integers that decide; 0 when it has run out."""

    def __init__(self, numbers: Iterable[int], smooth: bool) -> None:
        self.rest, self.smooth = iter(numbers), smooth

    def below(self, count: int) -> int:
        return int(next(self.rest, 0)) % count

    def pick(self, items: Any) -> Any:
        return items[self.below(len(items))]

    def axis(self, x: Array) -> int:
        return self.below(x.ndim) - (x.ndim if self.below(2) else 0)


def _is_far(x: Any, level: Any = 0.0) -> bool:
    """Is every finite element of x far from `level`, with no NaN that decides?"""
    if np.asarray(x).dtype.kind == "c":
        return False
    with np.errstate(all="ignore"):
        gap = np.abs(np.subtract(x, level, dtype=float))
    return bool(np.all(gap > MARGIN))


# ---- elementwise -----------------------------------------------------------------------------
_UNARY: list[Operation] = [
    lambda x: np.sin(x), lambda x: np.tanh(x), lambda x: x * 2.0, lambda x: x + 1.0,
    lambda x: 0.5 - x, lambda x: -x, lambda x: x * x, lambda x: np.exp(-np.square(x)),
    lambda x: np.sqrt(1 + x * x), lambda x: np.log1p(np.square(x)), lambda x: np.arctan(x),
    lambda x: x / (1 + x**2), lambda x: np.cos(x), lambda x: np.expm1(-x * x),
    lambda x: np.reciprocal(1.5 + np.sin(x)), lambda x: np.logaddexp(x, 0.5),
    lambda x: x * 0.5 * 3.0,
]  # fmt: skip
_IDENTITY: list[Operation] = [  # what rewriting takes away
    lambda x: x * 1.0, lambda x: x + 0.0, lambda x: x - 0, lambda x: x / 1.0, lambda x: x**1,
    lambda x: np.negative(-x), lambda x: np.positive(x), lambda x: np.where(True, x, x),
    lambda x: x.T.T, lambda x: x[...], lambda x: np.maximum(x, x), lambda x: x.astype(x.dtype),
    lambda x: np.broadcast_to(x, x.shape), lambda x: np.reshape(x, x.shape),
    lambda x: np.flip(np.flip(x)), lambda x: -1.0 * x, lambda x: 0.0 - x,
]  # fmt: skip
_BINARY: list[Operation] = [
    lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - y, lambda x, y: x / (1 + y * y),
    lambda x, y: x * (1 / (2 + np.cos(y))), lambda x, y: x - (-y), lambda x, y: (-x) * (-y),
    lambda x, y: np.arctan2(x, 1 + y * y), lambda x, y: np.logaddexp(x, y),
    lambda x, y: np.sqrt(0.1 + x * x + y * y),
]  # fmt: skip


def unary(c: Choices, x: Array) -> Operation:
    """A smooth function."""
    return c.pick(_UNARY)


def identity(c: Choices, x: Array) -> Operation:
    """Something that rewriting takes away."""
    return c.pick(_IDENTITY)


def binary(c: Choices, x: Array, y: Array) -> Operation:
    """A smooth function of two."""
    return c.pick(_BINARY)


def kink(c: Choices, x: Array) -> Operation | None:
    """abs, relu and the like, away from the kink."""
    operations: tuple[Operation, ...] = (
        np.abs, lambda x: np.maximum(x, 0.0), lambda x: np.where(x > 0, x, 0.1 * x),
        lambda x: np.clip(x, 0.0, None),
    )  # fmt: skip
    return c.pick(operations) if _is_far(x) else None


def larger(c: Choices, x: Array, y: Array) -> Operation | None:
    """The larger or the smaller of two that are nowhere near each other."""
    try:
        far = _is_far(x, y)
    except ValueError:
        return None
    return c.pick((np.maximum, np.minimum)) if far else None


def choose(c: Choices, x: Array, y: Array) -> Operation | None:
    """One branch may be infinite or NaN where it is not taken."""
    if not _is_far(x):
        return None
    operations = (
        lambda x, y: np.where(x > 0, x, y),
        lambda x, y: np.where(x > 0, np.sqrt(np.abs(np.where(x > 0, x, 1.0))), y),
        lambda x, y: np.where(x < 0, y, np.log(x)),
    )
    return c.pick(operations)


def compare(c: Choices, x: Array) -> Operation | None:
    """A comparison or a sign, away from the jump."""
    if c.smooth or not _is_far(x):
        return None
    operations = (lambda x: x > 0, lambda x: x <= 0, lambda x: ~(x > 0), lambda x: np.sign(x))
    return c.pick(operations)


def cast(c: Choices, x: Array) -> Operation | None:
    """Another dtype."""
    dtypes = ["float64"] if c.smooth else ["float64", "float32"]
    dtype = c.pick(dtypes)
    return lambda x: x.astype(dtype)


# ---- reductions and products -----------------------------------------------------------------
def reduce(c: Choices, x: Array) -> Operation | None:
    """A smooth reduction."""
    axis = _some_axes(c, x)
    keep = c.below(2) == 1
    function = c.pick((np.sum, np.mean, np.prod, np.var, np.nansum, np.nanmean, np.nanprod))
    if not x.size and function not in (np.sum, np.prod, np.nansum, np.nanprod):
        return None
    return lambda x: function(x, axis=axis, keepdims=keep)


def _some_axes(c: Choices, x: Array) -> Any:
    """None, one axis, or all but one of them."""
    if not x.ndim or c.below(3) == 0:
        return None
    axis = c.axis(x)
    rest = tuple([i for i in range(x.ndim) if i != axis % x.ndim])
    return rest if len(rest) > 1 and c.below(3) == 1 else axis


def masked_reduce(c: Choices, x: Array) -> Operation | None:
    """A reduction of what a constant mask along the last axis takes."""
    if not x.ndim or not x.size or x.shape[-1] != 3:
        return None
    mask = c.pick((np.array([True, False, True]), np.array([False, True, True])))
    axis = c.pick((None, -1))
    operations: list[Operation] = [
        lambda x: np.sum(x, axis=axis, where=mask), lambda x: np.mean(x, axis=axis, where=mask),
        lambda x: np.prod(x, axis=axis, where=mask, keepdims=True),
        lambda x: np.var(x, axis=axis, where=mask), lambda x: np.sum(x, axis=axis, initial=1.5),
    ]  # fmt: skip
    if c.smooth:
        return c.pick(operations)
    anywhere: list[Operation] = [
        lambda x: np.any(x, axis=axis, where=mask), lambda x: np.all(x, axis=axis, where=mask),
        lambda x: np.max(x, axis=axis, where=mask, initial=0),
        lambda x: np.min(x, axis=axis, initial=1), lambda x: np.count_nonzero(x, axis=axis),
    ]  # fmt: skip
    return c.pick(operations + anywhere)


def deviation(c: Choices, x: Array) -> Operation | None:
    """Standard deviations of what is not nearly constant, variances with ddof."""
    if x.dtype.kind not in "fi" or not x.ndim or x.shape[-1] < 2 or not x.size:
        return None
    with np.errstate(all="ignore"):
        spread = np.std(x.astype(float), axis=-1)
    if not np.all(spread > MARGIN):
        return None
    operations: list[Operation] = [
        lambda x: np.std(x, axis=-1), lambda x: np.std(x, axis=-1, keepdims=True, ddof=1),
        lambda x: np.var(x, axis=-1, ddof=1),
        lambda x: np.divide(np.subtract(x, np.mean(x, -1, keepdims=True)), np.std(
            x, axis=-1, keepdims=True)),
    ]  # fmt: skip
    return c.pick(operations)


def extremum(c: Choices, x: Array) -> Operation | None:
    """Where the largest element is larger than the others by a margin, or all are."""
    if not x.ndim or not x.size:
        return None
    axis, top = c.axis(x), c.below(2)
    ordered = np.sort(np.asarray(x, float), axis=axis)
    with np.errstate(all="ignore"):
        gaps = np.diff(ordered, axis=axis)
    if not np.all(gaps > MARGIN):
        return None
    values: list[Operation] = [np.max, np.min]
    places: list[Operation] = [np.argmax, np.argmin]
    function = (values if c.smooth or c.below(2) == 0 else places)[top]
    return lambda x: function(x, axis=axis)


def cumulate(c: Choices, x: Array) -> Operation | None:
    """A cumulative sum or product, differences."""
    axis = None if not x.ndim else c.axis(x)
    function = c.pick((np.cumsum, np.cumsum, np.cumprod, np.nancumsum, np.nancumprod))
    if c.below(4) == 1 and axis is not None:
        return lambda x: np.diff(x, axis=axis)
    return lambda x: function(x, axis=axis)


def order(c: Choices, x: Array) -> Operation | None:
    """Sorting and quantiles, where no two elements are near each other."""
    if not x.ndim or not x.size:
        return None
    axis = c.axis(x)
    with np.errstate(all="ignore"):
        gaps = np.diff(np.sort(np.asarray(x, float), axis=axis), axis=axis)
    if not np.all(gaps > MARGIN):
        return None
    operations: list[Operation] = [
        lambda x: np.sort(x, axis=axis), lambda x: np.median(x, axis=axis),
        lambda x: np.quantile(x, 0.3, axis=axis, keepdims=True), lambda x: np.ptp(x, axis=axis),
        lambda x: np.take_along_axis(x, np.argsort(x, axis=axis), axis=axis),
        lambda x: np.partition(x, 0, axis=axis)[..., :1] if axis in (-1, x.ndim - 1) else (
            np.flip(np.sort(x, axis=axis), axis)), lambda x: np.nanmedian(x, axis=axis),
    ]  # fmt: skip
    if not c.smooth:
        operations += [
            lambda x: np.argsort(x, axis=axis, stable=True), lambda x: np.unique(x),
            lambda x: np.argsort(x, axis=axis, kind="stable"),
        ]  # fmt: skip
    return c.pick(operations) if x.dtype.kind == "f" else None


def share(c: Choices, x: Array) -> Operation | None:
    """Sums of exponentials, and what is made of them; clipped where no element is near."""
    if x.dtype.kind != "f" or not x.ndim or not x.size:
        return None
    axis = c.axis(x)
    operations: list[Operation] = [
        lambda x: np.log(np.sum(np.exp(x), axis=axis)),
        lambda x: np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True),
        lambda x: np.logaddexp.reduce(x, axis=axis),
        lambda x: np.average(x, axis=axis, weights=1 + x * x),
        lambda x: np.trapezoid(x, axis=axis),
    ]  # fmt: skip
    if _is_far(x, 1.0) and _is_far(x, -0.5):
        operations.append(lambda x: np.clip(x, -0.5, 1.0))
    return c.pick(operations)


def product(c: Choices, x: Array, y: Array) -> Operation | None:
    """A product that sums over axes."""
    operations = (
        lambda x, y: x @ y, lambda x, y: x @ y.T, lambda x, y: np.dot(x, y),
        lambda x, y: np.outer(x, y), lambda x, y: np.inner(x, y),
    )  # fmt: skip
    if x.dtype.kind == "b" or y.dtype.kind == "b":
        return None
    return c.pick(operations)


# ---- shapes and indices ----------------------------------------------------------------------
def rearrange(c: Choices, x: Array) -> Operation | None:
    """A movement: reshape, transpose, broadcast, join, repeat."""
    i, j = (c.axis(x), c.axis(x)) if x.ndim else (0, 0)
    anywhere: list[Operation] = [
        lambda x: np.reshape(x, (-1,)), lambda x: np.expand_dims(x, 0), lambda x: np.ravel(x),
        lambda x: np.transpose(x), lambda x: np.broadcast_to(x, (2, *x.shape)),
        lambda x: x[None, ..., None], lambda x: np.stack([x, x + 1.0]),
    ]  # fmt: skip
    along: list[Operation] = [
        lambda x: np.swapaxes(x, i, j), lambda x: np.moveaxis(x, i, j),
        lambda x: np.flip(x, i), lambda x: np.concatenate([x, x], axis=i),
        lambda x: np.expand_dims(x, i), lambda x: np.repeat(x, 2, axis=i),
        lambda x: np.tile(x, 2), lambda x: np.reshape(x, (x.shape[0], -1)),
        lambda x: np.reshape(np.transpose(x), (1, -1)), lambda x: np.squeeze(x, i),
    ]  # fmt: skip
    if not x.size:  # -1 is not defined
        along = along[:3]
        anywhere = anywhere[1:]
    return c.pick(anywhere + along if x.ndim else anywhere)


def select(c: Choices, x: Array) -> Operation | None:
    """Slices, integers and arrays as indices."""
    if not x.ndim:
        return None
    slices: list[Operation] = [
        lambda x: x[1:], lambda x: x[:-1], lambda x: x[::2], lambda x: x[..., ::-1],
        lambda x: x[..., 1:], lambda x: x[..., None], lambda x: x[:2], lambda x: x[-2:],
        lambda x: x[None, ::-1],
    ]  # fmt: skip
    taken: list[Operation] = [
        lambda x: x[0], lambda x: x[-1], lambda x: x[..., 0], lambda x: x[..., -1],
        lambda x: x[np.array([0, -1, 0])], lambda x: x[..., np.array([[0], [-1]])],
        lambda x: np.take(x, np.array([0, 0]), axis=-1),
    ]  # fmt: skip
    if not c.smooth and _is_far(x):
        taken.append(lambda x: x[x > 0])
    return c.pick(slices + taken if x.size else slices)


OPERATIONS: list[tuple[Callable[..., Operation | None], int]] = [
    (unary, 1), (binary, 2), (identity, 1), (rearrange, 1), (select, 1), (reduce, 1),
    (product, 2), (kink, 1), (choose, 2), (binary, 2), (larger, 2), (cast, 1), (extremum, 1),
    (compare, 1), (cumulate, 1), (rearrange, 1), (unary, 1), (masked_reduce, 1), (deviation, 1),
    (order, 1), (share, 1),
]  # fmt: skip
