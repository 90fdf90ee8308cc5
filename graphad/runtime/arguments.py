"""Arguments of a compiled function: checked once at the door, with errors that name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import InputDTypeError, InputError, InputShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.dimtext import shape_text
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable

_NUMBERS = (bool, int, float, complex)


class Parameter:
    """One array that a function takes: its label in messages, and its type."""

    __slots__ = ("dtype", "exact", "label", "ndim", "shape", "type")

    def __init__(self, label: str, type: TensorType) -> None:
        self.label, self.type = label, type
        self.dtype, self.ndim, self.shape = type.dtype, type.ndim, type.shape
        self.exact = type.shape if type.is_static else None

    def accept(self, value: Any) -> Any:
        """`value` as an array of this dtype and rank; a NumPy scalar if the rank is 0.

        Subclasses of arrays (np.matrix, …) count as the plain arrays they hold. Raises InputError
        for a wrong dtype or masked elements, InputShapeError for a wrong shape.
        """
        if type(value) is not np.ndarray or value.dtype != self.dtype:
            value = self._convert(value)
        if value.ndim != self.ndim or (self.exact is not None and value.shape != self.exact):
            raise self._wrong_shape(value)
        return value if self.ndim else value[()]

    def _convert(self, value: Any) -> np.ndarray:
        if isinstance(value, Variable):
            raise UseError(
                f"argument {self.label} is a symbolic variable, a value is needed",
                remedy="call the function with NumPy arrays; to connect graphs use givens=",
            )
        if isinstance(value, np.ndarray) and np.any(getattr(value, "mask", False)):
            raise InputError(
                f"argument {self.label} is a masked array",
                cause="masks are not known to graphs: masked elements would count as values",
                remedy="pass array.filled(value), or the mask as an argument for ga.where",
            )
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"argument {self.label} is no array: {error}",
                remedy=f"pass a NumPy array of dtype {self.dtype} with {self.ndim} axes",
            ) from None
        if array.dtype == self.dtype:
            return array
        if type(value) in _NUMBERS or isinstance(value, list | tuple):
            made = weakly(value, self.dtype)
        else:
            numeric = array.dtype.kind in "biufc"
            safe = numeric and np.can_cast(array.dtype, self.dtype, "safe")
            made = array.astype(self.dtype) if safe else None
        if made is None:
            raise self._wrong_dtype(array)
        return made

    def _wrong_dtype(self, array: np.ndarray) -> InputError:
        target = str(self.dtype)
        numeric = array.dtype.kind in "biufc"
        return InputDTypeError(
            f"argument {self.label} has dtype {array.dtype}, {self.type} is expected",
            cause=_why_not(array, self.dtype),
            remedy=f"convert it with array.astype({target!r}), or declare another dtype"
            if numeric else f"convert it with np.asarray(values, dtype={target!r})",
        )  # fmt: skip

    def _wrong_shape(self, array: np.ndarray) -> InputShapeError:
        return InputShapeError(
            f"argument {self.label} has shape {shape_text(array.shape)}, {self.type} is expected",
            cause=f"it has {array.ndim} axes, not {self.ndim}" if array.ndim != self.ndim else
            self._first_difference(array.shape),
            remedy="reshape the array, or declare the variable with another shape",
        )  # fmt: skip

    def _first_difference(self, shape: Sequence[int]) -> str:
        for axis, (given, size) in enumerate(zip(shape, self.shape, strict=True)):
            if isinstance(size, int) and given != size:
                return f"axis {axis} has size {given}, not {size}"
        return ""


def weakly(value: Any, dtype: np.dtype) -> np.ndarray | None:
    """A Python number, or a list of them, as an array of `dtype`; None where that is not its kind.

    Floats may be rounded and integers become floats; types of integers take what is in their
    range, signed or not.

    >>> weakly([0, 255], np.dtype("uint8")), weakly(256, np.dtype("uint8"))
    (array([  0, 255], dtype=uint8), None)
    """
    array = np.asarray(value)
    if type(value) is int and array.dtype.kind == "O" and dtype.kind in "fc":
        try:
            return np.asarray(float(value), dtype)
        except OverflowError:
            return None
    if not array.size:
        return array.astype(dtype)
    if array.dtype.kind in "iu" and dtype.kind in "iu":
        fits = not _outside(array, dtype)
    else:
        fits = array.dtype.kind in "biufc" and np.can_cast(array.dtype, dtype, "same_kind")
    with np.errstate(all="ignore"):
        return array.astype(dtype) if fits else None


def _outside(integers: np.ndarray, dtype: np.dtype) -> bool:
    limits = np.iinfo(dtype)
    return int(integers.min()) < limits.min or int(integers.max()) > limits.max


def _why_not(array: np.ndarray, dtype: np.dtype) -> str:
    """Why an array cannot become one of `dtype`."""
    if array.dtype.kind not in "biufc":
        return "graphad computes with booleans, integers, floats and complex numbers"
    if array.dtype.kind in "iu" and dtype.kind in "iu" and _outside(array, dtype):
        limits = np.iinfo(dtype)
        return f"{dtype} holds integers from {limits.min} to {limits.max}"
    return f"{array.dtype} to {dtype} is not a safe cast"


class SizeChecks:
    """Sizes that the arguments must have, and that must agree between them."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = parameters
        self.fixed: list[tuple[int, int, int]] = []
        self.equal: list[tuple[int, int, int, int]] = []
        self.derived: list[tuple[int, int, Dim]] = []
        self.first: dict[Dim, tuple[int, int]] = {}
        for i, parameter in enumerate(parameters):
            for axis, size in enumerate(parameter.shape):
                if isinstance(size, int):
                    if parameter.exact is None:
                        self.fixed.append((i, axis, size))
                elif size in self.first:
                    self.equal.append((i, axis, *self.first[size]))
                else:
                    self.first[size] = (i, axis)
        for dim, (i, axis) in self.first.items():
            known = {d.terms[0][0][0] for d in self.first if d.is_atom}
            if not dim.is_atom and dim.atoms() <= known:
                self.derived.append((i, axis, dim))

    def check(self, arrays: Sequence[Any]) -> None:
        """Raise InputShapeError for the first size that does not fit."""
        for i, axis, size in self.fixed:
            if arrays[i].shape[axis] != size:
                raise self.parameters[i]._wrong_shape(arrays[i])
        for i, axis, j, other in self.equal:
            if arrays[i].shape[axis] != arrays[j].shape[other]:
                raise self._differ(arrays, i, axis, j, other)
        for i, axis, dim in self.derived:
            sizes = {d.terms[0][0][0]: arrays[j].shape[b]
                     for d, (j, b) in self.first.items() if d.is_atom}  # fmt: skip
            wanted = dim.evaluate(sizes)
            if arrays[i].shape[axis] != wanted:
                raise InputShapeError(
                    f"argument {self.parameters[i].label} has size {arrays[i].shape[axis]} along "
                    f"axis {axis}, {dim} = {wanted} is expected",
                    remedy="pass arrays whose sizes belong together",
                )

    def _differ(
        self, arrays: Sequence[Any], i: int, axis: int, j: int, other: int
    ) -> InputShapeError:
        first, second = self.parameters[j], self.parameters[i]
        name = second.shape[axis]
        return InputShapeError(
            f"the size '{name}' is {arrays[j].shape[other]} in argument {first.label} "
            f"(axis {other}) but {arrays[i].shape[axis]} in argument {second.label} (axis {axis})",
            cause="a named size is the same everywhere in a graph",
            remedy="pass arrays that agree, or give the axes different names",
        )
