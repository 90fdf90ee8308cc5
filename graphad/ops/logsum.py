"""The weighted log-sum-exp, log |Σ b·exp(a)| with its sign, behind ``logsumexp(a, b=…)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Declared, broadcast_shapes, fit, weigh
from graphad.ir.families.reduction import reduced_shape
from graphad.ir.families.stacks import aligned, shifted
from graphad.ir.op import OPS
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Variable


class WeightedLogSum(Declared):
    """(y, s) with s·exp(y) = Σ b·exp(a) over axes, s = -1, 0 or 1. Operands: a, b; real floats.

    Where b is 0, a is left out, be it infinite or NaN.
    ∂y/∂a = s·b·exp(a - y),  ∂y/∂b = s·exp(a - y); s has no derivative.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        shape = broadcast_shapes("logsumexp", [t.shape for t in types])
        result = TensorType(
            np.result_type(*[t.dtype for t in types]),
            reduced_shape(shape, params["axis"], params["keepdims"]),
        )
        return result, result

    def joins(self, node: Apply) -> Sequence[Sequence[Shape]]:
        return [[v.type.shape for v in node.inputs]]

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        a, b = np.broadcast_arrays(*arrays)
        dtype, axis = np.result_type(a, b), params["axis"]
        a = np.where(b == 0, -np.inf, a).astype(dtype)
        top = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, np.zeros_like(top))
        total = np.sum(b * np.exp(a - top), axis=axis, keepdims=True)
        value, sign = np.log(np.abs(total)) + top, np.sign(total)
        if params["keepdims"]:
            return value, sign
        return np.squeeze(value, axis=axis), np.squeeze(sign, axis=axis)

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        found: Sequence[Variable] = self(
            *aligned(node, operands, batched), **shifted(node.op.params)
        )
        return found

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        g, (a, b), axes = cotangents[0], node.inputs, node.op.params["axis"]
        if g is None:
            return [None, None]
        y, sign = node.output(0), node.output(1)
        if not node.op.params["keepdims"] and axes:
            g, y, sign = [OPS["expand_dims"](v, axes) for v in (g, y, sign)]
        counted = OPS["where"](OPS["not_equal"](b, 0), a, -np.inf)
        to_a = weigh(g, sign * b * OPS["share"](counted, y)) if wanted[0] else None
        to_b = weigh(g, sign * OPS["share"](a, y)) if wanted[1] else None
        return [fit(to_a, a), fit(to_b, b)]


_weighted = WeightedLogSum("weighted_logsum")


def weighted_logsum(
    a: Variable, b: Variable, axes: tuple[int, ...], keepdims: bool
) -> tuple[Variable, Variable]:
    """(log |Σ b·exp(a)|, the sign of the sum) over `axes` of the common shape of a and b."""
    value, sign = _weighted(a, b, axis=axes, keepdims=keepdims)
    return value, sign


__all__ = ["weighted_logsum"]
