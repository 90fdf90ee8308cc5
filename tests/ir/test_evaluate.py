"""The interpreter: values by hand, and that it notices what an op must not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import InternalError, ShapeError
from graphad.ir.evaluate import evaluate
from graphad.ir.families.common import Declared
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.types import TensorType


class Faulty(Declared):
    """Computes something else than its type rule says."""

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0],)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return params["make"](arrays[0])


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    yield Faulty("faulty")
    del OPS.families["faulty"]


def test_values() -> None:
    x, w = ga.vector("x"), ga.vector("w")
    y = x * w
    graph = Graph([x, w], [y.sum(), y, x, ga.constant(3.0)])
    total, product, same, three = evaluate(graph, [np.arange(3.0), np.full(3, 2.0)])
    assert (total, three) == (6.0, 3.0) and same.tolist() == [0.0, 1.0, 2.0]
    assert product.tolist() == [0.0, 2.0, 4.0]
    assert all(isinstance(value, np.ndarray) for value in (total, product, same, three))


def test_intermediates_can_be_fed() -> None:
    x = ga.vector("x")
    y = ga.exp(x)
    assert evaluate(Graph([y], [y * 2.0]), [np.ones(2)])[0].tolist() == [2.0, 2.0]
    both = evaluate(Graph([x, y], [y - x]), [np.ones(2), np.full(2, 5.0)])[0]
    assert both.tolist() == [4.0, 4.0]


def test_floating_point_errors_are_silent() -> None:
    x = ga.vector("x")
    with np.errstate(all="raise"):
        (value,) = evaluate(Graph([x], [1.0 / x + ga.log(x)]), [np.zeros(1)])
    assert np.isnan(value[0])


def test_the_number_of_arrays_is_checked() -> None:
    x = ga.vector("x")
    with pytest.raises(ValueError, match="shorter"):
        evaluate(Graph([x], [x]), [])


WRONG = {
    "dtype": lambda a: a.astype("float32"),
    "rank": lambda a: a[None],
    "size": lambda a: np.zeros(4),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_broken_promise_is_noticed(faulty: Faulty, kind: str) -> None:
    x = ga.vector("x", shape=(3,))
    with pytest.raises(InternalError, match="its type rule said float64\\[3\\]") as caught:
        evaluate(Graph([x], [faulty(x, make=WRONG[kind])]), [np.zeros(3)])
    assert "faulty" in str(caught.value) and __file__ in str(caught.value)


def test_sizes_that_are_known_at_run_time_are_checked(faulty: Faulty) -> None:
    for shape in (("n",), (None,)):
        x = ga.vector("x", shape=shape)
        with pytest.raises(ShapeError, match=r"has size 4, but .* is 3"):
            evaluate(Graph([x], [faulty(x, make=WRONG["size"])]), [np.zeros(3)])


def test_a_name_has_one_value_in_a_call() -> None:
    x, y = ga.vector("x", shape=("n",)), ga.vector("y", shape=("n",))
    with pytest.raises(ShapeError, match=r"axis 0 of 'y', .* has size 2, but n is 3"):
        evaluate(Graph([x, y], [x, y]), [np.zeros(3), np.zeros(2)])


def test_named_sizes_are_not_stretched() -> None:
    """Also not at run time, where the size happens to be 1."""
    x, y = ga.vector("x", shape=("n",)), ga.vector("y")
    graph = Graph([x, y], [x + y])
    assert evaluate(graph, [np.ones(3), np.ones(1)])[0].shape == (3,)
    with pytest.raises(ShapeError, match="named sizes are never stretched"):
        evaluate(graph, [np.ones(1), np.ones(3)])
