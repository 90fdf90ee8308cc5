"""Reductions: of reductions, of scaled and of moved operands; and the sum of one-hot rows.

Marks: sums and products taken in another order differ in the last bits; maxima do not. Factors
leave a sum only if they are plain numbers: Σ xᵢ·r is NaN for xᵢ = 0 and r = inf, r·Σ xᵢ is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.ir.families.reduction import Reduction
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.algebra import plain_number
from graphad.rewrite.pattern import Rule


def _plain_reduction(node: Apply | None, name: str) -> bool:
    """Is it this reduction, without where= and initial=?"""
    return node is not None and node.op.name == name and len(node.inputs) == 1 and (
        isinstance(node.op.family, Reduction))  # fmt: skip


def _again(node: Apply, x: Variable, **changed: Any) -> Variable:
    """The same reduction of another operand."""
    found: Variable = node.op.family(x, **{**node.op.params, **changed})  # type: ignore[operator]
    return found


def _of_itself(node: Apply, context: Any) -> Variable | None:
    """sum(sum(x, a), b) → sum(x, a ∪ b), the axes b counted among those that a leaves."""
    inner = node.inputs[0].owner
    if len(node.inputs) != 1 or not _plain_reduction(inner, node.op.name):
        return None
    assert inner is not None
    keep, kept = node.op.params["keepdims"], inner.op.params["keepdims"]
    first, x = inner.op.params["axis"], inner.inputs[0]
    if keep and not kept:
        return None
    left = range(x.ndim) if kept else [a for a in range(x.ndim) if a not in first]
    second = [left[a] for a in node.op.params["axis"]]
    if kept and not keep and not set(first) <= set(second):
        return None  # axes of size 1 stay
    return _again(node, x, axis=tuple(sorted({*first, *second})))


def _factor(variable: Variable) -> tuple[Variable, Variable, str] | None:
    """(x, c, op) of x · c and x / c for a plain number c."""
    owner = variable.owner
    if owner is None or owner.op.params or variable.dtype.kind != "f":
        return None
    if owner.op.name == "multiply":
        for x, c in (owner.inputs, owner.inputs[::-1]):
            if plain_number(c) and x.type is variable.type:
                return x, c, "multiply"
    elif owner.op.name == "divide":
        x, c = owner.inputs
        if plain_number(c) and x.type is variable.type:
            return x, c, "divide"
    return None


def _of_scaled(node: Apply, context: Any) -> Variable | None:
    """sum(x · c) → sum(x) · c; max and min likewise for c > 0."""
    found = _factor(node.inputs[0]) if len(node.inputs) == 1 else None
    if found is None:
        return None
    x, c, op = found
    if node.op.name != "sum" and not c.value > 0:  # type: ignore[attr-defined]
        return None
    made: Variable = OPS[op](_again(node, x), c)
    return made


def _of_negated(node: Apply, context: Any) -> Variable | None:
    """sum(-x) → -sum(x); max(-x) → -min(x), min(-x) → -max(x)."""
    owner = node.inputs[0].owner
    if owner is None or owner.op.name != "negative" or len(node.inputs) != 1:
        return None
    x = owner.inputs[0]
    if x.dtype.kind != "f":
        return None
    other = {"sum": "sum", "max": "min", "min": "max"}[node.op.name]
    axes, keep = node.op.params["axis"], node.op.params["keepdims"]
    made: Variable = -OPS[other](x, axis=axes, keepdims=keep)
    return made


def _of_moved(node: Apply, context: Any) -> Variable | None:
    """sum(transpose(x), a) → sum(x, a as they were), where what is left keeps its order."""
    owner = node.inputs[0].owner
    if owner is None or owner.op.name != "transpose" or len(node.inputs) != 1:
        return None
    axes, reduced = owner.op.params["axes"], node.op.params["axis"]
    left = [axes[a] for a in range(len(axes)) if a not in reduced]
    if node.op.params["keepdims"] or left != sorted(left):
        return None
    return _again(node, owner.inputs[0], axis=tuple(sorted(axes[a] for a in reduced)))


def _of_one_hot(node: Apply, context: Any) -> Variable | None:
    """sum(one_hot(i, k), -1) → (0 <= i) & (i < k), as numbers."""
    cast = node.inputs[0].owner
    if len(node.inputs) != 1 or cast is None or cast.op.name != "astype":
        return None
    test = cast.inputs[0].owner
    if (
        test is None
        or test.op.name != "equal"
        or node.op.params["axis"] != (cast.types[0].ndim - 1,)
    ):
        return None
    labels, grid = test.inputs
    if not _counts(grid) or labels.ndim != cast.types[0].ndim or labels.type.shape[-1] != 1:
        return None
    if labels.dtype.kind not in "iu" or labels.dtype != grid.dtype:
        return None
    inside = OPS["logical_and"](labels >= 0, labels < grid.type.shape[0])
    if not node.op.params["keepdims"]:
        inside = OPS["squeeze"](inside, axis=-1)
    found: Variable = inside.astype(node.types[0].dtype)
    return found


def _counts(grid: Variable) -> bool:
    """Is it the constant 0, 1, …, k - 1?"""
    return (isinstance(grid, Constant) and grid.ndim == 1 and grid.value.size > 0
            and bool(np.array_equal(grid.value, np.arange(grid.value.size))))  # fmt: skip


def _rows(names: Sequence[str], arrow: str, apply: Any, marks: str, *needs: str) -> list[Rule]:
    """One rule for each reduction; `marks` is one letter each: e(xact), r(ounding)."""
    words = {"e": "exact", "r": "rounding"}
    return [Rule(arrow.replace("F", name), name, apply, words[mark], frozenset(needs))
            for name, mark in zip(names, marks, strict=True)]  # fmt: skip


# fmt: off
REDUCTIONS = [
    *_rows(["sum", "prod", "max", "min", "any", "all"],
           "F(F(x, a), b) -> F(x, a + b)", _of_itself, "rreeee"),
    *_rows(["sum", "max", "min"], "F(x * 3) -> F(x) * 3", _of_scaled, "rrr", "multiply"),
    *_rows(["sum", "max", "min"], "F(x / 3) -> F(x) / 3", _of_scaled, "rrr", "divide"),
    *_rows(["sum"], "F(negative(x)) -> negative(F(x))", _of_negated, "r", "negative"),
    *_rows(["max", "min"], "F(negative(x)) -> negative(the other(x))", _of_negated, "rr",
           "negative"),
    *_rows(["sum", "prod", "max", "min", "any", "all"],
           "F(transpose(x), a) -> F(x, b)", _of_moved, "rreeee", "transpose"),
    *_rows(["sum"], "F(one_hot(i, k)) -> (0 <= i) & (i < k)", _of_one_hot, "e", "astype"),
]
# fmt: on
