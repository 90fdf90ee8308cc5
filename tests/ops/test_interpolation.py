"""interp at its knots and outside, with sizes known at run time; vector products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import AxisError, DTypeError, ShapeError

XP, FP = np.array([0.0, 1.0, 3.0]), np.array([2.0, 4.0, 3.0])


def test_the_slope_at_knots_and_outside() -> None:
    """That of the interval above, at the last knot that below, outside zero."""
    x = ga.vector("x")
    y = ga.interp(x, XP, FP)
    at = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, np.nan])
    value, slope = ga.function([x], [y, ga.grad(y.sum(), x)])(at)
    np.testing.assert_array_equal(value, np.interp(at, XP, FP))
    np.testing.assert_array_equal(slope[:7], [0, 2, 2, -0.5, -0.5, -0.5, 0])


def test_the_gradient_of_data_is_a_share() -> None:
    x, fp, left = ga.vector("x"), ga.vector("fp"), ga.scalar("left")
    y = ga.interp(x, XP, fp, left=left)
    by_fp, by_left = ga.grad(y.sum(), [fp, left])
    f = ga.function([x, fp, left], [by_fp, by_left])
    shares, outside = f(np.array([-5.0, -6.0, 0.25, 1.0, 9.0]), FP, 1.0)
    assert shares.tolist() == [0.75, 0.25 + 1.0, 1.0] and outside == 2.0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_points_of_unknown_number(count: int) -> None:
    x, xp, fp = ga.vector("x"), ga.vector("xp"), ga.vector("fp")
    y = ga.interp(x, xp, fp)
    f = ga.function([x, xp, fp], [y, *ga.grad(y.sum(), [x, xp, fp])])
    at = np.array([-1.0, 0.0, 0.25, 1.0, 5.0])
    value, *slopes = f(at, XP[:count], FP[:count])
    np.testing.assert_array_equal(value, np.interp(at, XP[:count], FP[:count]))
    assert all(np.isfinite(g).all() for g in slopes)


def test_sizes_that_differ() -> None:
    x, xp, fp = ga.vector("x"), ga.vector("xp"), ga.vector("fp")
    with pytest.raises(ValueError):
        ga.function([x, xp, fp], ga.interp(x, xp, fp))([0.5], [0.0, 1.0], [1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match="3 points xp, 2 values fp"):
        ga.interp(x, XP, FP[:2])
    with pytest.raises(ShapeError, match="0 points xp"):
        ga.interp(x, [], [])
    with pytest.raises(ShapeError, match="both have one axis"):
        ga.interp(x, np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(DTypeError, match="only fp may be complex"):
        ga.interp(x.astype("complex128"), XP, FP)


def test_a_period_may_be_symbolic() -> None:
    x, period = ga.vector("x"), ga.scalar("period")
    y = ga.interp(x, [350.0, 10.0, 100.0], [1.0, 2.0, 3.0], period=period)
    at = np.array([355.0, 5.0, 700.0, -30.0])
    found = ga.function([x, period], y)(at, 360.0)
    np.testing.assert_allclose(
        found, np.interp(at, [350.0, 10.0, 100.0], [1.0, 2.0, 3.0], period=360.0), rtol=1e-14
    )


def test_an_unknown_axis_of_a_vector_product_is_checked() -> None:
    a, b = ga.matrix("a"), ga.matrix("b")
    for product in (ga.cross, ga.linalg.cross):
        f: Any = ga.function([a, b], product(a, b))
        assert f(np.eye(3), np.roll(np.eye(3), -1, axis=0)).shape == (3, 3)
        with pytest.raises(ValueError):
            f(np.ones((3, 2)), np.ones((3, 2)))


def test_what_cross_refuses() -> None:
    a = ga.matrix("a", shape=(2, 4))
    with pytest.raises(ShapeError, match=r"axis -1 of float64.* has 4 elements"):
        ga.cross(a, a)
    with pytest.raises(AxisError):
        ga.cross(a, a, axis=2)
    with pytest.raises(ShapeError, match="vectors with 3 components"):
        ga.linalg.cross(a, a, axis=0)
    assert ga.cross(a, a, axis=0).type.shape == (4,)
