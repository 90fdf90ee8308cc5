"""`embed`: an array placed at an offset in an array of zeros, cropped where it does not fit.

Padding with zeros, cropping, and both at once; its transpose is `embed` with the opposite offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.ir.families.common import fill_sizes, size_spec
from graphad.ir.families.movement import Movement, with_rows
from graphad.ir.op import OPS
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Variable, as_variable

Offset = int | str | None  # None: the axis stays as it is; "?": read from an operand


def _value(xp: Any, x: Any, *sizes: Any, shape: Shape, offsets: Sequence[Offset]) -> Any:
    split = sum([not isinstance(size, int) for size in shape])
    full, later = fill_sizes(shape, sizes[:split]), iter(sizes[split:])
    target: list[slice] = []
    source: list[slice] = []
    for size, given, entry in zip(full, x.shape, offsets, strict=True):
        if entry is None:
            target.append(slice(None))
            source.append(slice(None))
            continue
        offset: Any = next(later).item() if entry == "?" else entry
        start = max(offset, 0)
        stop = max(min(offset + given, size), start)
        target.append(slice(start, stop))
        source.append(slice(start - offset, stop - offset))
    total = xp.zeros(full, x.dtype)
    total[tuple(target)] = x[tuple(source)]
    return total


def _vjp(g: Variable, node: Apply) -> list[Variable]:
    """y[i + offset] = x[i];  x̄[i] = ȳ[i + offset]."""
    x, offsets = node.inputs[0], node.op.params["offsets"]
    later = iter(node.inputs[len(node.inputs) - offsets.count("?") :])
    back = [-next(later) if o == "?" else o if o is None else -o for o in offsets]
    return [embed(g, back, x.shape)]


_embed = Movement(
    "embed", shape=lambda types, shape, offsets: shape, value=_value, vjp=_vjp,
    batch=lambda node, operands: with_rows(
        node, operands, offsets=(None, *node.op.params["offsets"])))  # fmt: skip


def embed(x: Any, offsets: Sequence[Any], shape: Sequence[Any]) -> Variable:
    """Zeros of `shape` with ``x[i]`` at ``i + offset`` along each axis, where that exists.

    Offsets may be negative; offsets and sizes are ints, entries of a ``.shape``, or integer
    scalars. An offset of None leaves its axis as it is.

    >>> import graphad as ga
    >>> from graphad.ops.signal.placing import embed
    >>> x = ga.constant([1, 2, 3])
    >>> embed(x, [1], [5]).eval(), embed(x, [-1], [5]).eval(), embed(x, [-1], [1]).eval()
    (array([0, 1, 2, 3, 0]), array([2, 3, 0, 0, 0]), array([2]))
    """
    variable = as_variable(x)
    given = variable.type.shape
    offsets = [None if o is None or (isinstance(o, int) and o == 0 and a == b) else o
               for o, a, b in zip(offsets, given, shape, strict=True)]  # fmt: skip
    if all([o is None for o in offsets]):
        return variable
    shape = [a if o is None else b for o, a, b in zip(offsets, variable.shape, shape, strict=True)]
    crop = [_crop(o, a, b) for o, a, b in zip(offsets, given, shape, strict=True)]
    if all([part is not None for part in crop]):
        cropped: Variable = OPS["getitem"](variable, tuple(crop))
        return cropped
    spec, sizes = size_spec(tuple(shape), "embed")
    later: list[Variable] = []
    entries: list[Offset] = []
    for offset in offsets:
        if offset is None or isinstance(offset, int):
            entries.append(offset)
        else:
            entries.append("?")
            later.append(as_variable(offset))
    return _embed(variable, *sizes, *later, shape=spec, offsets=tuple(entries))


def _crop(offset: Any, given: Any, size: Any) -> slice | None:
    """The slice that takes one axis, if nothing is padded."""
    if offset is None:
        return slice(None)
    if not all([isinstance(part, int) for part in (offset, given, size)]):
        return None
    inside = offset <= 0 and size - offset <= given
    return slice(-offset, size - offset) if inside else None


def resize(x: Any, axis: int, size: Any) -> Variable:
    """`x` cropped or padded with zeros at the end of `axis`.

    >>> import graphad as ga
    >>> from graphad.ops.signal.placing import resize
    >>> resize(ga.constant([1, 2, 3]), 0, 4).eval()
    array([1, 2, 3, 0])
    """
    variable = as_variable(x)
    offsets = [0 if i == axis else None for i in range(variable.ndim)]
    shape = [size if i == axis else s for i, s in enumerate(variable.shape)]
    return embed(variable, offsets, shape)
