"""Triangles, diagonals, rolled and turned arrays: what the table does not call, errors."""

from __future__ import annotations

import numpy as np
import pytest

import graphad as ga
from graphad.testing.gradients import Runner

NAN = np.nan


def test_what_is_cut_off_leaves_no_trace(run: Runner) -> None:
    x = ga.matrix("x")
    slopes = run([x], [ga.grad(f(x).sum(), x) for f in (ga.tril, ga.triu, np.diagonal, np.trace)])
    found = [s.tolist() for s in slopes(np.array([[1.0, NAN], [NAN, 4.0]]))]
    eye = [[1, 0], [0, 1]]
    assert found == [[[1, 0], [1, 1]], [[1, 1], [0, 1]], eye, eye]
    # a risky function behind what is cut off: √0 above the diagonal
    assert run([x], [ga.grad(ga.tril(ga.sqrt(x)).sum(), x)])(np.array([[0.25, 0], [1, 1]]))[
        0].tolist() == [[1, 0], [0.5, 0.5]]  # fmt: skip


def test_diagonals_of_unknown_size(run: Runner) -> None:
    x = ga.matrix("x")
    for shape in ((3, 4), (4, 2), (1, 5), (0, 3)):
        array = np.arange(float(np.prod(shape))).reshape(shape)
        for offset in range(-6, 7):
            (found,) = run([x], [ga.diagonal(x, offset)])(array)
            np.testing.assert_array_equal(found, np.diagonal(array, offset))


def test_roll_by_several_axes(run: Runner) -> None:
    x, array = ga.matrix("x"), np.arange(12.0).reshape(3, 4)
    for shift, axis in ((2, (0, 1)), ((1, 2), 0), ((1, -1), (1, 0)), (100, 1), (0, 0)):
        (found,) = run([x], [np.roll(x, shift, axis)])(array)
        np.testing.assert_array_equal(found, np.roll(array, shift, axis))
    weights = np.arange(3.0)
    v = ga.vector("v")
    slope = run([v], [ga.grad((ga.roll(v, 1) * weights).sum(), v)])(np.ones(3))[0]
    assert slope.tolist() == [1, 2, 0]


def test_errors_name_what_is_wrong() -> None:
    x = ga.tensor("x", shape=(2, 3, 4))
    with pytest.raises(ga.errors.AxisError, match="named twice"):
        ga.diagonal(x, axis1=1, axis2=-2)
    with pytest.raises(ga.errors.AxisError, match="named twice"):
        ga.rot90(x, axes=(0, 0))
    with pytest.raises(ga.errors.ShapeError, match="diag of"):
        ga.diag(x)
    with pytest.raises(ga.errors.UseError, match="2 shifts, 3 axes"):
        ga.roll(x, (1, 2), (0, 1, 2))
    with pytest.raises(ga.errors.UseError, match="k=0"):
        ga.tril(x, k=0.5)
    with pytest.raises(ga.errors.AxisError, match="scalar"):
        ga.triu(ga.scalar("s"))
