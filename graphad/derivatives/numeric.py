"""Numeric derivatives along a direction, of functions of arrays.

Two ways with different weaknesses:

    central       (8(f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h    any smooth f
    complex step  Im f(x + ih) / h                                    f written for complex numbers

The first loses digits (about 11 remain in double precision), the second none, but it needs an f
that is analytic. Source: Squire & Trapp, "Using complex variables to estimate derivatives of real
functions", SIAM Review 40 (1998); the five-point formula: Abramowitz & Stegun 25.3.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Arrays = Sequence[np.ndarray[Any, Any]]
Function = Callable[..., Sequence[Any]]

EPSILON = float(np.finfo(np.float64).eps)
# The error is about h⁴·f⁽⁵⁾/30 + 1.5·ε·f/h: least near h = ε^(1/5).
STEP = EPSILON**0.2
COMPLEX_STEP = 1e-100


def central(
    function: Function, arrays: Arrays, directions: Arrays, step: float = STEP
) -> list[np.ndarray[Any, Any]]:
    """d/dt of ``function(*(arrays + t * directions))`` at t = 0, by five points.

    function takes the arrays and returns a sequence of arrays; arrays and directions have equal
    shapes. The directions of arrays that are not floats are ignored. The result has one array,
    float64 or complex128, for each output.

    >>> (d,) = central(lambda x: [np.sin(x)], [np.array([0.0, 1.0])], [np.array([1.0, 10.0])])
    >>> bool(np.allclose(d, [1.0, 10 * np.cos(1.0)], rtol=1e-10))
    True
    """
    weights = {1: 8.0, -1: -8.0, 2: -1.0, -2: 1.0}
    total: list[Any] = []
    for k, weight in weights.items():
        values = function(*moved(arrays, directions, k * step))
        terms = [weight * widened(np.asarray(value)) for value in values]
        total = [a + b for a, b in zip(total, terms, strict=True)] if total else terms
    return [np.asarray(t / (12 * step)) for t in total]


def complex_step(
    function: Function, arrays: Arrays, directions: Arrays
) -> list[np.ndarray[Any, Any]]:
    """d/dt of ``function(*(arrays + t * directions))`` at t = 0, to full precision.

    Right only if the function computes with complex numbers as its formula says (no `abs`, no
    conjugation, no cast to real). arrays and directions are real.

    >>> (d,) = complex_step(lambda x: [np.exp(x)], [np.array([0.0, 1.0])], [np.array([1.0, 1.0])])
    >>> d.tolist() == np.exp([0.0, 1.0]).tolist()
    True
    """
    values = function(*moved(arrays, directions, 1j * COMPLEX_STEP))
    return [np.imag(value) / COMPLEX_STEP for value in values]


def moved(arrays: Arrays, directions: Arrays, step: complex) -> list[np.ndarray[Any, Any]]:
    """``array + step * direction`` for the arrays of floats, the other arrays as they are."""
    return [
        np.asarray(a + step * np.asarray(d)) if a.dtype.kind in "fc" else a
        for a, d in zip(arrays, directions, strict=True)
    ]


def widened(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`array` as float64, or complex128 if it is complex."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def inner(first: Sequence[Any], second: Sequence[Any]) -> tuple[float, float]:
    """(Re Σ a·b over all elements of corresponding arrays, the same with absolute values).

    For complex numbers this is the pairing under which ∂u/∂x - i·∂u/∂y is the gradient of u.

    >>> inner([np.array([1.0, 2.0])], [np.array([3.0, -1.0])])
    (1.0, 5.0)
    """
    total = size = 0.0
    for a, b in zip(first, second, strict=True):
        product = widened(np.asarray(a)) * widened(np.asarray(b))
        total += float(np.sum(product.real))
        size += float(np.sum(np.abs(product)))
    return total, size
