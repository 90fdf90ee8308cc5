"""Elementwise algebra, one arrow a row: mark (`pattern.Rule`), kinds of dtype (`pattern.Arrow`).

Rows name the kinds for which they are true. Integers wrap around and unsigned ones have no sign,
so what holds for floats may fail for them, and more so where operands are promoted: -y of a uint8
is 256 - y. Products with a complex 1 or -1 may turn the sign of a zero, or an infinity into NaN.
Not here by intent: ``x * 0 -> 0``, ``x / x -> 1`` and ``x ** 0.5 -> sqrt(x)`` (at -inf) lose a NaN
or an infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.families.reduction import Reduction
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.pattern import CONSTANT, Row, Rule, number_of

# fmt: off
ARROWS = [Row(*row) for row in [
    ("multiply 1",              "x * 1 -> x",                         "exact",    "biuf"),
    ("multiply 1",              "x * 1 -> x",                         "rounding", "c"),
    ("divide 1",                "x / 1 -> x",                         "exact",    "f"),
    ("divide 1",                "x / 1 -> x",                         "rounding", "c"),
    ("power 1",                 "x ** 1 -> x",                        "rounding", "iufc"),
    ("subtract 0",              "x - 0 -> x",                         "exact",    "iufc"),
    ("add 0",                   "x + -0 -> x",                        "exact",    "iufc"),
    ("add 0",                   "x + 0 -> x",                         "rounding", "fc"),  # of -0
    ("subtract 0",              "0 - x -> negative(x)",               "exact",    "iu"),
    ("subtract 0",              "0 - x -> negative(x)",               "rounding", "fc"),  # of 0
    ("multiply -1",             "x * -1 -> negative(x)",              "exact",    "if"),
    ("multiply -1",             "x * -1 -> negative(x)",              "rounding", "c"),
    ("divide -1",               "x / -1 -> negative(x)",              "exact",    "f"),
    ("divide -1",               "x / -1 -> negative(x)",              "rounding", "c"),
    ("positive",                "positive(x) -> x",                   "exact",    None),
    ("negative negative",       "negative(negative(x)) -> x",         "exact",    None),
    ("add negative",            "x + negative(y) -> x - y",           "exact",    "iufc"),
    ("subtract negative",       "x - negative(y) -> x + y",           "exact",    "iufc"),
    ("multiply negative",       "negative(x) * negative(y) -> x * y", "exact",    "iufc"),
    ("divide negative",         "negative(x) / negative(y) -> x / y", "exact",    "f"),
    ("abs negative",            "abs(negative(x)) -> abs(x)",         "exact",    "if"),
    ("abs abs",                 "abs(abs(x)) -> abs(x)",              "exact",    None),
    ("square negative",         "square(negative(x)) -> square(x)",   "exact",    "iufc"),
    ("square abs",              "square(abs(x)) -> square(x)",        "exact",    "iuf"),
    ("power 2",                 "x ** 2 -> square(x)",                "exact",    "iu"),
    ("power 2",                 "x ** 2 -> square(x)",                "rounding", "fc"),
    ("power 3",                 "x ** 3 -> square(x) * x",            "exact",    "iu"),
    ("power 3",                 "x ** 3 -> square(x) * x",            "rounding", "f"),
    ("power 4",                 "x ** 4 -> square(square(x))",        "exact",    "iu"),
    ("power 4",                 "x ** 4 -> square(square(x))",        "rounding", "f"),
    ("power -1",                "x ** -1 -> reciprocal(x)",           "rounding", "f"),
    ("multiply divide",         "x * (1 / y) -> x / y",               "rounding", "f"),
    ("conj conj",               "conj(conj(x)) -> x",                 "exact",    None),
    ("logical_not logical_not", "logical_not(logical_not(x)) -> x",   "exact",    None),
    ("invert invert",           "invert(invert(x)) -> x",             "exact",    None),
    ("where",                   "where(c, x, x) -> x",                "exact",    None),
    ("where logical_not",       "where(logical_not(c), x, y) -> where(c, y, x)", "exact", None),
    ("maximum",                 "maximum(x, x) -> x",                 "exact",    None),
    ("minimum",                 "minimum(x, x) -> x",                 "exact",    None),
]]
# fmt: on


def _strong(node: Apply, context: Any) -> Variable | None:
    """strong(g, p) → g·p where that is proved to be the same: p finite, or g never zero.

    Only the sign of a zero may differ: strong(0.0, -1) is 0.0.
    """
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
    """(x · a) · b → x · (a · b) for numbers a, b; -x counts as x · -1."""
    for scaled, b in (node.inputs, node.inputs[::-1]):
        x, a = _split(scaled)
        if a is not None and plain_number(b) and b.dtype == x.dtype:
            with np.errstate(over="ignore", under="ignore"):
                product = Constant(np.asarray(a * b.value, b.dtype))  # type: ignore[attr-defined]
            return OPS["multiply"](x, product) if plain_number(product) else None
    return None


def _negate_factor(node: Apply, context: Any) -> Variable | None:
    """-(x · a) → x · (-a) for a number a."""
    x, a = _split(node.inputs[0])
    return None if a is None else OPS["multiply"](x, Constant(np.asarray(-a, x.dtype)))


def _split(variable: Variable) -> tuple[Variable, Any]:
    """(x, a) of a product x · a with a number, or (x, -1) of -x; (variable, None) of others."""
    owner = variable.owner
    if owner is None or variable.dtype.kind != "f":
        return variable, None
    if owner.op.name == "negative":
        return owner.inputs[0], -1
    if owner.op.name == "multiply":
        for x, a in (owner.inputs, owner.inputs[::-1]):
            if plain_number(a) and a.dtype == x.dtype and not isinstance(x, Constant):
                return x, a.value  # type: ignore[attr-defined]
    return variable, None


def plain_number(variable: Variable) -> bool:
    """A float constant far from the ends of its range, so that products of it lose nothing."""
    if not isinstance(variable, Constant) or variable.ndim or variable.dtype.kind != "f":
        return False
    size, range_ = abs(float(variable.value)), np.finfo(variable.dtype)
    return max(2.0**-100, float(range_.tiny)) < size < min(2.0**100, float(range_.max))


def _gather_divisors(node: Apply, context: Any) -> Variable | None:
    """(x / a) / b → x / (a·b), (x·a) / b → x · (a/b) for numbers a, b."""
    scaled, b = node.inputs
    owner = scaled.owner
    if owner is None or owner.op.name not in ("divide", "multiply") or not plain_number(b):
        return None
    pairs = (owner.inputs, owner.inputs[::-1]) if owner.op.name == "multiply" else (owner.inputs,)
    for x, a in pairs:
        if not plain_number(a) or isinstance(x, Constant) or not a.dtype == b.dtype == x.dtype:
            continue
        first, second = a.value, b.value  # type: ignore[attr-defined]
        op, value = ("divide", first * second) if owner.op.name == "divide" else (
            "multiply", first / second)  # fmt: skip
        number = Constant(np.asarray(value, x.dtype))
        return OPS[op](x, number) if plain_number(number) else None
    return None


def _divide_by_power(node: Apply, context: Any) -> Variable | None:
    """x / 2ᵏ → x · 2⁻ᵏ: both are the same number, rounded once."""
    x, a = node.inputs
    if not plain_number(a) or a.dtype != x.dtype or x.dtype.kind != "f":
        return None
    if x.owner is not None and isinstance(x.owner.op.family, Reduction):
        return None  # a mean, which other rules know as the quotient that it is
    value = a.value  # type: ignore[attr-defined]
    mantissa, _ = np.frexp(value)
    if abs(float(mantissa)) != 0.5:
        return None
    return OPS["multiply"](x, Constant(np.asarray(1 / value, x.dtype)))


def _gather_terms(node: Apply, context: Any) -> Variable | None:
    """(x + a) + b → x + (a+b) for numbers of one sign; others may be there for their rounding."""
    for summed, b in (node.inputs, node.inputs[::-1]):
        owner = summed.owner
        if owner is None or owner.op.name != "add" or not plain_number(b):
            continue
        for x, a in (owner.inputs, owner.inputs[::-1]):
            if not plain_number(a) or isinstance(x, Constant) or not a.dtype == b.dtype == x.dtype:
                continue
            first, second = a.value, b.value  # type: ignore[attr-defined]
            if (first > 0) == (second > 0):
                return OPS["add"](x, Constant(np.asarray(first + second, x.dtype)))
    return None


ALGEBRA: list[Row | Rule] = [
    *ARROWS,
    Rule("strong_multiply(g, finite p) -> g * p", "strong_multiply", _strong, "rounding"),
    Rule("where(constant, x, y) -> x or y", "where", _where_constant, "exact"),
    Rule("x / 2**k -> x * 2**-k", "divide", _divide_by_power, "exact", frozenset({CONSTANT})),
    Rule(
        "(x / a) / b -> x / (a*b)", "divide", _gather_divisors, "rounding", frozenset({CONSTANT})
    ),
    Rule("(x + a) + b -> x + (a+b)", "add", _gather_terms, "rounding", frozenset({CONSTANT})),
    Rule("(x * a) * b -> x * (a*b)", "multiply", _gather_constants, "rounding"),
    Rule("negative(x * a) -> x * (-a)", "negative", _negate_factor, "exact"),
]
