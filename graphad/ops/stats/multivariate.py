"""Distributions of vectors: multivariate normal, Dirichlet, multinomial, Wishart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.op import OPS, Entry, Sample
from graphad.ir.variable import Variable, as_variable, located
from graphad.libraries import scipy
from graphad.ops.elementwise import exp, log, square, where
from graphad.ops.special.declare import refuse_complex
from graphad.ops.special.entropy import xlogy
from graphad.ops.special.gamma import digamma, gammaln
from graphad.ops.stats.declare import INF, as_floats, result_dtype

_LOG_2PI = math.log(2 * math.pi)
Samples = Callable[[np.random.Generator], Sequence[Sample]]


def _enter(distribution: str, reference: Any, samples: Samples, topic: str = "stats") -> Any:
    """Enter a function ``distribution_method`` into the op table as ``distribution.method``."""

    def enter(function: Callable[..., Variable]) -> Callable[..., Variable]:
        method = function.__name__.removeprefix(f"{distribution}_")
        checked = located(function)
        checked.__name__ = method
        name = f"stats.{distribution}.{method}"
        OPS.add(Entry(name, checked, topic, reference, samples))
        return checked

    return enter


def _sum(x: Any, axis: int = -1) -> Variable:
    found: Variable = OPS["sum"](x, axis=axis)
    return found


# ---- multivariate normal ---------------------------------------------------------------------
def _covariance(rng: np.random.Generator, n: int) -> Any:
    half = rng.normal(size=(n, n))
    return half @ half.T / n + np.eye(n)


def _normal_samples(rng: np.random.Generator) -> list[Sample]:
    x, mean, variances = rng.normal(size=(4, 3)), rng.normal(size=3), rng.uniform(0.5, 2, size=3)
    return [
        Sample((x, mean, _covariance(rng, 3))), Sample((x[0], mean, variances)),
        Sample((x[:2], mean), {"cov": 2.0}), Sample((x[:, 0],)),
    ]  # fmt: skip


def _normal_reference(x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
    x, mean, cov = (refuse_complex(np.asarray(0.0 if v is None else v)) for v in (x, mean, cov))
    dtype = result_dtype([v.dtype for v in (x, mean, cov) if v.ndim or v is x])
    x, mean, cov = (v.astype(float) for v in (x, mean, cov))
    x = x[..., None] if x.ndim == 0 or (mean.ndim == 0 and cov.ndim == 0) else x
    dev = x - np.atleast_1d(mean)
    if cov.ndim < 2:
        wide = np.broadcast_to(cov, dev.shape[-1:])
        parts = np.square(dev) / wide + np.log(wide) + _LOG_2PI
        return np.asarray(-0.5 * np.sum(parts, axis=-1)).astype(dtype)
    lower = np.linalg.cholesky(cov)
    white = np.linalg.solve(lower, dev.reshape(-1, cov.shape[-1]).T).T.reshape(dev.shape)
    half = np.sum(np.log(np.diagonal(lower))) + 0.5 * _LOG_2PI * cov.shape[-1]
    return np.asarray(-0.5 * np.sum(np.square(white), axis=-1) - half).astype(dtype)


def _whiten(lower: Variable, deviation: Variable) -> Variable:
    """The squared length of L⁻¹·d for vectors d (…, n): (…)."""
    if deviation.ndim == 1:
        return _sum(square(OPS["linalg.solve"](lower, deviation)))
    rows = (
        OPS["reshape"](deviation, (-1, deviation.shape[-1])) if deviation.ndim > 2 else deviation
    )
    lengths = _sum(square(OPS["linalg.solve"](lower, rows.T)), axis=0)
    return OPS["reshape"](lengths, deviation.shape[:-1]) if deviation.ndim > 2 else lengths


@_enter("multivariate_normal", _normal_reference, _normal_samples, "linalg")
def multivariate_normal_logpdf(
    x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False
) -> Variable:
    """Logarithm of the density, as ``scipy.stats.multivariate_normal.logpdf``.

    x (…, n) gives (…); mean (n,), None for 0; cov (n, n), (n,) variances, or a scalar. Where mean
    and cov are scalars, n is 1 and x (…) has no axis for it. Axes of size 1 are kept. Only the
    lower triangle of cov is read, as by `cholesky`: the derivative by the upper one is 0. Raises
    UseError for allow_singular=True, ShapeError for sizes that do not fit, and, when computed,
    np.linalg.LinAlgError where cov is not positive definite.

    >>> import graphad as ga
    >>> x = ga.constant([1.0, 2.0])
    >>> float(ga.stats.multivariate_normal.logpdf(x, [0.0, 0.0], [1.0, 4.0]).eval().round(6))
    -3.531024
    """
    if allow_singular:
        raise UseError(
            "multivariate_normal: allow_singular=True",
            cause="the density of a singular covariance has no derivative by it",
            remedy="add a small multiple of the identity to cov",
        )
    given = {"x": x, "mean": 0 if mean is None else mean, "cov": cov}
    values, target = as_floats("stats.multivariate_normal", given)
    point, centre, spread = values["x"], values["mean"], values["cov"]
    ranks = (centre.ndim, spread.ndim)
    if ranks[0] > 1 or ranks[1] > 2:
        raise ShapeError(f"multivariate_normal: mean has {ranks[0]} axes, cov has {ranks[1]}",
                         remedy="mean has one axis, cov at most two")  # fmt: skip
    if point.ndim == 0 or ranks == (0, 0):
        point = point[..., None]
    deviation = point - centre
    if ranks[1] == 2:
        lower = OPS["linalg.cholesky"](spread)
        half = _sum(log(OPS["diagonal"](lower))) + 0.5 * _LOG_2PI * spread.shape[-1]
        return (-0.5 * _whiten(lower, deviation) - half).astype(target)
    parts = square(deviation) / spread + log(spread) + _LOG_2PI
    return (-0.5 * _sum(parts)).astype(target)


@_enter("multivariate_normal", lambda *v, **k: np.exp(_normal_reference(*v, **k)),
        _normal_samples, "linalg")  # fmt: skip
def multivariate_normal_pdf(
    x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False
) -> Variable:
    """Density, as ``scipy.stats.multivariate_normal.pdf``; see its `logpdf`.

    >>> import graphad as ga
    >>> density = ga.stats.multivariate_normal.pdf(ga.constant([0.0, 0.0]), [0.0, 0.0])
    >>> float(density.eval().round(6))
    0.159155
    """
    return exp(multivariate_normal_logpdf(x, mean, cov, allow_singular))


# ---- Dirichlet -------------------------------------------------------------------------------
def _dirichlet_samples(rng: np.random.Generator) -> list[Sample]:
    alpha = rng.uniform(1.2, 3, size=3)
    return [
        Sample((rng.dirichlet([3, 3, 3]), alpha)),
        Sample((rng.dirichlet([3] * 3, 2).T, alpha)),
    ]


def _dirichlet_reference(x: Any, alpha: Any) -> Any:
    special = scipy("special")
    x, alpha = refuse_complex(np.asarray(x)), refuse_complex(np.asarray(alpha))
    if x.ndim == 0 or alpha.ndim == 0:
        raise ValueError("vectors are needed")
    dtype = result_dtype([x.dtype, alpha.dtype])
    x, alpha = x.astype(float).T, alpha.astype(float)
    terms = special.xlogy(alpha - 1, x) - special.gammaln(alpha) + 0 * x
    value = special.gammaln(np.sum(alpha)) + np.sum(terms, axis=-1)
    value = np.where(np.any(x < 0, axis=-1), -np.inf, value)
    return np.where(np.all(alpha > 0), value, np.nan).astype(dtype)


def _concentration(method: str, alpha: Any, x: Any = 0) -> tuple[Variable, Variable, np.dtype]:
    """alpha (NaN where one is not positive) and x as floats, the dtype of the result."""
    values, target = as_floats(f"stats.dirichlet.{method}", {"x": x, "alpha": alpha})
    found = values["alpha"]
    if found.ndim != 1:
        raise ShapeError(f"dirichlet: alpha has {found.ndim} axes", remedy="pass a vector (k,)")
    return where(OPS["all"](found > 0), found, np.nan), values["x"], target


@_enter("dirichlet", _dirichlet_reference, _dirichlet_samples)
def dirichlet_logpdf(x: Any, alpha: Any) -> Variable:
    """Logarithm of the density, as ``scipy.stats.dirichlet.logpdf``.

    x (k,) gives a scalar, (k, n) gives (n,): components along the first axis, as in SciPy; alpha
    (k,). The components are taken as given: that they add up to 1 is not checked (SciPy does), and
    the derivatives are those of the formula. -∞ where one is negative, NaN where an alpha is not
    positive. Raises ShapeError for sizes that do not fit.

    >>> import graphad as ga
    >>> float(ga.stats.dirichlet.logpdf(ga.constant([0.5, 0.5]), [1.0, 1.0]).eval())
    0.0
    """
    weights, point, target = _concentration("logpdf", alpha, x)
    if point.ndim == 0:
        raise ShapeError("dirichlet: x is a scalar", remedy="pass a vector (k,) that sums to 1")
    rows = point.T
    terms = xlogy(weights - 1, rows) - gammaln(weights)
    value = gammaln(_sum(weights)) + _sum(terms)
    return where(OPS["any"](rows < 0, axis=-1), -INF, value).astype(target)


def _of_alpha(formula: Callable[[Any], Any]) -> Any:
    """For references: a function of alpha (k,), NaN where one is not positive."""

    def reference(alpha: Any) -> Any:
        given = refuse_complex(np.asarray(alpha))
        if given.ndim != 1:
            raise ValueError("a vector is needed")
        weights = np.where(np.all(given > 0), given, np.nan)
        return np.asarray(formula(weights.astype(float))).astype(result_dtype([given.dtype]))

    return reference


def _alphas(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.uniform(1.2, 3, size=3),))]


def _entropy_reference(alpha: Any) -> Any:
    special, total = scipy("special"), np.sum(alpha)
    log_beta = np.sum(special.gammaln(alpha)) - special.gammaln(total)
    rest = (total - alpha.size) * special.psi(total)
    return log_beta + rest - np.sum((alpha - 1) * special.psi(alpha))


@_enter("dirichlet", _of_alpha(_entropy_reference), _alphas)
def dirichlet_entropy(alpha: Any) -> Variable:
    """Differential entropy, as ``scipy.stats.dirichlet.entropy``; alpha (k,).

    >>> import graphad as ga
    >>> float(ga.stats.dirichlet.entropy(ga.constant([1.0, 1.0])).eval().round(12))
    0.0
    """
    weights, _, target = _concentration("entropy", alpha)
    total, count = _sum(weights), weights.shape[0]
    log_beta = _sum(gammaln(weights)) - gammaln(total)
    rest = (total - count) * digamma(total) - _sum((weights - 1) * digamma(weights))
    return (log_beta + rest).astype(target)


@_enter("dirichlet", _of_alpha(lambda alpha: alpha / np.sum(alpha)), _alphas)
def dirichlet_mean(alpha: Any) -> Variable:
    """Mean (k,), as ``scipy.stats.dirichlet.mean``; alpha (k,).

    >>> import graphad as ga
    >>> ga.stats.dirichlet.mean(ga.constant([1.0, 3.0])).eval()
    array([0.25, 0.75])
    """
    weights, _, target = _concentration("mean", alpha)
    return (weights / _sum(weights)).astype(target)


def _variances(alpha: Any, total: Any) -> Any:
    return alpha * (total - alpha) / (total * total * (total + 1))


@_enter("dirichlet", _of_alpha(lambda alpha: _variances(alpha, np.sum(alpha))), _alphas)
def dirichlet_var(alpha: Any) -> Variable:
    """Variances (k,), as ``scipy.stats.dirichlet.var``; alpha (k,).

    >>> import graphad as ga
    >>> ga.stats.dirichlet.var(ga.constant([1.0, 1.0])).eval().round(6)
    array([0.083333, 0.083333])
    """
    weights, _, target = _concentration("var", alpha)
    found: Variable = _variances(weights, _sum(weights)).astype(target)
    return found


# ---- multinomial -----------------------------------------------------------------------------
def _multinomial_reference(x: Any, n: Any, p: Any) -> Any:
    special = scipy("special")
    x, n, p = np.asarray(x), np.asarray(n), refuse_complex(np.asarray(p))
    if x.ndim == 0 or p.ndim == 0:
        raise ValueError("vectors are needed")
    terms = special.xlogy(x, p) - special.gammaln(x + 1)
    value = special.gammaln(n + 1.0) + np.sum(terms, axis=-1)
    value = np.where(np.sum(x, axis=-1) == n, value, -np.inf)
    good = np.all((p >= 0) & (p <= 1), axis=-1) & (n >= 0)
    return np.where(good, value, np.nan).astype(result_dtype([p.dtype]))


@_enter(
    "multinomial",
    _multinomial_reference,
    lambda rng: [
        Sample((np.array([[2, 1, 3], [1, 1, 4]]), np.array(6), rng.dirichlet([3, 3, 3])))
    ],
)
def multinomial_logpmf(x: Any, n: Any, p: Any) -> Variable:
    """Logarithm of the probability, as ``scipy.stats.multinomial.logpmf``.

    x (…, k): counts, integers; n (…): their sum, else the result is -∞; p (…, k). The chances are
    taken as given: SciPy replaces the last one where they do not add up to 1. NaN where one is
    outside [0, 1] or n is negative. Raises UseError for counts that are no integers.

    >>> import graphad as ga
    >>> float(ga.stats.multinomial.logpmf([1, 1], 2, ga.constant([0.5, 0.5])).eval().round(6))
    -0.693147
    """
    counts, total = as_variable(x), as_variable(n)
    values, target = as_floats("stats.multinomial.logpmf", {"p": p})
    chances = values["p"]
    if counts.dtype.kind not in "iub" or total.dtype.kind not in "iub":
        raise UseError("multinomial: counts are integers",
                       remedy='convert them with .astype("int64")')  # fmt: skip
    if counts.ndim == 0 or chances.ndim == 0:
        raise ShapeError("multinomial: x and p are vectors", remedy="pass arrays (…, k)")
    numbers = counts.astype(chances.dtype)
    terms = xlogy(numbers, chances) - gammaln(numbers + 1)
    value = gammaln(total.astype(chances.dtype) + 1) + _sum(terms)
    value = where(_sum(counts) == total, value, -INF)
    good = OPS["all"]((chances >= 0) & (chances <= 1), axis=-1) & (total >= 0)
    return where(good, value, np.nan).astype(target)


# ---- Wishart ---------------------------------------------------------------------------------
def _wishart_reference(x: Any, df: Any, scale: Any) -> Any:
    special = scipy("special")
    given = [refuse_complex(np.asarray(v)) for v in (x, df, scale)]
    x, df, scale = (v.astype(float) for v in given)
    if df.ndim:
        raise ValueError("a scalar is needed")
    p = scale.shape[-1]
    lower, upper = np.linalg.cholesky(x), np.linalg.cholesky(scale)
    logs = [2 * np.sum(np.log(np.diagonal(v))) for v in (lower, upper)]
    inner = np.sum(np.square(np.linalg.solve(upper, lower)))
    free = (df - p - 1) * logs[0] - inner - df * (p * np.log(2) + logs[1])
    parts = special.gammaln(0.5 * df - 0.5 * np.arange(p))
    value = 0.5 * free - np.sum(parts) - p * (p - 1) / 4 * np.log(np.pi)
    return np.where(df > p - 1, value, np.nan).astype(result_dtype([v.dtype for v in given]))


@_enter(
    "wishart",
    _wishart_reference,
    lambda rng: [Sample((_covariance(rng, 3), np.asarray(4.5), _covariance(rng, 3)))],
    "linalg",
)
def wishart_logpdf(x: Any, df: Any, scale: Any) -> Variable:
    """Logarithm of the density at one matrix, as ``scipy.stats.wishart.logpdf``.

    x (p, p) and scale (p, p) symmetric positive definite, of which the lower triangle is read;
    df a scalar above p - 1, else NaN. Raises ShapeError for other shapes and, when computed,
    np.linalg.LinAlgError where a matrix is not positive definite.

    >>> import numpy as np, graphad as ga
    >>> float(ga.stats.wishart.logpdf(ga.constant(np.eye(2)), 2.0, np.eye(2)).eval().round(6))
    -3.531024
    """
    values, target = as_floats("stats.wishart.logpdf", {"x": x, "df": df, "scale": scale})
    point, freedom, spread = values["x"], values["df"], values["scale"]
    if spread.ndim != 2 or point.ndim != 2 or freedom.ndim:
        raise ShapeError(f"wishart: x is {point.type}, df {freedom.type}, scale {spread.type}",
                         remedy="pass matrices (p, p) and a scalar df")  # fmt: skip
    p = as_variable(spread.shape[-1]).astype(spread.dtype)
    lower, upper = OPS["linalg.cholesky"](point), OPS["linalg.cholesky"](spread)
    logs = [2 * _sum(log(OPS["diagonal"](v))) for v in (lower, upper)]
    inner = OPS["sum"](square(OPS["linalg.solve"](upper, lower)))
    free = (freedom - p - 1) * logs[0] - freedom * (p * math.log(2) + logs[1]) - inner
    steps = OPS["arange"](spread.shape[-1], dtype=spread.dtype)
    parts = _sum(gammaln(0.5 * freedom - 0.5 * steps)) + p * (p - 1) * (math.log(math.pi) / 4)
    return where(freedom > p - 1, 0.5 * free - parts, np.nan).astype(target)
