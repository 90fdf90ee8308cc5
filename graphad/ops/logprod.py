"""The logarithm of a product, in which nothing overflows or underflows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.families.common import normalize_axes, public, weigh
from graphad.ir.families.elementwise import as_float
from graphad.ir.families.reduction import Reduction, only
from graphad.ir.op import Sample
from graphad.ir.variable import Variable

NEAR = 10  # binary exponents up to which mantissa and exponent are put together again
GROUP = 8  # factors multiplied at once: no product of mantissas is subnormal, even in float16


def _value(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Mantissas are multiplied in groups, exponents added up apart; where the product is of order
    1, the two logarithms would cancel, so the product itself is taken."""
    kept = [i for i in range(x.ndim) if i not in axis]
    ordered = np.transpose(x, [*kept, *axis])
    shape = ordered.shape[: len(kept)]
    rows = ordered.reshape(*shape, int(np.prod(ordered.shape[len(kept) :], dtype=int)))
    mantissa, exponent = _normalised(rows, 0)
    while mantissa.shape[-1] != 1:
        missing = -mantissa.shape[-1] % GROUP if mantissa.shape[-1] else GROUP
        ones = np.ones((*shape, missing), x.dtype)
        grouped = np.concatenate([mantissa, ones], axis=-1)
        grouped = grouped.reshape(*shape, grouped.shape[-1] // GROUP, GROUP)
        mantissa, exponent = _normalised(np.prod(grouped, axis=-1), exponent)
    mantissa = mantissa[..., 0]
    is_near = np.abs(exponent) <= NEAR
    near = np.log(np.ldexp(mantissa, np.where(is_near, exponent, 0).astype(np.int32)))
    far = (np.log(mantissa) + exponent * np.log(2.0)).astype(x.dtype)
    value = np.where(is_near, near, far)
    return np.expand_dims(value, axis) if keepdims else value


def _normalised(values: Any, exponent: Any) -> tuple[Any, Any]:
    """Mantissas from 0.5 to 1, and the sum of their exponents and `exponent`."""
    mantissa, steps = np.frexp(values)
    return mantissa, exponent + steps.sum(axis=-1, dtype=np.int64)


_logprod = Reduction(
    "logprod", _value, vjp=lambda g, y, x, axis: weigh(g, 1 / x),
    dtype=only("f", "logprod", "take the real part, or the absolute value, first"))  # fmt: skip


def _reference(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if np.iscomplexobj(x):
        raise TypeError("not defined for complex numbers")
    return np.log(np.prod(x * 1.0, axis=axis, keepdims=keepdims))


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.uniform(0.3, 3, size=(3, 4))
    signs = np.array([[-2.0, -1.5], [0.5, 3.0]])
    return [
        *[Sample((x,), {"axis": axis}) for axis in (0, (0, 1), None)],
        Sample((signs,), {"axis": 1, "keepdims": True}),
    ]


@public(topic="reduction", samples=_samples, reference=_reference)
def logprod(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """log Π x over `axis` (an int, a tuple, None for all), without overflow or underflow.

    x (…): float; NaN where the product is negative, -∞ where it is 0. The compiler puts this in
    the place of ``log(prod(x))``. Raises AxisError for a wrong axis, DTypeError for complex x.

    >>> import graphad as ga
    >>> float(ga.logprod(ga.constant([1e300, 1e300])).eval())
    1381.5510557964274
    """
    variable = as_float(x)
    axes = normalize_axes(axis, variable.ndim, "logprod")
    return _logprod(variable, axis=axes, keepdims=bool(keepdims))
