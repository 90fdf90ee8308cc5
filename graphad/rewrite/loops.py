"""Loops made smaller: what is done twice, for nobody, or the same at every step.

    two scans of one length                     → one scan
    carries that are always equal               → one carry
    a carry or stacked result that nobody reads → nothing
    a carry that never changes                  → an operand
    what depends on operands only               → before the loop
    stacked results read at the last step only  → a carry
    products and sums of all steps              → before or after the loop, see `loopproducts`
    numbers that no step reads                  → after the loop, see `loopmaps`
    a loop without carries                      → its ops on all rows at once

All but the last three are exact. The forward scan and the one that records for the gradient become
one. A loop in a loop is met again whenever the body around it is simplified; what has been made
smaller is not simplified again, or a loop n deep would be 2ⁿ times.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from graphad.ir import walk
from graphad.ir.families.loops import Scan
from graphad.ir.graph import Graph, replace
from graphad.ir.variable import Apply, Constant, Variable
from graphad.rewrite.loopmerging import alike_merged, merged
from graphad.rewrite.loopparts import Parts, again, parts_of, same_value
from graphad.rewrite.loopproducts import Later, Sums, in_one, rows_first

ROUNDS = 4  # in which one rule makes room for another
Simplify = Callable[[Graph], Graph]


def improve(graph: Graph, simplify: Simplify, rules: Hashable = None) -> Graph:
    """`graph` with smaller loops; `simplify` rewrites their bodies, by `rules`. One pass backwards
    finds what is read, one forwards builds the graph again."""
    graph = merged(alike_merged(graph))
    needed = _needed(graph)
    new: dict[Variable, Variable] = {}
    for node in graph.nodes:
        outputs = node.outputs
        if not any([v in needed for v in outputs]) or all([v in new for v in outputs]):
            continue
        fresh = again(node, new)
        if isinstance(node.op.family, Scan):
            used = {i for i, v in enumerate(outputs) if v in needed}
            new |= Smaller(graph, node, parts_of(fresh), used, simplify, rules).result()
        elif fresh is not node:
            new |= dict(zip(outputs, fresh.outputs, strict=True))
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs])


def _needed(graph: Graph) -> set[Variable]:
    """The variables that are read, also by what loops read of their operands."""
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        used = {i for i, v in enumerate(node.outputs) if v in needed}
        if used and isinstance(node.op.family, Scan):
            needed |= _operands_read(node, used)
        elif used:
            needed.update(node.inputs)
    return needed


def _operands_read(node: Apply, used: set[int]) -> set[Variable]:
    """The operands of a scan on which the used results depend."""
    parts = parts_of(node)
    after = {v: new for v, _, new in parts.carries}
    inside, c = list(after), len(after)
    live = {inside[i] for i in used if i < c}
    pending = [*parts.going, *[after[v] for v in live]]
    pending += [parts.stacked[i - c] for i in used if c <= i < c + len(parts.stacked)]
    read: set[Variable] = set()
    inputs = set(parts.inputs)
    while pending:
        read.update(walk.leaves(pending, inputs))
        fresh = [v for v in inside if v in read and v not in live]
        live.update(fresh)
        pending = [after[v] for v in fresh]
    pairs = [*[(v, o) for v, o, _ in parts.carries if v in live], *parts.rows, *parts.captured]
    return {*parts.head, *[o for v, o in pairs if v in read or v in live]}


# ---- one scan --------------------------------------------------------------------------------
class Smaller:
    """One scan, made smaller step by step; what its results become is written down in `new`."""

    def __init__(
        self, graph: Graph, node: Apply, parts: Parts, used: set[int], simplify: Simplify,
        rules: Hashable,
    ) -> None:  # fmt: skip
        self.graph, self.node, self.parts, self.simplify = graph, node, parts, simplify
        self.rules = rules
        self.layout = self.parts.layout
        c, s = self.layout.carries, self.layout.outputs
        self.carry_of: dict[int, Variable] = {i: self.parts.carries[i][0] for i in range(c)}
        self.fixed: dict[int, Variable] = {}  # results that are operands
        self.delayed: dict[int, Later] = {}  # results that are computed after the loop
        self.stacked_of: dict[Any, int] = {c + i: i for i in range(s)}
        self.used: set[Any] = set(used)
        self.simple: set[Variable] = set()  # outputs that have been simplified

    def result(self) -> dict[Variable, Variable]:
        """What the results of the scan, and other variables of the graph, become."""
        self._last_only()
        self._once()
        for _ in range(ROUNDS if not self._is_small() else 0):
            self._simplified()
            if not self._unchanging() | self._equal():
                break
        self._before_the_loop()
        self.parts = rows_first(self.parts)
        sums = self._after_the_loop()
        self._unused()
        results = in_one(self.parts)
        if results is None:
            results = self.parts.rebuilt(self.node.op.family)
            if results and results[0].owner is not None:
                results[0].owner.op.params["graph"].small = self._how()
        c = len(self.parts.carries)
        place = {v: i for i, (v, _, _) in enumerate(self.parts.carries)}
        new: dict[Variable, Variable] = {}

        def stack(u: Variable) -> Variable:
            return sums.rows[u] if u in sums.rows else results[c + self.stacked_of[u]]

        for i in self.used:
            if isinstance(i, Variable):
                continue
            if i in self.fixed:
                new[self.node.output(i)] = self.fixed[i]
            elif i in self.delayed:
                new[self.node.output(i)] = self.delayed[i](stack)
            elif i in self.carry_of:
                new[self.node.output(i)] = results[place[self.carry_of[i]]]
            elif i in self.stacked_of:
                new[self.node.output(i)] = results[c + self.stacked_of[i]]
            else:
                new[self.node.output(i)] = results[-1]
        return new | {old: results[place[v]] for old, v in self.last.items()}

    def _how(self) -> tuple:
        """By which rules, with which carries that start equal, a body is made smaller."""
        starts = [operand for _, operand, _ in self.parts.carries]
        first = [next(i for i, v in enumerate(starts) if same_value(v, own)) for own in starts]
        return self.rules, tuple(first)

    def _is_small(self) -> bool:
        """Has this body, as it is, been made smaller before?"""
        body: Graph = self.node.op.params["graph"]
        pairs = [*zip(body.inputs, self.parts.inputs, strict=False),
                 *zip(body.outputs, self.parts.outputs, strict=False)]  # fmt: skip
        counts = len(body.inputs), len(body.outputs)
        return (
            body.small is not None
            and counts == (len(self.parts.inputs), len(self.parts.outputs))
            and all([a is b for a, b in pairs])
            and body.small == self._how()
        )

    # -- the rules -----------------------------------------------------------------------------
    def _last_only(self) -> None:
        """ys[-1], where nothing else of ys is read → a carry."""
        self.last: dict[Variable, Variable] = {}
        steps = self.layout.count
        if self.layout.until or not isinstance(steps, int) or steps < 1:
            return
        final = 0 if self.layout.backward else steps - 1
        ends = set(self.graph.outputs)
        for i, place in list(self.stacked_of.items()):
            v, y = self.node.output(i), self.parts.stacked[place]
            users = [user for user, _ in self.graph.clients.get(v, ())]
            if v in ends or not users or not y.type.is_static:
                continue
            if not all([_reads(user, (final, final - steps)) for user in users]):
                continue
            carry = Variable(y.type)
            start = Constant(np.zeros(y.type.shape, y.dtype))
            self.parts = self.parts._replace(carries=(*self.parts.carries, (carry, start, y)))
            self.last |= {user.output(0): carry for user in users}
            self.used.discard(i)

    def _once(self) -> None:
        """An operand that is handed over twice → once."""
        new: dict[Variable, Variable] = {}
        kept: list[list[tuple[Variable, Variable]]] = [[], []]
        for pairs, group in zip((self.parts.rows, self.parts.captured), kept, strict=True):
            known: list[tuple[Variable, Variable]] = []
            first: dict[Variable, Variable] = {}
            for v, operand in pairs:
                if isinstance(operand, Constant):
                    same = next((w for w, o in known if same_value(o, operand)), None)
                else:
                    same = first.get(operand)
                if same is not None and same.type is v.type:
                    new[v] = same
                    continue
                known += [(v, operand)] if isinstance(operand, Constant) else []
                first.setdefault(operand, v)
                group.append((v, operand))
        rows, captured = kept
        scalars = {v: o for v, o in captured if isinstance(o, Constant) and not o.ndim}
        new = {v: scalars.get(same, same) for v, same in new.items()} | scalars
        captured = [(v, o) for v, o in captured if v not in scalars]
        self.parts = self.parts._replace(rows=tuple(rows), captured=tuple(captured))
        self._substitute(new)

    def _substitute(self, new: dict[Variable, Variable]) -> None:
        if new:
            self.parts = self.parts.with_outputs(replace(self.parts.outputs, new))

    def _simplified(self) -> None:
        parts = self.parts
        if not self.simple.issuperset(parts.outputs):
            self._become(self.simplify(Graph(parts.inputs, parts.outputs)))

    def _become(self, body: Graph) -> None:
        """Go on with the outputs of a body that has been simplified."""
        self.parts = self.parts.with_outputs(body.outputs)
        self.simple = {*body.outputs}

    def _unchanging(self) -> bool:
        """A carry that is handed on as it is → a captured operand."""
        same = [(v, o) for v, o, new in self.parts.carries if new is v]
        if not same:
            return False
        inside = dict(same)
        left = [c for c in self.parts.carries if c[0] not in inside]
        for i, v in list(self.carry_of.items()):
            if v in inside:
                self.fixed[i] = inside[v]
                del self.carry_of[i]
        self.parts = self.parts._replace(
            carries=tuple(left), captured=(*self.parts.captured, *same)
        )
        return True

    def _equal(self) -> bool:
        """Carries that start equal and are changed alike → one of them."""
        groups: list[list[tuple[Variable, Variable, Variable]]] = []
        for carry in self.parts.carries:
            home = next((g for g in groups if same_value(g[0][1], carry[1])
                         and g[0][0].type is carry[0].type), None)  # fmt: skip
            if home is None:
                groups.append([carry])
            else:
                home.append(carry)
        groups = [part for g in groups for part in _by_op(g)]
        made: Graph | None = None
        while any(len(g) > 1 for g in groups):
            new = {v: g[0][0] for g in groups for v, _, _ in g[1:]}
            outputs = replace(self.parts.outputs, new)
            made = self.simplify(Graph(self.parts.inputs, outputs))
            after = dict(zip([v for v, _, _ in self.parts.carries], made.outputs, strict=False))
            split = [part for g in groups for part in _by_output(g, after)]
            if len(split) == len(groups):
                break
            groups = split
        new = {v: g[0][0] for g in groups for v, _, _ in g[1:]}
        if not new or made is None:
            return False
        self._become(made)  # where they are one
        self.parts = self.parts._replace(
            carries=tuple([c for c in self.parts.carries if c[0] not in new])
        )
        self.carry_of = {i: new.get(v, v) for i, v in self.carry_of.items()}
        self.last = {old: new.get(v, v) for old, v in self.last.items()}
        return True

    def _before_the_loop(self) -> None:
        """What depends on captured operands only is computed once."""
        parts = self.parts
        order = walk.toposort(parts.outputs, set(parts.inputs))
        effects = [v for node in order if node.op.family.is_effect for v in node.outputs]
        steps = walk.reached_from({*[v for v, _, _ in parts.carries], *[v for v, _ in parts.rows],
                                   *effects}, order)  # fmt: skip
        border: dict[Variable, None] = {}
        for node in order:
            if any([v in steps for v in node.outputs]):
                border |= {v: None for v in node.inputs if v not in steps}
        border |= {v: None for v in parts.outputs if v not in steps}
        moved = [v for v in border if v.owner is not None]
        outside = replace(moved, dict(parts.captured))
        inside = [Variable(v.type, name=v.name) for v in moved]
        self.parts = parts._replace(captured=(*parts.captured, *zip(inside, outside, strict=True)))
        self._substitute(dict(zip(moved, inside, strict=True)))

    def _after_the_loop(self) -> Sums:
        """Sums and products that no step reads → after the loop."""
        read = {self.carry_of[i] for i in self.used if i in self.carry_of}
        read |= {self.parts.stacked[p] for i, p in self.stacked_of.items() if i in self.used}
        sums = Sums(self.parts, read)
        for i, v in list(self.carry_of.items()):
            if v in sums.later:
                self.delayed[i] = sums.later[v]
                del self.carry_of[i]
        for i, place in list(self.stacked_of.items()):
            y = self.parts.stacked[place]
            if y in sums.products:
                self.delayed[i] = sums.products[y]
                del self.stacked_of[i]
        gone = set(sums.later)
        carries = tuple([c for c in self.parts.carries if c[0] not in gone])
        first = len(self.parts.stacked)
        self.parts = self.parts._replace(
            carries=carries, stacked=(*self.parts.stacked, *sums.wanted)
        )
        for k, u in enumerate(sums.wanted):
            self.stacked_of[u] = first + k
            self.used.add(u)
        return sums

    def _unused(self) -> None:
        """Carries, stacked results and operands that nobody reads → nothing."""
        parts = self.parts
        place_of = {i: p for i, p in self.stacked_of.items() if i in self.used}
        first: dict[Variable, int] = {}
        for p in place_of.values():
            first.setdefault(parts.stacked[p], p)  # the same thing is stacked once
        stacked = list(first.values())
        live = {self.carry_of[i] for i in self.used if i in self.carry_of} | {*self.last.values()}
        roots = [*[parts.stacked[p] for p in stacked], *parts.going]
        after = {v: new for v, _, new in parts.carries}
        pending = [*roots, *[after[v] for v in live]]
        read: set[Variable] = set()
        inputs = set(parts.inputs)
        while pending:
            read.update(walk.leaves(pending, inputs))
            fresh = [v for v in after if v in read and v not in live]
            live.update(fresh)
            pending = [after[v] for v in fresh]
        self.parts = parts._replace(
            carries=tuple([c for c in parts.carries if c[0] in live]),
            rows=tuple([p for p in parts.rows if p[0] in read]),
            captured=tuple([p for p in parts.captured if p[0] in read]),
            stacked=tuple([parts.stacked[p] for p in stacked]),
        )
        order = {v: k for k, v in enumerate(first)}
        self.stacked_of = {i: order[parts.stacked[p]] for i, p in place_of.items()}


def _reads(node: Apply, places: Sequence[int]) -> bool:
    """Is this x[i], for one of the places along axis 0?"""
    if node.op.name != "getitem":
        return False
    (kind, *where), *rest = node.op.params["index"]
    return kind == "int" and where[0] in places and all(
        [entry == ("slice", None, None, None) for entry in rest]
    )  # fmt: skip


def _by_op(group: list[Any]) -> list[list[Any]]:
    """Carries of a group by what computes them: another op hardly ever gives the same."""
    found: dict[Any, list[Any]] = {}
    for carry in group:
        node = carry[2].owner
        found.setdefault(None if node is None else (node.op.name, carry[2].index), []).append(
            carry
        )
    return list(found.values())


def _by_output(group: list[Any], after: dict[Variable, Variable]) -> list[list[Any]]:
    """Carries of a group by what they become."""
    found: dict[Variable, list[Any]] = {}
    for carry in group:
        found.setdefault(after[carry[0]], []).append(carry)
    return list(found.values())
