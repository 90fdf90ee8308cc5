"""TensorType: what it accepts, that equal types are one object, and that pickling keeps this."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, ShapeError
from graphad.ir.dims import Dim
from graphad.ir.types import TensorType


def test_equal_types_are_the_same_object() -> None:
    assert TensorType("float64", (2, "n")) is TensorType(np.float64, [2, Dim.named("n")])
    assert TensorType(float, ()) is TensorType("<f8")
    assert TensorType("f4", (np.int64(2),)) is TensorType("float32", (2,))
    assert TensorType("float64", (2,)) is not TensorType("float32", (2,))
    assert TensorType("float64", (None,)) is not TensorType("float64", (None,))


@pytest.mark.parametrize("shape", [(), (0, 3), ("n", 1), (None, "n")], ids=str)
def test_pickling_and_copying_keep_the_identity(shape: tuple) -> None:
    found = TensorType("int32", shape)
    assert pickle.loads(pickle.dumps(found)) is found
    assert copy.deepcopy(found) is found


def test_unused_types_are_forgotten() -> None:
    found = TensorType("float64", (123456789,))
    watch = weakref.ref(found)
    del found
    assert watch() is None


def test_attributes() -> None:
    found = TensorType("complex64", ("n", 3))
    assert (found.dtype, found.ndim, found.is_float) == (np.complex64, 2, True)
    assert found.size == 3 * Dim.named("n") and not found.is_static
    assert found.nbytes({("name", "n"): 2}) == 48
    assert TensorType("bool", (4, 2)).nbytes() == 8
    assert not TensorType("int8").is_float and TensorType("int8").size == 1


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (TensorType("float64"), "float64[]"),
        (TensorType("bool", (2, 3)), "bool[2, 3]"),
        (TensorType("float32", ("batch", None, 4)), "float32[batch, ?, 4]"),
    ],
    ids=str,
)
def test_text(type: TensorType, text: str) -> None:
    assert repr(type) == text


def test_byte_order_is_native() -> None:
    assert TensorType(">f8", (2,)) is TensorType("<f8", (2,))
    value = np.arange(3, dtype=">i4")
    assert ga.constant(value).dtype == np.int32 and ga.constant(value).dtype.isnative


BAD: list[tuple[Any, Any, type[Exception], str]] = [
    ("floaty", (), DTypeError, "'floaty'"),
    ("object", (), DTypeError, "object"),
    ("str", (), DTypeError, "<U"),
    ("datetime64[s]", (), DTypeError, "datetime64"),
    ("float64", (-1,), ShapeError, "-1"),
    ("float64", (2.0,), ShapeError, "2.0"),
    ("float64", (True,), ShapeError, "True"),
    ("float64", ("two words",), ShapeError, "'two words'"),
    ("float64", ("",), ShapeError, "''"),
]


@pytest.mark.parametrize(("dtype", "shape", "error", "named"), BAD, ids=lambda v: str(v))
def test_bad_input(dtype: Any, shape: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match="remedy: ") as caught:
        TensorType(dtype, shape)
    assert named in str(caught.value)
