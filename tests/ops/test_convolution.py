"""Convolutions against a direct loop over their definition, SciPy, and their own transposes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import signal

import graphad as ga
from graphad.errors import ShapeError, UseError
from graphad.testing import check_grads

Array = np.ndarray[Any, Any]


def by_definition(
    x: Array, kernel: Array, pads: Any, stride: Any, dilation: Any, groups: int
) -> Array:
    """y[b, o, p] = Σ_(i, k) x[b, i, stride·p + dilation·k - before] · kernel[o, i, k], in a loop
    over every index."""
    (batch, _, *space), (out, inside, *window) = x.shape, kernel.shape
    axes = range(len(space))
    places = [
        (space[a] + sum(pads[a]) - dilation[a] * (window[a] - 1) - 1) // stride[a] + 1
        for a in axes
    ]
    y = np.zeros((batch, out, *places))
    for b, o, *p in np.ndindex(*y.shape):
        first = o // (out // groups) * inside
        for i, *k in np.ndindex(inside, *window):
            at = [stride[a] * p[a] + dilation[a] * k[a] - pads[a][0] for a in axes]
            if all([0 <= at[a] < space[a] for a in axes]):
                y[(b, o, *p)] += x[(b, first + i, *at)] * kernel[(o, i, *k)]
    return y


def random_case(seed: int, axes: int) -> tuple[Array, Array, dict[str, Any]]:
    """Arrays and options that fit each other."""
    rng = np.random.default_rng([seed, axes])
    groups = int(rng.integers(1, 3))
    window = rng.integers(1, 4, size=axes)
    stride, dilation = rng.integers(1, 4, size=(2, axes))
    pads = rng.integers(0, 3, size=(axes, 2))
    space = dilation * (window - 1) + 1 + rng.integers(0, 4, size=axes)
    inside, out = int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    x = rng.normal(size=(2, inside * groups, *space))
    kernel = rng.normal(size=(out, inside, *window))
    options = {
        "stride": tuple(stride.tolist()),
        "dilation": tuple(dilation.tolist()),
        "padding": [tuple(p) for p in pads.tolist()],
        "groups": groups,
    }
    return x, kernel, options


CASES = [random_case(seed, axes) for seed, axes in product(range(6), (1, 2, 3))]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_the_definition(case: tuple[Array, Array, dict[str, Any]]) -> None:
    x, kernel, options = case
    pads, stride, dilation = (options[key] for key in ("padding", "stride", "dilation"))
    expected = by_definition(x, kernel, pads, stride, dilation, options["groups"])
    for sizes in (x.shape, (None,) * x.ndim):
        v, w = ga.tensor("x", sizes), ga.tensor("w", (None,) * x.ndim)
        y = ga.function([v, w], ga.nn.convolve_nd(v, w, **options))(x, kernel)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES[::2], ids=range(len(CASES[::2])))
def test_gradients(case: tuple[Array, Array, dict[str, Any]]) -> None:
    x, kernel, options = case
    for sizes in ("static", "unknown"):
        check_grads(lambda a, b: ga.nn.convolve_nd(a, b, **options), [x, kernel], sizes=sizes)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_transposed_is_the_adjoint(case: tuple[Array, Array, dict[str, Any]]) -> None:
    """⟨convolution of x, z⟩ = ⟨x, transposed convolution of z⟩."""
    x, kernel, options = case
    y = ga.nn.convolve_nd(ga.constant(x), kernel, **options).eval()
    z = np.random.default_rng(1).normal(size=y.shape)
    size = x.shape[2:]
    back = ga.nn.convolve_nd(ga.constant(z), kernel, transposed=True, output_size=size, **options)
    assert back.type.shape == x.shape
    assert np.sum(y * z) == pytest.approx(np.sum(x * back.eval()), rel=1e-10)
    smallest = ga.nn.convolve_nd(ga.constant(z), kernel, transposed=True, **options)
    assert np.less_equal(smallest.type.shape, x.shape).all()


@pytest.mark.parametrize("case", CASES[::3], ids=range(len(CASES[::3])))
def test_gradients_of_transposed(case: tuple[Array, Array, dict[str, Any]]) -> None:
    x, kernel, options = case
    z = ga.nn.convolve_nd(ga.constant(x), kernel, **options).eval()
    keywords = {**options, "transposed": True, "output_size": x.shape[2:]}
    check_grads(lambda a, b: ga.nn.convolve_nd(a, b, **keywords), [z, kernel])


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("shape", [(7,), (6,), (5, 6)])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_scipy(mode: str, shape: tuple[int, ...], width: int) -> None:
    rng = np.random.default_rng(width)
    x, k = rng.normal(size=shape), rng.normal(size=(width,) * len(shape))
    v, w = ga.constant(x[None, None]), ga.constant(k[None, None])
    true = ga.nn.convolve_nd(v, w, mode=mode, flip=True).eval()[0, 0]
    np.testing.assert_allclose(true, signal.convolve(x, k, mode), atol=1e-12)
    if mode != "same" or width % 2:  # of even windows SciPy centres the other place
        cross = ga.nn.convolve_nd(v, w, mode=mode).eval()[0, 0]
        np.testing.assert_allclose(cross, signal.correlate(x, k, mode), atol=1e-12)


def test_same_with_a_stride_takes_every_other_place() -> None:
    x, k = np.random.default_rng(0).normal(size=(2, 1, 1, 7))
    all_places = ga.nn.convolve1d(ga.constant(x), k[..., :4], mode="same").eval()
    some = ga.nn.convolve1d(ga.constant(x), k[..., :4], mode="same", stride=3).eval()
    np.testing.assert_array_equal(some, all_places[..., ::3])
    assert all_places.shape == x.shape


def test_depthwise() -> None:
    x, k = np.random.default_rng(0).normal(size=(2, 1, 3, 5))
    y = ga.nn.convolve1d(ga.constant(x), k[0, :, None, :2], groups=3).eval()
    for c in range(3):
        np.testing.assert_allclose(y[0, c], np.correlate(x[0, c], k[0, c, :2], "valid"))


def test_integers_and_mixed_dtypes() -> None:
    x, k = ga.constant([[[1, 2, 3]]]), ga.constant([[[1, 1]]])
    assert ga.nn.convolve1d(x, k).eval().tolist() == [[[3, 5]]]
    single = ga.constant(np.ones((1, 1, 3), "float32"))
    assert ga.nn.convolve1d(single, ga.constant(np.ones((1, 1, 2), "float32"))).dtype == "float32"
    assert ga.nn.convolve1d(single, ga.constant(np.ones((1, 1, 2)))).dtype == "float64"


def test_named_sizes_stay() -> None:
    x = ga.tensor("x", ("batch", 3, "h", "w"))
    k = ga.tensor("k", (8, 3, 3, 3))
    assert str(ga.nn.convolve2d(x, k, mode="same").type) == "float64[batch, 8, h, w]"
    assert str(ga.nn.convolve2d(x, k).type) == "float64[batch, 8, h - 2, w - 2]"
    y = ga.nn.convolve2d(ga.tensor("y", ("batch", 8, "h", "w")), k, transposed=True)
    assert str(y.type) == "float64[batch, 3, h + 2, w + 2]"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "reflect"}, UseError, "reflect"),
        ({"mode": "same", "padding": 1}, UseError, "one of the two"),
        ({"padding": -1}, UseError, "0 or more"),
        ({"padding": [1, 2]}, UseError, "each of the 1 axes"),
        ({"stride": 0}, UseError, "stride=0"),
        ({"stride": (1, 2)}, UseError, "stride"),
        ({"dilation": 1.5}, UseError, "dilation"),
        ({"dilation": 4}, ShapeError, "window over 9 elements"),
        ({"groups": 4}, ShapeError, "groups"),
        ({"groups": 3}, ShapeError, "channels"),
        ({"output_size": 4}, UseError, "transposed"),
    ],
)
def test_errors(options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ga.nn.convolve1d(ga.tensor("x", (1, 3, 7)), ga.tensor("k", (3, 3, 3)), **options)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x, k: ga.nn.convolve1d(x[:, :2], k), "2 channels"),
        (lambda x, k: ga.nn.convolve2d(x, k), "of space 2"),
        (lambda x, k: ga.nn.convolve1d(x, k[0]), "same number of axes"),
        (lambda x, k: ga.nn.convolve_nd(x[0], k[0]), "batch, channels"),
        (lambda x, k: ga.nn.convolve1d(x, k[..., :0]), "no element"),
        (lambda x, k: ga.nn.convolve1d(x, k, transposed=True, output_size=8), "7 places"),
    ],
)
def test_arrays_that_do_not_fit(build: Callable[[Any, Any], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        build(ga.tensor("x", (1, 3, 7)), ga.tensor("k", (3, 3, 3)))


def test_a_window_too_large_at_run_time() -> None:
    x, k = ga.tensor("x", (None,) * 3), ga.tensor("k", (1, 1, 5))
    with pytest.raises(ShapeError, match="window over 5 elements along an axis with 4"):
        ga.nn.convolve1d(x, k).eval({x: np.ones((1, 1, 4)), k: np.ones((1, 1, 5))})


def test_masked_results_keep_bad_data_out_of_gradients() -> None:
    """NaN in x under a mask of the result reaches neither kernel nor x."""
    x, k = ga.tensor("x", (1, 1, 5)), ga.tensor("k", (1, 1, 2))
    y = ga.nn.convolve1d(x, k)
    loss = ga.where(ga.isfinite(y), y, 0.0).sum()
    gradients = ga.function([x, k], ga.grad(loss, [x, k]))
    data = np.array([[[1.0, 2.0, 4.0, np.nan, np.inf]]])
    to_x, to_k = gradients(data, np.array([[[3.0, 5.0]]]))
    assert to_k.tolist() == [[[3.0, 6.0]]]
    assert to_x.tolist() == [[[3.0, 8.0, 5.0, 0.0, 0.0]]]
