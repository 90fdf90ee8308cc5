"""Distributions of real vectors: Dirichlet and the multivariate normal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import weigh
from graphad.ir.families.random import Drawn, Flows
from graphad.ir.op import OPS
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Variable
from graphad.ops.random.continuous import standard_normal
from graphad.ops.random.declare import REQUIRED, distribution
from graphad.ops.special.incomplete import beta_slopes


# ---- Dirichlet ---------------------------------------------------------------------------------
def _one_vector(given: Sequence[TensorType], size: Shape | None) -> TensorType:
    if given[0].ndim != 1:
        raise ShapeError(
            f"random.dirichlet: alpha has {given[0].ndim} axes",
            cause="it is one vector, with an element for each class",
            remedy="draw for each row by itself",
        )
    return TensorType("float64", (*(size or ()), given[0].shape[0]))


def _slopes(drawn: Drawn) -> tuple[Variable, Variable, Variable]:
    """(∂y_i/∂α_i of the beta marginal of y_i, y, 1 - y_i kept from 0)."""
    y, (alpha,) = drawn.y, drawn.parameters
    total = OPS["sum"](alpha)
    slope = beta_slopes(alpha, total - alpha, y)[0]
    rest = 1 - y
    return slope, y, OPS["where"](rest > 0, rest, 1.0)


# A move of α_i moves y_i as its marginal, beta(α_i, α_0 - α_i), says, and takes the others'
# shares in proportion: ∂y_j/∂α_i = s_i·(δ_ij - y_j)/(1 - y_i). Source: M. Jankowiak,
# F. Obermeyer, "Pathwise derivatives beyond the reparameterization trick" (2018), section 4.
def _pull_dirichlet(drawn: Drawn, g: Variable) -> Sequence[Callable[[], Variable | None]]:
    def by_alpha() -> Variable:
        slope, y, rest = _slopes(drawn)
        inner = OPS["sum"](weigh(g, y), axis=-1, keepdims=True)
        parts = (g - inner) * (slope / rest)
        lead = tuple(range(y.ndim - 1))
        return OPS["sum"](parts, axis=lead) if lead else parts

    return (by_alpha,)


def _push_dirichlet(drawn: Drawn, tangents: Flows) -> Variable | None:
    (t,) = tangents
    if t is None:
        return None
    slope, y, rest = _slopes(drawn)
    moved = t * slope / rest
    return moved - y * OPS["sum"](moved, axis=-1, keepdims=True)


dirichlet = distribution(
    "dirichlet", {"alpha": REQUIRED}, None, result=_one_vector, pull=_pull_dirichlet,
    push=_push_dirichlet, example="alpha=[1.0, 2.0, 3.0], size=3",
    doc="Vectors (..., k) of shares that sum to 1, with concentrations alpha (k,).",
)  # fmt: skip


# ---- multivariate normal -----------------------------------------------------------------------
_METHODS = ("svd", "eigh", "cholesky")


def _normal(
    given: Sequence[TensorType], size: Shape | None, method: str, **_: Any
) -> TensorType:  # fmt: skip
    mean, cov = given
    if method not in _METHODS:
        raise UseError(
            f"random.multivariate_normal: method={method!r}",
            remedy=f"choose one of {', '.join(_METHODS)}",
        )
    fits = mean.ndim == 1 and cov.ndim == 2
    if not fits or None in (joint_size(mean.shape[0], size) for size in cov.shape):
        raise ShapeError(
            f"random.multivariate_normal: mean is {mean}, cov is {cov}",
            cause="mean is a vector (n,), cov a matrix (n, n)",
            remedy="draw for each mean by itself",
        )
    return TensorType("float64", (*(size or ()), mean.shape[0]))


def _factor(drawn: Drawn) -> Any:
    """The Cholesky factor, of which the numbers are mean + factor @ z."""
    return OPS["linalg.cholesky"](drawn.parameters[1])


def _deviates(drawn: Drawn) -> Variable:
    return drawn.again(standard_normal.family)


def _whitened(drawn: Drawn) -> Variable:
    """Σ⁻¹(y - mean), by the pseudo-inverse: Σ may be singular."""
    mean, cov = drawn.parameters
    product: Variable = OPS["matmul"](drawn.y - mean, OPS["linalg.pinv"](cov, hermitian=True))
    return product


def _rows(x: Variable) -> Variable:
    """(..., n) as (m, n)."""
    flat: Variable = OPS["reshape"](x, (-1, x.shape[-1]))
    return flat


# By the factor, y = mean + Az, where the method is "cholesky". The factors by "svd" and "eigh"
# have no derivative where eigenvalues are equal; there dy = ½·dΣ·Σ⁻¹(y - mean), which moves the
# distribution by dΣ just as well: with dA = ½·dΣ·A⁻ᵀ, dA·Aᵀ + A·dAᵀ = dΣ.
def _pull_normal(drawn: Drawn, g: Variable) -> Sequence[Callable[[], Variable | None]]:
    def by_mean() -> Variable:
        return OPS["sum"](_rows(g), axis=0)

    def by_cov() -> Variable | None:
        cov = drawn.parameters[1]
        if drawn.node.op.params["method"] == "cholesky":
            factor = _factor(drawn)
            bar = OPS["matmul"](_rows(g).T, _rows(_deviates(drawn)))
            node = factor.owner
            return node.op.family.vjp(node, [bar], [True])[0]
        bar = OPS["matmul"](_rows(g).T, _rows(_whitened(drawn)))
        return ((bar + bar.T) / 4).astype(cov.dtype)

    return by_mean, by_cov


def _push_normal(drawn: Drawn, tangents: Flows) -> Variable | None:
    by_mean, by_cov = tangents
    total = None if by_mean is None else OPS["broadcast_to"](by_mean, drawn.y.shape)
    if by_cov is None:
        return total
    if drawn.node.op.params["method"] == "cholesky":
        node = _factor(drawn).owner
        (moved,) = node.op.family.jvp(node, [by_cov])
        part = OPS["matmul"](_deviates(drawn), moved.T)
    else:
        part = OPS["matmul"](_whitened(drawn), (by_cov + by_cov.T) / 4)
    return part if total is None else total + part


multivariate_normal = distribution(
    "multivariate_normal", {"mean": REQUIRED, "cov": REQUIRED}, None, result=_normal,
    static={"check_valid": "warn", "tol": 1e-8, "method": "svd"},
    named=("method",), pull=_pull_normal, push=_push_normal,
    example="mean=[1.0, 2.0], cov=[[2.0, 1.0], [1.0, 3.0]], size=3",
    doc="Vectors (..., n) with mean (n,) and covariance cov (n, n).\n\n"
    "Derivatives in cov go through the factor for method=\"cholesky\". For \"svd\" and \"eigh\",\n"
    "whose factors have none where eigenvalues are equal, they are ½·dΣ·Σ⁻¹(y - mean): gradients\n"
    "of expected values are the same.",
)  # fmt: skip
