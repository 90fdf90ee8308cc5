"""Reductions that skip NaN, quantiles, weighted means: hard points, keywords, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from points import gradient_list as gradient

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
ROWS = np.array([[1.5, NAN, -2.0, 0.5], [0.25, 4.0, 3.0, 1.0], [NAN, 7.0, NAN, NAN]])
GOOD = np.array([[0.25, 4.0, 3.0, 1.0], [1.5, 2.0, -2.0, 0.5]])
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def agree(name: str, run: Runner, array: Any, **keywords: Any) -> None:
    x = ga.Variable(ga.TensorType(array.dtype, (None,) * np.ndim(array)))
    (found,) = run([x], [getattr(ga, name)(x, **keywords)])(array)
    expected = np.asarray(getattr(np, name)(array, **keywords))
    assert (np.asarray(found).dtype, np.shape(found)) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# ---- reductions that skip NaN -----------------------------------------------------------------
NAN_NAMES = "nansum nanprod nanmean nanvar nanstd nanmax nanmin".split()


@pytest.mark.parametrize("name", NAN_NAMES)
def test_values_with_nan(name: str, run: Runner) -> None:
    for keywords in (
        {},
        {"axis": 0},
        {"axis": 1},
        {"axis": (0, 1)},
        {"axis": 1, "keepdims": True},
    ):
        agree(name, run, ROWS, **keywords)
    agree(name, run, np.full((2, 2), NAN), axis=0)


@pytest.mark.parametrize("name", NAN_NAMES)
def test_selection_by_where(name: str, run: Runner) -> None:
    extra = {"initial": 2.0} if name in ("nansum", "nanprod", "nanmax", "nanmin") else {}
    for mask in (np.array([True, False, True, True]), np.array([[True], [True], [False]])):
        agree(name, run, ROWS, axis=1, where=mask, **extra)
    mask = np.array([True, False, True, True])
    check_grads(lambda x: getattr(ga, name)(x, axis=1, where=mask, **extra), GOOD, runner=run)


def test_freedom(run: Runner) -> None:
    for name in ("nanvar", "nanstd"):
        agree(name, run, ROWS, axis=1, ddof=1)
        agree(name, run, ROWS, axis=1, correction=2)
        agree(name, run, ROWS, axis=1, mean=np.nanmean(ROWS, axis=1, keepdims=True))
    with pytest.raises(ga.errors.UseError, match="both given"):
        ga.nanvar(ga.vector("x"), ddof=1, correction=1)


def test_gradients_at_nan_are_zero(run: Runner) -> None:
    row = [2.0, NAN, 4.0]
    assert gradient(ga.nansum, run, row) == [1, 0, 1]
    assert gradient(ga.nanprod, run, row) == [4, 0, 2]
    assert gradient(ga.nanmean, run, row) == [0.5, 0, 0.5]
    assert gradient(ga.nanvar, run, row) == [-1, 0, 1]
    assert gradient(ga.nanstd, run, row) == [-0.5, 0, 0.5]
    assert gradient(ga.nanmax, run, row) == [0, 0, 1]
    assert gradient(ga.nanmin, run, row) == [1, 0, 0]
    assert gradient(ga.nanmax, run, [3, NAN, 3]) == [0.5, 0, 0.5]
    assert gradient(ga.nanstd, run, [3, NAN, 3]) == [0, 0, 0]


@pytest.mark.parametrize("name", NAN_NAMES)
def test_gradients_where_all_are_nan(name: str, run: Runner) -> None:
    f = getattr(ga, name)
    assert gradient(f, run, [NAN, NAN]) == [0, 0]
    rows = gradient(lambda x: f(x, axis=1), run, [[NAN, NAN], [3.0, 3.0]])
    assert rows[0] == [0, 0] and np.isfinite(rows).all()


def test_infinities_are_not_skipped(run: Runner) -> None:
    agree("nanmax", run, np.array([-INF, NAN]))
    agree("nanmin", run, np.array([INF, NAN]))
    agree("nansum", run, np.array([INF, NAN, 1.0]))
    assert gradient(ga.nanmax, run, [1, NAN, INF]) == [0, 0, 1]


# ---- weighted means ---------------------------------------------------------------------------
def test_average(run: Runner) -> None:
    row = np.array([1.0, 2.0, 0.0, 0.5])
    for a in (GOOD, GOOD.astype("float32"), np.arange(8).reshape(2, 4)):
        x = ga.Variable(ga.TensorType(a.dtype, a.shape))
        for keywords in ({"axis": 1, "weights": row}, {"weights": GOOD + 5}, {"axis": 0},
                         {"axis": 1, "weights": row, "keepdims": True},
                         {"axis": (1, 0), "weights": (GOOD + 5).T}):  # fmt: skip
            found = run([x], ga.average(x, returned=True, **keywords))(a)
            given = dict(keywords)
            if given.get("axis") == (1, 0):  # NumPy 2.0 has no weights for several axes
                given = {"weights": GOOD + 5}
            for f, e in zip(found, np.average(a, returned=True, **given), strict=True):
                assert f.dtype == np.asarray(e).dtype
                np.testing.assert_allclose(f, np.broadcast_to(e, f.shape), rtol=1e-6)
    check_grads(lambda x, w: ga.average(x, 1, w), [GOOD, row], runner=run)
    check_grads(lambda x, w: ga.average(x, None, w), [GOOD, GOOD + 5], runner=run, sizes="unknown")


def test_average_errors() -> None:
    x = ga.tensor("x", shape=(2, 3))
    with pytest.raises(ga.errors.ShapeError, match="weights float64"):
        ga.average(x, weights=[1.0, 2.0])
    with pytest.raises(ga.errors.ShapeError, match="for axis 0"):
        ga.average(x, 0, weights=[1.0, 2.0, 3.0])
    for axis, weights in ((1, [0.0, 1.0, -1.0]), (0, [[1.0, 2.0, 1.0], [1.0, -2.0, 0.0]])):
        with pytest.raises(ZeroDivisionError):
            ga.average(x, axis, weights=weights)


# ---- quantiles --------------------------------------------------------------------------------
METHODS = ("linear interpolated_inverted_cdf hazen weibull median_unbiased normal_unbiased "
           "lower higher nearest midpoint inverted_cdf averaged_inverted_cdf "
           "closest_observation").split()  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_of_many_sizes(method: str, run: Runner) -> None:
    rng = np.random.default_rng(0)
    q = np.array([0.0, 0.01, 0.25, 0.37, 0.5, 0.75, 0.99, 1.0])
    for n in (1, 2, 3, 4, 9, 40):
        agree("quantile", run, rng.normal(size=n), q=q, method=method)
        agree("percentile", run, rng.integers(0, 9, size=n), q=100 * q, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_of_what_is_not_nan(method: str, run: Runner) -> None:
    q = np.array([0.0, 0.25, 0.37, 0.5, 1.0])
    rows = np.vstack([ROWS, np.full(4, NAN)])
    agree("nanquantile", run, rows, q=q, axis=1, method=method)
    agree("nanpercentile", run, rows, q=37.0, axis=0, method=method, keepdims=True)
    agree("nanquantile", run, rows, q=q.reshape(5, 1), method=method)
    slopes = gradient(lambda x: ga.nanquantile(x, [0.3], axis=1, method=method), run, rows)
    assert np.all(np.array(slopes)[np.isnan(rows)] == 0)
    assert np.sum(slopes, axis=1) == pytest.approx([1, 1, 1, 0])


def test_nanmedian(run: Runner) -> None:
    rows = np.vstack([ROWS, np.full(4, NAN)])
    for keywords in ({"axis": 1}, {"axis": 0, "keepdims": True}, {"axis": (0, 1)}):
        agree("nanmedian", run, rows, **keywords)
        agree("nanmedian", run, rows + 1j, **keywords)
    slopes = gradient(lambda x: ga.nanmedian(x, axis=1), run, rows)
    assert slopes == [[0, 0, 0, 1], [0, 0, 0.5, 0.5], [0, 1, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.75])
def test_quantiles_beside_infinite_elements(weight: float, run: Runner) -> None:
    for row in ([-INF, 2.0], [1.0, INF], [-INF, INF], [-INF, -INF], [INF, INF]):
        agree("quantile", run, np.array(row), q=weight)


def test_weighted_quantiles(run: Runner) -> None:
    rng = np.random.default_rng(0)
    rows, q = rng.normal(size=(3, 5)), np.array([[0.0, 0.1, 0.5], [0.75, 0.99, 1.0]])
    row = np.array([0.0, 2.0, 1.0, 0.0, 0.5])
    for keywords in (
        {"q": 0.3, "weights": rng.uniform(size=(3, 5))},
        {"q": q, "weights": row, "axis": 1},
        {"q": q, "weights": rng.integers(0, 3, size=(3, 5)) + 1, "axis": 0},
    ):
        agree("quantile", run, rows, method="inverted_cdf", **keywords)
        agree("quantile", run, np.float32(rows), method="inverted_cdf", **keywords)
    holes = np.where(rng.uniform(size=(3, 5)) < 0.3, NAN, rows)
    agree("nanquantile", run, holes, q=q, weights=np.tile(row + 1, (3, 1)), axis=1,
          method="inverted_cdf")  # fmt: skip
    weigh = {"weights": [1.0, 2.0, 1.0], "method": "inverted_cdf"}
    assert gradient(lambda x: ga.quantile(x, [0.25, 0.26], **weigh), run, [3, 1, 2]) == [0, 2, 0]
    assert gradient(lambda x: ga.nanquantile(x, 1.0, **weigh), run, [3, 1, NAN]) == [1, 0, 0]
    x, w = ga.vector("x"), ga.vector("w")
    found = run([x, w], [ga.quantile(x, 0.5, weights=w, method="inverted_cdf")])
    assert np.isnan(found(np.arange(2.0), np.zeros(2))[0])


def test_quantile_gives_slopes_to_what_it_picks(run: Runner) -> None:
    row = [3.0, 1.0, 2.0, 9.0]  # sorted: 1 2 3 9
    assert gradient(lambda x: ga.quantile(x, 0.5), run, row) == [0.5, 0, 0.5, 0]
    assert gradient(lambda x: ga.quantile(x, 0.25), run, row) == [0, 0.25, 0.75, 0]
    assert gradient(lambda x: ga.quantile(x, 1.0), run, row) == [0, 0, 0, 1]
    assert gradient(lambda x: ga.quantile(x, 0.5, method="lower"), run, row) == [0, 0, 1, 0]
    assert gradient(lambda x: ga.quantile(x, [0.0, 1.0]), run, [7, 7, 7]) == [1, 0, 1]
    # Δ = 1 between sorted neighbours 2 and 3, and 3 places for q in [0, 1]
    x, q = ga.vector("x"), ga.scalar("q")
    slope = run([x, q], [ga.grad(ga.quantile(x, q), q)])
    assert slope(np.array(row), np.array(0.5))[0] == 3.0
    check_grads(ga.quantile, [np.array(row), np.array([0.1, 0.5])], runner=run)


def test_nan_spoils_a_quantile(run: Runner) -> None:
    for name, keywords in (
        ("median", {}),
        ("quantile", {"q": 0.3}),
        ("percentile", {"q": [3, 9]}),
    ):
        agree(name, run, ROWS, axis=0, **keywords)
        f = getattr(ga, name)
        assert gradient(lambda x, f=f, k=keywords: f(x, **k), run, [1, NAN, 2]) == [0, 0, 0]
    x, q = ga.vector("x"), ga.scalar("q")
    assert np.isnan(run([x, q], [ga.quantile(x, q)])(np.arange(3.0), np.array(1.5))[0])


def test_infinite_neighbours(run: Runner) -> None:
    agree("median", run, np.array([-INF, 1.0, INF]))
    x = ga.vector("x")
    (found,) = run([x], [ga.quantile(x, [0.0, 0.5, 1.0])])(np.array([-INF, 1.0, INF]))
    assert found.tolist() == [-INF, 1.0, INF]


def test_median_at_ties(run: Runner) -> None:
    assert gradient(ga.median, run, [2, 2, 2]) == [0, 1, 0]
    assert gradient(ga.median, run, [2, 2, 2, 2]) == [0, 0.5, 0.5, 0]
    agree("median", run, np.zeros(0))


def test_quantile_errors() -> None:
    x = ga.vector("x")
    with pytest.raises(ga.errors.UseError, match="method='best'"):
        ga.quantile(x, 0.5, method="best")
    with pytest.raises(ga.errors.UseError, match="negative weights"):
        ga.quantile(x, 0.5, method="inverted_cdf", weights=[1.0, -1.0])
    with pytest.raises(ga.errors.UseError, match="only one method is defined for weights"):
        np.quantile(x, 0.5, weights=[1.0], method="linear")
    with pytest.raises(ga.errors.UseError, match="between 0 and 1"):
        ga.quantile(x, 50)
    with pytest.raises(ga.errors.UseError, match="between 0 and 100"):
        ga.percentile(x, [50, 101])
    with pytest.raises(ga.errors.DTypeError, match="complex128"):
        ga.quantile(ga.vector("z", dtype="complex128"), 0.5)
    with pytest.raises(ga.errors.UseError, match="initial"):
        ga.nanmax(x, where=x > 0)


def test_ptp_at_ties(run: Runner) -> None:
    assert gradient(ga.ptp, run, [1, 1, 5]) == [-0.5, -0.5, 1]
    assert gradient(ga.ptp, run, [2, 2]) == [0, 0]
