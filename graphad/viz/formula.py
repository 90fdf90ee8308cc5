"""A small graph as a formula: ``-d / c``, ``1 - y²``, ``outer(x, g)``.

For labels, not for computing: long formulas are cut, numbers are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphad.ir import walk
from graphad.ir.variable import Apply, Constant, Variable
from graphad.viz.labels import number_text, visible

WIDTH = 60  # characters of a formula

# How tightly a form binds: operands that bind less are put in parentheses.
SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)
INFIX = {
    "add": (" + ", SUM), "subtract": (" - ", SUM),
    "multiply": (" · ", PRODUCT), "strong_multiply": (" · ", PRODUCT),
    "divide": (" / ", PRODUCT), "matmul": (" @ ", PRODUCT),
    "power": ("^", POWER),
    "less": (" < ", 0), "less_equal": (" ≤ ", 0), "greater": (" > ", 0),
    "greater_equal": (" ≥ ", 0), "equal": (" = ", 0), "not_equal": (" ≠ ", 0),
}  # fmt: skip


def formula(result: Variable, names: Mapping[Variable, str]) -> str:
    """`result` in terms of `names`; variables that have one are not taken apart.

    >>> import graphad as ga
    >>> x, y = ga.scalar("x"), ga.scalar("y")
    >>> formula(-y / x**2 + 1.0, {x: "x", y: "y"})
    '-y / x^2 + 1'
    """
    texts: dict[Variable, tuple[str, int]] = {v: (name, ATOM) for v, name in names.items()}
    for node in walk.toposort([result], set(names)):
        made = _application(node, [_text(v, texts) for v in node.inputs])
        for output in node.outputs:
            texts.setdefault(output, made)
    return visible(_text(result, texts)[0], WIDTH)


def _text(variable: Variable, texts: Mapping[Variable, tuple[str, int]]) -> tuple[str, int]:
    found = texts.get(variable)
    if found is not None:
        return found
    if isinstance(variable, Constant):
        if variable.value.ndim:
            return "array" if variable.value.size > 4 else str(variable.value.tolist()), ATOM
        text = number_text(variable.value[()]).removesuffix(".0")
        return text, SIGN if text.startswith("-") else ATOM
    return visible(variable.name or "·"), ATOM


def _application(node: Apply, operands: list[tuple[str, int]]) -> tuple[str, int]:
    """The op written between, before, behind or in front of its operands."""
    name = node.op.name
    if name in INFIX and len(operands) == 2:
        sign, binds = INFIX[name]
        left = _within(operands[0], binds + (name == "power"))
        # a - (b - c), a / (b / c), a^(b^c): on the right equal binding needs parentheses too
        right = _behind(operands[1], binds + (name not in ("add", "multiply", "strong_multiply")))
        return _cut(left + sign + right), binds
    if name == "negative":
        return _cut("-" + _within(operands[0], SIGN)), SIGN
    if name == "square":
        return _cut(_within(operands[0], ATOM) + "²"), POWER
    label, listed = visible(node.op), ", ".join(text for text, _ in operands)
    call = f"{label[:-1]}; {listed})" if label.endswith(")") else f"{label}({listed})"
    return _cut(call), ATOM


def _within(operand: tuple[str, int], binds: int) -> str:
    text, own = operand
    return f"({text})" if own < binds else text


def _behind(operand: tuple[str, int], binds: int) -> str:
    """The same at the right of a sign, where a minus needs parentheses."""
    text = _within(operand, binds)
    return f"({text})" if text.startswith("-") else text


def _cut(text: str) -> str:
    """Formulas of shared parts would grow with every use; nobody reads the rest."""
    return text if len(text) <= 2 * WIDTH else text[: 2 * WIDTH - 1] + "…"
