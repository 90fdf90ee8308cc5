"""Fourier transforms: identities, norms, odd and even sizes, sizes known at run time, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

import graphad as ga
from graphad.errors import AxisError, DTypeError, ShapeError, UseError
from graphad.testing import check_grads

NORMS = ["backward", "ortho", "forward", None]
RNG = np.random.default_rng(0)
SIGNALS = {n: RNG.normal(size=n) + 1j * RNG.normal(size=n) for n in (1, 2, 3, 4, 5, 8, 9)}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", SIGNALS)
def test_round_trips(n: int, norm: Any) -> None:
    x = ga.constant(SIGNALS[n])
    real = ga.constant(SIGNALS[n].real)
    half = ga.constant(SIGNALS[n].real[: n // 2 + 1])
    pairs = [
        (ga.fft.ifft(ga.fft.fft(x, norm=norm), norm=norm), x),
        (ga.fft.fftn(ga.fft.ifftn(x, norm=norm), norm=norm), x),
        (ga.fft.irfft(ga.fft.rfft(real, norm=norm), n, norm=norm), real),
        (ga.fft.ihfft(ga.fft.hfft(half, n, norm=norm), norm=norm), half),
        (ga.fft.ifftshift(ga.fft.fftshift(x)), x),
    ]
    for there_and_back, start in pairs:
        np.testing.assert_allclose(there_and_back.eval(), start.eval(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("n", SIGNALS)
def test_parseval_and_its_gradient(n: int) -> None:
    """Σ |x|² = Σ |ortho fft x|²; its gradient ∂/∂a - i ∂/∂b is 2 conj x."""
    x = ga.vector("x", dtype="complex128")
    power = ga.sum(ga.abs(ga.fft.fft(x, norm="ortho")) ** 2)
    value, gradient = ga.function([x], [power, ga.grad(power, x)])(SIGNALS[n])
    assert value == pytest.approx(np.sum(np.abs(SIGNALS[n]) ** 2), rel=1e-13)
    np.testing.assert_allclose(gradient, 2 * np.conj(SIGNALS[n]), rtol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_points_and_norms(name: str, n: int, norm: Any) -> None:
    """Of five numbers: padded and cropped, odd and even; the derivative is the transpose."""
    ours, theirs = getattr(ga.fft, name), getattr(np.fft, name)
    signal = SIGNALS[5].real if name in ("rfft", "ihfft") else SIGNALS[5]
    for size in (5, None):
        x = ga.tensor("x", (size,), signal.dtype)
        y = ga.function([x], ours(x, n, norm=norm))(signal)
        np.testing.assert_array_equal(y, theirs(signal, n, norm=norm))
        sizes = "static" if size else "unknown"
        check_grads(lambda v: ours(v, n, norm=norm), [signal], sizes=sizes)


def matrix_of(f: Callable[[Any], Any], signal: np.ndarray) -> np.ndarray:
    """The matrix of a linear function, column by column."""
    return np.stack([f(e) for e in np.eye(len(signal), dtype=signal.dtype)], axis=-1)


@pytest.mark.parametrize("n", [4, 5])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft"])
def test_the_vjp_is_the_transpose_without_conjugation(name: str, n: int) -> None:
    transform = getattr(np.fft, name)
    x = ga.tensor("x", (n,))
    y = getattr(ga.fft, name)(x)
    g = ga.tensor("g", y.type.shape, "complex128")
    given = RNG.normal(size=y.type.shape) + 1j * RNG.normal(size=y.type.shape)
    (found,) = ga.function([x, g], ga.vjp([y], [x], [g]), unused="ignore")(np.zeros(n), given)
    expected = (matrix_of(transform, np.zeros(n)).T @ given).real
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def test_the_number_of_points_may_be_a_variable() -> None:
    x, n = ga.vector("x"), ga.scalar("n", dtype="int64")
    transforms = [ga.fft.fft, ga.fft.rfft, ga.fft.irfft, ga.fft.ihfft]
    names = ["fft", "rfft", "irfft", "ihfft"]
    ys = [transform(x, n) for transform in transforms]
    loss = sum([ga.sum(ga.abs(y) ** 2) for y in ys[:2]])
    f = ga.function([x, n], [*ys, ga.grad(loss, x)])
    for size in (2, 3, 7):
        *values, gradient = f([1.0, 2.0, 3.0, 4.0], size)
        for name, value in zip(names, values, strict=True):
            np.testing.assert_allclose(value, getattr(np.fft, name)([1.0, 2, 3, 4], size))
        assert gradient.shape == (4,) and np.all(gradient[size:] == 0)


def test_a_size_taken_from_another_array() -> None:
    x, y = ga.vector("x", shape=("n",)), ga.vector("y", shape=("m",))
    spectrum = ga.fft.rfft(x, n=y.shape[0] * 2)
    assert str(spectrum.type) == "complex128[m + 1]"
    back = ga.fft.irfft(spectrum, n=y.shape[0] * 2)
    assert str(back.type) == "float64[2*m]"
    value = ga.function([x, y], back, unused="ignore")([1.0, 2.0, 3.0], [0.0, 0.0])
    np.testing.assert_allclose(value, [1, 2, 3, 0], atol=1e-15)


def test_frequencies_of_an_axis() -> None:
    """Differentiation in the frequency domain: of the size that the data have."""
    x = ga.vector("x")
    n = x.shape[0]
    slope = ga.fft.irfft(2j * np.pi * n * ga.fft.rfftfreq(n) * ga.fft.rfft(x), n)
    for size in (8, 9):
        t = 2 * np.pi * np.arange(size) / size
        value = slope.eval({x: np.sin(t)})
        np.testing.assert_allclose(value, 2 * np.pi * np.cos(t), atol=1e-13)


def test_circular_convolution() -> None:
    """irfft(rfft x · rfft k), and its gradients, against the direct sum."""
    x, k = np.random.default_rng(1).normal(size=(2, 6))
    rolled = np.stack([np.roll(k, j) for j in range(6)], axis=1)

    def convolved(a: Any, b: Any) -> Any:
        return np.fft.irfft(np.fft.rfft(a) * np.fft.rfft(b), 6)

    np.testing.assert_allclose(convolved(x, k), rolled @ x, rtol=1e-13)
    check_grads(convolved, [x, k])
    a, b = ga.tensor("a", (6,)), ga.tensor("b", (6,))
    gradient = ga.grad(ga.sum(convolved(a, b) * x), a).eval({a: x, b: k})
    np.testing.assert_allclose(gradient, rolled.T @ x, rtol=1e-12)


def test_several_axes_in_numpys_order() -> None:
    x = RNG.normal(size=(4, 6, 5))
    for name in ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "rfft2"):
        for axes in ((0, 1), (2, 0), (-1,)):
            v = ga.tensor("x", (None,) * 3)
            y = getattr(np.fft, name)(v, axes=axes)
            np.testing.assert_array_equal(y.eval({v: x}), getattr(np.fft, name)(x, axes=axes))


def test_unused_imaginary_parts_have_no_derivative() -> None:
    x = ga.tensor("x", (3,), "complex128")
    u = ga.sum(ga.fft.irfft(x) ** 2)
    gradient = ga.grad(u, x).eval({x: np.array([1 + 1j, 2 + 1j, 3 + 1j])})
    assert gradient[0].imag == 0 and gradient[2].imag == 0 and gradient[1].imag != 0


@pytest.mark.parametrize("orthogonalize", [None, True, False])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["dct", "idct", "dst", "idst"])
def test_cosine_and_sine(name: str, kind: int, norm: Any, orthogonalize: Any) -> None:
    """Values as SciPy's, inverses, and the transpose for every type, norm and parity."""
    inverse = name[1:] if name.startswith("i") else f"i{name}"
    options: dict[str, Any] = {"type": kind, "norm": norm, "orthogonalize": orthogonalize}
    for n in (1, 2, 5, 6):
        if n == 1 and kind == 1 and "dct" in name:
            continue
        signal = np.random.default_rng(n).normal(size=n)
        theirs = lambda v: getattr(scipy.fft, name)(v, **options)  # noqa: E731
        for sizes in ((n,), (None,)):
            x, g = ga.tensor("x", sizes), ga.tensor("g", sizes)
            y = getattr(ga.fft, name)(x, **options)
            back = getattr(ga.fft, inverse)(y, **options)
            run = ga.function([x, g], [y, back, *ga.vjp([y], [x], [g])])
            value, again, transposed = run(signal, signal[::-1])
            np.testing.assert_allclose(value, theirs(signal), rtol=1e-13, atol=1e-13)
            np.testing.assert_allclose(again, signal, rtol=1e-12, atol=1e-13)
            expected = matrix_of(theirs, signal).T @ signal[::-1]
            np.testing.assert_allclose(transposed, expected, rtol=1e-12, atol=1e-13)


def test_cosine_transforms_of_complex_numbers_are_linear() -> None:
    x = SIGNALS[5]
    for options in ({"norm": "ortho", "orthogonalize": False}, {"orthogonalize": True}):
        parts = [ga.fft.dct(ga.constant(part), **options).eval() for part in (x.real, x.imag)]
        whole = ga.fft.dct(ga.constant(x), **options).eval()
        np.testing.assert_allclose(whole, parts[0] + 1j * parts[1], rtol=1e-13)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda x: ga.fft.fft(x, 0), ShapeError, "0 points"),
        (lambda x: ga.fft.irfft(x[:1]), ShapeError, "0 points"),
        (lambda x: ga.fft.fft(x, norm="unit"), UseError, "backward"),
        (lambda x: ga.fft.fft(x, axis=1), AxisError, "axis 1"),
        (lambda x: ga.fft.fft(x, 2.5), UseError, "2.5"),
        (lambda x: ga.fft.rfft(x + 1j), DTypeError, "x.real"),
        (lambda x: np.fft.fft(x, out=np.zeros(4, complex)), UseError, "out="),
        (lambda x: ga.fft.fftn(x, s=(1, 2), axes=(0,)), ShapeError, "2 sizes"),
        (lambda x: ga.fft.rfftn(x, axes=()), ShapeError, "at least one axis"),
        (lambda x: ga.fft.fftn(x, s=4), UseError, "tuple"),
        (lambda x: ga.fft.fftshift(x, axes=2), AxisError, "axis 2"),
        (lambda x: ga.fft.fftfreq(0), ShapeError, "0 points"),
        (lambda x: ga.fft.fftfreq(4, device="gpu"), UseError, "gpu"),
        (lambda x: ga.fft.dct(x, type=5), UseError, "type=5"),
        (lambda x: ga.fft.dct(x[:1], type=1), ShapeError, "2 points or more"),
        (lambda x: ga.fft.dst(x, n=0), ShapeError, "size 0"),
        (lambda x: ga.fft.dct(x, workers=2), UseError, "workers=2"),
    ],
)
def test_errors(build: Callable[[Any], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        build(ga.vector("x", shape=(4,)))


def test_no_points_at_run_time() -> None:
    x = ga.vector("x")
    with pytest.raises(ValueError, match="data points"):
        ga.fft.fft(x).eval({x: np.zeros(0)})
