"""Polynomials, convolutions, windows: sizes known only at run time, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.testing import check_grads

P, Q = np.array([2.0, -1.0, 3.0, 0.5]), np.array([4.0, 1.5])


def at_run_time(f: Any, *arrays: np.ndarray) -> Any:
    """f of inputs of unknown sizes."""
    inputs = [ga.tensor(f"x{i}", (None,) * a.ndim, a.dtype) for i, a in enumerate(arrays)]
    return ga.function(inputs, f(*inputs))(*arrays)


# ---- polynomials ----------------------------------------------------------------------------


@pytest.mark.parametrize("f", [ga.polyadd, ga.polysub, ga.polymul, ga.polydiv])
@pytest.mark.parametrize(("n", "m"), [(4, 2), (2, 4), (3, 3), (4, 1), (1, 4), (1, 1)])
def test_two_polynomials_of_unknown_size(f: Any, n: int, m: int) -> None:
    a, b = np.arange(1.0, n + 1), np.arange(2.0, m + 2)
    expected = getattr(np, f.__name__)(a, b)
    found = at_run_time(f, a, b)
    if f is not ga.polydiv:
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        return
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
    np.testing.assert_allclose(np.polyval(found[1], 1.7), np.polyval(expected[1], 1.7), atol=1e-13)
    assert len(found[1]) == (n if n < m else max(m - 1, 1))


def test_shapes_of_named_sizes() -> None:
    p, q = ga.vector("p", shape=("n",)), ga.vector("q", shape=("m",))
    assert str(ga.polymul(p, q).type) == "float64[m + n - 1]"
    assert ga.polyadd(p, p).type == p.type
    assert str(ga.polyder(p).type) == "float64[max(n - 1, 0)]"
    assert str(ga.polyint(p).type) == "float64[n + 1]"
    assert str(ga.poly(p).type) == "float64[n + 1]"
    assert str(ga.roots(p).type) == "complex128[n - 1]"
    assert str(ga.vander(p, 3).type) == "float64[n, 3]"


def test_long_polynomials_are_sums_of_powers() -> None:
    p = np.cos(np.arange(100.0))
    x = ga.vector("x", shape=(3,))
    at = np.array([-0.9, 0.0, 0.7])
    y = ga.polyval(p, x)
    np.testing.assert_allclose(y.eval({x: at}), np.polyval(p, at), rtol=1e-12)
    slope = ga.grad(y.sum(), x).eval({x: at})
    np.testing.assert_allclose(slope, np.polyval(np.polyder(p), at), rtol=1e-11)
    assert len(ga.Graph([x], [y]).nodes) < 10


def test_polyval_of_other_dtypes() -> None:
    for p, x in [([], [1, 2]), ([1, 2], [1, 2]), ([True, True], [True, False])]:
        expected = np.polyval(p, np.array(x))
        found = ga.polyval(p, ga.constant(np.array(x))).eval()
        assert found.dtype == expected.dtype and found.tolist() == expected.tolist()
    with pytest.raises(ShapeError, match="p is a scalar"):
        ga.polyval(2.0, ga.vector("x"))


def test_division_undoes_multiplication() -> None:
    p, q = ga.vector("p", shape=(4,)), ga.vector("q", shape=(2,))
    quotient, rest = ga.polydiv(ga.polymul(p, q), q)
    f = ga.function([p, q], [quotient, rest, *ga.grad((quotient**2).sum(), [p, q])])
    found, left, by_p, by_q = f(P, Q)
    np.testing.assert_allclose(found, P, rtol=1e-14)
    np.testing.assert_allclose(left, 0, atol=1e-14)
    np.testing.assert_allclose(by_p, 2 * P, rtol=1e-13)
    np.testing.assert_allclose(by_q, 0, atol=1e-13)


def test_a_leading_coefficient_of_zero() -> None:
    p = ga.vector("p", shape=(3,))
    with pytest.raises(np.linalg.LinAlgError):
        ga.function([p], ga.polydiv([1.0, 2.0, 3.0, 4.0], p))([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="leading coefficient"):
        ga.function([p], ga.roots(p))([0.0, 1.0, 2.0])
    assert ga.polymul(p, [0.0, 1.0]).type.shape == (4,)  # zeros in front stay


def test_roots_and_back() -> None:
    z = ga.vector("z", shape=(4,))
    at = np.array([-1.5, 0.3, 1.0, 2.5])
    back = ga.roots(ga.poly(z)).real
    f = ga.function([z], [back, ga.grad((back**2).sum(), z)])
    value, slope = f(at)
    np.testing.assert_allclose(np.sort(value), at, rtol=1e-12)
    np.testing.assert_allclose(slope, 2 * at, rtol=1e-11)


def test_many_roots() -> None:
    """1, …, 20: coefficients up to 10¹⁸, derivatives without dividing by anything."""
    z = ga.vector("z")
    at = np.arange(1.0, 21)
    g = ga.grad(ga.poly(z)[-1], z)  # the product of all roots
    expected = np.array([np.prod(np.delete(at, i)) for i in range(20)])
    np.testing.assert_allclose(ga.function([z], g)(at), expected, rtol=1e-14)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_poly_of_few_roots_of_unknown_number(count: int) -> None:
    z = ga.vector("z")
    at = np.arange(2.0, 2.0 + count)
    value, slope = ga.function([z], [ga.poly(z), ga.grad(ga.poly(z).sum(), z)])(at)
    np.testing.assert_allclose(value, np.atleast_1d(np.poly(at)))
    assert slope.shape == (count,)


def test_polyint_with_constants_of_unknown_number() -> None:
    p, k = ga.vector("p"), ga.vector("k")
    f = ga.function([p, k], ga.polyint(p, 2, k=k))
    for constants in ([3.0], [3.0, 4.0], [3.0, 4.0, 5.0]):
        np.testing.assert_allclose(f(P, constants), np.polyint(P, 2, k=constants))
    with pytest.raises(IndexError):
        f(P, [])
    with pytest.raises(UseError, match="2 constants k for m=3"):
        ga.polyint(p, 3, k=[1.0, 2.0])


def test_polyfit_finds_what_was_there() -> None:
    x, y = ga.vector("x"), ga.vector("y")
    at = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    f = ga.function([x, y], ga.polyfit(x, y, 3))
    np.testing.assert_allclose(f(at, np.polyval(P, at)), P, rtol=1e-10)
    weighted = lambda x, y, w: ga.polyfit(x, y, 1, w=w)  # noqa: E731
    check_grads(weighted, [at, np.sin(3 * at), 1 + 0.2 * at])


def test_what_polyfit_refuses() -> None:
    x, y = ga.vector("x", shape=(4,)), ga.vector("y", shape=(5,))
    with pytest.raises(ShapeError, match="4 points x, 5 values y"):
        ga.polyfit(x, y, 1)
    with pytest.raises(UseError, match="deg=-1"):
        ga.polyfit(x, x, -1)
    with pytest.raises(UseError, match="full=True"):
        ga.polyfit(x, x, 1, full=True)
    with pytest.raises(ShapeError, match="4 points for 5 coefficients"):
        ga.polyfit(x, x, 4, cov=True)
    with pytest.raises(DTypeError, match="float16"):
        ga.polyfit(x, x.astype("float16"), 1)


# ---- convolutions ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(5, 2), (5, 3), (2, 5), (3, 5), (4, 4), (1, 3), (6, 1)])
def test_modes_of_unknown_size(mode: str, n: int, m: int) -> None:
    a, v = np.arange(1.0, n + 1), np.cos(np.arange(m)) + 2
    for ours, theirs in ((ga.convolve, np.convolve), (ga.correlate, np.correlate)):
        expected = theirs(a, v, mode)
        for found in (at_run_time(lambda x, w, f=ours: f(x, w, mode), a, v),
                      ours(ga.constant(a), ga.constant(v), mode).eval()):  # fmt: skip
            np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_correlation_conjugates() -> None:
    a, v = np.array([1 + 2j, 3 - 1j, 2j]), np.array([1j, 2 + 1j])
    for mode in ("full", "same", "valid"):
        found = ga.correlate(ga.constant(a), v, mode).eval()
        np.testing.assert_allclose(found, np.correlate(a, v, mode), rtol=1e-15)


def test_a_gradient_of_a_convolution_is_a_convolution() -> None:
    a, v = ga.vector("a", shape=("n",)), ga.vector("v", shape=("m",))
    names = {node.op.name for node in ga.Graph(
        [a, v], ga.grad((ga.convolve(a, v) ** 2).sum(), [a, v])).nodes}  # fmt: skip
    assert {"convolve_full", "slide_product"} <= names


def test_what_convolve_refuses() -> None:
    x = ga.vector("x")
    with pytest.raises(UseError, match="mode='circular'"):
        ga.convolve(x, x, "circular")
    with pytest.raises(ShapeError, match=r"v is float64\[\?, \?\]"):
        ga.convolve(x, ga.matrix("m"))
    with pytest.raises(ShapeError, match="a has no elements"):
        ga.correlate([], x)
    with pytest.raises(ShapeError, match=r"v is float64\[\]"):
        ga.correlate(x, 1.0)


# ---- windows --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hanning", "kaiser"])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 8])
def test_windows_of_unknown_size(name: str, count: int) -> None:
    x, m = ga.vector("x"), ga.scalar("m", dtype="int64")
    rest = (3.5,) if name == "kaiser" else ()
    window, expected = getattr(ga, name), getattr(np, name)(count, *rest)
    graphs = [window(x.shape[0], *rest), window(m, *rest), window(count, *rest)]
    assert graphs[0].type.shape == x.type.shape
    for found in ga.function([x, m], graphs)(np.zeros(count), count):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)
    with pytest.raises(UseError, match="is no size"):
        window(x, *rest)


def test_kaiser_refuses() -> None:
    with pytest.raises(ShapeError, match="pass a scalar"):
        ga.kaiser(5, ga.vector("beta"))
    with pytest.raises(DTypeError, match="beta is complex128"):
        ga.kaiser(5, ga.scalar("beta", dtype="complex128"))
