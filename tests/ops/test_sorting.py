"""Order: ties, NaN, forms that the table cannot call, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads, compiled, interpret
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf


@pytest.fixture(params=[interpret, compiled])
def run(request: pytest.FixtureRequest) -> Runner:
    return request.param


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
    with pytest.raises(ga.errors.UseError, match="axis=0"):
        ga.unique(x, axis=0)
