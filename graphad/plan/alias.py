"""Liveness and aliases: when memory is last read, what may be overwritten, what must be copied.

A value that may be a view shares the *root* of its first operand. Memory may be overwritten by an
elementwise step, or one that changes its first operand in places, when the operand owns it, nobody
reads it (or a view of it) afterwards, and shape and dtype agree; constants and results are never
overwritten, inputs only if they are donated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphad.ir.variable import Apply

if TYPE_CHECKING:
    from graphad.plan.group import Group

    Draft = tuple[Apply | Group, tuple[int, ...], tuple[int, ...]]  # what runs, inputs, outputs


class Aliases:
    """The decisions, one entry per step: `reuse` and `frees`; and `copies`, output positions."""

    def __init__(
        self, values: Sequence[Any], drafts: Sequence[Draft], results: Sequence[int],
        donated: frozenset[int] = frozenset(),
    ) -> None:  # fmt: skip
        self.values, self.donated = values, donated
        self.last_read = self._last_reads(drafts)
        self.kept = {values[n].root for n in results}
        self.views_of: dict[int, list[int]] = {}
        for value in values:
            self.views_of.setdefault(value.root, []).append(value.number)
        self.parts = self._parts(drafts)
        self.reuse = [self._reuse(i, *draft) for i, draft in enumerate(drafts)]
        self.frees = self._frees(drafts)
        self.copies = self._copies(results)

    def _last_reads(self, drafts: Sequence[Draft]) -> dict[int, int]:
        """For each root, the last step that reads it or a view of it."""
        last: dict[int, int] = {}
        for i, (_, inputs, _) in enumerate(drafts):
            for number in inputs:
                last[self.values[number].root] = i
        return last

    def _parts(self, drafts: Sequence[Draft]) -> set[int]:
        """Views of some elements of their root only, or of some several times, or read-only."""
        parts: set[int] = set()
        for node, inputs, outputs in drafts:
            value = self.values[outputs[0]]
            if not isinstance(node, Apply) or value.root == value.number:
                continue
            source = self.values[inputs[0]]
            same = (value.type.dtype, value.type.size) == (source.type.dtype, source.type.size)
            if inputs[0] in parts or not same or node.op.name == "broadcast_to":
                parts.add(value.number)
        return parts

    def _reuse(
        self, i: int, node: Apply | Group, inputs: Sequence[int], outputs: Sequence[int]
    ) -> int | None:
        if not isinstance(node, Apply) or len(outputs) != 1:
            return None
        family = node.op.family
        if not family.is_elementwise and not family.changes_first:
            return None
        result = self.values[outputs[0]]
        if result.type.ndim == 0 or result.root != result.number:
            return None
        roots = [self.values[n].root for n in inputs]
        for number in inputs if family.is_elementwise else inputs[:1]:
            value = self.values[number]
            if (
                (value.kind == "step" or number in self.donated)
                and value.root == number
                and value.type is result.type
                and number not in self.kept
                and self.last_read.get(number) == i
                and (family.is_elementwise or roots.count(number) == 1)
            ):
                return number
        return None

    def _frees(self, drafts: Sequence[Draft]) -> list[tuple[int, ...]]:
        """Values (with all their views) that die after each step.

        Of a value whose memory the result takes over, only the views die.
        """
        frees: list[tuple[int, ...]] = []
        for i, (_, inputs, outputs) in enumerate(drafts):
            dead: dict[int, None] = {}
            for root in [self.values[n].root for n in (*inputs, *outputs)]:
                if (
                    self.values[root].kind == "step"
                    and root not in self.kept
                    and self.last_read.get(root, i) == i
                ):
                    dead.update({n: None for n in self.views_of[root] if n != self.reuse[i]})
            frees.append(tuple(dead))
        return frees

    def _copies(self, results: Sequence[int]) -> frozenset[int]:
        """Results that are inputs, constants, parts or repetitions of something, or appear twice.

        A rearrangement of all elements of an intermediate is a result in its own right.
        """
        copies: set[int] = set()
        seen: set[int] = set()
        for position, number in enumerate(results):
            value = self.values[number]
            owner = self.values[value.root]
            if owner.kind != "step" or value.root in seen or number in self.parts:
                copies.add(position)
            else:
                seen.add(value.root)
        return frozenset(copies)
