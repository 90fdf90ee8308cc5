"""One run of a function that is kept: its values, and graph for derivatives along any vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.functional.calls import own_values
from graphad.functional.choosing import Choice, name_of
from graphad.functional.deriving import as_outputs
from graphad.functional.tracer import Trace
from graphad.ir import walk
from graphad.ir.families.inner import argument
from graphad.ir.graph import replace
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant, Shared, Variable, as_variable


class Record:
    """A run of ``fun(*args, **kwargs)``.

    `finish(rule, *vectors)` is ``rule(result, chosen arguments, *vectors)``: computed from the
    values of the run, or graph, where the run or a vector depends on Variables from outside.
    """

    def __init__(
        self, fun: Callable[..., Any], args: Sequence[Any], kwargs: dict, argnum: Any, kind: str
    ) -> None:
        choice = Choice(fun, kind, argnum if isinstance(argnum, int) else tuple(argnum), None)
        chosen, places = choice.of(args, kwargs)
        leaves, self.structure = tree.flatten(chosen)
        self.tracing = Trace(name_of(fun))
        outside = any([isinstance(v, Variable) for v in tree.flatten((list(args), kwargs))[0]])
        if outside:
            self.given = None
            own = [argument(as_variable(v)) for v in leaves]
        else:
            self.given = [np.asarray(v)[()] for v in leaves]
            own = [self.tracing.leaf(TensorType(a.dtype, a.shape), a) for a in self.given]
        filled = choice.put(args, kwargs, places, self.structure.unflatten(own))
        made = as_outputs(fun(*filled[0], **filled[1]), kind, name_of(fun))
        self.outputs, self.form = tree.flatten(made)
        traces = [v.tracing for v in own]
        self.inputs = [v if t is None else t.original(v) for v, t in zip(own, traces, strict=True)]
        self.closed = self.given is not None and not self._depends(self.outputs)
        self.kept = len(self.tracing.nodes)

    def _depends(self, variables: Sequence[Variable]) -> bool:
        """Do they depend on Variables that are no arguments of this run?"""
        known = set(self.inputs)
        return any(
            v not in known and not isinstance(v, Constant | Shared)
            for v in walk.leaves(variables, known)
        )

    def value(self) -> Any:
        """What the function returned."""
        if not self.closed:
            return self.form.unflatten(self._outside(self.outputs))
        return self.form.unflatten(own_values(self.tracing, self.outputs))

    def finish(self, rule: Callable[..., Any], *vectors: Any) -> Any:
        """``rule(result, chosen arguments, *vectors)``."""
        seeds = [tree.map_leaves(as_variable, v) for v in vectors]
        wrt = self.structure.unflatten(self.inputs)
        made = rule(self.form.unflatten(self.outputs), wrt, *seeds)
        results, structure = tree.flatten(made)
        if not self.closed or self._depends(results):
            return structure.unflatten(self._outside(results))
        before = set(self.tracing.values)
        found = structure.unflatten(own_values(self.tracing, results))
        for key in (
            set(self.tracing.values) - before
        ):  # the next vector needs the forward pass only
            if key not in self._forward():
                del self.tracing.values[key]
        del self.tracing.nodes[self.kept :]
        return found

    def _forward(self) -> set[Any]:
        if not hasattr(self, "_nodes"):
            self._nodes = set(walk.toposort(self.outputs, set(self.inputs)))
        return self._nodes

    def _outside(self, variables: Sequence[Variable]) -> list[Variable]:
        """As graph of the surroundings: the arguments of this run are constants there."""
        if self.given is None:
            return list(variables)
        values = zip(self.inputs, self.given, strict=True)
        return replace(list(variables), {v: Constant(a) for v, a in values})
