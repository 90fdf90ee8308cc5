"""Orders and permutations along an axis: the primitives of sorting.

Sorting is a permutation that depends on the values; what flows back goes by the same permutation.
Where elements are equal the order is stable, so each place belongs to exactly one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.families.common import Declared, broadcast_shapes
from graphad.ir.families.stacks import shifted, stacks
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable


class Order(Declared):
    """The places, along an axis, that sort the operand: stable, or partial for given `kth`."""

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0].with_dtype(np.intp),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        if params["kth"] is None:
            return xp.argsort(arrays[0], axis=params["axis"], kind="stable")
        return xp.argpartition(arrays[0], params["kth"], axis=params["axis"])

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [self(*operands, **shifted(node.op.params))]

    def cuts(self, position: int) -> bool:
        return True


class Permute(Declared):
    """``y[i] = x[p[i]]`` along an axis, for permutations p; with `back` ``y[p[i]] = x[i]``.

    Linear in x, and each is the transpose of the other. Operands: x, p.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0],)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        x, order = arrays
        if not params["back"]:
            return xp.take_along_axis(x, order, axis=params["axis"])
        placed = xp.empty(x.shape, x.dtype)
        if x.nbytes:  # on arrays only
            xp.put_along_axis(placed, order, x, params["axis"])
        return placed

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [self(*stacks(operands, batched), **shifted(node.op.params))]

    def cuts(self, position: int) -> bool:
        return position > 0

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None, None]
        params = node.op.params
        return [self(cotangents[0], node.inputs[1], axis=params["axis"], back=not params["back"]),
                None]  # fmt: skip

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if tangents[0] is None:
            return [None]
        return [self(tangents[0], node.inputs[1], **node.op.params)]


class Sort(Declared):
    """The operand sorted along an axis.

    y = x[p] for the permutation p;  ẏ = ẋ[p],  x̄[p] = ȳ.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(types)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return xp.sort(arrays[0], axis=params["axis"])

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [self(*operands, **shifted(node.op.params))]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None]
        axis = node.op.params["axis"]
        order = order_of(node.inputs[0], axis=axis, kth=None)
        return [permute_by(cotangents[0], order, axis=axis, back=True)]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if tangents[0] is None:
            return [None]
        axis = node.op.params["axis"]
        order = order_of(node.inputs[0], axis=axis, kth=None)
        return [permute_by(tangents[0], order, axis=axis, back=False)]


permute_by = Permute("permute")
order_of, sorted_of = Order("argsort"), Sort("sort")


class LexicalOrder(Declared):
    """The places that sort by the last operand, then the one before it, …; stable.

    Parameter rows: the one operand holds the keys along its first axis.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        if params["rows"]:
            return (TensorType(np.intp, types[0].shape[1:]),)
        shape = broadcast_shapes("lexsort", [t.shape for t in types])
        return (TensorType(np.intp, shape),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        if not params["rows"]:
            return xp.lexsort(tuple(arrays), axis=params["axis"])
        (keys,) = arrays
        if keys.nbytes == 0 and keys.shape[0] == 0:  # on arrays only
            raise ShapeError("lexsort without keys", remedy="give at least one")
        return xp.lexsort(keys, axis=params["axis"])

    def cuts(self, position: int) -> bool:
        return True


lexical_order_of = LexicalOrder("lexsort")
