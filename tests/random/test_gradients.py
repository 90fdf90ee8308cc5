"""Derivatives by reparameterisation: against finite differences with the same random numbers where
the draw is a formula, against the quantile function where NumPy rejects proposals."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

import graphad as ga
from graphad.ops.random import noncentral
from graphad.testing import check_grads

FORMULAS: dict[str, tuple[float, ...]] = {
    "normal": (0.5, 2.0),
    "laplace": (0.5, 2.0),
    "gumbel": (0.5, 2.0),
    "logistic": (0.5, 2.0),
    "uniform": (-1.0, 2.0),
    "exponential": (2.0,),
    "rayleigh": (1.5,),
    "lognormal": (0.2, 0.5),
    "weibull": (1.7,),
    "pareto": (2.5,),
    "power": (1.5,),
    "triangular": (-1.0, 0.5, 2.0),
}
QUANTILES: dict[str, tuple[tuple[float, ...], Callable[..., Any]]] = {
    "standard_gamma": ((2.5,), stats.gamma),
    "gamma": ((0.3, 1.3), lambda a, s: stats.gamma(a, scale=s)),
    "chisquare": ((3.0,), stats.chi2),
    "beta": ((0.7, 2.0), stats.beta),
    "standard_t": ((4.0,), stats.t),
    "f": ((3.0, 6.0), stats.f),
    "wald": ((1.5, 2.0), lambda m, s: stats.invgauss(m / s, scale=s)),
}
SEED = 5


def spread(parameters: tuple[float, ...]) -> list[np.ndarray]:
    """Each parameter as a vector of three."""
    return [np.array([p, 1.05 * p, 0.9 * p]) for p in parameters]


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name: str) -> None:
    """vjp and jvp, of parameters that broadcast, and second order."""
    given = spread(FORMULAS[name])
    variables = [ga.vector(f"p{i}") for i in range(len(given))]
    rng = ga.random.default_rng(SEED)
    y = getattr(rng, name)(*variables, size=(4, 3))
    weights = np.random.default_rng(1).normal(size=(4, 3))
    cost = (ga.sin(y) * weights).sum()
    slopes = ga.grad(cost, variables)
    tangents = [ga.jvp(cost, v, ga.constant(np.ones(3))) for v in variables]
    curves = ga.grad(sum([s.sum() for s in slopes]), variables, disconnected="zero")
    f = ga.function(variables, [cost, *slopes, *tangents, *curves])
    count = len(given)

    def at(arrays: list[np.ndarray]) -> list[Any]:
        f.reset_rng(SEED)
        return f(*arrays)

    results = at(given)
    for i in range(count):
        found = []
        for k in range(3):
            up, down = [a.copy() for a in given], [a.copy() for a in given]
            up[i][k] += 1e-6
            down[i][k] -= 1e-6
            found.append([(a - b) / 2e-6 for a, b in zip(at(up), at(down), strict=True)])
        costs = [row[0] for row in found]
        seconds = [sum(np.sum(part) for part in row[1 : 1 + count]) for row in found]
        np.testing.assert_allclose(results[1 + i], costs, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(results[1 + count + i], sum(costs), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(results[1 + 2 * count + i], seconds, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles(name: str) -> None:
    given, law = QUANTILES[name]
    variables = [ga.scalar(f"p{i}") for i in range(len(given))]
    y = getattr(ga.random.default_rng(SEED), name)(*variables, size=200)
    moves = [ga.jvp(y, v, ga.constant(1.0)) for v in variables]
    slopes = ga.grad(y.sum(), variables)
    values, *rest = ga.function(variables, [y, *moves, *slopes])(*given)
    below, above = law(*given).cdf(values), law(*given).sf(values)
    for i in range(len(given)):
        up, down = list(given), list(given)
        up[i] += 1e-5
        down[i] -= 1e-5
        low = law(*up).ppf(below) - law(*down).ppf(below)
        high = law(*up).isf(above) - law(*down).isf(above)
        wanted = np.where(below < 0.5, low, high) / 2e-5
        np.testing.assert_allclose(rest[i], wanted, rtol=1e-5, atol=1e-8)
        assert rest[len(given) + i] == pytest.approx(rest[i].sum())


@pytest.mark.parametrize("name", ["standard_gamma", "beta", "standard_t", "chisquare"])
def test_second_order_of_quantiles(name: str) -> None:
    """The derivative of ∂y/∂θ at fixed F, which is what moves with θ."""
    given, law = QUANTILES[name]
    variables = [ga.scalar(f"p{i}") for i in range(len(given))]
    y = getattr(ga.random.default_rng(SEED), name)(*variables)
    slope = ga.grad(y, variables[0])
    curve = ga.grad(slope, variables[0])
    value, got = ga.function(variables, [y, curve])(*given)
    level, h = law(*given).cdf(value), 1e-3
    up, middle, down = (law(given[0] + d, *given[1:]).ppf(level) for d in (h, 0.0, -h))
    assert got == pytest.approx((up - 2 * middle + down) / h**2, rel=1e-4)


def test_expected_values() -> None:
    """E[y²] of a gamma is s²·a·(a + 1), and of a beta a(a + 1)/((a + b)(a + b + 1))."""
    a, b = ga.scalar("a"), ga.scalar("b")
    rng = ga.random.default_rng(0)
    square = ga.grad((rng.gamma(a, b, size=40_000) ** 2).mean(), [a, b])
    by_a, by_b = ga.function([a, b], square)(1.5, 2.0)
    assert by_a == pytest.approx(4 * (2 * 1.5 + 1), rel=0.05)
    assert by_b == pytest.approx(2 * 2 * 1.5 * 2.5, rel=0.05)
    share = ga.function([a, b], ga.grad((rng.beta(a, b, size=40_000) ** 2).mean(), a))(1.5, 2.0)

    def moment(p: float) -> float:
        return p * (p + 1) / ((p + 2) * (p + 3))

    assert share == pytest.approx((moment(1.5 + 1e-5) - moment(1.5 - 1e-5)) / 2e-5, rel=0.05)


def test_edges() -> None:
    """Scale 0, tiny gammas and betas that underflow: zeros and no NaN."""
    mu, s = ga.scalar("mu"), ga.vector("s")
    rng = ga.random.default_rng(0)
    y = rng.normal(mu, s)
    _, by_s = ga.function([mu, s], ga.grad(y.sum(), [mu, s]))(1.0, [0.0, 2.0])
    np.testing.assert_allclose(by_s, np.random.default_rng(0).normal(size=2))
    a = ga.scalar("a")
    for draw in (rng.standard_gamma(a, size=200), rng.beta(a, a, size=200),
                 rng.dirichlet(ga.stack([a, a, a]), size=50)):  # fmt: skip
        values, slopes = ga.function([a], [draw, ga.jvp(draw, a, ga.constant(1.0))])(0.001)
        assert values.min() < 1e-200
        assert np.isfinite(slopes).all()


def test_dirichlet() -> None:
    """Tangents keep the sum, vjp is the transpose of jvp, E[x₀·x₁] moves as it should."""
    alpha = ga.vector("alpha", shape=(3,))
    rng = ga.random.default_rng(0)
    x = rng.dirichlet(alpha, size=(10_000,))
    t, w = np.array([0.3, -0.2, 0.5]), np.random.default_rng(1).normal(size=(10_000, 3))
    push = ga.jvp(x, alpha, ga.constant(t))
    pull = ga.grad((x * w).sum(), alpha)
    product = ga.grad((x[:, 0] * x[:, 1]).mean(), alpha)
    pushed, pulled, got = ga.function([alpha], [push, pull, product])([1.5, 2.0, 0.7])
    np.testing.assert_allclose(pushed.sum(axis=1), 0.0, atol=1e-9)
    assert (pushed * w).sum() == pytest.approx(pulled @ t)

    def moment(c: np.ndarray) -> float:
        return c[0] * c[1] / (c.sum() * (c.sum() + 1))

    at, steps = np.array([1.5, 2.0, 0.7]), 1e-5 * np.eye(3)
    wanted = [(moment(at + h) - moment(at - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(got, wanted, atol=8e-3)


def test_multivariate_normal_by_its_factor() -> None:
    mean, cov = ga.vector("mean", shape=(2,)), ga.matrix("cov", shape=(2, 2))
    rng = ga.random.default_rng(SEED)
    y = rng.multivariate_normal(mean, cov, size=5, method="cholesky")
    w = np.random.default_rng(1).normal(size=(5, 2))
    cost = (y * w).sum() + (ga.sin(y) * w).sum()
    t = np.array([[0.3, 0.1], [0.1, -0.2]])
    f = ga.function([mean, cov], [cost, *ga.grad(cost, [mean, cov]),
                                  ga.jvp(cost, cov, ga.constant(t))])  # fmt: skip

    def at(m: np.ndarray, c: np.ndarray) -> list[Any]:
        f.reset_rng(SEED)
        return f(m, c)

    m, c = np.array([0.5, -1.0]), np.array([[2.0, 0.7], [0.7, 1.0]])
    _, by_mean, by_cov, moved = at(m, c)
    wanted = [(at(m + h, c)[0] - at(m - h, c)[0]) / 2e-6 for h in 1e-6 * np.eye(2)]
    np.testing.assert_allclose(by_mean, wanted, rtol=1e-6)
    slope = (at(m, c + 1e-6 * t)[0] - at(m, c - 1e-6 * t)[0]) / 2e-6
    assert moved == pytest.approx(slope, rel=1e-6)
    assert (by_cov * t).sum() == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("method", ["svd", "eigh"])
def test_multivariate_normal_where_eigenvalues_are_equal(method: str) -> None:
    """E[y₀²·y₁²] = Σ₀₀Σ₁₁ + 2Σ₀₁² and E[y₀·y₁] = Σ₀₁, at the identity."""
    cov = ga.matrix("cov", shape=(2, 2))
    rng = ga.random.default_rng(0)
    y = rng.multivariate_normal([0.0, 0.0], cov, size=100_000, method=method)
    cross = (y[:, 0] * y[:, 1]).mean()
    t = ga.constant([[0.0, 1.0], [1.0, 0.0]])
    slope, moved = ga.function([cov], [ga.grad(cross, cov), ga.jvp(cross, cov, t)])(np.eye(2))
    np.testing.assert_allclose(slope, [[0.0, 0.5], [0.5, 0.0]], atol=0.01)
    assert moved == pytest.approx(1.0, abs=0.05)


def test_integers_as_parameters_and_float32() -> None:
    n, x = ga.scalar("n", dtype="int64"), ga.vector("x", dtype="float32")
    rng = ga.random.default_rng(0)
    y = rng.normal(n, x)
    f = ga.function([n, x], ga.grad(y.sum(), x))
    assert f(3, np.ones(2, "float32")).dtype == np.float32
    single = rng.standard_gamma(x, dtype="float32")
    assert ga.grad(single.sum(), x).type.dtype == np.float32
    assert np.isfinite(ga.grad(single.sum(), x).eval({x: np.ones(3, "float32")})).all()


def test_what_is_chosen_carries_derivatives() -> None:
    x = ga.vector("x", shape=(4,))
    rng, theirs = ga.random.default_rng(2), np.random.default_rng(2)
    w = np.array([1.0, 10.0, 100.0, 1000.0])
    f = ga.function([x], ga.grad((rng.permutation(x) * w).sum(), x), unused="ignore")
    assert np.array_equal(f(np.zeros(4))[theirs.permutation(4)], w)
    g = ga.function([x], ga.grad(rng.choice(x, size=6).sum(), x), unused="ignore")
    assert np.array_equal(g(np.zeros(4)), np.bincount(theirs.choice(4, size=6), minlength=4))


# ---- what has none -----------------------------------------------------------------------------
DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "binomial": lambda rng, p: rng.binomial(5, p),
    "poisson": lambda rng, p: rng.poisson(p),
    "geometric": lambda rng, p: rng.geometric(p),
    "negative_binomial": lambda rng, p: rng.negative_binomial(3, p),
    "logseries": lambda rng, p: rng.logseries(p),
    "zipf": lambda rng, p: rng.zipf(1 + p),
    "multinomial": lambda rng, p: rng.multinomial(5, ga.stack([p, 1 - p])),
    "choice": lambda rng, p: rng.choice([1.0, 2.0], p=ga.stack([p, 1 - p])),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_draws_refuse_derivatives(name: str) -> None:
    p = ga.scalar("p")
    draw = DISCRETE[name](ga.random.default_rng(0), p)
    cost = (draw * p).sum()  # part of the derivative exists: it would be silently wrong
    for derive in (lambda: ga.grad(cost, p), lambda: ga.jvp(cost, p, ga.constant(1.0))):
        with pytest.raises(ga.errors.GradientError) as caught:
            derive()
        text = str(caught.value)
        assert f"random.{name}: " in text and "score function" in text
        assert "ga.stop_gradient" in text and "test_gradients.py:" in text


def test_discrete_draws_of_constants_and_cut_parameters_are_constants() -> None:
    p = ga.scalar("p")
    rng, theirs = ga.random.default_rng(0), np.random.default_rng(0)
    cost = rng.binomial(5, ga.stop_gradient(p)) * p
    assert ga.function([p], ga.grad(cost, p))(0.5) == theirs.binomial(5, 0.5)


def test_a_discrete_draw_of_which_only_the_state_is_used_refuses_nothing() -> None:
    p = ga.scalar("p")
    rng = ga.random.default_rng(0)
    count = rng.poisson(p)
    y = rng.normal(p)
    assert float(ga.grad(y, p).eval({p: 2.0})) == 1.0
    assert count.type.dtype == np.int64


@pytest.mark.parametrize("kappa", [0.01, 0.5, 2.0, 10.0, 1000.0])
def test_vonmises(kappa: float) -> None:
    """By mu as it turns; by kappa against the distribution function, whole turns apart."""
    mu, k = ga.scalar("mu"), ga.scalar("kappa")
    y = ga.random.default_rng(SEED).vonmises(mu, k, size=100)
    moved = ga.jvp(y, k, ga.constant(1.0))
    outputs = [y, moved, ga.grad(y.sum(), mu), ga.jvp(moved, k, ga.constant(1.0))]
    f = ga.function([mu, k], outputs)
    values, slopes, by_mu, curves = f(3.0, kappa)
    assert by_mu == 100.0
    d = (values - 3.0 + np.pi) % (2 * np.pi) - np.pi
    h = 1e-4 * kappa
    law = [stats.vonmises(kappa + e) for e in (h, 0.0, -h)]
    wanted = -(law[0].cdf(d) - law[2].cdf(d)) / (2 * h) / law[1].pdf(d)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-6 / kappa)
    assert np.isfinite(curves).all()


@pytest.mark.parametrize(("df", "nonc"), [(3.0, 1.0), (0.5, 20.0), (10.0, 200.0)])
def test_noncentral_chisquare(df: float, nonc: float) -> None:
    v = ga.scalar("nonc")
    y = ga.random.default_rng(SEED).noncentral_chisquare(df, v, size=100)
    f = ga.function([v], [y, ga.jvp(y, v, ga.constant(1.0))])
    values, slopes = f(nonc)
    level, h = stats.ncx2(df, nonc).cdf(values), 1e-4 * nonc
    wanted = (stats.ncx2(df, nonc + h).ppf(level) - stats.ncx2(df, nonc - h).ppf(level)) / (2 * h)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-7)
    central, slopes = f(0.0)
    np.testing.assert_allclose(slopes, central / df)


@pytest.mark.parametrize("nonc", [0.0, 1.0, 100.0, 5000.0])
@pytest.mark.parametrize(("dfnum", "dfden"), [(3.0, 5.0), (0.5, 1.3), (40.0, 100.0)])
def test_noncentral_f(dfnum: float, dfden: float, nonc: float) -> None:
    """By the distribution function, and the second order against the first."""
    v = ga.scalar("nonc")
    y = ga.random.default_rng(SEED).noncentral_f(dfnum, dfden, v, size=50)
    moved = ga.jvp(y, v, ga.constant(1.0))
    f = ga.function([v], [y, moved, ga.grad(y.sum(), v), ga.jvp(moved, v, ga.constant(1.0))])
    values, slopes, total, curves = f(nonc)
    assert total == pytest.approx(slopes.sum()) and np.isfinite(curves).all()
    h = 1e-5 * max(nonc, 0.1)
    low = max(nonc - h, 0.0)
    law = [stats.ncf(dfnum, dfden, n) for n in (nonc + h, low, (nonc + h + low) / 2)]
    below = law[1].cdf(values) - law[0].cdf(values)
    above = law[0].sf(values) - law[1].sf(values)
    # the tail of SciPy's central law is not to be relied on, and far out 1 - F is lost
    near = (law[2].cdf(values) < 0.5) | ((nonc == 0) & (values < 1e6))
    wanted = np.where(near, below, above) / (nonc + h - low) / law[2].pdf(values)
    known = near | (nonc > 0)
    np.testing.assert_allclose(slopes[known], wanted[known], rtol=3e-5)


@pytest.mark.parametrize("nonc", [0.0, 1.0, 20.0, 200.0, 5000.0])
@pytest.mark.parametrize("df", [0.5, 3.0, 40.0])
def test_noncentral_chisquare_by_df(df: float, nonc: float) -> None:
    """By the distribution function; forward and backward."""
    k = ga.scalar("df")
    y = ga.random.default_rng(SEED).noncentral_chisquare(k, nonc, size=50)
    f = ga.function([k], [y, ga.jvp(y, k, ga.constant(1.0)), ga.grad(y.sum(), k)])
    values, slopes, total = f(df)
    assert total == pytest.approx(slopes.sum())
    law = [stats.ncx2(d, nonc) if nonc else stats.chi2(d) for d in (df * 1.0001, df / 1.0001, df)]
    wanted = (law[1].cdf(values) - law[0].cdf(values)) / (df * 1.0001 - df / 1.0001)
    np.testing.assert_allclose(slopes, wanted / law[2].pdf(values), rtol=1e-5)


@pytest.mark.parametrize("nonc", [0.0, 1.0, 100.0, 5000.0])
@pytest.mark.parametrize("given", [(3.0, 5.0), (0.5, 1.3), (40.0, 100.0)])
def test_noncentral_f_by_its_degrees_of_freedom(given: tuple[float, float], nonc: float) -> None:
    m, n = ga.scalar("dfnum"), ga.scalar("dfden")
    y = ga.random.default_rng(SEED).noncentral_f(m, n, nonc, size=30)
    moved = [ga.jvp(y, v, ga.constant(1.0)) for v in (m, n)]
    values, *slopes, totals = ga.function([m, n], [y, *moved, ga.grad(y.sum(), [m, n])])(*given)
    np.testing.assert_allclose(totals, [s.sum() for s in slopes])

    def law(m: float, n: float) -> Any:
        return stats.ncf(m, n, nonc) if nonc else stats.f(m, n)

    near = law(*given).cdf(values) < 0.999
    for i, slope in enumerate(slopes):
        up, down = (
            [g * s if i == k else g for k, g in enumerate(given)] for s in (1.0001, 0.9999)
        )
        wanted = (law(*down).cdf(values) - law(*up).cdf(values)) / (2e-4 * given[i])
        wanted /= law(*given).pdf(values)
        np.testing.assert_allclose(slope[near], wanted[near], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("nonc", [0.7, 20.0, 200.0])
def test_noncentral_second_order(nonc: float) -> None:
    """The slopes, as functions of numbers and parameters, against finite differences."""
    rows = np.array([0.3, 1.0, 2.0])

    def of_chisquare(k: Any, v: Any, y: Any) -> Any:
        return noncentral._by_df(SimpleNamespace(y=y), k, v)  # type: ignore[arg-type]

    def of_f(m: Any, n: Any, v: Any, y: Any) -> Any:
        drawn: Any = SimpleNamespace(y=y)
        return [noncentral._of_beta(drawn, m, n, v, which) for which in (0, 1)]

    check_grads(of_chisquare, [np.array(3.0), np.array(nonc), rows * (3 + nonc)], order=1,
                rtol=1e-6)  # fmt: skip
    check_grads(of_f, [np.array(3.0), np.array(7.0), np.array(nonc), rows * (1 + nonc / 3)],
                order=1, rtol=1e-5)  # fmt: skip


def test_expected_values_of_noncentral_draws() -> None:
    """E y = df + nonc; E y = n·(m + nonc)/(m·(n - 2))."""
    k, m, n = ga.scalar("k"), ga.scalar("m"), ga.scalar("n")
    rng = ga.random.default_rng(SEED)
    mean = rng.noncentral_chisquare(k, 5.0, size=1000).mean()
    assert ga.function([k], ga.grad(mean, k))(3.0) == pytest.approx(1.0, abs=0.05)
    mean = rng.noncentral_f(m, n, 5.0, size=1000).mean()
    found = ga.function([m, n], ga.grad(mean, [m, n]))(4.0, 30.0)
    np.testing.assert_allclose(found, [-30 * 5 / (16 * 28), -2 * 9 / (4 * 28**2)], rtol=0.2)


def test_noncentral_slopes_at_the_central_law() -> None:
    """The derivative of the slope in nonc is there at nonc = 0 too."""
    k, v, y = ga.scalar("k"), ga.scalar("v"), ga.vector("y")
    slope = noncentral._by_df(SimpleNamespace(y=y), k, v)  # type: ignore[arg-type]
    f = ga.function([k, v, y], [slope, ga.jvp(slope, v, ga.constant(1.0))])
    (here, moving), (there, _) = (f(3.0, at, [0.3, 1.0, 6.0]) for at in (0.0, 1e-6))
    np.testing.assert_allclose(moving, (there - here) / 1e-6, rtol=1e-4)
