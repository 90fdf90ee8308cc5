"""The engine: applies tables of rules to a graph, once to every node, operands first.

Because operands are already in their final form when a node is looked at, one sweep is enough.
Equal nodes are merged on the way (here and nowhere else), constants by their bits. The graph is
never modified: a private map from old variables to new ones is kept, and one new Graph is frozen
at the end, which drops what nobody uses. Time is linear in nodes; what rules may build is bounded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from graphad.ir import walk
from graphad.ir.context import Surroundings, surroundings
from graphad.ir.graph import Graph
from graphad.ir.op import freeze
from graphad.ir.variable import Apply, Constant, Variable, rebuild
from graphad.rewrite.pattern import Row, Rule, operand_kinds

GROWTH = 4  # rules may build at most this many nodes per node of the graph
CHAIN = 32  # rules that may fire one after the other at one place

Tables = Mapping[str, Sequence[Rule | Row]]


class Report:
    """What a rewrite did: which rules fired how often, nodes before and after, seconds."""

    def __init__(
        self,
        fired: dict[str, int] | None = None,
        rejected: dict[str, int] | None = None,
        merged: int = 0,
        built: int = 0,
        nodes_before: int = 0,
        nodes_after: int = 0,
        seconds: float = 0.0,
        stopped: bool = False,
    ) -> None:
        self.fired, self.rejected = fired or {}, rejected or {}
        self.merged, self.built = merged, built
        self.nodes_before, self.nodes_after = nodes_before, nodes_after
        self.seconds, self.stopped = seconds, stopped

    def followed_by(self, later: Report) -> Report:
        """Both as one: what a second sweep did is added."""

        def added(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
            return {key: a.get(key, 0) + b.get(key, 0) for key in {**a, **b}}

        return Report(
            added(self.fired, later.fired), added(self.rejected, later.rejected),
            self.merged + later.merged, self.built + later.built, self.nodes_before,
            later.nodes_after, self.seconds + later.seconds, self.stopped or later.stopped,
        )  # fmt: skip

    def __str__(self) -> str:
        rows = [f"{self.nodes_before} → {self.nodes_after} nodes in {self.seconds * 1e3:.1f} ms, "
                f"{self.merged} merged"]  # fmt: skip
        ordered = sorted(self.fired.items(), key=lambda item: -item[1])
        rows += [f"  {count:>6} × {arrow}" for arrow, count in ordered]
        rows += ["  stopped: the growth limit was reached"] if self.stopped else []
        return "\n".join(rows)

    __repr__ = __str__


def tables(rules: Sequence[Rule | Row], allowed: Sequence[str]) -> dict[str, list[Rule | Row]]:
    """Rules by the op at their root ("*" for any), those with an allowed mark."""
    found: dict[str, list[Rule | Row]] = {}
    for rule in rules:
        if rule.mark in allowed:
            found.setdefault(rule.root, []).append(rule)
    return found


class Rewriter:
    """One run of the engine over one graph; rules get it as their context."""

    def __init__(self, graph: Graph, rules: Tables) -> None:
        self.graph, self.rules = graph, rules
        self.chosen: dict[str, Sequence[Rule | Row]] = {}
        self.report = Report(nodes_before=len(graph.nodes))
        self.new: dict[Variable, Variable] = {}
        self.settled: set[Variable] = set(graph.inputs)
        self.merging: dict[Any, Apply] = {}
        self.constants: dict[Any, Constant] = {}
        self.before: dict[Variable, int] = {}  # how often each new value was read
        self.limit = GROWTH * len(graph.nodes) + 100
        self.size_sources: dict[Any, tuple[Variable, int]] = {}
        for variable in graph.inputs:
            for axis, size in enumerate(variable.type.shape):
                if not isinstance(size, int):
                    self.size_sources.setdefault(size, (variable, axis))

    def run(self) -> Graph:
        """The rewritten graph."""
        start = time.perf_counter()
        uses = Counter([v for node in self.graph.nodes for v in node.inputs])
        uses.update(self.graph.outputs)
        for node in self.graph.nodes:
            for old, made in zip(node.outputs, self.settle(node, 0), strict=True):
                self.before[made] = self.before.get(made, 0) + uses[old]
                if old not in self.settled or made is not old:
                    self.new[old] = made
        outputs = [self.current(v) for v in self.graph.outputs]
        result = Graph(self.graph.inputs, outputs)
        self.report.nodes_after = len(result.nodes)
        self.report.seconds = time.perf_counter() - start
        return result

    def is_used_once(self, variable: Variable) -> bool:
        """Is this value, in the graph as it was, read at one place only?"""
        found = self.before.get(variable)
        return found is not None and found == 1

    # -- one node ------------------------------------------------------------------------------
    def current(self, variable: Variable) -> Variable:
        """What stands for `variable` now."""
        if isinstance(variable, Constant) and variable not in self.settled:
            return self._constant(variable)
        return self.new.get(variable, variable)

    def _constant(self, variable: Constant) -> Constant:
        value = variable.value
        key = freeze(value) if value.size <= 1024 else id(variable)
        found = self.constants.setdefault(key, variable)
        self.settled.add(found)
        return found

    def settle(self, node: Apply, depth: int) -> tuple[Variable, ...]:
        """The outputs of `node` in final form: operands replaced, rules applied, merged."""
        new = self.new
        operands = tuple([self.current(v) if v.owner is None else new.get(v, v)
                          for v in node.inputs])  # fmt: skip
        if any([a is not b for a, b in zip(operands, node.inputs, strict=True)]):
            changed = rebuild(node, operands)
            if changed.types != node.types:
                changed = node  # a rule gave an operand that does not type the same
            else:
                for old, made in zip(node.outputs, changed.outputs, strict=True):
                    made.name = old.name
            node = changed
        if node.op.family.passes:  # what its derivatives differ in has been built
            return node.inputs[: len(node.types)]
        key: Any = (node.op, node.inputs)
        if node.op.family.is_effect:  # it happens as often as it was written; copies share a site
            key = (*key, id(node.raw_site or node))
        known = self.merging.get(key)
        if known is not None and known.types == node.types:
            self.report.merged += 1
            return known.outputs
        replaced = self._apply_rules(node, depth) if depth < CHAIN else None
        if replaced is not None:
            return (replaced,)
        self.merging[key] = node
        outputs = node.outputs
        self.settled.update(outputs)
        return outputs

    def _apply_rules(self, node: Apply, depth: int) -> Variable | None:
        if len(node.types) != 1 or self.report.stopped:
            return None
        kinds = operand_kinds(node)
        rules = [rule for rule in self._rules_for(node.op.name) if rule.needs <= kinds]
        if not rules:
            return None
        token = surroundings.set(Surroundings(node.scope, node.origin, node.raw_site))
        try:
            made = self._first_that_fires(node, rules)  # new nodes take over site, scope, origin
        finally:
            surroundings.reset(token)
        return None if made is None else self._settle_new(made, depth + 1)

    def _first_that_fires(self, node: Apply, rules: Sequence[Rule | Row]) -> Variable | None:
        for rule in rules:
            made = rule.apply(node, self)
            if made is None:
                continue
            if made.type is node.types[0]:
                self.report.fired[rule.arrow] = self.report.fired.get(rule.arrow, 0) + 1
                return made
            self.report.rejected[rule.arrow] = self.report.rejected.get(rule.arrow, 0) + 1
        return None

    def _rules_for(self, name: str) -> Sequence[Rule | Row]:
        found = self.chosen.get(name)
        if found is None:
            found = self.chosen[name] = (*self.rules.get(name, ()), *self.rules.get("*", ()))
        return found

    def _settle_new(self, made: Variable, depth: int) -> Variable:
        """The final form of what a rule built on final operands."""
        for node in walk.toposort([made], self.settled):
            self.report.built += 1
            outputs = node.outputs
            for old, final in zip(outputs, self.settle(node, depth), strict=True):
                if final is not old:
                    self.new[old] = final
        self.report.stopped = self.report.stopped or self.report.built > self.limit
        return self.current(made)


def rewrite(graph: Graph, rules: Tables) -> tuple[Graph, Report]:
    """`graph` after applying `rules`, and the report of what fired.

    >>> import graphad as ga
    >>> from graphad.rewrite.pattern import rule
    >>> x = ga.scalar("x")
    >>> one = tables([rule("x * 1 -> x")], ["rounding"])
    >>> smaller, report = rewrite(ga.Graph([x], [x * 1.0]), one)
    >>> len(smaller), report.fired
    (0, {'x * 1 -> x': 1})
    """
    worker = Rewriter(graph, rules)
    return worker.run(), worker.report
