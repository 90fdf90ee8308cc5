"""Results come back in the container that was declared, whatever it is."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Record:
    first: Any
    second: Any


X = ga.scalar("x")
V = ga.vector("v", shape=(2,))


@pytest.mark.parametrize("make", [
    lambda a, b: a, lambda a, b: [a], lambda a, b: (a, b), lambda a, b: [a, (b, [a])],
    lambda a, b: {"z": a, "a": b}, lambda a, b: {3: [a], "x": (b,)}, Pair, Record,
    lambda a, b: [Pair(a, {"k": b})], lambda a, b: OrderedDict(z=a, a=b), lambda a, b: [],
    lambda a, b: {"'); import os; (": a}, lambda a, b: [a] * 300,
])  # fmt: skip
def test_containers(make: Any) -> None:
    for argument, a, b in ((X, X + 1, X > 0), (V, V.sum(), V * 2)):
        value = np.float64(2.0) if argument is X else np.array([1.0, 2.0])
        f = ga.function([argument], make(a, b), unused="ignore")
        expected = make(a.eval({argument: value}), b.eval({argument: value}))
        found = f(value)
        assert repr(found) == repr(expected)
        assert type(found) is type(expected)


def test_deep_containers() -> None:
    nested: Any = X * 2
    for _ in range(150):
        nested = [nested]
    found = ga.function([X], nested)(1.5)
    for _ in range(150):
        (found,) = found
    assert found == 3.0


def test_rank_0_results_are_numpy_scalars() -> None:
    f = ga.function([V], {"total": V.sum(), "same": ga.where(V.sum() > 0, V[0], V[1]), "v": V})
    found = f(np.array([1.0, 2.0]))
    assert type(found["total"]) is type(found["same"]) is np.float64
    assert found["v"].shape == (2,)
