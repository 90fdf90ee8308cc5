"""Any index that NumPy takes, against NumPy: values, promised sizes, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices, integer_array_indices

import graphad as ga
from graphad.testing import compiled, interpret
from graphad.testing.samples import inputs_for


@st.composite
def masks(draw: Any, shape: tuple[int, ...]) -> Any:
    """A boolean array for some leading axes, and a basic index for the rest."""
    count = draw(st.integers(1, len(shape)))
    bits = draw(st.lists(st.booleans(), min_size=int(np.prod(shape[:count])),
                         max_size=int(np.prod(shape[:count]))))  # fmt: skip
    return np.array(bits, bool).reshape(shape[:count])


@st.composite
def mixed(draw: Any, shape: tuple[int, ...]) -> Any:
    """Integers, slices, None and integer arrays that broadcast, in any order."""
    length = draw(st.integers(1, 3))
    index: list[Any] = []
    for size in shape:
        kind = draw(st.sampled_from(["int", "slice", "array", "column", "skip"]))
        if kind == "skip" or not size:
            index.append(slice(None))
        elif kind == "int":
            index.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            index.append(draw(st.slices(size)))
        else:
            places = draw(st.lists(st.integers(-size, size - 1), min_size=length, max_size=length))
            array = np.array(places)
            index.append(array[:, None] if kind == "column" else array)
        if draw(st.integers(0, 5)) == 0:
            index.append(None)
    return tuple(index)


SHAPES = array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
CASES = SHAPES.flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.one_of(
            basic_indices(shape, allow_newaxis=True, allow_ellipsis=True),
            mixed(shape),
            masks(shape),
            *([integer_array_indices(shape)] if all(shape) else []),
        ),
    )
)


@settings(max_examples=300, deadline=None)
@given(CASES, st.sampled_from(["static", "unknown"]))
def test_any_index(case: tuple[tuple[int, ...], Any], sizes: str) -> None:
    shape, index = case
    array = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    try:
        expected = array[index]
    except IndexError:
        with pytest.raises(IndexError):
            interpret(x := inputs_for([array], sizes), [x[0][index]])(array)
        return
    inputs = inputs_for([array], sizes)
    y = inputs[0][index]
    assert y.ndim == expected.ndim
    cotangent = ga.Variable(y.type)
    weights = np.asarray(np.cos(expected))
    total = np.zeros(shape)
    np.add.at(total, index, weights)
    for run in (interpret, compiled):
        outputs = [y, ga.vjp(y, inputs[0], cotangent)]
        value, gradient = run([*inputs, cotangent], outputs)(array, weights)
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(gradient, total)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 6), *[st.integers(-8, 8)] * 2, st.integers(-3, 3).filter(bool))
def test_bounds_that_are_variables(size: int, start: int, stop: int, step: int) -> None:
    array = np.arange(1.0, 1 + size)
    x = ga.vector("x")
    i, j, k = (ga.scalar(name, dtype="int64") for name in "ijk")
    for y, expected in [
        (x[i:j:k], array[start:stop:step]),
        (x[i:], array[start:]),
        (x[:j], array[:stop]),
        (x[i:stop], array[start:stop]),
    ]:
        outputs = [y, ga.grad((y * y).sum(), x)]
        value, gradient = compiled([x, i, j, k], outputs)(array, start, stop, step)
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(gradient[np.isin(array, expected)], 2 * np.sort(expected))
        assert gradient.sum() == 2 * expected.sum()


def test_a_mask_of_unknown_size_is_compared_at_run_time() -> None:
    x = ga.vector("x")
    mask = np.array([True, False, True])
    for run in (interpret, compiled):
        assert run([x], [x[mask]])(np.arange(3.0))[0].tolist() == [0.0, 2.0]
        with pytest.raises(IndexError):
            run([x], [x[mask]])(np.arange(4.0))


def test_repeated_places_add_up() -> None:
    x = ga.vector("x")
    y = x[np.array([0, 0, 2, 0])]
    for run in (interpret, compiled):
        assert run([x], [ga.grad(y.sum(), x)])(np.ones(3))[0].tolist() == [3.0, 0.0, 1.0]
