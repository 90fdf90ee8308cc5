"""Longer and shorter arrays: resize, append, insert, delete, trim_zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import IndexingError, UseError
from graphad.ir.families.common import normalize_axes, normalize_axis, public
from graphad.ir.families.indexing import check_integer
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Constant, Variable, as_variable
from graphad.ops.arrays.updates import index_set, value_like


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


@public(np.resize, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3),), {"new_shape": (2, 5)}), Sample((_x(3),), {"new_shape": 2}),
    Sample((_x(2, 2),), {"new_shape": (0, 3)})])  # fmt: skip
def resize(a: Any, new_shape: Any) -> Variable:
    """The elements of `a`, repeated from the first as often as needed, in another shape.

    As ``np.resize``; an array without elements gives zeros. Sizes may be entries of ``x.shape``.

    >>> import graphad as ga
    >>> ga.resize(ga.constant([1, 2, 3]), (2, 4)).eval()
    array([[1, 2, 3, 1],
           [2, 3, 1, 2]])
    """
    flat = OPS["ravel"](as_variable(a))
    sizes = new_shape if isinstance(new_shape, tuple | list) else (new_shape,)
    total: Any = 1
    for size in sizes:
        total = total * size
    count = flat.shape[0]
    if isinstance(count, int) and count:
        place = OPS["arange"](total) % count
    else:  # behind an array without elements there is a zero
        flat = OPS["concatenate"]([flat, OPS["zeros"]((1,), flat.dtype)])
        place = OPS["arange"](total) % OPS["maximum"](as_variable(count), 1)
    result: Variable = OPS["reshape"](flat[place], tuple(sizes))
    return result


@public(np.append, topic="shape", samples=lambda rng: [
    Sample((_x(2, 3), _x(2))), Sample((_x(2, 3), _x(1, 3)), {"axis": 0}),
    Sample((_x(2, 3), _x(2, 2)), {"axis": -1})])  # fmt: skip
def append(arr: Any, values: Any, axis: int | None = None) -> Variable:
    """`values` joined to the end of `arr` along `axis` (None: both flattened), as ``np.append``.

    >>> import graphad as ga
    >>> ga.append(ga.constant([1, 2]), [[3], [4]]).eval()
    array([1, 2, 3, 4])
    """
    joined: Variable = OPS["concatenate"]([as_variable(arr), as_variable(values)], axis=axis)
    return joined


# ---- places, counted from either end ---------------------------------------------------------
def _flattened(arr: Any, axis: int | None, name: str) -> tuple[Variable, int]:
    variable = as_variable(arr)
    if axis is None:
        return OPS["ravel"](variable), 0
    return variable, normalize_axis(axis, variable.ndim, name)


def _is_mask(obj: Any) -> bool:
    dtype = obj.dtype if isinstance(obj, Variable) else np.asarray(obj).dtype
    return bool(dtype.kind == "b")


def _places(obj: Any, size: Any, room: int, name: str) -> Variable:
    """Integers 0 … size + room - 1 for an int, a slice, integers or a mask; checks the range."""
    if isinstance(obj, slice) and isinstance(size, int):
        return Constant(np.arange(size)[obj])
    if isinstance(obj, slice):
        found: Variable = OPS["arange"](size)[obj]
        return found
    listed = obj if isinstance(obj, Variable) else np.asarray(obj, None if np.size(obj) else int)
    places = as_variable(listed)
    if places.dtype.kind == "b" and places.ndim == 1:
        return OPS["arange"](size)[places]
    check_integer(places, f"{name}: obj")
    if places.dtype.kind == "b" or places.ndim > 1:
        raise IndexingError(f"{name}: obj={obj!r}", remedy="give an int, a slice, or a list")
    if isinstance(places, Constant) and isinstance(size, int):
        for place in places.value.ravel():
            if not -size <= place < size + room:
                raise IndexingError(
                    f"{name}: place {place} is out of bounds for an axis of size {size}",
                    remedy=f"places are {-size} … {size + room - 1}",
                )
        return Constant(np.where(places.value < 0, places.value + size, places.value))
    count = as_variable(size)
    wrapped = OPS["where"](places < 0, places + count, places)
    beyond = OPS["where"](places < -count, count + room, wrapped)  # no place of the next line
    checked: Variable = OPS["arange"](count + room)[beyond]
    return checked


# ---- insert and delete -----------------------------------------------------------------------
def _insert_samples(rng: np.random.Generator) -> list[Sample]:
    x = _x(3, 4)
    return [
        Sample((x,), {"obj": 1}, {"values": np.float64(5.0)}),
        Sample((x,), {"obj": 3, "axis": 0}, {"values": _x(4)}),
        Sample((x,), {"obj": -2, "axis": 1}, {"values": _x(3)}),
        Sample((x,), {"obj": [1, 1, -1], "axis": 1}, {"values": _x(3, 3)}),
        Sample((x,), {"obj": [2], "axis": 1}, {"values": _x(3, 2)}),
        Sample((x,), {"obj": slice(0, 3, 2), "axis": 1}, {"values": _x(2)}),
        Sample((x,), {"obj": np.array([False, True, True, False]), "axis": 1},
               {"values": np.float64(1.5)}),
    ]  # fmt: skip


def _insert_reference(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    if np.iscomplexobj(values) and not np.iscomplexobj(arr):
        raise TypeError("complex values for a real array")
    return np.insert(arr, obj, values, axis)


@public(np.insert, topic="shape", samples=_insert_samples, reference=_insert_reference)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Variable:
    """`arr` with `values` inserted before the places `obj` along `axis`, as ``np.insert``.

    obj: an int, a slice, a list of integers or a mask, all of places in `arr`; axis None: arr is
    flattened. `values` broadcast to what is inserted and get the dtype of arr.
    Raises IndexingError for places out of range (at run time if the size is not known before),
    DTypeError for complex values in a real array, AxisError, ShapeError.

    >>> import graphad as ga
    >>> ga.insert(ga.constant([1, 2, 3]), [0, 2], 9).eval()
    array([9, 1, 2, 9, 3])
    """
    variable, along = _flattened(arr, axis, "insert")
    size = variable.shape[along]
    places = _places(obj, size, 1, "insert")
    given = value_like(values, variable, "insert", "unsafe")
    if given.ndim < variable.ndim:
        given = OPS["expand_dims"](given, tuple(range(variable.ndim - given.ndim)))
    scalar = places.ndim == 0
    if scalar:
        given = OPS["moveaxis"](given, 0, along)
        places = OPS["reshape"](places, (1,))
    count = places.shape[0]
    if scalar or count == 1:  # any number of slices, all before the same place
        count = given.shape[along]
        places = OPS["broadcast_to"](places, (count,))
    shape = [count if i == along else n for i, n in enumerate(variable.shape)]
    joined = OPS["concatenate"]([OPS["broadcast_to"](given, shape), variable], axis=along)
    # in the order of these keys, what is inserted stands before the element at its place
    keys = OPS["concatenate"]([places * 2, OPS["arange"](size) * 2 + 1])
    order = OPS["argsort"](keys)
    result: Variable = joined[(*[slice(None)] * along, order)]
    return result


def _delete_samples(rng: np.random.Generator) -> list[Sample]:
    rows: list[dict[str, Any]] = [
        {"obj": 1}, {"obj": -1, "axis": 1}, {"obj": [0, 2, 0, -1], "axis": 1},
        {"obj": slice(None, None, 2), "axis": 1}, {"obj": [], "axis": 0},
        {"obj": np.array([False, True, True, False]), "axis": 1},
    ]  # fmt: skip
    return [Sample((_x(3, 4),), row) for row in rows]


@public(np.delete, topic="shape", samples=_delete_samples)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Variable:
    """`arr` without the places `obj` along `axis`, as ``np.delete``; None: arr is flattened.

    obj: an int, a slice, a list of integers or a mask. What is deleted has the derivative 0.
    Raises IndexingError for places out of range (at run time if the size is not known before),
    AxisError.

    >>> import graphad as ga
    >>> ga.delete(ga.constant([1, 2, 3, 4]), [0, -1]).eval()
    array([2, 3])
    """
    variable, along = _flattened(arr, axis, "delete")
    size = variable.shape[along]
    lead = (slice(None),) * along
    if not isinstance(obj, slice) and _is_mask(obj):
        mask = as_variable(obj)
        if mask.ndim != 1:
            raise IndexingError(f"delete: a mask of type {mask.type}", remedy="give one axis")
        kept: Variable = variable[(*lead, ~mask)]
        return kept
    places = _places(obj, size, 0, "delete")
    if isinstance(places, Constant) and isinstance(size, int):
        result: Variable = variable[(*lead, np.delete(np.arange(size), places.value))]
    elif places.ndim == 0:
        index = OPS["arange"](size - 1)
        result = variable[(*lead, index + (index >= places))]
    else:
        result = variable[(*lead, index_set(OPS["ones"]((size,), bool), places, False))]
    return result


# ---- trim_zeros ------------------------------------------------------------------------------
def _trim_samples(rng: np.random.Generator) -> list[Sample]:
    row = np.array([0.0, 0.0, 1.0, 0.0, 2.0, 0.0])
    field = np.zeros((4, 5))
    field[1, 2:4], field[2, 1] = 1.5, -2.0
    return [
        Sample((row,)), Sample((row,), {"trim": "f"}), Sample((row,), {"trim": "B"}),
        Sample((field,)), Sample((field,), {"axis": -1, "trim": "b"}), Sample((0 * row,)),
        Sample((0 * field,), {"axis": 0, "trim": "f"}),
    ]  # fmt: skip


def _trim_reference(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """np.trim_zeros; arrays of several axes also for NumPy before 2.2."""
    found = np.argwhere(filt)
    low = found.min(axis=0) if found.size else np.zeros(filt.ndim, int)
    high = found.max(axis=0) + 1 if found.size else low
    sides = trim.lower() if found.size else "fb"
    axes = range(filt.ndim) if axis is None else [axis % filt.ndim]
    index = [slice(None)] * filt.ndim
    for i in axes:
        index[i] = slice(low[i] if "f" in sides else None, high[i] if "b" in sides else None)
    return filt[tuple(index)]


@public(np.trim_zeros, topic="shape", samples=_trim_samples, differentiable=False,
        reference=_trim_reference)  # fmt: skip
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Variable:
    """`filt` without slices of zeros at the front ("f") and the back ("b"), as ``np.trim_zeros``.

    Along `axis` (an int, a tuple, None for all). The sizes of the result are known at run time.
    Derivatives flow to what is left (the op table lists it as not differentiable, because the
    number of elements jumps). Raises UseError for another `trim`, AxisError.

    >>> import graphad as ga
    >>> ga.trim_zeros(ga.constant([0, 0, 1, 0, 2, 0])).eval()
    array([1, 0, 2])
    """
    variable = as_variable(filt)
    sides = trim.lower() if isinstance(trim, str) else trim
    if sides not in ("f", "b", "fb", "bf"):
        raise UseError(f"trim_zeros: trim={trim!r}", remedy='"f", "b" or "fb"')
    axes = normalize_axes(axis, variable.ndim, "trim_zeros")
    if not axes:
        return variable
    nonzero = variable != 0
    empty = ~OPS["any"](nonzero)
    index: list[Any] = [slice(None)] * variable.ndim
    for i in axes:
        others = tuple([j for j in range(variable.ndim) if j != i])
        line = OPS["any"](nonzero, axis=others) if others else nonzero
        place, size = OPS["arange"](variable.shape[i]), as_variable(variable.shape[i])
        low = OPS["min"](OPS["concatenate"]([OPS["where"](line, place, size), size[None]]))
        high = OPS["max"](OPS["concatenate"]([OPS["where"](line, place + 1, 0), 0 * size[None]]))
        start = low if "f" in sides else OPS["where"](empty, size, 0)
        stop = high if "b" in sides else OPS["where"](empty, 0, size)
        index[i] = slice(start, stop)
    return variable[tuple(index)]
