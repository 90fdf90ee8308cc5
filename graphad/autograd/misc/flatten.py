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
    if type(value) is numpy.ndarray and value.ndim == 1 and value.dtype.kind == "f":
        return value, lambda vector: vector
    leaves, structure = tree.flatten(value)
    floats = [_floats(leaf) for leaf in leaves]
    places, begin = [], 0
    for shape in map(_shape, floats):
        end = begin + int(numpy.prod(shape))
        places.append((slice(begin, end), shape))
        begin = end

    def unflatten(vector: Any) -> Any:
        if isinstance(vector, Variable):
            return structure.unflatten([np.reshape(vector[where], s) for where, s in places])
        vector = numpy.asarray(vector)
        return structure.unflatten([vector[where].reshape(s)[()] for where, s in places])

    return _joined(floats), unflatten


def vector_of(value: Any) -> Any:
    """The numbers of `value` as a vector: what `flatten` gives first.

    >>> vector_of({"b": 1.0, "a": numpy.array([[3.0, 4.0]])})
    array([3., 4., 1.])
    """
    if type(value) is numpy.ndarray and value.ndim == 1 and value.dtype.kind == "f":
        return value
    return _joined([_floats(leaf) for leaf in tree.flatten(value)[0]])


def _floats(leaf: Any) -> Any:
    part = leaf if isinstance(leaf, Variable) else numpy.asarray(leaf)
    return part if part.dtype.kind in "fc" else part.astype("float64")


def _joined(parts: list[Any]) -> Any:
    if any([isinstance(p, Variable) for p in parts]):
        return np.concatenate([np.ravel(p) for p in parts])
    return numpy.concatenate([p.ravel() for p in parts]) if parts else numpy.array([])


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
