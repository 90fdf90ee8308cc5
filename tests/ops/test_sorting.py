"""Order: ties, NaN, forms that the table cannot call, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf


def weighted(f: Any, weights: Any, run: Runner, at: Any) -> list[Any]:
    """The gradient of Σ weights · f, sizes unknown."""
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    slope = ga.grad((f(x) * np.asarray(weights, float)).sum(), x)
    return np.asarray(run([x], [slope])(array)[0]).tolist()


def test_ties_are_broken_by_place(run: Runner) -> None:
    assert weighted(ga.sort, [1, 2, 3], run, [5, 5, 5]) == [1, 2, 3]
    assert weighted(ga.sort, [1, 2, 3, 4], run, [2, 1, 2, 1]) == [3, 1, 4, 2]
    assert weighted(lambda x: ga.topk(x, 1), [1], run, [2, 3, 3]) == [0, 0, 1]
    assert weighted(lambda x: ga.topk(x, -1), [1], run, [2, 2, 3]) == [1, 0, 0]
    x = ga.vector("x")
    places = run([x], [ga.argsort(x), ga.argtopk(x, 2)])(np.array([2.0, 1, 2, 1]))
    assert [p.tolist() for p in places] == [[1, 3, 0, 2], [2, 0]]


def test_nan_and_infinities_stand_last(run: Runner) -> None:
    assert weighted(ga.sort, [1, 2, 3, 4], run, [NAN, INF, 0, -INF]) == [4, 3, 2, 1]
    assert weighted(lambda x: ga.sort(x)[:2], [1, 2], run, [NAN, 5, 3]) == [0, 2, 1]


def test_forward_mode_is_the_same_permutation(run: Runner) -> None:
    x, t = ga.vector("x"), ga.vector("t")
    moved = run([x, t], [ga.jvp(ga.sort(x), x, t)])
    assert moved(np.array([3.0, 1, 1]), np.array([7.0, 8, 9]))[0].tolist() == [8, 9, 7]


def test_unique_with_all_results(run: Runner) -> None:
    x = ga.matrix("x")
    f = run([x], ga.unique(x, True, True, True))
    for values in ([[3, 1, 3], [1, 2, NAN], [NAN, 0, 0]], [[]], [[4.0]]):
        array = np.array(values, float)
        for a, b in zip(f(array), np.unique(array, True, True, True), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_sets_with_nan_and_of_nothing(run: Runner) -> None:
    x, y = ga.vector("x"), ga.vector("y")
    first, second = np.array([NAN, 2.0, 0.0, 2.0, NAN]), np.array([5.0, NAN, 0.0])
    nothing = np.zeros(0)
    for name in ("intersect1d", "union1d", "setdiff1d", "setxor1d", "isin"):
        call = run([x, y], [getattr(ga, name)(x, y)])
        for a, b in ((first, second), (nothing, second), (first, nothing), (nothing, nothing)):
            np.testing.assert_array_equal(call(a, b)[0], getattr(np, name)(a, b))
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        call = run([x], getattr(ga, name)(x))
        for a in (first, nothing):
            for mine, theirs in zip(call(a), getattr(np, name)(a), strict=True):
                np.testing.assert_array_equal(mine, theirs)
    pair = np.array([3.0, 1.0, 2.0]), np.array([2.0, 7.0, 3.0])
    for name in ("intersect1d", "setdiff1d", "setxor1d", "isin"):
        found = run([x, y], [getattr(ga, name)(x, y, assume_unique=True)])(*pair)[0]
        np.testing.assert_array_equal(found, getattr(np, name)(*pair, assume_unique=True))
    counted = ga.unique_counts(x)
    assert counted.values.type.shape == counted.counts.type.shape


def test_unique_slices(run: Runner) -> None:
    x = ga.tensor("x", (None, None, None))
    array = np.random.default_rng(0).integers(0, 2, size=(6, 2, 2)).astype(float)
    for axis in (0, 1, -1):
        call = run([x], ga.unique(x, True, True, True, axis=axis))
        for a in (array, array[:0], array[:, :0]):
            for mine, theirs in zip(call(a), np.unique(a, True, True, True, axis), strict=True):
                np.testing.assert_array_equal(mine, theirs)
                assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)


def test_set_functions_give_slopes_to_the_first(run: Runner) -> None:
    ten = np.array([2.0, 9.0])
    assert weighted(lambda x: ga.intersect1d(x, ten), [3], run, [7, 2, 2]) == [0, 3, 0]
    assert weighted(lambda x: ga.union1d(x, ten), [3, 5, 0], run, [7, 2, 2]) == [5, 3, 0]
    assert weighted(lambda x: ga.setdiff1d(x, ten), [3, 5], run, [7, 2, 1]) == [5, 0, 3]
    assert weighted(lambda x: ga.setxor1d(x, ten), [3, 5, 0], run, [7, 2, 1]) == [5, 0, 3]
    slices = weighted(
        lambda x: ga.unique(x, axis=1), [[1, 2], [3, 4]], run, [[5, 1, 5], [0, 0, 0]]
    )
    assert slices == [[2, 1, 0], [4, 3, 0]]


def test_lexsort_and_complex_order(run: Runner) -> None:
    x, y = ga.vector("x"), ga.vector("y")
    keys = np.array([3.0, 1, 2, 1]), np.array([1.0, 0, 1, 0])
    (found,) = run([x, y], [ga.lexsort((x, y))])(*keys)
    assert found.tolist() == [1, 3, 2, 0]
    assert weighted(lambda x: ga.real(ga.sort_complex(x)), [1, 2, 3], run, [5, 9, 1]) == [2, 3, 1]
    for dtype in ("int8", "uint16", "int32", "float32", "bool"):
        values = np.array([2, 0, 1]).astype(dtype)
        assert ga.sort_complex(values).dtype == np.sort_complex(values).dtype


def test_unique_gives_the_slope_to_the_first(run: Runner) -> None:
    assert weighted(ga.unique, [10, 1], run, [3, 2, 3, 2]) == [1, 10, 0, 0]


def test_partition_of_large_arrays(run: Runner) -> None:
    array = np.random.default_rng(0).integers(0, 50, 1000).astype(float)
    x = ga.vector("x")
    (found,) = run([x], [ga.partition(x, (300, -300))])(array)
    for place in (300, 700):
        assert found[place] == np.sort(array)[place]
        assert found[:place].max() <= found[place] <= found[place:].min()
    check_grads(lambda x: ga.partition(x, 300), np.random.default_rng(1).permutation(1000) / 9.0,
                order=1, runner=run)  # fmt: skip


def test_take_along_axis_adds_up_what_is_taken_twice(run: Runner) -> None:
    places = np.array([[0, 0, 2]])
    grad = weighted(lambda x: ga.take_along_axis(x, places, 1), [1, 2, 4], run, [[5, 6, 7]] * 2)
    assert grad == [[3, 0, 4]] * 2


def test_errors_name_what_is_wrong() -> None:
    x = ga.tensor("x", shape=(2, 3))
    with pytest.raises(ga.errors.ShapeError, match="kth=3 is out of range"):
        ga.partition(x, 3)
    with pytest.raises(ga.errors.UseError, match="kth=1"):
        ga.argpartition(x, 1.5)
    with pytest.raises(ga.errors.UseError, match="k=0"):
        ga.topk(x, 0)
    with pytest.raises(ga.errors.UseError, match="kind='bubble'"):
        np.sort(x, kind="bubble")
    with pytest.raises(ga.errors.UseError, match="arrays with fields"):
        ga.argsort(x, order="name")
    with pytest.raises(ga.errors.AxisError, match="axis 2"):
        ga.sort(x, axis=2)
    with pytest.raises(ga.errors.AxisError, match="indices with 1"):
        ga.take_along_axis(x, [0], 1)
    with pytest.raises(ga.errors.UseError, match="x\\[mask\\]"):
        ga.take_along_axis(x, [[True, False, True]], 1)
    with pytest.raises(ga.errors.ShapeError, match="2 axes"):
        ga.searchsorted(x, 1.0)
    with pytest.raises(ga.errors.UseError, match="side='middle'"):
        ga.searchsorted(x[0], 1.0, side="middle")
    with pytest.raises(ga.errors.AxisError, match="axis 2"):
        ga.unique(x, axis=2)
    with pytest.raises(ga.errors.UseError, match="without keys"):
        ga.lexsort([])
    with pytest.raises(ga.errors.ShapeError, match="keys of equal shape"):
        ga.lexsort([x, x[0]])
    with pytest.raises(ga.errors.DTypeError, match="digitize of complex"):
        ga.digitize(ga.vector("z", dtype="complex128"), [0.0])
    with pytest.raises(ga.errors.UseError, match="not monotonic"):
        ga.digitize(x, [0.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="monotonic"):
        ga.digitize(x, x[0]).eval({x: [[0.0, 2.0, 1.0]] * 2})
    with pytest.raises(ga.errors.UseError, match="kind='hash'"):
        ga.isin(x, x, kind="hash")
