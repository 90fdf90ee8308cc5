"""Autograd's module layout and names: programs run after ``sed s/autograd/graphad.autograd/``.

    import graphad.autograd.numpy as np
    from graphad.autograd import grad

What a function computes is recorded as graph, differentiated as graph, and when the same graph
comes again, compiled. Nothing is promised of the function: it is run again at each call.

Also here, besides the names of version 1.9: `multigrad`, `value_and_multigrad`, and the methods
`defgrad` and `defvjp` of primitives, as old versions have them.

>>> import graphad.autograd.numpy as np
>>> from graphad.autograd import grad
>>> grad(lambda x: np.sum(np.sin(x)))(np.array([0.0, np.pi]))
array([ 1., -1.])
"""

from graphad.autograd import numpy
from graphad.autograd.builtins import dict, isinstance, list, tuple, type
from graphad.autograd.extend import old_primitive as primitive
from graphad.autograd.operators import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_vjp,
    tensor_jacobian_product,
    value_and_grad,
    vector_jacobian_product,
)
from graphad.autograd.several import grad_named, multigrad, multigrad_dict, value_and_multigrad

__all__ = [
    "checkpoint", "deriv", "dict", "elementwise_grad", "grad", "grad_and_aux", "grad_named",
    "hessian", "hessian_tensor_product", "hessian_vector_product", "holomorphic_grad",
    "isinstance", "jacobian", "list", "make_ggnvp", "make_hvp", "make_jvp", "make_vjp",
    "multigrad", "multigrad_dict", "numpy", "primitive", "tensor_jacobian_product", "tuple",
    "type", "value_and_grad", "value_and_multigrad", "vector_jacobian_product",
]  # fmt: skip
