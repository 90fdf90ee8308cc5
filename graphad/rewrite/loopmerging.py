"""Scans that run for the same steps become one scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphad.ir.families.looprun import layout_of
from graphad.ir.graph import Graph, replace
from graphad.ir.variable import Apply, Variable
from graphad.rewrite.loopparts import again, loops_in, parts_of, same_value, swapped

MOST = 64  # scans in one graph that are compared with each other


def alike_merged(graph: Graph) -> Graph:
    """The graph after merging scans with the very same operands: a loop, and the loops that record
    for its gradients."""
    groups: dict[Any, list[Apply]] = {}
    for node in loops_in(graph):
        _, *rest = _key(node)
        groups.setdefault((*map(id, node.inputs), *rest), []).append(node)
    alike = {first: [n for n in others if not n.op.params["until"] or _same_loop(first, n)]
             for first, *others in groups.values()}  # fmt: skip
    alike = {first: others for first, others in alike.items() if others}
    new: dict[Variable, Variable] = {}
    for node in graph.nodes if alike else ():
        if all([v in new for v in node.outputs]):
            continue
        fresh = again(node, new)
        if node in alike:
            found = _join(fresh, *[again(other, new) for other in alike[node]])
            for old, results in zip((node, *alike[node]), found, strict=True):
                new |= dict(zip(old.outputs, results, strict=True))
        elif fresh is not node:
            new |= dict(zip(node.outputs, fresh.outputs, strict=True))
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs]) if alike else graph


def merged(graph: Graph) -> Graph:
    """The graph after merging scans that run for the same steps, pair by pair."""
    while True:
        scans = loops_in(graph)
        if not 1 < len(scans) <= MOST:
            return graph
        pair = _independent(graph, scans)
        if pair is None:
            return graph
        graph = _joined(graph, *pair)


def _key(node: Apply) -> Any:
    layout = layout_of(node.op.params)
    count = parts_of(node).layout.count
    return (node.inputs[: layout.first], layout.until, layout.backward, layout.strict, count,
            layout.keep)  # fmt: skip


def _independent(graph: Graph, scans: Sequence[Apply]) -> tuple[Apply, Apply] | None:
    """Two scans with the same steps, neither of which needs the other."""
    keys = [_key(node) for node in scans]
    number = {node: i for i, node in enumerate(scans)}
    needs: dict[Apply, int] = {}
    for node in graph.nodes:
        found = 0
        for v in node.inputs:
            if v.owner is not None and v.owner in needs:
                found |= needs[v.owner]
        needs[node] = found | (1 << number[node] if node in number else 0)
    for j, second in enumerate(scans):
        for i, first in enumerate(scans[:j]):
            free = not needs[second] >> i & 1 and _alike(keys[i], keys[j])
            if free and (not keys[i][1] or _same_loop(first, second)):
                return first, second
    return None


def _alike(first: Any, second: Any) -> bool:
    heads = zip(first[0], second[0], strict=False)
    same = all([same_value(a, b) for a, b in heads])
    return same and len(first[0]) == len(second[0]) and first[1:] == second[1:]


def _same_loop(first: Apply, second: Apply) -> bool:
    """Do two loops that end by their own condition end together? If all of it is the same."""
    one, two = first.op.params["graph"], second.op.params["graph"]
    if len(one.inputs) != len(two.inputs) or one.outputs[-1] is not two.outputs[-1]:
        return False
    pairs = [
        *zip(one.inputs, two.inputs, strict=True),
        *zip(first.inputs, second.inputs, strict=True),
    ]
    return all([a is b for a, b in pairs])


def _joined(graph: Graph, first: Apply, second: Apply) -> Graph:
    """The graph with two scans as one."""
    ours, theirs = _join(first, second)
    new = dict(zip(first.outputs, ours, strict=True))
    new |= dict(zip(second.outputs, theirs, strict=True))
    return swapped(graph, new)


def _join(first: Apply, *others: Apply) -> list[list[Variable]]:
    """The results of one scan in the place of those of several."""
    both = parts_of(first)
    divided = [(len(both.carries), len(both.stacked))]
    for other in others:
        b = parts_of(other)
        fresh = {v: Variable(v.type, name=v.name) for v in b.inputs}
        moved = b.with_outputs(replace(b.outputs, fresh))
        both = both._replace(
            carries=(*both.carries, *[(fresh[v], o, new) for v, o, new in moved.carries]),
            rows=(*both.rows, *[(fresh[v], o) for v, o in b.rows]),
            captured=(*both.captured, *[(fresh[v], o) for v, o in b.captured]),
            stacked=(*both.stacked, *moved.stacked),
        )
        divided.append((len(b.carries), len(b.stacked)))
    results = both.rebuilt(first.op.family)
    carry, stack = 0, len(both.carries)
    rest = results[stack + len(both.stacked) :]
    found: list[list[Variable]] = []
    for c, s in divided:
        found.append([*results[carry : carry + c], *results[stack : stack + s], *rest])
        carry, stack = carry + c, stack + s
    return found
