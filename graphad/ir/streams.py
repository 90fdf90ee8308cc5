"""Streams of random numbers: who draws next, and what a call leaves for the next call.

A draw is an op from a state to a further state and an array. The state of a generator lives in a
`Stream`, a shared variable; the draws of a generator hang together in the order in which they were
built (`Chain`), one after the other, from that variable on. Inside the body of a loop or a branch
the draws hang on an input of the body instead (`Body`), which the loop carries from step to step.

When a function is assembled, `advance` leaves out draws of which nobody reads the numbers, and
finds the state that each stream is left in: the update that the function makes by itself.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Any

from graphad.ir import walk
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Shared, Variable, rebuild

STATE = TensorType("uint64", (6,))  # of a PCG64: state, increment (two words each), spare 32 bits


class Stream(Shared):
    """The shared variable that holds the state of a generator."""

    __slots__ = ()

    def __reduce__(self) -> tuple:
        return Stream, (self.type, self.cell, self.name)


# ---- building ----------------------------------------------------------------------------------
class Chain:
    """The draws of one generator that somebody still holds, in the order they were built.

    It knows them weakly: numbers that nobody can ask for any more are no part of the stream.
    """

    __slots__ = ("_built", "root", "turn")

    def __init__(self, root: Stream) -> None:
        self.root = root
        self.turn = threading.RLock()  # held while a draw is built, from `latest` to `extend`
        self._built: list[tuple[weakref.ref[Apply], int]] = []

    def latest(self) -> Variable:
        """The state from which the next draw starts."""
        body = open_body.get()
        if body is not None:
            return body.latest(self)
        while self._built:
            node, index = self._built[-1][0](), self._built[-1][1]
            if node is not None:
                return node.output(index)
            self._built.pop()
        return self.root

    def extend(self, state: Variable) -> None:
        """From now on draws start from `state`, an output of what drew last."""
        body = open_body.get()
        if body is not None:
            body.states[self] = state
        elif state.owner is not None:
            self._built.append((weakref.ref(state.owner), state.index))

    def __reduce__(self) -> tuple:
        return Chain, (self.root,)


class Body:
    """What is built inside the ``with`` block becomes an inner graph: of its draws, each generator
    starts from an input of that graph; of its effects, none may be moved out of it.

    After the block, `given` are the states with which the inner graph begins, `last` those with
    which it ends. The op that holds the graph has operands `outside()` for the former, and its
    results for the latter go to `leave`.
    """

    def __init__(self) -> None:
        self.inputs: dict[Chain, Variable] = {}
        self.states: dict[Chain, Variable] = {}
        self.effects: list[Variable] = []
        self._token: Token[Body | None] | None = None

    def latest(self, chain: Chain) -> Variable:
        """The state from which the next draw of this generator starts, inside."""
        if chain not in self.states:
            self.inputs[chain] = self.states[chain] = Variable(STATE, name=chain.root.name)
        return self.states[chain]

    @property
    def given(self) -> list[Variable]:
        """Inputs of the inner graph, one for each generator that draws in it."""
        return list(self.inputs.values())

    @property
    def last(self) -> list[Variable]:
        """The states after the last draws inside."""
        return [self.states[chain] for chain in self.inputs]

    def outside(self) -> list[Variable]:
        """The operands for `given`: the states from which the next draws start, outside."""
        return [chain.latest() for chain in self.inputs]

    def leave(self, states: Sequence[Variable]) -> None:
        """The draws that follow start from these results of the op, in the order of `last`."""
        for chain, state in zip(self.inputs, states, strict=True):
            chain.extend(state)

    def __enter__(self) -> Body:
        self._token = open_body.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        open_body.reset(self._token)


open_body: ContextVar[Body | None] = ContextVar("graphad_open_body", default=None)


# ---- assembling --------------------------------------------------------------------------------
def advance(
    targets: Sequence[Variable], stop: Collection[Variable] = frozenset()
) -> tuple[list[Variable], dict[Stream, Variable]]:
    """(`targets` without draws whose numbers nobody reads, the last state of each stream).

    The values of variables in `stop` are given: nothing is drawn for them.
    Where the draws of a stream fork, because a part of the graph was copied with other operands,
    the copies draw the same numbers; the stream goes on after the longer branch.
    """
    count, stop = len(targets), frozenset(stop)
    order = walk.toposort(targets, stop)
    links = _links(order)
    further = _forward(order, links)
    if further:
        targets = [*targets, *further]
        order = walk.toposort(targets, stop)
        links = _links(order)
    if not links:
        return list(targets), {}
    idle = _idle(order, links, targets, stop)
    if idle:
        targets = _without(idle, order, links, targets, stop)
        order = walk.toposort(targets, stop)
        links = _links(order)
    return list(targets[:count]), _last_states(order, links)


def bypass(variable: Variable, given: Collection[Variable]) -> Variable:
    """`variable` as a compiled function draws it: without draws whose numbers nobody reads."""
    if any([isinstance(v, Stream) for v in walk.leaves([variable], given)]):
        return advance([variable], given)[0][0]
    return variable


Links = Mapping[Apply, Mapping[int, int]]


def _links(order: Sequence[Apply]) -> Links:
    """For each node that draws, output → input positions of the states that it hands on."""
    return {node: found for node in order if (found := node.op.family.hands_on(node.op.params))}


def _forward(order: Sequence[Apply], links: Links) -> list[Variable]:
    """States after draws that derivatives repeat, where nothing of the draws themselves is there.

    That is so for inner graphs, whose derivatives compute them again. It is the state after the
    forward node; if that depends on what the graph does not have, because the derivative was
    copied with other operands, it is that of a new stream.
    """
    taken = {node.inputs[given] for node, handed in links.items() for given in handed.values()}
    found: dict[Variable, Variable] = {}
    for node in order:
        for state in node.inputs if node.origin is not None and node not in links else ():
            if state.type is not STATE or state in taken or state in found:
                continue
            known = {v for n in order for v in n.inputs}
            after = _after(node, state)
            if after is not None:
                leaves = walk.leaves([after], known)
                closed = all([v in known or isinstance(v, Constant | Shared) for v in leaves])
                after = after if closed else None
            renew: Any = OPS.families["random.renew"]
            found[state] = renew(state) if after is None else after
    return list(found.values())


def _after(node: Apply, state: Variable) -> Variable | None:
    """The state after the forward node of a derivative, which starts from `state`."""
    origin = node.origin
    while origin is not None:
        for i, given in origin.op.family.hands_on(origin.op.params).items():
            if origin.inputs[given] is state:
                return origin.output(i)
        origin = origin.origin
    return None


def handed(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> dict[int, int]:
    """Output → input positions of the states that an inner graph hands on."""
    place = {v: i for i, v in enumerate(inputs)}
    found: dict[int, int] = {}
    for i, variable in enumerate(outputs):
        state = variable
        while state.type is STATE and state not in place and state.owner is not None:
            node = state.owner
            links = node.op.family.hands_on(node.op.params)
            if state.index not in links:
                break
            state = node.inputs[links[state.index]]
        if state.type is STATE and state in place:
            found[i] = place[state]
    return found


def _idle(
    order: Sequence[Apply], links: Links, targets: Iterable[Variable], stop: frozenset[Variable]
) -> set[Apply]:
    """The draws of which at most the state is read.

    A derivative may repeat a draw from its state, and read nothing of the draw itself: as the
    numbers are used, the draw is not idle.
    """
    repeated: set[Variable] = set()  # states from which idle draws and others start
    while True:
        read, used = {*targets}, set(repeated)
        idle: set[Apply] = set()
        for node in reversed(order):
            handed = links.get(node, {})
            asked = [i for i, v in enumerate(node.outputs) if v in read and v not in stop]
            again = any([node.inputs[given] in repeated for given in handed.values()])
            if again or any([i not in handed for i in asked]):
                read.update(node.inputs)
                used.update([v for v in node.inputs if v.type is STATE])
            elif handed:
                idle.add(node)
                read.update([node.inputs[handed[i]] for i in asked])
        starts = {node.inputs[given] for node in idle for given in links[node].values()}
        if not starts & used:
            return idle
        repeated |= starts & used


def _without(
    idle: set[Apply], order: Sequence[Apply], links: Links, targets: Sequence[Variable],
    stop: frozenset[Variable],
) -> list[Variable]:  # fmt: skip
    """`targets` with each idle draw handing on the state that it was given."""
    new: dict[Variable, Variable] = {}
    for node in order:
        operands = tuple([new.get(v, v) for v in node.inputs])
        if node in idle:
            new.update({node.output(i): operands[given] for i, given in links[node].items()})
        elif any([a is not b for a, b in zip(operands, node.inputs, strict=True)]):
            changed = rebuild(node, operands)
            for old, made in zip(node.outputs, changed.outputs, strict=True):
                made.name = old.name
                if old not in stop:
                    new[old] = made
    return [new.get(v, v) for v in targets]


def _last_states(order: Sequence[Apply], links: Links) -> dict[Stream, Variable]:
    """For each stream the state after the most draws."""
    known: dict[Variable, tuple[Any, int]] = {}
    last: dict[Stream, tuple[Variable, int]] = {}
    for node in order:
        for i, given in links.get(node, {}).items():
            before = node.inputs[given]
            root, count = known.get(before, (before, 0))
            after = node.output(i)
            known[after] = root, count + 1
            if isinstance(root, Stream) and count + 1 >= last.get(root, (after, 0))[1]:
                last[root] = after, count + 1
    return {root: state for root, (state, _) in last.items()}
