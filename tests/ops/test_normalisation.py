"""Normalisation: what it makes of mean and variance, running averages, constant rows, dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import AxisError, ShapeError, UseError
from graphad.testing import check_grads

RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 5.0, size=(4, 6, 5))

NORMS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], tuple[int, ...]]] = {
    "batch": (lambda x: ga.nn.batch_norm(x, eps=0.0).output, (4, 6, 5), (0, 2)),
    "layer": (lambda x: ga.nn.layer_norm(x, eps=0.0), (4, 6, 5), (2,)),
    "layer of two": (lambda x: ga.nn.layer_norm(x, axis=(1, 2), eps=0.0), (4, 6, 5), (1, 2)),
    "group": (lambda x: ga.nn.group_norm(x, groups=2, eps=0.0), (4, 2, 15), (2,)),
    "instance": (lambda x: ga.nn.instance_norm(x, eps=0.0), (4, 6, 5), (2,)),
}


@pytest.mark.parametrize("name", NORMS)
def test_mean_zero_and_variance_one(name: str) -> None:
    norm, shape, axes = NORMS[name]
    for sizes in (X.shape, (None, None, None), ("batch", 6, "n")):
        x = ga.tensor("x", sizes)
        y = ga.function([x], norm(x))(X).reshape(shape)
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-13)
        np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-13)


@pytest.mark.parametrize("name", NORMS)
def test_the_gradient_does_not_see_shift_and_scale(name: str) -> None:
    """Normalised values stay as they are if x is shifted and scaled: derivatives there are 0."""
    norm, _, _ = NORMS[name]
    x, shift, scale = ga.constant(X), ga.scalar("shift"), ga.scalar("scale")
    loss = ga.sum(norm(x * scale + shift) * RNG.normal(size=X.shape))
    slopes = ga.function([shift, scale], ga.grad(loss, [shift, scale]))(1.0, 2.0)
    np.testing.assert_allclose(slopes, 0, atol=1e-11)


def test_root_mean_square() -> None:
    y = ga.nn.rms_norm(ga.constant(X), axis=(0, 2), eps=0.0).eval()
    np.testing.assert_allclose((y**2).mean(axis=(0, 2)), 1, rtol=1e-13)


def test_rows_of_equal_numbers() -> None:
    """Variance 0: the result is 0, derivatives are finite."""
    for build in (lambda x: ga.nn.layer_norm(x), lambda x: ga.nn.batch_norm(x).output,
                  lambda x: ga.nn.rms_norm(x * 0)):  # fmt: skip
        x = ga.tensor("x", (3, 4))
        y = build(x)
        g = ga.grad((y * RNG.normal(size=(3, 4))).sum(), x)
        second = ga.grad(ga.sum(g * g), x, disconnected="zero")
        values = ga.function([x], [y, g, second])(np.full((3, 4), 7.0))
        assert np.all(values[0] == 0) and all([np.isfinite(v).all() for v in values])


def test_running_averages_and_application() -> None:
    """Averages are made by updates; with them, rows do not depend on each other."""
    x = ga.tensor("x", ("batch", 6, 5))
    mean, var = ga.shared(np.zeros(6)), ga.shared(np.ones(6))
    y = ga.nn.batch_norm(x)
    updates = {mean: 0.5 * mean + 0.5 * y.mean, var: 0.5 * var + 0.5 * y.var}
    train = ga.function([x], y.output, updates=updates)
    train(X)
    np.testing.assert_allclose(mean.value, 0.5 * X.mean(axis=(0, 2)))
    np.testing.assert_allclose(var.value, 0.5 + 0.5 * X.var(axis=(0, 2)))
    apply = ga.function([x], ga.nn.batch_norm(x, mean=mean, var=var).output)
    np.testing.assert_allclose(apply(X[:1])[0], apply(X)[0], rtol=1e-13)


def test_gain_and_bias() -> None:
    gain, bias = RNG.normal(size=(2, 6))
    y = ga.nn.batch_norm(ga.constant(X), gain, bias).output.eval()
    plain = ga.nn.batch_norm(ga.constant(X)).output.eval()
    np.testing.assert_allclose(y, plain * gain[:, None] + bias[:, None], rtol=1e-12)
    y = ga.nn.layer_norm(ga.constant(X), gain[:, None] + np.zeros(5), 1.0, axis=(1, 2)).eval()
    plain = ga.nn.layer_norm(ga.constant(X), axis=(1, 2)).eval()
    np.testing.assert_allclose(y, plain * gain[:, None] + 1, rtol=1e-12)
    check_grads(lambda x, a, b: ga.nn.group_norm(x, a, b, groups=3), [X, gain, bias])


def test_channels_last_and_dtypes() -> None:
    first = ga.nn.batch_norm(ga.constant(X)).output.eval()
    last = ga.nn.batch_norm(ga.constant(X.transpose(0, 2, 1)), axis=-1).output.eval()
    np.testing.assert_allclose(first.transpose(0, 2, 1), last, rtol=1e-12)
    single = ga.constant(X.astype("float32"))
    dtypes = {v.dtype for v in ga.nn.batch_norm(single, 2.0, 1.0)}
    assert dtypes == {np.dtype("float32")}
    assert ga.nn.layer_norm(single, ga.constant(np.ones(5, "float32"))).dtype == "float32"


def test_dropout() -> None:
    x, u = ga.tensor("x", ("n",)), ga.tensor("u", ("n",))
    y = ga.nn.dropout(x, 0.2, u)
    data, drawn = np.ones(20000), RNG.uniform(size=20000)
    value, gradient = ga.function([x, u], [y, ga.grad(y.sum(), x)])(data, drawn)
    assert set(np.unique(value)) == {0.0, 1.25}
    assert value.mean() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(gradient, value)


def test_dropout_differs_in_each_call_and_repeats_by_seed() -> None:
    x, rng = ga.matrix("x", shape=("batch", 8)), ga.random.default_rng(0)
    y = ga.nn.dropout(ga.nn.dropout(x, 0.5, rng=rng), 0.25, rng=rng)
    f = ga.function([x], [y, ga.grad(y.sum(), x)])
    first, second = f(np.ones((4, 8))), f(np.ones((4, 8)))
    assert not np.array_equal(first[0], second[0])
    for value, gradient in (first, second):
        np.testing.assert_array_equal(value, gradient)
    f.reset_rng(0)
    np.testing.assert_array_equal(f(np.ones((4, 8)))[0], first[0])
    theirs = np.random.default_rng(0)
    kept = (theirs.random((4, 8)) >= 0.5) & (theirs.random((4, 8)) >= 0.25)
    np.testing.assert_array_equal(first[0] != 0, kept)
    single = ga.nn.dropout(x.astype("float32"), 0.5, rng=rng)
    assert single.dtype == np.float32


def test_what_is_dropped_leaves_no_trace() -> None:
    """NaN and infinity in dropped elements: neither in the value nor in derivatives."""
    x = ga.tensor("x", (3,))
    y = ga.nn.dropout(ga.log(x), 0.5, mask=[True, False, False])
    value, g = ga.function([x], [y, ga.grad(y.sum(), x)])(np.array([1.0, 0.0, np.nan]))
    assert value.tolist() == [0, 0, 0] and g.tolist() == [2, 0, 0]


def test_a_rate_that_is_a_variable() -> None:
    x, rate = ga.tensor("x", (2,)), ga.scalar("rate")
    y = ga.nn.dropout(x, rate, uniform=[0.3, 0.6])
    f = ga.function([x, rate], y)
    assert f([1.0, 1.0], 0.5).tolist() == [0, 2]
    assert f([1.0, 1.0], 0.0).tolist() == [1, 1]
    assert f([1.0, 1.0], 1.0).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda x: ga.nn.batch_norm(x, np.ones((4, 1))), ShapeError, "gain"),
        (lambda x: ga.nn.batch_norm(x, axis=3), AxisError, "axis 3"),
        (lambda x: ga.nn.batch_norm(x, mean=np.ones(6)), UseError, "give both"),
        (lambda x: ga.nn.layer_norm(x, bias=np.ones((2, 5))), ShapeError, "bias"),
        (lambda x: ga.nn.layer_norm(x, np.ones(4)), ShapeError, "do not fit"),
        (lambda x: ga.nn.group_norm(x, groups=4), ShapeError, "6 channels in 4 groups"),
        (lambda x: ga.nn.group_norm(x, groups=0), UseError, "groups=0"),
        (lambda x: ga.nn.instance_norm(x[0]), ShapeError, "batch, channels"),
        (lambda x: ga.nn.dropout(x, 0.5), UseError, "uniform="),
        (lambda x: ga.nn.dropout(x, 0.5, x, x), UseError, "one of them"),
        (lambda x: ga.nn.dropout(x, 0.5, x, rng=ga.random.default_rng(0)), UseError, "one of"),
        (
            lambda x: ga.nn.dropout(x, 0.5, rng=np.random.default_rng(0)),
            UseError,
            "would draw once",
        ),
        (lambda x: ga.nn.dropout(x, 0.5, rng=7), UseError, "rng is int"),
        (lambda x: ga.nn.dropout(x, 1.5, x), UseError, "from 0 to 1"),
    ],
)
def test_errors(build: Callable[[Any], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        build(ga.tensor("x", (4, 6, 5)))
