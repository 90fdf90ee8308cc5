"""Polynomials and points: vander, poly (from roots), roots, polyfit (from values)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import Declared, fit, public, weigh
from graphad.ir.families.decomposition import MatrixOp, lapack_dtype
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.functions.polynomials import filled

_X = np.array([-1.2, -0.4, 0.5, 1.1, 1.9])
_P = np.array([2.0, -1.5, 3.0, 1.25])
_MATRIX = np.array([[1.5, -1.0, 0.5], [2.0, 1.0, 0.25], [-0.5, 1.0, -2.0]])
_SIMPLE = "fdFD"  # the dtypes that np.poly keeps


def _points(name: str, argument: str, value: Any) -> Variable:
    variable = as_variable(value)
    if variable.ndim != 1:
        raise ShapeError(f"{name}: {argument} is {variable.type}", remedy="it needs one axis")
    return variable


# ---- powers of points ------------------------------------------------------------------------
@public(np.vander, topic="polynomials", samples=lambda rng: [
    Sample((_X,)), Sample((_X,), {"N": 3}), Sample((_X,), {"N": 4, "increasing": True}),
    Sample((_X,), {"N": 0}),
])  # fmt: skip
def vander(x: Any, N: Any = None, increasing: bool = False) -> Variable:
    """Powers x^(N-1), …, x⁰ in the columns of a matrix (n, N), as ``np.vander``.

    N: None for n, an int or an entry of a ``.shape``. increasing: x⁰ first. 0⁰ is 1.
    Raises ShapeError unless x is a vector.

    >>> import graphad as ga
    >>> ga.vander(ga.constant([1.0, 2.0, 3.0]), 3).eval()
    array([[1., 1., 1.],
           [4., 2., 1.],
           [9., 3., 1.]])
    """
    points = _points("vander", "x", x)
    count = points.shape[0] if N is None else N
    if isinstance(count, int | np.integer) and count < 0:
        raise UseError(f"vander: N={N!r} is negative", remedy="pass 0 or more")
    dtype = np.promote_types(points.dtype, int)
    exponents = OPS["arange"](count)
    exponents = exponents if increasing else as_variable(count) - 1 - exponents
    found: Variable = OPS["power"](points.astype(dtype)[:, None], exponents.astype(dtype))
    return found


# ---- from roots ------------------------------------------------------------------------------
class Monic(Declared):
    """Π (t - z_i) for roots z (…, n): the coefficients (…, n + 1), the highest, 1, first.

    ∂/∂z_i is minus the polynomial of the other roots: nothing is divided by.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        *stack, n = types[0].shape
        return (TensorType(types[0].dtype, (*stack, n + 1)),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        z = np.asarray(arrays[0])
        found = np.zeros((*z.shape[:-1], z.shape[-1] + 1), z.dtype)
        found[..., 0] = 1
        for i in range(z.shape[-1]):
            found[..., 1 : i + 2] -= z[..., i : i + 1] * found[..., : i + 1]
        return found

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [self(*operands)]

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        (z,), g = node.inputs, cotangents[0]
        if g is None:
            return [None]
        n = z.shape[-1]
        rows, columns = OPS["arange"](n)[:, None], OPS["arange"](OPS["maximum"](n, 1) - 1)
        others = z[..., columns + (columns >= rows)]
        found = OPS["sum"](weigh(g[..., None, 1:], _monic(others)), axis=-1)
        return [fit(-found, z)]


_monic = Monic("monic")


@public(np.poly, topic="polynomials", samples=lambda rng: [
    Sample((_X,)), Sample((np.array([1.5, 1.5, -2.0]),)), Sample((_MATRIX,)),
], reference=lambda z: np.atleast_1d(np.poly(z)))  # fmt: skip
def poly(seq_of_zeros: Any) -> Variable:
    """The polynomial with these roots (n,) and leading coefficient 1, as ``np.poly``: (n + 1,).

    Of a square matrix: its characteristic polynomial, from its eigenvalues, real for a real matrix
    and differentiable where they differ. Complex roots give complex coefficients, also where NumPy
    sees that they come in conjugate pairs; no roots give [1.0]. The dtype is float64 but for
    float32 and complex roots. Derivatives by roots hold for multiple roots too.
    Raises ShapeError for other arrays.

    >>> import graphad as ga
    >>> ga.poly(ga.constant([1.0, 2.0])).eval()
    array([ 1., -3.,  2.])
    """
    zeros = as_variable(seq_of_zeros)
    if zeros.ndim == 2:
        found = poly(OPS["linalg.eigvals"](zeros))
        return found if zeros.dtype.kind == "c" else OPS["real"](found)
    zeros = _points("poly", "seq_of_zeros", zeros)
    result: Variable = _monic(zeros if zeros.dtype.char in _SIMPLE else zeros.astype("float64"))
    return result


# ---- to roots --------------------------------------------------------------------------------
def _roots_types(p: TensorType) -> list[TensorType]:
    dtype = np.result_type(lapack_dtype("roots", p), np.complex64)
    size = p.shape[0]
    if size == 0:
        raise ShapeError("roots: p has no coefficients", remedy="pass at least one")
    return [TensorType(dtype, (size - 1,))]


def _roots(p: Any) -> Any:
    if not p.size or p[0] == 0:
        raise ValueError("roots: the leading coefficient p[0] is zero or missing")
    dtype = np.result_type(p.dtype if p.dtype.kind in "fc" else np.float64, np.complex64)
    return np.roots(p).astype(dtype)


def _roots_vjp(node: Apply, cotangents: Sequence[Variable | None]) -> list[Any]:
    """Σ_k p_k rⁿ⁻ᵏ = 0, so ∂r/∂p_k = -rⁿ⁻ᵏ / p'(r)."""
    (p,), r, g = node.inputs, node.output(0), cotangents[0]
    assert g is not None

    def to_p() -> Variable:
        powers = vander(r, p.shape[0])
        count = r.shape[0]
        slope = OPS["sum"](powers[:, 1:] * p[:-1] * (count - OPS["arange"](count)), axis=1)
        weighted = weigh(weigh(g, 1 / slope)[:, None], powers)
        total: Variable = OPS["sum"](weighted, axis=0)
        return -total

    return [to_p]


_all_roots = MatrixOp(
    "roots", types=_roots_types, value=_roots, vjp=_roots_vjp, hazard=RISKY,
    core=None)  # fmt: skip


@public(np.roots, topic="polynomials", samples=lambda rng: [
    Sample((_P,)), Sample((np.array([1.5, -2.0, -6.5, 4.0, 1.0]),)), Sample((_P[:2],)),
], reference=lambda p: _roots(p) if p.dtype.char != "e" else np.linalg.eigvals(p))  # fmt: skip
def roots(p: Any) -> Variable:
    """The roots of the polynomial p (n,), as ``np.roots``: (n - 1,), complex, in NumPy's order.

    The result is complex also if all roots are real, since that depends on values; so does whether
    p[0] is zero, which is a ValueError at run time. Derivatives by the implicit function theorem,
    infinite at multiple roots. Raises ShapeError unless p is a vector with elements, DTypeError
    for float16.

    >>> import graphad as ga
    >>> ga.roots(ga.constant([1.0, -3.0, 2.0])).eval().real.round(12)
    array([2., 1.])
    """
    found: Variable = _all_roots(_points("roots", "p", p))
    return found


# ---- from values -----------------------------------------------------------------------------
def _fit_samples(rng: np.random.Generator) -> list[Sample]:
    y = np.sin(_X) + 0.2 * np.arange(5)
    weights = np.array([1.0, 0.5, 2.0, 1.5, 0.7])
    return [
        Sample((_X, y), {"deg": 2}), Sample((_X, np.stack([y, y**2], axis=1)), {"deg": 1}),
        Sample((_X, y), {"deg": 1}, {"w": weights}), Sample((_X, y), {"deg": 1, "cov": True}),
        Sample((_X, np.stack([y, y**2], axis=1)), {"deg": 1, "cov": True}),
        Sample((_X, y), {"deg": 2, "cov": "unscaled"}),
    ]  # fmt: skip


@public(np.polyfit, topic="polynomials", samples=_fit_samples)
def polyfit(
    x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None,
    cov: Any = False,
) -> Any:  # fmt: skip
    """The polynomial of degree `deg` with least squares error at points (x, y), as ``np.polyfit``.

    x (n,), y (n,) or (n, k), w (n,) weights: coefficients (deg + 1,) or (deg + 1, k), the highest
    power first; differentiable in x, y and w. By the pseudoinverse of the Vandermonde matrix with
    scaled columns; singular values below rcond (None: n·ε) times the largest count as 0.
    cov: also the covariance of the coefficients (deg + 1, deg + 1), or (…, k); "unscaled" without
    the variance of the residuals. Raises ShapeError for sizes that do not fit, DTypeError for
    float16 values y and for complex weights of real points, UseError for full=True.

    >>> import graphad as ga
    >>> ga.polyfit(ga.constant([0.0, 1.0, 2.0]), [1.0, 3.0, 5.0], 1).eval().round(12)
    array([2., 1.])
    """
    points, values, order = _checked_fit(x, y, deg, full)
    size = points.type.shape[0]
    matrix = vander(points, order)
    if w is not None:
        weights = _points("polyfit", "w", w) + 0.0
        kept, matrix = matrix.dtype, matrix * weights[:, None]
        weighted = values * (weights[:, None] if values.ndim == 2 else weights)
        matrix, values = matrix.astype(kept), weighted.astype(values.dtype)
    if rcond is None and isinstance(size, int):
        rcond = size * float(np.finfo(points.dtype).eps)
    scale = OPS["sqrt"](OPS["sum"](matrix * matrix, axis=0))
    scaled = matrix / scale
    found = OPS["linalg.pinv"](scaled, rcond) @ values
    result = found / (scale[:, None] if values.ndim == 2 else scale)
    if not cov:
        return result
    base = OPS["linalg.inv"](scaled.T @ scaled) / OPS["outer"](scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        return result, base
    if isinstance(size, int) and size <= order:
        raise ShapeError(f"polyfit: {size} points for {order} coefficients with cov={cov!r}",
                         remedy="give more points, or cov='unscaled'")  # fmt: skip
    rest = OPS["sum"](OPS["square"](OPS["abs"](values - scaled @ found)), axis=0)
    factor = rest / (as_variable(points.shape[0]) - order)
    return result, (base[:, :, None] * factor if values.ndim == 2 else base * factor)


def _checked_fit(x: Any, y: Any, deg: Any, full: bool) -> tuple[Variable, Variable, int]:
    if full:
        raise UseError("polyfit(..., full=True)", cause="the size of the residuals is known only "
                       "at run time", remedy="compute them: y - ga.polyval(p, x)")  # fmt: skip
    if isinstance(deg, bool) or not isinstance(deg, int | np.integer) or deg < 0:
        raise UseError(f"polyfit: deg={deg!r}", remedy="pass an integer, 0 or more")
    points, values = filled(_points("polyfit", "x", x) + 0.0), as_variable(y) + 0.0
    lapack_dtype("polyfit", values.type)
    n = points.type.shape[0]
    if n == 0 or values.ndim not in (1, 2):
        raise ShapeError(
            f"polyfit: x is {points.type}, y is {values.type}",
            remedy="give points x (n,), n ≥ 1, and values y (n,) or (n, k)",
        )
    m = values.type.shape[0]
    if isinstance(n, int) and isinstance(m, int) and n != m:
        raise ShapeError(f"polyfit: {n} points x, {m} values y", remedy="give one for each")
    return points, values, int(deg) + 1
