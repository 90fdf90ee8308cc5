"""Arrays made from nothing: zeros, ones, full, arange, linspace, eye, and the *_like forms.

Sizes are ints, entries of ``x.shape``, or integer scalars; what is known only at run time becomes
an operand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import Declared, fill_sizes, public, size_spec
from graphad.ir.op import OPS, Sample
from graphad.ir.types import Size, TensorType, check_dtype
from graphad.ir.variable import Apply, Constant, Variable, as_variable


class Creation(Declared):
    """An array that depends on no array, only on sizes; its value is no part of derivatives."""

    reads_sizes = True

    def __init__(
        self, name: str, infer: Callable[..., TensorType], value: Callable[..., Any]
    ) -> None:
        super().__init__(name)
        self.rule, self.value = infer, value

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (self.rule(types, **params),)

    def flops(self, node: Apply) -> Size:
        return 0

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return self.value(xp, *arrays, **params)

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        if self.name != "dim_size":
            return None
        return [dim_size(operands[0], node.op.params["axis"] + 1)]  # the same for all rows

    def cuts(self, position: int) -> bool:
        return True


_dim_size = Creation(
    "dim_size",
    lambda types, axis: TensorType("int64"),
    lambda xp, x, axis: xp.int64(x.shape[axis]),
)


@public(topic="creation", reference=None, differentiable=False)
def dim_size(x: Any, axis: int) -> Variable:
    """The size of an axis as an int64 scalar: what ``x.shape[axis]`` becomes when computed with.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> int(ga.dim_size(x, 0).eval({x: [1.0, 2.0]}))
    2
    """
    variable = as_variable(x)
    size = variable.type.shape[axis]
    return Constant(np.int64(size)) if isinstance(size, int) else _dim_size(variable, axis=axis)


def _sized(rng: np.random.Generator) -> list[Sample]:
    return [Sample((), {"shape": (2, 0)}), Sample((), {"shape": 3, "dtype": "int32"})]


# ---- constant arrays -------------------------------------------------------------------------
@public(np.full, topic="creation", differentiable=False, samples=lambda rng: [
    Sample((), {"shape": (2, 3), "fill_value": 2.5}),
    Sample((), {"shape": 2, "fill_value": [1, 2], "dtype": "float32"})])  # fmt: skip
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Variable:
    """An array of `shape` with `fill_value` everywhere (a number, or an array that broadcasts).

    >>> import graphad as ga
    >>> ga.full((2,), 7.0).eval()
    array([7., 7.])
    """
    value = as_variable(fill_value)
    value = value if dtype is None or value.dtype == check_dtype(dtype) else value.astype(dtype)
    return OPS["broadcast_to"](value, shape)


@public(np.zeros, topic="creation", differentiable=False, samples=_sized)
def zeros(shape: Any, dtype: Any = "float64", order: str = "C") -> Variable:
    """Zeros of `shape`.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.zeros((x.shape[0], 2)).eval({x: [5.0]})
    array([[0., 0.]])
    """
    return full(shape, Constant(np.zeros((), check_dtype(dtype))))


@public(np.ones, topic="creation", differentiable=False, samples=_sized)
def ones(shape: Any, dtype: Any = "float64", order: str = "C") -> Variable:
    """Ones of `shape`.

    >>> import graphad as ga
    >>> ga.ones(3).eval()
    array([1., 1., 1.])
    """
    return full(shape, Constant(np.ones((), check_dtype(dtype))))


def _like(x: Any, value: Any, dtype: Any, shape: Any) -> Variable:
    variable = as_variable(x)
    target = variable.dtype if dtype is None else check_dtype(dtype)
    scalar = as_variable(value)
    scalar = Constant(scalar.value.astype(target)) if isinstance(scalar, Constant) and (
        scalar.ndim == 0) else scalar.astype(target)  # fmt: skip
    made = OPS["broadcast_to"](scalar, variable.shape if shape is None else shape)
    return made if variable.tracing is None else _traced(made, variable.tracing)


def _traced(variable: Variable, trace: Any) -> Variable:
    """Inside a traced function, an array like an argument may be assigned to as that may be."""
    node = variable.owner
    if node is None or node.tracing is not None:
        return variable
    node.tracing, node._outputs = trace, None
    return node.output(variable.index)


_LIKE: dict[str, Any] = {"topic": "creation", "differentiable": False}
_ONE_X: Any = lambda rng: [Sample((rng.normal(size=(2, 3)),))]  # noqa: E731


@public(np.zeros_like, samples=_ONE_X, **_LIKE)
def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: None = None,
) -> Variable:  # fmt: skip
    """Zeros with the shape of `a`, and its dtype, unless another is given.

    >>> import graphad as ga
    >>> ga.zeros_like(ga.constant([1.0, 2.0])).eval()
    array([0., 0.])
    """
    return _like(a, 0, dtype, shape)


@public(np.ones_like, samples=_ONE_X, **_LIKE)
def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: None = None,
) -> Variable:  # fmt: skip
    """Ones with the shape of `a`, and its dtype, unless another is given.

    >>> import graphad as ga
    >>> ga.ones_like(ga.constant([1.0, 2.0])).eval()
    array([1., 1.])
    """
    return _like(a, 1, dtype, shape)


@public(np.full_like, samples=lambda rng: [Sample((rng.normal(size=3),), {"fill_value": 2.5})],
        **_LIKE)  # fmt: skip
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: None = None,
) -> Variable:  # fmt: skip
    """`fill_value` everywhere, with the shape and dtype of `a`, unless others are given.

    >>> import graphad as ga
    >>> ga.full_like(ga.constant([1.0, 2.0]), 9).eval()
    array([9., 9.])
    """
    return _like(a, fill_value, dtype, shape)


# ---- ranges ----------------------------------------------------------------------------------
def _arange_value(xp: Any, *sizes: Any, shape: Any, dtype: str) -> Any:
    return xp.arange(fill_sizes(shape, sizes)[0], dtype=dtype)


_arange = Creation("arange", lambda types, shape, dtype: TensorType(dtype, shape), _arange_value)


def _counted(count: Any, dtype: Any, name: str) -> Variable:
    spec, sizes = size_spec((count,), name)
    return _arange(*sizes, shape=spec, dtype=np.dtype(dtype).str)


@public(np.arange, topic="creation", differentiable=False, samples=lambda rng: [
    Sample((), {"start": 0, "stop": 4}), Sample((), {"start": 7, "stop": 1, "step": -2}),
    Sample((), {"start": 0, "stop": 1, "step": 0.25, "dtype": "float32"})])  # fmt: skip
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Variable:
    """start, start + step, … below `stop`, as ``np.arange``; one argument is the stop.

    Numbers, or integer sizes (entries of ``x.shape``, integer scalar Variables); for a float step
    prefer `linspace`. Raises UseError for float Variables, whose number of elements would depend
    on rounding.

    >>> import graphad as ga
    >>> ga.arange(2, 10, 3).eval()
    array([2, 5, 8])
    """
    first, last = (0, start) if stop is None else (start, stop)
    if not any(isinstance(v, Dim | Variable) for v in (first, last, step)):
        return Constant(np.arange(first, last, step, dtype=dtype))
    for value in (first, last, step):
        if isinstance(value, float) or (isinstance(value, Variable) and value.dtype.kind == "f"):
            raise UseError("arange of float Variables", remedy="use ga.linspace(start, stop, num)")
    target = np.dtype(np.int64) if dtype is None else check_dtype(dtype)
    if isinstance(first, int) and isinstance(step, int) and first == 0 and step == 1:
        return _counted(last, target, "arange")
    span = OPS["maximum"](-OPS["floor_divide"](-(last - as_variable(first)), step), 0)
    return (_counted(span, np.int64, "arange") * step + first).astype(target)


@public(np.linspace, topic="creation", samples=lambda rng: [
    Sample((np.float64(-1.0), np.float64(2.5)), {"num": 5}),
    Sample((rng.normal(size=(2, 1)), rng.normal(size=3)), {"num": 4, "endpoint": False}),
    Sample((rng.normal(size=2), rng.normal(size=2)), {"num": 1}),
    Sample((rng.normal(size=2), rng.normal(size=2)), {"num": 3, "axis": -1, "retstep": True}),
])  # fmt: skip
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """`num` evenly spaced values from `start` to `stop`, as ``np.linspace``; differentiable.

    They run along `axis` of the result. retstep: also the distance (NaN for one value).
    dtype: of the result; for integers values are rounded down. Raises UseError for `num`.

    >>> import graphad as ga
    >>> ga.linspace(0.0, ga.constant(1.0), 5).eval()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if isinstance(num, bool) or not isinstance(num, int | np.integer) or num < 0:
        raise UseError(f"linspace: num={num!r}", remedy="num is an integer, 0 or more")
    divisions = (num - 1) if endpoint else num
    fractions = np.arange(num) / (divisions or 1)
    low, high = as_variable(start), as_variable(stop)
    target = np.result_type(low.dtype, high.dtype, 0.0)
    low, high = low.astype(target), high.astype(target)
    step = (high - low) / np.asarray(divisions or np.nan, target)
    low, high = low[..., None], high[..., None]
    values = low * (1 - fractions).astype(target) + high * fractions.astype(target)
    values = OPS["where"](fractions == 0, low, OPS["where"](fractions == 1, high, values))
    if axis != -1 and values.ndim > 1:
        values = OPS["moveaxis"](values, -1, axis)
    if dtype is not None:
        values = OPS["floor"](values) if check_dtype(dtype).kind in "iu" else values
        values = values.astype(dtype)
    return (values, step) if retstep else values


def _eye_value(xp: Any, *sizes: Any, shape: Any, k: int, dtype: str) -> Any:
    rows, columns = fill_sizes(shape, sizes)
    return xp.eye(rows, columns, k, dtype=dtype)


_eye = Creation("eye", lambda types, shape, k, dtype: TensorType(dtype, shape), _eye_value)


@public(
    np.eye, topic="creation", differentiable=False,
    samples=lambda rng: [Sample((), {"N": 3}), Sample((), {"N": 2, "M": 4, "k": 1})],
)  # fmt: skip
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = "float64", order: str = "C") -> Variable:
    """Ones on the k-th diagonal, zeros elsewhere: (N, M), as ``np.eye``.

    >>> import graphad as ga
    >>> ga.eye(2).eval()
    array([[1., 0.],
           [0., 1.]])
    """
    spec, sizes = size_spec((N, N if M is None else M), "eye")
    return _eye(*sizes, shape=spec, k=int(k), dtype=check_dtype(dtype).str)
