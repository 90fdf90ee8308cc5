"""Results own their memory: shared with no argument, constant, cell, other result, other call."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.variable import Constant

X = ga.matrix("x", shape=(3, 4))
U = ga.matrix("u")
V = ga.vector("v", shape=(1,))
W = ga.shared(np.arange(12.0).reshape(3, 4), name="w")
K = ga.constant(np.arange(12.0).reshape(3, 4))
ARRAYS = {X: np.ones((3, 4)), U: np.arange(6.0).reshape(2, 3), V: np.array([7.0])}

ROWS, ONE = ga.exp(X), ga.exp(V)
CASES = {
    "an input": [X], "an input twice": [X, X], "inputs": [X, U, V], "a cell": [W],
    "a constant": [K],
    "transposes": [X.T, W.T, K.T, ROWS.T], "a result twice": [ROWS, ROWS], "cell twice": [W, W],
    "a result and its transpose": [ROWS, ROWS.T], "the transpose first": [ROWS.T, ROWS],
    "two views of one": [ROWS[:2], ROWS[1:]], "reshapes": [X.ravel(), ROWS.ravel(), ROWS],
    "slices": [X[1:], U[:, ::-1], U[0], ROWS[0], W[::2], K[..., 1]],
    "new axes": [X[None], ga.expand_dims(U, 1), ROWS[:, None], K[None]],
    "broadcasts": [ga.broadcast_to(X, (2, 3, 4)), ga.broadcast_to(ROWS, (2, 3, 4)),
                   ga.broadcast_to(V, (5,)), ga.broadcast_to(ONE, (5,))],
    "one broadcast to its own size": [ga.broadcast_to(ROWS, (1, 3, 4))],
    "broadcasts cut to the size of the whole": [ga.broadcast_to(ga.exp(U)[0], (2, 3))[:, :3],
                                                ga.broadcast_to(ROWS[0, :2], (6, 2))],
    "views of views": [X.T[1:].ravel(), ROWS.T[::-1].reshape((2, 6)), W.T[None, 1:]],
    "rank 0": [V.reshape(()), V[0], ONE.reshape(()), ga.squeeze(V), ONE[0]],
    "parts of a complex number": [ga.real(ROWS * 1j), ga.imag(ROWS * 1j), ga.real(X)],
    "no work at all": [X * 1.0, +X, X.astype("float64"), X[...], ga.stop_gradient(X),
                       X.reshape(X.shape)],
    "a choice": [ga.where(X > 0, X, W), ga.where(V[0] > 0, V[0], 1.0), ga.maximum(X, X)],
    "flips": [ga.flip(X), ga.flip(ROWS, 0)], "joined": [ga.concatenate([X]), ga.stack([X])],
    "sums over nothing": [X.sum(axis=()), ga.sum_to_shape(U, U.shape), X.max(axis=())],
    "constants of rank 0": [ga.constant(1.0), ga.constant(1.0) * 2.0],
    "parts taken by integers": [X[np.array([0, 1])], ga.take(ROWS, [0, 1], axis=1)],
}  # fmt: skip


def memory_of(function: ga.Function) -> list[np.ndarray]:
    graphs = [function.graph, ga.Graph.of(function.graph.outputs)]
    found = [v.value for g in graphs for n in g.nodes for v in n.inputs if isinstance(v, Constant)]
    found += [v.value for v in function.graph.outputs if isinstance(v, Constant)]
    programs = [p for p in (function._compiled.program, function._compiled.floats) if p]
    found += [a for p in programs for a in p.bound.values() if isinstance(a, np.ndarray)]
    return [*found, K.value, *[shared.cell.array for shared in function.shared]]


@pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter"])
@pytest.mark.parametrize("outputs", CASES.values(), ids=CASES)
def test_results_own_their_memory(outputs: list[ga.Variable], backend: str) -> None:
    inputs = [v for v in (X, U, V) if v in set(ga.graph.inputs(outputs))]
    function = ga.function(inputs, outputs, backend=backend)
    arrays = [ARRAYS[v].copy() for v in inputs]
    first, second = function(*arrays), function(*arrays)
    for result, variable in zip(first, outputs, strict=True):
        assert type(result) is (np.ndarray if variable.ndim else variable.dtype.type)
    results = [r for r in (*first, *second) if isinstance(r, np.ndarray)]
    for a, b in itertools.combinations([*results, *arrays, *memory_of(function)], 2):
        if any(a is r for r in results):
            assert not np.shares_memory(a, b)
    expected = [np.array(r) for r in second]
    for result in results[: len(results) // 2]:
        result += 100  # writeable, each element once, and nobody else sees it
    for result, kept in zip(first, expected, strict=True):
        if isinstance(result, np.ndarray):
            np.testing.assert_array_equal(result, kept + 100)
    for result, wanted in zip(function(*arrays), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("backend", ["auto", "interpreter"])
@pytest.mark.parametrize(("make", "new"), [
    (lambda: ga.vector("a", shape=(2,)), lambda a: a),
    (lambda: ga.vector("a", shape=(2,)), ga.flip),
    (lambda: ga.matrix("a", shape=(1, 2)), lambda a: a[0]),
    (lambda: ga.vector("a"), lambda a: a[:2]),
    (lambda: ga.matrix("a", shape=(2, 1)), lambda a: a.T[0] * 1.0),
])  # fmt: skip
def test_cells_do_not_share_with_arguments(make: Any, new: Any, backend: str) -> None:
    """An update that is a view of an argument: the caller may write into the argument later."""
    a, w = make(), ga.shared(np.zeros(2), name="w")
    step = ga.function([a], [new(a)], updates={w: new(a)}, backend=backend)
    array = np.arange(1.0, 3.0).reshape([s if isinstance(s, int) else 2 for s in a.type.shape])
    (result,) = step(array)
    expected = result.copy()
    assert array.flags.writeable
    array[...] = result[...] = -1.0
    np.testing.assert_array_equal(w.value, expected)


@pytest.mark.parametrize("backend", ["auto", "interpreter"])
@pytest.mark.parametrize("new", [lambda a: a.reshape(()), lambda a: ga.squeeze(a), lambda a: a[0],
                                 lambda a: ga.where(a[0] > 0, a.reshape(()), 2.0)])  # fmt: skip
def test_scalar_cells_do_not_share_with_arguments(new: Any, backend: str) -> None:
    a, w = ga.vector("a", shape=(1,)), ga.shared(0.0, name="w")
    step = ga.function([a], [], updates={w: new(a)}, backend=backend)
    array = np.array([5.0])
    step(array)
    array[0] = -1.0
    assert w.value == 5.0 and array.flags.writeable


def test_the_value_of_a_cell_is_a_copy_both_ways() -> None:
    w = ga.shared(start := np.ones(2), name="w")
    start[0] = 5.0
    w.value[1] = 7.0
    np.testing.assert_array_equal(w.value, [1.0, 1.0])
    w.value = start
    start[1] = 9.0
    np.testing.assert_array_equal(w.value, [5.0, 1.0])


def test_two_cells_with_one_expression_do_not_share() -> None:
    a, b = ga.shared(np.zeros(2)), ga.shared(np.zeros(2))
    x = ga.vector("x", shape=(2,))
    y = ga.exp(x)
    (result,) = ga.function([x], [y], updates={a: y, b: y})([0.0, 1.0])
    assert not np.shares_memory(a.cell.array, b.cell.array)
    assert not np.shares_memory(a.cell.array, result) and result.flags.writeable


def test_a_whole_intermediate_is_not_copied() -> None:
    """Copies only where they are needed: a rearranged result in its own memory is none."""
    copies = ga.function([X], [ga.exp(X).T, ga.sin(X)[::-1], ga.cos(X)]).plan.copies
    assert copies == frozenset()
    assert ga.function([X], [X, ROWS, ROWS, ROWS[0]]).plan.copies == {0, 2, 3}
