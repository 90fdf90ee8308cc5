"""NumPy's ufuncs on Variables: their keywords, their methods, and further names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import AxisError, DTypeError, UseError
from graphad.ir.op import OPS

X = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]])
Y = np.array([2.0, 3.0, -0.5])


def value(f: Any, *arrays: Any) -> Any:
    """f of inputs with the arrays' types, evaluated."""
    inputs = [ga.tensor(f"x{i}", np.shape(a), np.asarray(a).dtype) for i, a in enumerate(arrays)]
    return ga.function(inputs, f(*inputs))(*arrays)


def assert_like_numpy(f: Any, *arrays: Any) -> None:
    found, expected = value(f, *arrays), f(*arrays)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", np.float16])
def test_dtype_chooses_the_loop(dtype: Any) -> None:
    assert_like_numpy(lambda x, y: np.add(x, y, dtype=dtype), X, Y)
    assert_like_numpy(lambda x: np.multiply(x, 3, dtype=dtype), X)
    assert_like_numpy(lambda x: np.divide(x, 3, dtype=dtype), np.arange(4))
    assert_like_numpy(lambda x: np.sqrt(x, dtype=dtype), np.arange(4, dtype="int8"))


def test_dtype_of_our_own_function() -> None:
    x = ga.vector("x", shape=(3,))
    assert ga.add(x, 1, dtype="float32").dtype == ga.exp(x, dtype=np.float32).dtype == np.float32
    assert ga.grad(ga.add(x, x, dtype="float32").sum(), x).eval({x: Y}).tolist() == [2, 2, 2]


def test_keywords_of_functions_made_of_others() -> None:
    x = ga.vector("x", shape=(3,))
    for namespace in (np, ga):
        for name in ("modf", "frexp"):
            parts = getattr(namespace, name)(x, dtype=None, where=True)
            assert [p.dtype for p in parts] == [p.dtype for p in getattr(np, name)(Y)]
        assert namespace.divmod(x, 2, dtype="float32")[1].dtype == np.float32
        assert namespace.float_power(x, 2, where=True).dtype == np.float64
        with pytest.raises(UseError, match="leave out= away"):
            namespace.divmod(x, 2, out=(Y, Y))
        with pytest.raises(DTypeError, match="float_power"):
            namespace.float_power(x, 2, dtype="float32")


def test_casting_is_checked() -> None:
    x = ga.vector("x")
    with pytest.raises(DTypeError, match="dtype=int64"):
        np.add(x, 1, dtype="int64")
    with pytest.raises(DTypeError, match="casting='no'"):
        np.add(x, np.ones(3, "float32"), casting="no")
    with pytest.raises(DTypeError, match=r"np\.equal"):
        np.equal(x, x, dtype="float64")
    assert np.add(x, 1.5, dtype="int64", casting="unsafe").dtype == np.int64


@pytest.mark.parametrize("namespace", [np, ga])
def test_keywords_that_are_refused(namespace: Any) -> None:
    x = ga.vector("x")
    with pytest.raises(UseError, match=r"remedy: .*ga\.where\(mask, np\.add"):
        namespace.add(x, x, where=x > 0)
    with pytest.raises(UseError, match="leave out= away"):
        namespace.add(x, x, out=np.zeros(3))
    with pytest.raises(UseError, match="use dtype="):
        namespace.add(x, x, signature="ff->f")
    assert namespace.add(x, x, where=True, order="C", subok=False).dtype == np.float64


def test_reduce() -> None:
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp):
        for keywords in ({}, {"axis": 1}, {"axis": None}, {"axis": (0, 1)}, {"keepdims": True}):
            if ufunc is np.logaddexp and keywords.get("axis", 0) not in (0, 1):
                continue  # NumPy reduces it along one axis only
            found = value(lambda x, u=ufunc, k=keywords: u.reduce(x, **k), X)
            np.testing.assert_allclose(found, ufunc.reduce(X, **keywords), rtol=1e-15)
    for ufunc in (np.logical_and, np.logical_or):
        assert_like_numpy(lambda x, u=ufunc: u.reduce(x, axis=1), X > 0)
    assert_like_numpy(lambda x: np.add.reduce(x, 1, "float32"), X)
    assert_like_numpy(lambda x: np.add.reduce(x), X > 0)


def test_accumulate() -> None:
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum):
        for axis in (0, 1, -1):
            assert_like_numpy(lambda x, u=ufunc, a=axis: u.accumulate(x, axis=a), X)
            assert_like_numpy(lambda x, u=ufunc, a=axis: u.accumulate(x, axis=a), X.astype(int))
        assert_like_numpy(lambda x, u=ufunc: u.accumulate(x, dtype="float32"), X)
        with pytest.raises(AxisError):
            ufunc.accumulate(ga.matrix("x"), axis=2)


def test_outer() -> None:
    assert_like_numpy(np.multiply.outer, X, Y)
    assert_like_numpy(np.subtract.outer, Y, X)
    assert_like_numpy(lambda x: np.less.outer(x, 1.0), X)
    assert_like_numpy(lambda x: np.add.outer([1, 2], x), Y)
    assert_like_numpy(lambda x: np.add.outer(x, Y, dtype="float32"), Y)
    assert_like_numpy(lambda x: np.add.outer(x.shape[0], x), Y)
    x = ga.vector("x", shape=(3,))
    assert np.add.outer(ga.vector("n").shape[0], x).type == x.type
    g = ga.grad((np.multiply.outer(x, x) ** 2).sum(), x)
    np.testing.assert_allclose(g.eval({x: Y}), 4 * Y * (Y @ Y))


def test_methods_that_are_refused() -> None:
    x = ga.vector("x")
    with pytest.raises(UseError, match=r"np\.add\.at .*\n.*x\.at\[index\]"):
        np.add.at(x, [0], 1.0)
    with pytest.raises(UseError, match=r"np\.add\.reduceat"):
        np.add.reduceat(x, [0, 1])
    with pytest.raises(UseError, match=r"np\.hypot\.reduce"):
        np.hypot.reduce(x)
    with pytest.raises(UseError, match=r"np\.logaddexp\.reduce\(where=\)"):
        np.logaddexp.reduce(x, where=x > 0)


def test_names_of_one_function() -> None:
    """Whatever NumPy has two names for has two names here, and they are one function."""
    pairs = 0
    entries = [entry.function for entry in OPS.entries.values()]
    for name in dir(np):
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type) or name.startswith("_"):
            continue
        ours = OPS.by_numpy.get(function)
        if ours not in entries or name == "identity":  # identity: eye with other arguments
            continue
        assert name in OPS, name
        if function.__name__ != name:
            assert getattr(ga, name) is ours, name
            pairs += 1
    assert pairs > 15
    assert "acos" in dir(ga) and "acos" not in ga.OPS.entries


def test_every_ufunc_has_a_symbolic_form() -> None:
    ufuncs = {n for n in dir(np) if isinstance(getattr(np, n), np.ufunc)}
    missing = {n for n in ufuncs if getattr(np, n) not in OPS.by_numpy}
    assert missing == {"isnat"}  # of times


def test_divmod() -> None:
    for divide in (divmod, np.divmod, ga.divmod):
        quotient, rest = value(lambda x, f=divide: list(f(x, 2.0)), Y)
        assert quotient.tolist() == [1, 1, -1] and rest.tolist() == [0, 1, 1.5]
    assert value(lambda x: list(divmod(7, x)), np.array([2, 3]))[1].tolist() == [1, 1]
