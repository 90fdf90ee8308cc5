"""Placing arrays in zeros, and sliding windows with their transpose: strides, sizes, layouts."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import ShapeError, UseError
from graphad.ops.signal.placing import embed, resize
from graphad.ops.signal.windows import overlap_add, slide
from graphad.testing import check_grads
from graphad.testing.variants import LAYOUTS

RNG = np.random.default_rng(0)


def placed(x: np.ndarray, offsets: Any, shape: Any) -> np.ndarray:
    """Element by element."""
    y = np.zeros(shape, x.dtype)
    for i in np.ndindex(*x.shape):
        at = tuple(np.add(i, offsets))
        if all([0 <= a < n for a, n in zip(at, shape, strict=True)]):
            y[at] = x[i]
    return y


@pytest.mark.parametrize("sizes", ["static", "unknown"])
@pytest.mark.parametrize("seed", range(12))
def test_placing(seed: int, sizes: str) -> None:
    """Padding, cropping, both, and past each other; the transpose is the opposite offset."""
    rng = np.random.default_rng(seed)
    x, offsets = rng.normal(size=rng.integers(1, 5, size=2)), rng.integers(-5, 6, size=2).tolist()
    shape = rng.integers(0, 7, size=2).tolist()
    v = ga.tensor("x", x.shape if sizes == "static" else (None, None))
    y = ga.function([v], embed(v, offsets, shape))(x)
    np.testing.assert_array_equal(y, placed(x, offsets, shape))
    check_grads(lambda a: embed(a, offsets, shape), [x], sizes=sizes)


def test_offsets_and_sizes_that_are_variables() -> None:
    x, start, n = ga.vector("x"), ga.scalar("start", "int64"), ga.scalar("n", "int64")
    y = embed(x, [start], [n])
    g = ga.grad(ga.sum(y * ga.arange(n)), x)
    f = ga.function([x, start, n], [y, g])
    for offset, size in ((1, 5), (-1, 2), (-2, 9), (4, 4), (0, 3)):
        value, gradient = f([1.0, 2.0, 3.0], offset, size)
        np.testing.assert_array_equal(value, placed(np.array([1.0, 2, 3]), [offset], [size]))
        inside = (np.arange(3) + offset >= 0) & (np.arange(3) + offset < size)
        np.testing.assert_array_equal(gradient, np.where(inside, np.arange(3) + offset, 0))


def test_nothing_to_place_is_no_op() -> None:
    x = ga.tensor("x", ("n", 3))
    assert embed(x, [0, None], x.shape) is x and resize(x, 1, 3) is x
    assert resize(x, 1, 2).owner.op.name == "getitem"  # a view
    assert pickle.loads(pickle.dumps(resize(x, 1, 5).owner.op)) == resize(x, 1, 5).owner.op


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", [(2, 1, 1), (3, 2, 1), (2, 3, 2), (5, 1, 1), (1, 4, 3)])
def test_windows_and_their_transpose(options: tuple[int, int, int], layout: str) -> None:
    width, stride, dilation = options
    x = RNG.normal(size=(2, 7, 3))
    starts = range(0, 7 - (width - 1) * dilation, stride)
    rows = [x[:, s : s + (width - 1) * dilation + 1 : dilation] for s in starts]
    expected = np.moveaxis(np.stack(rows, axis=1), 2, -1)
    v = ga.tensor("x", (None,) * 3)
    y = slide(v, 1, width, stride, dilation)
    np.testing.assert_array_equal(ga.function([v], y)(LAYOUTS[layout](x)), expected)
    w = RNG.normal(size=expected.shape)
    u = ga.tensor("w", (None,) * 4)
    back = ga.function([u], overlap_add(u, 1, 7, stride, dilation))(LAYOUTS[layout](w))
    assert np.sum(back * x) == pytest.approx(np.sum(w * expected), rel=1e-12)
    repeated = np.broadcast_to(w[..., :1], w.shape)
    wide = ga.function([u], overlap_add(u, 1, 7, stride, dilation))(repeated)
    assert np.sum(wide * x) == pytest.approx(np.sum(repeated * expected), rel=1e-12)


def test_a_view_that_is_never_written_into() -> None:
    """Windows share elements: adding to them must not add twice."""
    x = ga.tensor("x", (4,))
    w = np.lib.stride_tricks.sliding_window_view(x, 2)
    f = ga.function([x], [w * 2.0 + 1.0, w, x + 0.0])
    data = np.arange(4.0)
    scaled, windows, copied = f(data)
    assert scaled.tolist() == [[1, 3], [3, 5], [5, 7]] and copied.tolist() == data.tolist()
    windows[0, 1] = 9.0  # results are the caller's, with memory of their own
    assert windows[1, 0] == 1.0 and data.tolist() == [0, 1, 2, 3]


def test_moving_averages() -> None:
    x = RNG.normal(size=20)
    v = ga.vector("x", shape=("n",))
    y = np.lib.stride_tricks.sliding_window_view(v, 4).mean(axis=-1)
    assert str(y.type) == "float64[n - 3]"
    np.testing.assert_allclose(y.eval({v: x}), np.convolve(x, np.full(4, 0.25), "valid"))
    check_grads(lambda a: np.lib.stride_tricks.sliding_window_view(a, 4).mean(axis=-1), [x])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"window_shape": 5}, ShapeError, "1 window sizes for 2 axes"),
        ({"window_shape": 5, "axis": 0}, ShapeError, "5 elements along an axis with 4"),
        ({"window_shape": 0, "axis": 0}, ShapeError, "window of 0"),
        ({"window_shape": (2, 2), "writeable": True}, UseError, "writeable"),
        ({"window_shape": (2, 2), "subok": True}, UseError, "subok"),
    ],
)
def test_errors(arguments: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ga.sliding_window_view(ga.tensor("x", (4, 6)), **arguments)
