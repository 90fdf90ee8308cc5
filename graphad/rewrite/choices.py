"""Choices and comparisons: of constants, of the same condition, repeated; results whose sign or
fraction is known. One arrow a row."""

from __future__ import annotations

from typing import Any

from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.pattern import CONSTANT, Row, Rule, is_number

# fmt: off
ARROWS = [Row(*row) for row in [
    ("where where",           "where(c, where(c, x, y), z) -> where(c, x, z)","exact",    None),
    ("where where",           "where(c, x, where(c, y, z)) -> where(c, x, z)","exact",    None),
    ("logical_not equal",     "logical_not(x == y) -> x != y", "exact",    None),
    ("logical_not not_equal", "logical_not(x != y) -> x == y", "exact",    None),
    ("abs exp",               "abs(exp(x)) -> exp(x)",         "exact",    "f"),
    ("abs square",            "abs(square(x)) -> square(x)",   "exact",    "f"),
    ("sign sign",             "sign(sign(x)) -> sign(x)",      "exact",    "if"),
    ("floor floor",           "floor(floor(x)) -> floor(x)",   "exact",    "f"),
    ("ceil ceil",             "ceil(ceil(x)) -> ceil(x)",      "exact",    "f"),
    ("trunc trunc",           "trunc(trunc(x)) -> trunc(x)",   "exact",    "f"),
    ("rint rint",             "rint(rint(x)) -> rint(x)",      "exact",    "f"),
    ("logical_and",           "logical_and(x, x) -> x",        "exact",    "b"),
    ("logical_or",            "logical_or(x, x) -> x",         "exact",    "b"),
]]
# fmt: on


def _of_numbers(node: Apply, context: Any) -> Variable | None:
    """where(c, 1, 0) → c as a number; where(c, 0, 1) → not c as a number."""
    condition, x, y = node.inputs
    kind = node.types[0]
    if condition.dtype.kind != "b" or condition.type.shape != kind.shape:
        return None
    if is_number(x, 1) and is_number(y, 0):
        chosen = condition
    elif is_number(x, 0) and is_number(y, 1):
        chosen = OPS["logical_not"](condition)
    else:
        return None
    return chosen if kind.dtype.kind == "b" else chosen.astype(kind.dtype)


CHOICES: list[Row | Rule] = [
    *ARROWS,
    Rule("where(c, 1, 0) -> astype(c)", "where", _of_numbers, "exact", frozenset({CONSTANT})),
]
