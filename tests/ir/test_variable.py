"""Variables: NumPy's operators, methods and functions, on arrays and on numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import assert_same_graph, interpret

A = np.array([[1.5, -2.0, 0.25], [3.0, 0.5, -1.0]])
B = np.array([[2.0], [-0.5]])
I = np.array([[5, 3, 0], [1, 6, 2]])  # noqa: E741
J = np.array([2, 1, 3])
C = np.array([True, False, True])


def symbolic(*arrays: Any) -> list[ga.Variable]:
    return [ga.tensor(f"x{i}", np.shape(a), np.asarray(a).dtype) for i, a in enumerate(arrays)]


def check(function: Callable[..., Any], *arrays: Any) -> None:
    """The same function on Variables and on arrays."""
    variables = symbolic(*arrays)
    built = function(*variables)
    results = built if isinstance(built, tuple) else (built,)
    wanted = function(*arrays)
    values = interpret(variables, results)(*arrays)
    rows = wanted if isinstance(wanted, tuple) else (wanted,)
    for value, row in zip(values, rows, strict=True):
        expected = np.asarray(row)
        assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(value, expected)


ARITHMETIC = "add sub mul truediv floordiv mod lt le gt ge eq ne".split()
BITWISE = "and_ or_ xor lshift rshift".split()


@pytest.mark.parametrize("name", ARITHMETIC)
def test_binary_operator(name: str) -> None:
    function = getattr(operator, name)
    check(function, A, B)
    check(lambda x: function(x, 2), A)
    check(lambda x: function(2, x), A)
    check(lambda x: function(x, 0.5), A)
    check(lambda x: function(x, 2), I)
    check(lambda x: function(x, np.float32(2)), A.astype("float32"))
    x, _ = symbolic(A, B)
    assert_same_graph(function(A, x), function(ga.constant(A), x))
    assert_same_graph(function(np.float64(2), x), function(ga.constant(2.0), x))


@pytest.mark.parametrize("name", BITWISE)
def test_bitwise_operator(name: str) -> None:
    function = getattr(operator, name)
    check(function, I, J)
    check(lambda x: function(x, 2), I)
    check(lambda x: function(2, x), I)


def test_more_operators() -> None:
    check(operator.pow, np.abs(A), B)
    check(lambda x: x**2, A)
    check(lambda x: 2.0**x, A)
    check(operator.matmul, A.T, A)
    check(lambda x: x @ A, A.T)
    check(lambda x: A.T @ x, A)
    check(divmod, A, B)
    check(lambda x: divmod(x, 2), I)
    check(lambda x: divmod(7, x), J)
    check(operator.neg, A)
    check(operator.pos, A)
    check(abs, A)
    check(operator.invert, I)
    check(operator.invert, C)
    check(lambda x: (x > 0) & (x < 1) | ~(x != 2), A)


def test_python_numbers_adapt_to_the_dtype() -> None:
    for dtype in ("float32", "float16", "int8", "uint8", "complex64"):
        x = ga.vector("x", dtype=dtype)
        assert (x + 1).dtype == np.dtype(dtype) and (2 * x).dtype == np.dtype(dtype)
    assert (ga.vector("x", dtype="int8") + 1.0).dtype == np.float64
    assert (ga.vector("x", dtype="float32") + np.float64(1)).dtype == np.float64
    assert (ga.vector("x", dtype="bool") + 1).dtype == np.int64
    assert (ga.vector("x", dtype="float32") * 1j).dtype == np.complex64


METHODS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(),
    "sum axis": lambda x: x.sum(1, keepdims=True),
    "sum dtype": lambda x: x.sum(axis=0, dtype="float32"),
    "prod": lambda x: x.prod(axis=0),
    "mean": lambda x: x.mean(axis=1),
    "var": lambda x: x.var(axis=0, ddof=1),
    "std": lambda x: x.std(),
    "max": lambda x: x.max(axis=0),
    "min": lambda x: x.min(),
    "argmax": lambda x: x.argmax(axis=1),
    "argmin": lambda x: x.argmin(),
    "any": lambda x: (x > 2).any(axis=0),
    "all": lambda x: (x > 2).all(),
    "cumsum": lambda x: x.cumsum(axis=1),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape tuple": lambda x: x.reshape((-1,)),
    "reshape -1": lambda x: x.reshape(3, -1),
    "transpose": lambda x: x.transpose(),
    "transpose axes": lambda x: x.transpose(1, 0),
    "transpose tuple": lambda x: x.transpose((1, 0)),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: x[:1].squeeze(axis=0),
    "repeat": lambda x: x.repeat(2, axis=1),
    "take": lambda x: x.take([2, 0], axis=1),
    "astype": lambda x: x.astype("float32"),
    "dot": lambda x: x.dot(np.ones(3)),
    "clip": lambda x: x.clip(-1, 1),
    "clip below": lambda x: x.clip(min=0),
    "clip above": lambda x: x.clip(max=0.5),
    "round": lambda x: x.round(1),
    "real": lambda x: x.real,
    "imag": lambda x: (x + 2j).imag,
    "conj": lambda x: (x + 2j).conj(),
    "copy": lambda x: x.copy(),
}


@pytest.mark.parametrize("function", METHODS.values(), ids=list(METHODS))
def test_method(function: Callable[[Any], Any]) -> None:
    check(function, A)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": lambda x: np.exp(x),
    "sum": lambda x: np.sum(x, axis=0),
    "where": lambda x: np.where(x > 0, x, 0),
    "add.reduce": lambda x: np.add.reduce(x),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=1),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=1, keepdims=True),
    "concatenate": lambda x: np.concatenate([x, A], axis=1),
    "stack": lambda x: np.stack([A, x]),
    "scalar first": lambda x: np.float64(2) * x,
    "array first": lambda x: A * x,
    "mean": lambda x: np.mean(x, axis=-1, keepdims=True),
    "linear algebra": lambda x: np.dot(x, np.ones((3, 2))) + np.outer(x, x).sum(),
    "matmul": lambda x: np.matmul(x, x.T),
    "clip": lambda x: np.clip(x, -1, 1),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_numpy_function(function: Callable[[Any], Any]) -> None:
    check(function, A)


INDICES: list[Any] = [
    0, -1, (1, 2), slice(1, None), (slice(None), slice(None, None, -1)), (..., 0), None,
    (None, 0, ..., None), np.array([1, 0, 1]), (np.array([0, 1]), np.array([2, 0])), [1, 0],
    (slice(None), [2, 2]), np.array([True, False]), (0, np.array([True, False, True])),
    np.array([[True, False, True], [False, True, True]]), (np.int64(1), np.int8(-1)), (), ...,
    (slice(-1, None, -1), slice(5, -9, -2)), np.array([], dtype=int), [],
    (np.array([[0], [1]]), np.array([0, 2])), (np.array([0, 1]), None, np.array([1, 2])),
    (np.array(1), slice(None)),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing(index: Any) -> None:
    check(lambda x: x[index], A)
    x = ga.matrix("x")
    (value,) = interpret([x], [x[index]])(A)
    np.testing.assert_array_equal(value, A[index])


def test_symbolic_indices() -> None:
    check(lambda x, i: x[i], A, np.array(1))
    check(lambda x, i: x[:, i], A, np.array([2, 0, 2]))
    check(lambda x, m: x[:, m], A, C)
    check(lambda x, m: x[m], A, A > 0)
    x, i = ga.matrix("x"), ga.scalar("i", dtype="int64")
    for built, expected in [
        (x[i:], A[1:]), (x[:, :i], A[:, :1]), (x[::i], A), (x[i, -i], A[1, -1]),
        (x[1 : x.shape[0]], A[1:]), (x[x.shape[0] - 1], A[1]),
        (x[-i:, i - 1 : i + 1], A[-1:, 0:2]),
    ]:  # fmt: skip
        (value,) = interpret([x, i], [built])(A, 1)
        np.testing.assert_array_equal(value, expected)


def test_unpacking_and_length() -> None:
    x = ga.vector("x", shape=(3,))
    a, b, c = x
    assert len(x) == 3 and [v.type for v in (a, b, c)] == [ga.TensorType("float64")] * 3
    assert (a - c).eval({x: [5.0, 0.0, 2.0]}) == 3.0
    assert len(ga.matrix("m", shape=(2, None))) == 2


def test_identity_is_what_containers_use() -> None:
    x, y = ga.scalar("x"), ga.scalar("x")
    assert {x: 1, y: 2}[x] == 1 and len({x, y, x}) == 2
    assert isinstance(x == y, ga.Variable) and hash(x) != hash(y)


def test_attributes_and_text() -> None:
    x = ga.matrix("x", shape=("batch", 3), dtype="float32")
    assert (x.ndim, x.dtype, x.name, x.owner, x.index) == (2, np.float32, "x", None, 0)
    assert repr(x) == "<Variable x: float32[batch, 3]>"
    assert repr(ga.exp(x)) == "<Variable exp: float32[batch, 3] = exp>"
    assert repr(ga.constant(2.0)) == "<Constant unnamed: float64[]>"
    assert repr(ga.shared(2.0, name="w")) == "<Shared w: float64[]>"
    assert x.site is None and ga.exp(x).site.filename == __file__


# ---- constants and shared variables ---------------------------------------------------------


def test_constants_copy_and_are_read_only() -> None:
    value = np.array([1.0, np.nan])
    constant = ga.constant(value)
    value[0] = 7.0
    assert constant.value[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        constant.value[0] = 3.0
    assert ga.constant([1, 2], dtype="float32").type == ga.TensorType("float32", (2,))


def test_shared_value_is_copied_both_ways() -> None:
    start = np.zeros(3)
    w = ga.shared(start, name="w")
    start[0] = 5.0
    assert w.value[0] == 0.0
    read = w.value
    read[1] = 9.0
    assert w.value[1] == 0.0
    new = np.ones(3)
    w.value = new
    new[2] = 4.0
    assert w.value.tolist() == [1.0, 1.0, 1.0]
    w.value = [1, 2, 3]
    assert w.value.dtype == np.float64 and w.value.tolist() == [1.0, 2.0, 3.0]
    assert isinstance(ga.shared(2.0).value, np.float64)


def test_constructors() -> None:
    assert ga.scalar().name is None and ga.scalar("i", dtype="int32").dtype == np.int32
    assert ga.vector("v", shape=4).type == ga.TensorType("float64", (4,))
    assert ga.matrix("m").shape[0] != ga.matrix("m").shape[0]
    assert ga.tensor("t", shape=[2, "n"]).type == ga.TensorType("float64", (2, "n"))
    assert ga.tensor("t", shape="n").type == ga.TensorType("float64", ("n",))
