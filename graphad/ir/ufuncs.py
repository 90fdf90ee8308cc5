"""What NumPy's ufuncs ask of a Variable: calls with keywords, and the methods of ufuncs.

``np.add(x, y, dtype="float32")``, ``np.add.reduce(x)``, ``np.add.accumulate(x)``,
``np.add.outer(x, y)``; `ArrayMethods.__array_ufunc__` hands them to `on_variables`, the functions
of the op table their keywords to `with_keywords`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.op import OPS

_REDUCE = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
    "logical_and": "all", "logical_or": "any", "logaddexp": "logsumexp",
}  # fmt: skip
_ACCUMULATE = {"add": "cumsum", "multiply": "cumprod", "maximum": "cummax", "minimum": "cummin"}
_WEAK = (int, float, complex)


def on_variables(ufunc: Any, method: str, inputs: Sequence[Any], keywords: dict[str, Any]) -> Any:
    """``ufunc.method(*inputs, **keywords)`` where one of the inputs is symbolic."""
    label = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    _refuse_out(label, keywords.pop("out", None))
    if method == "reduce" and ufunc.__name__ in _REDUCE:
        return _over_axis(label, OPS[_REDUCE[ufunc.__name__]], inputs, keywords)
    if method == "accumulate" and ufunc.__name__ in _ACCUMULATE:
        return _over_axis(label, OPS[_ACCUMULATE[ufunc.__name__]], inputs, keywords)
    target = OPS.by_numpy.get(ufunc)
    if target is not None and method == "__call__":
        return with_keywords(ufunc, target, inputs, keywords)
    if target is not None and method == "outer" and len(inputs) == 2:
        first, second = _arrays(inputs)
        if second.ndim:
            first = OPS["expand_dims"](first, tuple(range(first.ndim, first.ndim + second.ndim)))
        return with_keywords(ufunc, target, (first, second), keywords)
    remedy = "see graphad's list of functions"
    if method == "at":
        remedy = "a variable cannot be changed in place: y = x.at[index].add(v), .max(v), …"
    elif method == "reduceat":
        remedy = "reduce slices of the array, and join the results with ga.stack"
    raise UseError(f"{label} has no symbolic form", remedy=remedy)


def _refuse_out(label: str, out: Any) -> None:
    if not all([target is None for target in (out if isinstance(out, tuple) else (out,))]):
        raise UseError(
            f"{label}(..., out=...) with a symbolic variable",
            remedy="leave out= away; the compiler reuses memory by itself",
        )


def _arrays(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The inputs, what has no axes yet as an array."""
    sizes = [OPS["astype"](v, "int64") if isinstance(v, Dim) else v for v in inputs]
    return tuple([v if hasattr(v, "ndim") else np.asarray(v) for v in sizes])


def _over_axis(
    label: str, target: Callable[..., Any], inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """A reduction or scan by its own function; the axis is 0 if none is given."""
    given = {k: v for k, v in keywords.items() if k == "axis" or not _is_default(k, v)}
    try:
        return target(*inputs, **{"axis": 0, **given})
    except TypeError as error:
        raise UseError(
            f"{label}({', '.join(f'{k}=' for k in given)}) has no symbolic form",
            cause=str(error),
            remedy="choose with ga.where before, or combine with the result after",
        ) from None


def _is_default(name: str, value: Any) -> bool:
    return value is None or value is np._NoValue or (name == "where" and value is True)


def with_keywords(
    ufunc: Any, target: Callable[..., Any], inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """``target(*inputs)`` with the keywords that every ufunc has.

    dtype: the operands are converted to the dtype of the loop that gives this result, if `casting`
    allows it. where: only True, elements that are not computed would have no value. order, subok
    change no value and are ignored.
    """
    rest = dict(keywords)
    label = f"np.{ufunc.__name__}"
    _refuse_out(label, rest.pop("out", None))
    if (where := rest.pop("where", True)) is not True:
        raise UseError(
            f"{label}(..., where={where!r}) with a symbolic variable",
            cause="without out=, the elements that are not computed have no value",
            remedy=f"say what they are: ga.where(mask, {label}(...), other)",
        )
    for name in ("signature", "sig"):
        if rest.pop(name, None) is not None:
            raise UseError(f"{label}(..., {name}=...) with a symbolic variable",
                           remedy="use dtype=, or convert the operands with astype")  # fmt: skip
    rest.pop("order", None)
    rest.pop("subok", None)
    dtype, casting = rest.pop("dtype", None), rest.pop("casting", "same_kind")
    if dtype is not None or casting != "same_kind":
        inputs = _for_loop(ufunc, inputs, dtype, casting)
    return target(*inputs, **rest)


def as_ufunc_call(ufunc: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function also takes the keywords of this ufunc."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*inputs: Any, **keywords: Any) -> Any:
            if not keywords:
                return function(*inputs)
            return with_keywords(ufunc, function, inputs, keywords)

        return called

    return decorate


def _for_loop(ufunc: Any, inputs: Sequence[Any], dtype: Any, casting: str) -> tuple[Any, ...]:
    """The inputs in the dtypes of the loop whose results have the given dtype."""
    given = [_dtype_of(value) for value in inputs]
    outputs = [None] * ufunc.nout
    wanted = None if dtype is None else np.dtype(dtype)
    try:
        loop = ufunc.resolve_dtypes(
            (*given, *outputs),
            signature=(*[None] * ufunc.nin, *[wanted] * ufunc.nout),
            casting=casting,
        )
    except TypeError as error:
        raise DTypeError(
            f"np.{ufunc.__name__}(..., dtype={dtype}, casting={casting!r}) for dtypes "
            + ", ".join([str(getattr(d, "__name__", d)) for d in given]),
            cause=str(error).splitlines()[0],
            remedy="convert the operands or the result with astype",
        ) from None
    return tuple([
        value if old == new else OPS["astype"](value, new)
        for value, old, new in zip(inputs, given, loop, strict=False)
    ])  # fmt: skip


def _dtype_of(value: Any) -> Any:
    """The dtype of an operand; a Python number and a size have its type, and adapt."""
    if type(value) in _WEAK:
        return type(value)
    if isinstance(value, Dim):
        return int
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
