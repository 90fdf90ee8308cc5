"""Constant folding: an op whose operands are all constant is computed while compiling."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.pattern import CONSTANT, NUMBER_BYTES, Rule


def _fold(node: Apply, context: Any) -> Variable | None:
    if not node.op.family.foldable or not all([isinstance(v, Constant) for v in node.inputs]):
        return None
    given = sum([v.value.nbytes for v in node.inputs])  # type: ignore[attr-defined]
    kind = node.types[0]
    if not kind.is_static or kind.nbytes() > max(given, NUMBER_BYTES):
        return None
    with np.errstate(all="ignore"):
        try:
            value = node.op.evaluate(np, [v.value for v in node.inputs])  # type: ignore[attr-defined]
        except (ArithmeticError, ValueError, IndexError, TypeError):
            return None  # it fails at run time as well, with the user's line in the error
    return Constant(np.asarray(value, dtype=kind.dtype))


FOLD = [Rule("f(constants) -> constant", "*", _fold, "exact", frozenset({CONSTANT}))]
