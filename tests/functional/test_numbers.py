"""Python numbers as arguments adapt to dtypes as they do in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga

X = np.array([0.5, 1.5], "float32")
FUNCTIONS: list[Callable[[Any, Any], Any]] = [
    lambda s, x: s * x,
    lambda s, x: x * s,
    lambda s, x: x - s,
    lambda s, x: s / x,
    lambda s, x: (s * 2 + 1) * x,
    lambda s, x: -s * x,
    lambda s, x: abs(s) ** 2 * x,
    lambda s, x: x**s,
    lambda s, x: s**x,
    lambda s, x: np.sin(s) * x,
    lambda s, x: np.multiply(s, x),
    lambda s, x: np.add(x, s),
    lambda s, x: np.maximum(x, s),
    lambda s, x: x > s,
    lambda s, x: s < x,
    lambda s, x: s // 2,
    lambda s, x: s / 2,
    lambda s, x: s * np.float32(2),
    lambda s, x: s * np.array([1, 2], "int8"),
    lambda s, x: (s + s) * x,
    lambda s, x: s == 2,
]


@pytest.mark.parametrize("number", [2, 2.0, 2j], ids=repr)
@pytest.mark.parametrize("which", range(len(FUNCTIONS)))
def test_the_dtype_is_numpys(which: int, number: Any) -> None:
    f = FUNCTIONS[which]
    try:
        wanted = np.asarray(f(number, X))
    except TypeError:
        with pytest.raises(TypeError):
            ga.jit(f)(number, X)
        return
    found = np.asarray(ga.jit(f)(number, X))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_numpys_numbers_keep_their_dtype() -> None:
    f = ga.jit(lambda s, x: s * x)
    assert f(2.0, X).dtype == np.float32
    assert f(np.float64(2.0), X).dtype == np.float64
    assert f.cache_info().currsize == 2


def test_derivatives_by_numbers_are_numbers() -> None:
    for _ in range(4):
        by_s, by_x = ga.grad(lambda s, x: np.sum(s * x), (0, 1))(2.0, X)
        assert type(by_s) is np.float64 and by_s == 2.0
        assert by_x.dtype == np.float32
    slope = ga.grad(lambda s, x: np.sum(s * x))
    assert [type(slope(2.0, X)) for _ in range(4)] == [np.float64] * 4
