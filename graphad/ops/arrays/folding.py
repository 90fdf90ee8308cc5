"""Updates that depend on their order: index_multiply, index_divide, index_power, and extrema.

Where an index names a place p several times, with the values v_1, v_2, … in this order,

    s_0 = x_p,   s_k = f(s_{k-1}, v_k),   y_p = the last s_k

Sorted by place, the values form groups, and `Fold` computes the states s_k of all groups at once.
With the partial derivatives a_k = ∂f/∂s and c_k = ∂f/∂v at (s_{k-1}, v_k), the cotangents are

    λ_k = s̄_k + a_{k+1} λ_{k+1},   v̄_k = c_k λ_k,   x̄_p = a_1 λ_1

which is a fold again (of ``a s + b``, from behind): derivatives of any order exist, and nothing is
divided by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir.families.common import Declared, add_up, fit, public, weigh
from graphad.ir.families.indexing import Item
from graphad.ir.families.movement import zeros_for
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply, as_variable
from graphad.ops.arrays.updates import (
    by_ufunc,
    index_set,
    may_repeat,
    parsed,
    region_of,
    update_samples,
    value_like,
)

Partial = Callable[..., Any]  # (result, state before, *values) -> Variable or number


class Fold(Declared):
    """States of groups: ``y_i = f(start_i if first_i else y_{i-1}, *values_i)``, all (n,).

    Operands: start, the values, first (bool). `partials`: by the state, and by each value.
    """

    def __init__(self, name: str, step: Callable[..., Any], partials: Sequence[Partial]) -> None:
        super().__init__(name)
        self.step, self.partials = step, partials

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0],)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        start, *values, first = arrays
        count = len(start)
        place = np.arange(count)  # of NumPy: the number of rounds depends on the data
        rank = place - np.maximum.accumulate(np.where(first, place, 0)) if count else place
        states = np.array(self.step(start, *values))
        order = np.argsort(rank, kind="stable")
        ends = np.cumsum(np.bincount(rank)) if count else place
        for begin, end in itertools.pairwise(ends):
            now = order[begin:end]  # those that have just as many before them in their groups
            states[now] = self.step(states[now - 1], *[v[now] for v in values])
        return states

    def cuts(self, position: int) -> bool:
        return position == len(self.partials)

    def _slopes(self, node: Apply) -> list[Any]:
        """∂f by the state and by each value, at what was there before."""
        start, *values, first = node.inputs
        y = node.output(0)
        before = OPS["where"](first, start, _moved(y, 1))
        return [rule(y, before, *values) for rule in self.partials]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None:
            return [None] * len(node.inputs)
        first, slopes = node.inputs[-1], self._slopes(node)
        last = OPS["concatenate"]([first[1:], OPS["full_like"](first[:1], True)])
        behind = OPS["flip"](_moved(_full(slopes[0], node), -1))
        carried = OPS["flip"](_linear(cotangents[0], behind, OPS["flip"](last), back=True))
        given = [weigh(carried, slope) for slope in slopes]
        given[0] = None if given[0] is None else OPS["where"](first, given[0], 0)
        return [
            fit(c, x) if w else None for c, x, w in zip(
                [*given, None], node.inputs, wanted, strict=True)
        ]  # fmt: skip

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        first, slopes = node.inputs[-1], self._slopes(node)
        terms = [None if t is None else weigh(t, s)
                 for t, s in zip(tangents[:-1], slopes, strict=True)]  # fmt: skip
        terms[0] = None if terms[0] is None else OPS["where"](first, terms[0], 0)
        total = add_up(terms)
        return [None if total is None else _linear(total, _full(slopes[0], node), first)]


def _full(slope: Any, node: Apply) -> Variable:
    """A slope, which may be a number, in the shape of the result."""
    y = node.output(0)
    found: Variable = OPS["broadcast_to"](as_variable(slope).astype(y.dtype), y.shape)
    return found


def _moved(x: Variable, step: int) -> Variable:
    """x_{i - step} for step ±1; 0 at the open end."""
    found: Variable = apply(OPS.families["shift"].op(axis=0, step=step), (x,))  # type: ignore[attr-defined]
    return found


def _linear(terms: Variable, slopes: Variable, first: Variable, back: bool = False) -> Variable:
    """s_i = terms_i + (0 if first_i else slopes_i s_{i-1}); `back`: terms in reverse."""
    given = OPS["flip"](terms) if back else terms
    found: Variable = _fold_linear(zeros_for(given), slopes, given, first)
    return found


def _strong(s: Any, a: Any, b: Any) -> Any:
    """a s + b, in which a state of exactly zero stays zero."""
    return np.where(s == 0, b, a * s + b)


_power: Any = OPS.families["power"]
_fold_linear = Fold(
    "fold_linear", _strong,
    (lambda y, s, a, b: a, lambda y, s, a, b: s, lambda y, s, a, b: 1))  # fmt: skip
_fold_multiply = Fold("fold_multiply", lambda s, v: s * v, (lambda y, s, v: v, lambda y, s, v: s))
_fold_divide = Fold(
    "fold_divide", lambda s, v: s / v, (lambda y, s, v: 1 / v, lambda y, s, v: -s / (v * v))
)
_fold_power = Fold("fold_power", lambda s, v: s**v, _power.partials)


# ---- from x[index] to groups -----------------------------------------------------------------
def _checked(x: Variable, values: Any, ufunc: np.ufunc, name: str) -> Variable:
    given = value_like(values, x, name)
    try:
        result = ufunc.resolve_dtypes((x.dtype, x.dtype, None))[2]
    except TypeError:
        result = None
    if result is None or not np.can_cast(result, x.dtype, "same_kind"):
        raise DTypeError(
            f"{name}: {ufunc.__name__} of {x.dtype} is {result}",
            cause="the result has the dtype of the array",
            remedy="convert the array first: x.astype(float).at[index]…",
        )
    return given


def grouped(
    x: Variable, items: tuple[Item, ...], operands: Sequence[Variable], values: Variable
) -> tuple[Variable, Variable, Variable, Variable]:
    """(x flat, places sorted, values in that order, which are first in their group), all (n,)."""
    flat = OPS["ravel"](x)
    numbers = OPS["reshape"](OPS["arange"](flat.shape[0]), x.shape)
    there = region_of(numbers, items, operands)
    spread = OPS["ravel"](OPS["broadcast_to"](values, there.shape))
    order = OPS["argsort"](OPS["ravel"](there))
    places = OPS["ravel"](there)[order]
    new = places[1:] != places[:-1]
    first = OPS["concatenate"]([OPS["full_like"](places[:1], True, dtype=bool), new])
    return flat, places, spread[order], first


def _folded(name: str, ufunc: np.ufunc, fold: Fold, x: Any, index: Any, values: Any) -> Variable:
    variable, items, operands = parsed(x, index)
    given = _checked(variable, values, ufunc, name)
    if not may_repeat(items):
        there = region_of(variable, items, operands)
        return index_set(variable, index, OPS[ufunc.__name__](there, given).astype(variable.dtype))
    flat, places, rows, first = grouped(variable, items, operands, given)
    states = fold(flat[places], rows, first)
    changed: Variable = OPS["reshape"](index_set(flat, places, states), variable.shape)
    return changed


@public(topic="indexing", reference=by_ufunc(np.multiply), samples=update_samples)
def index_multiply(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` multiplied with `values` at `index`, as ``np.multiply.at``.

    ``x.at[index].multiply(values)`` is the same; see `index_set` for index and values. Derivatives
    are right also where factors are zero, and of any order.

    >>> import graphad as ga
    >>> ga.index_multiply(ga.constant([1.0, 2.0, 3.0]), [0, 0], [7.0, 8.0]).eval()
    array([56.,  2.,  3.])
    """
    return _folded("index_multiply", np.multiply, _fold_multiply, x, index, values)


def _positive(rng: np.random.Generator) -> list[Sample]:
    return update_samples(rng, 0.5, 2.0)


@public(topic="indexing", reference=by_ufunc(np.divide), samples=_positive)
def index_divide(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` divided by `values` at `index`, as ``np.divide.at``.

    ``x.at[index].divide(values)`` is the same; see `index_set` for index and values.
    Raises DTypeError for integers.

    >>> import graphad as ga
    >>> ga.index_divide(ga.constant([8.0, 2.0, 3.0]), [0, 0], [2.0, 4.0]).eval()
    array([1., 2., 3.])
    """
    return _folded("index_divide", np.divide, _fold_divide, x, index, values)


@public(topic="indexing", reference=by_ufunc(np.power), samples=_positive)
def index_power(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` raised to the powers `values` at `index`, as ``np.power.at``.

    ``x.at[index].power(values)`` is the same; see `index_set` for index and values, `power` for
    the derivatives at 0.

    >>> import graphad as ga
    >>> ga.index_power(ga.constant([2.0, 2.0, 3.0]), [0, 0], [2.0, 3.0]).eval()
    array([64.,  2.,  3.])
    """
    return _folded("index_power", np.power, _fold_power, x, index, values)
