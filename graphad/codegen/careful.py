"""Kernels of programs that act: what they print and call must not happen a second time.

Where arrays do not fit a kernel, other programs run once more, as NumPy programs. Here NumPy
computes what this one kernel would have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad.codegen.unfit import Unfit
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.plan.group import Group


class Careful:
    """``kernel(*operands, *results)``, which gives the results: those, or NumPy's."""

    gives_results = True

    def __init__(self, kernel: Callable[..., Any], group: Group) -> None:
        self.kernel, self.group = kernel, group
        self.count = len(group.arguments)

    def __call__(self, *arrays: Any) -> Any:
        try:
            self.kernel(*arrays)
        except Unfit:
            graph = Graph(self.group.arguments, self.group.outputs)
            return evaluate(graph, arrays[: self.count])
        return arrays[self.count :]
