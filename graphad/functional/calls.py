"""One call of a transformed function with values: trace, find the program, run it.

Nothing is assumed of the user's function: it is traced again at every call. The first call of a
graph is evaluated node by node; when the same graph comes again, it is compiled, and from then on
its program runs. Captured arrays are inputs of the program. Captured numbers are part of it, until
one is seen to change: then that one becomes an input.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.assemble import function
from graphad.codegen.rooms import is_whole
from graphad.functional.content import Content, content
from graphad.functional.numbers import typed
from graphad.functional.purity import unwatched
from graphad.functional.tracer import Trace, leaked
from graphad.ir.context import known_arrays
from graphad.ir.garbage import rarely
from graphad.ir.graph import Graph, replace
from graphad.ir.streams import advance
from graphad.ir.types import type_of
from graphad.ir.variable import Apply, Constant, Variable
from graphad.runtime.function import Function
from graphad.runtime.opening import expect

LIMIT = 512  # programs that are kept
LARGE = 1 << 14  # bytes from which an argument is not copied where the function captures it

Forward = Callable[[Sequence[Any]], Any]
Finish = Callable[[Sequence[Variable], Any], Any]


class Kept:
    """A leaf of the result that is no Variable: handed on as this call has it."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place


class Program(NamedTuple):
    """The compiled function of a graph, and how its results are put together."""

    function: Function
    lifted: tuple[int, ...]  # which constants are inputs
    numbers: dict[int, bytes]  # which constants are part of it, and their bits
    results: list[Any]  # for each leaf: index of an output, Kept, or the leaf itself
    structure: tree.Structure

    def fits(self, constants: Sequence[Constant]) -> bool:
        """Are the constants that are part of it the same?"""
        return all([constants[i].value.tobytes() == bits for i, bits in self.numbers.items()])

    def run(self, arrays: Sequence[Any], constants: Sequence[Constant], leaves: list) -> Any:
        """The result of a call whose own leaves are `leaves`."""
        values = self.function(*arrays, *[constants[i].value for i in self.lifted])
        return self.structure.unflatten([
            leaves[r.place] if type(r) is Kept else values[r] if type(r) is int else r
            for r in self.results])  # fmt: skip


class Entry:
    """What is known of a graph: the numbers it captured at first, its program if there is one."""

    __slots__ = ("numbers", "program")

    def __init__(self, constants: Sequence[Constant]) -> None:
        self.numbers = {i: c.value.tobytes() for i, c in enumerate(constants) if c.ndim == 0}
        self.program: Program | None = None

    def settle(self, constants: Sequence[Constant]) -> dict[int, bytes]:
        """The numbers that have not changed so far; the others become inputs."""
        same = {i: b for i, b in self.numbers.items() if constants[i].value.tobytes() == b}
        self.numbers = same
        return same


_entries: OrderedDict[Hashable, Entry] = OrderedDict()
_lock = threading.Lock()


def _entry(key: Hashable, constants: Sequence[Constant]) -> tuple[Entry, bool]:
    """(the entry of a graph, was it there before?)"""
    with _lock:
        found = _entries.get(key)
        if found is not None:
            _entries.move_to_end(key)
            return found, True
        made = _entries[key] = Entry(constants)
        while len(_entries) > LIMIT:
            _entries.popitem(last=False)
        return made, False


def call(
    name: str,
    tag: Hashable,
    inputs: Sequence[tuple[str, Any]],
    forward: Forward,
    finish: Finish,
    known: Sequence[Any] = (),
    settled: bool = True,
) -> Any:
    """The result of a transformed function for the values in `inputs` (pairs of label and array).

    forward   runs the user's function on Tracers; gives a container of Variables and other things
    finish    (tracers, that container) → container of Variables: what is asked for, as graph
    tag       what `finish` does, to be part of the key
    known     arrays that the function gets as they are; large ones become inputs
    settled   may a graph be compiled that comes for the second time?
    """
    with rarely:
        trace = Trace(name)
        try:
            tracers = [trace.leaf(typed(a), a, label) for label, a in inputs]
            further = {id(a): trace.leaf(type_of(a), a) for a in known}
            arrays = [a for _, a in inputs]
            if further:
                token = known_arrays.set({**known_arrays.get(), **further})
                try:
                    made = forward(tracers)
                finally:
                    known_arrays.reset(token)
                arrays += list(known)
            else:
                made = forward(tracers)
            leaves_in = [trace.original(t) for t in (*tracers, *further.values())]
            with unwatched(trace.nodes):
                return _finished(
                    trace, tag, leaves_in, arrays, made, finish, len(tracers), settled
                )
        finally:
            trace.close()


def _finished(
    trace: Trace, tag: Hashable, inputs: Sequence[Variable], arrays: Sequence[Any], made: Any,
    finish: Finish, count: int, settled: bool,
) -> Any:  # fmt: skip
    leaves, structure = tree.flatten(made)
    outputs = [v for v in leaves if isinstance(v, Variable)]
    found = content(inputs, outputs)
    if found.others:
        return _symbolic(found, inputs, arrays, made, finish, count)
    entry, seen = _entry((tag, structure, count, found.key), found.constants)
    program = entry.program
    again = seen and not trace.chances and not builds(trace.nodes)
    if not again or (program is None and not settled):
        return _evaluated(trace, inputs, made, finish, count)
    if program is None or not program.fits(found.constants):
        numbers = entry.settle(found.constants)
        program = _compiled(trace.name, numbers, found, inputs, leaves, structure, finish, count)
        entry.program = program
    return program.run(arrays, found.constants, leaves)


def builds(nodes: Iterable[Apply]) -> bool:
    """Do functions of the user build the derivative of these nodes? They have to be asked in each
    call: they may read what changes."""
    for node in nodes:
        family = node.op.family
        if family.own_rules and family.builds(node.op.params):
            return True
        if family.is_inner and any(
            [builds(part.nodes) for part in node.op.params.values() if isinstance(part, Graph)]
        ):
            return True
    return False


def _symbolic(
    found: Content, inputs: Sequence[Variable], arrays: Sequence[Any], made: Any, finish: Finish,
    count: int,
) -> Any:  # fmt: skip
    """The result as graph: the function uses Variables from outside, of a trace around it, say."""
    for variable in found.others:
        if variable.tracing is not None and not variable.tracing.is_open:
            raise leaked(variable)
    results, structure = tree.flatten(finish(inputs[:count], made))
    values = {v: Constant(a) for v, a in zip(inputs, arrays, strict=True)}
    places = [i for i, r in enumerate(results) if isinstance(r, Variable)]
    for i, new in zip(places, replace([results[i] for i in places], values), strict=True):
        results[i] = new
    return structure.unflatten(results)


def _evaluated(
    trace: Trace, inputs: Sequence[Variable], made: Any, finish: Finish, count: int
) -> Any:
    """The result, computed node by node."""
    results, structure = tree.flatten(finish(inputs[:count], made))
    return structure.unflatten(own_values(trace, results))


def own_values(trace: Trace, results: Sequence[Any]) -> list[Any]:
    """The values of Variables, each an array of its own; what is no Variable stays."""
    trace.compute([r.owner for r in results if isinstance(r, Variable) and r.owner is not None])
    if trace.streams:
        results = _drawn(trace, results)
    given: set[int] = set()
    values = []
    for result in results:
        if not isinstance(result, Variable):
            values.append(result)
            continue
        value = np.asarray(trace.value(result))
        if value.ndim:
            if result.owner is None or not is_whole(value) or id(value) in given or (
                result.owner.op.family.passes or result.owner.op.family.views(
                    result.owner.op.params)):  # fmt: skip
                value = np.array(value)
            given.add(id(value))
        values.append(value if value.ndim else value[()])
    return values


def _drawn(trace: Trace, results: Sequence[Any]) -> list[Any]:
    """The results without draws whose numbers nobody reads; generators go on after the others, as
    they do when a compiled function is called."""
    found = list(results)
    places = [i for i, r in enumerate(results) if isinstance(r, Variable)]
    targets, last = advance([*[results[i] for i in places], *trace.chances])
    for i, new in zip(places, targets, strict=False):
        found[i] = new
    states = {stream: trace.value(state) for stream, state in last.items()}
    for stream, state in states.items():
        if stream.cell.array is trace.values[stream]:  # else somebody has gone on already
            stream.value = state
    return found


def _compiled(
    name: str, numbers: dict[int, bytes], found: Content, inputs: Sequence[Variable],
    leaves: Sequence[Any], structure: tree.Structure, finish: Finish, count: int,
) -> Program:  # fmt: skip
    """The program: of plain Variables, with captured arrays as inputs."""
    inside = [Variable(v.type, name=v.name) for v in inputs]
    places = tuple([i for i in range(len(found.constants)) if i not in numbers])
    lifted = [found.constants[i] for i in places]
    captured = [Variable(c.type) for c in lifted]
    pairs = dict(zip((*inputs, *lifted), (*inside, *captured), strict=True))
    symbolic = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Variable)]
    plain: list[Any] = [Kept(i) for i in range(len(leaves))]
    for i, new in zip(symbolic, replace([leaves[i] for i in symbolic], pairs), strict=True):
        plain[i] = new
    results, shape = tree.flatten(finish(inside[:count], structure.unflatten(plain)))
    outputs = [r for r in results if isinstance(r, Variable)]
    order = iter(range(len(outputs)))
    kept = [next(order) if isinstance(r, Variable) else r for r in results]
    compiled = function([*inside, *captured], outputs, name=name, unused="ignore")
    expect(compiled)  # the graph came for the second time
    return Program(compiled, places, numbers, kept, shape)
