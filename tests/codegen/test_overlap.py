"""Windows added up in machine code: bit for bit as NumPy adds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import overlap
from graphad.ops.signal.windows import overlap_add
from graphad.testing import check_grads

pytest.importorskip("llvmlite")

RNG = np.random.default_rng(0)
# axes before, sizes, widths, strides, dilations
CASES: list[Any] = [
    ((2, 32), (26, 26), (3, 3), (2, 2), (1, 1)),
    ((3, 4), (26, 27), (3, 3), (1, 1), (1, 1)),
    ((4,), (37, 40), (2, 3), (1, 2), (3, 2)),
    ((40,), (300,), (5,), (3,), (2,)),
    ((2, 3, 4), (9, 10, 11), (2, 3, 2), (1, 2, 2), (2, 1, 1)),
    ((5,), (400,), (7,), (2,), (1,)),
    ((), (4000,), (9,), (1,), (3,)),
    ((1, 7, 1), (99,), (30,), (2,), (1,)),
]


def windows(case: Any, dtype: str) -> tuple[np.ndarray, Any]:
    """Windows in the order in which a product of matrices leaves them, and their op."""
    lead, full, widths, strides, gaps = case
    axes, first = len(full), len(lead)
    rows = zip(full, widths, strides, gaps, strict=True)
    places = [(n - (w - 1) * gap - 1) // step + 1 for n, w, step, gap in rows]
    x = RNG.normal(size=(*lead, *widths, *places)).astype(dtype)
    x.flat[:6] = [np.nan, np.inf, -np.inf, -0.0, 1e-42, -0.0]
    ends = range(first + axes, first + 2 * axes)
    x = x.transpose(*range(first), *ends, *range(first, first + axes))
    v = ga.tensor("x", x.shape, dtype=dtype)
    node = overlap_add(v, tuple(range(first, first + axes)), full, strides, gaps).owner
    assert node is not None
    return x, node.op


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_are_those_of_numpy(bits: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "LEAST", 0)
    monkeypatch.setattr(overlap, "SHARE", 1)
    for case in CASES:
        x, op = windows(case, dtype)
        repeated = np.broadcast_to(x[..., :1], x.shape)
        for threads in (1, 3):
            add = overlap.adder(op.params, np.dtype(dtype), _dirty, _never, threads)
            for given in (x, np.ascontiguousarray(x), x[::-1], repeated):
                with np.errstate(invalid="ignore"):
                    found, expected = add(given), op.evaluate(np, [given])
                np.testing.assert_array_equal(found, expected)
                sign = np.where(np.isnan(found), False, np.signbit(found) != np.signbit(expected))
                assert not sign.any()


def _dirty(shape: Any, dtype: Any) -> np.ndarray:
    return np.full(shape, 7, dtype)


def _never(*arrays: Any) -> Any:
    raise AssertionError("left to NumPy")


def test_what_does_not_fit_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "LEAST", 1)
    x, op = windows(CASES[1], "float64")
    left: list[Any] = []

    def otherwise(*arrays: Any) -> Any:
        left.append(arrays)

    add = overlap.adder(op.params, np.dtype("float64"), np.empty, otherwise)
    wide = np.empty((*x.shape[:2], 40, *x.shape[3:]))  # more windows than there is room for
    for given in (x[:0], x.astype("float32"), np.empty(x.nbytes + 1, "b")[1:].view("f8"), wide):
        add(given.reshape(x.shape) if given.size == x.size else given)
    assert len(left) == 4


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolutions_use_it(stride: int) -> None:
    x = ga.tensor("x", ("n", 3, 17, 15), dtype="float32")
    k = ga.tensor("k", (4, 3, 3, 2), dtype="float32")
    y = ga.sum(ga.nn.relu(ga.nn.convolve2d(ga.tanh(x), k, stride=stride, padding=1)))
    wrt = [x, k]
    made = [ga.function(wrt, ga.grad(y, wrt), backend=b) for b in ("llvm", "numpy")]
    for n in (1, 6):
        values = [RNG.normal(size=(n, 3, 17, 15)), RNG.normal(size=(4, 3, 3, 2))]
        arrays = [v.astype("float32") for v in values]
        for found, expected in zip(made[0](*arrays), made[1](*arrays), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert "overlap_add_float32" in made[0].source


def test_several_axes_at_once() -> None:
    """One step for all axes, and its derivatives."""
    x = RNG.normal(size=(2, 5, 6))
    check_grads(lambda a: ga.sum(ga.square(ga.nn.convolve1d(a, np.ones((2, 5, 3))))), [x])
    w = RNG.normal(size=(3, 2, 2, 3))
    check_grads(lambda a: ga.sin(overlap_add(a, (0, 1), (4, 5), (1, 2), (1, 1))), [w])
