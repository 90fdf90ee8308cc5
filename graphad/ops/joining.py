"""Joining and repeating: concatenate, stack, tile, repeat. All linear, any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Arrays, clash, normalize_axis, public, refuse_out
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.op import OPS, Sample
from graphad.ir.types import Shape, TensorType, check_dtype
from graphad.ir.variable import Apply, Constant, Variable, as_variable
from graphad.ops.shape import broadcast_to, expand_dims, ravel, reshape

Types = Sequence[TensorType]


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


# ---- joining ---------------------------------------------------------------------------------
def _joined(types: Types, axis: int) -> Shape:
    first = types[0].shape
    total: Any = 0
    result = list(first)
    for operand, t in enumerate(types):
        if t.ndim != len(first):
            raise ShapeError(
                f"concatenate: operand 0 has {len(first)} axes, operand {operand} has {t.ndim}",
                remedy="insert axes with x[None], or use ga.stack to join along a new axis",
            )
        for i, size in enumerate(t.shape):
            joint = size if size == result[i] else _equal_sizes(size, result[i])
            if i != axis and joint is None:
                raise clash(
                    "concatenate", [u.shape for u in types], (result[i], 0, i), (size, operand, i)
                )
            if i != axis:
                result[i] = joint
        total = total + t.shape[axis]
    return (*result[:axis], total, *result[axis + 1 :])


def _equal_sizes(a: Any, b: Any) -> Any:
    """One of two sizes that must be equal, the better known one; None if they cannot be."""
    if isinstance(a, int) and isinstance(b, int):
        return None
    if isinstance(a, Dim) and isinstance(b, Dim) and a.name and b.name:
        return None
    return a if isinstance(a, int) else b


def _concatenate_vjp(g: Variable, node: Apply) -> list[Variable]:
    axis = node.op.params["axis"]
    pieces, start = [], 0
    for operand in node.inputs:
        stop: Any = start + operand.shape[axis]
        pieces.append(g[(slice(None),) * axis + (slice(start, stop),)])
        start = stop
    return pieces


_concatenate = Movement(
    "concatenate", arrays=None, shape=_joined,
    value=lambda xp, *xs, axis: xp.concatenate(xs, axis=axis), vjp=_concatenate_vjp,
    batch=along_axes,
)  # fmt: skip


@public(np.concatenate, np.concat if hasattr(np, "concat") else None, topic="shape",
        samples=lambda rng: [
            Sample(([_x(2, 3), _x(1, 3)],)), Sample(([_x(2, 3), _x(2, 2)],), {"axis": -1}),
            Sample(([_x(2, 3), _x(2)],), {"axis": None}), Sample(([_x(0, 2), _x(3, 2)],))],
        )  # fmt: skip
def concatenate(
    arrays: Arrays, axis: int | None = 0, out: None = None, *, dtype: Any = None,
    casting: str = "same_kind",
) -> Variable:  # fmt: skip
    """Arrays joined along an existing axis (None: flattened first), as ``np.concatenate``.

    `arrays` is a list or tuple of Variables or arrays with equal sizes along the other axes.
    dtype: of the result, if `casting` allows to convert each array to it (else DTypeError).

    >>> import graphad as ga
    >>> ga.concatenate([ga.vector("x", shape=(2,)), [0.0]]).type
    float64[3]
    """
    refuse_out("concatenate", out)
    operands = [_cast(v, dtype, casting) for v in _operands(arrays, "concatenate")]
    if axis is None:
        return _concatenate(*[ravel(v) for v in operands], axis=0)
    return _concatenate(*operands, axis=normalize_axis(axis, operands[0].ndim, "concatenate"))


def _cast(variable: Variable, dtype: Any, casting: Any) -> Variable:
    if dtype is None or variable.dtype == check_dtype(dtype):
        return variable
    if not np.can_cast(variable.dtype, check_dtype(dtype), casting):
        raise DTypeError(
            f"joining: {variable.dtype} to {check_dtype(dtype)} with casting={casting!r}",
            remedy='convert the array with x.astype(...), or pass casting="unsafe"',
        )
    return variable.astype(dtype)


def _operands(arrays: Any, name: str) -> list[Variable]:
    if isinstance(arrays, Variable) or not isinstance(arrays, tuple | list) or not arrays:
        raise UseError(
            f"{name} takes a list of arrays, {type(arrays).__name__} was given"
            + (" (empty)" if isinstance(arrays, tuple | list) else ""),
            remedy=f"write ga.{name}([x, y])",
        )
    return [as_variable(array) for array in arrays]


@public(np.stack, topic="shape", samples=lambda rng: [
    Sample(([_x(2, 3), _x(2, 3)],)), Sample(([_x(2), _x(2)],), {"axis": -1})])  # fmt: skip
def stack(
    arrays: Arrays,
    axis: int = 0,
    out: None = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Variable:
    """Arrays of equal shape joined along a new axis, as ``np.stack``; see `concatenate`.

    >>> import graphad as ga
    >>> ga.stack([ga.scalar("x"), ga.scalar("y"), 1.0]).type
    float64[3]
    """
    refuse_out("stack", out)
    operands = [_cast(v, dtype, casting) for v in _operands(arrays, "stack")]
    position = normalize_axis(axis, operands[0].ndim + 1, "stack")
    return _concatenate(*[expand_dims(v, position) for v in operands], axis=position)


# ---- repeating -------------------------------------------------------------------------------
@public(np.tile, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),), {"reps": 2}), Sample((_x(3),), {"reps": (2, 1, 2)})])  # fmt: skip
def tile(A: Any, reps: Any) -> Variable:
    """`A` repeated `reps` times along each axis, as ``np.tile``.

    >>> import graphad as ga
    >>> ga.tile(ga.constant([1, 2]), 2).eval()
    array([1, 2, 1, 2])
    """
    variable = as_variable(A)
    counts = list(reps) if isinstance(reps, tuple | list) else [reps]
    ndim = max(variable.ndim, len(counts))
    counts = [1] * (ndim - len(counts)) + counts
    sizes = [1] * (ndim - variable.ndim) + list(variable.shape)
    apart = reshape(variable, [s for size in sizes for s in (1, size)])
    wide = broadcast_to(
        apart, [s for c, size in zip(counts, sizes, strict=True) for s in (c, size)]
    )
    return reshape(wide, [c * size for c, size in zip(counts, sizes, strict=True)])


@public(np.repeat, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),), {"repeats": 2}), Sample((_x(2, 3),), {"repeats": 3, "axis": 1}),
    Sample((_x(2, 3),), {"repeats": [2, 0, 1], "axis": 1})])  # fmt: skip
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Each element `repeats` times (an int, or one int for each), as ``np.repeat``.

    Numbers may be entries of ``x.shape`` or integer Variables, a scalar or a vector. Raises
    ShapeError for as many numbers as there are no elements, at run time if sizes are not known.

    >>> import graphad as ga
    >>> ga.repeat(ga.constant([1, 2]), 2).eval()
    array([1, 1, 2, 2])
    """
    variable = as_variable(a)
    if axis is None:
        return repeat(ravel(variable), repeats, axis=0)
    along = normalize_axis(axis, variable.ndim, "repeat")
    count = int(repeats) if isinstance(repeats, np.integer) else repeats
    if (isinstance(count, Variable) and count.ndim == 0) or isinstance(count, int | Dim):
        wide = expand_dims(variable, along + 1)
        shape, joined = list(wide.shape), list(variable.shape)
        shape[along + 1] = count
        joined[along] = joined[along] * count
        return reshape(broadcast_to(wide, shape), joined)
    counts = as_variable(repeats)
    if counts.dtype.kind not in "iu" or counts.ndim > 1:
        raise UseError(
            f"repeat: repeats={repeats!r}",
            remedy="give an int, or a list with one int per element",
        )
    if isinstance(counts, Constant) and counts.value.size == 1:
        return repeat(variable, int(counts.value.ravel()[0]), axis=along)
    if counts.type.shape in ((), (1,)):
        return repeat(variable, reshape(counts, ()), axis=along)
    index = _places(counts, variable.shape[along])
    return OPS["take"](variable, index, axis=along)


def _places(counts: Variable, size: Any) -> Any:
    """0 … size - 1, each as often as `counts` says."""
    given = counts.type.shape[0]
    if isinstance(size, int) and isinstance(given, int) and size != given:
        raise ShapeError(
            f"repeat: {given} numbers for {size} elements",
            remedy="give an int, or one int per element",
        )
    if isinstance(counts, Constant) and isinstance(size, int):
        return np.repeat(np.arange(size), counts.value)
    if not isinstance(given, int):  # it may be 1 at run time
        counts = broadcast_to(counts, (size,))
    elif not isinstance(size, int):  # stacked, the two are compared at run time
        counts = stack([OPS["arange"](size), counts])[1]
    ends = OPS["cumsum"](counts)
    total = OPS["sum"](counts)
    return OPS["searchsorted"](ends, OPS["arange"](total), side="right")
