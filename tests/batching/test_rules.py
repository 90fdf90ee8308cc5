"""Batching rules where the table of functions does not lead: indices that are stacks, one product
or one linear system instead of many, stacks that are cut to a bound of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.families import rows as rows_module
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

RNG = np.random.default_rng(1)
X = RNG.normal(size=(4, 3, 5))
I = RNG.integers(-3, 3, size=(4, 2))  # noqa: E741
J = RNG.integers(0, 3, size=(4, 2, 1))
K = RNG.integers(0, 5, size=4)
V = RNG.normal(size=(4, 2))


def operations(*variables: Any) -> list[str]:
    return [node.op.name for node in ga.Graph.of(variables).nodes]


# ---- indices ---------------------------------------------------------------------------------
INDICES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "array": lambda x, i, j, k: x[i],
    "array behind a slice": lambda x, i, j, k: x[:, i],
    "array between": lambda x, i, j, k: x[None, :, i, None],
    "scalar": lambda x, i, j, k: x[:, k],
    "scalar and int": lambda x, i, j, k: x[1, k],
    "scalar, slice, int": lambda x, i, j, k: x[k % 3, None, 2],
    "scalar and slices": lambda x, i, j, k: x[k % 3, ::-2],
    "two arrays": lambda x, i, j, k: x[i, j],
    "two arrays with something between": lambda x, i, j, k: x[i, None, j],
    "array and int": lambda x, i, j, k: x[i, 2],
    "array and int with something between": lambda x, i, j, k: x[1, None, i],
    "array and a constant array": lambda x, i, j, k: x[i, np.array([[0], [4], [1]])],
    "array and a mask": lambda x, i, j, k: x[np.array([True, False, True]), i],
    "constant arrays with something between": lambda x, i, j, k: x[np.array([0, 2]), None, [1, 1]],
    "take along": lambda x, i, j, k: np.take_along_axis(x, i[:, None] % 3, axis=0),
    "pick": lambda x, i, j, k: ga.pick(x[:2], i),
}


def check_rows(f: Callable[..., Any], run: Runner, *stacks: Any) -> None:
    """Values and gradients of vmap(f), with each argument a stack alone and all of them; the
    gradient by an argument that is the same for all rows is the sum."""
    count = len(stacks)
    for mask in [(True,) * count] + [tuple(i == j for j in range(count)) for i in range(count)]:
        arrays = [s if m else s[0] for s, m in zip(stacks, mask, strict=True)]
        inputs = [ga.Variable(ga.TensorType(a.dtype, (None,) * a.ndim)) for a in arrays]
        single = [ga.Variable(ga.TensorType(s.dtype, s.shape[1:])) for s in stacks]
        mapped = ga.vmap(f, tuple(0 if m else None for m in mask))(*inputs)
        assert "map_rows" not in operations(mapped)
        results = []
        for given, y in ((inputs, mapped), (single, f(*single))):
            wrt = [v for v in given if v.dtype.kind == "f"]
            slopes = ga.grad((y * ga.cos(y)).sum(), wrt, disconnected="zero")
            results.append(run(given, [y, *slopes]))
        found = results[0](*arrays)
        rows = [[s[r] if m else s[0] for s, m in zip(stacks, mask, strict=True)] for r in range(4)]
        columns = zip(*[results[1](*row) for row in rows], strict=True)
        floats = [True, *[m for m, s in zip(mask, stacks, strict=True) if s.dtype.kind == "f"]]
        for value, column, stacked in zip(found, columns, floats, strict=True):
            wanted = np.stack(column) if stacked else np.sum(column, axis=0)
            np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", INDICES)
def test_indices_that_are_stacks(name: str, run: Runner) -> None:
    check_rows(INDICES[name], run, X, I, J, K)


UPDATES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "set": lambda x, i, k, v: x.at[i, 2].set(v),
    "set a scalar": lambda x, i, k, v: x.at[:, k].set(v[0]),
    "set rows": lambda x, i, k, v: x.at[i].set(v[:, None]),
    "set columns": lambda x, i, k, v: x.at[:, i].set(v),
    "add": lambda x, i, k, v: x.at[i].add(v[:, None] * x[0]),
    "add to columns": lambda x, i, k, v: x.at[:, i].add(v),
    "add with something between": lambda x, i, k, v: x[:, None].at[i, :, k].add(v[:, None]),
    "add at constant places": lambda x, i, k, v: x.at[[0, 0], [1, 1]].add(v),
    "set a slice": lambda x, i, k, v: x.at[1:, ::2].set(v[0]),
    "max": lambda x, i, k, v: x.at[i, k].max(v),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_at_indices_that_are_stacks(name: str, run: Runner) -> None:
    check_rows(UPDATES[name], run, X, I, K, V)


def test_slices_and_masks_that_are_stacks_run_in_a_loop(run: Runner) -> None:
    x, k = ga.tensor("x", shape=(4, 3)), ga.vector("k", shape=(4,), dtype="int64")
    y = ga.vmap(lambda x, k: x[k : k + 2].sum() + x[x > x[k]].sum())(x, k)
    assert "map_rows" in operations(y)
    places = np.array([0, 1, 1, 0])
    (value,) = run([x, k], [y])(X[:, :, 0], places)
    loop = [
        r[p : p + 2].sum() + r[r > r[p]].sum() for r, p in zip(X[:, :, 0], places, strict=True)
    ]
    np.testing.assert_allclose(value, loop)


# ---- one instead of many ---------------------------------------------------------------------
def test_a_linear_system_with_many_right_sides_is_solved_once() -> None:
    a, b = ga.matrix("a", shape=(3, 3)), ga.matrix("b", shape=("rows", 3))
    y = ga.vmap(lambda b: ga.linalg.solve(a, b))(b)
    (node,) = [n for n in ga.Graph.of([y]).nodes if n.op.name == "solve"]
    assert [v.ndim for v in node.inputs] == [2, 2]
    matrix, right = np.eye(3) * 2 + 0.3, RNG.normal(size=(4, 3))
    np.testing.assert_allclose(y.eval({a: matrix, b: right}), np.linalg.solve(matrix, right.T).T)
    check_grads(
        lambda a, b: ga.vmap(lambda b: ga.linalg.solve(a, b))(b), [matrix, right], sizes="unknown"
    )


def test_fits_to_many_rows_are_one_fit(run: Runner) -> None:
    t, y = np.linspace(0, 1, 6), ga.matrix("y", shape=(None, 6))
    found = ga.vmap(lambda row: np.polyfit(t, row, 2))(y)
    assert "map_rows" not in operations(found)
    stack = RNG.normal(size=(4, 6))
    (value,) = run([y], [found])(stack)
    np.testing.assert_allclose(value, [np.polyfit(t, row, 2) for row in stack])


def test_histograms_of_rows_are_counted_at_once(run: Runner) -> None:
    x, edges = ga.matrix("x"), np.linspace(-2, 2, 6)
    y = ga.vmap(lambda row: np.histogram(row, edges)[0])(x)
    assert "map_rows" not in operations(y)
    stack = RNG.normal(size=(4, 50))
    (found,) = run([x], [y])(stack)
    np.testing.assert_array_equal(found, [np.histogram(r, edges)[0] for r in stack])


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)),
                                    ((5, 2, 3), (3,)), ((3,), (5, 3, 2))])  # fmt: skip
def test_products(shapes: Any, run: Runner) -> None:
    stacks = [RNG.normal(size=(4, *shape)) for shape in shapes]
    check_rows(lambda a, b: a @ b, run, *stacks)


def test_zeros_of_masks_stay_strong_in_stacks(run: Runner) -> None:
    """A product with infinities under a mask, derived and then batched."""
    w = ga.vector("w")
    data = np.array([[[1.0, 2.0], [np.inf, np.nan]], [[np.nan, 1.0], [3.0, 4.0]]])
    mask = np.array([[True, False], [False, True]])

    def slope(d: Any, m: Any) -> Any:
        return ga.grad(ga.where(m, d @ w, 0.0).sum(), w)

    (found,) = run([w], [ga.vmap(slope)(ga.constant(data), ga.constant(mask))])(np.ones(2))
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


# ---- stacks and memory -----------------------------------------------------------------------
@pytest.mark.parametrize("limit", [1, 3000, 10**9])
def test_stacks_are_cut_to_a_bound(limit: int, run: Runner, monkeypatch: Any) -> None:
    """A Jacobian of unknown size, whose rows are computed a few at a time."""
    monkeypatch.setattr(rows_module, "STACK_BYTES", limit)

    def f(x: Any) -> Any:
        return ga.tanh(ga.tanh(ga.outer(x, x) * x[0]) @ x)

    x, fixed = ga.vector("x"), ga.vector("x", shape=(7,))
    y, same = f(x), f(fixed)
    node = next(n for n in ga.Graph.of([ga.jacobian(y, x)]).nodes if n.op.name == "map_rows")
    assert node.op.params["stack"] is not None
    at = RNG.normal(size=7)
    found = run([x], [ga.jacobian(y, x), ga.hessian(y.sum(), x)])(at)
    plain = run([fixed], [ga.jacobian(same, fixed), ga.hessian(same.sum(), fixed)])(at)
    for value, expected in zip(found, plain, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_small_jacobians_are_plain_graph_and_large_ones_are_not() -> None:
    small, large = ga.vector("s", shape=(50,)), ga.vector("l", shape=(5000,))
    assert "map_rows" not in operations(ga.jacobian(ga.sin(small) * small[0], small))
    assert "map_rows" in operations(ga.jacobian(ga.sin(large) * large[0], large))


def test_jacobians_with_a_loop_inside_stay_one_loop() -> None:
    x = ga.vector("x", shape=(4,))
    y = np.convolve(x, ga.constant([1.0, 2.0]))
    assert operations(ga.jacobian(y, x)).count("map_rows") <= 1
