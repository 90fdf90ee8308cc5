"""Elementwise algebra, one arrow a row. Marks: exact, rounding; see `pattern.Rule`.

Not here by intent: ``x * 0 -> 0`` and ``x / x -> 1`` lose a NaN or an infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.pattern import Rule, number_of, rule

# fmt: off
ARROWS = [rule(arrow, mark=mark) for arrow, mark in [
    ("x * 1 -> x",                              "exact"),
    ("x / 1 -> x",                              "exact"),
    ("x ** 1 -> x",                             "exact"),
    ("x - 0 -> x",                              "exact"),
    ("x + -0 -> x",                             "exact"),
    ("x + 0 -> x",                              "rounding"),   # -0.0 + 0 is 0.0
    ("0 - x -> negative(x)",                    "rounding"),   # 0 - 0.0 is 0.0
    ("x * -1 -> negative(x)",                   "exact"),
    ("x / -1 -> negative(x)",                   "exact"),
    ("positive(x) -> x",                        "exact"),
    ("negative(negative(x)) -> x",              "exact"),
    ("x + negative(y) -> x - y",                "exact"),
    ("x - negative(y) -> x + y",                "exact"),
    ("negative(x) * negative(y) -> x * y",      "exact"),
    ("negative(x) / negative(y) -> x / y",      "exact"),
    ("abs(negative(x)) -> abs(x)",              "exact"),
    ("abs(abs(x)) -> abs(x)",                   "exact"),
    ("square(negative(x)) -> square(x)",        "exact"),
    ("square(abs(x)) -> square(x)",             "exact"),
    ("x ** 2 -> square(x)",                     "exact"),
    ("x ** -1 -> reciprocal(x)",                "exact"),
    ("x ** 0.5 -> sqrt(x)",                     "rounding"),   # differs at -0.0 and -inf
    ("x * (1 / y) -> x / y",                    "rounding"),
    ("conj(conj(x)) -> x",                      "exact"),
    ("logical_not(logical_not(x)) -> x",        "exact"),
    ("invert(invert(x)) -> x",                  "exact"),
    ("where(c, x, x) -> x",                     "exact"),
    ("where(logical_not(c), x, y) -> where(c, y, x)", "exact"),
    ("maximum(x, x) -> x",                      "exact"),
    ("minimum(x, x) -> x",                      "exact"),
]]
# fmt: on


def _strong(node: Apply, context: Any) -> Variable | None:
    """strong(g, p) → g·p where that is proved to be the same: p finite, or g never zero."""
    cotangent, partial = node.inputs
    finite = isinstance(partial, Constant) and bool(np.isfinite(partial.value).all())
    factor = number_of(cotangent)
    nonzero = factor is not None and bool(factor != 0)
    return OPS["multiply"](cotangent, partial) if finite or nonzero else None


def _where_constant(node: Apply, context: Any) -> Variable | None:
    """where(True, x, y) → x, where(False, x, y) → y."""
    chosen = number_of(node.inputs[0])
    if chosen is None:
        return None
    return node.inputs[1] if chosen else node.inputs[2]


def _gather_constants(node: Apply, context: Any) -> Variable | None:
    """(x · a) · b → x · (a · b) for numbers a, b."""
    for x, b in (node.inputs, node.inputs[::-1]):
        if x.owner is None or x.owner.op.name != "multiply" or not _plain_number(b):
            continue
        for y, a in (x.owner.inputs, x.owner.inputs[::-1]):
            if _plain_number(a) and a.dtype == b.dtype and not isinstance(y, Constant):
                product = Constant(np.asarray(a.value * b.value, a.dtype))  # type: ignore[attr-defined]
                return OPS["multiply"](y, product)
    return None


def _plain_number(variable: Variable) -> bool:
    return (
        isinstance(variable, Constant)
        and variable.ndim == 0
        and variable.dtype.kind == "f"
        and bool(np.isfinite(variable.value))
        and bool(2.0**-100 < abs(variable.value) < 2.0**100)
    )


ALGEBRA = [
    *ARROWS,
    Rule("strong_multiply(g, finite p) -> g * p", "strong_multiply", _strong, "exact"),
    Rule("where(constant, x, y) -> x or y", "where", _where_constant, "exact"),
    Rule("(x * a) * b -> x * (a*b)", "multiply", _gather_constants, "rounding"),
]
