"""Contractions: products that are linear in each of two operands and sum over shared axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Declared, add_up, fit, strong_sides
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Variable, apply


class Contraction(Declared):
    """A product of two arrays, linear in each.

    shape  ``(shape1, shape2) -> shape`` of the result
    value  ``(xp, a, b) -> array``
    vjp    ``(g, a, b, strong) -> (what makes the cotangent of a, the same for b)``
    batch  ``(product, node, operands, batched) -> result`` for stacks of rows, where
           ``product(a, b, turned)`` makes this op; `turned`: the operands are exchanged
    flops  ``(shape1, shape2) -> operations``, where they are not those of a matrix product

    Parameter `strong`: the operands in which a zero counts as zero even against an infinity or NaN
    of the other: cotangents, when the op is part of a derivative.
    """

    def __init__(
        self,
        name: str,
        *,
        shape: Callable[[Shape, Shape], Shape],
        value: Callable[..., Any],
        vjp: Callable[..., Sequence[Callable[[], Variable]]],
        batch: Callable[..., Variable] | None = None,
        flops: Callable[[Shape, Shape], Size] | None = None,
    ) -> None:
        super().__init__(name)
        self.batch_rule = batch
        self.shape_rule, self.value, self.vjp_rule = shape, value, vjp
        self.flops_rule = flops

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        a, b = types
        return (TensorType(np.result_type(a.dtype, b.dtype), self.shape_rule(a.shape, b.shape)),)

    def flops(self, node: Apply) -> Size:
        a, b = [v.type.shape for v in node.inputs]
        if self.flops_rule is not None:
            return self.flops_rule(a, b)
        return 2 * node.types[0].size * (a[-1] if a else 1)

    def joins(self, node: Apply) -> Sequence[Sequence[Shape]]:
        return [[v.type.shape[:-2] for v in node.inputs]]  # stacks of matrices

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        a, b = arrays
        plain = self.value(xp, a, b)
        strong = params.get("strong", ())
        if not strong or not xp.isnan(plain).any():
            return plain
        return self._repaired(xp, a, b, strong, plain)

    def _repaired(self, xp: Any, a: Any, b: Any, strong: Sequence[int], plain: Any) -> Any:
        """Products of a zero with what is not finite left out: 0 · inf = 0 on the strong sides."""
        good_a, good_b = xp.isfinite(a), xp.isfinite(b)
        met_a = a != 0 if 0 in strong else xp.ones_like(good_a)
        met_b = b != 0 if 1 in strong else xp.ones_like(good_b)
        hits = self.value(xp, met_a.astype(float), xp.logical_not(good_b).astype(float))
        hits += self.value(xp, xp.logical_not(good_a).astype(float), met_b.astype(float))
        cleaned = xp.where(good_a, a, xp.zeros_like(a)), xp.where(good_b, b, xp.zeros_like(b))
        return xp.where(hits > 0, plain, self.value(xp, *cleaned))

    def times(self, moving: Variable, other: Variable, position: int, kept: bool) -> Variable:
        """The product of a cotangent or tangent, as operand `position`, with the other operand.

        kept: zeros of `other` are strong too, because they were in the product that is derived.
        """
        sides = zip((position, 1 - position), strong_sides(moving, other, kept), strict=True)
        strong = tuple(sorted([side for side, needed in sides if needed]))
        pair = (other, moving) if position else (moving, other)
        return apply(self.op(strong=strong) if strong else self.plain, pair)

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        if self.batch_rule is None:
            return None
        strong = node.op.params.get("strong", ())

        def product(a: Variable, b: Variable, turned: bool = False) -> Variable:
            sides = tuple(sorted([1 - side for side in strong])) if turned else strong
            found: Variable = apply(self.op(strong=sides) if sides else self.plain, (a, b))
            return found

        return [self.batch_rule(product, node, operands, batched)]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None, None]
        rules = self.vjp_rule(cotangents[0], *node.inputs, node.op.params.get("strong", ()))
        return [
            fit(rule(), x) if w else None
            for rule, x, w in zip(rules, node.inputs, wanted, strict=True)
        ]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        (a, b), strong = node.inputs, node.op.params.get("strong", ())
        terms = [
            self.times(tangents[0], b, 0, 1 in strong) if tangents[0] is not None else None,
            self.times(tangents[1], a, 1, 0 in strong) if tangents[1] is not None else None,
        ]
        return [add_up(terms)]
