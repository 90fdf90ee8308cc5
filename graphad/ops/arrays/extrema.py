"""The larger or the smaller of old and new at an index: index_max, index_min."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import fit, public
from graphad.ir.families.indexing import with_operands
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Apply, Variable
from graphad.ops.arrays.updates import (
    IndexUpdate,
    by_ufunc,
    index_set,
    may_repeat,
    parsed,
    region_of,
    update_samples,
    value_like,
)


class IndexExtremum(IndexUpdate):
    """``np.maximum.at`` on a copy of x.

    The cotangent of a place is shared equally by all that are equal to the extremum there: the
    old element and any number of new ones.
    """

    def __init__(self, name: str, ufunc: str) -> None:
        super().__init__(name)
        self.ufunc = ufunc

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        x, v, *rest = arrays
        total = xp.array(x)
        getattr(xp, self.ufunc).at(total, with_operands(params["index"], rest), v)
        return total

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        received: list[Variable | None] = [None] * len(node.inputs)
        g, (x, v, *operands), index = cotangents[0], node.inputs, node.op.params["index"]
        if g is None:
            return received
        y, where = node.output(0), OPS["where"]
        kept = OPS["equal"](x, y)
        taken = OPS["equal"](v, region_of(y, index, operands))
        count = index_add_parsed(kept.astype(g.dtype), taken.astype(g.dtype), index, operands)
        share = g / OPS["maximum"](OPS["real"](count), 1)
        received[0] = fit(where(kept, share, 0), x) if wanted[0] else None
        there = where(taken, region_of(share, index, operands), 0)
        received[1] = fit(there, v) if wanted[1] else None
        return received

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        return None


def index_add_parsed(
    x: Variable, values: Variable, index: Any, operands: Sequence[Variable]
) -> Variable:
    """`index_add` with an index in parsed form."""
    found: Variable = OPS.families["index_add"](x, values, *operands, index=index)  # type: ignore[operator]
    return found


_max = IndexExtremum("index_max", "maximum")
_min = IndexExtremum("index_min", "minimum")


def _extremum(family: IndexExtremum, x: Any, index: Any, values: Any) -> Variable:
    variable, items, operands = parsed(x, index)
    given = value_like(values, variable, family.name)
    if not may_repeat(items):
        there = region_of(variable, items, operands)
        return index_set(variable, index, OPS[family.ufunc](there, given))
    found: Variable = family(variable, given, *operands, index=items)
    return found


def _without_ties(rng: np.random.Generator) -> list[Sample]:
    """Numbers that are nowhere equal."""
    samples = []
    for sample in update_samples(rng):
        (x,), v = sample.arrays, sample.named["values"]
        numbers = rng.permutation(x.size + v.size) / 4
        samples.append(Sample((numbers[: x.size].reshape(x.shape),), sample.keywords,
                              {"values": numbers[x.size :].reshape(v.shape)}))  # fmt: skip
    return samples


@public(topic="indexing", reference=by_ufunc(np.maximum), samples=_without_ties)
def index_max(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` with the larger of old and new at `index`, as ``np.maximum.at``; NaN wins.

    ``x.at[index].max(values)`` is the same; see `index_set` for index and values. At ties the
    derivative is shared equally by the old element and all equal new ones; at NaN it is 0.

    >>> import graphad as ga
    >>> ga.index_max(ga.constant([1.0, 2.0, 3.0]), [0, 0, 2], [7.0, 8.0, 1.0]).eval()
    array([8., 2., 3.])
    """
    return _extremum(_max, x, index, values)


@public(topic="indexing", reference=by_ufunc(np.minimum), samples=_without_ties)
def index_min(x: Any, index: Any, values: Any) -> Variable:
    """A copy of `x` with the smaller of old and new at `index`, as ``np.minimum.at``; NaN wins.

    ``x.at[index].min(values)`` is the same; see `index_set` for index and values. At ties the
    derivative is shared equally by the old element and all equal new ones; at NaN it is 0.

    >>> import graphad as ga
    >>> ga.index_min(ga.constant([1.0, 2.0, 3.0]), [0, 0, 2], [7.0, 0.5, 1.0]).eval()
    array([0.5, 2. , 1. ])
    """
    return _extremum(_min, x, index, values)
