"""`TensorType`: the dtype and shape of a Variable, known while the graph is built.

Types are interned: equal types are the same object, so that comparing types, and looking up
what an op makes of them, is one pointer comparison.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.dims import Atom, Dim

Size = int | Dim
Shape = tuple[Size, ...]

_interned: weakref.WeakValueDictionary[tuple, TensorType] = weakref.WeakValueDictionary()
_KINDS = frozenset("biufc")


class TensorType:
    """dtype and shape of an array; a shape entry is an int or a `Dim`. Immutable, interned.

    >>> TensorType("float32", ("batch", 64))
    float32[batch, 64]
    >>> TensorType("float32", (2,)) is TensorType(np.float32, [2])
    True
    """

    __slots__ = ("__weakref__", "dtype", "is_float", "ndim", "shape")
    dtype: np.dtype[Any]
    shape: Shape
    ndim: int
    is_float: bool

    def __new__(cls, dtype: Any, shape: Iterable[Any] = ()) -> TensorType:
        key = (check_dtype(dtype), tuple([as_size(entry) for entry in shape]))
        found = _interned.get(key)
        if found is not None:
            return found
        return _interned.setdefault(key, _make(*key))

    @property
    def size(self) -> Size:
        """The number of elements, an int or a Dim."""
        total: Any = 1
        for entry in self.shape:
            total = total * entry
        return total

    @property
    def is_static(self) -> bool:
        """Are all sizes integers?"""
        return all([isinstance(entry, int) for entry in self.shape])

    def nbytes(self, sizes: Mapping[Atom, int] | None = None) -> int:
        """Bytes of such an array, with the given values of its dims."""
        count = self.size
        value = count if isinstance(count, int) else count.evaluate(sizes or {})
        return value * self.dtype.itemsize

    def with_dtype(self, dtype: Any) -> TensorType:
        return TensorType(dtype, self.shape)

    def with_shape(self, shape: Iterable[Any]) -> TensorType:
        return TensorType(self.dtype, shape)

    def __repr__(self) -> str:
        return f"{self.dtype}[{', '.join(str(entry) for entry in self.shape)}]"

    def __reduce__(self) -> tuple:
        return TensorType, (self.dtype.str, self.shape)


def type_of(array: Any) -> TensorType:
    """The type of an array or NumPy scalar.

    >>> type_of(np.zeros((2, 3)))
    float64[2, 3]
    """
    return _interned.get((array.dtype, array.shape)) or TensorType(array.dtype, array.shape)


def _make(dtype: np.dtype[Any], shape: Shape) -> TensorType:
    made = object.__new__(TensorType)
    made.dtype, made.shape, made.ndim = dtype, shape, len(shape)
    made.is_float = dtype.kind in "fc"
    return made


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """`dtype` as a NumPy dtype of numbers or booleans, in native byte order."""
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(
            f"{dtype!r} is not a dtype", remedy='write for example dtype="float64"'
        ) from error
    if found.kind not in _KINDS:
        raise DTypeError(
            f"arrays of dtype {found} cannot be part of a graph",
            cause="graphad computes with booleans, integers, floats and complex numbers",
            remedy="convert with np.asarray(values, dtype=float)",
        )
    return found if found.isnative else found.newbyteorder("=")


def as_size(entry: Any) -> Size:
    """A shape entry: int, name of a dim, None for an unknown size, or a Dim."""
    if isinstance(entry, np.integer) or type(entry) is int:
        entry = int(entry)
        if entry < 0:
            raise ShapeError(f"a size of {entry} in a shape", remedy="sizes are 0 or larger")
        return entry
    if isinstance(entry, Dim):
        return entry if entry.origin is None else entry.with_origin(None)
    if entry is None:
        return Dim.anonymous()
    if isinstance(entry, str):
        if not entry.isidentifier():
            raise ShapeError(
                f"{entry!r} is no name for a dim", remedy='use a word such as "batch"'
            )
        return Dim.named(entry)
    raise ShapeError(
        f"{entry!r} cannot be a size",
        remedy='a shape entry is an int, a name such as "batch", or None for unknown',
    )
