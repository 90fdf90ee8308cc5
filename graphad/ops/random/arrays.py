"""Choosing from arrays and shuffling them: drawn is where elements come from, as indices.

The elements are then taken by indexing, through which derivatives flow to the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import normalize_axis, refuse_out
from graphad.ir.families.random import Draw
from graphad.ir.op import OPS
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Variable, as_variable
from graphad.ops.random.declare import Distribution, enter


# ---- indices -----------------------------------------------------------------------------------
def _chosen(
    given: Sequence[TensorType], size: Shape | None, replace: bool, shuffle: bool
) -> TensorType:
    return TensorType("int64", size or ())


def _choose(generator: Any, n: Any, *rest: Any, replace: bool, shuffle: bool) -> Any:
    *p, size = rest
    return generator.choice(int(n), size, replace, *(p or [None]), shuffle=shuffle)


def _permuted(given: Sequence[TensorType], size: Shape | None) -> TensorType:
    return TensorType("int64", size or ())


def _permute(generator: Any, size: Any) -> Any:
    return generator.permutation(*size)


def _permute_rows(generator: Any, size: Any) -> Any:
    """Indices along the last axis, shuffled in each row by itself."""
    return generator.permuted(np.broadcast_to(np.arange(size[-1]), size), axis=-1)


_choice = Draw(
    "random.choice", ("a", "p"), result=_chosen, value=_choose, discrete=True, independent=False
)
_permutation = Draw(
    "random.permutation", (), result=_permuted, value=_permute, discrete=True, independent=False
)
_even = Draw(
    "random.choice_evenly", ("a",), result=_chosen, value=_choose, discrete=True, independent=False
)
_rows = Draw(
    "random.permuted", (), result=_permuted, value=_permute_rows, discrete=True, independent=False
)


def _order(self: Any, n: Any) -> Variable:
    return Distribution(_permutation, {}).draw(self.chain, (), (n,), {})


# ---- methods -----------------------------------------------------------------------------------
@enter
def choice(
    self: Any, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0,
    shuffle: bool = True,
) -> Variable:  # fmt: skip
    """Elements of `a` along an axis, chosen with or without replacement.

    a: an array or Variable, or an integer n for the numbers from 0 to n - 1. size: int, Dim or a
    tuple of them; None: one element. p (n,): probabilities; None: all equal. shuffle=False may
    leave a sample without replacement in order, which is faster. The elements are those that
    numpy.random.Generator.choice gives. Derivatives flow to the elements of `a`; one in `p` raises
    GradientError. Raises ParameterError, a ValueError, for probabilities that do not sum to 1 and
    samples without replacement that are larger than n.

    >>> import graphad as ga
    >>> import numpy as np
    >>> x = ga.random.default_rng(7).choice([1.5, 2.5, 3.5], size=4)
    >>> bool((x.eval() == np.random.default_rng(7).choice([1.5, 2.5, 3.5], size=4)).all())
    True
    """
    source, n = _population("choice", a, axis)
    given = [n] if p is None else [n, p]
    family = _choice if p is not None else _even
    places = Distribution(family, {}).draw(
        self.chain, given, size, {"replace": bool(replace), "shuffle": bool(shuffle)}
    )
    return places if source is None else OPS["take"](source, places, axis=axis)


def _population(name: str, a: Any, axis: int) -> tuple[Variable | None, Any]:
    """(the array or None for the numbers up to n, n)."""
    if isinstance(a, int | np.integer | Dim):
        return None, a
    source = as_variable(a)
    if source.ndim == 0:
        if source.dtype.kind not in "iu":
            raise UseError(
                f"random.{name} of {source.type}",
                remedy="pass an array, or an integer n for the numbers from 0 to n - 1",
            )
        return None, source
    return source, source.shape[normalize_axis(axis, source.ndim, f"random.{name}")]


@enter
def permutation(self: Any, x: Any, axis: int = 0) -> Variable:
    """`x` with its slices along an axis in random order; of an integer n, that of 0 … n - 1.

    The order is that of numpy.random.Generator.permutation. Derivatives flow to `x`.

    >>> import graphad as ga
    >>> import numpy as np
    >>> x = ga.random.default_rng(7).permutation(5)
    >>> bool((x.eval() == np.random.default_rng(7).permutation(5)).all())
    True
    """
    source, n = _population("permutation", x, axis)
    order = _order(self, n)
    return order if source is None else OPS["take"](source, order, axis=axis)


@enter
def shuffle(self: Any, x: Any, axis: int = 0) -> Variable:
    """`x` with its slices along an axis in random order: a value, where NumPy works in place.

    The order is that of numpy.random.Generator.shuffle. Derivatives flow to `x`.

    >>> import graphad as ga
    >>> import numpy as np
    >>> a = np.arange(6.0)
    >>> x = ga.random.default_rng(7).shuffle(a)
    >>> np.random.default_rng(7).shuffle(a)
    >>> bool((x.eval() == a).all())
    True
    """
    source, n = _population("shuffle", x, axis)
    if source is None:
        raise UseError("random.shuffle of a number", remedy="pass an array, or use permutation")
    return OPS["take"](source, _order(self, n), axis=axis)


@enter
def permuted(self: Any, x: Any, *, axis: int | None = None, out: None = None) -> Variable:
    """`x` with the elements along an axis shuffled in each row by itself; None: all elements.

    The order is that of numpy.random.Generator.permuted. Derivatives flow to `x`.

    >>> import graphad as ga
    >>> import numpy as np
    >>> a = np.arange(6.0).reshape(2, 3)
    >>> x = ga.random.default_rng(7).permuted(a, axis=1)
    >>> bool((x.eval() == np.random.default_rng(7).permuted(a, axis=1)).all())
    True
    """
    refuse_out("random.permuted", out)
    source = as_variable(x)
    if source.ndim == 0:
        raise ShapeError("random.permuted of a number", remedy="pass an array")
    if axis is None:
        flat = OPS["reshape"](source, (-1,))
        mixed = OPS["take"](flat, _order(self, source.size), axis=0)
        return OPS["reshape"](mixed, source.shape)
    place = normalize_axis(axis, source.ndim, "random.permuted")
    last = OPS["moveaxis"](source, place, -1)
    orders = Distribution(_rows, {}).draw(self.chain, (), last.shape, {})
    mixed = OPS["take_along_axis"](last, orders, axis=-1)
    return OPS["moveaxis"](mixed, -1, place)
