"""Derivatives of functions of numbers, arrays and containers, with Autograd's names.

Nothing is assumed of the user's function: it is run again at each call, and may draw noise, read
what has changed, branch on values. `argnum` is the position of an argument, or a tuple of
positions; then results are tuples. Integers among the arguments count as floats.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy

import graphad.numpy as np
from graphad import tree
from graphad.derivatives import higher, reverse
from graphad.derivatives.checkpoint import checkpoint as _checkpoint
from graphad.derivatives.forward import jvp
from graphad.errors import GradientError, UseError
from graphad.functional.choosing import name_of
from graphad.functional.deriving import derivative
from graphad.functional.record import Record
from graphad.ir.op import OPS
from graphad.ir.variable import Variable

Function = Callable[..., Any]
Argnum = int | Sequence[int]
_FLAT = frozenset({float, numpy.ndarray})  # what holds nothing else


# ---- what all of them share ------------------------------------------------------------------
def with_floats(args: Sequence[Any], argnum: Argnum) -> list[Any]:
    """The arguments, with integers among the chosen ones as floats."""
    found = list(args)
    for i in (argnum,) if isinstance(argnum, int) else argnum:
        if not -len(found) <= i < len(found):
            continue
        if type(found[i]) in _FLAT:
            found[i] = _as_float(found[i])
        elif not _holds_floats(found[i]):
            leaves, structure = tree.flatten(found[i])
            floats = [_as_float(leaf) for leaf in leaves]
            if not all(map(operator.is_, leaves, floats)):
                found[i] = structure.unflatten(floats)
    return found


def _holds_floats(value: Any) -> bool:
    """Is it a list, tuple or dict of float arrays, or of such? False where that takes longer."""
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    for item in value:
        if type(item) is numpy.ndarray:
            if item.dtype.kind != "f":
                return False
        elif not _holds_floats(item):
            return False
    return True


def _as_float(leaf: Any) -> Any:
    if type(leaf) is numpy.ndarray and leaf.dtype.kind == "f":
        return leaf
    if type(leaf) is int or (isinstance(leaf, numpy.ndarray | numpy.generic)
                             and leaf.dtype.kind in "iu"):  # fmt: skip
        return numpy.asarray(leaf, "float64")[()]
    return leaf


def _operator(fun: Function, kind: str, rule: Any, argnum: Argnum, has_aux: bool = False) -> Any:
    """The function of the same arguments that gives ``rule(result, chosen arguments)``."""
    made = derivative(fun, f"autograd.{kind}", rule, argnum, has_aux=has_aux)

    @functools.wraps(made)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        return made(*with_floats(args, argnum), **kwargs)

    transformed.__name__ = f"{kind}_of_{name_of(fun)}_wrt_argnum_{argnum}"
    transformed.__doc__ = f"{kind} of {name_of(fun)} with respect to argument number {argnum}."
    return transformed


def _cost(out: Any, kind: str, name: str) -> Variable:
    """The one real number that a function returned, as a scalar."""
    shape = out.type.shape if isinstance(out, Variable) else None
    if shape is None or any([size != 1 for size in shape]) or out.dtype.kind != "f":
        what = str(out.type) if isinstance(out, Variable) else type(out).__name__
        raise GradientError(
            f"{kind} of {name}: it returned {what}",
            cause=f"{kind} is of functions with one real number as result",
            remedy="sum over the result, or use jacobian, elementwise_grad or holomorphic_grad",
        )
    return out if not shape else OPS["reshape"](out, ())


def _slopes(out: Any, wrt: Any, kind: str, name: str) -> Any:
    return reverse.grad(_cost(out, kind, name), wrt, disconnected="zero")


# ---- first derivatives -----------------------------------------------------------------------
def grad(fun: Function, argnum: Argnum = 0) -> Function:
    """The gradient of `fun`, a function with one real number as result, by one argument, in the
    form of that argument: array, number, or any container.

    Raises GradientError for other results and for arguments that are not numbers.

    >>> import graphad.autograd.numpy as np
    >>> def tanh(x):
    ...     y = np.exp(-x)
    ...     return (1.0 - y) / (1.0 + y)
    >>> round(float(grad(tanh)(1.0)), 12)
    0.393223866483
    >>> grad(lambda p: p["w"] ** 2 * p["b"])({"w": 3.0, "b": 2.0})
    {'w': np.float64(12.0), 'b': np.float64(9.0)}
    """
    name = name_of(fun)
    return _operator(fun, "grad", lambda out, wrt: _slopes(out, wrt, "grad", name), argnum)


def value_and_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """Value and gradient in one pass, as `scipy.optimize` likes them.

    >>> value_and_grad(lambda x: x**3)(2.0)
    (np.float64(8.0), np.float64(12.0))
    """
    name = name_of(fun)
    return _operator(
        fun, "value_and_grad",
        lambda out, wrt: (out, _slopes(out, wrt, "value_and_grad", name)), argnum,
    )  # fmt: skip


def grad_and_aux(fun: Function, argnum: Argnum = 0) -> Function:
    """Of a function that returns a pair: the gradient of the first, and the second as it is.

    >>> grad_and_aux(lambda x: (x**2, {"seen": x}))(3.0)
    (np.float64(6.0), {'seen': np.float64(3.0)})
    """
    name = name_of(fun)
    return _operator(
        fun, "grad_and_aux", lambda out, wrt: _slopes(out, wrt, "grad_and_aux", name), argnum, True
    )


def elementwise_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """∂yᵢ/∂xᵢ of a function that works element by element: the sum of the Jacobian's columns.

    >>> import graphad.autograd.numpy as np
    >>> elementwise_grad(np.tanh)(np.array([0.0, 1.0])).round(3)
    array([1.  , 0.42])
    """

    def rule(out: Any, wrt: Any) -> Any:
        leaves = tree.flatten(out)[0]
        if any([v.dtype.kind == "c" for v in leaves]):
            raise GradientError(
                f"elementwise_grad of {name_of(fun)}: its result is complex",
                remedy="use holomorphic_grad of a sum, or take the real part",
            )
        floats = [v for v in leaves if v.dtype.kind == "f"]
        return reverse.vjp(floats, wrt, [OPS["ones_like"](v) for v in floats])

    return _operator(fun, "elementwise_grad", rule, argnum)


def deriv(fun: Function, argnum: Argnum = 0) -> Function:
    """The derivative in forward mode, along ones: of a function of a number, its derivative.

    >>> deriv(lambda x: x**3)(2.0)
    np.float64(12.0)
    """

    def rule(out: Any, wrt: Any) -> Any:
        return jvp(out, wrt, tree.map_leaves(OPS["ones_like"], wrt))

    return _operator(fun, "deriv", rule, argnum)


def holomorphic_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """f'(z) of an analytic function of a complex number.

    >>> holomorphic_grad(lambda z: z**2)(1.0 + 2.0j)
    np.complex128(2+4j)
    """
    name = name_of(fun)

    def rule(out: Any, wrt: Any) -> Any:
        return _slopes(OPS["real"](out), wrt, "holomorphic_grad", name)

    return _operator(fun, "holomorphic_grad", rule, argnum)


def jacobian(fun: Function, argnum: Argnum = 0) -> Function:
    """The Jacobian, of shape (result's shape + argument's shape), or a container of such.

    >>> jacobian(lambda x: x**2)(numpy.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    def rule(out: Any, wrt: Any) -> Any:
        return tree.map_leaves(lambda y: higher.jacobian(y, wrt, disconnected="zero"), out)

    return _operator(fun, "jacobian", rule, argnum)


# ---- second derivatives ----------------------------------------------------------------------
def hessian(fun: Function, argnum: Argnum = 0) -> Function:
    """The exact Hessian, of shape (result's shape + twice the argument's shape).

    >>> import graphad.autograd.numpy as np
    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(jacobian(fun, argnum), argnum)


def make_hvp(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that gives, at a point, (the product of the Hessian with vectors, the gradient).

    >>> product, slope = make_hvp(lambda x: x[0] ** 2 * x[1])(numpy.array([1.0, 2.0]))
    >>> product(numpy.array([1.0, 0.0])), slope
    (array([4., 2.]), array([4., 1.]))
    """
    return make_vjp(grad(fun, argnum), argnum)


def hessian_tensor_product(fun: Function, argnum: int = 0) -> Function:
    """A function of the arguments and a tensor: the exact product of the Hessian with it.

    >>> import graphad.autograd.numpy as np
    >>> product = hessian_tensor_product(lambda x: np.sum(x**3))
    >>> product(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    slope = grad(fun, argnum)

    def dotted(*args: Any, **kwargs: Any) -> Any:
        *rest, tensor = args
        return np.tensordot(slope(*rest, **kwargs), tensor, np.ndim(tensor))

    return grad(dotted, argnum)


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """A function of the arguments and a tensor: the tensor times the Jacobian.

    >>> product = vector_jacobian_product(lambda x: x**2)
    >>> product(numpy.array([1.0, 2.0]), numpy.array([1.0, 10.0]))
    array([ 2., 40.])
    """

    def dotted(*args: Any, **kwargs: Any) -> Any:
        *rest, tensor = args
        return np.tensordot(tensor, fun(*rest, **kwargs), np.ndim(tensor))

    return jacobian(dotted, argnum)


vector_jacobian_product = tensor_jacobian_product


def make_ggnvp(
    f: Function,
    g: Function = lambda x: 1.0 / 2 * np.sum(x**2, axis=-1),
    f_argnum: int = 0,
) -> Function:
    """A function that gives, at a point, the product of the generalised Gauss-Newton matrix
    Jᵀ·H·J with vectors: J the Jacobian of `f`, H the Hessian of `g` at the values of f.

    >>> make_ggnvp(lambda x: x**2)(numpy.array([1.0, 2.0]))(numpy.array([1.0, 1.0]))
    array([ 4., 16.])
    """

    def at(*args: Any, **kwargs: Any) -> Function:
        record = Record(f, with_floats(args, f_argnum), kwargs, f_argnum, "make_ggnvp")
        return lambda v: record.finish(
            lambda out, wrt, vector: higher.ggnvp(out, g, wrt, vector), v
        )

    return at


# ---- building blocks -------------------------------------------------------------------------
def make_vjp(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that gives, at a point, (the vector-Jacobian product, the value). `fun` is run
    once; the product may be taken any number of times.

    >>> pull, value = make_vjp(lambda x: x**2)(numpy.array([1.0, 2.0]))
    >>> value, pull(numpy.array([1.0, 10.0]))
    (array([1., 4.]), array([ 2., 40.]))
    """

    def at(*args: Any, **kwargs: Any) -> tuple[Function, Any]:
        record = Record(fun, with_floats(args, argnum), kwargs, argnum, "make_vjp")
        return (lambda g: record.finish(_pull, g)), record.value()

    return at


def _pull(out: Any, wrt: Any, g: Any) -> Any:
    leaves, given = tree.flatten(out)[0], tree.flatten(g)[0]
    pairs = [(v, c) for v, c in zip(leaves, given, strict=True) if v.dtype.kind in "fc"]
    return reverse.vjp([v for v, _ in pairs], wrt, [c for _, c in pairs])


def make_jvp(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that gives, at a point, the function from a tangent to (value, tangent).

    >>> make_jvp(lambda x: x**2)(3.0)(1.0)
    (np.float64(9.0), np.float64(6.0))
    """

    def at(*args: Any, **kwargs: Any) -> Function:
        given = with_floats(args, argnum)

        def push(v: Any) -> Any:
            record = Record(fun, given, kwargs, argnum, "make_jvp")
            return record.finish(lambda out, wrt, t: (out, jvp(out, wrt, t)), v)

        return push

    return at


def make_jvp_reversemode(fun: Function, argnum: Argnum = 0) -> Function:
    """As `make_jvp`, giving the tangent only.

    >>> make_jvp_reversemode(lambda x: x**2)(3.0)(1.0)
    np.float64(6.0)
    """

    def at(*args: Any, **kwargs: Any) -> Function:
        record = Record(fun, with_floats(args, argnum), kwargs, argnum, "make_jvp_reversemode")
        return lambda v: record.finish(jvp, v)

    return at


def checkpoint(fun: Function) -> Function:
    """`fun`, of which only the arguments are kept for the derivatives: the rest is computed again.

    >>> import graphad.autograd.numpy as np
    >>> grad(checkpoint(lambda x: np.sin(x) ** 2))(0.5) == np.sin(1.0)
    np.True_
    """
    part = _checkpoint(fun)

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        try:
            return part(*args, **kwargs)
        except UseError:  # it decides on values, which a part of a graph does not have
            return fun(*args, **kwargs)

    return checkpointed


__all__ = [
    "checkpoint", "deriv", "elementwise_grad", "grad", "grad_and_aux", "hessian",
    "hessian_tensor_product", "hessian_vector_product", "holomorphic_grad", "jacobian",
    "make_ggnvp", "make_hvp", "make_jvp", "make_jvp_reversemode", "make_vjp",
    "tensor_jacobian_product", "value_and_grad", "vector_jacobian_product",
]  # fmt: skip
