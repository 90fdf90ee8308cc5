"""Arrays whose sizes or contents are symbolic: zeros, full, arange, linspace, eye, and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import UseError
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

A = np.arange(6.0).reshape(2, 3)
x, n = ga.matrix("x"), ga.scalar("n", dtype="int64")


SYMBOLIC: dict[str, tuple[Any, Any]] = {
    "zeros": (ga.zeros((x.shape[1], 2)), np.zeros((3, 2))),
    "ones of a scalar": (ga.ones(n), np.ones(4)),
    "full": (ga.full((n, x.shape[0]), 2.5), np.full((4, 2), 2.5)),
    "full of an array": (ga.full((n, 3), x[0]), np.full((4, 3), A[0])),
    "float32": (ga.zeros((n,), dtype="float32"), np.zeros(4, "float32")),
    "like": (ga.ones_like(x, dtype="int32"), np.ones((2, 3), "int32")),
    "full_like": (ga.full_like(x, 7), np.full_like(A, 7)),
    "arange": (ga.arange(n), np.arange(4)),
    "arange of a size": (ga.arange(x.shape[1]), np.arange(3)),
    "arange from": (ga.arange(1, n), np.arange(1, 4)),
    "arange steps": (ga.arange(n, 11, 3), np.arange(4, 11, 3)),
    "arange down": (ga.arange(n, -2, -2), np.arange(4, -2, -2)),
    "arange of nothing": (ga.arange(n, 2), np.arange(4, 2)),
    "arange float": (ga.arange(n, dtype="float64"), np.arange(4.0)),
    "eye": (ga.eye(n, x.shape[1], k=-1), np.eye(4, 3, -1)),
    "identity": (ga.eye(x.shape[0], dtype="int64"), np.eye(2, dtype="int64")),
    "size": (ga.dim_size(x, 1), np.int64(3)),
    "reshape": (x.reshape(x.shape[1], -1), A.reshape(3, 2)),
    "reshape by a scalar": (ga.zeros(8).reshape(n, 2), np.zeros((4, 2))),
    "broadcast_to": (ga.broadcast_to(x, (n, *x.shape)), np.broadcast_to(A, (4, 2, 3))),
    "tile": (ga.tile(x, (2, 1)), np.tile(A, (2, 1))),
    "repeat": (ga.repeat(x, 2, axis=0), np.repeat(A, 2, axis=0)),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_sizes_from_variables(name: str, run: Runner) -> None:
    built, expected = SYMBOLIC[name]
    value = np.asarray(run([x, n], [built])(A, 4)[0])
    assert value.dtype == expected.dtype and value.shape == expected.shape
    np.testing.assert_array_equal(value, expected)


def test_one_argument_of_arange_is_the_stop() -> None:
    assert ga.arange(3).eval().tolist() == [0, 1, 2]
    assert ga.arange(0.5).eval().tolist() == [0.0]
    assert ga.arange(1, 2, 0.25).eval().tolist() == np.arange(1, 2, 0.25).tolist()


def test_values_are_differentiable(run: Runner) -> None:
    check_grads(lambda v: ga.full((3, 2), v) * np.ones((3, 2)), 2.5, runner=run)
    check_grads(lambda v: ga.full_like(ga.zeros((2, 3)), v), A[0], runner=run)
    check_grads(lambda a, b: ga.linspace(a, b, 4) ** 2, [1.0, 2.0], runner=run)
    check_grads(lambda a: a * ga.zeros_like(a) + a.shape[0] * a, A, sizes="unknown", runner=run)


def test_linspace_ends_exactly(run: Runner) -> None:
    a, b = ga.scalar("a"), ga.scalar("b")
    for start, stop in [(0.1, 0.7), (-1e17, 3.0), (5.0, -5.0)]:
        (value,) = run([a, b], [ga.linspace(a, b, 7)])(start, stop)
        assert value[0] == start and value[-1] == stop
        np.testing.assert_allclose(value, np.linspace(start, stop, 7), rtol=1e-15, atol=1e-15)
    (value,) = run([a, b], [ga.linspace(a, b, 4, endpoint=False)])(0.0, 1.0)
    assert value.tolist() == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("num", [-1, 2.5, True, "3"])
def test_bad_num(num: Any) -> None:
    with pytest.raises(UseError, match="num=") as caught:
        ga.linspace(0.0, 1.0, num)
    assert __file__ in str(caught.value)
