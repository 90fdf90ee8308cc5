"""Testing derivatives and graphs: check_grads, numeric derivatives, samples, graph equality."""

from graphad.testing.gradients import check_grads, compiled, interpret
from graphad.testing.graphs import assert_same_graph
from graphad.testing.numeric import (
    central,
    check_holomorphic,
    complex_gradient,
    complex_step,
    numeric_grad,
    slope,
)

__all__ = [
    "assert_same_graph", "central", "check_grads", "check_holomorphic", "compiled",
    "complex_gradient", "complex_step", "interpret", "numeric_grad", "slope",
]  # fmt: skip
