"""Noncentral distributions: mixtures of central ones, of which a Poisson number j is drawn first.

With λ = nonc, noncentral chi-square is Σⱼ Pois(j; λ/2)·χ²(df + 2j). At a number y that was drawn,
j has the weights wⱼ ∝ Pois(j; λ/2)·pⱼ(y). For the quantile yⱼ(θ) of χ²(df + 2j) alone,
-∂Fⱼ/∂θ = pⱼ·∂yⱼ/∂θ, so

    ∂y/∂θ = -Σⱼ Pois(j)·∂Fⱼ/∂θ / Σⱼ Pois(j)·pⱼ = Σⱼ wⱼ·∂yⱼ/∂θ.

The same holds for the noncentral F and the beta distributions that it is made of. The weights are
log-concave: they are summed around their largest, at every h-th j where they are many, which costs
no digits as long as h is less than their deviation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphad.ir.families.random import Drawn
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.ops.elementwise import exp, log, maximum, sqrt, square, where
from graphad.ops.random.declare import REQUIRED, distribution
from graphad.ops.special.bessel import ive
from graphad.ops.special.gamma import gammaln
from graphad.ops.special.hypergeometric import hyp1f1
from graphad.ops.special.incomplete import beta_slopes, gamma_slope

TERMS = 80  # of a sum, ± 9 deviations
LEAST = 45.0  # below the largest log-weight: e⁻⁴⁵ is lost in any sum
TINY = 1e-300  # instead of 0 in a logarithm: so that there are derivatives at nonc = 0

Weights = Callable[[Variable], Variable]


def _mean(
    most: Variable, variance: Variable, weights: Weights, slopes: Callable[[Variable], Variable]
) -> Variable:
    """Σⱼ wⱼ·slopes(j), where log wⱼ = weights(j) + const is largest at `most`."""
    cut = OPS["stop_gradient"]
    step = maximum(OPS["ceil"](18 * sqrt(cut(variance)) / TERMS), 1.0)
    start = maximum(OPS["rint"](cut(most)) - step * (TERMS // 2), 0.0)
    j = start[..., None] + step[..., None] * np.arange(float(TERMS))
    known = cut(weights(j))
    largest = known.max(axis=-1, keepdims=True)
    live = (known > largest - LEAST) | (j <= 1.0)
    j = where(live, j, start[..., None])  # where all of it would be 0/0
    w = where(live, exp(weights(j) - largest), 0.0)
    total: Variable = (w * slopes(j)).sum(axis=-1) / w.sum(axis=-1)
    return total


# ---- chi-square ------------------------------------------------------------------------------
# log wⱼ = j·log z - log j! - log Γ(a + j) + const, with a = df/2 and z = λ·y/4; the largest is
# where (j + 1)·(a + j) = z.
def _by_df(drawn: Drawn, df: Variable, nonc: Variable) -> Variable:
    y = drawn.y
    a, z = (df + 0 * y) / 2, nonc * y / 4
    most = maximum((sqrt(square(a - 1) + 4 * z) - a - 1) / 2, 0.0)
    wide, last = log(z + TINY)[..., None], a[..., None]
    return _mean(
        most,
        1 / (1 / (most + 1) + 1 / (most + a)),
        lambda j: j * wide - gammaln(j + 1) - gammaln(last + j),
        lambda j: gamma_slope(last + j, (y / 2)[..., None]),
    )


def _by_nonc(drawn: Drawn, df: Variable, nonc: Variable) -> Variable:
    """∂F/∂λ = -p(y; k + 2, λ), and the ratio of the densities is √(y/λ)·I_(k/2)(z)/I_(k/2-1)(z)
    with z = √(λ·y); it is y/k at λ = 0."""
    none = nonc == 0
    safe = where(none, 1.0, nonc)
    z = sqrt(safe * drawn.y)
    ratio = sqrt(drawn.y / safe) * ive(df / 2, z) / ive(df / 2 - 1, z)
    return where(none, drawn.y / df, ratio)


noncentral_chisquare = distribution(
    "noncentral_chisquare", {"df": REQUIRED, "nonc": REQUIRED}, (_by_df, _by_nonc),
    doc="Chi-square of normal numbers that are not around 0.")  # fmt: skip


# ---- F ---------------------------------------------------------------------------------------
# With a = m/2, b = n/2, x = m·y/(m·y + n) of the degrees of freedom m, n, x is of Beta(a + j, b),
# log wⱼ = j·log c - log j! + log Γ(a + b + j) - log Γ(a + j) + const, with c = λ·x/2; the largest
# is where (j + 1)·(a + j) = c·(a + b + j).
def _of_beta(
    drawn: Drawn, dfnum: Variable, dfden: Variable, nonc: Variable, which: int
) -> Variable:
    """∂y/∂dfnum (which = 0) or ∂y/∂dfden (1), of y = n·x/(m·(1 - x))."""
    y = drawn.y
    scaled = dfnum * y / dfden
    x = scaled / (1 + scaled)
    a, b, c = (dfnum + 0 * y) / 2, (dfden + 0 * y) / 2, nonc * x / 2
    half = (c - a - 1) / 2
    most = maximum(half + sqrt(maximum(square(half) + c * (a + b) - a, 0.0)), 0.0)
    variance = 1 / (1 / (most + 1) + 1 / (most + a) - 1 / (most + a + b))
    first, second, wide = a[..., None], b[..., None], log(c + TINY)[..., None]
    mean = _mean(
        most,
        variance,
        lambda j: j * wide - gammaln(j + 1) + gammaln(first + second + j) - gammaln(first + j),
        lambda j: beta_slopes(first + j, second + 0 * j, x[..., None] + 0 * j)[which],
    )
    own = y / dfden if which else -y / dfnum
    return dfden / dfnum * square(1 + scaled) * mean / 2 + own


# ∂y/∂λ = y/m · M(a + b; a + 1; c) / M(a + b; a; c), with M = ₁F₁,
# where M(a; b; z) = exp(z)·M(b - a; b; -z) keeps large λ from overflowing.
def _by_nonc_of_f(drawn: Drawn, dfnum: Variable, dfden: Variable, nonc: Variable) -> Variable:
    a, b = dfnum / 2, dfden / 2
    z = nonc / 2 * (dfnum * drawn.y / (dfnum * drawn.y + dfden))
    ratio: Variable = hyp1f1(1 - b, a + 1, -z) / hyp1f1(-b, a, -z)
    return drawn.y / dfnum * ratio


noncentral_f = distribution(
    "noncentral_f", {"dfnum": REQUIRED, "dfden": REQUIRED, "nonc": REQUIRED},
    (lambda d, m, n, v: _of_beta(d, m, n, v, 0), lambda d, m, n, v: _of_beta(d, m, n, v, 1),
     _by_nonc_of_f),
    doc="F with a numerator that is not central.",
)  # fmt: skip
