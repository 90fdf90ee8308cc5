"""Formulas that take the largest number away first, as it is done by hand against overflow:

    m = max(x);  log(Σ exp(x - m)) + m                    → logsumexp(x)
    m = max(x);  exp(x - m) / Σ exp(x - m)                → softmax(x)
    m = max(x);  (x - m) - log(Σ exp(x - m))              → log_softmax(x)

The functions do that inside, and their derivatives have no part that runs through the maximum,
which cancels. True for all real numbers; where a maximum is infinite the formulas are NaN and the
functions may have a value.
"""

from __future__ import annotations

from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.pattern import Rule, alike

_KEPT = frozenset({"expand_dims", "squeeze", "reshape", "stop_gradient", "broadcast_to"})
DEPTH = 4  # how many such ops stand between a maximum and its use


def _maximum(variable: Variable) -> Apply | None:
    """The maximum that a variable is, but for axes of size 1."""
    for _ in range(DEPTH):
        node = variable.owner
        if node is None:
            return None
        if node.op.name == "max":
            return node if len(node.inputs) == 1 else None
        if node.op.name not in _KEPT and not _is_unit_index(node):
            return None
        inner = node.inputs[0]
        if [s for s in inner.type.shape if s != 1] != [s for s in variable.type.shape if s != 1]:
            return None
        variable = inner
    return None


def _is_unit_index(node: Apply) -> bool:
    """Is it ``m[:, 0]`` or ``m[:, None]``, which leaves all that is in an axis of size 1?"""
    return node.op.name == "getitem" and all([
        item[0] == "new" or item in (("int", 0), ("slice", None, None, None))
        for item in node.op.params["index"]
    ])  # fmt: skip


def without_maximum(z: Variable, axes: tuple[int, ...]) -> Variable | None:
    """x, if z is x - max(x) with the maximum over these axes."""
    node = z.owner
    if node is None or node.op.name != "subtract" or not axes:
        return None
    x, m = node.inputs
    found = _maximum(m)
    if found is None or z.type is not x.type or not alike(found.inputs[0], x):
        return None
    if set(found.op.params["axis"]) != set(axes):
        return None
    kept = tuple([1 if a in axes else size for a, size in enumerate(x.type.shape)])
    shape = m.type.shape
    lead = len(kept) - len(shape)
    return x if shape == kept[lead:] and all(size == 1 for size in kept[:lead]) else None


def _log_sum(variable: Variable) -> tuple[Variable, Apply] | None:
    """(x, the node with axes) of log Σ exp(x), in either form."""
    node = variable.owner
    if node is None:
        return None
    if node.op.name == "logsumexp":
        return (node.inputs[0], node) if len(node.inputs) == 1 else None
    total = node.inputs[0].owner if node.op.name == "log" else None
    if total is None or total.op.name != "sum" or len(total.inputs) > 1:
        return None
    terms = total.inputs[0].owner
    return (terms.inputs[0], total) if terms is not None and terms.op.name == "exp" else None


def _added_again(node: Apply, context: object) -> Variable | None:
    """log Σ exp(x - m) + m → logsumexp(x)."""
    for logarithm, m in (node.inputs, node.inputs[::-1]):
        found = _log_sum(logarithm)
        top = _maximum(m) if found is not None and m.type is logarithm.type else None
        if found is None or top is None:
            continue
        (z, total) = found
        axes = tuple(total.op.params["axis"])
        x = without_maximum(z, axes)
        if x is None or not alike(top.inputs[0], x) or {*top.op.params["axis"]} != {*axes}:
            continue
        made: Variable = OPS["logsumexp"](x, **total.op.params)
        return made
    return None


def _log_shares(node: Apply, context: object) -> Variable | None:
    """(x - m) - log Σ exp(x - m) → log_softmax(x), along one axis."""
    z, logarithm = node.inputs
    found = _log_sum(logarithm)
    if found is None or not alike(found[0], z) or not found[1].op.params["keepdims"]:
        return None
    axes = tuple(found[1].op.params["axis"])
    x = without_maximum(z, axes) if len(axes) == 1 else None
    if x is None:
        return None
    made: Variable = OPS["log_softmax"](x, axis=axes[0])
    return made


def _rows(arrow: str, root: str, apply: object) -> list[Rule]:
    """One for each form that the logarithm has."""
    return [
        Rule(arrow.replace("L", form), root, apply, "stabilising", frozenset({form.split("(")[0]}))  # type: ignore[arg-type]
        for form in ("logsumexp(z)", "log(sum(exp(z)))")
    ]


_ADDED = _rows("z = x - m, m = max(x): L + m -> logsumexp(x)", "add", _added_again)
_SHARES = _rows("z = x - m, m = max(x): z - L -> log_softmax(x)", "subtract", _log_shares)
SHIFTED = [_ADDED[0], _SHARES[0]]
SHIFTED_AT_ONCE = [_ADDED[1], _SHARES[1]]
