"""Where a quantile stands in a sorted row: the 13 methods of ``np.quantile``, and weights.

After R. J. Hyndman and Y. Fan, The American Statistician 50 (1996) 361-365.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.op import OPS
from graphad.ir.variable import Variable

# Continuous methods: the place is n·q + α + q·(1 - α - β) - 1.
CONTINUOUS = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
DISCRETE = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")  # one element
METHODS = (*CONTINUOUS, *DISCRETE, "averaged_inverted_cdf", "midpoint")


def neighbours(q: Variable, size: Any, method: str) -> tuple[Variable, Variable, Variable]:
    """(lower and upper neighbour, weight of the upper one) for fractions q of rows of `size`.

    q: float64; size: a number, or a Variable with the sizes of several rows.
    """
    last = size - 1
    if method in DISCRETE:
        place = _discrete(q, size, method)
        low = high = _clipped(place, last)
        return _index(low), _index(high), OPS["zeros_like"](place)
    if method in CONTINUOUS:
        place, weight = _continuous(q, size, *CONTINUOUS[method]), None
    elif method == "midpoint":
        place = q * last
        weight = OPS["where"](place == OPS["floor"](place), 0.0, 0.5)
    else:
        place = q * size - 1
        weight = OPS["where"](place == OPS["floor"](place), 0.5, 1.0)
    inside = _clipped(place, last)
    low = OPS["floor"](inside)
    high = _clipped(low + 1, last)
    if weight is None:
        weight = inside - low
    else:  # at the ends there is one neighbour only
        weight = OPS["where"]((place < 0) | (place >= last), 0.0, weight)
    return _index(low), _index(high), weight


def _continuous(q: Variable, size: Any, alpha: float, beta: float) -> Variable:
    if (alpha, beta) == (1.0, 1.0):
        exact: Variable = q * (size - 1)
        return exact
    place: Variable = q * size + (alpha + q * (1 - alpha - beta)) - 1
    return place


def _discrete(q: Variable, size: Any, method: str) -> Variable:
    """The place of the one element, a whole number."""
    rounding = {"lower": "floor", "higher": "ceil", "nearest": "rint"}.get(method)
    if rounding is not None:
        rounded: Variable = OPS[rounding](q * (size - 1))
        return rounded
    place = q * size - 1 if method == "inverted_cdf" else q * size - 1.5
    low = OPS["floor"](place)
    stays = place == low
    if method == "closest_observation":  # halfway to the even order statistic, counted from 1
        stays = stays & (low % 2 == 1)
    found: Variable = OPS["where"](stays, low, low + 1)
    return found


def _clipped(place: Variable, last: Any) -> Variable:
    """Between 0 and the last place; the derivative stays where the place does."""
    below = OPS["where"](place > last, last, place)
    inside: Variable = OPS["where"](below < 0, 0.0, below)
    return inside


def _index(place: Variable) -> Variable:
    index: Variable = OPS["stop_gradient"](place).astype(np.intp)
    return index


def weighted_place(weights: Variable, q: Variable) -> tuple[Variable, Variable]:
    """(places (…, *q.shape), sum of the weights (…)) for weights (…, n) in the order of the rows.

    The first place at which the share of the weights up to there is q or more; leading zeros are
    passed over.
    """
    sums = OPS["cumsum"](weights.astype("float64"), axis=-1)
    total = OPS["sum"](weights.astype("float64"), axis=-1)
    share = sums / sums[..., -1:]
    share = share.astype(q.dtype) if q.dtype.kind == "f" else share
    share = OPS["where"](share == 0, -1, share)
    apart = OPS["expand_dims"](share, tuple(range(-q.ndim - 1, -1))) if q.ndim else share
    before = OPS["sum"](apart < q[..., None], axis=-1)
    return OPS["minimum"](before, weights.shape[-1] - 1), total
