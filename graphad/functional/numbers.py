"""Python numbers as arguments: Tracers that adapt to the dtype of what they meet, as in NumPy.

``2.0 * x`` has the dtype of a float32 array x; so it is if 2.0 is an argument of the function.
What is computed of such numbers by operators alone is such a number again; a function of NumPy
gives a float64, as it does outside.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.functional.tracer import LEAVES, Tracer
from graphad.ir.dims import Dim
from graphad.ir.types import TensorType, type_of
from graphad.ir.variable import Variable

WEAK = (int, float, complex)
_PYTHON = {"i": 0, "f": 0.0, "c": 0j}
BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
COMPARING = ("lt", "le", "gt", "ge", "eq", "ne")


class Number(Tracer):
    """A Tracer that is a Python number: its dtype gives way."""

    __slots__ = ()
    __hash__ = Tracer.__hash__

    def beside(self, dtypes: list[Any]) -> Any:
        """This number in the dtype that it takes beside others."""
        target = np.result_type(*dtypes, _PYTHON[self.dtype.kind])
        return Tracer.astype(self, target) if target != self.dtype else self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        others = [v.dtype for v in inputs if hasattr(v, "dtype") and not isinstance(v, Number)]
        if others and method == "__call__" and len(inputs) > 1:
            inputs = tuple([v.beside(others) if isinstance(v, Number) else v for v in inputs])
            inputs = tuple([_strong(v) for v in inputs])
        return super().__array_ufunc__(ufunc, method, *inputs, **keywords)

    def __neg__(self) -> Any:
        return _weak(super().__neg__())

    def __pos__(self) -> Any:
        return _weak(super().__pos__())

    def __abs__(self) -> Any:
        return _weak(super().__abs__())


def _strong(value: Any) -> Any:
    """A Number as a Tracer of fixed dtype: its own, once it has been adapted."""
    return value.astype(value.dtype) if isinstance(value, Number) else value


def _weak(made: Any) -> Any:
    """The result as a Number, in the place of the Tracer that the node gave."""
    node = made.owner
    if type(made) is not Tracer or node is None or made.dtype.kind not in _PYTHON:
        return made
    number = Number(made.type, node, made.index, made.name)
    number.tracing = made.tracing
    if len(node.types) == 1:
        node._outputs = weakref.ref(number)
    return number


def _operator(name: str) -> Callable[[Any, Any], Any]:
    plain = getattr(Variable, name)

    def method(self: Number, other: Any) -> Any:
        if type(other) in WEAK or isinstance(other, Number | bool):
            return _weak(plain(self, other))
        if isinstance(other, Dim) or not hasattr(other, "dtype"):
            return plain(self, other)
        return plain(self.beside([other.dtype]), other)

    method.__name__ = name
    return method


for _name in BINARY:
    for _side in (f"__{_name}__", f"__r{_name}__"):
        setattr(Number, _side, _operator(_side))
for _name in COMPARING:
    setattr(Number, f"__{_name}__", _operator(f"__{_name}__"))

LEAVES.update(dict.fromkeys(WEAK, Number))
_TYPES = {kind: type_of(np.asarray(kind())) for kind in WEAK}


def typed(value: Any) -> TensorType:
    """The type of an array, or of a number."""
    return _TYPES.get(type(value)) or type_of(value)


def signature(value: Any) -> Any:
    """What must be equal for one graph: a number of Python is not one of NumPy."""
    return type(value) if type(value) in WEAK else type_of(value)
