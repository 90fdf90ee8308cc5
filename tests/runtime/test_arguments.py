"""What arrives as an argument: dtypes, ranks, sizes, layouts, subclasses; never written into."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import InputDTypeError, InputError, InputShapeError, ShapeError, UseError
from graphad.runtime.arguments import weakly
from graphad.testing.variants import LAYOUTS

BACKENDS = ("auto", "numpy", "interpreter")


def echo(shape: Any, dtype: str, backend: str = "auto") -> ga.Function:
    return ga.function([x := ga.tensor("x", shape=shape, dtype=dtype)], x, backend=backend)


# ---- dtypes -------------------------------------------------------------------------------------

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("float64", 2, 2.0), ("float64", True, 1.0), ("float64", np.float32(0.5), 0.5),
    ("float64", np.int32(7), 7.0), ("float64", 2**70, 2.0**70), ("float32", 0.1, np.float32(0.1)),
    ("float32", 3, 3.0), ("float16", 1e9, np.inf), ("complex128", 1, 1), ("complex64", 1.5, 1.5),
    ("complex128", 2j, 2j), ("int64", 5, 5), ("int64", True, 1), ("int32", -5, -5),
    ("int8", -128, -128),
    ("uint8", 255, 255), ("uint64", 2**63, 2**63), ("int64", np.uint8(3), 3), ("bool", True, True),
    ("bool", np.False_, False), ("float64", np.array(2.0), 2.0), ("int64", np.array(2, "i4"), 2),
    ("float64", np.array(2.0, ">f8"), 2.0), ("int64", np.array(3, ">i2"), 3),
    ("float64", np.nan, np.nan),
]  # fmt: skip
REFUSED: list[tuple[str, Any, str]] = [
    ("int64", 1.5, "float64 to int64 is not a safe cast"), ("int64", 2.0, "not a safe cast"),
    ("bool", 1, "int64 to bool"), ("float64", 1j, "complex128 to float64"),
    ("uint8", -1, "from 0 to 255"),
    ("uint8", 256, "uint8 holds integers from 0 to 255"), ("int8", 128, "from -128 to 127"),
    ("int64", 2**63, "int64 holds integers from"),
    ("int64", 2**70, "graphad computes with booleans"),
    ("float64", 10**400, "graphad computes with"), ("float64", "1.0", "graphad computes with"),
    ("float64", None, "graphad computes with"), ("float64", {}, "graphad computes"),
    ("float64", b"1", "graphad"),
    ("float32", np.float64(1.0), "float64 to float32 is not a safe cast"),
    ("int32", np.int64(1), "not a safe"),
    ("float64", np.array(1j), "not a safe cast"), ("bool", np.array(1), "not a safe cast"),
    ("float64", np.datetime64("2020-01-01"), "graphad computes with"),
    ("float64", object(), "graphad computes"),
    ("uint8", np.int8(1), "not a safe cast"), ("float64", np.longdouble(1), "not a safe cast"),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dtype", "value", "expected"), ACCEPTED)
def test_accepted(dtype: str, value: Any, expected: Any, backend: str) -> None:
    scalar, vector = echo((), dtype, backend), echo((None,), dtype, backend)
    assert scalar(value).dtype == dtype
    np.testing.assert_array_equal(scalar(value), expected)
    for several in ([value, value], (value,) * 2, np.asarray([value, value])):
        if isinstance(several, np.ndarray) and not np.can_cast(several.dtype, dtype):
            continue
        assert vector(several).dtype == dtype
        np.testing.assert_array_equal(vector(several), [expected, expected])


@pytest.mark.parametrize(("dtype", "value", "message"), REFUSED)
def test_refused(dtype: str, value: Any, message: str) -> None:
    with pytest.raises(InputDTypeError, match="argument x has dtype") as caught:
        echo((), dtype)(value)
    assert message in str(caught.value) and "remedy: convert it" in str(caught.value)


@pytest.mark.parametrize(
    "value", [[1.5], [1, 2.5], [[1], [2]], [2**40], [-(2**31) - 1], ["a"], [None]]
)
def test_lists_that_do_not_fit(value: Any) -> None:
    with pytest.raises(InputError):
        echo((None,), "int32")(value)


def test_lists_are_arrays() -> None:
    f = echo((None, 2), "float64")
    np.testing.assert_array_equal(f([[1, 2], (3.0, True)]), [[1.0, 2.0], [3.0, 1.0]])
    np.testing.assert_array_equal(f([np.array([1, 2]), np.array([3, 4])]), [[1, 2], [3, 4]])
    with pytest.raises(InputError, match=r"argument x is no array: .*inhomogeneous"):
        f([[1.0], [1.0, 2.0]])
    for empty in ([], (), [[]], [[], []]):
        assert echo((None,) * np.ndim(empty), "int64")(empty).size == 0


def test_integers_of_any_numpy_type_in_lists_are_checked() -> None:
    with pytest.raises(InputDTypeError, match="uint8 holds integers from 0 to 255"):
        echo((None,), "uint8")([np.int64(300)])
    with pytest.raises(InputDTypeError, match="uint8 holds integers from 0 to 255"):
        echo((None, 1), "uint8")([np.array([300]), np.array([1])])


def test_symbolic_arguments_are_refused() -> None:
    x = ga.vector("x")
    f = ga.function([x], x * 2.0)
    for wrong in (x, x * 2.0, ga.constant([1.0])):
        with pytest.raises(UseError, match="symbolic variable, a value is needed"):
            f(wrong)
    with pytest.raises(InputError):
        f([x, x])


@pytest.mark.parametrize("dtype", ["float64", "uint8", "bool", "complex64", "float16"])
def test_weakly_keeps_the_dtype_asked_for(dtype: str) -> None:
    for value in (True, [True, False], []):
        array = weakly(value, np.dtype(dtype))
        assert array is not None and array.dtype == dtype


# ---- ranks and sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "given", "message"), [
    ((3,), (4,), r"shape \(4,\), float64\[3\] is expected\n  cause: axis 0 has size 4, not 3"),
    ((3,), (), r"shape \(\), float64\[3\] is expected\n  cause: it has 0 axes, not 1"),
    ((), (1,), "it has 1 axes, not 0"), (("n", 3), (2, 4), "axis 1 has size 4, not 3"),
    ((None, 3), (3,), "it has 1 axes, not 2"), ((2, 3), (3, 2), "axis 0 has size 3, not 2"),
    ((1,), (2,), "axis 0 has size 2, not 1"), ((3,), (1,), "axis 0 has size 1, not 3"),
    ((0,), (1,), "axis 0 has size 1, not 0"),
    (("n", "n"), (2, 3), "size 'n' is 2 in argument x .axis 0. but 3"),
])  # fmt: skip
def test_wrong_shapes(shape: Any, given: Any, message: str) -> None:
    for backend in BACKENDS:
        with pytest.raises(InputShapeError, match=message):
            echo(shape, "float64", backend)(np.zeros(given))


def test_named_sizes_agree_between_arguments() -> None:
    x, t = ga.matrix("images", shape=("batch", 2)), ga.vector("labels", shape=("batch",))
    f = ga.function([x, {"t": t}], x.sum() + t.sum())
    assert f(np.ones((3, 2)), {"t": np.ones(3)}) == 9.0
    with pytest.raises(InputShapeError) as caught:
        f(np.ones((3, 2)), {"t": np.ones(4)})
    assert str(caught.value).startswith(
        "the size 'batch' is 3 in argument images (axis 0) but 4 in argument_1['t'] (axis 0)"
    )


def test_derived_sizes() -> None:
    n = ga.vector("v", shape=("n",)).type.shape[0]
    v = ga.vector("v", shape=(n,))
    padded, twice = ga.vector("p", shape=(n + 2,)), ga.matrix("w", shape=(2 * n, n // 2))
    f = ga.function([v, padded, twice], v.sum() + padded[1:-1] + twice.sum())
    assert f(np.ones(4), np.ones(6), np.ones((8, 2))).shape == (4,)
    with pytest.raises(
        InputShapeError, match=r"p has size 5 along axis 0, n \+ 2 = 6 is expected"
    ):
        f(np.ones(4), np.ones(5), np.ones((8, 2)))
    with pytest.raises(InputShapeError, match=r"w has size 3 along axis 1, floordiv.* = 2 is"):
        f(np.ones(4), np.ones(6), np.ones((8, 3)))


def test_a_derived_size_without_its_source() -> None:
    n = ga.vector("v", shape=("n",)).type.shape[0]
    a, b = ga.vector("a", shape=(2 * n,)), ga.vector("b", shape=(2 * n,))
    f = ga.function([a, b], a * b)
    assert f(np.ones(6), np.ones(6)).size == 6
    with pytest.raises(InputShapeError, match=r"the size '2\*n' is 6 in argument a"):
        f(np.ones(6), np.ones(4))


X, U = ga.vector("x", shape=("n",)), ga.vector("u")
M, LABELS = ga.matrix("m", shape=("n", 3)), ga.vector("labels", dtype="int64")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("inputs", "result", "shapes"), [
    ([X, U], X + U, [(1,), (5,)]), ([X, U], ga.where(U > 0, ga.exp(X), 1.0), [(1,), (5,)]),
    ([X, U], ga.grad(ga.sum(ga.exp(X) * U), [X, U]), [(1,), (5,)]),
    ([M, LABELS], ga.cross_entropy(M, LABELS), [(1, 3), (5,)]),
    ([M, U], M.T * ga.exp(U), [(1, 3), (5,)]), ([X, U], X[None] * U[None, :], [(1,), (5,)]),
    ([X, U], X + ga.concatenate([U, U])[::2], [(1,), (5,)]),
])  # fmt: skip
def test_a_named_size_of_1_is_not_stretched(
    inputs: Any, result: Any, shapes: Any, backend: str
) -> None:
    f = ga.function(inputs, result, backend=backend)
    arrays = [np.zeros(s, v.dtype) for s, v in zip(shapes, inputs, strict=True)]
    with pytest.raises(
        InputShapeError, match=r"the size 'n' is 1, but \S+.* joins it with a size of 5"
    ):
        f(*arrays)
    f(arrays[0], arrays[1][:1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("sizes", [(1, 3), (2, 3)])
def test_a_named_size_is_not_stretched_in_a_derivative_alone(
    backend: str, sizes: tuple[int, int]
) -> None:
    f = ga.function([X, U], ga.grad(ga.sum(X + U), X), backend=backend, unused="ignore")
    arrays = [np.ones(size) for size in sizes]
    told = f"the size 'n' is {sizes[0]}, but add joins it with a size of 3"
    for g in (f, pickle.loads(pickle.dumps(f))):
        with pytest.raises(InputShapeError, match=told):
            g(*arrays)
        np.testing.assert_array_equal(g(arrays[1], arrays[1]), np.ones(3))
        np.testing.assert_array_equal(g(arrays[1], [1.0]), np.ones(3))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", [
    lambda total: total, lambda total: ga.grad(total, X),
    lambda total: ga.grad(ga.grad(ga.sum(total**2), X).sum(), X),
])  # fmt: skip
def test_a_named_size_is_not_stretched_by_one_that_is_computed(make: Any, backend: str) -> None:
    f = ga.function([X, U], make((X + ga.nonzero(U)[0]).sum()), backend=backend, unused="ignore")
    for size in (1, 2):
        with pytest.raises(ShapeError, match=rf"n.* is {size}\b|broadcast together"):
            f(np.ones(size), np.ones(3))
    fitting, stretched = f(np.ones(3), np.ones(3)), f(np.ones(3), [0.0, 1.0])
    assert np.all(np.isfinite(fitting)) and np.all(np.isfinite(stretched))


def test_unknown_sizes_are_stretched() -> None:
    u, v = ga.vector("u"), ga.vector("v")
    for backend in BACKENDS:
        f = ga.function([u, v], [u * v, *ga.grad(ga.sum(u * v), [u, v])], backend=backend)
        found = f([2.0], [1.0, 3.0])
        assert [r.tolist() for r in found] == [[2.0, 6.0], [4.0], [2.0, 2.0]]


# ---- layouts, subclasses ------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", ">f8", "float32"])
def test_any_layout(layout: Any, dtype: str, backend: str) -> None:
    x = ga.matrix("x", shape=("n", 3))
    f = ga.function([x], [ga.sin(x) + x.T[0, 0], x.reshape((-1,)), x[::-1], x], backend=backend)
    array = np.arange(6.0).reshape(2, 3)
    given = layout(array.astype(dtype))
    for a, b in zip(f(given), f(array), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype == np.float64 and a.flags.writeable
    np.testing.assert_array_equal(given, array)


def test_a_matrix_counts_as_the_array_it_holds() -> None:
    x = ga.matrix("x")
    f = ga.function([x], [x * x, x.sum(axis=0)])
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    square, total = f(matrix)  # elementwise, not a matrix product
    assert type(square) is np.ndarray and square.tolist() == [[1.0, 4.0], [9.0, 16.0]]
    assert total.tolist() == [4.0, 6.0]


def test_masked_arrays() -> None:
    f = echo((None,), "float64")
    with pytest.raises(
        InputError, match="argument x is a masked array\n  cause: masks are not known"
    ):
        f(np.ma.array([1.0, 2.0], mask=[False, True]))
    assert f(np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]  # nothing is masked
    assert type(f(np.ma.array([1.0, 2.0]))) is np.ndarray


def test_what_offers_an_array_is_one() -> None:
    class Offers:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.array([1.0, 2.0])

    f = echo((None,), "float64")
    assert f(Offers()).tolist() == [1.0, 2.0] and f(
        np.array([1.0, 2.0]).view(np.recarray)
    ).tolist() == [1.0, 2.0]
    assert f(memoryview(np.array([3.0]))).tolist() == [3.0]


def test_arguments_are_never_written() -> None:
    """Programs that work in place, on read-only arrays: any write would raise."""
    x, y = ga.matrix("x", shape=("n", 3)), ga.vector("y", shape=(3,))
    results = [
        ga.sin(x + y) * y,
        ga.exp(-x),
        (x.T * 2.0)[1:],
        ga.cumsum(x, 0),
        x[:1] + y,
        ga.grad((x * x).sum(), x),
    ]
    f = ga.function([x, y], results)
    arrays = [np.arange(6.0).reshape(2, 3), np.ones(3)]
    for array in arrays:
        array.flags.writeable = False
    f(*arrays)
    np.testing.assert_array_equal(arrays[0], np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_arrays(shape: Any, backend: str) -> None:
    x = ga.matrix("x")
    results = [
        ga.exp(x) * 2.0,
        x.sum(axis=0),
        x.T @ x,
        x.reshape((-1,)) if shape[0] else x,
        x[:, :0],
        x.mean(axis=1),
    ]
    f = ga.function([x], [*results, ga.grad((x * x).sum(), x)], backend=backend)
    array = np.zeros(shape)
    found = f(array)
    means = np.full(shape[0], np.nan if not shape[1] else 0.0)
    flat = array.ravel() if shape[0] else array
    expected = [array, array.sum(0), array.T @ array, flat, array[:, :0], means, array]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
