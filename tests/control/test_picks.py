"""Arrays of integers as indices in loops of machine code: gathered, set, added to; gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_loops import is_native

import graphad as ga
from graphad.codegen import kernels

pytestmark = pytest.mark.skipif(not kernels.is_possible(), reason="no vector registers")
RNG = np.random.default_rng(7)


# Bodies: a carry (5, 3), a row of the same shape, a row of four indices from -5 to 4.
BODIES: dict[str, Any] = {
    "rows": lambda c, x, i: ga.sin(c[i].sum(axis=0) + x),
    "columns": lambda c, x, i: ga.sin(c[:, i % 3].sum(axis=1)[:, None] + x),
    "pairs": lambda c, x, i: ga.sin(c[i, i // 2].sum() + x),
    "a grid": lambda c, x, i: ga.sin(c[i[:, None], (i % 3)[None, :]].mean() + x * c[-1, 0]),
    "apart": lambda c, x, i: ga.sin(c[:, None, :][i, 0, (i - 5) % 3].sum() + x),
    "between slices": lambda c, x, i: ga.sin(c[None, 1:, :][:, i % 4, ::-1].sum(axis=1) + x),
    "an integer beside": lambda c, x, i: ga.sin(c[i, 1].sum() + c[-2, i % 3].sum() + x),
    "a number that is computed": lambda c, x, i: ga.sin(c[i[0]] + c[i, i[1] % 3].sum() + x),
    "take": lambda c, x, i: ga.sin(ga.take(c, i, axis=0).sum(axis=0) + x),
    "along": lambda c, x, i: ga.take_along_axis(c, (ga.arange(5)[:, None] * i[:3]) % 3, 1) + x,
    "of a condition": lambda c, x, i: c[(c[:, 0] > 0).astype("int64")] * 0.5 + x,
    "add": lambda c, x, i: ga.sin(c.at[i].add(x[:4])),
    "add a number": lambda c, x, i: ga.sin(c.at[i, 1].add(x[0, 0])),
    "set": lambda c, x, i: ga.sin(c.at[i].set(x[:4]) + x),
    "set a column": lambda c, x, i: ga.sin(c.at[:, i % 3].set(x[:, :1]) + x),
    "no places": lambda c, x, i: c * 0.5 + c[i[:0]].sum() + x,
    "nothing at places": lambda c, x, i: c * 0.5 + c[i, :0].sum() + x,
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str) -> None:
    c, xs = ga.matrix("c", (5, 3)), ga.tensor("xs", (None, 5, 3))
    places = ga.matrix("places", (None, 4), dtype="int64")
    body = BODIES[name]
    last, ys = ga.scan(lambda h, r: ((new := body(h, *r)), new[0] * 2), c, (xs, places))
    cost = (last**2).sum() + ys.sum()
    given = RNG.normal(size=(5, 3)), RNG.normal(size=(4, 5, 3)), RNG.integers(-5, 5, (4, 4))
    for outputs in ([last, ys], [*ga.grad(cost, [c, xs]), ga.jvp(cost, [c, xs], given[:2])]):
        f = ga.function([c, xs, places], outputs, backend="llvm", unused="ignore")
        g = ga.function([c, xs, places], outputs, backend="interpreter", unused="ignore")
        for ours, theirs in zip(f(*given), g(*given), strict=True):
            scale = max(1.0, float(np.max(np.abs(theirs))))
            np.testing.assert_allclose(ours / scale, theirs / scale, rtol=1e-9, atol=1e-12)
        assert is_native(f)


def test_an_index_out_of_range_is_an_error() -> None:
    x, places = ga.vector("x", 3), ga.vector("places", dtype="int32")
    last, _ = ga.scan(lambda c, i: (c[ga.stack([i, 0])].sum() * c, None), x, places)
    f = ga.function([x, places], last, backend="llvm")
    np.testing.assert_allclose(f(np.ones(3), [2, -3]), [8.0, 8.0, 8.0])
    assert is_native(f)
    for wrong in (3, -4):
        with pytest.raises(ga.errors.IndexingError, match=f"index {wrong} is out of bounds"):
            f(np.ones(3), [1, wrong])


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "uint64"])
def test_quotients_of_integers(dtype: str) -> None:
    """By 0 and by -1 as well, for which processors have no result."""
    x, y = ga.vector("x", dtype=dtype), ga.vector("y", dtype=dtype)
    info = np.iinfo(dtype)
    values = [info.min, info.max, 0, 1, 2, 3, 5, 7, 100]
    values += [-1, -2, -3, -7] if info.min else []
    a, b = [grid.ravel() for grid in np.meshgrid(*[np.array(values, dtype)] * 2)]
    f = ga.function([x, y], [x % y + x - x, x // y * (x - y)], backend="llvm")
    with np.errstate(all="ignore"):
        wanted = [a % b, a // b * (a - b)]
    for ours, theirs in zip(f(a, b), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
