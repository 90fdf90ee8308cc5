"""Shape rules: chains of reshapes, transposes and broadcasts; sizes pushed towards the inputs."""

from __future__ import annotations

from typing import Any

from graphad.ir.families.indexing import ScatterAdd
from graphad.ir.families.reduction import Reduction
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.pattern import CONSTANT, Rule


def _is_noop(node: Apply, context: Any) -> Variable | None:
    """The op gives back its operand: same type, and it moves nothing."""
    x = node.inputs[0]
    return x if x.type is node.types[0] else None


def _same_axes(node: Apply, context: Any) -> Variable | None:
    axes = node.op.params["axes"]
    return node.inputs[0] if axes == tuple(range(len(axes))) else None


def _inner(node: Apply, name: str) -> Apply | None:
    owner = node.inputs[0].owner
    return owner if owner is not None and owner.op.name == name else None


def _transpose_twice(node: Apply, context: Any) -> Variable | None:
    inner = _inner(node, "transpose")
    if inner is None:
        return None
    first, second = inner.op.params["axes"], node.op.params["axes"]
    return OPS["transpose"](inner.inputs[0], tuple([first[a] for a in second]))


def _through(name: str) -> Any:
    """outer(inner(x)) → outer(x) for two ops of which the second decides alone."""

    def apply(node: Apply, context: Any) -> Variable | None:
        inner = _inner(node, name)
        if inner is None:
            return None
        return node.op.family(inner.inputs[0], *node.inputs[1:], **node.op.params)  # type: ignore[operator]

    return apply


def _undoes(name: str) -> Any:
    """f(g(x)) → x for ops that undo each other on the same axes."""

    def apply(node: Apply, context: Any) -> Variable | None:
        inner = _inner(node, name)
        if inner is None or inner.op.params != node.op.params:
            return None
        return inner.inputs[0]

    return apply


def _reshape_of_view(node: Apply, context: Any) -> Variable | None:
    """reshape(expand_dims(x)) → reshape(x), and of squeeze: the order of elements is the same."""
    inner = node.inputs[0].owner
    if inner is None or inner.op.name not in ("expand_dims", "squeeze"):
        return None
    return node.op.family(inner.inputs[0], *node.inputs[1:], **node.op.params)  # type: ignore[operator]


def _view_of_reshape(node: Apply, context: Any) -> Variable | None:
    """expand_dims(reshape(x)) → reshape(x), and squeeze: to the final shape at once."""
    inner = _inner(node, "reshape")
    if inner is None or len(inner.inputs) != 1 or not node.types[0].is_static:
        return None
    return OPS["reshape"](inner.inputs[0], node.types[0].shape)


def _cast_twice(node: Apply, context: Any) -> Variable | None:
    """astype(astype(x, wider), d) → astype(x, d)."""
    inner = _inner(node, "astype")
    if inner is None:
        return None
    x = inner.inputs[0]
    widening = x.dtype.kind == inner.types[0].dtype.kind == "f" and (
        x.dtype.itemsize <= inner.types[0].dtype.itemsize
    )
    return OPS["astype"](x, node.types[0].dtype) if widening else None


def _size_from_input(node: Apply, context: Any) -> Variable | None:
    """The size of an axis is read from the first input that has it."""
    variable, axis = node.inputs[0], node.op.params["axis"]
    size = variable.type.shape[axis]
    if isinstance(size, int):
        return OPS["dim_size"](variable, axis)
    source = context.size_sources.get(size)
    if source is None or source[0] is variable:
        return None
    return node.op.family(source[0], axis=source[1])  # type: ignore[operator]


def _drop_broadcast(node: Apply, context: Any) -> Variable | None:
    """f(broadcast(x), y) → f(x, y) for elementwise f: it broadcasts by itself."""
    if not node.op.family.is_elementwise:
        return None
    operands = list(node.inputs)
    for i, variable in enumerate(operands):
        owner = variable.owner
        if owner is None or owner.op.name != "broadcast_to":
            continue
        narrow = [*operands[:i], owner.inputs[0], *operands[i + 1 :]]
        if node.op.infer(tuple([v.type for v in narrow])) == node.types:
            operands = narrow
    if all([a is b for a, b in zip(operands, node.inputs, strict=True)]):
        return None
    return node.op.family(*operands, **node.op.params)  # type: ignore[operator]


def _lift_broadcast(node: Apply, context: Any) -> Variable | None:
    """f(broadcast(x), 3) → broadcast(f(x, 3)): numbers are computed once, not in each element."""
    if not node.op.family.is_elementwise:
        return None
    outer: Apply | None = None
    narrow = []
    for variable in node.inputs:
        owner = variable.owner
        if owner is not None and owner.op.name == "broadcast_to":
            outer = owner if owner.types == node.types else outer
            variable = owner.inputs[0]
        narrow.append(variable)
    if outer is None or any([v.type.size != 1 for v in narrow]):
        return None
    small = node.op.family(*narrow, **node.op.params)  # type: ignore[operator]
    lifted = outer.op.family(small, *outer.inputs[1:], **outer.op.params)  # type: ignore[operator]
    return lifted if lifted.type is node.types[0] else None


def _leading_axes(node: Apply, context: Any) -> Variable | None:
    """broadcast_to(x[None], shape) → broadcast_to(x, shape)."""
    inner = _inner(node, "expand_dims")
    if inner is None or inner.op.params["axis"] != tuple(range(len(inner.op.params["axis"]))):
        return None
    return node.op.family(inner.inputs[0], *node.inputs[1:], **node.op.params)  # type: ignore[operator]


def _shrink_constants(node: Apply, context: Any) -> Variable | None:
    """f(x, [3]) → f(x, 3) where the result has the same type: numbers are seen by other rules."""
    elementwise = node.op.family.is_elementwise
    if not elementwise and node.op.name != "broadcast_to":
        return None
    operands = [
        Constant(v.value.reshape(())) if isinstance(v, Constant) and v.ndim and v.type.size == 1
        else v for v in node.inputs
    ]  # fmt: skip
    if all([a is b for a, b in zip(operands, node.inputs, strict=True)]):
        return None
    made: Variable = node.op.family(*operands, **node.op.params)  # type: ignore[operator]
    return made if made.type is node.types[0] else None


def _scatter_number(node: Apply, context: Any) -> Variable | None:
    """scatter_add(broadcast_to(3), i) → scatter_add(3, i): NumPy repeats a number by itself."""
    inner = _inner(node, "broadcast_to")
    if inner is None or inner.inputs[0].ndim:
        return None
    return node.op.family(inner.inputs[0], *node.inputs[1:], **node.op.params)  # type: ignore[operator]


def _merge_scatters(node: Apply, context: Any) -> Variable | None:
    """scatter_add(a, i) + scatter_add(b, i) → scatter_add(a + b, i), in a running sum as well."""
    rest, last = node.inputs
    found = _join_scatters(rest, last)
    owner = rest.owner
    if found is None and owner is not None and owner.op.name == "add":
        for x, scattered in (owner.inputs, owner.inputs[::-1]):
            joined = _join_scatters(scattered, last)
            if joined is not None:
                return OPS["add"](x, joined)
    return found


def _join_scatters(first: Variable, second: Variable) -> Variable | None:
    """scatter_add(a + b, i) for a scatter_add(a, i) and a scatter_add(b, i), else None."""
    a, b = first.owner, second.owner
    if a is None or b is None or a.op != b.op or not isinstance(a.op.family, ScatterAdd):
        return None
    pairs = list(zip(a.inputs, b.inputs, strict=True))
    if pairs[0][0].type is not pairs[0][1].type or any([u is not v for u, v in pairs[1:]]):
        return None
    joined: Variable = a.op.family(OPS["add"](*pairs[0]), *a.inputs[1:], **a.op.params)
    return joined


def _expand_broadcast(node: Apply, context: Any) -> Variable | None:
    """expand_dims(broadcast_to(number, shape)) → broadcast_to(number, shape with ones)."""
    inner = _inner(node, "broadcast_to")
    if inner is None or inner.inputs[0].ndim:
        return None
    shape = node.types[0].shape
    return inner.op.family(*inner.inputs, shape=shape)  # type: ignore[operator]


def _squeeze_reduction(node: Apply, context: Any) -> Variable | None:
    """squeeze(sum(x, axis, keepdims=True), axis) → sum(x, axis), for every reduction."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op.family, Reduction):
        return None
    axes = node.op.params["axis"]
    if not inner.op.params["keepdims"] or inner.op.params["axis"] != axes:
        return None
    return inner.op.family(*inner.inputs, **{**inner.op.params, "keepdims": False})


def _sum_of_nothing(node: Apply, context: Any) -> Variable | None:
    return node.inputs[0] if not node.op.params["axis"] and len(node.inputs) == 1 else None


def _whole(node: Apply, context: Any) -> Variable | None:
    full = all(item == ("slice", None, None, None) for item in node.op.params["index"])
    return node.inputs[0] if full else None


_BROADCAST = frozenset({"broadcast_to"})
# fmt: off
SHAPES = [
    Rule("reshape(x, x.shape) -> x", "reshape", _is_noop),
    Rule("broadcast_to(x, x.shape) -> x", "broadcast_to", _is_noop),
    Rule("sum_to_shape(x, x.shape) -> x", "sum_to_shape", _is_noop),
    Rule("astype(x, x.dtype) -> x", "astype", _is_noop),
    Rule("transpose(x, (0, 1, …)) -> x", "transpose", _same_axes),
    Rule("x[:] -> x", "getitem", _whole),
    Rule("sum(x, axis=()) -> x", "sum", _sum_of_nothing, "rounding"),  # it starts at 0.0
    Rule("max(x, axis=()) -> x", "max", _sum_of_nothing),
    Rule("min(x, axis=()) -> x", "min", _sum_of_nothing),
    Rule("transpose(transpose(x)) -> transpose(x)", "transpose", _transpose_twice),
    Rule("reshape(reshape(x)) -> reshape(x)", "reshape", _through("reshape")),
    Rule("reshape(expand_dims(x)) -> reshape(x)", "reshape", _reshape_of_view),
    Rule("expand_dims(reshape(x)) -> reshape(x)", "expand_dims", _view_of_reshape),
    Rule("squeeze(reshape(x)) -> reshape(x)", "squeeze", _view_of_reshape),
    Rule("broadcast_to(broadcast_to(x)) -> broadcast_to(x)", "broadcast_to",
         _through("broadcast_to")),
    Rule("broadcast_to(x[None], shape) -> broadcast_to(x, shape)", "broadcast_to", _leading_axes),
    Rule("squeeze(expand_dims(x)) -> x", "squeeze", _undoes("expand_dims")),
    Rule("expand_dims(squeeze(x)) -> x", "expand_dims", _undoes("squeeze")),
    Rule("squeeze(sum(x, keepdims=True)) -> sum(x)", "squeeze", _squeeze_reduction),
    Rule("f(x, [3]) -> f(x, 3)", "*", _shrink_constants, "exact", frozenset({CONSTANT})),
    Rule("scatter(broadcast_to(3), i) -> scatter(3, i)", "scatter_add", _scatter_number),
    Rule("unslice(broadcast_to(3), i) -> unslice(3, i)", "unslice", _scatter_number),
    Rule("scatter(a, i) + scatter(b, i) -> scatter(a + b, i)", "add", _merge_scatters, "rounding"),
    Rule("expand_dims(broadcast_to(3)) -> broadcast_to(3)", "expand_dims", _expand_broadcast),
    Rule("flip(flip(x)) -> x", "flip", _undoes("flip")),
    Rule("astype(astype(x)) -> astype(x)", "astype", _cast_twice),
    Rule("x.shape[i] -> input.shape[j]", "dim_size", _size_from_input),
    Rule("f(broadcast_to(x), y) -> f(x, y)", "*", _drop_broadcast, "exact", _BROADCAST),
    Rule("f(broadcast_to(x), 3) -> broadcast_to(f(x, 3))", "*", _lift_broadcast, "exact",
         _BROADCAST),
]
# fmt: on
