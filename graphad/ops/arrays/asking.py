"""What can be told from types alone: shape, ndim, size, result_type, can_cast; and what cannot.

`REFUSED` names NumPy's functions that would change an array in place, print it, or write it to a
file: called on a Variable they raise, with what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from graphad.errors import UseError
from graphad.ir.families.common import normalize_axes, public
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, as_variable


# ---- shapes ----------------------------------------------------------------------------------
@public(np.shape, topic="shape", reference=None, differentiable=False)
def shape(a: Any) -> tuple[Any, ...]:
    """The sizes of all axes, ints or Dims, as ``np.shape``.

    >>> import graphad as ga
    >>> ga.shape(ga.matrix("x", shape=("n", 3)))
    (n, 3)
    """
    return as_variable(a).shape


@public(np.ndim, topic="shape", reference=None, differentiable=False)
def ndim(a: Any) -> int:
    """The number of axes, as ``np.ndim``.

    >>> import graphad as ga
    >>> ga.ndim(ga.matrix("x"))
    2
    """
    return as_variable(a).ndim


@public(np.size, topic="shape", reference=None, differentiable=False)
def size(a: Any, axis: Any = None) -> Any:
    """The number of elements, or of those along `axis`: an int or a Dim, as ``np.size``.

    >>> import graphad as ga
    >>> x = ga.matrix("x", shape=("n", 3))
    >>> ga.size(x), ga.size(x, 1)
    (3*n, 3)
    """
    variable = as_variable(a)
    total: Any = 1
    for i in normalize_axes(axis, variable.ndim, "size"):
        total = total * variable.shape[i]
    return total


# ---- dtypes ----------------------------------------------------------------------------------
def _dtype(value: Any) -> Any:
    return value.dtype if isinstance(value, Variable) else value


@public(np.result_type, topic="dtypes", reference=None, differentiable=False)
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that arrays, numbers and dtypes are promoted to, as ``np.result_type``.

    >>> import graphad as ga
    >>> ga.result_type(ga.vector("x", dtype="float32"), 1.0)
    dtype('float32')
    """
    return np.result_type(*[_dtype(value) for value in arrays_and_dtypes])


@public(np.can_cast, topic="dtypes", reference=None, differentiable=False)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Can values of a dtype, or of an array, be converted to another? As ``np.can_cast``.

    >>> import graphad as ga
    >>> ga.can_cast(ga.vector("x"), "float32"), ga.can_cast("int8", "int64")
    (False, True)
    """
    return np.can_cast(_dtype(from_), to, casting)


def _common_type(*arrays: Any) -> Any:
    return np.common_type(*[np.empty(0, _dtype(array)) for array in arrays])


def _min_scalar_type(a: Any) -> Any:
    return as_variable(a).dtype  # of an array it is the dtype of the array


def _share(a: Any, b: Any, max_work: Any = None) -> bool:
    return a is b


OPS.by_numpy[np.common_type] = _common_type
OPS.by_numpy[np.min_scalar_type] = _min_scalar_type
OPS.by_numpy[np.shares_memory] = OPS.by_numpy[np.may_share_memory] = _share


# ---- what raises -----------------------------------------------------------------------------
_COPY = "would change its first argument in place; a graph is built once and never modified"
_VALUE = "needs values, a symbolic variable has none"
_COMPUTE = "compute the value first: x.eval({...}), or a compiled ga.function"
REFUSED: dict[Any, tuple[str, str]] = {
    np.put: (_COPY, "write y = x.ravel().at[indices].set(values), and reshape it"),
    np.place: (_COPY, "write y = x.at[mask].set(values), or ga.where(mask, values, x)"),
    np.putmask: (_COPY, "write y = ga.where(mask, values, x), or x.at[mask].set(values)"),
    np.copyto: (_COPY, "write y = x.at[...].set(values), or ga.where(mask, values, x)"),
    np.put_along_axis: (_COPY, "y = ga.put_along_axis(x, indices, values, axis) makes a copy"),
    np.fill_diagonal: (_COPY, "y = ga.fill_diagonal(x, values) makes a changed copy"),
    **dict.fromkeys((np.array2string, np.array_repr, np.array_str),
                    (_VALUE, "print(x), ga.debugprint(x) show the variable; " + _COMPUTE)),
    **dict.fromkeys((np.save, np.savez, np.savez_compressed, np.savetxt), (_VALUE, _COMPUTE)),
}  # fmt: skip


def _refuser(function: Any, cause: str, remedy: str) -> Callable[..., NoReturn]:
    def refuse(*arguments: Any, **keywords: Any) -> NoReturn:
        raise UseError(
            f"np.{function.__name__} on a symbolic variable", cause=cause, remedy=remedy
        )

    return refuse


OPS.by_numpy.update({function: _refuser(function, *why) for function, why in REFUSED.items()})
