"""Custom derivatives of stacks: the rule that the user states for one row, batched.

Where a function with its own rule is applied to stacks of rows, its value is batched like any
graph, and its rule is built for one row when a derivative is asked for, and batched then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.batching.stacking import batch
from graphad.ir.families.inner import marked
from graphad.ir.families.stacks import spread
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply

Flows = Sequence[Variable | None]


class StackedRule:
    """The rule of a call, for stacks; in place of `call.rule`.

    family, call: the op for one row; types: of its operands; batched: which operands of the op
    for all rows are stacks. All results are.
    """

    def __init__(
        self, family: Any, call: Any, types: Sequence[TensorType], batched: Sequence[bool]
    ) -> None:
        self.family, self.call, self.types = family, call, tuple(types)
        self.batched, self.name = tuple(batched), call.rule.name

    def pull(self, call: Any, node: Apply, cotangents: Flows) -> Flows:
        """What the arguments receive; those that are the same for all rows, the sum."""
        row, given = self._row(node)
        seeds = self._seeds(cotangents, self.types, given)
        parts = self.call.rule.pull(self.call, row, seeds)
        made = self._batched(parts, given, node)
        flags = self.batched[self.call.results :]
        return [c if c is None or b else OPS["sum"](c, axis=0)
                for c, b in zip(made, flags, strict=True)]  # fmt: skip

    def push(self, call: Any, node: Apply, tangents: Flows) -> Flows | None:
        """The tangents of the results; None: derived from `pull`."""
        row, given = self._row(node)
        seeds = self._seeds(tangents, self.types[self.call.results :], given)
        parts = self.call.rule.push(self.call, row, seeds)
        return None if parts is None else self._batched(parts, given, node)

    def _row(self, node: Apply) -> tuple[Apply, dict[Variable, Variable]]:
        """The op applied to one row, and what stands for its operands: (row → stack)."""
        own = [Variable(t) for t in self.types]
        pairs = zip(own, node.inputs, strict=True)
        made = apply(self.family.op(call=self.call), tuple([marked(v, x) for v, x in pairs]))
        first = made[0] if isinstance(made, tuple) else made
        return first.owner, dict(zip(own, node.inputs, strict=True))

    def _seeds(
        self, flows: Flows, types: Sequence[TensorType], given: dict[Variable, Variable]
    ) -> list[Variable | None]:
        """One row of cotangents or tangents; what is the same for all rows stays so."""
        seeds: list[Variable | None] = []
        for flow, t in zip(flows, types, strict=False):
            seed = None if flow is None else Variable(t)
            if seed is not None and flow is not None:
                given[seed] = flow
                seed = marked(seed, flow)
            seeds.append(seed)
        return seeds

    def _batched(
        self, parts: Flows, given: dict[Variable, Variable], node: Apply
    ) -> list[Variable | None]:
        """All parts as stacks."""
        rows = node.inputs[0].shape[0]
        rest = iter(batch([p for p in parts if p is not None], given))
        found: list[Variable | None] = []
        for part in parts:
            made = None if part is None else next(rest)
            if made is not None and part is not None and made.ndim == part.ndim:
                made = spread(made, rows)
            found.append(made)
        return found


def stacked_call(
    family: Any, node: Apply, operands: Sequence[Variable], batched: Sequence[bool], rows: Any
) -> tuple[StackedRule, tuple[Variable, ...]]:
    """The rule for stacks, and the operands, all results among them as stacks."""
    call = node.op.params["call"]
    full = [spread(v, rows) if i < call.results and not b else v
            for i, (v, b) in enumerate(zip(operands, batched, strict=True))]  # fmt: skip
    flags = [i < call.results or b for i, b in enumerate(batched)]
    return StackedRule(family, call, [v.type for v in node.inputs], flags), tuple(full)
