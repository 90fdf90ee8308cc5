"""Movement: reshape, transpose, broadcast, join, … : elements change place, not value.

Other linear maps of one array (Fourier transforms) are declared in the same way. Every member is
linear in its array operands, so the Jacobian-vector product is the op itself applied to tangents.
Operands after `arrays` are sizes (int64 scalars known only at run time).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Declared, fit
from graphad.ir.families.stacks import shifted, size_operand, stacks
from graphad.ir.op import OPS
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Constant, Variable, apply

Batch = Callable[[Apply, Sequence[Variable]], Variable]


class Movement(Declared):
    """A linear rearrangement.

    shape  ``(types, **params) -> shape`` of the result
    value  ``(xp, *operands, **params) -> array``
    vjp    ``(g, node) -> cotangents of the array operands``
    arrays how many leading operands are arrays; None: all
    dtype  ``(dtype of the operands, **params) -> dtype`` of the result, if it is another
    batch  ``(node, operands) -> result`` where all array operands are stacks of rows, along a new
           axis 0; `along_axes` if nothing but parameters `axis`, `axes` changes
    """

    def __init__(
        self,
        name: str,
        *,
        shape: Callable[..., Shape],
        value: Callable[..., Any],
        vjp: Callable[[Variable, Apply], Sequence[Variable | None]],
        arrays: int | None = 1,
        is_view: bool = False,
        dtype: Callable[..., np.dtype[Any]] | None = None,
        batch: Batch | None = None,
    ) -> None:
        super().__init__(name)
        self.batch_rule = batch
        self.dtype_rule = dtype
        self.shape_rule, self.value, self.vjp_rule = shape, value, vjp
        self.arrays, self.is_view = arrays, is_view

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        shape = self.shape_rule(types, **params)
        dtype = np.result_type(*[t.dtype for t in types[: self.arrays]])
        if self.dtype_rule is not None:
            dtype = self.dtype_rule(dtype, **params)
        return (TensorType(dtype, shape),)

    def flops(self, node: Apply) -> Size:
        return 0  # it moves elements

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return self.value(xp, *arrays, **params)

    def cuts(self, position: int) -> bool:
        return self.arrays is not None and position >= self.arrays

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None] * len(wanted)
        given = list(self.vjp_rule(cotangents[0], node))
        given += [None] * (len(node.inputs) - len(given))
        return [
            fit(c, x) if w else None for c, x, w in zip(given, node.inputs, wanted, strict=True)
        ]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        count = len(operands) if self.arrays is None else self.arrays
        if self.batch_rule is None or any(batched[count:]):
            return None
        arrays = stacks(operands[:count], batched[:count])
        return [self.batch_rule(node, [*arrays, *operands[count:]])]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        count = len(node.inputs) if self.arrays is None else self.arrays
        if all(t is None for t in tangents[:count]):
            return [None]
        moved = [
            zeros_for(x) if t is None else t for t, x in zip(tangents, node.inputs, strict=True)
        ]
        return [self(*moved[:count], *node.inputs[count:], **node.op.params)]


def along_axes(node: Apply, operands: Sequence[Variable]) -> Variable:
    """The same op on stacks of rows, its axes counted from there."""
    found: Variable = apply(declared(node).op(**shifted(node.op.params)), tuple(operands))
    return found


def with_rows(
    node: Apply, operands: Sequence[Variable], x: Variable | None = None, **params: Any
) -> Variable:
    """The same op, whose parameter `shape` begins with the number of rows; `x`: the operand for
    which it is, `params`: what else changes."""
    size, extra = size_operand(operands[0].shape[0])
    changed = {**node.op.params, "shape": (size, *node.op.params["shape"]), **params}
    first = operands[0] if x is None else x
    found: Variable = apply(declared(node).op(**changed), (first, *extra, *operands[1:]))
    return found


def declared(node: Apply) -> Declared:
    """The family of a node, from which Ops with other parameters are made."""
    family = node.op.family
    assert isinstance(family, Declared)
    return family


def zeros_for(operand: Variable) -> Variable:
    """Zeros with the shape and dtype of the operand."""
    zero = Constant(np.zeros((), operand.dtype))
    return zero if operand.ndim == 0 else OPS["broadcast_to"](zero, operand.shape)
