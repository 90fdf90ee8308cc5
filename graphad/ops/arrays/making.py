"""Arrays from lists, numbers and functions: array, asarray, copy, empty, tri, geomspace, logspace.

What asks for memory of its own, or for a layout in memory, gives the Variable itself: a Variable
never changes and has no memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Nested, public
from graphad.ir.op import OPS, Sample
from graphad.ir.types import check_dtype
from graphad.ir.variable import Variable, as_variable


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _one(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_x(2, 3),)), Sample((np.float64(2.0),))]


# ---- arrays and Variables --------------------------------------------------------------------
def _holds_variable(items: Any) -> bool:
    if isinstance(items, list | tuple):
        return any(_holds_variable(item) for item in items)
    return isinstance(items, Variable | Dim)


def _joined(items: Any) -> Variable:
    """Nested lists with Variables in them, as one Variable."""
    if isinstance(items, list | tuple) and _holds_variable(items):
        found: Variable = OPS["stack"]([_joined(item) for item in items])
        return found
    return as_variable(items)


def _converted(variable: Variable, dtype: Any, casting: Any, name: str) -> Variable:
    if dtype is None or variable.dtype == check_dtype(dtype):
        return variable
    if not np.can_cast(variable.dtype, check_dtype(dtype), casting):
        raise DTypeError(
            f"{name}: {variable.dtype} to {check_dtype(dtype)} with casting={casting!r}",
            remedy='convert with x.astype(dtype), or pass casting="unsafe"',
        )
    return variable.astype(dtype)


@public(topic="creation", reference=np.array, samples=lambda rng: [
    *_one(rng), Sample((_x(3),), {"ndmin": 3}), Sample(([_x(3), _x(3)],)),
    Sample(([[_x(), _x()], [_x(), _x()]],))])  # fmt: skip
def array(
    object: Nested, dtype: Any = None, *, copy: bool | None = True, order: str = "K",
    subok: bool = False, ndmin: int = 0, ndmax: int = 0, like: None = None,
) -> Variable:  # fmt: skip
    """A Variable from numbers, arrays, Variables, or nested lists of them, as ``np.array``.

    Lists are stacked along new axes. ``np.array([x, y])`` itself cannot hold Variables.
    `copy`, `order`, `subok`, `like` change nothing: a Variable never changes, and has no layout.
    Raises ShapeError for parts of shapes that differ.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> ga.array([[x, 1.0], [0.0, x]]).eval({x: 5.0})
    array([[5., 1.],
           [0., 5.]])
    """
    variable = _converted(_joined(object), dtype, "unsafe", "array")
    missing = ndmin - variable.ndim
    if missing > 0:
        variable = OPS["expand_dims"](variable, tuple(range(missing)))
    return variable


@public(topic="creation", reference=lambda a, dtype=None: np.asarray(a, dtype),
        samples=_one, aliases=("asanyarray",))  # fmt: skip
def asarray(
    a: Any, dtype: Any = None, order: str = "K", *, device: Any = None, copy: Any = None,
    casting: str = "unsafe", like: None = None,
) -> Variable:  # fmt: skip
    """`a` as a Variable, of another dtype if one is given, as ``np.asarray``; see `array`.

    `casting` allows only such conversions ("safe", "same_kind"), as ``x.astype`` does.
    Raises DTypeError for others.

    >>> import graphad as ga
    >>> ga.asarray(ga.vector("x", shape=(3,)), dtype="float32").type
    float32[3]
    """
    return _converted(_joined(a), dtype, casting, "asarray")


@public(topic="creation", reference=np.ascontiguousarray, samples=_one,
        aliases=("asfortranarray",))  # fmt: skip
def ascontiguousarray(a: Any, dtype: Any = None, *, like: None = None) -> Variable:
    """`a` with at least one axis; where it lies in memory, the compiler decides.

    >>> import graphad as ga
    >>> ga.ascontiguousarray(ga.scalar("x")).type
    float64[1]
    """
    variable = asarray(a, dtype)
    return variable if variable.ndim else OPS["reshape"](variable, (1,))


@public(np.copy, topic="creation", samples=_one)
def copy(a: Any, order: str = "K", subok: bool = False) -> Variable:
    """`a` itself as a Variable: it never changes, so a copy is not needed.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.copy(x) is x
    True
    """
    return as_variable(a)


@public(topic="creation", differentiable=False, reference=np.zeros, samples=lambda rng: [
    Sample((), {"shape": (2, 0)}), Sample((), {"shape": 3, "dtype": "int32"})])  # fmt: skip
def empty(shape: Any, dtype: Any = "float64", order: str = "C") -> Variable:
    """An array whose values nobody relies on, as ``np.empty``; they are zeros.

    >>> import graphad as ga
    >>> ga.empty((2, 3)).type
    float64[2, 3]
    """
    found: Variable = OPS["zeros"](shape, dtype)
    return found


@public(np.empty_like, topic="creation", differentiable=False, samples=_one,
        reference=lambda prototype, dtype=None: np.zeros_like(prototype, dtype))  # fmt: skip
def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Variable:
    """An array like `prototype` whose values nobody relies on; they are zeros.

    >>> import graphad as ga
    >>> ga.empty_like(ga.vector("x", shape=(3,))).type
    float64[3]
    """
    found: Variable = OPS["zeros_like"](prototype, dtype, shape=shape)
    return found


# ---- spaced numbers --------------------------------------------------------------------------
@public(np.logspace, topic="creation", samples=lambda rng: [
    Sample((np.float64(-1.0), np.float64(2.0)), {"num": 5}),
    Sample((rng.uniform(0, 1, 2), rng.uniform(1, 2, 2)), {"num": 3, "endpoint": False}),
    Sample((np.float64(0.5), np.float64(1.0)), {"num": 4, "base": 2.0}),
    Sample((rng.uniform(0, 1, 2), rng.uniform(1, 2, 2)), {"num": 3, "axis": -1})])  # fmt: skip
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Variable:  # fmt: skip
    """Powers of `base` with exponents spaced evenly from `start` to `stop`, as ``np.logspace``.

    Differentiable with respect to start, stop and base (a scalar). Raises UseError for `num`.

    >>> import graphad as ga
    >>> ga.logspace(0.0, ga.constant(2.0), 3).eval()
    array([  1.,  10., 100.])
    """
    exponents = OPS["linspace"](start, stop, num, endpoint)
    values = OPS["power"](base if type(base) in (int, float) else as_variable(base), exponents)
    return _finished(values, dtype, axis)


def _finished(values: Variable, dtype: Any, axis: int) -> Variable:
    moved: Variable = OPS["moveaxis"](values, 0, axis) if axis else values
    return moved if dtype is None else moved.astype(dtype)


@public(np.geomspace, topic="creation", samples=lambda rng: [
    Sample((np.float64(1.0), np.float64(16.0)), {"num": 5}),
    Sample((rng.uniform(-2, -1, 2), rng.uniform(-9, -4, 2)), {"num": 4, "endpoint": False}),
    Sample((np.array([1.0, -3.0]), np.array([2.0, -1.5])), {"num": 3, "axis": 1}),
    Sample((rng.uniform(1, 2, 2), rng.uniform(4, 9, 2)), {"num": 1})])  # fmt: skip
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Variable:
    """`num` values from `start` to `stop` with a constant quotient, as ``np.geomspace``.

    y_i = start · (stop / start)^(i / (num - 1)), for real numbers of equal sign, or complex ones.
    Zeros and other signs give NaN. Raises UseError for `num`.

    >>> import graphad as ga
    >>> ga.geomspace(ga.constant(1.0), 8.0, 4).eval().round(12)
    array([1., 2., 4., 8.])
    """
    low, high = as_variable(start), as_variable(stop)
    target = np.result_type(low.dtype, high.dtype, np.float64)  # NumPy's, also for float32
    low, high = low.astype(target), high.astype(target)
    fractions = OPS["linspace"](0.0, 1.0, num, endpoint)
    ndim = max(low.ndim, high.ndim)
    column = OPS["reshape"](fractions, (fractions.shape[0], *[1] * ndim))
    values = low * OPS["exp"](column * OPS["log"](high / low))
    values = OPS["where"](column == 0, low, OPS["where"](column == 1, high, values))
    return _finished(values, dtype, axis)


# ---- matrices of ones ------------------------------------------------------------------------
@public(topic="creation", differentiable=False, reference=np.tri, samples=lambda rng: [
    Sample((), {"N": 3}), Sample((), {"N": 2, "M": 4, "k": 1, "dtype": "int64"})])  # fmt: skip
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float, *, like: None = None) -> Variable:
    """Ones at and below the k-th diagonal, zeros above: (N, M), as ``np.tri``.

    >>> import graphad as ga
    >>> ga.tri(2).eval()
    array([[1., 0.],
           [1., 1.]])
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise UseError(f"tri: k={k!r}", remedy="k is an int")
    rows, columns = OPS["arange"](N), OPS["arange"](N if M is None else M)
    found: Variable = (columns - rows[:, None] <= int(k)).astype(dtype)
    return found


@public(topic="creation", differentiable=False, reference=np.identity, samples=lambda rng: [
    Sample((), {"n": 3}), Sample((), {"n": 2, "dtype": "int64"})])  # fmt: skip
def identity(n: Any, dtype: Any = "float64", *, like: None = None) -> Variable:
    """The identity matrix (n, n), as ``np.identity``.

    >>> import graphad as ga
    >>> ga.identity(2).eval()
    array([[1., 0.],
           [0., 1.]])
    """
    found: Variable = OPS["eye"](n, dtype=dtype)
    return found
