"""Covariances and correlations of several variables: cov, corrcoef."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.variable import Constant, Variable, as_variable, describe

_FREQUENCIES, _SHARES = np.array([1, 2, 0, 3]), np.array([0.5, 1.0, 2.0, 0.25])


def _samples(rng: np.random.Generator) -> list[Sample]:
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    return [
        Sample((x,)), Sample((x, y)), Sample((x[0], y[0])), Sample((x[0],)),
        Sample((x,), {"rowvar": False}), Sample((x.T, y.T), {"rowvar": False}),
    ]  # fmt: skip


def _weighted_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [
        *_samples(rng), Sample((x,), {"bias": True}), Sample((x,), {"ddof": 2}),
        Sample((x,), {"aweights": _SHARES}), Sample((x,), {"fweights": _FREQUENCIES}),
        Sample((x,), {"fweights": _FREQUENCIES, "aweights": _SHARES}),
        Sample((x,), {"aweights": _SHARES, "ddof": 0}),
    ]  # fmt: skip


# ---- operands --------------------------------------------------------------------------------
def _rows(name: str, value: Any, dtype: np.dtype, by_row: bool, second: bool) -> Variable:
    """One row for each variable, (k, n)."""
    given = as_variable(value)
    variable = given if given.dtype == dtype else given.astype(dtype)
    variable = OPS["reshape"](variable, (1, variable.size)) if variable.ndim < 2 else variable
    alone = variable.type.shape[0] == 1 if second else given.ndim < 2
    return variable if by_row or alone else variable.T


def _checked_weights(name: str, given: Any, x: Variable, whole: bool) -> Variable:
    """Weights (n,) as floats."""
    variable = as_variable(given)
    if variable.ndim != 1 or joint_size(variable.type.shape[0], x.type.shape[1]) is None:
        raise ShapeError(
            f"cov: {name} {variable.type} for {describe(x)}",
            remedy="give one for each observation; named sizes match only themselves and 1",
        )
    if isinstance(variable, Constant):
        if np.any(variable.value < 0):
            raise UseError(f"cov: {name} cannot be negative", remedy="weights are 0 or larger")
        if whole and np.any(variable.value != np.around(variable.value)):
            raise UseError(f"cov: {name} must be integers", remedy="use aweights= for others")
    return variable if variable.dtype == np.float64 else variable.astype("float64")


def _dtype_of(m: Any, y: Any, dtype: Any) -> np.dtype:
    if dtype is not None:
        return np.dtype(dtype)
    given = [as_variable(v).dtype for v in (m, y) if v is not None]
    return np.result_type(*given, np.float64)


# ---- cov, corrcoef ---------------------------------------------------------------------------
@public(np.cov, topic="statistics", samples=_weighted_samples)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Variable:  # fmt: skip
    """Covariance matrix of variables in the rows of `m` (and `y`), as ``np.cov``: (k, k).

    m (k, n), or (n,) for one variable; rowvar=False: variables are columns. The normalisation is
    n - 1, n with `bias`, n - ddof with `ddof`. `fweights` (n,) counts observations, `aweights`
    (n,) weighs them; constants are checked. A matrix that is known to be 1×1 becomes a scalar.
    Raises ShapeError for more than two axes and for weights that do not fit, UseError for negative
    ones and a ddof that is no integer.

    >>> import graphad as ga
    >>> ga.cov(ga.constant([[1.0, 3.0], [2.0, 0.0]])).eval()
    array([[ 2., -2.],
           [-2.,  2.]])
    """
    if ddof is not None and ddof != int(ddof):
        raise UseError(f"cov: ddof={ddof!r} is no integer", remedy="give an int")
    kind = _dtype_of(m, y, dtype)
    for value in (m, y):
        if value is not None and as_variable(value).ndim > 2:
            raise ShapeError(
                f"cov: {describe(as_variable(value))} has more than 2 axes",
                remedy="one axis for variables, one for observations; reshape it",
            )
    x = _rows("m", m, kind, rowvar, False)
    if y is not None:
        x = OPS["concatenate"]([x, _rows("y", y, kind, rowvar, True)], axis=0)
    less = int(ddof) if ddof is not None else 0 if bias else 1
    counts = None if fweights is None else _checked_weights("fweights", fweights, x, True)
    shares = None if aweights is None else _checked_weights("aweights", aweights, x, False)
    weights = shares if counts is None else counts if shares is None else counts * shares
    if weights is None:
        centred = x - OPS["mean"](x, axis=1, keepdims=True)
        weighted, freedom = centred, as_variable(x.shape[1] - less).astype("float64")
    else:
        total = OPS["sum"](weights)
        centred = x - OPS["sum"](x * weights, axis=1, keepdims=True) / total
        weighted, freedom = centred * weights, total
        if less and shares is None:
            freedom = total - less
        elif less:
            freedom = total - less * OPS["sum"](weights * shares) / total
    other = OPS["conj"](weighted.T) if x.dtype.kind == "c" else weighted.T
    scale = 1 / OPS["maximum"](freedom, 0.0)
    product = OPS["matmul"](centred, other)
    result: Variable = OPS["squeeze"](product * (scale if dtype is None else scale.astype(
        np.empty(0, product.dtype).real.dtype)))  # fmt: skip
    return result


def _clipped(c: Variable) -> Variable:
    """Values that rounding has put outside of [-1, 1] put back; the derivative is not cut."""
    if c.dtype.kind == "c":
        parts = [OPS["clip"](part, -1, 1) for part in (OPS["real"](c), OPS["imag"](c))]
        inside = parts[0] + 1j * parts[1]
    else:
        inside = OPS["clip"](c, -1, 1)
    within: Variable = c + OPS["stop_gradient"](inside - c)
    return within


@public(np.corrcoef, topic="statistics", samples=_samples)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Variable:
    """Correlation coefficients of variables in rows, as ``np.corrcoef``: (k, k), from -1 to 1.

    cov_ij / √(cov_ii cov_jj); parameters and errors are those of `cov`. NaN for a variable that is
    constant. A matrix that is known to be 1×1 becomes a scalar.

    >>> import graphad as ga
    >>> ga.corrcoef(ga.constant([[1.0, 3.0], [2.0, 0.0]])).eval()
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        alone: Variable = c / c
        return alone
    spread = OPS["sqrt"](OPS["real"](OPS["diagonal"](c)))
    return _clipped(c / spread[:, None] / spread)
