"""`trace`: from a Python function and its arguments to a Graph that knows their containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.assemble import function
from graphad.errors import UseError
from graphad.functional.choosing import NUMBERS, check_callable, name_of, positions
from graphad.functional.draws import Drawn
from graphad.functional.numbers import WEAK, typed
from graphad.functional.tracer import Guard, Trace, leaked
from graphad.ir.context import resolve
from graphad.ir.graph import Graph, copied
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant, Shared, Variable, as_variable, describe
from graphad.ir.walk import leaves_of, toposort
from graphad.runtime.function import Function


def is_array(value: Any) -> bool:
    """Is this an array of numbers, or a number?"""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc"
    return isinstance(value, NUMBERS)


def paths_of(fun: Callable[..., Any], structure: tree.Structure) -> list[str]:
    """How messages call the leaves of (arguments, keywords): x, params['w'][0]."""
    names = positions(fun)
    found = []
    arguments, keywords = structure.children
    for i, child in enumerate(arguments.children):
        found += child.paths(names[i] if i < len(names) else f"argument_{i}")
    for key, child in zip(keywords.keys, keywords.children, strict=True):
        found += child.paths(key)
    return found


class Traced(Graph):
    """The graph of one run of a Python function.

    arguments   structure of (positional arguments, keywords); the inputs are its arrays, in order
    results     structure of what the function returned; the outputs are its arrays
    decisions   (site, kind, outcome) of each decision that the function took on a value: for other
                outcomes the graph may be another one
    """

    def __init__(
        self,
        name: str,
        inputs: Iterable[Variable],
        outputs: Iterable[Variable],
        arguments: tree.Structure,
        results: tree.Structure,
        fixed: tuple[Sequence[Any], Sequence[Any]],
        decisions: Sequence[tuple[Any, str, Any]],
    ) -> None:
        super().__init__(inputs, outputs)
        self.name, self.arguments, self.results = name, arguments, results
        self.decisions = tuple(decisions)
        self._fixed = fixed

    @property
    def result(self) -> Any:
        """The outputs in the container that the function returned."""
        rest = iter(self.outputs)
        leaves = [next(rest) if isinstance(v, Variable) else v for v in self._fixed[1]]
        return self.results.unflatten(leaves)

    def function(self, **options: Any) -> Function:
        """The compiled function of the arrays among the arguments, in order; see `ga.function`.

        Results have the container that the Python function returned, if it holds arrays only.

        >>> import graphad as ga
        >>> float(ga.trace(lambda x, y: x * y, 1.0, 2.0).function()(3.0, 4.0))
        12.0
        """
        plain = len(self.outputs) == self.results.leaf_count
        results = self.result if plain else list(self.outputs)
        return function(list(self.inputs), results, **{"unused": "ignore", "name": self.name,
                                                           **options})  # fmt: skip

    def __reduce__(self) -> tuple:
        return _restore, (Graph(self.inputs, self.outputs), self.name, self.arguments,
                          self.results, self._fixed, self.decisions)  # fmt: skip


def _restore(graph: Graph, *rest: Any) -> Traced:
    name, arguments, results, (given, made), decisions = rest
    return Traced(name, graph.inputs, graph.outputs, arguments, results, (given, made), decisions)


class Run:
    """What one run of a function on Tracers gave: plain Variables, for a graph."""

    __slots__ = ("drawn", "guards", "inputs", "leaves", "others", "structure", "values")

    def __init__(
        self,
        fun: Callable[..., Any],
        types: Sequence[TensorType],
        arrays: Sequence[Any],
        labels: Sequence[str],
        fill: Callable[[Sequence[Any]], tuple[Any, Any]],
        evaluate: Callable[[Trace, Sequence[Any]], list[Any]] | None = None,
        drawn: Drawn | None = None,
    ) -> None:
        self.drawn = drawn  # inputs that arose on the way: they follow after the others
        guards: list[Guard] = []
        trace = Trace(name_of(fun), guards)
        try:
            given = [
                trace.leaf(t, a, label) if a is not None else Variable(t, name=label)
                for t, a, label in zip(types, arrays, labels, strict=True)
            ]
            args, keywords = fill(given)
            made, self.structure = tree.flatten(fun(*args, **keywords))
            made = [as_variable(v) if is_array(v) else v for v in made]
            further = drawn.tracers if drawn is not None else []
            inputs = [trace.original(v) for v in (*given, *further)]
            self.values = evaluate(trace, made) if evaluate is not None else []
            if trace.stand_ins and guards:
                variables = trace.outside([g.variable for g in guards])
                guards = [g._replace(variable=v) for g, v in zip(guards, variables, strict=True)]
            self._settle(made, inputs, guards)
        finally:
            trace.close()

    def _settle(
        self, made: Sequence[Any], inputs: Sequence[Variable], guards: list[Guard]
    ) -> None:
        """Plain Variables in the place of Tracers."""
        places = [i for i, v in enumerate(made) if isinstance(v, Variable)]
        targets = [*[made[i] for i in places], *[g.variable for g in guards]]
        known = set(inputs)
        order = toposort(targets, known)
        self.others = [v for v in leaves_of(order, targets, known)
                       if v not in known and not isinstance(v, Constant | Shared)]  # fmt: skip
        for variable in self.others:
            if variable.tracing is not None and not variable.tracing.is_open:
                raise leaked(variable)
        self.inputs = [Variable(v.type, name=v.name) for v in inputs]
        new = copied(targets, dict(zip(inputs, self.inputs, strict=True)), order)
        self.leaves = list(made)
        for i, v in zip(places, new, strict=False):
            self.leaves[i] = v
        self.guards = [g._replace(variable=v) for g, v in zip(
            guards, new[len(places):], strict=True)]  # fmt: skip

    @property
    def outputs(self) -> list[Variable]:
        return [v for v in self.leaves if isinstance(v, Variable)]


def _value(leaf: Any) -> Any:
    if isinstance(leaf, TensorType):
        return None
    return leaf if type(leaf) in WEAK else np.asarray(leaf)[()]


def trace(fun: Callable[..., Any], *args: Any, **keywords: Any) -> Traced:
    """Run `fun` on Tracers of the arguments; the graph of what it computed.

    Arrays and numbers among the arguments, in any containers, become inputs; a `TensorType`
    becomes an input of that type without a value; other things are handed to `fun` as they are.
    Variables that `fun` uses from outside are refused: GraphError.

    >>> import numpy as np, graphad as ga
    >>> graph = ga.trace(lambda x, p: np.sum(x * p["w"]), np.ones(3), {"w": np.ones(3)})
    >>> graph
    <Graph: 2 inputs, 2 nodes, 1 outputs>
    >>> [v.name for v in graph.inputs]
    ['x', "p['w']"]
    """
    check_callable(fun, "trace")
    leaves, structure = tree.flatten((args, keywords))
    labels = paths_of(fun, structure)
    places = [i for i, v in enumerate(leaves) if is_array(v) or isinstance(v, TensorType)]
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Variable):
            raise UseError(
                f"trace({name_of(fun)}): {labels[i]} is {describe(leaf)}",
                remedy="pass its type, x.type, or call the function on the Variable itself",
            )
    arrays = [_value(leaves[i]) for i in places]
    types = [leaves[i] if a is None else typed(a)
             for i, a in zip(places, arrays, strict=True)]  # fmt: skip

    def fill(variables: Sequence[Any]) -> Any:
        filled = list(leaves)
        for i, v in zip(places, variables, strict=True):
            filled[i] = v
        return structure.unflatten(filled)

    run = Run(fun, types, arrays, [labels[i] for i in places], fill)
    decisions = [(resolve(g.site), g.kind, g.outcome) for g in run.guards]
    given = [None if i in set(places) else leaf for i, leaf in enumerate(leaves)]
    return Traced(name_of(fun), run.inputs, run.outputs, structure, run.structure,
                  (given, run.leaves), decisions)  # fmt: skip
