"""Contractions: products that are linear in each of two operands and sum over shared axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Declared, add_up, fit
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Variable


class Contraction(Declared):
    """A product of two arrays, linear in each.

    shape  ``(shape1, shape2) -> shape`` of the result
    value  ``(xp, a, b) -> array``
    vjp    ``(g, a, b) -> (cotangent of a, cotangent of b)``

    Parameter `strong` (None, 0 or 1): the operand in which a zero counts as zero even against an
    infinity or NaN of the other: the cotangent, when the op is part of a derivative.
    """

    def __init__(
        self,
        name: str,
        *,
        shape: Callable[[Shape, Shape], Shape],
        value: Callable[..., Any],
        vjp: Callable[..., Sequence[Callable[[], Variable]]],
    ) -> None:
        super().__init__(name)
        self.shape_rule, self.value, self.vjp_rule = shape, value, vjp

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        a, b = types
        return (TensorType(np.result_type(a.dtype, b.dtype), self.shape_rule(a.shape, b.shape)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        a, b = arrays
        plain = self.value(xp, a, b)
        strong = params.get("strong")
        if strong is None or not xp.isnan(plain).any():
            return plain
        return self._repaired(xp, [a, b], strong, plain)

    def _repaired(self, xp: Any, arrays: list[Any], strong: int, plain: Any) -> Any:
        """Products of a zero with what is not finite left out: 0 · inf = 0 on the strong side."""
        weak = arrays[1 - strong]
        finite = xp.isfinite(weak)
        cleaned, hits = list(arrays), list(arrays)
        cleaned[1 - strong] = xp.where(finite, weak, xp.zeros_like(weak))
        hits[1 - strong] = xp.logical_not(finite).astype(float)
        hits[strong] = (arrays[strong] != 0).astype(float)
        return xp.where(self.value(xp, *hits) > 0, plain, self.value(xp, *cleaned))

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None, None]
        rules = self.vjp_rule(cotangents[0], *node.inputs)
        return [
            fit(rule(), x) if w else None
            for rule, x, w in zip(rules, node.inputs, wanted, strict=True)
        ]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        a, b = node.inputs
        terms = [
            self(tangents[0], b) if tangents[0] is not None else None,
            self(a, tangents[1]) if tangents[1] is not None else None,
        ]
        return [add_up(terms)]
