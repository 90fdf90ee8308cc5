"""isclose and its relatives, questions about dtypes, select, piecewise, choose: what the op table
does not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, UseError


def test_dtypes_are_known_at_once() -> None:
    for dtype in ("float64", "int8", "bool", "complex64", "complex128"):
        x = ga.vector("x", dtype=dtype)
        assert np.iscomplexobj(x) is ga.iscomplexobj(x) is dtype.startswith("complex")
        assert np.isrealobj(x) is ga.isrealobj(x) is (not dtype.startswith("complex"))


def test_tolerances_may_be_symbolic() -> None:
    a, b, atol = ga.vector("a"), ga.vector("b"), ga.vector("atol")
    close = ga.function([a, b, atol], ga.isclose(a, b, rtol=0, atol=atol))
    assert close([1.0, 1.0], [1.5, 1.5], [0.4, 0.6]).tolist() == [False, True]


@pytest.mark.parametrize("sizes", [(2, 3), (None, None)])
def test_arrays_of_other_shapes_are_not_equal(sizes: Any) -> None:
    a, b = ga.vector("a", shape=sizes[:1]), ga.vector("b", shape=sizes[1:])
    f = ga.function([a, b], [np.array_equal(a, b), np.array_equiv(a, b)])
    assert f([1.0, 1.0], [1.0, 1.0, 1.0]) == [False, False]


def test_equal_arrays_of_unknown_size() -> None:
    a, b = ga.vector("a"), ga.matrix("b")
    f = ga.function([a, b], [ga.array_equal(a, b), ga.array_equiv(a, b)])
    assert f([1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]]) == [False, True]
    assert f([1.0, 2.0], [[1.0, 2.0], [1.0, 3.0]]) == [False, False]


def test_select_refuses_lists_that_do_not_fit() -> None:
    x = ga.vector("x")
    with pytest.raises(UseError, match="2 conditions, 1 choices"):
        ga.select([x > 0, x < 0], [x])
    with pytest.raises(UseError, match="0 conditions"):
        ga.select([], [])
    with pytest.raises(DTypeError, match="condition of dtype float64"):
        ga.select([x], [x])
    with pytest.raises(UseError, match="unknown length"):
        ga.select(ga.matrix("c", dtype="bool"), [x])


def test_select_leaves_no_trace_of_what_is_not_taken() -> None:
    x = ga.vector("x", shape=(3,))
    y = ga.select([x > 1, x > 0], [ga.log(x), ga.sqrt(x)], default=ga.exp(-1000 * x))
    (g,) = ga.function([x], [ga.grad(ga.where(x > 0, y, 0.0).sum(), x)])([-1.0, 0.25, 4.0])
    assert g.tolist() == [0.0, 1.0, 0.25]


def test_numbers_adapt_in_select() -> None:
    x = ga.vector("x", dtype="float32")
    assert ga.select([x > 0], [x], default=1).dtype == np.float32
    assert ga.select([x > 0], [x], default=np.float64(1)).dtype == np.float64


def test_piecewise() -> None:
    rows = np.array([[-1.0, 2.0], [3.0, -4.0]])
    x = ga.matrix("x", shape=(2, 2))
    for conditions in ([x < 0], np.stack([rows < 0])):
        y = np.piecewise(x, conditions, [lambda v, k: k * v, lambda v, k: v + k], k=10.0)
        assert y.eval({x: rows}).tolist() == [[-10.0, 12.0], [13.0, -40.0]]
    by_row = ga.piecewise(x, np.array([True, False]), [0.0, np.negative])
    assert by_row.eval({x: rows}).tolist() == [[0.0, 0.0], [-3.0, 4.0]]
    scalar = ga.scalar("s")
    assert ga.piecewise(scalar, scalar > 0, [1.0, -1.0]).eval({scalar: -3.0}) == -1.0
    with pytest.raises(UseError, match="1 conditions, 3 functions"):
        ga.piecewise(x, [x < 0], [1, 2, 3])


def test_choose_checks_numbers() -> None:
    a = ga.vector("a", dtype="int64")
    f = ga.function([a], ga.choose(a, [10.0, 20.0]))
    assert f([0, 1, 1]).tolist() == [10, 20, 20]
    for wrong in (2, -1):
        with pytest.raises(ValueError, match="outside of 0 … 1"):
            f([wrong])
    with pytest.raises(UseError, match="mode='cut'"):
        ga.choose(a, [1.0, 2.0], mode="cut")
    with pytest.raises(DTypeError, match="a has dtype float64"):
        ga.choose(ga.vector("x"), [1.0, 2.0])


def test_choose_from_unknown_numbers_of_rows() -> None:
    a, rows = ga.vector("a", dtype="int64"), ga.matrix("rows")
    f = ga.function([a, rows], [ga.choose(a, rows), ga.grad(ga.choose(a, rows).sum(), rows)])
    value, slope = f([2, 0], np.arange(6.0).reshape(3, 2))
    assert value.tolist() == [4, 1] and slope.tolist() == [[0, 1], [0, 0], [1, 0]]
