"""Reductions with all keywords, at the hard points: values and derivatives written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from points import gradient_list as gradient

import graphad as ga
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
BAD = np.array([[1.0, NAN, 3.0], [INF, 5.0, 7.0]])
GOOD = np.array([[True, False, True], [False, True, True]])
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def value(f: Any, run: Runner, *arrays: Any) -> Any:
    """The value of f of Variables of unknown size."""
    given = [np.asarray(a) for a in arrays]
    inputs = [ga.Variable(ga.TensorType(a.dtype, (None,) * a.ndim)) for a in given]
    return run(inputs, [f(*inputs)])(*given)[0]


# ---- where, initial, dtype, axis --------------------------------------------------------------
REDUCTIONS = {  # name: (extra keywords, value and gradient of the masked BAD by hand)
    "sum": ({}, [4, 12], [[1, 0, 1], [0, 1, 1]]),
    "prod": ({}, [3, 35], [[3, 0, 1], [0, 7, 5]]),
    "mean": ({}, [2, 6], [[0.5, 0, 0.5], [0, 0.5, 0.5]]),
    "var": ({}, [1, 1], [[-1, 0, 1], [0, -1, 1]]),
    "std": ({}, [1, 1], [[-0.5, 0, 0.5], [0, -0.5, 0.5]]),
    "max": ({"initial": -1.0}, [3, 7], [[0, 0, 1], [0, 0, 1]]),
    "min": ({"initial": 9.0}, [1, 5], [[1, 0, 0], [0, 1, 0]]),
    "nansum": ({}, [4, 12], [[1, 0, 1], [0, 1, 1]]),
    "nanmean": ({}, [2, 6], [[0.5, 0, 0.5], [0, 0.5, 0.5]]),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_where_leaves_out_leaves_no_trace(name: str, run: Runner) -> None:
    extra, values, slopes = REDUCTIONS[name]
    f = getattr(ga, name)
    for keepdims in (False, True):
        expected = getattr(np, name)(BAD, axis=1, where=GOOD, keepdims=keepdims, **extra)
        found = value(
            lambda x, m, k=keepdims: f(x, axis=1, where=m, keepdims=k, **extra), run, BAD, GOOD
        )
        np.testing.assert_array_equal(found, expected)
        assert found.ravel().tolist() == values
    assert gradient(lambda x: f(x, axis=1, where=GOOD, **extra), run, BAD) == slopes
    second = gradient(lambda x: f(x, axis=1, where=GOOD, **extra) ** 2, run, BAD, 2)
    assert np.isfinite(second).all() and not np.any(np.array(second)[~GOOD])
    x, t = ga.matrix("x"), ga.matrix("t")
    push = run([x, t], [ga.jvp(f(x, axis=1, where=GOOD, **extra), x, t)])
    bad_tangent = np.where(GOOD, 1.0, NAN)
    np.testing.assert_allclose(push(BAD, bad_tangent)[0], np.sum(slopes, axis=1), atol=1e-15)


def test_masks_of_other_shapes(run: Runner) -> None:
    x = np.arange(6.0).reshape(2, 3)
    for mask in (True, False, np.array([True, False, True]), np.array([[True], [False]])):
        for name in ("sum", "prod", "any", "all", "mean", "var"):
            found = value(lambda x, n=name, m=mask: getattr(ga, n)(x, where=m), run, x)
            assert found == pytest.approx(getattr(np, name)(x, where=mask), nan_ok=True)
    assert gradient(lambda x: ga.sum(x, where=[[True], [False]]), run, x) == [[1] * 3, [0] * 3]
    assert gradient(lambda x: ga.mean(x, axis=0, where=False), run, x) == [[0] * 3, [0] * 3]


def test_logic_with_where(run: Runner) -> None:
    x = np.array([[0.0, 1.0, NAN], [0.0, 0.0, 2.0]])
    assert value(lambda x: x.any(1, where=[True, False, False]), run, x).tolist() == [False] * 2
    assert value(lambda x: x.all(0, where=[[True], [False]]), run, x).tolist() == [
        False, True, True]  # fmt: skip
    assert value(lambda x: ga.all(x, axis=()), run, x).tolist() == [
        [False, True, True], [False, False, True]]  # fmt: skip


def test_initial_takes_part(run: Runner) -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert value(lambda x: ga.sum(x, axis=0, initial=10), run, x).tolist() == [14, 16]
    assert value(lambda x: ga.prod(x, axis=0, initial=10), run, x).tolist() == [30, 80]
    assert value(lambda x: ga.max(x, axis=0, initial=3.5), run, x).tolist() == [3.5, 4]
    assert value(lambda x: ga.min(x, axis=0, initial=1.5), run, x).tolist() == [1, 1.5]
    assert value(lambda x: ga.max(x, axis=0, initial=2), run, np.zeros((0, 2))).tolist() == [2, 2]
    integers = value(lambda x: ga.sum(x, initial=1.5), run, np.array([1, 2]))
    assert integers == np.sum([1, 2], initial=1.5) and integers.dtype == np.int64
    single = value(lambda x: ga.max(x, initial=1.5), run, np.float32([1, 2]))
    assert single.dtype == np.float32
    # x = initial is a tie of two
    assert gradient(lambda x: ga.max(x, initial=3.0), run, [1, 3]) == [0, 0.5]
    assert gradient(lambda x: ga.max(x, initial=3.0), run, [1, 2]) == [0, 0]
    assert gradient(lambda v: ga.max(np.array([1.0, 3.0]), initial=v), run, 3.0) == 0.5
    assert gradient(lambda v: ga.max(np.ones((2, 3)), axis=0, initial=v), run, 3.0) == 3
    assert gradient(lambda v: ga.sum(np.ones((2, 3)), axis=0, initial=v), run, 3.0) == 3
    assert gradient(lambda v: ga.prod(np.full((2, 2), 3.0), axis=0, initial=v), run, 7.0) == 18


def test_dtype(run: Runner) -> None:
    x = np.array([1.5, 2.25])
    for name in ("sum", "prod", "mean", "var", "std", "cumsum", "cumprod"):
        for dtype in ("float32", "complex64", "float64"):
            found = value(lambda x, n=name, d=dtype: getattr(ga, n)(x, dtype=d), run, x)
            expected = np.asarray(getattr(np, name)(x, dtype=dtype))
            assert np.asarray(found).dtype == expected.dtype, (name, dtype)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        grad = gradient(lambda x, n=name: ga.real(getattr(ga, n)(x, dtype="c8")), run, x)
        np.testing.assert_allclose(grad, gradient(getattr(ga, name), run, x), rtol=1e-6)
    assert value(lambda x: ga.mean(x, dtype=int), run, [1, 2]) == np.mean([1, 2], dtype=int)
    assert value(lambda x: ga.var(x, dtype=int), run, [1, 2]) == np.var([1, 2], dtype=int)
    for name in ("sum", "prod", "cumsum", "cumprod"):
        for dtype in ("i4", "i1", "u2", "?"):
            given = np.array([100, 2, 100])
            found = value(lambda x, n=name, d=dtype: getattr(ga, n)(x, dtype=d), run, given)
            expected = np.asarray(getattr(np, name)(given, dtype=dtype))
            assert np.asarray(found).dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    large = value(ga.mean, run, np.full(1000, 1000, np.float16))
    assert large == 1000 and large.dtype == np.float16  # 10⁶ is no float16


def test_no_axes(run: Runner) -> None:
    x = np.array([[1.5, -2.0], [0.0, NAN]])
    for name in ("sum", "prod", "max", "min", "mean", "var", "std", "any", "all"):
        found = value(lambda x, n=name: getattr(ga, n)(x, axis=()), run, x)
        np.testing.assert_array_equal(found, getattr(np, name)(x, axis=()))
    assert gradient(lambda x: ga.prod(x, axis=()), run, [2, 0]) == [1, 1]
    assert gradient(lambda x: ga.max(x, axis=()), run, [2, 0]) == [1, 1]
    assert gradient(lambda x: ga.std(x, axis=()), run, [2, 0]) == [0, 0]


def test_methods_take_the_keywords() -> None:
    x = ga.matrix("x")
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    mask = np.array([True, False])
    for found, expected in [
        (x.sum(1, where=mask, initial=1, keepdims=True), values.sum(1, None, None, True, 1, mask)),
        (x.prod(where=mask), values.prod(where=mask)),
        (x.max(0, None, True, 2.5, mask), values.max(0, None, True, 2.5, mask)),
        (x.min(initial=0), values.min(initial=0)),
        (x.mean(1, where=mask), values.mean(1, where=mask)),
        (x.var((0, 1), ddof=1), values.var((0, 1), ddof=1)),
        (x.std(1, correction=1), np.std(values, 1, correction=1)),
        (x.any(1, where=mask), values.any(1, where=mask)),
        (x.argmax(0, keepdims=True), values.argmax(0, keepdims=True)),
        (x.cumprod(1), values.cumprod(1)),
        (x.argsort(0), values.argsort(0)),
        (x[0].searchsorted(1.5), values[0].searchsorted(1.5)),
        (np.add.reduce(x, 1, keepdims=True, where=mask), values.sum(1, keepdims=True, where=mask)),
        (np.maximum.reduce(x, initial=2), np.maximum.reduce(values, initial=2)),
    ]:
        np.testing.assert_array_equal(found.eval({x: values}), expected)
    for name in ("sort", "partition"):
        with pytest.raises(ga.errors.UseError, match=rf"write y = ga.{name}\(x\)"):
            getattr(x, name)(1)


def test_out_is_refused() -> None:
    x = ga.vector("x")
    for name in "sum prod mean var std max min any all argmax argmin cumsum".split():
        with pytest.raises(ga.errors.UseError, match="leave out= away"):
            getattr(ga, name)(x, out=np.zeros(()))


def test_rewriting_keeps_where_and_initial() -> None:
    x = ga.matrix("x")
    values = np.array([[1.0, NAN, 3.0], [0.5, 5.0, 7.0]])
    for f in (
        lambda xp, x: xp.log(xp.sum(xp.exp(x), axis=1, where=GOOD)),
        lambda xp, x: xp.log(xp.prod(x, where=GOOD)),
        lambda xp, x: xp.exp(x) / xp.sum(xp.exp(x), axis=1, keepdims=True, where=GOOD),
        lambda xp, x: xp.squeeze(xp.sum(x, axis=1, keepdims=True, where=GOOD), 1),
        lambda xp, x: xp.squeeze(xp.max(x, 1, None, True, initial=4, where=GOOD), 1),
        lambda xp, x: xp.sum(x, axis=(), where=GOOD),
        lambda xp, x: xp.min(x, axis=(), initial=2),
        lambda xp, x: xp.log(xp.mean(xp.exp(x), axis=0, where=GOOD)),
    ):
        compiled_value = ga.function([x], f(ga, x))(values)
        np.testing.assert_allclose(compiled_value, f(np, values), rtol=1e-14)
        slope = ga.function([x], ga.grad(ga.nansum(f(ga, x)), x))(values)
        assert np.isfinite(slope[GOOD]).all()


# ---- errors -----------------------------------------------------------------------------------
def test_reductions_of_nothing(run: Runner) -> None:
    empty = np.zeros((0, 2))
    for name in ("max", "min", "argmax", "argmin", "ptp"):
        with pytest.raises(ga.errors.ShapeError, match="axis of size 0"):
            getattr(ga, name)(ga.constant(empty), axis=0)
        x = ga.matrix("x")
        with pytest.raises(ValueError, match=r"empty|no identity"):
            run([x], [getattr(ga, name)(x, axis=0)])(empty)
        assert value(lambda x, n=name: getattr(ga, n)(x, axis=1), run, empty).shape == (0,)
    assert value(lambda x: ga.sum(x, axis=0), run, empty).tolist() == [0, 0]
    assert value(lambda x: ga.prod(x, axis=0), run, empty).tolist() == [1, 1]
    for name in ("mean", "var", "std"):
        assert np.isnan(value(lambda x, n=name: getattr(ga, n)(x, axis=0), run, empty)).all()
        assert gradient(getattr(ga, name), run, empty) == []
    assert value(lambda x: x.var(ddof=3), run, [1.0, 3.0]) == INF


def test_errors_name_what_is_wrong() -> None:
    x = ga.tensor("x", shape=(2, 3))
    with pytest.raises(ga.errors.UseError, match="where= needs initial="):
        ga.max(x, where=x > 0)
    with pytest.raises(ga.errors.DTypeError, match="where= has dtype int64"):
        ga.sum(x, where=[1, 0, 1])
    for shape in ((2,), (2, 2, 3), (3, 1)):
        with pytest.raises(ga.errors.ShapeError, match="where= of shape"):
            ga.sum(x, where=np.ones(shape, bool))
        with pytest.raises(ga.errors.ShapeError, match="where= of shape"):
            ga.mean(x, where=np.ones(shape, bool))
    with pytest.raises(ga.errors.UseError, match="initial= with 1 axes"):
        ga.sum(x, initial=[1.0])
    with pytest.raises(ga.errors.UseError, match="initial= with 1 axes"):
        ga.max(x, initial=[1.0])
    with pytest.raises(ga.errors.UseError, match="both given"):
        ga.var(x, ddof=1, correction=1)
    with pytest.raises(ga.errors.AxisError, match="axis 2"):
        ga.sum(x, axis=(0, 2))
    with pytest.raises(ga.errors.AxisError, match="twice"):
        ga.sum(x, axis=(0, -2))


# ---- derivatives at hard points ---------------------------------------------------------------
def test_ties_share_equally(run: Runner) -> None:
    assert gradient(ga.max, run, [3, 1, 3]) == [0.5, 0, 0.5]
    assert gradient(ga.min, run, [[3, 1], [1, 1]]) == pytest.approx(
        np.array([[0, 1 / 3], [1 / 3, 1 / 3]]))  # fmt: skip
    assert gradient(lambda x: ga.max(x, axis=1), run, [[2, 2], [1, 5]]) == [[0.5, 0.5], [0, 1]]
    assert gradient(ga.max, run, [INF, INF]) == [0.5, 0.5]
    assert gradient(ga.max, run, [1, NAN]) == [0, 0]  # NaN wins, and equals nothing
    assert gradient(lambda x: ga.max(x) ** 2, run, [3, 1, 3], 2) == [1, 0, 1]


def test_prod_with_zeros(run: Runner) -> None:
    # y = abc: first (bc, ac, ab); the sum of these has (b + c, a + c, a + b)
    assert gradient(ga.prod, run, [0, 2, 3]) == [6, 0, 0]
    assert gradient(ga.prod, run, [0, 0, 3]) == [0, 0, 0]
    assert gradient(ga.prod, run, [0, 2, 3], 2) == [5, 3, 2]
    assert gradient(ga.prod, run, [0, 0, 3], 2) == [3, 3, 0]
    assert gradient(ga.prod, run, [0, 0, 0], 2) == [0, 0, 0]
    assert gradient(ga.prod, run, [0, 0, 0], 3) == [2, 2, 2]
    x = np.array([[[0.0, 2.0], [3.0, 0.0]], [[1.0, 5.0], [2.0, 4.0]]])
    for axes in ((0, 2), (1,), (0, 1, 2), (1, 2)):
        check_grads(lambda x, a=axes: ga.prod(x, axis=a), x, order=3, runner=run, sizes="unknown")


def test_std_and_var(run: Runner) -> None:
    assert gradient(ga.std, run, [2, 2, 2]) == [0, 0, 0]
    assert gradient(ga.std, run, [2, 2, 2], 2) == [0, 0, 0]
    assert gradient(ga.std, run, [5]) == [0]
    # var = Σ (x - m)² / n: Hessian 2 (I - 1/n) / n, whose rows add up to 0
    x = ga.vector("x")
    (found,) = run([x], [ga.hessian(ga.var(x), x)])(np.array([1.0, 5.0, 2.0]))
    np.testing.assert_allclose(found, 2 / 3 * (np.eye(3) - 1 / 3), rtol=1e-15, atol=1e-16)
    assert gradient(lambda m: ga.var(np.array([1.0, 5.0]), mean=m), run, [0.0]) == [-6]
    assert gradient(lambda d: ga.var(np.array([1.0, 5.0, 3.0]), ddof=d), run, 1.0) == 2
    check_grads(lambda x, m: ga.std(x, axis=1, mean=m, where=GOOD, ddof=0.5),
                [np.array([[1.0, 9.0, 4.0], [2.0, 2.5, 5.0]]), np.array([[0.5], [1.5]])],
                runner=run, sizes="unknown")  # fmt: skip
    z = np.array([1 + 2j, 3 - 1j])
    assert value(ga.var, run, z) == pytest.approx(np.var(z))
    assert value(ga.std, run, z).dtype == np.float64
    check_grads(ga.var, z, runner=run)


# ---- what skips NaN ---------------------------------------------------------------------------
def test_places_of_what_is_not_nan(run: Runner) -> None:
    rows = np.array([[NAN, 3.0, 1.0], [2.0, NAN, 7.0]])
    for name in ("nanargmax", "nanargmin"):
        for keywords in ({}, {"axis": 1}, {"axis": 1, "keepdims": True}):
            found = value(lambda x, n=name, k=keywords: getattr(ga, n)(x, **k), run, rows)
            np.testing.assert_array_equal(found, getattr(np, name)(rows, **keywords))
        with pytest.raises(ValueError, match="All-NaN slice"):
            value(lambda x, n=name: getattr(ga, n)(x, axis=1), run, [[NAN, NAN], [1, 2]])


def test_slices_of_nan_alone(run: Runner) -> None:
    rows = np.array([[NAN, NAN], [1.0, 3.0]])
    expected = {
        "nansum": [0, 4], "nanprod": [1, 3], "nanmean": [NAN, 2], "nanvar": [NAN, 1],
        "nanstd": [NAN, 1], "nanmax": [NAN, 3], "nanmin": [NAN, 1], "nanmedian": [NAN, 2],
    }  # fmt: skip
    slopes = {
        "nansum": [1, 1], "nanprod": [3, 1], "nanmean": [0.5, 0.5], "nanvar": [-1, 1],
        "nanstd": [-0.5, 0.5], "nanmax": [0, 1], "nanmin": [1, 0], "nanmedian": [0.5, 0.5],
    }  # fmt: skip
    for name in expected:
        f = getattr(ga, name)
        found = value(lambda x, f=f: f(x, axis=1), run, rows)
        np.testing.assert_array_equal(found, expected[name])
        assert gradient(lambda x, f=f: f(x, axis=1), run, rows) == [[0, 0], slopes[name]], name
    assert gradient(ga.nanmax, run, [-INF, NAN, -INF]) == [0.5, 0, 0.5]
    assert value(lambda x: ga.nanmax(x, initial=2.0), run, [NAN, 1.0]) == 2
    assert value(lambda x: ga.nanmin(x, initial=0.5, where=[True, False]), run, [2.0, 0]) == 0.5


# ---- log-sum-exp, softmax ---------------------------------------------------------------------
def test_logsumexp_at_infinities(run: Runner) -> None:
    assert value(ga.logsumexp, run, [-INF, -INF]) == -INF
    assert value(ga.logsumexp, run, [INF, 1]) == INF
    assert gradient(ga.logsumexp, run, [-INF, -INF]) == [0, 0]
    assert gradient(ga.logsumexp, run, [-INF, 2]) == [0, 1]
    assert gradient(ga.logsumexp, run, [INF, 1, -INF]) == [1, 0, 0]
    assert np.isnan(gradient(ga.logsumexp, run, [NAN, 1])).all()
    assert gradient(ga.logsumexp, run, [-INF, 2], 2) == [0, 0]
    # p = softmax: Hessian diag(p) - p pᵀ
    x = ga.vector("x")
    (found,) = run([x], [ga.hessian(ga.logsumexp(x), x)])(np.array([7.0, 7.0]))
    np.testing.assert_allclose(found, [[0.25, -0.25], [-0.25, 0.25]], rtol=1e-14)


def test_logsumexp_with_weights(run: Runner) -> None:
    def both(a: Any, b: Any) -> list[Any]:
        given = [np.asarray(v, float) for v in (a, b)]
        inputs = [ga.vector("a"), ga.vector("b")]
        results = ga.logsumexp(inputs[0], b=inputs[1], return_sign=True)
        plain = ga.logsumexp(inputs[0], b=inputs[1])
        return [float(v) for v in run(inputs, [*results, plain])(*given)]

    assert both([0, 0], [3, -1]) == [np.log(2), 1, np.log(2)]
    for a, b, expected in (
        ([0, 0], [1, -3], [np.log(2), -1, NAN]),
        ([1, 1], [1, -1], [-INF, 0, -INF]),
        ([1, NAN], [1, 0], [1, 1, 1]),
        ([INF, 1], [0, 1], [1, 1, 1]),
        ([INF, 1], [2, 1], [INF, 1, INF]),
        ([-INF, -INF], [2, 1], [-INF, 0, -INF]),
        ([1000, 1000], [0.5, 0.5], [1000, 1, 1000]),
    ):
        np.testing.assert_array_equal(both(a, b), expected)
    assert value(lambda a: ga.logsumexp(a, return_sign=True)[1], run, [-INF]) == 0
    assert value(lambda a: ga.logsumexp(a, return_sign=True)[1], run, [-2000.0]) == 1

    def slopes(a: Any, b: Any) -> list[Any]:
        inputs = [ga.vector("a"), ga.vector("b")]
        y = ga.logsumexp(inputs[0], b=inputs[1], return_sign=True)[0]
        found = run(inputs, ga.grad(y, inputs))(np.array(a, float), np.array(b, float))
        return [v.tolist() for v in found]

    # Σ = 4: ∂/∂a = b eᵃ / Σ, ∂/∂b = eᵃ / Σ
    assert slopes([0, 0, 0], [1, 3, 0]) == [[0.25, 0.75, 0], [0.25, 0.25, 0.25]]
    assert slopes([0, 0], [1, -5]) == [[-0.25, 1.25], [-0.25, -0.25]]
    assert slopes([0, NAN], [4, 0])[0] == [1, 0]
    assert slopes([-INF, -INF], [1, 2]) == [[0, 0], [0, 0]]
    assert slopes([INF, 0], [1, 2])[0] == [1, 0]


def test_softmax_over_axes(run: Runner) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 2))
    for axis in (None, (0, 2), (1,), ()):
        shares = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
        found = value(lambda x, a=axis: ga.softmax(x, axis=a), run, x)
        np.testing.assert_allclose(found, shares, rtol=1e-14)
        found = value(lambda x, a=axis: ga.log_softmax(x, axis=a), run, x)
        np.testing.assert_allclose(found, np.log(shares), rtol=1e-13, atol=1e-15)
    for f in (ga.softmax, ga.log_softmax):
        check_grads(lambda x, f=f: f(x, axis=(0, 2)), x, runner=run, sizes="unknown")
    assert value(lambda x: ga.log_softmax(x), run, [0.0, -1000.0]).tolist() == [0, -1000]
