"""Special functions at hard points: poles, 0, ±∞, extremes; derivatives that are refused."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import graphad as ga
from graphad.errors import GradientError
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def derivative(f: Any, at: Any, run: Runner, order: int = 1) -> Any:
    """The derivative of an elementwise f."""
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    y = f(x)
    for _ in range(order):
        y = ga.grad(y.sum(), x)
    return np.asarray(run([x], [y])(array)[0])


# ---- derivatives that are not provided ---------------------------------------------------------
REFUSED = {
    "polygamma": (lambda v, x: ga.special.polygamma(v, x), "the order n"),
    "zeta": (lambda v, x: ga.special.zeta(v, x), "the exponent x"),
    **{name: (getattr(ga.special, name), "the order v") for name in "jv yv iv kv jve kve".split()},
    **{name: (getattr(ga.special, name), "the order n") for name in "yn kn expn".split()},
    "spherical_jn": (lambda v, x: ga.special.spherical_jn(v, x), "the order n"),
    "hyp0f1": (lambda v, x: ga.special.hyp0f1(v, x), "the parameter v"),
    "hyp1f1": (lambda v, x: ga.special.hyp1f1(2.0, v, x), "the parameter b"),
    "hyp2f1": (lambda v, x: ga.special.hyp2f1(1.0, 2.0, v, x), "the parameter c"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_derivative_that_is_not_provided_is_an_error(name: str) -> None:
    """In both modes, and only where it is asked for."""
    f, operand = REFUSED[name]
    v, x = ga.scalar("v"), ga.scalar("x")
    y = f(v, x)
    ga.grad(y, x)
    ga.jvp(y, x, x)
    for ask in (lambda: ga.grad(y, v), lambda: ga.grad(y, [x, v]), lambda: ga.jvp(y, v, v)):
        with pytest.raises(GradientError) as caught:
            ask()
        text = str(caught.value)
        assert operand in text and "stop_gradient" in text and "test_special_points.py" in text


def test_a_stopped_operand_is_not_asked_for() -> None:
    v, x = ga.scalar("v"), ga.scalar("x")
    y = ga.special.polygamma(ga.stop_gradient(v), x * v)
    assert np.isfinite(ga.grad(y, v).eval({v: 1.0, x: 2.0}))


# ---- gamma -----------------------------------------------------------------------------------
def test_reciprocal_gamma_at_the_poles(run: Runner) -> None:
    """1/Γ has derivative (-1)ⁿ n! at -n; and mpmath's second derivative."""
    slopes = derivative(ga.special.rgamma, [0.0, -1.0, -2.0, -3.0], run)
    np.testing.assert_allclose(slopes, [1, -1, 2, -6], rtol=1e-15)
    second = derivative(ga.special.rgamma, [0.0, -1.0], run, order=2)
    np.testing.assert_allclose(second, [2 * np.euler_gamma, 2 - 2 * np.euler_gamma], rtol=1e-14)


# ---- against mpmath --------------------------------------------------------------------------
def exact(f: Any, *at: float) -> float:
    """A formula in mpmath, to 40 digits, as a float."""
    with mpmath.workdps(40):
        return float(f(*[mpmath.mpf(x) for x in at]))


def lower_gamma(a: Any, x: Any) -> Any:
    return mpmath.gammainc(a, 0, x, regularized=True)


def upper_gamma(a: Any, x: Any) -> Any:
    return mpmath.gammainc(a, x, regularized=True)


def lower_beta(a: Any, b: Any, x: Any) -> Any:
    return mpmath.betainc(a, b, 0, x, regularized=True)


def upper_beta(a: Any, b: Any, x: Any) -> Any:
    return mpmath.betainc(a, b, x, 1, regularized=True)


GAMMA_POINTS = [
    (1e-3, 1e-5), (1e-3, 0.5), (1e-2, 3.0), (0.5, 1e-8), (0.5, 0.4), (1.0, 1.0), (1.0, 30.0),
    (3.0, 0.01), (3.0, 2.9), (3.0, 40.0), (50.0, 20.0), (50.0, 49.0), (50.0, 51.0), (50.0, 90.0),
    (1000.0, 900.0), (1000.0, 1000.0), (1000.0, 1100.0),
]  # fmt: skip


@pytest.mark.parametrize(("a", "x"), GAMMA_POINTS)
def test_incomplete_gamma_in_the_shape(a: float, x: float, run: Runner) -> None:
    """∂P/∂a, and ∂Q/∂a = -∂P/∂a, also where one of them is tiny: to 1e-10 relative."""
    wanted = exact(lambda a, x: mpmath.diff(lambda t: upper_gamma(t, x), a), a, x)
    found = derivative(lambda v: ga.special.gammaincc(v, x), [a], run)
    assert found[0] == pytest.approx(wanted, rel=1e-10)
    assert derivative(lambda v: ga.special.gammainc(v, x), [a], run)[0] == -found[0]


@pytest.mark.parametrize(("a", "x"), GAMMA_POINTS[3:12])
def test_incomplete_gamma_in_the_shape_again(a: float, x: float, run: Runner) -> None:
    wanted = exact(lambda a, x: mpmath.diff(lambda t: lower_gamma(t, x), a, 2), a, x)
    found = derivative(lambda v: ga.special.gammainc(v, x), [a], run, order=2)
    assert found[0] == pytest.approx(wanted, rel=1e-9, abs=1e-14)


def test_density_of_large_shape(run: Runner) -> None:
    """∂P/∂x at large a, where its factors overflow and its exponents cancel."""
    for a, x in ((1e4, 1e4), (1e6, 1.001e6), (9.0, 1e-3), (11.0, 1e-3), (10.5, 300.0)):
        wanted = exact(
            lambda a, x: mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a)), a, x
        )
        found = derivative(lambda v: ga.special.gammainc(a, v), [x], run)  # noqa: B023
        assert found[0] == pytest.approx(wanted, rel=1e-11)


BETA_POINTS = [
    (0.01, 0.5, 0.2), (0.5, 0.5, 1e-6), (0.5, 0.5, 0.999), (1.0, 1.0, 0.5), (2.0, 30.0, 0.05),
    (2.0, 30.0, 0.4), (30.0, 2.0, 0.95), (30.0, 0.1, 0.6), (80.0, 90.0, 0.45), (80.0, 90.0, 0.6),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "x"), BETA_POINTS)
def test_incomplete_beta_in_the_parameters(a: float, b: float, x: float, run: Runner) -> None:
    f = ga.special.betainc
    by_a = exact(lambda a, b, x: mpmath.diff(lambda t: lower_beta(t, b, x), a), a, b, x)
    by_b = exact(lambda a, b, x: mpmath.diff(lambda t: upper_beta(a, t, x), b), a, b, x)
    assert derivative(lambda v: f(v, b, x), [a], run)[0] == pytest.approx(by_a, rel=1e-10)
    assert derivative(lambda v: f(a, v, x), [b], run)[0] == pytest.approx(-by_b, rel=1e-10)
    mixed = exact(
        lambda a, b, x: mpmath.diff(lambda s, t: lower_beta(s, t, x), (a, b), (1, 1)), a, b, x
    )
    v, w = ga.vector("v"), ga.vector("w")
    (found,) = run([v, w], [ga.grad(ga.grad(f(v, w, x).sum(), v).sum(), w)])([a], [b])
    assert found[0] == pytest.approx(mixed, rel=1e-8, abs=1e-12)


def test_ends_of_incomplete_functions(run: Runner) -> None:
    """At the ends of the range the value does not depend on the parameters."""
    for x, slope in ((0.0, 0.0), (INF, 0.0), (NAN, NAN), (-1.0, NAN)):
        found = derivative(lambda a: ga.special.gammainc(a, x), [2.0, 30.0], run)  # noqa: B023
        np.testing.assert_array_equal(found, [slope, slope])
    for x in (0.0, 1.0):
        found = derivative(lambda a: ga.special.betainc(a, 3.0, x), [2.0], run)  # noqa: B023
        np.testing.assert_array_equal(found, [0.0])


def test_student_t_in_the_degrees_of_freedom(run: Runner) -> None:
    def cdf(df: Any, t: Any) -> Any:
        x = df / (df + t * t)
        upper = mpmath.betainc(df / 2, 0.5, 0, x, regularized=True) / 2
        return upper if t < 0 else 1 - upper

    for df, t in ((3.0, -40.0), (0.7, -1.0), (5.0, 1e-3), (200.0, 2.0), (4.0, 3.0)):
        wanted = exact(lambda df, t: mpmath.diff(lambda v: cdf(v, t), df), df, t)
        found = derivative(lambda v: ga.special.stdtr(v, t), [df], run)  # noqa: B023
        assert found[0] == pytest.approx(wanted, rel=1e-9)
    assert derivative(lambda v: ga.special.stdtr(v, 0.0), [3.0], run)[0] == pytest.approx(0)


def test_student_t_is_smooth_at_zero(run: Runner) -> None:
    """Terms with |t| cancel in the derivative by the degrees of freedom: not so in its
    derivatives by t. d²/dt² of it is d/ddf of the slope of the density."""
    df, t = ga.scalar("df"), ga.vector("t")
    value = ga.special.stdtr(df, t).sum()
    by_df = ga.grad(ga.grad(ga.grad(value, df), t).sum(), t)
    by_t = ga.jvp(ga.grad(ga.grad(value, t).sum(), t), [df], [ga.constant(1.0)])
    points = np.array([0.0, 1e-300, -1e-12, 1e-6, -1e-3, 0.5, -4.0, 1e3])
    found, expected = run([df, t], [by_df, by_t])(np.array(3.5), points)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)
    assert np.count_nonzero(expected) == 7


#   function, its derivative in mpmath, points: to 1e-12 relative
SLOPES: dict[str, tuple[Any, Any, list[float]]] = {
    "log_ndtr": (ga.special.log_ndtr, lambda x: mpmath.npdf(x) / mpmath.ncdf(x),
                 [-1e4, -38.0, -5.0, 0.0, 3.0, 20.0, 37.0]),
    "ndtr": (ga.special.ndtr, mpmath.npdf, [-37.0, -5.0, 0.0, 8.0]),
    "erfcx": (ga.special.erfcx, lambda x: 2 * x * mpmath.exp(x * x) * mpmath.erfc(x)
              - 2 / mpmath.sqrt(mpmath.pi), [-5.0, 0.0, 1.0, 4.0]),
    "ndtri": (ga.special.ndtri, lambda p: 1 / mpmath.npdf(mpmath.sqrt(2)
              * mpmath.erfinv(2 * p - 1)), [1e-6, 0.1, 0.5, 0.9]),
    "exprel": (ga.special.exprel, lambda x: mpmath.hyp1f1(2, 3, x) / 2,
               [-300.0, -1.0, -1e-9, 0.0, 1e-6, 5.0, 300.0]),
    "spence": (ga.special.spence, lambda x: mpmath.log(x) / (1 - x),
               [1e-9, 0.4, 0.5, 0.99, 1.01, 1.5, 30.0, 1e9]),
    "log1mexp": (ga.special.log1mexp, lambda x: -mpmath.exp(x) / (1 - mpmath.exp(x)),
                 [-700.0, -40.0, -0.7, -0.6, -1e-9]),
    "lambertw": (ga.special.lambertw, lambda x: 1 / (x + mpmath.exp(mpmath.lambertw(x))),
                 [-0.3, 1e-9, 1.0, 1e9]),
    "log_expit": (ga.special.log_expit, lambda x: 1 / (1 + mpmath.exp(x)),
                  [-700.0, 0.0, 40.0, 700.0]),
    "j1": (ga.special.j1, lambda x: mpmath.besselj(1, x, 1), [0.0, 1e-8, 3.0]),
    "k1e": (ga.special.k1e, lambda x: mpmath.diff(lambda t: mpmath.besselk(1, t) * mpmath.exp(t),
            x), [0.01, 1.0, 30.0]),
    "ellipk": (ga.special.ellipk, lambda m: mpmath.diff(mpmath.ellipk, m),
               [-100.0, 0.0, 1e-9, 0.5, 0.999]),
    "boxcox at λ": (lambda k: ga.special.boxcox(2.5, k), lambda k: mpmath.diff(
                    lambda s: (mpmath.mpf(2.5) ** s - 1) / s if s else mpmath.log(2.5), k)
                    if k else mpmath.log(mpmath.mpf(2.5)) ** 2 / 2, [-2.0, 0.0, 0.5, 1.0]),
    "inv_boxcox at λ": (lambda k: ga.special.inv_boxcox(0.5, k), lambda k: mpmath.diff(
                        lambda s: (1 + s / 2) ** (1 / s), k) if k
                        else -mpmath.exp(0.5) / 8, [-1.5, 0.0, 0.5, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_at_extremes(name: str, run: Runner) -> None:
    f, slope, points = SLOPES[name]
    wanted = [exact(slope, x) for x in points]
    np.testing.assert_allclose(derivative(f, points, run), wanted, rtol=1e-12, atol=1e-300)


def test_zeros_of_products_with_logarithms(run: Runner) -> None:
    """0·log(0) = 0, without NaN in the derivative by what is in the logarithm."""
    zero = [0.0, 0.0]
    for f in (ga.special.xlogy, lambda x, y: ga.special.xlog1py(x, y - 1)):
        assert derivative(lambda y: f(0.0, y), [0.0, 2.0], run).tolist() == zero  # noqa: B023
        second = derivative(lambda y: f(0.0, y), [0.0, 2.0], run, 2)  # noqa: B023
        assert second.tolist() == zero
    assert derivative(lambda y: ga.special.rel_entr(0.0, y), [0.0, 2.0], run).tolist() == zero
    assert derivative(ga.special.entr, [0.0, -1.0], run).tolist() == [INF, 0.0]
    assert derivative(lambda x: ga.special.rel_entr(x, 1.0), [-1.0], run).tolist() == [0.0]
    near = derivative(lambda x: ga.special.kl_div(x, 1.0), [1 + 2.0**-40], run)
    assert near[0] == pytest.approx(2.0**-40, rel=1e-11)


def test_branches_of_lambert_w(run: Runner) -> None:
    x = ga.vector("x")
    at = [-1.0, -0.5 / np.e, 1.0]
    main, lower = run([x], [ga.special.lambertw(x), ga.special.lambertw(x, k=-1)])(at)
    np.testing.assert_allclose(main[1:] * np.exp(main[1:]), at[1:], rtol=1e-14)
    assert lower[1] < -1 and np.isnan([main[0], lower[0], lower[2]]).all()
    with pytest.raises(ga.errors.UseError, match="branch k=1"):
        ga.special.lambertw(x, k=1)


def test_weighted_logsumexp(run: Runner) -> None:
    """Zero and negative weights; the gradient of an element of weight 0 is 0."""
    x, b = ga.vector("x"), np.array([1.0, 0.0, -0.5])
    y, s = ga.special.logsumexp(x, b=b, return_sign=True)
    at = np.array([1000.0, INF, 999.0])
    value, sign, slope = run([x], [y, s, ga.grad(y, x)])(at)
    rest = 1 - 0.5 / np.e
    assert value == pytest.approx(1000 + np.log(rest)) and sign == 1
    np.testing.assert_allclose(slope, [1 / rest, 0, 1 - 1 / rest], rtol=1e-12)
