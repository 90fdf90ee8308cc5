"""Continuous distributions with shape parameters: the gamma and beta families, powers, t and F."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.ir.variable import Variable
from graphad.ops.elementwise import exp, expm1, log, log1p, power, square, where
from graphad.ops.special.entropy import xlogy
from graphad.ops.special.error import log1mexp
from graphad.ops.special.gamma import digamma, gammaln
from graphad.ops.special.gamma import gamma as gamma_function
from graphad.ops.special.incomplete import (
    beta_density,
    betainc,
    betaincc,
    betaincinv,
    betaln,
    gamma_density,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    stdtr,
    stdtrit,
    t_density,
)
from graphad.ops.stats.declare import INF, declare, half_line

_LOG2 = float(np.log(2))
_HALF, _SHAPE = (0.4, 2.5), (0.6, 3.0)


def _if_above(limit: float, shape: Variable, value: Any, other: Any = INF) -> Variable:
    """A moment that exists for shapes above a limit."""
    return where(shape > limit, value, other)


# ---- the gamma family ------------------------------------------------------------------------
def _gamma_entropy(a: Variable) -> Variable:
    return a + gammaln(a) + (1 - a) * digamma(a)


declare(
    "gamma", "a", support=half_line, domain=(_HALF, _SHAPE),
    logpdf=lambda z, a: gamma_density(a, z),
    cdf=lambda z, a: gammainc(a, z), sf=lambda z, a: gammaincc(a, z),
    ppf=lambda q, a: gammaincinv(a, q),
    entropy=_gamma_entropy, mean=lambda a: a, var=lambda a: a)  # fmt: skip
declare(
    "chi2", "df", support=half_line, domain=(_HALF, (1.5, 5.0)),
    logpdf=lambda z, df: gamma_density(df / 2, z / 2) - _LOG2,
    cdf=lambda z, df: gammainc(df / 2, z / 2), sf=lambda z, df: gammaincc(df / 2, z / 2),
    ppf=lambda q, df: 2 * gammaincinv(df / 2, q),
    entropy=lambda df: _gamma_entropy(df / 2) + _LOG2, mean=lambda df: df,
    var=lambda df: 2 * df)  # fmt: skip
declare(
    "invgamma", "a", support=half_line, open=True, domain=(_HALF, (2.3, 4.0)),
    logpdf=lambda z, a: -(a + 1) * log(z) - gammaln(a) - 1 / z,
    cdf=lambda z, a: gammaincc(a, 1 / z), sf=lambda z, a: gammainc(a, 1 / z),
    ppf=lambda q, a: 1 / gammainccinv(a, q),
    entropy=lambda a: a - (a + 1) * digamma(a) + gammaln(a),
    mean=lambda a: _if_above(1, a, 1 / (a - 1)),
    var=lambda a: _if_above(2, a, 1 / (square(a - 1) * (a - 2))))  # fmt: skip

# ---- powers of other variables ---------------------------------------------------------------
_GAMMA = float(np.euler_gamma)


def _weibull_var(c: Variable) -> Variable:
    return gamma_function(1 + 2 / c) - square(gamma_function(1 + 1 / c))


declare(
    "weibull_min", "c", support=half_line, domain=(_HALF, (0.8, 2.5)),
    logpdf=lambda z, c: log(c) + xlogy(c - 1, z) - power(z, c),
    cdf=lambda z, c: -expm1(-power(z, c)), logcdf=lambda z, c: log1mexp(-power(z, c)),
    sf=lambda z, c: exp(-power(z, c)), logsf=lambda z, c: -power(z, c),
    ppf=lambda q, c: power(-log1p(-q), 1 / c),
    entropy=lambda c: 1 + _GAMMA - _GAMMA / c - log(c),
    mean=lambda c: gamma_function(1 + 1 / c), var=_weibull_var)  # fmt: skip
declare(
    "pareto", "b", support=lambda b: (1.0, INF), domain=((1.2, 3.0), (2.4, 4.0)),
    logpdf=lambda z, b: log(b) - (b + 1) * log(z),
    cdf=lambda z, b: -expm1(-b * log(z)), logcdf=lambda z, b: log1mexp(-b * log(z)),
    sf=lambda z, b: power(z, -b), logsf=lambda z, b: -b * log(z),
    ppf=lambda q, b: exp(-log1p(-q) / b), entropy=lambda b: 1 + 1 / b - log(b),
    mean=lambda b: _if_above(1, b, b / (b - 1)),
    var=lambda b: _if_above(2, b, b / ((b - 2) * square(b - 1))))  # fmt: skip


# ---- the beta family -------------------------------------------------------------------------
def _beta_entropy(a: Variable, b: Variable) -> Variable:
    both = (a + b - 2) * digamma(a + b)
    return betaln(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b) + both


declare(
    "beta", "a", "b", support=lambda a, b: (0.0, 1.0), domain=((0.3, 0.85), _SHAPE, _SHAPE),
    logpdf=lambda z, a, b: beta_density(a, b, z),
    cdf=lambda z, a, b: betainc(a, b, z), sf=lambda z, a, b: betaincc(a, b, z),
    ppf=lambda q, a, b: betaincinv(a, b, q), entropy=_beta_entropy,
    mean=lambda a, b: a / (a + b),
    var=lambda a, b: a * b / (square(a + b) * (a + b + 1)))  # fmt: skip


def _t_entropy(df: Variable) -> Variable:
    half = (df + 1) / 2
    return half * (digamma(half) - digamma(df / 2)) + 0.5 * log(df) + betaln(df / 2, 0.5)


declare(
    "t", "df", domain=(np.array([-1.9, -0.7, 0.4, 1.3]), (2.4, 5.0)),
    logpdf=lambda z, df: t_density(df, z),
    cdf=lambda z, df: stdtr(df, z), sf=lambda z, df: stdtr(df, -z),
    ppf=lambda q, df: stdtrit(df, q), entropy=_t_entropy,
    mean=lambda df: _if_above(1, df, 0 * df),
    var=lambda df: _if_above(2, df, df / (df - 2), where(df > 1, INF, np.nan)))  # fmt: skip


def _ratio(z: Variable, n: Variable, m: Variable) -> Variable:
    """n·z/(m + n·z), whose distribution is beta(n/2, m/2)."""
    return n * z / (m + n * z)


def _f_density(z: Variable, n: Variable, m: Variable) -> Variable:
    ratio = n / m
    return (
        0.5 * n * log(ratio) + xlogy(n / 2 - 1, z) - (n + m) / 2 * log1p(ratio * z)
        - betaln(n / 2, m / 2)
    )  # fmt: skip


def _f_quantile(q: Variable, n: Variable, m: Variable) -> Variable:
    part = betaincinv(n / 2, m / 2, q)
    return m * part / (n * (1 - part))


def _f_entropy(n: Variable, m: Variable) -> Variable:
    half, other, both = n / 2, m / 2, (n + m) / 2
    return (
        log(m) - log(n) + betaln(half, other) + (1 - half) * digamma(half)
        - (1 + other) * digamma(other) + both * digamma(both)
    )  # fmt: skip


declare(
    "f", "dfn", "dfd", support=half_line, domain=(_HALF, (1.5, 4.0), (4.6, 7.0)),
    logpdf=_f_density,
    cdf=lambda z, n, m: betainc(n / 2, m / 2, _ratio(z, n, m)),
    sf=lambda z, n, m: betaincc(n / 2, m / 2, _ratio(z, n, m)),
    ppf=_f_quantile, entropy=_f_entropy,
    mean=lambda n, m: _if_above(2, m, m / (m - 2) + 0 * n),
    var=lambda n, m: _if_above(
        4, m, 2 * square(m) * (n + m - 2) / (n * square(m - 2) * (m - 4))))  # fmt: skip
