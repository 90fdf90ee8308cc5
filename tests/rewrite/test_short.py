"""Short last axes written out: what is, what is not, and that values and derivatives stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.short import improve

RNG = np.random.default_rng(0)
A = ga.matrix("a", shape=("n", 3))
B = ga.matrix("b", shape=("m", 3))
FULL = ga.tensor("f", shape=("n", "m", 3))
D = A[:, None] - B[None]


def is_written_out(*outputs: ga.Variable) -> bool:
    graph = ga.Graph([A, B, FULL], list(outputs))
    return improve(graph) is not graph


def test_what_is_written_out() -> None:
    assert is_written_out(ga.sum(D * D, axis=-1))
    assert is_written_out(ga.sum(ga.exp(D), axis=(0, 2)), ga.max(D, axis=1))
    assert is_written_out(ga.sum(D))


def test_mixtures() -> None:
    """Few components of many numbers: one long axis is enough for a log-sum-exp."""
    x, m = ga.vector("x", shape=("n",)), ga.vector("m", shape=(3,))
    z = -((x[:, None] - m) ** 2)
    graph = ga.Graph([x, m], [ga.logsumexp(z, axis=1)])
    assert improve(graph) is not graph
    assert improve(other := ga.Graph([x, m], [ga.sum(z, axis=1)])) is other
    cost = ga.sum(ga.logsumexp(z, axis=1))
    outputs = [ga.logsumexp(z, axis=1), *ga.grad(cost, [x, m])]
    a, b = RNG.normal(size=5000), np.array([-300.0, 0.5, 0.25])
    a[:4] = 0.5, np.inf, 1e-9, np.nan
    for backend in ("numpy", "auto"):
        found = ga.function([x, m], outputs, backend=backend)(a, b)  # type: ignore[arg-type]
        expected = ga.function([x, m], outputs, backend="interpreter")(a, b)
        for v, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(v, e, rtol=1e-13)


@pytest.mark.parametrize("axis", [1, (0, 1), 0])
def test_log_sums_lose_no_digits(axis: Any) -> None:
    """log(1 + tiny) is tiny, also beside infinities and equal maxima."""
    x, m = ga.vector("x", shape=("n",)), ga.vector("m", shape=(3,))
    y = ga.logsumexp(x[:, None] * m, axis=axis)
    a = np.array([0.0, 1.0, 40.0, 700.0, -np.inf, 2.0])
    b = np.array([0.0, -1.0, -1.0])
    for numbers in (a, a[:4], a[2:4], a[5:]):
        found = ga.function([x, m], y)(numbers, b)
        expected = ga.function([x, m], y, backend="interpreter")(numbers, b)
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_nothing_of_three_axes_is_left() -> None:
    cost = ga.sum(ga.sqrt(ga.sum(D * D, axis=-1)))
    f = ga.function([A, B], [cost, *ga.grad(cost, [A, B])])
    assert all(node.types[0].ndim < 3 or node.types[0].shape[-1] == 1
               or 1 in node.types[0].shape for node in f.plan.graph.nodes)  # fmt: skip


def test_what_is_not() -> None:
    assert not is_written_out(D * D)  # all of it is asked for
    assert not is_written_out(ga.sum(D * FULL, axis=-1))  # in memory as it is
    assert not is_written_out(ga.sum(D, axis=-1), D + 1)
    assert not is_written_out(ga.sum(A * A, axis=-1))
    assert not is_written_out(ga.any(D > 0, axis=-1))
    assert not is_written_out(ga.cumsum(D, axis=-1))
    x, y = ga.matrix("x", shape=(9, 3)), ga.matrix("y", shape=(5, 3))
    few = ga.Graph([x, y], [ga.sum(x[:, None] * y[None], axis=-1)])
    assert improve(few) is few


def formulas(a: Any, b: Any, g: Any, xp: Any) -> list[Any]:
    d = a[:, None] - b[None]
    r = xp.sqrt((d * d).sum(axis=-1) + 0.1)
    spread = xp.where(d > 0, d, 0.1 * d) * g[..., None] + 1.0
    return [
        r, (r * g).sum(), xp.abs(d).max(axis=-1), d.min(axis=2, keepdims=True),
        spread.sum(axis=0), spread.sum(axis=(0, 1)), spread.sum(axis=(1, 2)), spread.sum(),
        xp.exp(-d * d).prod(axis=1), spread.max(axis=1, keepdims=True),
        (a[:, None] * 2.0 + a[:1, None] * b).sum(axis=(0, 2)),
    ]  # fmt: skip


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values(backend: Any, dtype: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    a, b, g = [RNG.normal(size=s).astype(dtype) for s in ((40, 3), (50, 3), (40, 50))]
    x, y, z = [ga.tensor(n, v.shape, dtype) for n, v in zip("abg", (a, b, g), strict=True)]
    made = formulas(x, y, z, ga)
    slopes = ga.grad(sum(ga.sum(v) for v in made[:8]), [x, y, z])
    f = ga.function([x, y, z], [*made, *slopes], backend=backend)
    same = ga.function([x, y, z], [*made, *slopes], backend="interpreter")
    found, expected = f(a, b, g), same(a, b, g)
    near = 1e-11 if dtype == "float64" else 2e-3
    for v, e, n in zip(found, expected, [*formulas(a, b, g, np), None, None, None], strict=True):
        assert (v.dtype, v.shape) == (e.dtype, e.shape)
        np.testing.assert_allclose(v, e, rtol=near, atol=near)
        if n is not None:
            np.testing.assert_allclose(v, n, rtol=near, atol=near)


def test_sizes_unknown_and_empty() -> None:
    f = ga.function([A, B], [ga.sum(D * D, axis=-1), ga.sum(D, axis=0)])
    for n, m in [(4, 6), (1, 5), (0, 5), (5, 0), (70, 90)]:
        a, b = RNG.normal(size=(n, 3)), RNG.normal(size=(m, 3))
        d = a[:, None] - b[None]
        found = f(a, b)
        np.testing.assert_allclose(found[0], (d * d).sum(axis=-1), rtol=1e-13)
        np.testing.assert_allclose(found[1], d.sum(axis=0), rtol=1e-12, atol=1e-12)


def test_not_a_number_stays() -> None:
    a, b = RNG.normal(size=(40, 3)), RNG.normal(size=(50, 3))
    a[3, 1], b[7, 2] = np.nan, np.inf
    f = ga.function([A, B], [ga.max(D, axis=-1), ga.sum(D * D, axis=-1)])
    d = a[:, None] - b[None]
    np.testing.assert_array_equal(f(a, b)[0], d.max(axis=-1))
    np.testing.assert_allclose(f(a, b)[1], (d * d).sum(axis=-1), rtol=1e-14)


def test_exact_precision_keeps_the_order() -> None:
    a, b = RNG.normal(size=(40, 3)), RNG.normal(size=(50, 3))
    f = ga.function([A, B], ga.sum(D * D, axis=(1, 2)), precision="exact", backend="numpy")
    d = a[:, None] - b[None]
    assert f(a, b).tobytes() == (d * d).sum(axis=(1, 2)).tobytes()
