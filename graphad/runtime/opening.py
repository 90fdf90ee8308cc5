"""The first call of a function, answered before there is a program.

Writing a program, and having Python compile it, takes longer than one call of it on small arrays,
and a function may be called just once. So with backend "auto" the first call evaluates the graph
node by node: with the functions of NumPy that the program calls, so that results are the same. On
arrays so large that it pays, machine code that another process has left on disk answers, or else
blocks (`codegen.large`), or machine code that is made for it, where that is sooner. The program is
written when there is a second call, or when somebody wants to see it; it answers too where the
first call fails, since errors tell the line of a program.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.large import FROM
from graphad.codegen.lock import compiling
from graphad.ir.dims import Atom, Dim
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Constant, Variable
from graphad.records import Record

Run = Callable[..., Sequence[Any]]
LOOK = 1 << 21  # elements to be computed from which machine code is looked for on disk before
IN_PLACE = 1 << 19  # elements of an array from which a program pays, since it writes over arrays
DROPPED = 1 << 13  # elements of an array that is dropped once nobody reads it any more
SECONDS = 2e-10  # for an element of a sum or product in blocks, on one thread
LONG = 16  # times as much takes a function that the processor does not have
SOONER = 0.1  # seconds that blocks take from which machine code is there sooner, made from scratch
FUNCTIONS = frozenset(
    "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh exp exp2 "
    "expm1 log log2 log10 log1p logaddexp power cbrt hypot sigmoid softplus".split()
)


class Opening:
    """Answers the first call, then has the program of `compiled` answer.

    `opened` is a method; it is called with what answers from the second call on, and the seconds
    that it took to make that.
    """

    __slots__ = ("_opened", "called", "compiled", "run")

    def __init__(self, compiled: Any, opened: Callable[[Run, float], None]) -> None:
        self.compiled = compiled
        self._opened = weakref.WeakMethod(opened)  # no cycle
        self.called = False
        self.run: Run | None = None

    def __call__(self, *arrays: Any) -> Sequence[Any]:
        if self.run is None:
            if not self.called:
                self.called = True
                found = self._first(arrays)
                if found is not None:
                    return found
            return self.write()(*arrays)
        return self.run(*arrays)

    def write(self) -> Run:
        """Have the program answer from now on."""
        start = time.perf_counter()
        run: Run = self.compiled.program.run
        self.run = run
        opened = self._opened()
        if opened is not None:
            opened(run, time.perf_counter() - start)
        return run

    def _first(self, arrays: Sequence[Any]) -> Sequence[Any] | None:
        """The results; None where the program has to compute them."""
        graph: Graph = self.compiled.graph
        found = work(graph, arrays)
        if found is None:
            return None
        if found.elements >= LOOK:
            results = self._recalled(arrays)
            if results is not None:
                return results
        if found.largest >= FROM:
            large = self.compiled.for_large
            if found.elements >= large.patience:
                large.patience = 0
                results = self._natively(found.seconds, arrays)
                return large(*arrays) if results is None else results
            if found.largest >= IN_PLACE:
                return None
            large.patience -= found.elements
            hooks.load("codegen.rooms").keep_small()
        try:
            return evaluated(graph, arrays, found.largest >= DROPPED)
        except Exception:
            return None

    def _natively(self, seconds: float, arrays: Sequence[Any]) -> Sequence[Any] | None:
        """The results by machine code, if that is sooner than blocks, which take `seconds` on one
        thread, and if there can be any."""
        threads = self.compiled.options.threads
        if seconds < SOONER * (threads or hooks.load("codegen.threads").available_threads()):
            return None
        try:
            with compiling:
                native = self.compiled.native
            results: Sequence[Any] | None = None if native is None else native.run(*arrays)
            return results
        except Exception:
            return None

    def _recalled(self, arrays: Sequence[Any]) -> Sequence[Any] | None:
        """The results by machine code that another process has left on disk; None without it."""
        if not compiling.acquire(blocking=False):
            return None
        try:
            native = self.compiled.native if self.compiled.recall() else None
        except Exception:
            native = None
        finally:
            compiling.release()
        if native is None:
            return None
        try:
            found: Sequence[Any] = native.run(*arrays)
        except Exception:
            return None
        return found


def expect(function: Any) -> None:
    """Write the program of a `Function` now: more than one call is known to come."""
    tiers = function._tiers
    first = getattr(tiers, "first", None)
    if isinstance(first, Opening):
        spent = tiers.spent
        first.write()
        tiers.spent = spent  # no call was timed


class Work(Record):
    """Elements of the largest array, and computed by all nodes, that blocks could compute; and
    the seconds that this takes on one thread."""

    largest: int
    elements: int
    seconds: float


def work(graph: Graph, arrays: Sequence[Any]) -> Work | None:
    """What there is to compute; None where sizes depend on more than those of the arguments."""
    sizes: dict[Atom, int] = {}
    for variable, array in zip(graph.inputs, arrays, strict=True):
        for size, given in zip(variable.type.shape, np.shape(array), strict=True):
            if isinstance(size, Dim) and size.is_atom:
                sizes[size.terms[0][0][0]] = given
    counts: dict[tuple[Shape, bool], int] = {}
    for node in graph.nodes:
        family = node.op.family
        if family.is_elementwise or family.is_reducing:
            shape = (node.types[0] if family.is_elementwise else node.inputs[0].type).shape
            key = (shape, node.op.name in FUNCTIONS)
            counts[key] = counts.get(key, 0) + 1
    largest, total, seconds = 0, 0, 0.0
    for (shape, long), count in counts.items():
        try:
            elements = math.prod([s if isinstance(s, int) else s.evaluate(sizes) for s in shape])
        except KeyError:
            return None
        largest, total = max(largest, elements), total + count * elements
        seconds += count * elements * SECONDS * (LONG if long else 1)
    return Work(largest, total, seconds)


def evaluated(graph: Graph, arrays: Sequence[Any], dropping: bool) -> list[Any]:
    """The values of the outputs; with `dropping`, values go when nobody reads them any more."""
    values: dict[Variable, Any] = dict(zip(graph.inputs, arrays, strict=True))
    last = _last_reads(graph) if dropping else {}
    for node in graph.nodes:
        operands = [values[v] if v in values else _constant(v) for v in node.inputs]
        result = node.op.evaluate(np, operands)
        if len(node.types) == 1:
            values[node.output(0)] = result
        else:
            values.update(zip(node.outputs, result, strict=True))
        del operands, result
        for variable in last.get(node, ()):
            del values[variable]
    given = {id(array) for array in arrays}
    return [_own(values[v] if v in values else _constant(v), given) for v in graph.outputs]


def _constant(variable: Variable) -> Any:
    assert isinstance(variable, Constant)
    return variable.value


def _last_reads(graph: Graph) -> dict[Apply, list[Variable]]:
    """The values that nobody reads after each node."""
    met = {*graph.inputs, *graph.outputs}
    last: dict[Apply, list[Variable]] = {}
    for node in reversed(graph.nodes):
        for variable in node.inputs:
            if variable not in met and variable.owner is not None:
                met.add(variable)
                last.setdefault(node, []).append(variable)
    return last


def _own(result: Any, given: set[int]) -> Any:
    """The result as an array of its own: copied if it is a view, an argument, a constant, or has
    been given already; `given` are those met so far."""
    if not isinstance(result, np.ndarray):
        return np.asarray(result)
    if not (result.flags.owndata and result.flags.writeable) or id(result) in given:
        result = np.array(result)
    given.add(id(result))
    return result
