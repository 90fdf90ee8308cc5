"""assert_same_graph: what counts, what does not, and how a difference is shown."""

from __future__ import annotations

import numpy as np
import pytest

import graphad as ga
from graphad.testing import assert_same_graph


def test_names_and_places_do_not_count() -> None:
    x, y = ga.scalar("x"), ga.scalar("y")
    with ga.scope("part"):
        first = ga.exp(x) * 2.0
    first.name = "result"
    assert_same_graph(first, ga.exp(y) * 2.0)
    assert_same_graph([first, x], [ga.exp(y) * 2.0, y])
    assert_same_graph(ga.Graph([x], [first]), first)


def test_what_counts() -> None:
    x, y = ga.vector("x", shape=(3,)), ga.vector("y", shape=(3,))
    e = ga.exp(x)
    for found, expected in [
        (x - y, y - x * 1.0),
        (e * e, ga.exp(x) * ga.exp(x)),
        (x.sum(axis=0), x.sum(axis=0, keepdims=True)),
        (x * np.float32(2), x * 2.0),
        ([x, e], [e, x]),
        (x * np.arange(9.0).reshape(3, 3), x * np.ones((3, 3))),
    ]:
        with pytest.raises(AssertionError, match="the graphs differ"):
            assert_same_graph(found, expected)


def test_the_difference_is_shown() -> None:
    x = ga.vector("x", shape=(3,))
    with pytest.raises(AssertionError) as caught:
        assert_same_graph(ga.exp(x).sum(), ga.sin(x).sum())
    lines = [line.split() for line in str(caught.value).splitlines()]
    assert ["-", "%0", "sin(in0)", "float64[3]"] in lines
    assert ["+", "%0", "exp(in0)", "float64[3]"] in lines


def test_a_difference_that_the_listing_does_not_show() -> None:
    x = ga.vector("x", shape=(3,))
    with pytest.raises(AssertionError, match="the listings are equal"):
        assert_same_graph(x * np.arange(9.0).reshape(3, 3), x * np.ones((3, 3)))
