"""Pools: options, padding, ties, NaN, dtypes, errors. Values: the table, against a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.testing import check_grads

X = np.array([[[1.0, 5.0, 2.0, 3.0, 9.0]]])


def test_options() -> None:
    x = ga.constant(X)
    assert ga.nn.max_pool(x, 2).eval().tolist() == [[[5, 3]]]
    assert ga.nn.max_pool(x, 2, stride=1).eval().tolist() == [[[5, 5, 3, 9]]]
    assert ga.nn.max_pool(x, 2, 1, dilation=3).eval().tolist() == [[[3, 9]]]
    assert ga.nn.max_pool(x, 3, 1, mode="same").eval().tolist() == [[[5, 5, 5, 9, 9]]]
    assert ga.nn.max_pool(-x, 3, padding=1).eval().tolist() == [[[-1, -2]]]
    assert ga.nn.average_pool(x, 3, padding=1).eval().tolist() == [[[3, 14 / 3]]]
    padded = ga.nn.average_pool(x, 3, padding=1, count_padding=True)
    assert padded.eval().tolist() == [[[2, 14 / 3]]]
    assert ga.nn.average_pool(x, 2, 1, mode="same").eval().tolist() == [[[3, 3.5, 2.5, 6, 9]]]


def test_images() -> None:
    """Non-overlapping windows are blocks."""
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 8))
    blocks = x.reshape(2, 3, 3, 2, 2, 4)
    v = ga.constant(x)
    np.testing.assert_array_equal(ga.nn.max_pool(v, (2, 4)).eval(), blocks.max(axis=(3, 5)))
    means = ga.nn.average_pool(v, (2, 4)).eval()
    np.testing.assert_allclose(means, blocks.mean(axis=(3, 5)), rtol=1e-13)
    np.testing.assert_array_equal(ga.nn.global_max_pool(v).eval(), x.max(axis=(2, 3)))
    np.testing.assert_allclose(ga.nn.global_average_pool(v).eval(), x.mean(axis=(2, 3)))


@pytest.mark.parametrize("pool", [ga.nn.max_pool, ga.nn.average_pool])
@pytest.mark.parametrize("options", [
    {"window": 3, "stride": 1}, {"window": 2, "stride": 3}, {"window": (2, 3), "dilation": (2, 1)},
    {"window": 3, "padding": [(1, 2), (0, 1)], "stride": 2}, {"window": 2, "mode": "same"},
])  # fmt: skip
def test_gradients(pool: Any, options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).permutation(60).reshape(2, 1, 5, 6) / 7 - 4
    for sizes in ("static", "unknown"):
        check_grads(lambda v: pool(v, **options), [x], sizes=sizes)


def test_ties_share_the_derivative() -> None:
    x = ga.tensor("x", (1, 1, 4))
    g = ga.grad(ga.nn.max_pool(x, 4).sum(), x)
    assert g.eval({x: np.array([[[3.0, 1.0, 3.0, 3.0]]])}).tolist() == [[[1 / 3, 0, 1 / 3, 1 / 3]]]
    padded = ga.grad(ga.nn.max_pool(x, 3, padding=1).sum(), x)
    zeros = padded.eval({x: np.array([[[0.0, -1.0, -2.0, -3.0]]])})
    assert zeros.tolist() == [[[1, 0, 1, 0]]]  # zeros of the padding do not take part


def test_nan_wins_and_minus_infinity_loses() -> None:
    x = ga.tensor("x", (1, 1, 4))
    y = ga.nn.max_pool(x, 2)
    data = np.array([[[np.nan, 1.0, -np.inf, -np.inf]]])
    value, g = ga.function([x], [y, ga.grad(y.sum(), x)])(data)
    assert np.isnan(value[0, 0, 0]) and value[0, 0, 1] == -np.inf
    assert g[0, 0, 2:].tolist() == [0.5, 0.5]


def test_dtypes() -> None:
    for dtype in ("float32", "int8", "uint8", "bool"):
        x = ga.constant(np.array([[[1, 0, 1, 1, 0]]], dtype))
        y = ga.nn.max_pool(x, 2, padding=1)
        assert (y.dtype, y.eval().tolist()) == (dtype, [[[1, 1, 1]]])
    single = ga.constant(X.astype("float32"))
    assert ga.nn.average_pool(single, 2).dtype == "float32"
    assert ga.nn.average_pool(single, 2, padding=1).dtype == "float32"
    assert ga.nn.average_pool(ga.constant([[[1, 2, 4]]]), 2).eval().tolist() == [[[1.5]]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"window": 6}, ShapeError, "window over 6 elements"),
        ({"window": 0}, UseError, "window=0"),
        ({"window": (1, 2)}, UseError, "window"),
        ({"window": 2, "padding": 2}, ShapeError, "pad by less"),
        ({"window": 2, "mode": "half"}, UseError, "half"),
        ({"window": 2, "stride": -1}, UseError, "stride"),
    ],
)
def test_errors(options: dict[str, Any], error: type, message: str) -> None:
    for pool in (ga.nn.max_pool, ga.nn.average_pool):
        with pytest.raises(error, match=message):
            pool(ga.constant(X), **options)


def test_arrays_that_are_refused() -> None:
    with pytest.raises(DTypeError, match="max_pool of dtype complex"):
        ga.nn.max_pool(ga.constant(X + 1j), 2)
    with pytest.raises(ShapeError, match="batch, channels"):
        ga.nn.max_pool(ga.constant(X[0]), 2)
