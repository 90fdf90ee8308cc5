"""Containers of arrays ↔ one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

import graphad.numpy as np
from graphad import tree
from graphad.ir.variable import Variable


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """(the numbers of `value` as a vector, the function that puts such a vector back).

    value   a number, an array, or any nesting of lists, tuples, dicts (keys in sorted order),
            named tuples and dataclasses of these. Integers become floats. Differentiable.

    >>> flat, unflatten = flatten({"b": [1.0, (2.0,)], "a": numpy.array([[3.0, 4.0]])})
    >>> flat
    array([3., 4., 1., 2.])
    >>> unflatten(flat * 10)
    {'b': [np.float64(10.0), (np.float64(20.0),)], 'a': array([[30., 40.]])}
    """
    leaves, structure = tree.flatten(value)
    if type(value) is numpy.ndarray and value.ndim == 1 and value.dtype.kind == "f":
        return value, lambda vector: vector
    parts = [leaf if isinstance(leaf, Variable) else numpy.asarray(leaf) for leaf in leaves]
    floats = [p if p.dtype.kind in "fc" else p.astype("float64") for p in parts]
    shapes = [_shape(p) for p in floats]
    ends = numpy.cumsum([int(numpy.prod(shape)) for shape in shapes]).tolist()
    flat = np.concatenate([np.ravel(p) for p in floats]) if floats else numpy.array([])

    def unflatten(vector: Any) -> Any:
        begins = [0, *ends[:-1]]
        places = zip(begins, ends, shapes, strict=True)
        found = [np.reshape(vector[begin:end], shape) for begin, end, shape in places]
        return structure.unflatten([v if isinstance(v, Variable) else v[()] for v in found])

    return flat, unflatten


def _shape(value: Any) -> Any:
    return value.type.shape if isinstance(value, Variable) else value.shape


def flatten_func(func: Callable[..., Any], example: Any) -> tuple[Any, Callable[[Any], Any], Any]:
    """(`func` as a function from vector to vector, unflatten, the flattened example).

    >>> double, unflatten, start = flatten_func(lambda p: [2 * x for x in p], [1.0, 2.0])
    >>> double(start)
    array([2., 4.])
    """
    start, unflatten = flatten(example)

    def flat_func(vector: Any, *args: Any) -> Any:
        return flatten(func(unflatten(vector), *args))[0]

    return flat_func, unflatten, start
