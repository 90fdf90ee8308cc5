"""The algebra of sizes against integers: what a Dim says is what the numbers do."""

from __future__ import annotations

import operator
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphad as ga
from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.sizes import clamp, joint_size, minimum, slice_length

N, M = Dim.named("n"), Dim.named("m")
K = Dim.anonymous()
ATOMS = {dim.terms[0][0][0]: dim for dim in (N, M, K)}
SIZES = st.fixed_dictionaries({atom: st.integers(0, 9) for atom in ATOMS})
BINARY = (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod)


def value(dim: int | Dim, sizes: dict) -> int:
    return dim if isinstance(dim, int) else dim.evaluate(sizes)


LEAVES = st.one_of(st.sampled_from([N, M, K]), st.integers(-4, 6))
EXPRESSIONS = st.recursive(
    LEAVES, lambda inner: st.tuples(st.sampled_from(BINARY), inner, inner), max_leaves=8
)


def fold(tree: Any, leaf: Any) -> Any:
    """The value of an expression tree, its leaves mapped by `leaf`."""
    if not isinstance(tree, tuple):
        return leaf(tree)
    operation, first, second = tree
    return operation(fold(first, leaf), fold(second, leaf))


@given(EXPRESSIONS, SIZES)
def test_arithmetic_is_that_of_integers(tree: Any, sizes: dict) -> None:
    try:
        expected = fold(tree, lambda leaf: value(leaf, sizes))
    except ZeroDivisionError:
        return
    assert value(fold(tree, lambda leaf: leaf), sizes) == expected


@given(EXPRESSIONS, EXPRESSIONS, SIZES)
def test_equal_dims_have_equal_values(first: Any, second: Any, sizes: dict) -> None:
    try:
        a, b = (fold(tree, lambda leaf: leaf) for tree in (first, second))
        values = [value(a, sizes), value(b, sizes)]
    except ZeroDivisionError:
        return
    if a == b:
        assert values[0] == values[1] and hash(a) == hash(b)


NORMAL_FORMS = [
    (N + N, 2 * N),
    ((N + 1) - 1, N),
    (N * M, M * N),
    ((N + M) * 2, 2 * N + 2 * M),
    ((N + 1) * (N - 1), N * N - 1),
    (N - N, 0),
    (0 * N, 0),
    (2 * N // 2, N),
    ((4 * N + 2) // 2, 2 * N + 1),
    (N * M // M, N),
    (N // 1, N),
    (6 * N * M // (2 * M), 3 * N),
]


@pytest.mark.parametrize(("dim", "same"), NORMAL_FORMS, ids=lambda d: str(d))
def test_normal_form(dim: Any, same: Any) -> None:
    assert dim == same and type(dim) is type(same)


TEXTS = [
    (N, "n"),
    (K, "?"),
    (2 * N - 1, "2*n - 1"),
    (1 - N, "-n + 1"),
    (N * M + 3, "m*n + 3"),
    (N // 2, "floordiv(n, 2)"),
    (N % 3, "mod(n, 3)"),
    (slice_length(N, 1, None, None), "max(n - 1, 0)"),
    (slice_length(N, None, 3, None), "min(n, 3)"),
    (slice_length(N, 1, 5, 2), "len(n[1:5:2])"),
]


@pytest.mark.parametrize(("dim", "text"), TEXTS, ids=lambda d: str(d))
def test_text(dim: Any, text: str) -> None:
    assert str(dim) == text


# ---- slices and broadcasting ----------------------------------------------------------------

BOUNDS = st.one_of(st.none(), st.integers(-12, 12))
STEPS = st.one_of(st.none(), st.integers(-4, 4).filter(bool))


@given(EXPRESSIONS, BOUNDS, BOUNDS, STEPS, SIZES)
def test_slice_length(tree: Any, start: Any, stop: Any, step: Any, sizes: dict) -> None:
    try:
        size = fold(tree, lambda leaf: leaf)
        known = value(size, sizes)
    except ZeroDivisionError:
        return
    if known < 0 or (isinstance(size, int) and size < 0):
        return  # no size of an array
    expected = len(range(known)[start:stop:step])
    assert value(slice_length(size, start, stop, step), sizes) == expected
    assert slice_length(known, start, stop, step) == expected


@given(EXPRESSIONS, SIZES)
def test_clamp(tree: Any, sizes: dict) -> None:
    try:
        size = fold(tree, lambda leaf: leaf)
        expected = max(value(size, sizes), 0)
    except ZeroDivisionError:
        return
    assert value(clamp(size), sizes) == expected


@given(st.sampled_from([N, K, 3, 2 * N + 1]), st.sampled_from([M, K, 5, N - 1]), SIZES)
def test_minimum(first: Any, second: Any, sizes: dict) -> None:
    expected = min(value(first, sizes), value(second, sizes))
    assert value(minimum(first, second), sizes) == expected
    assert minimum(first, second) == minimum(second, first)


UNKNOWN = [Dim.anonymous(), Dim.anonymous(), Dim.anonymous()]
UNKNOWN_SIZES = st.fixed_dictionaries({d.terms[0][0][0]: st.integers(0, 4) for d in UNKNOWN})
ENTRIES = st.lists(st.sampled_from([*UNKNOWN, 1, 3]), min_size=1, max_size=4)


@given(ENTRIES, UNKNOWN_SIZES)
def test_broadcasting_of_unknown_sizes(entries: list, sizes: dict) -> None:
    joint: Any = 1
    for entry in entries:
        joint = joint_size(joint, entry)
    try:
        (expected,) = np.broadcast_shapes(*[(value(entry, sizes),) for entry in entries])
    except ValueError:
        return  # NumPy raises when the function is called
    assert value(joint, sizes) == expected


BROADCAST = [
    (3, 3, 3),
    (3, 1, 3),
    (1, 1, 1),
    (0, 1, 0),
    (3, 4, None),
    (0, 3, None),
    (N, N, N),
    (N, 1, N),
    (N, 3, None),
    (N, M, None),
    (N, K, N),
    (K, 3, 3),
    (K, 1, K),
    (N + 1, N + 1, N + 1),
]


@pytest.mark.parametrize(("first", "second", "expected"), BROADCAST, ids=str)
def test_broadcast(first: Any, second: Any, expected: Any) -> None:
    assert joint_size(first, second) == expected
    assert joint_size(second, first) == expected


def test_order_plays_no_role() -> None:
    a, b = Dim.anonymous(), Dim.anonymous()
    assert joint_size(a, b) == joint_size(b, a) != joint_size(a, K)
    assert joint_size(joint_size(a, b), K) == joint_size(a, joint_size(K, b))
    assert minimum(a, b) == minimum(b, a) and (a // 2) * (b // 2) == (b // 2) * (a // 2)
    assert a // 2 + b // 2 == b // 2 + a // 2 and a * b + a == a * (b + 1)


def test_slices_of_slices_stay_small() -> None:
    first = slice_length(slice_length(N, 1, None, None), 2, None, None)
    assert first == slice_length(N, 3, None, None) and str(first) == "max(n - 3, 0)"
    x = ga.vector("x")
    for _ in range(2000):
        x = x[1:]
    assert str(x.type) == "float64[max(? - 2000, 0)]"


def test_sums_of_many_sizes() -> None:
    """Deeper than Python's recursion limit."""
    x = ga.vector("x", shape=("n",))
    total = x.shape[0]
    for _ in range(3000):
        total = total + x.shape[0]
    assert total == 3001 * N
    assert (total + 0.0).eval({x: [0.0, 1.0]}) == 6002.0


# ---- identity -------------------------------------------------------------------------------


def test_anonymous_sizes_are_all_different() -> None:
    assert Dim.anonymous() != Dim.anonymous()
    assert Dim.named("n") == N and hash(Dim.named("n")) == hash(N)
    assert N.name == "n" and (N + 1).name is None and K.name is None


def test_pickle_keeps_equality() -> None:
    for dim in (N, K, 2 * N + M // 3, slice_length(K, 1, -1, 2)):
        assert pickle.loads(pickle.dumps(dim)) == dim


def test_anonymous_sizes_of_another_process_are_different() -> None:
    program = (
        "import pickle, sys\nfrom graphad.ir.dims import Dim\n"
        "sys.stdout.buffer.write(pickle.dumps([Dim.anonymous() for _ in range(50)]))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    theirs = pickle.loads(answer.stdout)
    ours = [Dim.anonymous() for _ in range(50)]
    assert len({*theirs, *ours}) == 100


# ---- in graphs ------------------------------------------------------------------------------


def test_shape_holds_ints_and_dims() -> None:
    x = ga.tensor("x", shape=("batch", 3, None))
    assert x.shape[0] == Dim.named("batch") and x.shape[1] == 3
    assert isinstance(x.shape[2], Dim) and x.shape[2].name is None
    assert x.size == x.shape[0] * 3 * x.shape[2] and x.ndim == 3


def test_a_dim_becomes_a_scalar_where_a_float_is_needed() -> None:
    x = ga.vector("x", shape=("n",))
    inverse = 1.0 / x.shape[0]
    assert inverse.type == ga.TensorType("float64")
    assert inverse.eval({x: np.zeros(4)}) == 0.25
    assert (x.sum() / x.shape[0]).eval({x: np.arange(4.0)}) == 1.5
    assert (x.shape[0] ** 0.5).eval({x: np.zeros(9)}) == 3.0
    assert (-x.shape[0]).eval({x: np.zeros(9)}) == -9
    assert (x.shape[0] / 2).eval({x: np.zeros(9)}) == 4.5


def test_arithmetic_of_sizes_is_computed_at_run_time() -> None:
    x, y = ga.vector("x"), ga.matrix("y")
    total = 2 * x.shape[0] + y.shape[1] // 2 - 1
    assert ga.zeros((total,)).eval({x: np.zeros(3), y: np.zeros((1, 5))}).shape == (7,)
    assert (x.shape[0] % 2 + 0.0).eval({x: np.zeros(3)}) == 1.0


def test_comparison_with_a_variable_builds_graph() -> None:
    x = ga.vector("x")
    assert (x.sum() < x.shape[0]).eval({x: np.ones(3) / 2})
    assert ga.where(x.shape[0] > x.sum(), 1.0, 2.0).eval({x: np.ones(3)}) == 2.0


UNDECIDABLE = {
    "int": lambda n: int(n),
    "range": lambda n: range(n),
    "index of a list": lambda n: [1, 2, 3][n],
    "less": lambda n: n < 3,
    "greater or equal": lambda n: n >= n + 1,
}


@pytest.mark.parametrize("use", UNDECIDABLE.values(), ids=list(UNDECIDABLE))
def test_a_size_has_no_value_while_building(use: Any) -> None:
    with pytest.raises(UseError, match="remedy: ") as caught:
        use(ga.vector("x", shape=("batch",)).shape[0])
    assert "batch" in str(caught.value)
