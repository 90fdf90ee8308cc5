"""Longer and shorter arrays: resize, append, insert, delete, trim_zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


@public(np.resize, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),), {"new_shape": (2, 5)}), Sample((_x(3),), {"new_shape": 2}),
    Sample((_x(2, 2),), {"new_shape": (0, 3)})])  # fmt: skip
def resize(a: Any, new_shape: Any) -> Variable:
    """The elements of `a`, repeated from the first as often as needed, in another shape.

    As ``np.resize``; an array without elements gives zeros. Sizes may be entries of ``x.shape``.

    >>> import graphad as ga
    >>> ga.resize(ga.constant([1, 2, 3]), (2, 4)).eval()
    array([[1, 2, 3, 1],
           [2, 3, 1, 2]])
    """
    flat = OPS["ravel"](as_variable(a))
    sizes = new_shape if isinstance(new_shape, tuple | list) else (new_shape,)
    total: Any = 1
    for size in sizes:
        total = total * size
    count = flat.shape[0]
    if isinstance(count, int) and count:
        place = OPS["arange"](total) % count
    else:  # behind an array without elements there is a zero
        flat = OPS["concatenate"]([flat, OPS["zeros"]((1,), flat.dtype)])
        place = OPS["arange"](total) % OPS["maximum"](as_variable(count), 1)
    result: Variable = OPS["reshape"](flat[place], tuple(sizes))
    return result
