"""Functions in, functions out: transformations of Python functions.

Their arguments are replaced by Tracers (tracer.py), what the function computes is recorded as
graph, and the graph is differentiated, compiled and run (calls.py; for `jit` paths.py).

>>> import numpy as np
>>> from graphad import functional
>>> functional.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
array([ 3., 12.])
"""

from graphad.derivatives.checkpoint import checkpoint
from graphad.derivatives.custom import custom_jvp, custom_vjp
from graphad.derivatives.primitive import primitive
from graphad.functional.flattening import flatten
from graphad.functional.gradients import elementwise_grad, grad, value_and_grad
from graphad.functional.matrices import hessian, hvp, jacobian
from graphad.functional.products import jvp, linearize, vjp
from graphad.functional.signatures import jit
from graphad.functional.tracing import trace

__all__ = [
    "checkpoint", "custom_jvp", "custom_vjp", "elementwise_grad", "flatten", "grad", "hessian",
    "hvp", "jacobian", "jit", "jvp", "linearize", "primitive", "trace", "value_and_grad", "vjp",
]  # fmt: skip
