"""Splitting with sizes known at run time, unstack, block, insert and delete with Variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import AxisError, IndexingError, ShapeError, UseError
from graphad.testing import compiled, interpret

A = np.arange(24.0).reshape(4, 6)


def test_unstack() -> None:
    x = ga.matrix("x", shape=("n", 3))
    parts = ga.unstack(x, axis=-1)
    assert [str(p.type) for p in parts] == ["float64[n]"] * 3
    for i, value in enumerate(compiled([x], list(parts))(A[:, :3])):
        np.testing.assert_array_equal(value, A[:, i])
    g = ga.grad((parts[1] * parts[2]).sum(), x)
    np.testing.assert_array_equal(g.eval({x: A[:, :3]}), A[:, [0, 2, 1]] * [0, 1, 1])
    if hasattr(np, "unstack"):
        assert len(np.unstack(x, axis=1)) == 3
    with pytest.raises(UseError, match="the size n of axis 0 is known only at run time"):
        ga.unstack(x)
    with pytest.raises(AxisError):
        ga.unstack(ga.scalar("s"))


@pytest.mark.parametrize("size", range(9))
@pytest.mark.parametrize("count", [1, 3, 4])
def test_nearly_equal_parts_of_unknown_size(size: int, count: int) -> None:
    x = ga.vector("x")
    array = np.arange(float(size))
    for run in (interpret, compiled):
        parts = run([x], ga.array_split(x, count))(array)
        for found, expected in zip(parts, np.array_split(array, count), strict=True):
            np.testing.assert_array_equal(found, expected)
        if size % count == 0:
            for found in run([x], ga.split(x, count))(array):
                assert found.shape == (size // count,)
        else:
            with pytest.raises(ValueError):
                run([x], ga.split(x, count))(array)


def test_places_that_are_variables() -> None:
    x, i = ga.matrix("x"), ga.scalar("i", dtype="int64")
    for found, expected in zip(
        compiled([x, i], ga.split(x, [i, x.shape[1] - 1], axis=1))(A, 2),
        np.split(A, [2, 5], axis=1), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(found, expected)


def test_blocks() -> None:
    x, s = ga.matrix("x", shape=(2, "n")), ga.scalar("s")
    y = ga.block([[x, ga.ones((2, 1))], [ga.zeros((1, x.shape[1])), s]])
    assert str(y.type) == "float64[3, n + 1]"
    expected = np.block([[A[:2, :3], np.ones((2, 1))], [np.zeros((1, 3)), 7.0]])
    np.testing.assert_array_equal(y.eval({x: A[:2, :3], s: 7.0}), expected)
    assert ga.block(x) is x
    for wrong in ([[x], x], (x, x), [], [[]]):
        with pytest.raises(UseError):
            ga.block(wrong)


def test_lists_with_variables_become_arrays() -> None:
    x = ga.scalar("x")
    y = ga.array([[x, 1.0], [2.0, x * x]])
    np.testing.assert_array_equal(y.eval({x: 3.0}), [[3.0, 1.0], [2.0, 9.0]])
    assert ga.asarray(y, "float32").dtype == np.float32 and ga.asarray(y) is y
    assert ga.array(x, ndmin=2).type.shape == (1, 1)
    with pytest.raises(ga.errors.DTypeError, match='casting="unsafe"'):
        ga.asarray(y, "int64", casting="safe")
    with pytest.raises(ShapeError):
        ga.array([ga.vector("a", shape=(2,)), ga.vector("b", shape=(3,))])


# ---- insert and delete ----------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 2, 4, -1, -4, [3, 0, 3], [-1, 4], slice(1, 3), []])
def test_insert_at_places_of_run_time(place: Any) -> None:
    x = ga.matrix("x")
    count = len(range(4)[place]) if isinstance(place, slice) else np.size(place)
    rows = np.full((count, 6), 7.0) if count else 7.0
    expected = np.insert(A, place, rows, axis=0)
    variables, values = [x], [A]
    if not isinstance(place, slice):
        p = ga.tensor("p", (None,) * np.ndim(place), dtype="int64")
        variables, values = [x, p], [A, np.asarray(place, "int64")]
        y = ga.insert(x, p, ga.constant(rows), axis=0)
    else:
        y = ga.insert(x, place, rows, axis=0)
    for run in (interpret, compiled):
        np.testing.assert_array_equal(run(variables, [y])(*values)[0], expected)


@pytest.mark.parametrize("place", [0, 3, -1, -4, [3, 0, 3], [-1, 1], []])
def test_delete_at_places_of_run_time(place: Any) -> None:
    x, p = ga.matrix("x"), ga.tensor("p", (None,) * np.ndim(place), dtype="int64")
    y = ga.delete(x, p, axis=0)
    value = np.asarray(place, "int64")
    for run in (interpret, compiled):
        np.testing.assert_array_equal(run([x, p], [y])(A, value)[0], np.delete(A, value, axis=0))


@pytest.mark.parametrize("place", [5, -5, [0, 5]])
def test_places_out_of_range(place: Any) -> None:
    for function in (lambda x: ga.insert(x, place, 1.0, axis=0),
                     lambda x: ga.delete(x, place, axis=0)):  # fmt: skip
        with pytest.raises(IndexingError, match="out of bounds"):
            function(ga.matrix("x", shape=(4, 6)))
        x = ga.matrix("x")
        for run in (interpret, compiled):
            with pytest.raises(IndexError):
                run([x], [function(x)])(A)


def test_sizes_of_results() -> None:
    x = ga.matrix("x", shape=("n", 6))
    assert str(ga.insert(x, 1, 0.0, axis=0).type) == "float64[n + 1, 6]"
    assert str(ga.insert(x, [0, 0], 0.0, axis=1).type) == "float64[n, 8]"
    assert ga.delete(x, [0, 0], axis=1).type.shape[1] == 5
    assert ga.delete(x, slice(None, None, 2), axis=1).type.shape[1] == 3


def test_zeros_are_trimmed_and_differentiated() -> None:
    x = ga.vector("x")
    y = ga.trim_zeros(x)
    array = np.array([0.0, 3.0, 0.0, 2.0, 0.0])
    value, g = compiled([x], [y, ga.grad((y * y).sum(), x)])(array)
    assert value.tolist() == [3.0, 0.0, 2.0] and g.tolist() == (2 * array).tolist()
    assert ga.trim_zeros(x).eval({x: np.zeros(0)}).shape == (0,)
    with pytest.raises(UseError):
        ga.trim_zeros(x, "x")


# ---- repeat ---------------------------------------------------------------------------------


def test_repeats_of_run_time() -> None:
    x, n = ga.matrix("x"), ga.scalar("n", dtype="int64")
    counts = ga.vector("counts", dtype="int64")
    given = np.array([2, 0, 1, 3])
    for run in (interpret, compiled):
        cases = [(n, 2, 2), (x.shape[0], 0, 4), (counts, given, given), (given, 0, given)]
        for repeats, value, number in cases:
            variables = [x, repeats if isinstance(repeats, ga.Variable) else n]
            found = run(variables, [ga.repeat(x, repeats, axis=0)])(A, value)[0]
            np.testing.assert_array_equal(found, np.repeat(A, number, axis=0))
        (g,) = run([x, counts], [ga.grad(ga.repeat(x, counts, axis=0).sum(), x)])(A, given)
        np.testing.assert_array_equal(g, np.ones((4, 6)) * given[:, None])
        with pytest.raises(ValueError):
            run([x], [ga.repeat(x, [1, 2, 3], axis=0)])(A)
        with pytest.raises(ValueError):
            run([x, counts], [ga.repeat(x, counts, axis=0)])(A, np.array([1, 2, 3]))
    with pytest.raises(ShapeError, match="3 numbers for 4 elements"):
        ga.repeat(A, [1, 2, 3], axis=0)
    assert ga.repeat(A, [2], axis=1).type.shape == (4, 12)
