"""How a function of `scipy.special` is declared: SciPy's value, partial derivatives in columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir.families.elementwise import Partial, elementwise
from graphad.ir.op import OPS, RISKY
from graphad.ir.variable import Variable
from graphad.libraries import scipy

Value = Callable[..., Any]


def of_scipy(name: str) -> Value:
    """SciPy's function on arrays; looked up when called."""
    return lambda *arrays: getattr(scipy("special"), name)(*arrays)


def opaque(function: Value) -> Value:
    """A function of arrays as the value of an op; it is not recorded but called as it is."""

    def value(xp: Any, *operands: Any, **params: Any) -> Any:
        arrays = [x for x in operands if x.nbytes >= 0]  # only arrays have it: no recorder does
        with np.errstate(all="ignore"):
            return function(*arrays, **params)

    return value


def dtype_of(name: str, function: Value, real: bool = False) -> Callable[..., np.dtype]:
    """The rule for the result's dtype: whatever the function makes of ones of these dtypes."""

    def rule(dtypes: Sequence[np.dtype], params: Mapping[str, Any]) -> np.dtype:
        given = ", ".join(map(str, dtypes))
        if real and any(dtype.kind == "c" for dtype in dtypes):
            raise DTypeError(
                f"{name}: not defined for dtype {given}",
                cause="complex arguments are not supported",
                remedy="take x.real or abs(x) first",
            )
        try:
            with np.errstate(all="ignore"):
                value = function(*[np.ones(1, dtype) for dtype in dtypes], **params)
        except TypeError as error:
            raise DTypeError(
                f"{name}: not defined for dtype {given}",
                cause=str(error).splitlines()[0],
                remedy="convert the operand with x.astype(...)",
            ) from None
        found: np.dtype = np.asarray(value).dtype
        return found

    return rule


def refuse_complex(array: Any) -> Any:
    """For references: the array; TypeError for complex numbers."""
    if np.iscomplexobj(array):
        raise TypeError("complex numbers")
    return array


def _refusing(function: Value) -> Value:
    return lambda *arrays: function(*map(refuse_complex, arrays))


def special(
    name: str,
    *partials: Partial,
    doc: str,
    domain: Sequence[Any] = ((-2.0, 2.0),),
    value: Value | None = None,
    real: bool = True,
    finite: bool = False,
    order: int = 2,
    aliases: Sequence[str] = (),
    differentiable: bool = True,
    depth: int = 1,
    tame: bool = False,
) -> Callable[..., Variable]:
    """Declare ``ga.special.name`` with one partial derivative for each operand.

    value   function of arrays, if it is not SciPy's of that name
    real    complex numbers are refused, because SciPy or the derivatives do not cover them
    finite  the value is finite at all finite arguments
    The rest is as in `elementwise`.
    """
    function = value or of_scipy(name)
    built = elementwise(
        name, opaque(function), partials, doc=doc,
        reference=_refusing(function) if real else function,
        dtype=dtype_of(name, function, real), domain=domain, arity=len(partials), order=order,
        hazard=0 if finite else RISKY, differentiable=differentiable, namespace="special",
        depth=depth + 1, tame=tame,
    )  # fmt: skip
    for alias in aliases:
        OPS.alias(f"special.{alias}", f"special.{name}")
    return built
