"""Loops over complex numbers in machine code, and their gradients, against the interpreter."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from native_loops import is_native

import graphad as ga
from graphad.codegen import kernels

pytestmark = pytest.mark.skipif(not kernels.is_possible(), reason="no vector registers")
RNG = np.random.default_rng(5)
ROUNDING = {"complex128": 1e-12, "complex64": 1e-4}

# Bodies: a carry (3, 3), a row of the same shape, a matrix; all complex.
BODIES: dict[str, Any] = {
    "products": lambda c, x, w: c * x * 0.5 + 1j * x,
    "quotients": lambda c, x, w: x / (c + 3) + 1 / (x + 4j) + c**2 * 0.1,
    "exp": lambda c, x, w: ga.exp(x * 0.1) * ga.conj(c) * 0.2 - x,
    "circular": lambda c, x, w: ga.sin(c * 0.3) + ga.cos(x) * 0.1,
    "hyperbolic": lambda c, x, w: 0.1 * ga.sinh(c) + 0.1 * ga.cosh(x) + ga.tanh(c),
    "parts": lambda c, x, w: ga.real(c) * x * 0.3 + abs(c) + ga.imag(x) * 1j,
    "where": lambda c, x, w: ga.where(ga.real(c) > 0, c * 0.5, x) * (c != 0),
    "matmul": lambda c, x, w: ga.tanh(w @ c * 0.3 + x @ w.T),
    "matmul with reals": lambda c, x, w: ga.tanh(ga.real(w) @ c * 0.3 + x @ ga.imag(w)),
    "matmul of vectors": lambda c, x, w: c * 0.3 + w @ x[0] + (x[1] @ w)[:, None] + x[0] @ c[0],
    "sums": lambda c, x, w: c * 0.3 + x.sum(axis=0) + c.mean() + x.sum(axis=1, keepdims=True),
    "views": lambda c, x, w: (
        ga.concatenate([c[:, 1:] * x[:, :-1], c[:, :1]], axis=1)[::-1] / 2
        + c.T.reshape(-1).reshape(c.shape) * 0.1
    ),
    "indices": lambda c, x, w: c.at[[0, 0, 1]].add(x) * 0.5 + c[[2, 0, 1]] * 0.1,
    "constants": lambda c, x, w: c * np.arange(3) * 0.3j + ga.zeros((3, 3), "complex64") + x,
}


def drawn(dtype: str, *shape: int) -> Any:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


def check(inputs: Any, outputs: Any, given: Any, native: bool = True) -> None:
    """The machine code computes what the interpreter does, without warnings."""
    f = ga.function(inputs, outputs, backend="llvm", unused="ignore")
    g = ga.function(inputs, outputs, backend="interpreter", unused="ignore")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [f(*given) for _ in range(2)][1]
    for ours, theirs in zip(found, g(*given), strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        scale = max(1.0, float(np.max(np.abs(theirs))))
        error = ROUNDING[np.result_type(theirs.dtype, np.complex64).name]
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=error)
    assert not native or is_native(f)


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str, dtype: str) -> None:
    c, xs = ga.matrix("c", (3, 3), dtype=dtype), ga.tensor("xs", (None, 3, 3), dtype=dtype)
    w = ga.matrix("w", (3, 3), dtype=dtype)
    body = BODIES[name]
    last, ys = ga.scan(lambda h, x: ((new := body(h, x, w).astype(dtype)), new.sum()), c, xs)
    cost = (abs(last) ** 2).sum() + ga.real(ys).sum()
    given = drawn(dtype, 3, 3), drawn(dtype, 4, 3, 3), drawn(dtype, 3, 3)
    check([c, xs, w], [last, ys], given)
    check([c, xs, w], ga.grad(cost, [c, xs, w], disconnected="zero"), given)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_single_numbers(dtype: str) -> None:
    a, xs = ga.scalar("a", dtype=dtype), ga.vector("xs", dtype=dtype)
    given = [np.dtype(dtype).type(0.5 + 0.3j), drawn(dtype, 300)]
    last, ys = ga.scan(lambda c, x: (c * a + x, (c, abs(c))), a, xs)
    cost = abs(last) + abs(ys[0]).sum()
    check([a, xs], [last, *ys, *ga.grad(cost, [a, xs])], given)
    counted, sizes = ga.scan(lambda c, x: (c * a + x, c), a, xs, until=lambda c, y: abs(c) < 3)
    check([a, xs], [counted, sizes, *ga.grad(abs(counted), [a, xs])], given)
    inner, _ = ga.scan(
        lambda c, x: (ga.fori_loop(0, 3, lambda i, h: h * x * 0.3 + 1j * c, c) * 0.1, None), a, xs
    )
    check([a, xs], [inner, *ga.grad(abs(inner), [a, xs])], given)
    chosen, _ = ga.scan(
        lambda c, x: (ga.cond(ga.real(x) > 0, lambda: c * x, lambda: x - c) * 0.3, None), a, xs
    )
    check([a, xs], [chosen, *ga.grad(abs(chosen), [a, xs])], given)
    shrunk = ga.while_loop(lambda c: abs(c) > 0.1, lambda c: c * a, a * 10)
    check([a], [shrunk, ga.grad(abs(shrunk), a)], given[:1], native=False)


def test_at_zeros_and_large_numbers() -> None:
    """Quotients and functions where their formulas change."""
    values = np.array([0, 1, -1, 1j, 1e300, 1e300j, 1e-300 + 1e-300j, 30 + 1j, -30 - 2j, 709.5])
    xs = ga.vector("xs", dtype="complex128")
    last, ys = ga.scan(lambda c, x: (c + 0 * x, (c / x, 1 / (x + 1j), ga.tanh(x), ga.exp(-x))),
                       np.complex128(2 - 1j), xs)  # fmt: skip
    f = ga.function([xs], [last, *ys], backend="llvm")
    with np.errstate(all="ignore"):
        wanted = (2 - 1j) / values, 1 / (values + 1j), np.tanh(values), np.exp(-values)
        finite = [np.isfinite(w) for w in wanted]
    for ours, theirs, sure in zip(f(values)[1:], wanted, finite, strict=True):
        np.testing.assert_allclose(ours[sure], theirs[sure], rtol=1e-13)
        assert not np.isfinite(ours[~sure]).any()
    assert is_native(f)
