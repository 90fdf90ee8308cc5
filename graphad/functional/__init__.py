"""Functions in, functions out: transformations of Python functions.

Their arguments are replaced by Tracers (tracer.py), what the function computes is recorded as
graph, and the graph is differentiated, compiled and run (calls.py).
"""

from graphad.functional.gradients import elementwise_grad, grad, value_and_grad
from graphad.functional.signatures import jit
from graphad.functional.tracing import trace

__all__ = ["elementwise_grad", "grad", "jit", "trace", "value_and_grad"]
