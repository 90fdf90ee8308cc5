"""Continuous distributions without shape parameters, or that follow from the normal one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.ops.activation import sigmoid, softplus
from graphad.ops.elementwise import exp, expm1, log, log1p, logaddexp, square, where
from graphad.ops.special.bessel import i0e, i1e
from graphad.ops.special.error import (
    erf,
    erfinv,
    log1mexp,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    ndtri_exp,
)
from graphad.ops.stats.declare import declare, half_line
from graphad.ops.trigonometric import arctan, arctan2, sin, tan

_LOG_ROOT = 0.5 * math.log(2 * math.pi)
_LINE = np.array([-1.9, -1.2, -0.4, 0.3, 0.9, 1.6])
_HALF = (0.3, 2.5)


def _log_phi(z: Any) -> Any:
    return -0.5 * square(z) - _LOG_ROOT


declare(
    "norm", domain=(_LINE,),
    logpdf=_log_phi, cdf=ndtr, logcdf=log_ndtr, sf=lambda z: ndtr(-z),
    logsf=lambda z: log_ndtr(-z), ppf=ndtri,
    entropy=lambda: 0.5 + _LOG_ROOT, mean=lambda: 0.0, var=lambda: 1.0)  # fmt: skip
declare(
    "uniform", support=lambda: (0.0, 1.0), domain=((0.15, 0.85),),
    logpdf=lambda z: 0 * z, cdf=lambda z: z, sf=lambda z: 1 - z, logcdf=log,
    logsf=lambda z: log1p(-z), ppf=lambda q: q,
    entropy=lambda: 0.0, mean=lambda: 0.5, var=lambda: 1 / 12)  # fmt: skip
declare(
    "expon", support=half_line, domain=(_HALF,),
    logpdf=lambda z: -z, cdf=lambda z: -expm1(-z), logcdf=lambda z: log1mexp(-z),
    sf=lambda z: exp(-z), logsf=lambda z: -z, ppf=lambda q: -log1p(-q),
    entropy=lambda: 1.0, mean=lambda: 1.0, var=lambda: 1.0)  # fmt: skip


# ---- two-sided -------------------------------------------------------------------------------
def _laplace_cdf(z: Variable) -> Variable:
    return where(z < 0, 0.5 * exp(z), 1 - 0.5 * exp(-z))


def _laplace_logcdf(z: Variable) -> Variable:
    return where(z < 0, z - math.log(2), log1p(-0.5 * exp(-z)))


declare(
    "laplace", domain=(_LINE,),
    logpdf=lambda z: -abs(z) - math.log(2), cdf=_laplace_cdf, logcdf=_laplace_logcdf,
    sf=lambda z: _laplace_cdf(-z), logsf=lambda z: _laplace_logcdf(-z),
    ppf=lambda q: where(q < 0.5, log(2 * q), -math.log(2) - log1p(-q)),
    entropy=lambda: 1 + math.log(2), mean=lambda: 0.0, var=lambda: 2.0)  # fmt: skip
declare(
    "logistic", domain=(_LINE,),
    logpdf=lambda z: -softplus(z) - softplus(-z), cdf=sigmoid, logcdf=lambda z: -softplus(-z),
    sf=lambda z: sigmoid(-z), logsf=lambda z: -softplus(z), ppf=logit,
    entropy=lambda: 2.0, mean=lambda: 0.0, var=lambda: math.pi**2 / 3)  # fmt: skip
declare(
    "cauchy", domain=(_LINE,),
    logpdf=lambda z: -math.log(math.pi) - log1p(square(z)),
    cdf=lambda z: arctan2(1 + 0 * z, -z) / math.pi, sf=lambda z: arctan2(1 + 0 * z, z) / math.pi,
    ppf=lambda q: -1 / tan(math.pi * q), entropy=lambda: math.log(4 * math.pi))  # fmt: skip
declare(
    "gumbel_r", domain=(_LINE,),
    logpdf=lambda z: -z - exp(-z), cdf=lambda z: exp(-exp(-z)), logcdf=lambda z: -exp(-z),
    sf=lambda z: -expm1(-exp(-z)), logsf=lambda z: log1mexp(-exp(-z)),
    ppf=lambda q: -log(-log(q)),
    entropy=lambda: 1 + np.euler_gamma, mean=lambda: np.euler_gamma,
    var=lambda: math.pi**2 / 6)  # fmt: skip

# ---- one-sided -------------------------------------------------------------------------------
_ROOT = math.sqrt(2.0)

declare(
    "halfnorm", support=half_line, domain=(_HALF,),
    logpdf=lambda z: 0.5 * math.log(2 / math.pi) - 0.5 * square(z),
    cdf=lambda z: erf(z / _ROOT), sf=lambda z: 2 * ndtr(-z),
    logsf=lambda z: math.log(2) + log_ndtr(-z), ppf=lambda q: _ROOT * erfinv(q),
    entropy=lambda: 0.5 * math.log(math.pi / 2) + 0.5, mean=lambda: math.sqrt(2 / math.pi),
    var=lambda: 1 - 2 / math.pi)  # fmt: skip
declare(
    "halfcauchy", support=half_line, domain=(_HALF,),
    logpdf=lambda z: math.log(2 / math.pi) - log1p(square(z)),
    cdf=lambda z: 2 / math.pi * arctan(z), sf=lambda z: 2 / math.pi * arctan2(1 + 0 * z, z),
    ppf=lambda q: tan(math.pi / 2 * q), entropy=lambda: math.log(2 * math.pi))  # fmt: skip
declare(
    "lognorm", "s", support=half_line, open=True, domain=(_HALF, (0.5, 1.5)),
    logpdf=lambda z, s: _log_phi(log(z) / s) - log(z) - log(s),
    cdf=lambda z, s: ndtr(log(z) / s), logcdf=lambda z, s: log_ndtr(log(z) / s),
    sf=lambda z, s: ndtr(-log(z) / s), logsf=lambda z, s: log_ndtr(-log(z) / s),
    ppf=lambda q, s: exp(s * ndtri(q)),
    entropy=lambda s: 0.5 + _LOG_ROOT + log(s), mean=lambda s: exp(0.5 * square(s)),
    var=lambda s: expm1(square(s)) * exp(square(s)))  # fmt: skip


# ---- circular and truncated ------------------------------------------------------------------
declare(
    "vonmises", "kappa", valid=lambda k: [k >= 0], domain=(_LINE, (0.5, 3.0)),
    logpdf=lambda z, k: -2 * k * square(sin(z / 2)) - 2 * _LOG_ROOT - log(i0e(k)),
    entropy=lambda k: k - k * i1e(k) / i0e(k) + 2 * _LOG_ROOT + log(i0e(k)))  # fmt: skip


def _log_mass(a: Variable, b: Variable) -> Variable:
    """log(Φ(b) - Φ(a)) for a < b, from the smaller tail."""
    right = a > 0
    near, far = where(right, -a, b), where(right, -b, a)
    return log_ndtr(near) + log1mexp(log_ndtr(far) - log_ndtr(near))


def _truncated_quantile(q: Variable, a: Variable, b: Variable) -> Variable:
    """Φ(x) = Φ(a) + q·mass, or Φ(-x) = Φ(-b) + (1-q)·mass, in logarithms from the smaller tail."""
    right, mass = a > 0, _log_mass(a, b)
    start = log_ndtr(where(right, -b, a))
    z = ndtri_exp(logaddexp(start, where(right, log1p(-q), log(q)) + mass))
    return where(right, -z, z)


def _phi(z: Variable) -> Variable:
    return exp(_log_phi(z))


def _truncated_mean(a: Variable, b: Variable) -> Variable:
    return (_phi(a) - _phi(b)) * exp(-_log_mass(a, b))


def _ends(a: Variable, b: Variable) -> Variable:
    """a·φ(a) - b·φ(b), over the mass; 0 at infinite ends."""
    first, second = (where(OPS["isfinite"](v), v * _phi(v), 0) for v in (a, b))
    return (first - second) * exp(-_log_mass(a, b))


declare(
    "truncnorm", "a", "b", support=lambda a, b: (a, b), valid=lambda a, b: [a < b],
    domain=((-0.6, 1.4), (-1.6, -0.8), (1.6, 2.6)),
    logpdf=lambda z, a, b: _log_phi(z) - _log_mass(a, b),
    logcdf=lambda z, a, b: _log_mass(a, z) - _log_mass(a, b),
    cdf=lambda z, a, b: exp(_log_mass(a, z) - _log_mass(a, b)),
    sf=lambda z, a, b: exp(_log_mass(z, b) - _log_mass(a, b)),
    logsf=lambda z, a, b: _log_mass(z, b) - _log_mass(a, b), ppf=_truncated_quantile,
    entropy=lambda a, b: 0.5 + _LOG_ROOT + _log_mass(a, b) + 0.5 * _ends(a, b),
    mean=_truncated_mean,
    var=lambda a, b: 1 + _ends(a, b) - square(_truncated_mean(a, b)))  # fmt: skip
