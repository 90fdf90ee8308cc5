"""Single numbers that no step reads are computed for all steps at once, after the loop.

    y_t = cos(a c_t) is stacked, c_t too  →  C is stacked, Y = cos(a C)

What a gradient reads of a step are often functions of what the step has computed anyway. One by
one they cost as much as the step itself; on whole arrays they are vector instructions. Nothing
more is stacked than before. Where what y is made of is stacked anyway, y is made from that;
otherwise from values of the step, of which there must be no more than there are results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from graphad.ir import walk
from graphad.ir.graph import replace
from graphad.ir.op import OPS
from graphad.ir.variable import Constant, Variable
from graphad.rewrite.loopparts import Parts

Stack = Callable[[Variable], Variable]
Later = Callable[[Stack], Variable]

FEWEST = 32  # steps from which this is worth a call
DEEPEST = 16  # ops that a result may need
AGAIN = 2  # of these, ops of the step itself that may be computed once more


def maps_after(
    parts: Parts,
    read: Collection[Variable],
    taken: Collection[Variable],
    stacked: Collection[Variable],
) -> tuple[dict[Variable, Later], list[Variable]]:
    """(stacked result → how it is computed after the loop, what has to be stacked for that).

    read: the carries and stacked results that are used; taken: stacked results that are made
    otherwise; stacked: what of a step is stacked in any case.
    """
    count = parts.layout.count
    if parts.layout.until or (isinstance(count, int) and count < FEWEST):
        return {}, []
    moved = _Moved(parts, read, taken, stacked)
    return {y: _made(y, border, parts) for y, border in moved.found.items()}, moved.stacks


class _Moved:
    """`found`: the results that are computed later, each with what of a step it is made of;
    `stacks`: what of that has to be stacked."""

    def __init__(
        self, parts: Parts, read: Collection[Variable], taken: Collection[Variable],
        stacked: Collection[Variable],
    ) -> None:  # fmt: skip
        self.rows, self.fixed = {v for v, _ in parts.rows}, {v for v, _ in parts.captured}
        self.carries = {v for v, _, _ in parts.carries}
        inside = frozenset(parts.inputs)
        self.steps = {
            v for node in walk.toposort([*[new for _, _, new in parts.carries], *parts.going],
                                        inside)
            for v in node.outputs
        }  # fmt: skip
        wanted = [y for y in dict.fromkeys(parts.stacked) if y in read and y not in taken]
        able = {y: None for y in wanted
                if y not in self.steps and y not in inside and y not in stacked}  # fmt: skip
        known = {*stacked, *[y for y in wanted if y not in able]}
        self.found: dict[Variable, list[Variable]] = {}
        self.stacks: list[Variable] = []
        left: dict[Variable, list[Variable]] = {}
        for y in able:
            deep = self._border(y, self.carries | known)
            near = self._border(y, self.carries | self.steps | known)
            if deep is not None and all([v in known or v in self.rows for v in deep]):
                self.found[y] = deep
            elif near is not None:
                left[y] = near
        new = dict.fromkeys([v for border in left.values() for v in border
                             if v not in known and v not in self.rows])  # fmt: skip
        if len(new) <= len(left):
            self.found |= left
        self.stacks = list(dict.fromkeys([v for border in self.found.values() for v in border]))

    def _border(self, y: Variable, ends: Collection[Variable]) -> list[Variable] | None:
        """The values of a step that y is an elementwise function of, through few ops; None where
        it is something else."""
        border: dict[Variable, None] = {}
        stack, seen, again = [y], set(), 0
        while stack:
            v = stack.pop()
            if v in seen or isinstance(v, Constant) or v in self.fixed:
                continue
            seen.add(v)
            if v.ndim or v.dtype.kind not in "fb" or len(seen) > DEEPEST:
                return None
            if v in self.rows or (v in ends and v is not y):
                border[v] = None
            elif v.owner is None or not v.owner.op.family.is_elementwise:
                return None
            else:
                again += v in self.steps
                stack += v.owner.inputs
        if again > AGAIN:
            return None
        return list(border) or None


def _made(y: Variable, border: Sequence[Variable], parts: Parts) -> Later:
    def later(stack: Stack) -> Variable:
        new: dict[Variable, Any] = {v: stack(v) for v in border}
        found: Variable = replace([y], {**dict(parts.captured), **new})[0]
        count = parts.layout.count
        return found if found.ndim else OPS["broadcast_to"](found, (count,))

    return later
