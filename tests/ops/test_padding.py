"""np.pad: every mode and keyword form against NumPy, sizes known only at run time, hard points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad as ga
from graphad.errors import AxisError, DTypeError, ShapeError, UseError
from graphad.testing import check_grads, compiled, interpret
from graphad.testing.samples import inputs_for

MODES = ("constant", "edge", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect",
         "symmetric", "wrap")  # fmt: skip


@st.composite
def calls(draw: Any) -> tuple[np.ndarray, Any, dict[str, Any]]:
    """An array, a pad width and the keywords of a mode."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    ndim = len(shape)
    seed = draw(st.integers(0, 2**32 - 1))
    array = np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape) / 4

    def each(values: st.SearchStrategy) -> Any:
        pair = st.tuples(values, values)
        return draw(st.one_of(values, pair, st.lists(pair, min_size=ndim, max_size=ndim)))

    width = each(st.integers(0, 9))
    mode = draw(st.sampled_from(MODES))
    keywords: dict[str, Any] = {"mode": mode}
    if mode == "constant" and draw(st.booleans()):
        keywords["constant_values"] = each(st.integers(-3, 3))
    if mode == "linear_ramp" and draw(st.booleans()):
        keywords["end_values"] = each(st.integers(-3, 3))
    if mode in ("maximum", "mean", "median", "minimum") and draw(st.booleans()):
        keywords["stat_length"] = each(st.integers(1, 5))
    if mode in ("reflect", "symmetric"):
        keywords["reflect_type"] = draw(st.sampled_from(["even", "odd"]))
    return array, width, keywords


@settings(max_examples=300, deadline=None)
@given(calls(), st.sampled_from(["static", "unknown"]))
def test_every_mode(call: tuple[np.ndarray, Any, dict[str, Any]], sizes: str) -> None:
    array, width, keywords = call
    expected = np.pad(array, width, **keywords)
    inputs = inputs_for([array], sizes)
    y = ga.pad(inputs[0], width, **keywords)
    assert not any(isinstance(a, int) and a != b
                   for a, b in zip(y.type.shape, expected.shape, strict=True))  # fmt: skip
    for run in (interpret, compiled):
        np.testing.assert_allclose(run(inputs, [y])(array)[0], expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool", "float32", "complex128"])
@pytest.mark.parametrize("mode", MODES)
def test_dtypes(mode: str, dtype: str) -> None:
    array = np.array([[3, 1, 4], [1, 5, 9]]).astype(dtype)
    types = [{"reflect_type": "odd"}] if mode in ("reflect", "symmetric") else []
    for keywords in [{}, *types]:
        expected = np.pad(array, 2, mode=mode, **keywords)  # type: ignore[call-overload]
        y = ga.pad(ga.constant(array), 2, mode=mode, **keywords)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y.eval(), expected, rtol=1e-6)


def test_sizes_of_the_result() -> None:
    x = ga.matrix("x", shape=("n", 3))
    for mode in MODES:
        assert str(ga.pad(x, ((1, 2), (0, 3)), mode=mode).type) == "float64[n + 3, 6]", mode
    assert ga.pad(x, 0) is x


def test_widths_of_run_time() -> None:
    """Entries of x.shape and integer Variables as widths."""
    x, n = ga.vector("x"), ga.scalar("n", dtype="int64")
    array = np.array([1.0, 2.0, 4.0])
    for mode in MODES:
        y = ga.pad(x, (n, x.shape[0]), mode=mode)
        for run in (interpret, compiled):
            found = run([x, n], [y])(array, 2)[0]
            np.testing.assert_allclose(found, np.pad(array, (2, 3), mode=mode))  # type: ignore[call-overload]


def test_values_to_pad_with_are_differentiated() -> None:
    array = np.array([[1.0, 2.0, 4.0], [0.5, -1.0, 3.0]])
    check_grads(lambda x, c, d: ga.pad(x, (1, 2), constant_values=(c, d)), [array, 2.5, -1.0])
    check_grads(lambda x, c: ga.pad(x, 2, mode="linear_ramp", end_values=c), [array, 2.5])
    x, c = ga.vector("x"), ga.scalar("c")
    g = ga.grad(ga.pad(x, (2, 3), constant_values=c).sum(), [x, c])
    gx, gc = compiled([x, c], g)(np.ones(4), 7.0)
    assert gx.tolist() == [1.0] * 4 and gc == 5.0


def test_ties_and_kinks() -> None:
    """The pad of "maximum" shares the derivative among equal elements, as ga.max does."""
    x = ga.vector("x")
    g = ga.grad(ga.pad(x, (3, 0), mode="maximum").sum(), x)
    assert g.eval({x: [2.0, 5.0, 5.0]}).tolist() == [1.0, 2.5, 2.5]


def test_one_element_is_repeated() -> None:
    x = ga.vector("x")
    for mode in ("reflect", "symmetric", "wrap", "edge"):
        assert ga.pad(x, (2, 1), mode=mode).eval({x: [7.0]}).tolist() == [7.0] * 4, mode


def test_infinities_stay_where_they_belong() -> None:
    """Odd reflections at one end do not see the other, as long as they are short."""
    x = ga.vector("x")
    y = ga.pad(x, (2, 0), mode="reflect", reflect_type="odd")
    array = np.array([1.0, 2.0, 4.0, np.inf])
    assert y.eval({x: array}).tolist() == [-2.0, 0.0, *array]
    g = ga.grad(y[:3].sum(), x).eval({x: array})
    assert g.tolist() == [5.0, -1.0, -1.0, 0.0]


X = ga.matrix("X", shape=(2, 3))
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: ga.pad(X, -1), ShapeError, "negative"),
    (lambda: ga.pad(X, 1.5), UseError, "widths are integers"),
    (lambda: ga.pad(X, (1, 2, 3)), UseError, "one (before, after) for each axis"),
    (lambda: ga.pad(X, ((1, 2), 3)), UseError, "one (before, after) for each axis"),
    (lambda: ga.pad(X, {5: 1}), AxisError, "axis 5"),
    (lambda: ga.pad(X, 1, mode="cubic"), UseError, "the modes are constant"),
    (lambda: ga.pad(X, 1, mode=lambda *a: None), UseError, "ga.pad(x, n).at"),
    (lambda: ga.pad(X, 1, mode="edge", constant_values=1), UseError, "no keywords"),
    (lambda: ga.pad(X, 1, end_values=1), UseError, "constant_values"),
    (lambda: ga.pad(X, 1, mode="mean", stat_length=1.5), UseError, "ints"),
    (lambda: ga.pad(X, 1, mode="maximum", stat_length=0), ShapeError, "stat_length=0"),
    (lambda: ga.pad(X, 1, mode="reflect", reflect_type="both"), UseError, '"even" or "odd"'),
    (lambda: ga.pad(X, 1, constant_values=1j), DTypeError, "complex"),
    (lambda: ga.pad(X[:0], 1, mode="edge"), ShapeError, 'use mode="constant"'),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number: int) -> None:
    build, kind, message = ERRORS[number]
    with pytest.raises(kind) as caught:
        build()
    assert message in str(caught.value)


@pytest.mark.parametrize("mode", MODES[1:])
def test_an_empty_axis_is_an_error_at_run_time(mode: str) -> None:
    x = ga.vector("x")
    for run in (interpret, compiled):
        with pytest.raises((ValueError, IndexError)):
            run([x], [ga.pad(x, 1, mode=mode)])(np.zeros(0))
