"""Functions of matrices, batched: expm, sqrtm, logm, cosm, sinm, …

Derivatives: for an analytic f, the matrix ((A, E), (0, A)) of twice the size is mapped to
((f(A), L), (0, f(A))), where L is the derivative of f at A along E (R. Mathias, "A chain rule for
matrix functions and applications", SIAM J. Matrix Anal. Appl. 17 (1996); N. Higham, "Functions of
matrices" (2008), section 3.2). That holds for repeated eigenvalues too. An order of derivatives
costs eight times as much as the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.ir.families.common import public
from graphad.ir.families.decomposition import Cotangents, MatrixOp, lapack_dtype, square_shape
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.linalg.equations import solve_sylvester
from graphad.ops.linalg.lapack import common, like_lapack, stacked
from graphad.ops.linalg.svd import largest
from graphad.ops.linalg.systems import definite, regular, same_square

Rules = Sequence[Callable[[], Variable | None]]


# ---- the derivative of any of them -----------------------------------------------------------
def _along(node: Apply, a: Variable, e: Variable) -> Variable:
    """L: the derivative at A along E, which is scaled to the size of 1 for the sake of A."""
    axes = (e.ndim - 2, e.ndim - 1)
    size = OPS["stop_gradient"](largest(OPS["abs"](e), axis=axes, keepdims=True))
    size = OPS["where"](size > 0, size, 1)
    upper = OPS["concatenate"]([a, e / size], axis=-1)
    lower = OPS["concatenate"]([OPS["zeros_like"](a), a], axis=-1)
    n = a.shape[-1]
    family: Any = node.op.family
    block = family(OPS["concatenate"]([upper, lower], axis=-2), **node.op.params)
    return block[..., :n, n:] * size


def _block_vjp(node: Apply, gs: Cotangents) -> Rules:
    """Ā: the derivative at Aᵀ along the cotangent."""
    (a,), g = node.inputs, gs[0]
    assert g is not None
    return (lambda: _along(node, a.mT, g),)


def _block_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    t = ts[0]
    assert t is not None
    return (_along(node, node.inputs[0], t),)


def _by_scipy(name: str) -> Callable[..., Any]:
    """SciPy's function of each matrix, in double precision, with a real result for a real one."""

    def one(a: Any) -> Any:
        if a.shape[0] != a.shape[1]:
            raise ValueError(f"{name}: a matrix {a.shape} is not square")
        if not a.size:
            return a
        found = np.asarray(getattr(scipy("linalg"), name)(a))
        if a.dtype.kind == "f" and found.dtype.kind == "c":
            if np.max(np.abs(found.imag)) > 1e3 * np.finfo(a.dtype).eps * np.max(np.abs(found)):
                raise np.linalg.LinAlgError(
                    f"{name} of a real matrix is complex; convert it with .astype('complex128')"
                )
            return found.real
        return found

    def value(a: Any) -> Any:
        (a,) = common([a])
        wide = a.astype("complex128" if a.dtype.kind == "c" else "float64", copy=False)
        return stacked(one, (2,), [wide]).astype(a.dtype)

    return value


def _expm_value(a: Any) -> Any:
    return scipy("linalg").expm(*common([a]))


# ---- exponential -----------------------------------------------------------------------------
_expm = MatrixOp(
    "expm", types=same_square("expm"), value=_expm_value, vjp=_block_vjp, jvp=_block_jvp
)


def _samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((regular(rng, *s) / 3,)) for s in [(2, 2), (2, 1, 1)]]


def _named(name: str) -> dict[str, Any]:
    reference = like_lapack(lambda a: getattr(scipy("linalg"), name)(a), (2,), (0,))
    return {"namespace": "linalg", "reference": reference, "samples": _samples}


@public(namespace="linalg", reference=like_lapack(lambda a: scipy("linalg").expm(a), (2,), (0,)),
        samples=lambda rng: [
    Sample((regular(rng, *s) / 3,)) for s in [(3, 3), (2, 2, 2), (1, 1), (0, 0)]])  # fmt: skip
def expm(a: Any) -> Variable:
    """Exponential Σ aᵏ/k! of each matrix (…, n, n), as ``scipy.linalg.expm``; needs SciPy.

    Raises ShapeError where it is not square, DTypeError for float16.

    >>> import graphad as ga
    >>> ga.linalg.expm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[1., 1.],
           [0., 1.]])
    """
    return _expm(a)


# ---- powers and logarithm --------------------------------------------------------------------
def _sqrtm_vjp(node: Apply, gs: Cotangents) -> Rules:
    """X X = A;  Xᵀ Ā + Ā Xᵀ = X̄."""
    x, g = node.output(0).mT, gs[0]
    return (lambda: solve_sylvester(x, x, g),)


def _sqrtm_jvp(node: Apply, ts: Cotangents) -> Sequence[Variable]:
    """X dX + dX X = dA."""
    x = node.output(0)
    return (solve_sylvester(x, x, ts[0]),)


_sqrtm = MatrixOp(
    "sqrtm", types=same_square("sqrtm"), value=_by_scipy("sqrtm"), vjp=_sqrtm_vjp, jvp=_sqrtm_jvp
)
_logm = MatrixOp(
    "logm", types=same_square("logm"), value=_by_scipy("logm"), vjp=_block_vjp, jvp=_block_jvp
)


def _positive(rng: np.random.Generator) -> list[Sample]:
    return [Sample((definite(rng, *s),)) for s in [(2, 2), (2, 1, 1), (0, 0)]]


def _reference(name: str, **keywords: Any) -> Callable[..., Any]:
    """SciPy's function; like ours it refuses real matrices with a complex result."""

    def call(a: Any, **keywords: Any) -> Any:
        if not a.size:
            return a
        if 0 < np.max(np.abs(np.imag(a))) < 1e-50:
            raise ValueError("complex steps lose digits in Schur's method")
        found = getattr(scipy("linalg"), name)(a.astype(np.result_type(a, "f8")), **keywords)
        if a.dtype.kind == "f" and np.any(np.imag(found)):
            raise ValueError("a complex result")
        return np.real(found) if a.dtype.kind == "f" else found

    return like_lapack(call, (2,), (0,))


@public(namespace="linalg", samples=_positive, reference=_reference("sqrtm"))
def sqrtm(a: Any) -> Variable:
    """X with X·X = a, of each matrix (…, n, n), as ``scipy.linalg.sqrtm``; needs SciPy.

    The principal root: its eigenvalues have a real part ≥ 0. The result has the dtype of `a`:
    np.linalg.LinAlgError where the root of a real matrix is complex (convert it before). The
    derivative does not exist for singular matrices.

    >>> import graphad as ga
    >>> ga.linalg.sqrtm(ga.constant([[4.0, 0.0], [0.0, 9.0]])).eval()
    array([[2., 0.],
           [0., 3.]])
    """
    return _sqrtm(a)


@public(namespace="linalg", reference=_reference("logm"), samples=lambda rng: [
    Sample((definite(rng, *s),)) for s in [(2, 2), (0, 0)]])  # fmt: skip
def logm(a: Any) -> Variable:
    """X with expm(X) = a, of each matrix (…, n, n), as ``scipy.linalg.logm``; needs SciPy.

    The principal logarithm: imaginary parts of its eigenvalues are between -π and π. The result
    has the dtype of `a`: np.linalg.LinAlgError where the logarithm of a real matrix is complex.

    >>> import graphad as ga
    >>> ga.linalg.logm(ga.constant([[1.0, 1.0], [0.0, 1.0]])).eval().round(12) + 0.0
    array([[0., 1.],
           [0., 0.]])
    """
    return _logm(a)


# ---- circular and hyperbolic functions -------------------------------------------------------
def _turned(name: str, a: Any) -> tuple[Variable, Variable]:
    """exp(ia) and exp(-ia); twice the first for a real `a`, whose parts are cos and sin."""
    variable = as_variable(a)
    square_shape(name, variable.type)
    lapack_dtype(name, variable.type)  # raises
    first = _expm(variable * 1j)
    return first, _expm(variable * -1j) if variable.dtype.kind == "c" else first


def _unless_complex(a: Any, part: str, found: Callable[[], Variable], turned: Variable) -> Any:
    return found() if as_variable(a).dtype.kind == "c" else OPS[part](turned)


@public(**_named("cosm"))
def cosm(a: Any) -> Variable:
    """Cosine of each matrix (…, n, n), as ``scipy.linalg.cosm``; needs SciPy.

    >>> import graphad as ga
    >>> ga.linalg.cosm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[1., 0.],
           [0., 1.]])
    """
    plus, minus = _turned("cosm", a)
    return _unless_complex(a, "real", lambda: (plus + minus) * 0.5, plus)


@public(**_named("sinm"))
def sinm(a: Any) -> Variable:
    """Sine of each matrix (…, n, n), as ``scipy.linalg.sinm``; needs SciPy.

    >>> import graphad as ga
    >>> ga.linalg.sinm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[0., 1.],
           [0., 0.]])
    """
    plus, minus = _turned("sinm", a)
    return _unless_complex(a, "imag", lambda: (plus - minus) * -0.5j, plus)


@public(**_named("tanm"))
def tanm(a: Any) -> Variable:
    """Tangent cos⁻¹·sin of each matrix (…, n, n), as ``scipy.linalg.tanm``; needs SciPy.

    >>> import graphad as ga
    >>> ga.linalg.tanm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[0., 1.],
           [0., 0.]])
    """
    return OPS["linalg.solve"](cosm(a), sinm(a))


@public(**_named("coshm"))
def coshm(a: Any) -> Variable:
    """Hyperbolic cosine of each matrix (…, n, n), as ``scipy.linalg.coshm``; needs SciPy.

    >>> import graphad as ga
    >>> ga.linalg.coshm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[1., 0.],
           [0., 1.]])
    """
    variable = as_variable(a)
    return (_expm(variable) + _expm(-1.0 * variable)) * 0.5


@public(**_named("sinhm"))
def sinhm(a: Any) -> Variable:
    """Hyperbolic sine of each matrix (…, n, n), as ``scipy.linalg.sinhm``; needs SciPy.

    >>> import graphad as ga
    >>> ga.linalg.sinhm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[0., 1.],
           [0., 0.]])
    """
    variable = as_variable(a)
    return (_expm(variable) - _expm(-1.0 * variable)) * 0.5


@public(**_named("tanhm"))
def tanhm(a: Any) -> Variable:
    """Hyperbolic tangent of each matrix (…, n, n), as ``scipy.linalg.tanhm``; needs SciPy.

    >>> import graphad as ga
    >>> ga.linalg.tanhm(ga.constant([[0.0, 1.0], [0.0, 0.0]])).eval()
    array([[0., 1.],
           [0., 0.]])
    """
    return OPS["linalg.solve"](coshm(a), sinhm(a))
