"""Rewrites for accuracy: formulas that overflow or cancel → functions that do not.

    log(1 + x) → log1p(x)        exp(x) - 1 → expm1(x)      log(1 + exp(x)) → softplus(x)
    log Σ exp(x) → logsumexp(x)  exp(x) / Σ exp(x) → softmax(x)    and so on, one row each

The compiler applies them to every graph. Derivatives ask `stabilise` for each forward node as
well, and differentiate what it gives instead: the derivative of log(1 + exp(x)) is sigmoid(x), and
not the quotient exp(x) / (1 + exp(x)), which is inf / inf for large x.

A row is true for all real numbers, infinities included, in exact arithmetic; it may take away an
infinity or NaN that only rounding has made, never a true one: ``exp(log(x)) → x`` is no row.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from graphad.ir.context import derived_from
from graphad.ir.op import OPS
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.pattern import Row, Rule, alike, number_of, operand_kinds
from graphad.rewrite.shifted import SHIFTED, SHIFTED_AT_ONCE, without_maximum

# fmt: off
ARROWS = [Row(root, arrow, "stabilising", "f") for root, arrow in [
    # near 1
    ("log add",                   "log(1 + x) -> log1p(x)"),
    ("log subtract",              "log(1 - x) -> log1p(negative(x))"),
    ("subtract 1 exp",            "exp(x) - 1 -> expm1(x)"),
    ("subtract 1 exp",            "1 - exp(x) -> negative(expm1(x))"),
    ("log1p expm1",               "log1p(expm1(x)) -> x"),
    # logarithms of exponentials
    ("log exp",                   "log(exp(x)) -> x"),
    ("log multiply",              "log(exp(x) * y) -> x + log(y)"),
    ("log divide",                "log(exp(x) / y) -> x - log(y)"),
    ("log divide",                "log(y / exp(x)) -> log(y) - x"),
    ("log add",                   "log(exp(x) + exp(y)) -> logaddexp(x, y)"),
    ("log1p exp",                 "log1p(exp(x)) -> softplus(x)"),
    ("log1p negative",            "log1p(negative(exp(x))) -> log1mexp(x)"),
    ("log negative",              "log(negative(expm1(x))) -> log1mexp(x)"),
    # products of exponentials
    ("divide exp",                "exp(x) / exp(y) -> exp(x - y)"),
    # the logistic function
    ("divide add 1",              "1 / (1 + exp(x)) -> sigmoid(negative(x))"),
    ("reciprocal add",            "reciprocal(1 + exp(x)) -> sigmoid(negative(x))"),
    ("divide add exp",            "exp(x) / (1 + exp(x)) -> sigmoid(x)"),
    ("subtract 1 sigmoid",        "1 - sigmoid(x) -> sigmoid(negative(x))"),
    ("log sigmoid",               "log(sigmoid(x)) -> negative(softplus(negative(x)))"),
    ("log1p negative",            "log1p(negative(sigmoid(x))) -> negative(softplus(x))"),
    ("subtract softplus",         "softplus(x) - x -> softplus(negative(x))"),
    # powers
    ("sqrt square",               "sqrt(square(x)) -> abs(x)"),
    ("sqrt multiply",             "sqrt(x * x) -> abs(x)"),
    ("log square",                "log(square(x)) -> 2 * log(abs(x))"),
    ("log multiply",              "log(x * x) -> 2 * log(abs(x))"),
    ("log multiply",              "log(square(x) * x) -> 3 * log(x)"),
]]
# What needs no row of its own where operands were rewritten before.
AT_ONCE: list[Row | Rule] = [Row(root, arrow, "stabilising", "f") for root, arrow in [
    ("log divide",                "log(1 / (1 + exp(x))) -> negative(softplus(x))"),
    ("log reciprocal",            "log(reciprocal(1 + exp(x))) -> negative(softplus(x))"),
    ("log divide",                "log(exp(x) / (1 + exp(x))) -> negative(softplus(negative(x)))"),
    ("sqrt power",                "sqrt(x ** 2) -> abs(x)"),
]]
# fmt: on


# ---- with axes -------------------------------------------------------------------------------
def _sum_of_exp(variable: Variable) -> tuple[Variable, Apply] | None:
    """(x, the sum) of Σ exp(x) over some axes, of all elements."""
    node = variable.owner
    if node is None or node.op.name != "sum" or variable.dtype.kind != "f":
        return None
    if len(node.inputs) > 1:  # where=
        return None
    terms = node.inputs[0].owner
    return (terms.inputs[0], node) if terms is not None and terms.op.name == "exp" else None


def _logsumexp(x: Variable, total: Apply) -> Variable:
    found: Variable = OPS["logsumexp"](x, **total.op.params)
    return found


def _log_of_sum(node: Apply, context: object) -> Variable | None:
    """log Σ exp(x) → logsumexp(x)."""
    found = _sum_of_exp(node.inputs[0])
    return None if found is None else _logsumexp(*found)


def _log_of_quotient(node: Apply, context: object) -> Variable | None:
    """log(Σ exp(x) / y) → logsumexp(x) - log(y)."""
    quotient = node.inputs[0].owner
    if quotient is None:
        return None
    found = _sum_of_exp(quotient.inputs[0])
    return None if found is None else _logsumexp(*found) - OPS["log"](quotient.inputs[1])


def _log_of_mean(node: Apply, context: object) -> Variable | None:
    """log(mean(exp(x))) → m + log1p(mean(expm1(x - m))) with m = max x, which is exact also where
    all x are near 0, and so is the result."""
    quotient = node.inputs[0].owner
    found = None if quotient is None else _sum_of_exp(quotient.inputs[0])
    if quotient is None or found is None:
        return None
    (x, total), count = found, quotient.inputs[1]
    axes, kept = total.op.params["axis"], total.op.params["keepdims"]
    if not axes or not _is_count(count, x, axes):
        return None
    top = OPS["max"](OPS["stop_gradient"](x), axis=axes, keepdims=True)
    top = OPS["where"](OPS["isfinite"](top), top, 0)
    rest = OPS["sum"](OPS["expm1"](x - top), axis=axes, keepdims=kept)
    log_mean: Variable = OPS["log1p"](rest / count)
    return (top if kept else OPS["squeeze"](top, axis=axes)) + log_mean


def _is_count(count: Variable, x: Variable, axes: tuple[int, ...]) -> bool:
    """Is this the number of elements along the axes of x (as far as that is easy to see)?"""
    number = number_of(count)
    if number is not None:
        return bool(number == math.prod([s if isinstance(s := x.type.shape[a], int) else 0
                                         for a in axes]))  # fmt: skip
    owner = count.owner
    while owner is not None and owner.op.name == "astype":
        owner = owner.inputs[0].owner
    if owner is None or owner.op.name != "dim_size" or len(axes) != 1:
        return False
    size = owner.inputs[0].type.shape[owner.op.params["axis"]]
    return bool(size == x.type.shape[axes[0]])


def _shares(node: Apply, context: object) -> Variable | None:
    """exp(x) / Σ exp(x) → softmax(x), where the sum is over one axis of x."""
    top, found = node.inputs[0].owner, _sum_of_exp(node.inputs[1])
    if top is None or top.op.name != "exp" or found is None:
        return None
    x, axes = found[0], found[1].op.params["axis"]
    kept = found[1].op.params["keepdims"] or axes == (0,)  # (n, …) / (…) fits only a leading axis
    if len(axes) != 1 or not kept or not alike(top.inputs[0], x):
        return None
    plain = without_maximum(x, axes)
    softmax: Variable = OPS["softmax"](x if plain is None else plain, axis=axes[0])
    return softmax


def _log_of_softmax(node: Apply, context: object) -> Variable | None:
    """log(softmax(x)) → log_softmax(x)."""
    inner = node.inputs[0].owner
    if inner is None:
        return None
    found: Variable = OPS["log_softmax"](inner.inputs[0], **inner.op.params)
    return found


def _log_of_shares(node: Apply, context: object) -> Variable | None:
    """log(exp(x) / Σ exp(x)) → log_softmax(x)."""
    quotient = node.inputs[0].owner
    softmax = None if quotient is None else _shares(quotient, context)
    if softmax is None or softmax.owner is None:
        return None
    found: Variable = OPS["log_softmax"](softmax.owner.inputs[0], **softmax.owner.op.params)
    return found


def _log_of_prod(node: Apply, context: object) -> Variable | None:
    """log Π x → logprod(x), which neither overflows nor underflows on the way."""
    inner = node.inputs[0].owner
    if inner is None or inner.inputs[0].dtype.kind != "f" or len(inner.inputs) > 1:
        return None
    found: Variable = OPS["logprod"](inner.inputs[0], **inner.op.params)
    return found


def _product_of_exp(node: Apply, context: object) -> Variable | None:
    """exp(x) · exp(y) → exp(x + y), but for a square, which overflows either way."""
    factors = [v.owner for v in node.inputs]
    x, y = (f.inputs[0] if f is not None and f.op.name == "exp" else None for f in factors)
    if x is None or y is None or x.dtype != y.dtype or x.dtype.kind != "f" or alike(x, y):
        return None
    found: Variable = OPS["exp"](x + y)
    return found


# ---- powers ----------------------------------------------------------------------------------
def _log_of_power(node: Apply, context: object) -> Variable | None:
    """log(xᶜ) → c·log|x| for even c, c·log(x) for other c > 0."""
    inner = node.inputs[0].owner
    if inner is None:
        return None
    x, exponent = inner.inputs
    c = number_of(exponent)
    if c is None or x.dtype != node.types[0].dtype or x.dtype.kind != "f" or not np.isfinite(c):
        return None
    number = Constant(np.asarray(c, x.dtype))
    if c != 0 and c % 2 == 0:
        return number * OPS["log"](OPS["abs"](x))
    return number * OPS["log"](x) if c > 0 else None


def _row(arrow: str, root: str, apply: Callable[..., Variable | None], *needs: str) -> Rule:
    return Rule(arrow, root, apply, "stabilising", frozenset(needs))


STABLE: list[Row | Rule] = [
    *ARROWS,
    _row("exp(x) * exp(y) -> exp(x + y)", "multiply", _product_of_exp, "exp"),
    _row("log(sum(exp(x))) -> logsumexp(x)", "log", _log_of_sum, "sum"),
    _row("log(mean(exp(x))) -> m + log1p(mean(expm1(x - m)))", "log", _log_of_mean, "divide"),
    _row("log(sum(exp(x)) / y) -> logsumexp(x) - log(y)", "log", _log_of_quotient, "divide"),
    _row("exp(x) / sum(exp(x)) -> softmax(x)", "divide", _shares, "exp", "sum"),
    _row("log(softmax(x)) -> log_softmax(x)", "log", _log_of_softmax, "softmax"),
    _row("log(prod(x)) -> logprod(x)", "log", _log_of_prod, "prod"),
    _row("log(x ** c) -> c * log(x)", "log", _log_of_power, "power"),
    *SHIFTED,
]

AT_ONCE += [
    _row("log(exp(x) / sum(exp(x))) -> log_softmax(x)", "log", _log_of_shares, "divide"),
    *SHIFTED_AT_ONCE,
]

_by_root: dict[str, list[Row | Rule]] = {}
for _rule in (*AT_ONCE, *STABLE):
    _by_root.setdefault(_rule.root, []).append(_rule)


def stabilise(node: Apply) -> Variable | None:
    """What a row of this table puts in the place of a node's result, or None.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> stabilise(ga.log(1 + ga.exp(x)).owner)
    <Variable log1p: float64[?] = log1p>
    """
    rows = _by_root.get(node.op.name)
    if rows is None:
        return None
    kinds = operand_kinds(node)
    rows = [row for row in rows if row.needs <= kinds]
    if not rows:
        return None
    with derived_from(node):
        for row in rows:
            made = row.apply(node, None)
            if made is not None and made.type is node.types[0]:
                return made
    return None


__all__ = ["STABLE", "stabilise"]
