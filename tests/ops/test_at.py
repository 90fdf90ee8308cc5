"""``x.at[index].set(v)`` and its kind: any index, against NumPy's changes of a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices

import graphad as ga
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.testing import check_grads, compiled, interpret
from graphad.testing.gradients import Runner

UFUNCS: dict[str, np.ufunc] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "power": np.power, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def in_order(x: np.ndarray, index: Any, v: Any, name: str) -> np.ndarray:
    """One place after the other, in the order of the index: what "in order" means."""
    flat = x.copy().ravel()
    places = np.arange(x.size).reshape(x.shape)[index]
    for place, value in zip(places.ravel(), np.broadcast_to(v, places.shape).ravel(), strict=True):
        flat[place] = value if name == "set" else UFUNCS[name](flat[place], value)
    return flat.reshape(x.shape)


# ---- random indices -------------------------------------------------------------------------


@st.composite
def repeating(draw: Any, shape: tuple[int, ...]) -> Any:
    """Integers, slices, masks and integer arrays that broadcast and repeat places."""
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    grids = [(columns,), (rows, 1), (rows, columns), (1, columns)]
    index: list[Any] = []
    for size in shape:
        kind = draw(st.sampled_from(["int", "slice", "array", "array", "new"]))
        if kind == "int":
            index.append(draw(st.integers(-size, size - 1)))
        elif kind == "array":
            grid = draw(st.sampled_from(grids))
            places = st.lists(st.integers(-size, size - 1), min_size=9, max_size=9)
            array = np.resize(np.array(draw(places)), grid)
            index.append(np.asfortranarray(array) if draw(st.booleans()) else array)
        else:
            index += [None] if kind == "new" else []
            index.append(draw(st.slices(size)))
    return tuple(index)


@st.composite
def masked(draw: Any, shape: tuple[int, ...]) -> Any:
    count = draw(st.integers(1, len(shape)))
    size = int(np.prod(shape[:count]))
    bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(bits, bool).reshape(shape[:count])


SHAPES = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
CASES = SHAPES.flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.one_of(
            repeating(shape), masked(shape),
            basic_indices(shape, allow_newaxis=True, allow_ellipsis=True),
        ),
    )
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(
    CASES, st.sampled_from(["set", *UFUNCS]), st.sampled_from(["static", "unknown"]),
    st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_index(
    case: tuple[tuple[int, ...], Any], name: str, sizes: str, symbolic: bool, seed: int
) -> None:
    """Values, with the index in the graph or as inputs of it, and gradients of two orders."""
    shape, index = case
    rng = np.random.default_rng(seed)
    array = rng.permutation(np.arange(1.0, 1 + np.prod(shape))).reshape(shape) / 8
    there = array[index]
    values = rng.permutation(np.arange(there.size) + 0.53).reshape(there.shape) / 8 + 0.1
    items = index if isinstance(index, tuple) else (index,)
    known = tuple(None if sizes == "unknown" else n for n in shape)
    x = ga.tensor("x", known)
    v = ga.tensor("v", (None,) * values.ndim)
    inputs, arrays, entries = [x, v], [array, values], []
    for item in items:
        if symbolic and isinstance(item, np.ndarray):
            inputs.append(ga.tensor(shape=(None,) * item.ndim, dtype=item.dtype))
            arrays.append(item)
            entries.append(inputs[-1])
        else:
            entries.append(item)
    y = getattr(x.at[tuple(entries)], name)(v)
    expected = in_order(array, index, values, name)
    for runner in (interpret, compiled):
        np.testing.assert_allclose(runner(inputs, [y])(*arrays)[0], expected, rtol=1e-14)

    def build(a: Any, b: Any) -> Any:
        return getattr(a.at[index], name)(b)

    if there.size:
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if name in ("divide", "power") else {}
        check_grads(build, [array, values], order=2, sizes=sizes, **tolerance)


def test_the_oracle_is_numpy() -> None:
    rng = np.random.default_rng(0)
    x, i, j = rng.uniform(1, 2, (3, 4)), rng.integers(0, 3, (2, 5)), rng.integers(0, 4, (2, 5))
    v = rng.uniform(1, 2, (2, 5))
    for name, ufunc in UFUNCS.items():
        changed = x.copy()
        ufunc.at(changed, (i, j), v)
        np.testing.assert_allclose(in_order(x, (i, j), v, name), changed, rtol=1e-15)
    changed = x.copy()
    changed[i, j] = v
    np.testing.assert_array_equal(in_order(x, (i, j), v, "set"), changed)


# ---- what repeats ---------------------------------------------------------------------------

X, PLACES = np.array([2.0, 3.0, 5.0]), np.array([0, 2, 0, 0])
V = np.array([7.0, 11.0, 13.0, 0.5])
# derivatives of the sum of the result by x and by v
SLOPES: dict[str, tuple[list[float], list[float]]] = {
    "set": ([0, 1, 0], [0, 1, 0, 1]),
    "add": ([1, 1, 1], [1, 1, 1, 1]),
    "subtract": ([1, 1, 1], [-1, -1, -1, -1]),
    "multiply": ([7 * 13 * 0.5, 1, 11], [2 * 13 * 0.5, 5, 2 * 7 * 0.5, 2 * 7 * 13]),
    "max": ([0, 1, 0], [0, 1, 1, 0]),
    "min": ([0, 1, 1], [0, 0, 0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_where_places_repeat(name: str, run: Runner) -> None:
    x, v, i = ga.vector("x"), ga.vector("v"), ga.vector("i", dtype="int64")
    for index in (PLACES, i):
        y = getattr(x.at[index], name)(v).sum()
        values = run([x, v, i], ga.grad(y, [x, v]))(X, V, PLACES)
        for found, expected in zip(values, SLOPES[name], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_zeros_among_factors(run: Runner) -> None:
    """No division: derivatives of a product with zeros, also the second."""
    x, v = ga.vector("x"), ga.vector("v")
    y = x.at[np.array([0, 0, 0])].multiply(v)[0]
    gx, gv = ga.grad(y, [x, v])
    weights = np.array([1.0, 10.0, 100.0])
    outputs = [gx, gv, ga.grad((gv * weights).sum(), v)]
    first, second, third = run([x, v], outputs)(np.array([2.0]), np.array([0.0, 3.0, 0.0]))
    assert first.tolist() == [0.0] and second.tolist() == [0.0, 0.0, 0.0]
    # ∂²y/∂v_j∂v_k = 2 v_l: only of the two zeros it is not zero
    assert third.tolist() == [600.0, 0.0, 6.0]


def test_ties_share_the_derivative(run: Runner) -> None:
    x, v = ga.vector("x"), ga.vector("v")
    for name, other in (("max", 0.0), ("min", 9.0)):
        y = getattr(x.at[np.array([0, 0, 0, 1])], name)(v).sum()
        gx, gv = run([x, v], ga.grad(y, [x, v]))(
            np.array([4.0, other]), np.array([4.0, 4.0, other, other])
        )
        np.testing.assert_allclose(gx, [1 / 3, 0.5])
        np.testing.assert_allclose(gv, [1 / 3, 1 / 3, 0, 0.5])
        y = getattr(x.at[0:2], name)(v).sum()  # no place repeats: as ga.maximum
        gx, gv = run([x, v], ga.grad(y, [x, v]))(np.array([4.0, 1.0]), np.array([4.0, 1.0]))
        assert gx.tolist() == gv.tolist() == [0.5, 0.5]


def test_nan_wins_an_extremum(run: Runner) -> None:
    x, v = ga.vector("x"), ga.vector("v")
    y = x.at[np.array([0, 0, 1])].max(v)
    value, gx, gv = run([x, v], [y, *ga.grad(y[1], [x, v])])(
        np.array([1.0, 2.0]), np.array([np.nan, 5.0, 3.0])
    )
    np.testing.assert_array_equal(value, [np.nan, 3.0])
    assert gx.tolist() == [0.0, 0.0] and gv.tolist() == [0.0, 0.0, 1.0]


# ---- strong zeros ---------------------------------------------------------------------------


@pytest.mark.parametrize("index", [1, slice(1, 2), np.array([1, 1]), np.array([False, True])],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_what_is_overwritten_leaves_no_trace(index: Any, bad: float, run: Runner) -> None:
    """log of 0 and of -1 are infinite and NaN: the derivative at their place is zero."""
    x = ga.vector("x")
    y = ga.log(x).at[index].set(5.0)
    g = ga.grad((y * y).sum(), x)
    h = ga.grad(g.sum(), x)
    first, second = run([x], [g, h])(np.array([2.0, bad]))
    np.testing.assert_allclose(first, [np.log(2.0), 0.0])
    np.testing.assert_allclose(second, [(1 - np.log(2.0)) / 2, 0.0])


def test_values_that_lose_leave_no_trace(run: Runner) -> None:
    v, i = ga.vector("v"), ga.vector("i", dtype="int64")
    for index in (np.array([0, 1, 0]), i):
        y = ga.zeros(2).at[index].set(ga.sqrt(v))
        (g,) = run([v, i], [ga.grad(y.sum(), v)])(np.array([0.0, 4.0, 1.0]), [0, 1, 0])
        assert g.tolist() == [0.0, 0.25, 0.5]


# ---- dtypes, shapes, errors -----------------------------------------------------------------


def test_results_have_the_dtype_of_the_array() -> None:
    x = ga.constant(np.array([1, 2, 3], "int16"))
    assert x.at[0].set(2.9).eval().tolist() == [2, 2, 3]  # as NumPy's assignment
    assert x.at[0].add(2).dtype == np.int16
    assert ga.vector("f", dtype="float32").at[0].multiply(2.5).dtype == np.float32
    flags = ga.constant([True, False])
    assert flags.at[[1]].set(True).eval().tolist() == [True, True]
    for build in (
        lambda: x.at[0].add(1.5), lambda: x.at[[0]].divide(2), lambda: x.at[0].set(1j),
        lambda: x.at[0].set(70000), lambda: flags.at[[0]].subtract(True),
        lambda: x.at[0].apply(ga.sqrt), lambda: flags.at[[0]].power(True),
    ):  # fmt: skip
        with pytest.raises(DTypeError):
            build()


def test_values_broadcast() -> None:
    x = ga.matrix("x", shape=(2, 3))
    array = np.arange(6.0).reshape(2, 3)
    for index, values in [
        ((slice(None), 0), 7.0), (0, np.ones((1, 1, 3))), (..., np.array([[1.0], [2.0]])),
        ((np.array([0, 0]), slice(None)), np.array([[1.0], [2.0]])), (None, np.ones(3)),
    ]:  # fmt: skip
        expected = array.copy()
        expected[index] = values
        np.testing.assert_array_equal(x.at[index].set(values).eval({x: array}), expected)


def test_scalars_can_be_changed() -> None:
    x = ga.scalar("x")
    assert x.at[()].set(3.0).eval({x: 1.0}) == 3.0
    assert x.at[...].add(3.0).eval({x: 1.0}) == 4.0
    assert x.at[None].multiply(3.0).eval({x: 2.0}) == 6.0


def test_get_and_apply() -> None:
    x = ga.vector("x")
    array = np.array([1.0, 4.0, 9.0])
    np.testing.assert_array_equal(x.at[1:].get().eval({x: array}), array[1:])
    y = x.at[np.array([1, 1])].apply(ga.square)
    np.testing.assert_array_equal(y.eval({x: array}), [1.0, 16.0, 9.0])  # once
    g = ga.grad(y.sum(), x)
    np.testing.assert_array_equal(g.eval({x: array}), [1.0, 8.0, 1.0])
    assert repr(x.at[0]) == "<Variable x: float64[?]>.at[0]".replace("?", str(x.type.shape[0]))


def test_named_sizes_stay() -> None:
    x = ga.matrix("x", shape=("n", 3))
    assert x.at[1:].set(0.0).type is x.type
    assert x.at[x > 0].set(0.0).type is x.type
    assert x.at[np.array([0, 0])].multiply(ga.ones(3)).type is x.type


ERRORS: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "shape": (lambda x: x.at[0].set(np.ones(4)), ShapeError, "x[0, :], which has the shape (3"),
    "axes": (lambda x: x.at[0].add(np.ones((2, 3))), ShapeError, "values of shape (2, 3)"),
    "range": (lambda x: x.at[5].set(1.0), IndexError, "index 5 is out of bounds"),
    "float index": (lambda x: x.at[0.5].set(1.0), IndexError, "0.5 is no index"),
    "text": (lambda x: x.at[0].set("a"), ga.GraphadError, "dtype"),
    "no function": (lambda x: x.at[0].apply(3.0), UseError, "use index_set"),
    "assignment": (lambda x: x.__setitem__(0, 1.0), UseError, "y = x.at[index].set(value)"),
    "np.put": (lambda x: np.put(x, [0], 1.0), UseError, ".at[indices].set(values)"),
    "np.place": (lambda x: np.place(x, x > 0, 1.0), UseError, "x.at[mask].set(values)"),
    "np.putmask": (lambda x: np.putmask(x, x > 0, 1.0), UseError, "x.at[mask].set(values)"),
    "np.copyto": (lambda x: np.copyto(x, 1.0), UseError, "y = x.at[...].set(values)"),
    "np.add.at": (lambda x: np.add.at(x, [0], 1.0), UseError, "x.at[index].add(v)"),
    "np.put_along_axis": (lambda x: np.put_along_axis(x, np.zeros((2, 1), int), 1.0, 1), UseError,
                          "ga.put_along_axis(x, indices, values, axis)"),
    "np.fill_diagonal": (lambda x: np.fill_diagonal(x, 1.0), UseError, "ga.fill_diagonal(x"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_write(name: str) -> None:
    build, kind, message = ERRORS[name]
    with pytest.raises(kind) as caught:
        build(ga.matrix("x", shape=(2, 3)))
    assert message in str(caught.value)


def test_out_of_range_at_run_time(run: Runner) -> None:
    x, i = ga.vector("x"), ga.vector("i", dtype="int64")
    for name in ("set", "add", "multiply", "max"):
        with pytest.raises(IndexError):
            run([x, i], [getattr(x.at[i], name)(1.0)])(np.ones(3), [3])
