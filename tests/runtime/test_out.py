"""`out=`: results written into given arrays, all of them or none."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga
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
