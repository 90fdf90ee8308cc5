"""What types answer without values; methods and attributes of arrays, present or refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import MissingAttributeError, UseError
from graphad.ir.methods import REFUSED
from graphad.ir.op import OPS

X = ga.matrix("x", shape=("n", 3), dtype="float32")
A = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])


def test_shapes() -> None:
    assert np.ndim(X) == ga.ndim(X) == X.ndim == 2
    assert np.shape(X) == ga.shape(X) == X.shape and ga.shape([[1, 2]]) == (1, 2)
    assert np.size(X) == ga.size(X) == X.size and np.size(X, 1) == 3
    assert str(ga.size(X)) == "3*n" and X.itemsize == 4 and str(X.nbytes) == "12*n"
    n = X.shape[0]
    assert ga.broadcast_shapes((2, 1), (n,), 1) == (2, n) and ga.broadcast_shapes() == ()
    assert [a.type.shape for a in np.broadcast_arrays(X, np.zeros((2, 1, 1)))] == [(2, n, 3)] * 2
    with pytest.raises(ValueError, match="do not fit"):
        ga.broadcast_shapes((2,), (3,))


def test_dtypes() -> None:
    assert np.result_type(X, 1.0) == ga.result_type(X, 1.0) == np.float32
    assert ga.result_type(X, np.float64) == np.float64
    assert np.can_cast(X, "float64") and not ga.can_cast(X, "int64")
    assert np.common_type(X, X) is np.float32 and np.min_scalar_type(X) == np.float32
    assert np.iterable(ga.vector("v", shape=(2,))) and not np.iterable(ga.scalar("s"))
    assert not np.isscalar(X)


def test_variables_share_no_memory() -> None:
    assert np.shares_memory(X, X) and not np.may_share_memory(X, X + 1)


@pytest.mark.parametrize("name", ["save", "savez", "savetxt", "array_repr", "array_str"])
def test_what_needs_values_is_refused(name: str) -> None:
    arguments = ("file", X) if name.startswith("save") else (X,)
    with pytest.raises(UseError, match=f"np.{name} on a symbolic variable"):
        getattr(np, name)(*arguments)


def test_every_function_of_numpy_answers() -> None:
    """Each function that NumPy dispatches has a symbolic form, or an error that says why not."""
    unknown = {
        name for name, function in list(vars(np).items())
        if hasattr(function, "_implementation") and function not in OPS.by_numpy
        and function.__module__.startswith("numpy")
    }  # fmt: skip
    dates = {"busday_count", "busday_offset", "datetime_as_string", "is_busday"}
    assert unknown - dates <= {
        "bincount", "corrcoef", "cov", "einsum_path", "histogram", "histogram2d",
        "histogram_bin_edges", "histogramdd", "packbits", "unpackbits",
        "in1d",  # of older versions
    }  # fmt: skip


def test_keywords_that_are_not_known() -> None:
    with pytest.raises(UseError, match="out"):
        np.cumsum(X, out=np.zeros(3))
    with pytest.raises(UseError, match="equal_nan="):
        X.__array_function__(np.transpose, (), (X,), {"equal_nan": True})


# ---- methods and attributes -----------------------------------------------------------------

METHODS: dict[str, tuple[Any, ...]] = {
    "all": (), "any": (1,), "argmax": (), "argmin": (0,), "argpartition": (1,), "argsort": (0,),
    "astype": ("int64",), "choose": None, "clip": (1.0, 2.0), "compress": ([True, False], 0),
    "conj": (), "conjugate": (), "copy": (), "cumprod": (1,), "cumsum": (), "diagonal": (1,),
    "dot": (np.ones(3),), "flatten": ("F",), "max": (0, None, True), "mean": (1,), "min": (),
    "nonzero": (), "prod": (0,), "ravel": (), "repeat": (2, 1), "reshape": (3, -1),
    "round": (), "searchsorted": None, "squeeze": (), "std": (0,), "sum": (0, None, None, True),
    "swapaxes": (0, 1), "take": ([4, -7], None, None, "wrap"), "to_device": ("cpu",),
    "trace": (1,), "transpose": (1, 0), "var": (0, None, None, 1),
}  # type: ignore[dict-item]  # fmt: skip


@pytest.mark.parametrize("name", [name for name, given in METHODS.items() if given is not None])
def test_method(name: str) -> None:
    found = getattr(ga.constant(A), name)(*METHODS[name])
    expected = getattr(A, name)(*METHODS[name])
    several = isinstance(found, tuple)
    for a, b in zip(found if several else [found], expected if several else [expected],
                    strict=True):  # fmt: skip
        value = np.asarray(a.eval())
        assert value.dtype == np.asarray(b).dtype
        np.testing.assert_allclose(value, b, rtol=1e-15)


def test_methods_of_vectors() -> None:
    row, places = ga.constant([1.0, 2.0, 4.0]), np.array([1, 0])
    assert row.searchsorted([1.5, 2.0], "right").eval().tolist() == [1, 2]
    assert ga.constant(places).choose([[1.0, 2.0], [3.0, 4.0]]).eval().tolist() == [3.0, 2.0]
    assert row.reshape(3, 1, order="F").type.shape == (3, 1) and row.real is not None


ATTRIBUTES = {"T", "at", "device", "dtype", "imag", "itemsize", "mT", "nbytes", "ndim", "real",
              "shape", "size"}  # fmt: skip
RAISING = {"item", "sort", "partition", *REFUSED}


def test_every_method_of_arrays_is_present_or_refused() -> None:
    names = {name for name in dir(A) if not name.startswith("_")}
    assert names - {*METHODS, *ATTRIBUTES, *RAISING} == set()
    assert not {*METHODS, *ATTRIBUTES} & RAISING


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_name_says_what_to_write(name: str) -> None:
    assert not hasattr(X, name)
    with pytest.raises(MissingAttributeError, match=f"x.{name}") as caught:
        getattr(X, name)
    assert "remedy" in str(caught.value)


def test_other_names_are_ordinary_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'shap'"):
        X.shap  # noqa: B018
    assert not hasattr(X, "__array_interface__")
    with pytest.raises(UseError, match=r"ga\.sort"):
        X.sort()
    with pytest.raises(UseError, match='the only device is "cpu"'):
        X.to_device("gpu")
    with pytest.raises(UseError, match="out="):
        X.take([0], out=A)
    assert copy.copy(ga.constant(A)).type.shape == (2, 3)
