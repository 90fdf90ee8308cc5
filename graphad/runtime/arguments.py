"""Arguments of a compiled function: checked once at the door, with errors that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import InputDTypeError, InputError, InputShapeError, UseError
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
        if not self.ndim:  # most calls with single numbers bring one of these
            kind, wanted = type(value), self.dtype.type
            if kind is wanted:
                return value
            if kind is float and wanted is np.float64:
                return np.float64(value)
        if type(value) is not np.ndarray or value.dtype != self.dtype:
            value = self._convert(value)
        if value.ndim != self.ndim or (self.exact is not None and value.shape != self.exact):
            raise self._wrong_shape(value)
        return value if self.ndim else value[()]

    def _convert(self, value: Any) -> np.ndarray:
        if isinstance(value, Variable):
            raise UseError(
                f"{called(self.label)} is a symbolic variable, a value is needed",
                remedy="call the function with NumPy arrays; to connect graphs use givens=",
            )
        if isinstance(value, np.ndarray) and np.any(getattr(value, "mask", False)):
            raise InputError(
                f"{called(self.label)} is a masked array",
                cause="masks are not known to graphs: masked elements would count as values",
                remedy="pass array.filled(value), or the mask as an argument for ga.where",
            )
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{called(self.label)} is no array: {error}",
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
            f"{called(self.label)} has dtype {array.dtype}, {self.type} is expected",
            cause=_why_not(array, self.dtype),
            remedy=f"convert it with array.astype({target!r}), or declare another dtype"
            if numeric else f"convert it with np.asarray(values, dtype={target!r})",
        )  # fmt: skip

    def _wrong_shape(self, array: np.ndarray) -> InputShapeError:
        return InputShapeError(
            f"{called(self.label)} has shape {shape_text(array.shape)}, {self.type} is expected",
            cause=f"it has {array.ndim} axes, not {self.ndim}" if array.ndim != self.ndim else
            self._first_difference(array.shape),
            remedy="reshape the array, or declare the variable with another shape",
        )  # fmt: skip

    def _first_difference(self, shape: Sequence[int]) -> str:
        for axis, (given, size) in enumerate(zip(shape, self.shape, strict=True)):
            if isinstance(size, int) and given != size:
                return f"axis {axis} has size {given}, not {size}"
        return ""


def called(label: str) -> str:
    """How messages call an argument: by its name, or by its position."""
    return label if label.startswith("argument_") else f"argument {label}"


def weakly(value: Any, dtype: np.dtype) -> np.ndarray | None:
    """A Python number, or a list of them, as an array of `dtype`; None where that is not its kind.

    Floats may be rounded and integers become floats; types of integers take what is in their
    range, signed or not.

    >>> weakly([0, 255], np.dtype("uint8")), weakly(256, np.dtype("uint8"))
    (array([  0, 255], dtype=uint8), None)
    """
    array = np.asarray(value)
    if array.dtype.kind == "O" and dtype.kind in "fc" and all(type(v) is int for v in array.flat):
        try:
            return array.astype(dtype)  # integers of more than 64 bits
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


def bind(
    title: str, names: Sequence[str], arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The arguments of a call of the function `title`, one for each name, in their order."""
    if len(arguments) > len(names):
        raise InputError(
            f"{title} takes {len(names)} arguments, {len(arguments)} were given",
            cause=f"its inputs are {', '.join(names) or 'none'}",
        )
    found = dict(enumerate(arguments))
    for key, value in keywords.items():
        if names.count(key) != 1:
            why = "two inputs have that name" if key in names else "no input has that name"
            raise InputError(
                f"{title} got the keyword {key!r}: {why}",
                remedy=f"its inputs are {', '.join(names) or 'none'}",
            )
        if names.index(key) in found:
            raise InputError(f"{title} got two values for {key!r}")
        found[names.index(key)] = value
    missing = [name for i, name in enumerate(names) if i not in found]
    if missing:
        raise InputError(
            f"{title} misses {', '.join(map(repr, missing))}",
            cause="out= is where results go; an input of that name is given by position"
            if "out" in missing
            else "",
            remedy=f"call it as {title}({', '.join(names)})",
        )
    return tuple([found[i] for i in range(len(names))])


def given_away(arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
    """The arrays, those copied that are donated but must not be written: read-only ones, and
    those that may share memory with another argument."""
    found = list(arrays)
    for i in donated:
        array = found[i]
        others = [a for k, a in enumerate(found) if k != i and isinstance(a, np.ndarray)]
        if isinstance(array, np.ndarray) and not (
            array.flags.writeable and not any(np.may_share_memory(array, a) for a in others)
        ):
            found[i] = np.array(array)
    return found
