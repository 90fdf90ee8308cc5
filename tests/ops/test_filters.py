"""ga.signal: against SciPy, against Autograd's rules for axes, both methods, at run-time sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import signal

import graphad as ga
from graphad.errors import ShapeError, UseError
from graphad.testing import check_grads

RNG = np.random.default_rng(0)
SHAPES = [
    ((7,), (3,)),
    ((3,), (7,)),
    ((4,), (4,)),
    ((5, 6), (2, 3)),
    ((2, 3), (4, 5)),
    ((1,), (1,)),
]


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve"])
def test_scipy(name: str, shapes: tuple[tuple, tuple], mode: str) -> None:
    x, k = RNG.normal(size=shapes[0]), RNG.normal(size=shapes[1]) + 1j * RNG.normal(size=shapes[1])
    ours, theirs = getattr(ga.signal, name), getattr(signal, name)
    for kernel in (k.real, k):
        expected = theirs(x, kernel, mode)
        value = ours(ga.constant(x), kernel, mode).eval()
        assert value.dtype == expected.dtype
        np.testing.assert_allclose(value, expected, atol=1e-12)
        if name != "fftconvolve":
            by_fft = ours(ga.constant(x), kernel, mode, method="fft").eval()
            np.testing.assert_allclose(by_fft, expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["full", "same"])
def test_sizes_at_run_time(mode: str) -> None:
    a, b = ga.vector("a"), ga.vector("b")
    ys = [ga.signal.convolve(a, b, mode), ga.signal.convolve(a, b, mode, "fft"),
          ga.signal.correlate(a, b, mode)]  # fmt: skip
    f = ga.function([a, b], [*ys, ga.grad(ga.sum(ys[1] ** 2), b)])
    for n, m in ((5, 3), (3, 5), (1, 4)):
        x, k = RNG.normal(size=n), RNG.normal(size=m)
        direct, by_fft, correlated, gradient = f(x, k)
        np.testing.assert_allclose(direct, signal.convolve(x, k, mode), atol=1e-12)
        np.testing.assert_allclose(by_fft, direct, atol=1e-12)
        np.testing.assert_allclose(correlated, signal.correlate(x, k, mode), atol=1e-12)
        assert gradient.shape == (m,)


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("mode", ["full", "valid"])
def test_axes_as_in_autograd(mode: str, method: str) -> None:
    """Other axes of the first, other axes of the second, convolved axes; products summed."""
    x, k = RNG.normal(size=(2, 3, 5, 6)), RNG.normal(size=(2, 4, 3, 3))
    y = ga.signal.convolve(
        ga.constant(x), k, mode, method, axes=([2, 3], [0, 2]), dot_axes=([1], [3])
    )
    expected = np.zeros((2, 4, *y.type.shape[2:]))
    for b, o, c in np.ndindex(2, 4, 3):
        expected[b, o] += signal.convolve(x[b, c], k[:, o, :, c], mode)
    np.testing.assert_allclose(y.eval(), expected, atol=1e-12)
    options = {"axes": ([2, 3], [0, 2]), "dot_axes": ([1], [3])}
    check_grads(lambda a, b: ga.signal.convolve(a, b, mode, method, **options), [x, k])


def test_dot_axes_without_axes_are_not_convolved() -> None:
    x, k = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 3))
    y = ga.signal.convolve(ga.constant(x), k, dot_axes=([0], [0])).eval()
    np.testing.assert_allclose(y, sum(np.convolve(a, b) for a, b in zip(x, k, strict=True)))


def test_other_axes_broadcast() -> None:
    x, k = RNG.normal(size=(3, 8)), RNG.normal(size=(1, 4))
    for mode in ("full", "same", "valid"):
        y = ga.signal.fftconvolve(ga.constant(x), k, mode, axes=1).eval()
        np.testing.assert_allclose(y, signal.fftconvolve(x, k, mode, axes=1), atol=1e-12)


def test_long_kernels_are_transformed() -> None:
    def ops(method: str, n: int, m: int, dtype: str = "float64") -> set[str]:
        y = ga.signal.convolve(ga.tensor("a", n, dtype), ga.tensor("b", m, dtype), "same", method)
        return {node.op.name for node in ga.Graph(ga.graph.inputs([y]), [y]).nodes}

    assert "rfft" in ops("auto", 5000, 600) and "rfft" not in ops("direct", 5000, 600)
    assert "rfft" not in ops("auto", 5000, 20) and "rfft" in ops("fft", 5000, 20)
    assert "rfft" not in ops("auto", 5000, 600, "int64")  # exact


def test_integers_by_transforms_are_rounded() -> None:
    x, k = RNG.integers(-9, 9, size=(2, 20))
    y = ga.signal.convolve(ga.constant(x), k, method="fft")
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y.eval(), np.convolve(x, k))


def test_gradients_of_scalars_and_modes() -> None:
    x, k = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 2))
    for mode in ("full", "same", "valid"):
        for f in (ga.signal.convolve, ga.signal.correlate, ga.signal.fftconvolve):
            check_grads(lambda a, b, f=f, mode=mode: f(a, b, mode), [x, k])
    assert float(ga.signal.convolve(ga.constant(2.0), 3.0).eval()) == 6


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda x: ga.signal.convolve(x, x, "half"), UseError, "half"),
        (lambda x: ga.signal.convolve(x, x, method="slow"), UseError, "slow"),
        (lambda x: ga.signal.convolve(x, x[0]), ShapeError, "2 and 1 axes"),
        (lambda x: ga.signal.convolve(x, x[:0]), ShapeError, "no elements"),
        (lambda x: ga.signal.convolve(x, x, axes=([0], [0, 1])), UseError, "as many axes"),
        (lambda x: ga.signal.convolve(x, x, axes=([0], [0]), dot_axes=([0], [0])), UseError,
         "each axis once"),
        (lambda x: ga.signal.convolve(x, x, axes=([], [])), UseError, "one axis or more"),
        (lambda x: ga.signal.convolve(x, x[:, :3].T, "valid"), ShapeError, "the larger one"),
        (lambda x: ga.signal.fftconvolve(x, x[0]), ShapeError, "2 and 1 axes"),
        (lambda x: ga.signal.fftconvolve(x, x, "half"), UseError, "half"),
    ],
)  # fmt: skip
def test_errors(build: Callable[[Any], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        build(ga.tensor("x", (2, 4)))


def test_no_elements_at_run_time() -> None:
    x = ga.vector("x")
    with pytest.raises(ShapeError, match="axis with 0"):
        ga.signal.convolve(x, np.ones(3)).eval({x: np.zeros(0)})
