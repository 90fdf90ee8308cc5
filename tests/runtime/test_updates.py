"""Shared variables and their updates: read before, swapped together after, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, GraphadError, GraphError, ShapeError, UseError

X, V = ga.scalar("x"), ga.vector("v")
BACKENDS = pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter"])


@BACKENDS
def test_outputs_use_the_values_before_the_call(backend: str) -> None:
    w = ga.shared(1.0, name="w")
    step = ga.function([X], [w, w * X], updates={w: w + X}, backend=backend)
    assert step(10.0) == [1.0, 10.0] and w.value == 11.0
    assert step(1.0) == [11.0, 11.0] and w.value == 12.0


@BACKENDS
def test_updates_use_the_values_before_the_call(backend: str) -> None:
    a, b, c = (ga.shared(np.full(2, float(i)), name="abc"[i]) for i in range(3))
    turn = ga.function([], [], updates={a: b, b: c, c: a}, backend=backend)
    turn()
    assert [v.value[0] for v in (a, b, c)] == [1.0, 2.0, 0.0]
    turn()
    assert [v.value[0] for v in (a, b, c)] == [2.0, 0.0, 1.0]


@BACKENDS
def test_swapping_two(backend: str) -> None:
    a, b = ga.shared(np.zeros(2), name="a"), ga.shared(np.ones(2), name="b")
    before = a.value, b.value
    f = ga.function([], [a, b], updates=[(a, b), (b, a)], backend=backend)
    for _ in range(2):
        f()
    np.testing.assert_array_equal([a.value, b.value], before)
    f()
    np.testing.assert_array_equal([a.value, b.value], before[::-1])


@BACKENDS
def test_a_variable_that_is_updated_but_not_read(backend: str) -> None:
    w, n = ga.shared(0.0, name="w"), ga.shared(5, name="n")
    f = ga.function([X], X * 2.0, updates={w: X + 1.0, n: 7}, backend=backend)
    assert f(3.0) == 6.0 and w.value == 4.0 and n.value == 7 and type(n.value) is np.int64


@BACKENDS
def test_the_same_cell_through_two_functions(backend: str) -> None:
    w = ga.shared(2.0, name="w")
    add = ga.function([X], [], updates={w: w + X}, backend=backend)
    times = ga.function([X], w * X, backend=backend)
    add(3.0)
    assert times(2.0) == 10.0
    w.value = 1
    assert times(2.0) == 2.0


@BACKENDS
def test_values_handed_out_stay_as_they_are(backend: str) -> None:
    w = ga.shared(np.zeros(2), name="w")
    step = ga.function([], w, updates={w: w + 1.0}, backend=backend)
    kept = [step() for _ in range(3)]
    assert [k.tolist() for k in kept] == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    kept[0][0] = 99.0
    assert w.value.tolist() == [3.0, 3.0]


# ---- all or none --------------------------------------------------------------------------------


@BACKENDS
def test_a_failed_call_changes_nothing(backend: str) -> None:
    a, b = ga.shared(1.0, name="a"), ga.shared(np.zeros(2), name="b")
    i = ga.scalar("i", dtype="int64")
    f = ga.function([V, i], V[i], updates={a: a + 1.0, b: V}, backend=backend)
    for arguments, message in (
        (([1.0, 2.0], 5), "out of bounds"),  # an output fails
        (([1.0, 2.0, 3.0], 0), r"has shape \(3,\), it holds float64\[2\]\n  cause: no shared"),
        ((["a"], 0), "argument v"), (([1.0], 0, 1), "takes 2 arguments"),
        (([[1.0]], 0), "argument v"),
    ):  # fmt: skip
        with pytest.raises(GraphadError, match=message):
            f(*arguments)
        assert a.value == 1.0 and b.value.tolist() == [0.0, 0.0]
    assert f([5.0, 6.0], 1) == 6.0
    assert a.value == 2.0 and b.value.tolist() == [5.0, 6.0]


def test_an_update_that_fails_alone_changes_nothing() -> None:
    a, b = ga.shared(1.0, name="a"), ga.shared(0.0, name="b")
    f = ga.function([V], V.sum(), updates={a: a + 1.0, b: V[7]})
    with pytest.raises(ga.errors.IndexingError):
        f([1.0])
    assert (a.value, b.value) == (1.0, 0.0)


# ---- what is refused while building -------------------------------------------------------------

W = ga.shared(np.zeros(3), name="w")
K = ga.shared(np.uint8(3), name="k")


@pytest.mark.parametrize(("updates", "kind", "message"), [
    ({W: X}, ShapeError, r"the update of w has type float64\[\], the variable has float64\[3\]"),
    ({W: W[:2]}, ShapeError, r"type float64\[2\].*\n  cause: the result of getitem"),
    ({W: W[None]}, ShapeError, r"type float64\[1, 3\]"),
    ({W: 0.0}, ShapeError, r"type float64\[\]"),
    ({W: W * 1j}, DTypeError,
     r"dtype complex128, the variable has float64\n.*\n  remedy: convert it with"),
    ({K: X}, DTypeError, "the update of k has dtype float64"),
    ({K: 0.5}, DTypeError, "dtype float64"),
    ({K: 256}, DTypeError, "dtype int64"), ({K: -1}, DTypeError, "dtype int64"),
    ({K: "a"}, DTypeError, "str"),
    ({X: X}, UseError, "updates: 'x', an input, .* is no shared variable"),
    ({"w": X}, UseError, "'w' is no"),
    ([(W, W), (W, W + 1)], GraphError, "shared variable 'w' is updated twice"),
    ([W], UseError, "is no pair\n  remedy: write updates="), (W, UseError, "is no pair"),
    ([(W, W, W)], UseError, "is no pair"),
    ({W + 1: W}, UseError, "the result of add.* is no shared"),
])  # fmt: skip
def test_refused(updates: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        ga.function([X], X, updates=updates)


def test_safe_casts_and_numbers() -> None:
    w, n = ga.shared(np.zeros((), "float32"), name="w"), ga.shared(np.int16(1), name="n")
    f = ga.function([], [], updates={w: 0.1, n: n.astype("int8") + np.int8(1)})
    f()
    assert w.value == np.float32(0.1) and w.value.dtype == "float32"
    assert n.value == 2 and n.value.dtype == "int16"


# ---- assigning ----------------------------------------------------------------------------------


def test_assigning_checks_and_copies() -> None:
    w = ga.shared(np.zeros(2), name="w")
    given = np.array([1, 2])
    w.value = given
    given[0] = 9
    assert w.value.tolist() == [1.0, 2.0] and w.value.dtype == np.float64
    for wrong, kind in ((np.zeros(3), ShapeError), (1.0, ShapeError), ([1j, 2.0], DTypeError),
                        (["a", "b"], DTypeError), ([[1.0, 2.0]], ShapeError)):  # fmt: skip
        with pytest.raises(kind, match="shared variable 'w'"):
            w.value = wrong
    assert w.value.tolist() == [1.0, 2.0]


def test_gradients_by_shared_variables_train() -> None:
    """Least squares by gradient descent with momentum reaches the known solution."""
    rng = np.random.default_rng(0)
    data, truth = rng.normal(size=(50, 3)), np.array([1.0, -2.0, 3.0])
    x, t = ga.matrix("x", shape=("n", 3)), ga.vector("t", shape=("n",))
    w, v = ga.shared(np.zeros(3), name="w"), ga.shared(np.zeros(3), name="v")
    loss = ((x @ w - t) ** 2).mean()
    speed = 0.9 * v - 0.05 * ga.grad(loss, w)
    step = ga.function([x, t], loss, updates={w: w + speed, v: speed})
    for _ in range(400):
        step(data, data @ truth)
    np.testing.assert_allclose(w.value, truth, rtol=1e-6)
