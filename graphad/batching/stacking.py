"""Batching of graphs: variables are replaced by stacks of rows, ops by the same ops for all rows.

A stack has the rows along a new axis 0. Only what depends on stacks is computed for each row; an
op without a rule is applied to one row after the other, by `map_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphad.ir import walk
from graphad.ir.context import in_place_of
from graphad.ir.dims import Dim
from graphad.ir.families.inner import InnerFamily, enclose
from graphad.ir.families.random import SPLIT, Draw
from graphad.ir.families.rows import by_rows, map_rows, row_bytes
from graphad.ir.families.stacks import size_operand, spread
from graphad.ir.graph import Graph
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, rebuild

OPEN_BYTES = 8 * 2**20


class NoRule(Exception):
    """An op has no batching rule, where one row after the other was not allowed."""


class Draws:
    """The states from which rows draw, each row numbers of its own, and how many rows there are.

    Where an op draws independent numbers it draws those of all rows, from one state. Any other op
    that hands a state on (a loop, a permutation) gets a state for each row.
    """

    def __init__(self, states: Iterable[Variable], rows: Any) -> None:
        self.states, self.rows = set(states), rows
        self.streams: dict[Variable, tuple[Variable, Variable]] = {}  # state → (next, of rows)

    def has(self, node: Apply) -> bool:
        """Does this node read one of the states?"""
        return bool(self.states) and any([v in self.states for v in node.inputs])

    def made(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool], rows: bool
    ) -> Sequence[Variable]:
        """The outputs for all rows; what hands on a state hands on the one after all rows."""
        family, links = node.op.family, node.op.family.hands_on(node.op.params)
        self.states.update([node.output(i) for i, given in links.items()
                            if node.inputs[given] in self.states])  # fmt: skip
        draw = family if isinstance(family, Draw) else None
        own = node.inputs[0] in self.streams
        if draw is not None and not own and draw.at_once(node.op.params, batched):
            return draw.of_rows(node, operands, batched, self.rows)
        given, flags = list(operands), list(batched)
        for i, state in enumerate(node.inputs):
            if state in self.states:
                given[i], flags[i] = self._streams(state, operands[i])[1], True
        results = list(_applied(node, tuple(given), flags, rows))
        for i, place in links.items():
            if node.inputs[place] in self.states:
                results[i] = self._streams(node.inputs[place], operands[place])[0]
        return results

    def _streams(self, state: Variable, operand: Variable) -> tuple[Variable, Variable]:
        """The state that follows, and one for each row; the same whoever asks, as derivatives
        draw again what was drawn."""
        if state not in self.streams:
            size, unknown = size_operand(self.rows)
            after, streams = SPLIT(operand, *unknown, rows=size)
            self.streams[state] = after, streams
        return self.streams[state]


def batch(
    outputs: Sequence[Variable],
    given: Mapping[Variable, Variable],
    rows: bool = True,
    draws: Draws | None = None,
) -> list[Variable]:
    """`outputs` rebuilt so that each key of `given` is its value instead.

    A value with one axis more than its key is a stack of rows, one of the same type stands for
    itself; stacks have equal sizes along axis 0. An output that depends on a stack is one. rows:
    are ops without a rule applied to one row after the other? If not, they raise NoRule.
    draws: the states from which random numbers are drawn for each row.
    """
    known: dict[Variable, Variable] = dict(given)
    order = walk.toposort(outputs, frozenset(given))
    read = {*outputs, *[v for node in order for v in node.inputs]}
    for node in order:
        operands = tuple([known.get(v, v) for v in node.inputs])
        pairs = list(zip(operands, node.inputs, strict=True))
        batched = [new.ndim > old.ndim for new, old in pairs]
        results: Sequence[Variable] = node.outputs
        if draws is not None and draws.has(node):
            with in_place_of(node):
                made = draws.made(node, operands, batched, rows)
        elif any(batched):
            with in_place_of(node):
                if isinstance(node.op.family, InnerFamily):
                    node, results = node.op.family.pared(node, read)
                made = _applied(node, operands, batched, rows)
        elif any([new is not old for new, old in pairs]):
            made = rebuild(node, operands).outputs
        else:
            continue
        for old, new in zip(results, made, strict=True):
            if old.name is not None and new.owner is not None and new.name is None:
                new.name = old.name
            known.setdefault(old, new)
    return [known.get(v, v) for v in outputs]


def _applied(
    node: Apply, operands: tuple[Variable, ...], batched: Sequence[bool], rows: bool
) -> Sequence[Variable]:
    """The outputs of one node for stacks."""
    family = node.op.family
    if isinstance(family, InnerFamily):
        made = family.batch_with(node, operands, batched, batch if rows else _strictly)
    else:
        made = family.batch(node, operands, batched)
    if made is not None:
        return made
    if not rows:
        raise NoRule
    return by_rows(node, operands, batched)


def _strictly(outputs: Sequence[Variable], given: Mapping[Variable, Variable]) -> list[Variable]:
    return batch(outputs, given, rows=False)


def stack_rows(graph: Graph, mapped: int) -> Graph | None:
    """The graph for stacks of its first `mapped` inputs, all of whose outputs are stacks; None if
    an op in it has no batching rule."""
    count = Dim.anonymous()
    stacks = [
        Variable(TensorType(v.dtype, (count, *v.type.shape)), name=v.name)
        for v in graph.inputs[:mapped]
    ]
    try:
        made = batch(graph.outputs, dict(zip(graph.inputs, stacks, strict=False)), rows=False)
    except NoRule:
        return None
    rows = stacks[0].shape[0]
    full = [new if new.ndim > old.ndim else spread(new, rows)
            for new, old in zip(made, graph.outputs, strict=True)]  # fmt: skip
    return Graph([*stacks, *graph.inputs[mapped:]], full)


def for_rows(output: Variable, row: Variable, stack: Variable) -> Variable:
    """`output` for each row of `stack`, of which `row` is one: a stack of results.

    Where all intermediate results of all rows are known to take at most `OPEN_BYTES` it is plain
    graph, else one `map_rows`, which computes only as many rows at once as fit into its bounds.
    """
    body, _ = enclose([output], {row: stack})
    count, size = stack.type.shape[0], row_bytes(body)
    if isinstance(count, int) and isinstance(size, int) and count * size <= OPEN_BYTES:
        try:
            (found,) = batch([output], {row: stack}, rows=False)
        except NoRule:
            return map_rows(output, {row: stack})
        return found if found.ndim > output.ndim else spread(found, stack.shape[0])
    return map_rows(output, {row: stack})
