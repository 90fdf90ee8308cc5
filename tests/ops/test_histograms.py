"""Histograms, counts, covariances: what the table cannot call, hard points, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
DATA = np.random.default_rng(0).normal(size=200)
WEIGHTS = np.random.default_rng(1).normal(size=200)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def agree(name: str, run: Runner, *arrays: Any, **keywords: Any) -> None:
    """All results, from inputs of unknown size."""
    given = [np.asarray(a) for a in arrays]
    inputs = [ga.Variable(ga.TensorType(a.dtype, (None,) * a.ndim)) for a in given]
    leaves = ga.tree.flatten(getattr(ga, name)(*inputs, **keywords))[0]
    expected = ga.tree.flatten(getattr(np, name)(*given, **keywords))[0]
    for mine, theirs in zip(run(inputs, leaves)(*given), expected, strict=True):
        theirs = np.asarray(theirs)
        assert (np.asarray(mine).dtype, np.shape(mine)) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def slope(f: Any, run: Runner, at: Any) -> Any:
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    return np.asarray(run([x], [ga.grad(f(x).sum(), x, disconnected="zero")])(array)[0]).tolist()


# ---- bincount ---------------------------------------------------------------------------------
def test_bincount(run: Runner) -> None:
    places = np.array([1, 4, 1, 0])
    for dtype in ("int64", "int8", "uint8", "bool"):
        agree("bincount", run, places.astype(dtype))
    agree("bincount", run, places, minlength=9)
    agree("bincount", run, np.zeros(0, int))
    agree("bincount", run, np.zeros(0, int), minlength=3)
    x, w = ga.vector("x", dtype="int64"), ga.vector("w")
    ten = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
    y = (ga.bincount(x, w) * ten).sum()
    (found,) = run([x, w], [ga.grad(y, w)])(places, np.ones(4))
    assert found.tolist() == [10, 10000, 10, 1]
    (found,) = run([x, w], [ga.jvp(ga.bincount(x, w) ** 2, w, w)])(places, np.ones(4))
    assert found.tolist() == [2, 8, 0, 0, 2]
    with pytest.raises(ValueError, match="negative"):
        run([x], [ga.bincount(x)])(np.array([-1]))
    for bad in (ga.vector("f"), ga.matrix("m", dtype="int64")):
        with pytest.raises(ga.GraphadError, match="bincount of"):
            ga.bincount(bad)
    with pytest.raises(ga.errors.ShapeError, match="one for each element"):
        ga.bincount(np.array([1, 2]), [1.0, 2.0, 3.0])
    with pytest.raises(ga.errors.UseError, match="minlength=-1"):
        ga.bincount(x, minlength=-1)


# ---- histograms -------------------------------------------------------------------------------
def test_histograms_of_many_forms(run: Runner) -> None:
    edges = np.array([-1.0, 0.0, 0.5, 3.0])
    for keywords in (
        {}, {"bins": 7}, {"bins": 7, "range": (-1, 1)}, {"bins": edges}, {"bins": [0, 1]},
        {"bins": 5, "weights": WEIGHTS}, {"bins": edges, "weights": WEIGHTS},
        {"bins": 5, "weights": WEIGHTS + 1j}, {"bins": 5, "weights": (9 * WEIGHTS).astype("i4")},
        {"density": True}, {"bins": edges, "density": True, "weights": WEIGHTS**2},
        {"bins": "auto"}, {"bins": "sturges", "range": (-1, 1)}, {"bins": np.zeros(1)},
    ):  # fmt: skip
        agree("histogram", run, DATA, **keywords)
        if not isinstance(keywords.get("weights"), np.ndarray):
            agree("histogram_bin_edges", run, DATA, **keywords) if "density" not in keywords else 0
    agree("histogram", run, DATA.astype("float32"), bins=12)
    agree("histogram", run, (DATA * 9).astype(int), bins=12)
    agree("histogram", run, DATA > 0, bins=3)
    agree("histogram", run, np.zeros((0, 2)), bins=3)
    agree("histogram", run, np.array([2.0, 2.0]), bins=3)
    agree("histogram", run, np.array([NAN, 1.0, INF, -INF]), bins=[0.0, 1.0])
    agree("histogram", run, np.array([NAN, 1.0, INF, -INF]), bins=2, range=(0, 1))


def test_edges_in_floating_point(run: Runner) -> None:
    """Elements that lie on edges up to rounding are counted where NumPy counts them."""
    steps = np.arange(0, 101) / 100
    for bins in (3, 7, 10, 100):
        agree("histogram", run, steps, bins=bins)
        agree("histogram", run, steps * 0.7 + 1e-3, bins=bins, range=(0, 0.7))
        agree("histogram", run, np.float32(steps), bins=bins)


def test_histograms_of_several_dimensions(run: Runner) -> None:
    x, y = DATA, DATA[::-1] * 0.5
    for keywords in (
        {}, {"bins": 4}, {"bins": [3, 5]}, {"bins": [3, np.array([-1.0, 0.0, 1.0])]},
        {"bins": np.array([-1.0, 0.0, 1.0])}, {"range": [(-1, 1), (0, 1)], "density": True},
        {"bins": 3, "weights": WEIGHTS}, {"bins": 3, "weights": WEIGHTS**2, "density": True},
    ):  # fmt: skip
        agree("histogram2d", run, x, y, **keywords)
    points = np.random.default_rng(2).normal(size=(100, 3))
    p = ga.tensor("p", ("n", 3))
    for keywords in ({"bins": 2}, {"bins": (2, 3, 4), "density": True}):
        grid, edges = ga.histogramdd(p, **keywords)
        found = run([p], [grid, *edges])(points)
        expected = np.histogramdd(points, **keywords)
        for mine, theirs in zip(found, [expected[0], *expected[1]], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-14)


def test_slopes_of_histograms(run: Runner) -> None:
    ten = np.array([1.0, 10.0, 100.0])
    a = np.array([0.5, 2.5, 0.2, 7.0, 1.0])
    bins: dict[str, Any] = {"bins": 3, "range": (0, 3)}
    assert slope(lambda w: ga.histogram(a, weights=w, **bins)[0] * ten, run, np.ones(5)) == [
        1, 100, 1, 0, 10]  # fmt: skip
    assert slope(lambda x: ga.histogram(x, bins=2)[1] * ten, run, a) == [0, 0, 6, 105, 0]
    assert slope(lambda x: ga.histogram(x, **bins)[0] * ten, run, a) == [0] * 5
    check_grads(lambda x, w: ga.histogram(x, 4, density=True, weights=w)[0], [a, a], runner=run)


def test_histogram_errors(run: Runner) -> None:
    x = ga.vector("x")
    for keywords, message in (
        ({"bins": 0}, "bins=0"), ({"bins": "best"}, "bins='best'"), ({"range": (1, 0)}, "range="),
        ({"range": (0, INF)}, "range="), ({"bins": [1.0, 0.0]}, "do not increase"),
        ({"bins": "auto", "weights": x}, "with weights="),
    ):  # fmt: skip
        with pytest.raises(ga.errors.UseError, match=message):
            ga.histogram(x, **keywords)
    with pytest.raises(ga.errors.ShapeError, match="weights have the shape"):
        ga.histogram(np.zeros(3), weights=np.zeros(2))
    with pytest.raises(ga.errors.ShapeError, match="bins with 2 axes"):
        ga.histogram(x, bins=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="is not finite"):
        run([x], [ga.histogram(x)[0]])(np.array([NAN, 1.0]))
    with pytest.raises(ValueError, match="increase monotonically"):
        run([x], [ga.histogram(DATA, bins=x)[0]])(np.array([1.0, 0.0]))
    with pytest.raises(ga.errors.UseError, match="bins=3 for 2 dimensions"):
        ga.histogramdd([x, x], bins=[1, 2, 3])
    with pytest.raises(ga.errors.ShapeError, match="with d an integer"):
        ga.histogramdd(ga.matrix("m"))


# ---- cov, corrcoef ----------------------------------------------------------------------------
def test_cov_of_unknown_size(run: Runner) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 5))
    f, a = np.array([1, 0, 2, 1, 3]), np.array([0.5, 1.0, 2.0, 0.25, 0.0])
    for keywords in (
        {}, {"y": y}, {"bias": True}, {"ddof": 3}, {"fweights": f}, {"aweights": a},
        {"fweights": f, "aweights": a, "ddof": 0}, {"rowvar": False},
        {"rowvar": False, "y": y}, {"dtype": "float32"}, {"dtype": "complex64"},
    ):  # fmt: skip
        agree("cov", run, x, **keywords)
        if not keywords.keys() & {"bias", "ddof", "fweights", "aweights", "dtype"}:
            agree("corrcoef", run, x, **keywords)
    agree("cov", run, x + 1j * y)
    agree("corrcoef", run, x + 1j * y)
    agree("cov", run, x[0])
    agree("corrcoef", run, x[0])
    agree("cov", run, x[:, :1])
    check_grads(lambda x, w: ga.cov(x, aweights=w), [x, a + 1], runner=run, sizes="unknown")


def test_correlation_of_what_is_proportional(run: Runner) -> None:
    rows = np.outer([1.0, -2.0, 3.0], [0.1, 0.7, 0.3, 0.9])
    x = ga.matrix("x")
    (found,) = run([x], [ga.corrcoef(x)])(rows)
    assert np.abs(found).max() == 1
    flow = slope(ga.corrcoef, run, rows)  # an extremum
    np.testing.assert_allclose(flow, np.zeros((3, 4)), atol=1e-14)


def test_cov_errors() -> None:
    x = ga.tensor("x", (3, 5))
    with pytest.raises(ga.errors.ShapeError, match="more than 2 axes"):
        ga.cov(ga.tensor("t", (2, 2, 2)))
    with pytest.raises(ga.errors.UseError, match=r"ddof=0\.5"):
        ga.cov(x, ddof=0.5)
    with pytest.raises(ga.errors.UseError, match="fweights must be integers"):
        ga.cov(x, fweights=np.full(5, 0.5))
    with pytest.raises(ga.errors.UseError, match="aweights cannot be negative"):
        ga.cov(x, aweights=-np.ones(5))
    with pytest.raises(ga.errors.ShapeError, match="one for each observation"):
        ga.cov(x, aweights=np.ones(4))
