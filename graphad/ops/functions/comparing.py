"""Comparisons with tolerance, of whole arrays, and questions about signs and imaginary parts.

All give booleans and cut every derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir.families.common import Declared, public
from graphad.ir.op import OPS, Sample
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable, apply, as_variable

_A = np.array([1.0, 2.0, 3.0])
_B = np.array([1.0 + 1e-9, 2.1, 3.0 + 1e-4])
_SPECIAL = np.array([[1.0, np.nan], [np.inf, -np.inf]])
_WHOLE = np.array([-np.inf, -1.5, 0.0, np.nan, np.inf])


# ---- closeness -------------------------------------------------------------------------------
def _close_samples(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((_A, _B)), Sample((_A, _B), {"rtol": 1e-3, "atol": 0.2}),
        Sample((_A, np.array(2.0))), Sample((_SPECIAL, _SPECIAL)),
        Sample((_SPECIAL, _SPECIAL), {"equal_nan": True}),
        Sample((_SPECIAL, np.array([[1.0, np.inf], [-np.inf, np.nan]]))),
        Sample((_A, _A), {}, {"rtol": np.array(0.5)}),
    ]  # fmt: skip


@public(np.isclose, topic="elementwise", samples=_close_samples, differentiable=False)
def isclose(
    a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
) -> Variable:
    """Elementwise ``|a - b| ≤ atol + rtol·|b|`` for finite b, or a = b, as ``np.isclose``.

    Infinities are close if equal; NaN are close to each other if `equal_nan`.

    >>> import graphad as ga
    >>> ga.isclose(ga.constant([1.0, 2.0]), [1.0 + 1e-9, 2.1]).eval()
    array([ True, False])
    """
    first, second = as_variable(a), b if type(b) is float else as_variable(b)
    if isinstance(second, Variable) and second.dtype.kind not in "fc":
        second = second.astype("float64")
    near = abs(first - second) <= atol + rtol * abs(second)
    result: Variable = near & OPS["isfinite"](second) | (first == second)
    if equal_nan:
        result = result | (OPS["isnan"](first) & OPS["isnan"](second))
    return result


@public(np.allclose, topic="elementwise", samples=_close_samples, differentiable=False)
def allclose(
    a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
) -> Variable:
    """Are all elements close, as `isclose` says? A boolean scalar, True for no elements.

    >>> import graphad as ga
    >>> bool(ga.allclose(ga.constant([1.0, 2.0]), [1.0 + 1e-9, 2.1]).eval())
    False
    """
    found: Variable = OPS["all"](isclose(a, b, rtol, atol, equal_nan))
    return found


# ---- whole arrays, of shapes that need not fit -----------------------------------------------
class Verdict(Declared):
    """A question about two arrays: ``value(a, b, **params)`` is one boolean."""

    def __init__(self, name: str, value: Callable[..., Any]) -> None:
        super().__init__(name)
        self.value = value

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (TensorType(np.bool_),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return np.asarray(self.value(*[np.asarray(array) for array in arrays], **params))

    def cuts(self, position: int) -> bool:
        return True


_same = Verdict("array_equal", np.array_equal)
_alike = Verdict("array_equiv", np.array_equiv)


def _whole_samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((_A, _A)), Sample((_A, _B)), Sample((_SPECIAL, _SPECIAL)),
            Sample((_A, np.array([[1.0, 2.0]]))), Sample((np.array(1.0), np.ones((2, 2)))),
            Sample((_A, np.stack([_A, _A])))]  # fmt: skip


@public(np.array_equal, topic="elementwise", differentiable=False, samples=lambda rng: [
    *_whole_samples(rng), Sample((_SPECIAL, _SPECIAL), {"equal_nan": True}),
])  # fmt: skip
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Variable:
    """Have both the same shape and equal elements? A boolean scalar, as ``np.array_equal``.

    NaN equal each other if `equal_nan`. Shapes that differ give False, not an error.

    >>> import graphad as ga
    >>> bool(ga.array_equal(ga.constant([1, 2]), [1, 2]).eval())
    True
    """
    found: Variable = apply(_same.op(equal_nan=bool(equal_nan)), _pair(a1, a2))
    return found


@public(np.array_equiv, topic="elementwise", samples=_whole_samples, differentiable=False)
def array_equiv(a1: Any, a2: Any) -> Variable:
    """Do both broadcast to the same shape with equal elements? A boolean scalar, as NumPy.

    Shapes that do not fit give False, not an error.

    >>> import graphad as ga
    >>> bool(ga.array_equiv(ga.constant([1, 1]), 1).eval())
    True
    """
    found: Variable = apply(_alike.plain, _pair(a1, a2))
    return found


def _pair(a: Any, b: Any) -> tuple[Variable, Variable]:
    return as_variable(a), as_variable(b)


# ---- signs of infinities, imaginary parts ----------------------------------------------------
def _infinite(name: str, x: Any, out: Any, sign: str) -> Variable:
    variable = as_variable(x)
    if variable.dtype.kind == "c":
        raise DTypeError(f"{name} of {variable.dtype}", cause="complex numbers have no sign",
                         remedy="ask for x.real and x.imag")  # fmt: skip
    negative = OPS["signbit"](variable)
    side = negative if sign == "-" else ~negative
    found: Variable = OPS["logical_and"](OPS["isinf"](variable), side, out=out)
    return found


@public(np.isposinf, topic="elementwise", differentiable=False,
        samples=lambda rng: [Sample((_WHOLE,))])  # fmt: skip
def isposinf(x: Any, out: Any = None) -> Variable:
    """Is x = ∞? Elementwise booleans; DTypeError for complex numbers.

    >>> import numpy as np, graphad as ga
    >>> ga.isposinf(ga.constant([np.inf, -np.inf, 1.0])).eval()
    array([ True, False, False])
    """
    return _infinite("isposinf", x, out, "+")


@public(np.isneginf, topic="elementwise", differentiable=False,
        samples=lambda rng: [Sample((_WHOLE,))])  # fmt: skip
def isneginf(x: Any, out: Any = None) -> Variable:
    """Is x = -∞? Elementwise booleans; DTypeError for complex numbers.

    >>> import numpy as np, graphad as ga
    >>> ga.isneginf(ga.constant([np.inf, -np.inf, 1.0])).eval()
    array([False,  True, False])
    """
    return _infinite("isneginf", x, out, "-")


_COMPLEX = np.array([1.0, 1j, 2 + 0j, np.nan])


@public(np.iscomplex, topic="elementwise", differentiable=False,
        samples=lambda rng: [Sample((_WHOLE,)), Sample((_COMPLEX,))])  # fmt: skip
def iscomplex(x: Any) -> Variable:
    """Is the imaginary part other than zero? Elementwise booleans.

    >>> import graphad as ga
    >>> ga.iscomplex(ga.constant([1j, 1.0])).eval()
    array([ True, False])
    """
    variable = as_variable(x)
    if variable.dtype.kind != "c":
        return OPS["zeros_like"](variable, dtype="bool")
    return OPS["imag"](variable) != 0


@public(np.isreal, topic="elementwise", differentiable=False,
        samples=lambda rng: [Sample((_WHOLE,)), Sample((_COMPLEX,))])  # fmt: skip
def isreal(x: Any) -> Variable:
    """Is the imaginary part zero? Elementwise booleans.

    >>> import graphad as ga
    >>> ga.isreal(ga.constant([1j, 1.0])).eval()
    array([False,  True])
    """
    return OPS["logical_not"](iscomplex(x))


@public(np.iscomplexobj, topic="elementwise", differentiable=False)
def iscomplexobj(x: Any) -> bool:
    """Is the dtype complex? Known while the graph is built: a Python bool.

    >>> import graphad as ga
    >>> ga.iscomplexobj(ga.vector("x", dtype="complex64"))
    True
    """
    return as_variable(x).dtype.kind == "c"


@public(np.isrealobj, topic="elementwise", differentiable=False)
def isrealobj(x: Any) -> bool:
    """Is the dtype not complex? Known while the graph is built: a Python bool.

    >>> import graphad as ga
    >>> ga.isrealobj(ga.vector("x", dtype="complex64"))
    False
    """
    return not iscomplexobj(x)
