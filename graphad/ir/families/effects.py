"""Effects: ops that return their first operand and, when they run, do something else as well.

They run where their result is used, once for each time they were written: they are never merged,
folded, or moved out of a loop. Derivatives flow through them as through the identity, and do not
repeat them. `After` orders what data does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import Declared
from graphad.ir.families.stacks import lifted
from graphad.ir.op import Op
from graphad.ir.streams import open_body
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply

Flows = Sequence[Variable | None]
Array = np.ndarray[Any, Any]


class Identity(Declared):
    """The first operand; further operands are only looked at. Abstract."""

    is_view = True
    foldable = False

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(types[:1])

    def cuts(self, position: int) -> bool:
        return position > 0

    def vjp(self, node: Apply, cotangents: Flows, wanted: Sequence[bool]) -> Flows:
        return [cotangents[0], *[None] * (len(node.inputs) - 1)]

    def jvp(self, node: Apply, tangents: Flows) -> Flows:
        return [tangents[0]]


class After(Identity):
    """The first operand, once the others have been computed."""

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [apply(node.op, tuple(operands))]

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return arrays[0]


class Effect(Identity):
    """``act(arrays, params)`` happens when the op runs; the arrays are read-only copies.

    `shows` names the parameter that listings and pictures show. whole: does `act` take stacks of
    rows as well? Else it happens for one row after the other.
    """

    is_effect = True

    def __init__(
        self,
        name: str,
        act: Callable[[Sequence[Any], Mapping[str, Any]], None],
        shows: str,
        whole: bool = False,
    ) -> None:
        super().__init__(name)
        self.act, self.shows, self.whole = act, shows, whole

    def label(self, params: Mapping[str, Any]) -> str:
        shown = params[self.shows]
        text = getattr(shown, "__name__", type(shown).__name__) if callable(shown) else repr(shown)
        return f"{self.name}({text})"

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        given = [_frozen(array) for array in arrays if array.nbytes >= 0]  # on arrays only
        self.act(given, params)
        return arrays[0]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        if not self.whole:
            return None
        ndim = max([v.ndim for v in node.inputs[1:]], default=0)
        pairs = zip(operands[1:], batched[1:], strict=True)
        seen = [lifted(v, ndim) if b else v for v, b in pairs]
        return [apply(node.op, (operands[0], *seen))]

    def place(self, operands: Sequence[Variable], **params: Any) -> Variable:
        """A node of its own, which stays in the body of a loop in which it was written."""
        made: Variable = apply(Op(self, params), tuple(operands))
        body = open_body.get()
        if body is not None:
            body.effects.append(made)
        return made


def _frozen(array: Any) -> Any:
    """A copy that cannot be written to: the program may reuse the memory of the array."""
    if not np.ndim(array):
        return np.asarray(array)[()]
    copy = np.array(array)
    copy.flags.writeable = False
    return copy
