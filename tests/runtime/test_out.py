"""`out=`: results written into given arrays, all of them or none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import rooms
from graphad.errors import InputError, InputShapeError

X = ga.vector("x", shape=("n",))
BACKENDS = pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter"])


class Pair(NamedTuple):
    first: Any
    second: Any


@BACKENDS
def test_one_array(backend: str) -> None:
    f = ga.function([X], X * 2.0, backend=backend)
    target = np.zeros(3)
    assert f([1.0, 2.0, 3.0], out=target) is target
    assert target.tolist() == [2.0, 4.0, 6.0]
    assert f(out=target, x=[0.0, 1.0, 2.0]) is target and target.tolist() == [0.0, 2.0, 4.0]


@BACKENDS
@pytest.mark.parametrize("make", [
    lambda a, b: [a, b], lambda a, b: (a, b), lambda a, b: {"z": a, "a": b}, Pair,
    lambda a, b: [{"k": (a,)}, [], b],
])  # fmt: skip
def test_containers(make: Any, backend: str) -> None:
    f = ga.function([X], make(X * 2.0, X.sum()), backend=backend)
    vector, scalar = np.zeros(2), np.zeros(())
    out = make(vector, scalar)
    assert f([1.0, 2.0], out=out) is out
    assert vector.tolist() == [2.0, 4.0] and scalar == 3.0


def test_a_list_for_a_tuple_will_do() -> None:
    f = ga.function([X], (X, (X.sum(),)))
    a, b = np.zeros(2), np.zeros(())
    f([1.0, 2.0], out=[a, [b]])
    assert a.tolist() == [1.0, 2.0] and b == 3.0


def test_dtypes() -> None:
    f = ga.function([X], [X > 0, X.astype("float32"), ga.argmax(X)])
    out = [np.zeros(2, bool), np.zeros(2, "float32"), np.zeros((), np.intp)]
    f([-1.0, 2.5], out=out)
    assert [o.tolist() for o in out] == [[False, True], [-1.0, 2.5], 1]


@BACKENDS
def test_any_layout(backend: str) -> None:
    x = ga.matrix("x")
    f = ga.function([x], x.T * 1.0, backend=backend)
    array = np.arange(6.0).reshape(2, 3)
    for target in (
        np.zeros((3, 2)),
        np.zeros((2, 3)).T,
        np.zeros((6, 4))[::2, ::2],
        np.zeros((3, 2))[::-1],
    ):
        f(array, out=target)
        np.testing.assert_array_equal(target, array.T)


@BACKENDS
def test_writing_over_an_argument(backend: str) -> None:
    """Results are complete before anything is written."""
    f = ga.function([X], [X[::-1] + X.sum(), X * 10.0], backend=backend)
    array = np.array([1.0, 2.0, 3.0])
    other = np.zeros(3)
    f(array, out=[array, other])
    assert array.tolist() == [9.0, 8.0, 7.0] and other.tolist() == [10.0, 20.0, 30.0]
    g = ga.function([X], X[::-1], backend=backend)
    array = np.array([1.0, 2.0, 3.0])
    g(array, out=array)
    assert array.tolist() == [3.0, 2.0, 1.0]


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


WRONG = [
    (np.zeros(3),
     r"out\[1\] is float64\(3,\), a writeable float64\(2,\) is needed\n  remedy: make it with"),
    (np.zeros((2, 1)), r"out\[1\] is float64\(2, 1\)"),
    (np.zeros(2, "float32"), r"out\[1\] is float32\(2,\)"),
    (np.zeros(2, ">f8"), r"out\[1\] is >f8\(2,\)"), (np.zeros(2, "complex128"), "complex128"),
    (frozen(np.zeros(2)), r"a writeable float64\(2,\) is needed"), ("text", r"out\[1\] is str"),
    (np.broadcast_to(0.0, (2,)), "a writeable"), (None, r"out\[1\] is NoneType"),
    (np.float64(0), "is float64"),
]  # fmt: skip


@BACKENDS
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_nothing_is_written_when_one_is_wrong(wrong: Any, message: str, backend: str) -> None:
    w = ga.shared(0.0, name="w")
    f = ga.function([X], [X * 2.0, X + 1.0], updates={w: X.sum()}, backend=backend)
    good = np.full(2, 7.0)
    for out in ([good, wrong],):
        with pytest.raises(InputShapeError, match=message):
            f([1.0, 2.0], out=out)
    assert good.tolist() == [7.0, 7.0] and w.value == 0.0


@pytest.mark.parametrize("out", [
    np.zeros(2), [np.zeros(2)], [np.zeros(2)] * 3, {"a": np.zeros(2), "b": np.zeros(2)},
    [[np.zeros(2), np.zeros(2)]], [],
])  # fmt: skip
def test_another_structure_is_refused(out: Any) -> None:
    f = ga.function([X], [X * 2.0, X + 1.0])
    with pytest.raises(
        InputError, match=r"out= has the structure .*\n  cause: the outputs of function are"
    ):
        f([1.0, 2.0], out=out)


def test_dictionaries_go_by_key_not_by_order() -> None:
    f = ga.function([X], {"b": X * 2.0, "a": X + 1.0})
    out = {"a": np.zeros(2), "b": np.zeros(2)}
    f([1.0, 2.0], out=out)
    assert out["b"].tolist() == [2.0, 4.0] and out["a"].tolist() == [2.0, 3.0]
    with pytest.raises(InputError, match="structure"):
        f([1.0, 2.0], out=[np.zeros(2), np.zeros(2)])


def test_scalars_on_floats() -> None:
    s = ga.scalar("s")
    f = ga.function([s], [s * 2.0, s > 0])
    out = [np.zeros(()), np.zeros((), bool)]
    f(3.0, out=out)
    assert out[0] == 6.0 and out[1] == np.True_
    assert ga.function([s], s * 2.0)(3.0, out=out[0]) is out[0]


def test_a_failing_update_leaves_out_alone() -> None:
    w = ga.shared(np.zeros(2), name="w")
    f = ga.function([X], X * 2.0, updates={w: X})
    out = np.full(3, 7.0)
    with pytest.raises(ga.errors.ShapeError, match="update of shared variable 'w'"):
        f([1.0, 2.0, 3.0], out=out)
    assert out.tolist() == [7.0, 7.0, 7.0] and w.value.tolist() == [0.0, 0.0]


# ---- large results are computed where they belong --------------------------------------------
SIZE = 20_000


def native(inputs: Any, outputs: Any) -> ga.Function:
    pytest.importorskip("llvmlite")
    return ga.function(inputs, outputs, backend="llvm")


def addresses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where arrays lie that programs are lent."""
    found: list[int] = []
    lent = rooms.lent

    def noted(offers: dict[int, np.ndarray]) -> Any:
        found.extend([array.ctypes.data for array in offers.values()])
        return lent(offers)

    monkeypatch.setattr(rooms, "lent", noted)
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [("n",), (SIZE,)])
def test_kernels_write_into_given_arrays(
    dtype: str, shape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = ga.tensor("x", shape, dtype=dtype)
    f = native([x], ga.tanh(x) * 2 + x)
    used = addresses(monkeypatch)
    array = np.linspace(-3, 3, SIZE).astype(dtype)
    array[:4] = [np.nan, np.inf, -np.inf, -0.0]
    expected, target = f(array), np.full(SIZE, 7, dtype)
    assert f(array, out=target) is target and used == [target.ctypes.data]
    np.testing.assert_array_equal(target, expected)
    kept = f(array)
    assert kept is not target and not np.shares_memory(kept, target)
    spread = np.full((SIZE, 2), 7, dtype)
    f(array, out=spread[:, 0])
    np.testing.assert_array_equal(spread[:, 0], expected)
    assert (spread[:, 1] == 7).all() and len(used) == 1
    odd = np.zeros(SIZE * array.itemsize + 1, "b")[1:].view(dtype)
    f(array, out=odd)
    np.testing.assert_array_equal(odd, expected)
    if shape == ("n",):
        nothing = np.zeros(0, dtype)
        assert f(nothing, out=nothing) is nothing


def test_arrays_that_share_memory_are_written_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = ga.vector("x", shape=("n",)), ga.vector("y", shape=("n",))
    f = native([x, y], [ga.tanh(x) + y, x * y - 1.0])
    used = addresses(monkeypatch)
    memory, b = np.linspace(-1, 1, SIZE + 1), np.linspace(0, 2, SIZE)
    a = memory[1:]
    expected = f(a.copy(), b)
    other = np.empty(SIZE)
    f(a, b, out=[memory[:-1], other])
    np.testing.assert_array_equal(memory[:-1], expected[0])
    np.testing.assert_array_equal(other, expected[1])
    assert used == [other.ctypes.data]
    a = np.linspace(-1, 1, SIZE + 1)[1:].copy()
    expected = f(a, b)
    f(a, b, out=[other, a])
    np.testing.assert_array_equal(other, expected[0])
    np.testing.assert_array_equal(a, expected[1])
    both = np.empty(SIZE + 1)
    f(b, b, out=[both[1:], both[:-1]])  # the last one written stays, as before
    np.testing.assert_array_equal(both[:-1], f(b, b)[1])


def test_what_raises_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a check after a kernel, nor an array that does not fit beside one that does."""
    x = ga.vector("x", shape=("n",))
    y = ga.tanh(x) * 2.0
    f = native([x], [y, y.sum()])
    good, array = np.full(SIZE, 7.0), np.linspace(-1, 1, SIZE)
    for wrong in (np.empty(3), np.empty((), "float32"), None):
        with pytest.raises(InputShapeError):
            f(array, out=[good, wrong])
    assert (good == 7.0).all()
    g = native([x], ga.tanh(x) * 2.0)
    short = np.full(SIZE - 1, 7.0)
    with pytest.raises(InputShapeError):
        g(array, out=short)
    assert (short == 7.0).all()
    v = ga.vector("v", shape=(None,))
    h = native(
        [x, v], [ga.tanh(x) * 2.0, (ga.exp(x) * 2.0 + v).sum() + ga.linalg.inv(v[:1, None])]
    )
    with pytest.raises(np.linalg.LinAlgError):
        h(array, np.zeros(SIZE), out=[good, np.empty((1, 1))])
    with pytest.raises((ValueError, ga.GraphadError)):
        h(array, np.ones(SIZE - 1), out=[good, np.empty((1, 1))])
    assert (good == 7.0).all()


def test_arrays_are_lent_to_one_call_in_one_thread() -> None:
    x = ga.vector("x", shape=("n",))
    f = native([x], ga.tanh(x) * 2.0)
    array = np.linspace(-1, 1, SIZE)
    expected = f(array)
    targets = [np.empty(SIZE) for _ in range(8)]

    def work(target: np.ndarray) -> np.ndarray:
        for _ in range(20):
            f(array, out=target)
            other: np.ndarray = f(array)
            assert not np.shares_memory(other, target)
        return target

    with ThreadPoolExecutor(4) as pool:
        for target in pool.map(work, targets):
            np.testing.assert_array_equal(target, expected)
