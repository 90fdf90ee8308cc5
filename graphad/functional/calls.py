"""One call of a transformed function with values: trace, find the program, run it.

Nothing is assumed of the user's function: it is traced again at every call. The first call of a
graph is evaluated node by node; when the same graph comes again, it is compiled, and from then on
its program runs. Captured arrays are inputs of the program. Captured numbers are part of it, until
one is seen to change: then that one becomes an input.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.assemble import function
from graphad.functional.content import Content, content
from graphad.functional.tracer import Trace, leaked
from graphad.ir.context import known_arrays
from graphad.ir.graph import replace
from graphad.ir.types import type_of
from graphad.ir.variable import Constant, Variable
from graphad.runtime.function import Function

LIMIT = 512  # programs that are kept
LARGE = 1 << 14  # bytes from which an argument is not copied where the function captures it

Forward = Callable[[Sequence[Any]], Any]
Finish = Callable[[Sequence[Variable], Any], Any]


class Kept:
    """A leaf of the result that is no Variable: handed on as this call has it."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place


class Entry:
    """What is known of one graph: the numbers it captured, its program once it is compiled."""

    __slots__ = ("function", "lifted", "numbers", "results", "structure")

    def __init__(self, numbers: dict[int, bytes]) -> None:
        self.numbers = numbers  # index among the constants -> bits
        self.lifted: set[int] = set()
        self.function: Function | None = None
        self.results: list[Any] = []  # for each leaf: index of an output, or Kept
        self.structure = tree.LEAF

    def fits(self, constants: Sequence[Constant]) -> bool:
        """Is the program right for these constants? What changed becomes an input."""
        changed = [i for i, bits in self.numbers.items() if constants[i].value.tobytes() != bits]
        for i in changed:
            del self.numbers[i]
            self.lifted.add(i)
        return not changed


_entries: OrderedDict[Hashable, Entry] = OrderedDict()
_lock = threading.Lock()


def _entry(key: Hashable, constants: Sequence[Constant]) -> tuple[Entry, bool]:
    """(the entry of a graph, was it there before?)"""
    with _lock:
        found = _entries.get(key)
        if found is not None:
            _entries.move_to_end(key)
            return found, True
        numbers = {i: c.value.tobytes() for i, c in enumerate(constants) if c.ndim == 0}
        made = _entries[key] = Entry(numbers)
        made.lifted = {i for i, c in enumerate(constants) if c.ndim}
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
) -> Any:
    """The result of a transformed function for the values in `inputs` (pairs of label and array).

    forward   runs the user's function on Tracers; gives a container of Variables and other things
    finish    (tracers, that container) → container of Variables: what is asked for, as graph
    tag       what `finish` does, to be part of the key
    known     arrays that the function gets as they are; large ones become inputs
    """
    trace = Trace(name)
    try:
        tracers = [trace.leaf(type_of(a), a, label) for label, a in inputs]
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
        return _finished(trace, tag, leaves_in, arrays, made, finish, len(tracers))
    finally:
        trace.close()


def _finished(
    trace: Trace, tag: Hashable, inputs: Sequence[Variable], arrays: Sequence[Any], made: Any,
    finish: Finish, count: int,
) -> Any:  # fmt: skip
    leaves, structure = tree.flatten(made)
    outputs = [v for v in leaves if isinstance(v, Variable)]
    found = content(inputs, outputs)
    if found.others:
        return _symbolic(found, inputs, arrays, made, finish, count)
    entry, seen = _entry((tag, structure, count, found.key), found.constants)
    if not seen:
        return _evaluated(trace, inputs, made, finish, count)
    if not entry.fits(found.constants) or entry.function is None:
        _compile(trace.name, entry, found, inputs, leaves, structure, finish, count)
    assert entry.function is not None
    lifted = [found.constants[i].value for i in sorted(entry.lifted)]
    values = entry.function(*arrays, *lifted)
    results = [leaves[r.place] if isinstance(r, Kept) else values[r] if type(
        r) is int else r for r in entry.results]  # fmt: skip
    return entry.structure.unflatten(results)


def _symbolic(
    found: Content, inputs: Sequence[Variable], arrays: Sequence[Any], made: Any, finish: Finish,
    count: int,
) -> Any:  # fmt: skip
    """The result as graph: the function uses Variables from outside, of a trace around it, say."""
    for variable in found.others:
        if variable.trace is not None and not variable.trace.is_open:
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
    given: set[int] = set()
    values = []
    for result in results:
        if not isinstance(result, Variable):
            values.append(result)
            continue
        value = np.asarray(trace.value(result))
        if value.ndim:
            if result.owner is None or not value.flags.owndata or id(value) in given or (
                result.owner.op.family.passes or result.owner.op.family.views(
                    result.owner.op.params)):  # fmt: skip
                value = np.array(value)
            given.add(id(value))
        values.append(value if value.ndim else value[()])
    return values


def _compile(
    name: str, entry: Entry, found: Content, inputs: Sequence[Variable], leaves: Sequence[Any],
    structure: tree.Structure, finish: Finish, count: int,
) -> None:  # fmt: skip
    """Make the program: of plain Variables, with captured arrays as inputs."""
    inside = [Variable(v.type, name=v.name) for v in inputs]
    lifted = [found.constants[i] for i in sorted(entry.lifted)]
    captured = [Variable(c.type) for c in lifted]
    pairs = dict(zip((*inputs, *lifted), (*inside, *captured), strict=True))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Variable)]
    plain: list[Any] = [Kept(i) for i in range(len(leaves))]
    for i, new in zip(places, replace([leaves[i] for i in places], pairs), strict=True):
        plain[i] = new
    results, entry.structure = tree.flatten(finish(inside[:count], structure.unflatten(plain)))
    outputs = [r for r in results if isinstance(r, Variable)]
    order = iter(range(len(outputs)))
    entry.results = [next(order) if isinstance(r, Variable) else r for r in results]
    entry.function = function([*inside, *captured], outputs, name=name, unused="ignore")
