"""Distributions of counts. A derivative by the count itself raises GradientError: it jumps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.ops.elementwise import exp, expm1, log, square, where
from graphad.ops.special.entropy import entr, xlog1py, xlogy
from graphad.ops.special.error import log1mexp
from graphad.ops.special.gamma import gammaln
from graphad.ops.special.incomplete import betainc, betaincc, betaln, gammainc, gammaincc
from graphad.ops.stats.declare import INF, declare, half_line

_COUNTS = np.array([0, 1, 2, 3, 5])
_CHANCE = (0.2, 0.8)


def _is_probability(p: Variable) -> list[Variable]:
    return [p >= 0, p <= 1]


def _is_chance(p: Variable) -> list[Variable]:
    return [p > 0, p <= 1]


declare(
    "poisson", "mu", counts=True, support=half_line, valid=lambda mu: [mu >= 0],
    domain=(_COUNTS, (0.7, 4.0)),
    logpmf=lambda k, mu: xlogy(k, mu) - mu - gammaln(k + 1),
    cdf=lambda k, mu: gammaincc(k + 1, mu), sf=lambda k, mu: gammainc(k + 1, mu),
    mean=lambda mu: mu, var=lambda mu: mu)  # fmt: skip
declare(
    "bernoulli", "p", counts=True, support=lambda p: (0.0, 1.0), valid=_is_probability,
    domain=(np.array([0, 1]), _CHANCE),
    logpmf=lambda k, p: xlogy(k, p) + xlog1py(1 - k, -p),
    cdf=lambda k, p: where(k < 1, 1 - p, 1 + 0 * k), sf=lambda k, p: where(k < 1, p, 0 * k),
    entropy=lambda p: entr(p) + entr(1 - p), mean=lambda p: p, var=lambda p: p * (1 - p),
)  # fmt: skip
declare(
    "geom", "p", counts=True, support=lambda p: (1.0, INF), valid=_is_chance,
    domain=(np.array([1, 2, 3, 5]), _CHANCE),
    logpmf=lambda k, p: log(p) + xlog1py(k - 1, -p),
    cdf=lambda k, p: -expm1(xlog1py(k, -p)), logcdf=lambda k, p: log1mexp(xlog1py(k, -p)),
    sf=lambda k, p: exp(xlog1py(k, -p)), logsf=lambda k, p: xlog1py(k, -p),
    mean=lambda p: 1 / p, var=lambda p: (1 - p) / square(p))  # fmt: skip


# ---- number of successes ---------------------------------------------------------------------
def _binomial(k: Variable, n: Variable, p: Variable) -> Variable:
    ways = -log(n + 1) - betaln(n - k + 1, k + 1)
    return ways + xlogy(k, p) + xlog1py(n - k, -p)


def _is_binomial(n: Variable, p: Variable) -> Sequence[Variable]:
    return [n >= 0, OPS["floor"](n) == n, *_is_probability(p)]


declare(
    "binom", "n", "p", counts=True, support=lambda n, p: (0.0, n), valid=_is_binomial,
    domain=(_COUNTS, np.array([6, 8, 11]), _CHANCE),
    logpmf=_binomial,
    cdf=lambda k, n, p: where(k < n, betaincc(k + 1, where(k < n, n - k, 1), p), 1 + 0 * k),
    sf=lambda k, n, p: where(k < n, betainc(k + 1, where(k < n, n - k, 1), p), 0 * k),
    mean=lambda n, p: n * p, var=lambda n, p: n * p * (1 - p))  # fmt: skip
declare(
    "nbinom", "n", "p", counts=True, support=lambda n, p: (0.0, INF),
    valid=lambda n, p: [n > 0, *_is_chance(p)], domain=(_COUNTS, (1.2, 4.0), _CHANCE),
    logpmf=lambda k, n, p: gammaln(n + k) - gammaln(k + 1) - gammaln(n) + n * log(p)
    + xlog1py(k, -p),
    cdf=lambda k, n, p: betainc(n, k + 1, p), sf=lambda k, n, p: betaincc(n, k + 1, p),
    mean=lambda n, p: n * (1 - p) / p, var=lambda n, p: n * (1 - p) / square(p))  # fmt: skip
