"""Numeric derivatives for tests: what the symbolic ones are compared with.

`numeric_grad` and `complex_gradient` give all of a gradient; `central`, `complex_step` and `slope`
give the derivative along one direction, which is what large functions are tested by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad import tree
from graphad.derivatives.numeric import (
    COMPLEX_STEP,
    EPSILON,
    STEP,
    Arrays,
    Function,
    central,
    complex_step,
    inner,
    moved,
    widened,
)
from graphad.errors import UseError

__all__ = [
    "CENTRAL_PRECISION", "COMPLEX_STEP", "FULL_PRECISION", "STEP", "central", "check_holomorphic",
    "complex_gradient", "complex_step", "inner", "moved", "numeric_grad", "slope", "widened",
]  # fmt: skip

CENTRAL_PRECISION = 1e-8  # of `central`, relative to the largest element, for functions of order 1
FULL_PRECISION = 64 * EPSILON


def slope(
    function: Function, arrays: Arrays, directions: Arrays
) -> tuple[list[np.ndarray[Any, Any]], float]:
    """(`complex_step` where it agrees with `central`, else `central`; its relative precision).

    >>> slope(lambda x: [np.exp(x)], [np.zeros(1)], [np.ones(1)])
    ([array([1.])], 1.4210854715202004e-14)
    >>> [round(float(d), 9) for d in slope(lambda x: [np.abs(x)], [np.array(-1.0)], [1.0])[0]]
    [-1.0]
    """
    rough = central(function, arrays, directions)
    try:
        exact = complex_step(function, arrays, directions)
    except (TypeError, ValueError):  # no complex numbers here
        return rough, CENTRAL_PRECISION
    size = max([float(np.max(np.abs(r), initial=1.0)) for r in rough])
    near = [
        a.shape == b.shape and np.all(np.abs(a - b) <= CENTRAL_PRECISION * size)
        for a, b in zip(exact, rough, strict=True)
    ]
    return (exact, FULL_PRECISION) if all(near) else (rough, CENTRAL_PRECISION)


def numeric_grad(f: Callable[..., Any], args: Any, step: float = STEP) -> Any:
    """The gradient of a function of arrays by central differences, one element at a time.

    f      maps arrays (one for each argument) to a number; a complex number u + iv counts as u
    args   an array, or a list of arrays or of containers of arrays
    step   distance of the five points; the error is about step⁴·f⁽⁵⁾/30 + 1e-16·f/step

    Returns the structure of `args`: float64; for complex arguments complex128, ∂u/∂x - i·∂u/∂y;
    zeros for integers. Raises UseError where f returns more than a number.

    >>> numeric_grad(lambda x, y: (x * y).sum(), [np.array([1.0, 2.0]), 3.0])
    [array([3., 3.]), array(3.)]
    """
    several = isinstance(args, list | tuple)
    leaves, structure = tree.flatten(list(args) if several else [args])
    arrays = [np.asarray(leaf) for leaf in leaves]

    def call(*moved_arrays: Any) -> list[Any]:
        value = np.asarray(f(*structure.unflatten(moved_arrays)))
        if value.ndim:
            raise UseError(
                f"numeric_grad: the function returned an array of shape {value.shape}",
                remedy="return a number, for example the sum",
            )
        return [value.real]

    found = [_gradient(call, arrays, place, step) for place in range(len(arrays))]
    result = structure.unflatten(found)
    return result if several else result[0]


def _gradient(f: Function, arrays: Arrays, place: int, step: float) -> np.ndarray[Any, Any]:
    """The gradient by one of the arrays."""
    array = arrays[place]
    gradient = np.zeros(array.shape, np.complex128 if array.dtype.kind == "c" else np.float64)
    if array.dtype.kind not in "fc":
        return gradient
    for index in np.ndindex(array.shape):
        for unit in (1.0, 1j) if array.dtype.kind == "c" else (1.0,):
            directions = [np.zeros_like(widened(a)) for a in arrays]
            directions[place][index] = unit
            (slope_there,) = central(f, [widened(a) for a in arrays], directions, step)
            gradient[index] += slope_there * np.conj(unit)
    return gradient


def complex_gradient(f: Callable[..., Any], args: Any) -> Any:
    """The gradient of a function of real arrays by the complex step: to full precision.

    As `numeric_grad`; f must be analytic, and written so that it takes complex numbers. Raises
    UseError where f returns a real number for a complex argument, as with `abs` or `real` in it.

    >>> complex_gradient(np.exp, 1.0) == np.exp(1.0)
    np.True_
    """
    several = isinstance(args, list | tuple)
    leaves, structure = tree.flatten(list(args) if several else [args])
    arrays = [np.asarray(leaf, np.float64) for leaf in leaves]
    gradients = [np.zeros(a.shape) for a in arrays]
    for array, gradient, place in zip(arrays, gradients, range(len(arrays)), strict=True):
        for index in np.ndindex(array.shape):
            lifted = [a.astype(np.complex128) for a in arrays]
            lifted[place][index] += 1j * COMPLEX_STEP
            value = np.asarray(f(*structure.unflatten(lifted)))
            if value.dtype.kind != "c" or value.ndim:
                raise UseError(
                    f"complex_gradient: the function returned {value.dtype}{list(value.shape)}",
                    cause="it must return one complex number for complex arguments",
                    remedy="avoid abs, real and casts in it, or use numeric_grad",
                )
            gradient[index] = value.imag / COMPLEX_STEP
    result = structure.unflatten(gradients)
    return result if several else result[0]


def check_holomorphic(
    f: Callable[[Any], Any], z: Any, *, rtol: float = 1e-7, step: float = STEP
) -> None:
    """Check that a function of a complex array obeys the Cauchy-Riemann equations at `z`.

    f maps an array to an array; along random directions d its derivative must be the same by d
    and, divided by i, by i·d. Raises AssertionError with both where it is not.

    >>> check_holomorphic(np.exp, np.array([1.0 + 2.0j]))
    >>> check_holomorphic(np.conj, 1.0 + 2.0j)
    Traceback (most recent call last):
        ...
    AssertionError: conjugate is not holomorphic at (1+2j): ...
    """
    point = np.asarray(z, np.complex128)
    rng = np.random.default_rng(0)
    direction = rng.normal(size=point.shape) + 1j * rng.normal(size=point.shape)
    along, across = (
        central(lambda x: [f(x)], [point], [unit * direction], step)[0] / unit for unit in (1, 1j)
    )
    size = np.maximum(np.max(np.abs(along), initial=0.0), np.max(np.abs(across), initial=0.0))
    if not np.all(np.abs(along - across) <= rtol * size):
        raise AssertionError(
            f"{getattr(f, '__name__', f)} is not holomorphic at {z}: "
            f"∂f/∂x is {along}, ∂f/∂(iy) is {across}"
        )
