"""Indexing pushed towards the inputs, slices of slices, parts of concatenations.

An index is pushed through an op only if nothing else reads the op's result: then whole arrays need
not be computed. Only indices that are known while compiling are looked at: integers and slices
(see `ir.families.indexing` for how they are stored).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.ir.families.indexing import Item
from graphad.ir.families.reduction import Reduction
from graphad.ir.op import OPS
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.pattern import Rule

ALL: Item = ("slice", None, None, None)


def _items(node: Apply) -> tuple[Item, ...] | None:
    """The items of a basic index that is known; None for any other."""
    index: tuple[Item, ...] = node.op.params["index"]
    known = all(i[0] in ("int", "slice") and "?" not in i for i in index)
    return index if known and len(node.inputs) == 1 else None


def _at(x: Variable, items: Sequence[Item]) -> Variable:
    """``x[items]``."""
    if all(item == ALL for item in items):
        return x
    made: Variable = x[tuple([item[1] if item[0] == "int" else _slice(item) for item in items])]
    return made


def _slice(item: Item) -> slice:
    """Starts of 0 are left out, so that equal slices are equal."""
    _, start, stop, step = item
    return slice(None if start == 0 and (step or 1) > 0 else start, stop, step)


# ---- through ops -------------------------------------------------------------------------------
def _of_elementwise(node: Apply, context: Any) -> Variable | None:
    """f(x, y)[i] → f(x[i], y[i]) for elementwise f, whose result nothing else reads."""
    items, inner = _items(node), node.inputs[0].owner
    if items is None or inner is None or not inner.op.family.is_elementwise:
        return None
    if (
        len(inner.types) != 1
        or inner.op.family.is_view
        or not context.is_used_once(node.inputs[0])
    ):
        return None
    operands = []
    for v in inner.inputs:
        own = _for_operand(items, v.type.shape, inner.types[0].shape)
        if own is None:
            return None
        operands.append(_at(v, own))
    made: Variable = inner.op.family(*operands, **inner.op.params)  # type: ignore[operator]
    return made


def _for_operand(items: Sequence[Item], own: Shape, shape: Shape) -> list[Item] | None:
    """The items that belong to an operand, which broadcasts to `shape`; None if that is open."""
    lead = len(shape) - len(own)
    found: list[Item] = []
    for item, size, whole in zip(items[lead:], own, shape[lead:], strict=True):
        if size == whole:
            found.append(item)
        elif size == 1:
            found.append(("int", 0) if item[0] == "int" else ALL)
        else:
            return None
    return found


def _of_reduction(node: Apply, context: Any) -> Variable | None:
    """sum(x, a)[i] → sum(x[i], a): rows and columns that are not asked for are not summed."""
    items, inner = _items(node), node.inputs[0].owner
    if items is None or inner is None or not isinstance(inner.op.family, Reduction):
        return None
    axes, x = inner.op.params["axis"], inner.inputs[0]
    if len(inner.inputs) != 1 or inner.op.params["keepdims"]:
        return None
    if not context.is_used_once(node.inputs[0]):
        return None
    rest = iter(items)
    own = [ALL if a in axes else next(rest) for a in range(x.ndim)]
    gone = [a for a in range(x.ndim) if own[a][0] == "int"]
    left = tuple([a - sum(g < a for g in gone) for a in axes])
    made: Variable = inner.op.family(_at(x, own), **{**inner.op.params, "axis": left})
    return made


def _of_product(node: Apply, context: Any) -> Variable | None:
    """(a @ b)[i, j] → a[i] @ b[:, j] for matrices."""
    items, inner = _items(node), node.inputs[0].owner
    if (
        items is None
        or inner is None
        or inner.op.name != "matmul"
        or any(inner.op.params.values())
    ):
        return None
    a, b = inner.inputs
    if a.ndim != 2 or b.ndim != 2 or not context.is_used_once(node.inputs[0]):
        return None
    made: Variable = OPS["matmul"](_at(a, [items[0], ALL]), _at(b, [ALL, items[1]]))
    return made


def _of_transpose(node: Apply, context: Any) -> Variable | None:
    """transpose(x)[i, j] → transpose(x[j, i]): so that the index moves on."""
    items, inner = _items(node), node.inputs[0].owner
    if items is None or inner is None or inner.op.name != "transpose":
        return None
    axes = inner.op.params["axes"]
    own: list[Item] = [ALL] * len(axes)
    for item, axis in zip(items, axes, strict=True):
        own[axis] = item
    kept = [axis for item, axis in zip(items, axes, strict=True) if item[0] == "slice"]
    order = tuple([sorted(kept).index(axis) for axis in kept])
    part = _at(inner.inputs[0], own)
    return part if order == tuple(range(len(order))) else OPS["transpose"](part, order)


# ---- slices of slices --------------------------------------------------------------------------
def _of_slice(node: Apply, context: Any) -> Variable | None:
    """x[a:b][c:d] → x[a+c : min(b, a+d)], for bounds that count from the start."""
    inner = node.inputs[0].owner
    if inner is None or inner.op.name != "getitem":
        return None
    outer, first = _items(node), _items(inner)
    if outer is None or first is None:
        return None
    rest = iter(outer)
    joined = [item if item[0] == "int" else _joined(item, next(rest)) for item in first]
    if None in joined:
        return None
    return _at(inner.inputs[0], joined)  # type: ignore[arg-type]


def _joined(first: Item, second: Item) -> Item | None:
    if first == ALL:
        return second
    if second == ALL:
        return first
    start, stop = first[1] or 0, first[2]
    if first[3] not in (None, 1) or start < 0 or (stop is not None and stop < 0):
        return None
    if second[0] == "int":
        place = second[1]
        return ("int", start + place) if place >= 0 and stop is None else None
    begin, end = second[1] or 0, second[2]
    if second[3] not in (None, 1) or begin < 0 or (end is not None and end < 0):
        return None
    ends = [e for e in (stop, None if end is None else start + end) if e is not None]
    return "slice", start + begin, min(ends) if ends else None, None


# ---- concatenations ----------------------------------------------------------------------------
def _part_of_joined(node: Apply, context: Any) -> Variable | None:
    """concatenate([x, y])[a:b] → x[a:b] or y[a-n : b-n], where that is in one of them.

    Not where the other axes might differ: concatenate is what raises then.
    """
    items, inner = _items(node), node.inputs[0].owner
    if items is None or inner is None or inner.op.name != "concatenate":
        return None
    axis = inner.op.params["axis"]
    sizes = [v.type.shape[axis] for v in inner.inputs]
    others = {(*v.type.shape[:axis], *v.type.shape[axis + 1 :]) for v in inner.inputs}
    item = items[axis]
    if item == ALL or not all(isinstance(s, int) for s in sizes) or len(others) > 1:
        return None
    total = sum(sizes)
    if item[0] == "int":
        places = range(total)[item[1] :][:1]
    else:
        places = range(total)[slice(*item[1:])]
    if not len(places) or places.step < 0:
        return None
    start = 0
    for operand, size in zip(inner.inputs, sizes, strict=True):
        if start <= places[0] and places[-1] < start + size:
            low, high = places[0] - start, places[-1] - start + 1
            own: Item = ("int", low) if item[0] == "int" else (
                "slice", low, high, None if places.step == 1 else places.step)  # fmt: skip
            if own[0] == "slice" and (low, high, own[3]) == (0, size, None):
                own = ALL
            return _at(operand, [own if a == axis else i for a, i in enumerate(items)])
        start += size
    return None


def _joined_parts(node: Apply, context: Any) -> Variable | None:
    """concatenate([x[:k], x[k:]]) → x; parts of parts are joined in the same way."""
    axis = node.op.params["axis"]
    operands = list(node.inputs)
    parts = [_part(v, axis) for v in operands]
    made: list[Variable] = []
    last: tuple[Variable, Any, Any] | None = None
    for operand, part in zip(operands, parts, strict=True):
        if part and last and part[0] is last[0] and part[1] is not None and part[1] == last[2]:
            last = (part[0], last[1], part[2])
            made[-1] = _at(part[0], [("slice", last[1], last[2], None) if a == axis else ALL
                                     for a in range(operand.ndim)])  # fmt: skip
            if last[1] in (None, 0) and (last[2] is None or last[2] == part[0].type.shape[axis]):
                made[-1] = part[0]
        else:
            made.append(operand)
            last = part
    if len(made) == len(operands):
        return None
    return made[0] if len(made) == 1 else OPS["concatenate"](made, axis=axis)


def _part(variable: Variable, axis: int) -> tuple[Variable, Any, Any] | None:
    """(x, a, b) of x[a:b] along one axis, for bounds that count from the start and are inside."""
    owner = variable.owner
    if owner is None or owner.op.name != "getitem":
        return None
    items = _items(owner)
    if items is None or any(item != ALL for a, item in enumerate(items) if a != axis):
        return None
    kind, start, stop, step = items[axis] if len(items[axis]) == 4 else ("int", -1, -1, None)
    size = owner.inputs[0].type.shape[axis]
    low, high = start or 0, stop
    if kind != "slice" or step not in (None, 1) or low < 0 or not isinstance(size, int):
        return None
    if low > size or (high is not None and not low <= high <= size):
        return None
    return owner.inputs[0], low, high


def _flattened(node: Apply, context: Any) -> Variable | None:
    """concatenate([concatenate([x, y]), z]) → concatenate([x, y, z]) along one axis."""
    operands: list[Variable] = []
    for v in node.inputs:
        inner = v.owner
        same = inner is not None and inner.op == node.op and v.dtype == node.types[0].dtype
        operands += inner.inputs if inner is not None and same and context.is_used_once(v) else [v]
    if len(operands) == 1:
        return operands[0]
    if len(operands) == len(node.inputs):
        return None
    return OPS["concatenate"](operands, axis=node.op.params["axis"])


# fmt: off
SLICES = [
    Rule("x[a:b][c:d] -> x[a+c:b+d]", "getitem", _of_slice),
    Rule("concatenate([x, y])[a:b] -> x[a:b]", "getitem", _part_of_joined, "exact",
         frozenset({"concatenate"})),
    Rule("concatenate([x[:k], x[k:]]) -> x", "concatenate", _joined_parts, "exact",
         frozenset({"getitem"})),
    Rule("concatenate([concatenate([x, y]), z]) -> concatenate([x, y, z])", "concatenate",
         _flattened),
    Rule("f(x, y)[i] -> f(x[i], y[i])", "getitem", _of_elementwise),
    Rule("sum(x, a)[i] -> sum(x[i], a)", "getitem", _of_reduction, "rounding"),
    Rule("(a @ b)[i, j] -> a[i] @ b[:, j]", "getitem", _of_product, "rounding",
         frozenset({"matmul"})),
    Rule("transpose(x)[i, j] -> transpose(x[j, i])", "getitem", _of_transpose, "exact",
         frozenset({"transpose"})),
]
# fmt: on
