"""Distributions: density against distribution function, tails, outside the support, parameters
out of range, SciPy's conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats as theirs

import graphad as ga
from graphad.errors import DTypeError, GradientError, ShapeError, UseError
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def value_and_slope(f: Any, at: Any, run: Runner) -> tuple[Any, Any]:
    """f and its derivative at points, sizes unknown."""
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    y = f(x)
    value, slope = run([x], [y, ga.grad(y.sum(), x)])(array)
    return np.asarray(value), np.asarray(slope)


#   name: shapes, loc and scale, an interval, points outside the support
CONTINUOUS: dict[str, tuple[tuple[float, ...], tuple[float, float], list[float]]] = {
    "norm": ((), (-1.0, 2.5), []),
    "uniform": ((), (0.55, 1.9), [-1.0, 0.49, 2.6, 50.0]),
    "expon": ((), (0.6, 9.0), [-1.0, 0.49, -INF]),
    "laplace": ((), (-2.0, 3.0), []),
    "logistic": ((), (-2.0, 3.0), []),
    "cauchy": ((), (-8.0, 3.0), []),
    "gumbel_r": ((), (-2.0, 5.0), []),
    "halfnorm": ((), (0.6, 4.0), [-1.0, 0.49]),
    "halfcauchy": ((), (0.6, 9.0), [-1.0, 0.49]),
    "lognorm": ((0.8,), (0.7, 9.0), [-1.0, 0.49, 0.5]),
    "gamma": ((2.3,), (0.6, 9.0), [-1.0, 0.49]),
    "chi2": ((3.0,), (0.6, 9.0), [-1.0, 0.49]),
    "invgamma": ((2.5,), (0.7, 9.0), [-1.0, 0.49, 0.5]),
    "weibull_min": ((1.7,), (0.6, 4.0), [-1.0, 0.49]),
    "pareto": ((2.2,), (2.6, 9.0), [-1.0, 0.5, 2.4]),
    "beta": ((1.4, 2.6), (0.6, 2.3), [-1.0, 0.49, 2.6]),
    "t": ((3.5,), (-4.0, 3.0), []),
    "f": ((3.0, 5.0), (0.6, 9.0), [-1.0, 0.49]),
    "truncnorm": ((-0.5, 1.5), (-0.4, 3.4), [-1.0, -0.6, 3.6]),
}  # fmt: skip
LOC, SCALE = 0.5, 2.0


def logpdf(name: str) -> Any:
    shapes = CONTINUOUS[name][0]
    return lambda x: getattr(ga.stats, name).logpdf(x, *shapes, loc=LOC, scale=SCALE)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_integral_of_the_density_is_a_difference_of_cdf(name: str, run: Runner) -> None:
    shapes, (low, high), _ = CONTINUOUS[name]
    ours = getattr(ga.stats, name)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    middle, half = (low + high) / 2, (high - low) / 2
    parts = [middle - half / 2, middle + half / 2]  # two panels: laplace has a kink
    if name == "laplace":
        parts, middle, half = [], LOC, 0.0
        spans = [(low, LOC), (LOC, high)]
    else:
        spans = [(p - half / 2, p + half / 2) for p in parts]
    points = np.concatenate([(a + b) / 2 + (b - a) / 2 * nodes for a, b in spans])
    scales = np.concatenate([(b - a) / 2 * weights for a, b in spans])
    x, ends = ga.vector("x"), ga.vector("ends")
    density = ours.pdf(x, *shapes, LOC, SCALE)
    level = ours.cdf(ends, *shapes, LOC, SCALE)
    rest = ours.sf(ends, *shapes, LOC, SCALE)
    p, c, s = run([x, ends], [density, level, rest])(points, np.array([low, high]))
    assert np.sum(p * scales) == pytest.approx(c[1] - c[0], rel=1e-9)
    np.testing.assert_allclose(c + s, 1, rtol=1e-13)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_quantiles_invert_the_distribution_function(name: str, run: Runner) -> None:
    shapes = CONTINUOUS[name][0]
    ours = getattr(ga.stats, name)
    q = ga.vector("q")
    x = ours.ppf(q, *shapes, LOC, SCALE)
    level = ours.cdf(x, *shapes, LOC, SCALE)
    at = np.array([1e-6, 0.01, 0.3, 0.5, 0.77, 0.999])
    found, slope = run([q], [level, ga.grad(level.sum(), q)])(at)
    np.testing.assert_allclose(found, at, rtol=1e-9)
    np.testing.assert_allclose(slope, 1, rtol=1e-7)
    ends = np.array([0.0, 1.0, -0.1, 1.1, NAN])
    wanted = getattr(theirs, name).ppf(ends, *shapes, LOC, SCALE)
    np.testing.assert_array_equal(run([q], [x])(ends)[0], wanted)


OUTSIDE = {name: row[2] for name, row in CONTINUOUS.items() if row[2]}


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_the_support(name: str, run: Runner) -> None:
    """Log-density -∞, density 0, cdf 0 or 1; derivatives 0 in the point and in all parameters."""
    shapes, ours = CONTINUOUS[name][0], getattr(ga.stats, name)
    points = np.array(OUTSIDE[name])
    x = ga.vector("x")
    params = [ga.scalar(f"p{i}") for i in range(len(shapes) + 2)]
    given = [np.float64(v) for v in (*shapes, LOC, SCALE)]
    wanted = {
        "logpdf": np.full(points.shape, -INF), "pdf": 0 * points if -INF not in points else None,
        "cdf": np.where(points > 1.5, 1.0, 0.0), "sf": np.where(points > 1.5, 0.0, 1.0),
    }  # fmt: skip
    for method, expected in wanted.items():
        if expected is None:
            expected = np.zeros(points.shape)
        if name == "pareto" and method in ("cdf", "sf"):
            expected = np.full(points.shape, 1.0 * (method == "sf"))
        y = getattr(ours, method)(x, *params)
        slopes = ga.grad(y.sum(), [x, *params])
        value, *found = run([x, *params], [y, *slopes])(points, *given)
        np.testing.assert_array_equal(value, expected)
        for slope in found:
            np.testing.assert_array_equal(slope, np.zeros(np.shape(slope)))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_parameters_out_of_range_and_nan(name: str, run: Runner) -> None:
    shapes, ours = CONTINUOUS[name][0], getattr(ga.stats, name)
    middle = sum(CONTINUOUS[name][1]) / 2
    x, scale, first = ga.vector("x"), ga.scalar("scale"), ga.scalar("first")
    for method in ("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf"):
        f = getattr(ours, method)
        (found,) = run([x, scale], [f(x, *shapes, LOC, scale)])(np.array([middle, -9.0]), -1.0)
        assert np.isnan(found).all(), method
        (found,) = run([x], [f(x, *shapes, LOC, SCALE)])(np.array([NAN]))
        assert np.isnan(found).all(), method
        if shapes and name != "truncnorm":
            y = f(x, first, *shapes[1:], LOC, SCALE)
            (found,) = run([x, first], [y])(np.array([middle, -9.0]), -1.0)
            assert np.isnan(found).all(), method


#   (log-)probabilities in the far tail, against mpmath (20 digits, rounded)
TAILS = [
    ("norm", "logcdf", (-40.0,), -804.60844201), ("norm", "logsf", (1e4,), -50000010.1292789),
    ("norm", "sf", (10.0,), 7.61985302416e-24), ("logistic", "logsf", (800.0,), -800.0),
    ("gumbel_r", "logsf", (50.0,), -50.0), ("expon", "logcdf", (1e-20,), -46.0517018599),
    ("laplace", "logcdf", (-900.0,), -900.69314718), ("cauchy", "sf", (1e18,), 3.18309886184e-19),
    ("cauchy", "cdf", (-1e18,), 3.18309886184e-19), ("weibull_min", "logsf", (30.0, 2.0), -900.0),
    ("truncnorm", "logpdf", (20.5, 20.0, 21.0), -7.12678316092),
    ("truncnorm", "logpdf", (-20.5, -21.0, -20.0), -7.12678316092),
    ("halfnorm", "sf", (9.0,), 2.25717681056e-19),
]  # fmt: skip


@pytest.mark.parametrize(("name", "method", "at", "wanted"), TAILS)
def test_tails(name: str, method: str, at: Any, wanted: float, run: Runner) -> None:
    f = getattr(getattr(ga.stats, name), method)
    value, slope = value_and_slope(lambda x: f(x, *at[1:]), at[0], run)
    assert value == pytest.approx(wanted, rel=1e-10)
    assert np.isfinite(slope) and slope != 0


def test_edges_of_the_support(run: Runner) -> None:
    """At an edge, SciPy's value; the derivative by a shape is finite where the density is 0."""
    for name, shapes in (("gamma", (2.0,)), ("gamma", (1.0,)), ("beta", (1.0, 1.0)),
                         ("beta", (2.0, 1.0)), ("weibull_min", (1.0,))):  # fmt: skip
        wanted = getattr(theirs, name).logpdf([0.0, 1.0], *shapes)
        f = getattr(ga.stats, name).logpdf
        x = ga.vector("x")
        (found,) = run([x], [f(x, *shapes)])(np.array([0.0, 1.0]))
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


# ---- counts ----------------------------------------------------------------------------------
COUNTS: dict[str, tuple[float, ...]] = {
    "poisson": (2.5,), "bernoulli": (0.3,), "geom": (0.3,), "binom": (7, 0.3),
    "nbinom": (2.5, 0.4),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str, run: Runner) -> None:
    """Also between the integers and outside the support; the sum of pmf is cdf."""
    shapes, ours, scipys = COUNTS[name], getattr(ga.stats, name), getattr(theirs, name)
    points = np.array([-2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0, 8.0, NAN])
    k, p = ga.vector("k"), ga.scalar("p")
    for method in ("pmf", "logpmf", "cdf", "sf", "logcdf", "logsf"):
        y = getattr(ours, method)(k, *shapes[:-1], p)
        value, slope = run([k, p], [y, ga.grad(y.sum(), p)])(points[:-1], np.float64(shapes[-1]))
        wanted = getattr(scipys, method)(points[:-1], *shapes)
        np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-15)
        if method in ("pmf", "cdf", "sf"):
            assert np.isfinite(slope)
        (bad,) = run([k], [getattr(ours, method)(k, *shapes)])(np.array([NAN]))
        assert np.isnan(bad).all()
    first = np.arange(8.0)
    pmf, cdf = run([k], [ours.pmf(k, *shapes), ours.cdf(k, *shapes)])(first)
    np.testing.assert_allclose(np.cumsum(pmf), cdf, rtol=1e-12)


def test_the_derivative_by_a_count_is_refused() -> None:
    k, mu = ga.scalar("k"), ga.scalar("mu")
    y = ga.stats.poisson.logpmf(k, mu)
    assert float(ga.grad(y, mu).eval({k: 3.0, mu: 2.0})) == pytest.approx(0.5)
    with pytest.raises(GradientError, match="the count"):
        ga.grad(y, k)


def test_impossible_counts_leave_no_trace(run: Runner) -> None:
    """p = 0 or 1, where the logarithm of a probability is -∞ or 0·∞."""
    value, slope = value_and_slope(lambda p: ga.stats.binom.logpmf(3, 3, p), [1.0], run)
    assert (value.tolist(), slope.tolist()) == ([0.0], [3.0])
    value, slope = value_and_slope(lambda p: ga.stats.bernoulli.logpmf(0, p), [0.0], run)
    assert (value.tolist(), slope.tolist()) == ([0.0], [-1.0])
    value, slope = value_and_slope(lambda mu: ga.stats.poisson.logpmf(0, mu), [0.0], run)
    assert (value.tolist(), slope.tolist()) == ([0.0], [-1.0])


# ---- vectors ---------------------------------------------------------------------------------
def spread(n: int) -> Any:
    half = np.random.default_rng(n).normal(size=(n, n))
    return half @ half.T / n + np.eye(n)


def test_vectors_against_scipy(run: Runner) -> None:
    rng = np.random.default_rng(0)
    x, mean, cov, p = rng.normal(size=(5, 3)), rng.normal(size=3), spread(3), [0.2, 0.5, 0.3]
    counts = rng.multinomial(6, p, size=4)
    s = ga.stats
    pairs = [
        (s.multivariate_normal.logpdf(x, mean, cov),
         theirs.multivariate_normal(mean, cov).logpdf(x)),
        (s.multivariate_normal.logpdf(x[0], mean, cov),
         theirs.multivariate_normal(mean, cov).logpdf(x[0])),
        (s.multivariate_normal.logpdf(x[None], mean, cov)[0],
         theirs.multivariate_normal(mean, cov).logpdf(x)),
        (s.multivariate_normal.logpdf(x, mean, 2.0),
         theirs.multivariate_normal(mean, 2.0).logpdf(x)),
        (s.multivariate_normal.pdf(x, None, [1.0, 2.0, 3.0]),
         theirs.multivariate_normal(np.zeros(3), np.diag([1.0, 2.0, 3.0])).pdf(x)),
        (s.multivariate_normal.logpdf(x[:, 0]), theirs.multivariate_normal.logpdf(x[:, 0])),
        (s.dirichlet.logpdf(p, [1.0, 2.0, 3.0]), theirs.dirichlet.logpdf(p, [1.0, 2.0, 3.0])),
        (s.dirichlet.entropy([1.5, 2.0]), theirs.dirichlet.entropy([1.5, 2.0])),
        (s.dirichlet.mean([1.5, 2.0]), theirs.dirichlet.mean([1.5, 2.0])),
        (s.dirichlet.var([1.5, 2.0]), theirs.dirichlet.var([1.5, 2.0])),
        (s.multinomial.logpmf(counts, 6, p), theirs.multinomial.logpmf(counts, 6, p)),
        (s.multinomial.logpmf(counts, 5, p), theirs.multinomial.logpmf(counts, 5, p)),
        (s.wishart.logpdf(spread(2), 3.5, cov[:2, :2]),
         theirs.wishart.logpdf(spread(2), 3.5, cov[:2, :2])),
    ]  # fmt: skip
    for ours, wanted in pairs:
        np.testing.assert_allclose(run([], [ours])()[0], wanted, rtol=1e-12)


# ---- errors ----------------------------------------------------------------------------------
def test_errors() -> None:
    x, z = ga.vector("x"), ga.vector("z", dtype="complex128")
    with pytest.raises(UseError, match="missing a required argument: 'a'"):
        ga.stats.gamma.logpdf(x)
    with pytest.raises(UseError, match="sigma"):
        ga.stats.norm.logpdf(x, sigma=1.0)
    with pytest.raises(DTypeError, match="x is complex"):
        ga.stats.norm.logpdf(z)
    with pytest.raises(ShapeError):
        ga.stats.norm.logpdf(ga.vector("x", shape=(3,)), np.zeros(2))
    with pytest.raises(AttributeError, match="norm has no 'rvs'"):
        ga.stats.norm.rvs  # noqa: B018
    with pytest.raises(UseError, match="allow_singular"):
        ga.stats.multivariate_normal.logpdf(x, allow_singular=True)
    with pytest.raises(UseError, match="integers"):
        ga.stats.multinomial.logpmf(x, 3, [0.5, 0.5])
