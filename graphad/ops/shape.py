"""Shape: reshape, transpose, axes, broadcasting, joining and repeating. All linear, any order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import (
    clash,
    fill_sizes,
    normalize_axes,
    normalize_axis,
    public,
    size_spec,
)
from graphad.ir.families.movement import Movement, along_axes, with_rows
from graphad.ir.families.stacks import lifted, size_operand
from graphad.ir.op import Sample
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Variable, as_variable

Types = Sequence[TensorType]


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


# ---- reshape ---------------------------------------------------------------------------------
_reshape = Movement(
    "reshape", is_view=True,
    shape=lambda types, shape: shape,
    value=lambda xp, x, *sizes, shape: xp.reshape(x, fill_sizes(shape, sizes)),
    vjp=lambda g, node: [reshape(g, node.inputs[0].shape)], batch=with_rows,
)  # fmt: skip


def _infer_missing(x: Variable, entries: list[Any], name: str) -> list[Any]:
    """The size for -1, exact where sizes allow it."""
    known: Any = math.prod(e for e in entries if isinstance(e, int) and e != -1)
    for entry in entries:
        if isinstance(entry, Dim):
            known = known * entry
        elif isinstance(entry, Variable):
            raise UseError(
                f"{name}: -1 beside a size that is a Variable", remedy="give that size as well"
            )
    total = x.size
    if isinstance(total, int) and isinstance(known, int) and (known == 0 or total % known):
        raise ShapeError(
            f"{name}: an array of shape {shape_text(x.type.shape)} ({total} elements) does "
            f"not divide into {shape_text(entries)}",
            remedy="the other sizes must divide the number of elements",
        )
    return [total // known if isinstance(e, int) and e == -1 else e for e in entries]


def is_fortran(order: Any, name: str) -> bool:
    """Does `order` ask for the first axis to run fastest? UseError for what is no order."""
    if order not in ("C", "F", "A", "K"):
        raise UseError(f"{name}: order={order!r}", remedy='write order="C" or order="F"')
    return bool(order == "F")  # "A" and "K" ask for a layout in memory: a Variable has none


@public(
    np.reshape, topic="shape",
    reference=lambda x, shape, order="C": np.reshape(x, shape, order),
    samples=lambda rng: [
        Sample((_x(2, 6),), {"shape": s}) for s in [(3, 4), (-1,), (2, -1, 3), 12]
    ] + [Sample((np.zeros((0, 3)),), {"shape": (3, 0)}),
         Sample((_x(2, 6),), {"shape": (3, -1), "order": "F"})],
)  # fmt: skip
def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Variable:
    """The elements of `a`, in C order, in another shape; one size may be -1, as ``np.reshape``.

    Sizes are ints, entries of another variable's ``.shape``, or integer scalars. order: "C", or
    "F" for the first axis running fastest; "A" is "C", as Variables have no layout.
    Raises ShapeError when the numbers of elements can be seen to differ.

    >>> import graphad as ga
    >>> ga.reshape(ga.matrix("x", shape=("n", 6)), (-1, 2, 3)).type
    float64[n, 2, 3]
    """
    variable = as_variable(a)
    entries = list(shape) if isinstance(shape, tuple | list | np.ndarray) else [shape]
    entries = [int(e) if isinstance(e, np.integer) else e for e in entries]
    if is_fortran(order, "reshape"):
        return transpose(reshape(transpose(variable), entries[::-1]))
    if sum(isinstance(e, int) and e == -1 for e in entries) > 1:
        raise ShapeError(f"reshape: {shape!r} has -1 twice", remedy="leave at most one size open")
    if any(isinstance(e, int) and e == -1 for e in entries):
        entries = _infer_missing(variable, entries, "reshape")
    spec, sizes = size_spec(tuple(entries), "reshape")
    total: Any = 1
    for size in spec:
        total = total * size
    if (
        isinstance(total, int)
        and isinstance(variable.type.size, int)
        and total != variable.type.size
    ):
        raise ShapeError(
            f"reshape: {shape_text(variable.type.shape)} has {variable.type.size} elements, "
            f"{shape_text(spec)} has {total}",
            remedy="use -1 for one size to have it computed",
        )
    return _reshape(variable, *sizes, shape=spec)


@public(np.ravel, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),)), Sample((np.float64(2),)), Sample((_x(2, 3, 2),), {"order": "F"})
])  # fmt: skip
def ravel(a: Any, order: str = "C") -> Variable:
    """All elements along one axis, as ``np.ravel``; order: as in `reshape`.

    >>> import graphad as ga
    >>> ga.ravel(ga.matrix("x", shape=(2, 3))).type
    float64[6]
    """
    variable = as_variable(a)
    variable = transpose(variable) if is_fortran(order, "ravel") else variable
    return variable if variable.ndim == 1 else reshape(variable, (variable.size,))


# ---- axes ------------------------------------------------------------------------------------
_transpose: Movement = Movement(
    "transpose", is_view=True,
    shape=lambda types, axes: tuple([types[0].shape[a] for a in axes]),
    value=lambda xp, x, axes: xp.transpose(x, axes),
    vjp=lambda g, node: [_transpose(g, axes=_inverse(node.op.params["axes"]))],
    batch=lambda node, operands: _transpose(
        *operands, axes=(0, *[a + 1 for a in node.op.params["axes"]])),
)  # fmt: skip


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple([axes.index(i) for i in range(len(axes))])


@public(
    np.transpose, np.permute_dims if hasattr(np, "permute_dims") else None, topic="shape",
    samples=lambda rng: [Sample((_x(2, 3, 4),)), Sample((_x(2, 3, 4),), {"axes": (1, -1, 0)})],
)  # fmt: skip
def transpose(a: Any, axes: Any = None) -> Variable:
    """Axes in the order `axes` (None: reversed), as ``np.transpose``.

    >>> import graphad as ga
    >>> ga.transpose(ga.tensor("x", shape=("n", 3, 4)), (2, 0, 1)).type
    float64[4, n, 3]
    """
    variable = as_variable(a)
    if axes is None:
        order = tuple(range(variable.ndim))[::-1]
    else:
        order = tuple([normalize_axis(a, variable.ndim, "transpose") for a in axes])
    if sorted(order) != list(range(variable.ndim)):
        raise AxisError(
            f"transpose: axes={axes!r} for an array with {variable.ndim} axes",
            remedy="name each axis exactly once",
        )
    return _transpose(variable, axes=order)


@public(np.swapaxes, topic="shape",
        samples=lambda rng: [Sample((_x(2, 3, 4),), {"axis1": 0, "axis2": -1})])  # fmt: skip
def swapaxes(a: Any, axis1: int, axis2: int) -> Variable:
    """Two axes exchanged, as ``np.swapaxes``.

    >>> import graphad as ga
    >>> ga.swapaxes(ga.tensor("x", shape=(2, 3, 4)), 0, 2).type
    float64[4, 3, 2]
    """
    variable = as_variable(a)
    order = list(range(variable.ndim))
    first = normalize_axis(axis1, variable.ndim, "swapaxes")
    second = normalize_axis(axis2, variable.ndim, "swapaxes")
    order[first], order[second] = order[second], order[first]
    return _transpose(variable, axes=tuple(order))


@public(np.moveaxis, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3, 4),), {"source": 0, "destination": -1}),
    Sample((_x(2, 3, 4),), {"source": (0, 1), "destination": (2, 0)})])  # fmt: skip
def moveaxis(a: Any, source: Any, destination: Any) -> Variable:
    """Axes moved to other positions, the rest in their order, as ``np.moveaxis``.

    >>> import graphad as ga
    >>> ga.moveaxis(ga.tensor("x", shape=(2, 3, 4)), 0, -1).type
    float64[3, 4, 2]
    """
    variable = as_variable(a)
    old: list[Any] = [source] if isinstance(source, int | np.integer) else list(source)
    new: list[Any] = (
        [destination] if isinstance(destination, int | np.integer) else list(destination)
    )
    if len(old) != len(new):
        raise AxisError(
            f"moveaxis: {len(old)} sources and {len(new)} destinations",
            remedy="give one destination for each source",
        )
    old = [normalize_axis(a, variable.ndim, "moveaxis") for a in old]
    new = [normalize_axis(a, variable.ndim, "moveaxis") for a in new]
    order = [a for a in range(variable.ndim) if a not in old]
    for target, axis in sorted(zip(new, old, strict=True)):
        order.insert(target, axis)
    return transpose(variable, tuple(order))


_expand = Movement(
    "expand_dims", is_view=True,
    shape=lambda types, axis: _expanded(types[0].shape, axis),
    value=lambda xp, x, axis: xp.expand_dims(x, axis),
    vjp=lambda g, node: [squeeze(g, node.op.params["axis"])], batch=along_axes,
)  # fmt: skip


def _expanded(shape: Shape, axes: Sequence[int]) -> Shape:
    rest = iter(shape)
    return tuple([1 if i in axes else next(rest) for i in range(len(shape) + len(axes))])


@public(np.expand_dims, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),), {"axis": 0}), Sample((_x(2, 3),), {"axis": (0, -1)})])  # fmt: skip
def expand_dims(a: Any, axis: Any) -> Variable:
    """New axes of size 1 at the positions `axis` of the result, as ``np.expand_dims``.

    >>> import graphad as ga
    >>> ga.expand_dims(ga.vector("x", shape=(3,)), (0, 2)).type
    float64[1, 3, 1]
    """
    variable = as_variable(a)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    axes = normalize_axes(axis, variable.ndim + count, "expand_dims")
    return _expand(variable, axis=axes) if axes else variable


_squeeze = Movement(
    "squeeze", is_view=True,
    shape=lambda types, axis: tuple(
        [size for i, size in enumerate(types[0].shape) if i not in axis]),
    value=lambda xp, x, axis: xp.squeeze(x, axis=axis),
    vjp=lambda g, node: [reshape(g, node.inputs[0].shape)], batch=along_axes,
)  # fmt: skip


@public(np.squeeze, topic="shape", samples=lambda rng: [
    Sample((_x(1, 3, 1),)), Sample((_x(1, 3, 1),), {"axis": 0})])  # fmt: skip
def squeeze(a: Any, axis: Any = None) -> Variable:
    """Without the axes `axis`, which must have size 1 (None: all that are known to), as NumPy.

    >>> import graphad as ga
    >>> ga.squeeze(ga.tensor("x", shape=(1, "n", 1))).type
    float64[n]
    """
    variable = as_variable(a)
    shape = variable.type.shape
    if axis is None:
        axes = tuple([i for i, size in enumerate(shape) if size == 1])
    else:
        axes = normalize_axes(axis, variable.ndim, "squeeze")
    wrong = [i for i in axes if isinstance(shape[i], int) and shape[i] != 1]
    if wrong:
        raise ShapeError(
            f"squeeze: axis {wrong[0]} of {variable.type} has size {shape[wrong[0]]}, not 1",
            remedy="squeeze only axes of size 1, or sum over the axis",
        )
    return _squeeze(variable, axis=axes) if axes else variable


_flip: Movement = Movement(
    "flip", is_view=True,
    shape=lambda types, axis: types[0].shape,
    value=lambda xp, x, axis: xp.flip(x, axis=axis),
    vjp=lambda g, node: [_flip(g, axis=node.op.params["axis"])], batch=along_axes,
)  # fmt: skip


@public(np.flip, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),)), Sample((_x(2, 3),), {"axis": 1})])  # fmt: skip
def flip(m: Any, axis: Any = None) -> Variable:
    """Elements in reverse order along `axis` (None: along all), as ``np.flip``.

    >>> import graphad as ga
    >>> ga.flip(ga.constant([1, 2, 3])).eval()
    array([3, 2, 1])
    """
    variable = as_variable(m)
    return _flip(variable, axis=normalize_axes(axis, variable.ndim, "flip"))


# ---- broadcasting and its transpose ----------------------------------------------------------
_broadcast = Movement(
    "broadcast_to", is_view=True,
    shape=lambda types, shape: checked_broadcast(types[0].shape, shape),
    value=lambda xp, x, *sizes, shape: xp.broadcast_to(x, fill_sizes(shape, sizes)),
    vjp=lambda g, node: [g],  # the family sums what was broadcast
    batch=lambda node, operands: with_rows(
        node, operands, lifted(operands[0], len(node.op.params["shape"]))),
)  # fmt: skip


def checked_broadcast(given: Shape, wanted: Shape) -> Shape:
    """`wanted`; ShapeError if it can be seen that `given` does not broadcast to it."""
    lead = len(wanted) - len(given)
    if lead < 0:
        raise ShapeError(
            f"broadcast_to: {shape_text(given)} has more axes than {shape_text(wanted)}",
            remedy="sum over, or squeeze, the axes that are too many",
        )
    for axis, (a, b) in enumerate(zip(given, wanted[lead:], strict=True)):
        joint = joint_size(a, b)
        open_size = isinstance(a, Dim) and a.name is None  # may turn out to be 1
        if joint is None or (isinstance(b, int) and joint != b and not open_size):
            raise clash("broadcast_to", [given, wanted], (a, 0, axis), (b, 0, axis))
    return wanted


@public(np.broadcast_to, topic="shape", samples=lambda rng: [
    Sample((_x(3),), {"shape": (2, 3)}), Sample((_x(2, 1),), {"shape": (4, 2, 3)}),
    Sample((np.float64(2),), {"shape": (0, 2)})])  # fmt: skip
def broadcast_to(array: Any, shape: Any) -> Variable:
    """`array` repeated along axes of size 1 and new leading axes, as ``np.broadcast_to``.

    >>> import graphad as ga
    >>> ga.broadcast_to(ga.vector("x", shape=(3,)), (2, 3)).type
    float64[2, 3]
    """
    variable = as_variable(array)
    spec, sizes = size_spec(shape, "broadcast_to")
    return _broadcast(variable, *sizes, shape=spec)


def _sum_to_value(xp: Any, x: Any, *sizes: Any, shape: Shape) -> Any:
    wanted = fill_sizes(shape, sizes)
    lead = x.ndim - len(wanted)
    pairs = zip(x.shape[lead:], wanted, strict=True)
    axes = (*range(lead), *[lead + i for i, (a, b) in enumerate(pairs) if a != b])
    if not axes:
        return x
    return xp.reshape(xp.sum(x, axis=axes, dtype=x.dtype, keepdims=True), wanted)


_sum_to = Movement(
    "sum_to_shape", is_view=True,
    shape=lambda types, shape: shape,
    value=_sum_to_value,
    vjp=lambda g, node: [broadcast_to(g, node.inputs[0].shape)],
    batch=lambda node, operands: _sum_rows(node, operands),
)  # fmt: skip


def _sum_rows(node: Apply, operands: Sequence[Variable]) -> Variable:
    """Axes that the row has more than the result are kept apart from the axis of the rows."""
    shape = node.op.params["shape"]
    lead = node.inputs[0].ndim - len(shape)
    size, extra = size_operand(operands[0].shape[0])
    x, *sizes = operands
    summed: Variable = _sum_to(x, *extra, *sizes, shape=(size, *[1] * lead, *shape))
    return squeeze(summed, tuple(range(1, lead + 1))) if lead else summed


@public(
    topic="shape", reference=lambda x, shape: x.sum(axis=0, dtype=x.dtype).reshape(shape),
    samples=lambda rng: [Sample((_x(3, 2),), {"shape": s}) for s in [(1, 2), (2,)]],
)  # fmt: skip
def sum_to_shape(x: Any, shape: Any) -> Variable:
    """`x` summed over the axes that broadcasting from `shape` to its shape would add or stretch.

    The transpose of `broadcast_to`, also where it is known only at run time what was stretched.

    >>> import graphad as ga
    >>> ga.sum_to_shape(ga.constant([[1.0, 2.0], [3.0, 4.0]]), (1, 2)).eval()
    array([[4., 6.]])
    """
    spec, sizes = size_spec(shape, "sum_to_shape")
    return _sum_to(as_variable(x), *sizes, shape=spec)
