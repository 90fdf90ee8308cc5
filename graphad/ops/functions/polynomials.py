"""Polynomials as vectors of coefficients, highest power first: NumPy's polyval and its relatives.

Leading coefficients that are zero stay: how many there are is not known while the graph is built.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.functions.convolution import convolve
from graphad.ops.signal.placing import embed

_P = np.array([2.0, -1.5, 3.0, 1.25])
_Q = np.array([-1.25, 2.5])
_LONGEST = 64  # longer polynomials are evaluated as a sum of powers


def coefficients(name: str, p: Any) -> Variable:
    """`p` as a vector; a scalar is a constant polynomial."""
    variable = as_variable(p)
    if variable.ndim > 1:
        raise ShapeError(f"{name}: coefficients of type {variable.type}",
                         remedy="a polynomial is a vector, highest power first")  # fmt: skip
    return variable if variable.ndim else OPS["reshape"](variable, (1,))


def filled(variable: Variable) -> Variable:
    """The same vector; an error at run time if it has no elements."""
    if isinstance(variable.type.shape[0], int):
        return variable
    found: Variable = OPS["concatenate"]([variable[0][None], variable[1:]])
    return found


# ---- values ----------------------------------------------------------------------------------
def _value_samples(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((_P, rng.normal(size=(2, 3)))), Sample((_P[:1], rng.normal(size=2))),
        Sample((rng.normal(size=(3, 4)), rng.normal(size=(2, 4)))),
        Sample((_P, np.array(0.0))),
    ]  # fmt: skip


@public(np.polyval, topic="polynomials", samples=_value_samples)
def polyval(p: Any, x: Any) -> Variable:
    """The polynomial p[0]·xⁿ⁻¹ + … + p[n-1] at `x`, as ``np.polyval``.

    p (n,), or (n, …) with coefficients that broadcast against x; x any shape.
    Raises ShapeError if p has no axis. (At x = ±∞ the value is that of Horner's rule started with
    p[0], where NumPy, which starts with 0·x, gives NaN.)

    >>> import graphad as ga
    >>> ga.polyval([1.0, 0.0, -2.0], ga.constant([1.0, 3.0])).eval()
    array([-1.,  7.])
    """
    factors, at = as_variable(p), as_variable(x)
    if not factors.ndim:
        raise ShapeError("polyval: p is a scalar", remedy="pass [p] for a constant polynomial")
    count = factors.type.shape[0]
    if count == 0:
        zero: Variable = OPS["zeros_like"](at)
        return zero
    if not isinstance(count, int) or count > _LONGEST:
        return _sum_of_powers(factors, at)
    value = factors[0] if count > 1 else OPS["zeros_like"](at) + factors[0]
    for i in range(1, count):
        value = value * at + factors[i]
    return value


def _sum_of_powers(factors: Variable, at: Variable) -> Variable:
    """Σ p_i x^(n-1-i), the terms along a first axis."""
    dtype = np.result_type(factors.dtype, at.dtype)
    rest = max(at.ndim, factors.ndim - 1)
    count = factors.shape[0]
    exponents = (count - 1 - OPS["arange"](count)).astype(dtype)
    exponents = OPS["expand_dims"](exponents, tuple(range(1, rest + 1)))
    powers = OPS["power"](at.astype(dtype), exponents)
    missing = rest - (factors.ndim - 1)
    factors = OPS["expand_dims"](factors, tuple(range(1, 1 + missing)))
    total: Variable = OPS["sum"](factors * powers, axis=0, dtype=dtype)
    return total


# ---- sums, products, quotients ---------------------------------------------------------------
def _two_samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_P, _Q)), Sample((_Q, _P)), Sample((_P, _P[::-1])),
            Sample((_P, np.array(1.5)))]  # fmt: skip


def _aligned(name: str, a1: Any, a2: Any) -> tuple[Variable, Variable]:
    """Both with as many coefficients, zeros in front of the shorter."""
    a, b = coefficients(name, a1), coefficients(name, a2)
    n, m = a.type.shape[0], b.type.shape[0]
    if n == m:
        return a, b
    known = isinstance(n, int) and isinstance(m, int)
    longer: Any = max(n, m) if known else OPS["maximum"](a.shape[0], as_variable(b.shape[0]))
    front = [longer - (v.shape[0] if known else as_variable(v.shape[0])) for v in (a, b)]
    padded = [embed(v, [offset], [longer]) for v, offset in zip((a, b), front, strict=True)]
    return padded[0], padded[1]


@public(np.polyadd, topic="polynomials", samples=_two_samples)
def polyadd(a1: Any, a2: Any) -> Variable:
    """The sum of two polynomials, as ``np.polyadd``: (n,), (m,) give (max(n, m),).

    >>> import graphad as ga
    >>> ga.polyadd(ga.constant([1.0, 2.0, 3.0]), [10.0, 20.0]).eval()
    array([ 1., 12., 23.])
    """
    first, second = _aligned("polyadd", a1, a2)
    return first + second


@public(np.polysub, topic="polynomials", samples=_two_samples)
def polysub(a1: Any, a2: Any) -> Variable:
    """The difference of two polynomials, as ``np.polysub``: (n,), (m,) give (max(n, m),).

    >>> import graphad as ga
    >>> ga.polysub(ga.constant([1.0, 2.0, 3.0]), [10.0, 20.0]).eval()
    array([  1.,  -8., -17.])
    """
    first, second = _aligned("polysub", a1, a2)
    return first - second


def _reference(a1: Any, a2: Any) -> Any:
    """np.polymul, which takes no coefficients for [0]."""
    if np.size(a1) == 0 or np.size(a2) == 0:
        raise ValueError("no coefficients")
    return np.polymul(a1, a2)


@public(np.polymul, topic="polynomials", samples=_two_samples, reference=_reference)
def polymul(a1: Any, a2: Any) -> Variable:
    """The product of two polynomials, as ``np.polymul``: (n,), (m,) give (n + m - 1,).

    NumPy drops leading zeros of both first, which are kept here. Raises ShapeError for no
    coefficients.

    >>> import graphad as ga
    >>> ga.polymul(ga.constant([1.0, 1.0]), [1.0, -1.0]).eval()
    array([ 1.,  0., -1.])
    """
    found: Variable = convolve(coefficients("polymul", a1), coefficients("polymul", a2))
    return found


def _division(u: Any, v: Any) -> tuple[Any, Any]:
    """np.polydiv, with all coefficients of the remainder, also those near zero."""
    quotient, rest = np.polydiv(u, v)
    n, m = np.size(u), np.size(v)
    width = n if n < m else max(m - 1, 1)
    rest = rest[-width:]
    return quotient, np.concatenate([np.zeros(width - len(rest), rest.dtype), rest])


# linalg: one bad coefficient spoils the whole system
@public(np.polydiv, topic="linalg", reference=_division, samples=lambda rng: [
    Sample((_P, _Q)), Sample((_Q, _P)), Sample((_P, np.array([2.0, 1.0, -3.0]))),
    Sample((_P, np.array(1.5))),
])  # fmt: skip
def polydiv(u: Any, v: Any) -> tuple[Variable, Variable]:
    """(quotient, remainder) of two polynomials (n,), (m,), as ``np.polydiv``.

    The quotient has n - m + 1 coefficients, the remainder m - 1, and at least one. For n < m they
    are [0] and u. NumPy drops leading coefficients of the remainder that are nearly zero, which
    are kept here. The quotient solves a triangular system of n - m + 1 equations, LinAlgError if
    v[0] is zero. Raises ShapeError for no coefficients.

    >>> import graphad as ga
    >>> [part.eval().round(12) for part in ga.polydiv(ga.constant([3.0, 5.0, 2.0]), [2.0, 1.0])]
    [array([1.5 , 1.75]), array([0.25])]
    """
    top, bottom = coefficients("polydiv", u) + 0.0, coefficients("polydiv", v) + 0.0
    dtype = np.result_type(top.dtype, bottom.dtype)
    n, m = top.type.shape[0], bottom.type.shape[0]
    for name, size in (("u", n), ("v", m)):
        if size == 0:
            raise ShapeError(f"polydiv: {name} has no coefficients", remedy="pass at least one")
    if isinstance(n, int) and isinstance(m, int):
        if n < m:
            return OPS["zeros"]((1,), dtype), top.astype(dtype)
        size, length, width = n - m + 1, n, max(m - 1, 1)
    else:
        top = filled(top)
        size, length, width = _run_time_sizes(top, bottom)
    solver = np.result_type(dtype, np.float32)  # LAPACK has no half precision
    top, bottom = top.astype(solver), bottom.astype(solver)
    aligned = embed(top, [length - top.shape[0]], [length])
    quotient = _quotient(aligned, bottom, size)
    rest = (aligned - convolve(quotient, bottom))[length - width :]
    return quotient.astype(dtype), rest.astype(dtype)


def _run_time_sizes(top: Variable, bottom: Variable) -> tuple[Any, Any, Any]:
    """Sizes of the quotient, of the longer operand, of the remainder; for n < m as if zeros stood
    in front of u."""
    n, m = as_variable(top.shape[0]), as_variable(bottom.shape[0])
    larger = OPS["maximum"]
    width = OPS["where"](n < m, n, larger(m - 1, 1))
    return larger(n - m + 1, 1), larger(n, m), width


def _quotient(top: Variable, bottom: Variable, size: Any) -> Variable:
    """Σ_j v_{i-j} q_j = u_i for the first n - m + 1 coefficients."""
    places = OPS["arange"](size)
    lag = places[:, None] - places
    inside = (lag >= 0) & (lag < bottom.shape[0])
    matrix = OPS["where"](inside, bottom[OPS["where"](inside, lag, 0)], 0)
    found: Variable = OPS["linalg.solve"](matrix, top[:size])
    return found


# ---- derivative and integral -----------------------------------------------------------------
def _times(name: str, m: Any) -> int:
    if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 0:
        raise UseError(f"{name}: m={m!r}", remedy="m is an integer, 0 or more")
    return int(m)


@public(np.polyder, topic="polynomials", samples=lambda rng: [
    Sample((_P,)), Sample((_P,), {"m": 2}), Sample((_P,), {"m": 0}), Sample((_Q,), {"m": 3}),
])  # fmt: skip
def polyder(p: Any, m: int = 1) -> Variable:
    """The `m`-th derivative of a polynomial (n,), as ``np.polyder``: (n - m,), at least (0,).

    Raises UseError for a negative m, ShapeError unless p is a vector.

    >>> import graphad as ga
    >>> ga.polyder(ga.constant([1.0, 1.0, 1.0, 1.0])).eval()
    array([3., 2., 1.])
    """
    found = as_variable(p)
    if found.ndim != 1:
        raise ShapeError(f"polyder: p is {found.type}", remedy="pass a vector of coefficients")
    for _ in range(_times("polyder", m)):
        head = found[:-1]
        count = head.shape[0]
        found = head * (count - OPS["arange"](count))
    return found


@public(np.polyint, topic="polynomials", samples=lambda rng: [
    Sample((_P,)), Sample((_P,), {"m": 2}), Sample((_P,), {"m": 0}),
    Sample((_P,), {"m": 2}, {"k": np.array([1.5, -2.0])}),
    Sample((_P,), {"m": 2, "k": 3}),
])  # fmt: skip
def polyint(p: Any, m: int = 1, k: Any = None) -> Variable:
    """The `m`-th integral of a polynomial (n,), as ``np.polyint``: (n + m,).

    k: the constants of integration, one (for all) or at least m; None: zeros.
    Raises UseError for a negative m or too few constants, ShapeError unless p is a vector.

    >>> import graphad as ga
    >>> ga.polyint(ga.constant([6.0, 4.0, 1.0]), k=7.0).eval()
    array([2., 2., 1., 7.])
    """
    count, found = _times("polyint", m), as_variable(p)
    if count == 0:
        return found
    if found.ndim != 1:
        raise ShapeError(f"polyint: p is {found.type}", remedy="pass a vector of coefficients")
    constants = OPS["zeros"](count) if k is None else as_variable(k)
    constants = constants if constants.ndim else OPS["reshape"](constants, (1,))
    given = constants.type.shape[0]
    if given == 1 and count > 1:
        constants = OPS["broadcast_to"](constants * 1.0, (count,))
    elif isinstance(given, int) and given < count:
        raise UseError(f"polyint: {given} constants k for m={count}",
                       remedy="give one, or one for each integral")  # fmt: skip
    for i in range(count):
        size = found.shape[0]
        powers = size - OPS["arange"](size)
        if isinstance(given, int):
            constant = constants[i : i + 1]
        else:
            constant = constants[OPS["where"](as_variable(constants.shape[0]) == 1, 0, i)][None]
        found = OPS["concatenate"]([found / powers, constant])
    return found
