"""Testing derivatives and graphs: check_grads, numeric derivatives, samples, graph equality."""

from graphad.testing.gradients import check_grads, compiled, interpret
from graphad.testing.graphs import assert_same_graph
from graphad.testing.numeric import central, complex_step, slope

__all__ = [
    "assert_same_graph", "central", "check_grads", "compiled", "complex_step", "interpret",
    "slope",
]  # fmt: skip
