"""Products of matrices in machine code, against NumPy's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import gemm

pytest.importorskip("llvmlite")

RNG = np.random.default_rng(0)
SIZES = [(4, 4, 1), (4, 8, 3), (7, 13, 9), (16, 32, 32), (9, 97, 5), (193, 130, 70), (5, 128, 256),
         (48, 24, 100), (200, 3, 3), (8, 1, 8), (3, 8, 8)]  # fmt: skip


def random(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_orders(bits: int, dtype: str) -> None:
    multiply = gemm.product(np.dtype(dtype))
    bound = 1e-12 if dtype == "float64" else 1e-4
    for m, n, k in SIZES:
        straight = random((m, k), dtype), random((k, n), dtype)
        across = random((k, m), dtype).T, random((n, k), dtype).T
        spread = random((2 * m, 3 * k), dtype)[::2, ::3], random((k, 2 * n), dtype)[::-1, ::2]
        for a in (straight[0], across[0], spread[0]):
            for b in (straight[1], across[1], spread[1]):
                found = multiply(a, b)
                assert found.dtype == dtype and found.flags.c_contiguous
                np.testing.assert_allclose(found, a @ b, rtol=bound, atol=bound)


def test_stacks(bits: int) -> None:
    multiply = gemm.product(np.dtype("float64"))
    a, b = random((3, 9, 8), "float64"), random((3, 8, 16), "float64")
    turned = random((3, 16, 8), "float64").mT
    for one, other in ((a, b), (a, turned), (a, b[1]), (a[2], b), (a[:1], b), (a[None], b)):
        np.testing.assert_allclose(multiply(one, other), one @ other, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("shared")
def test_the_same_for_any_number_of_threads() -> None:
    a, b = random((500, 70), "float32"), random((70, 300), "float32")
    first, *others = [gemm.product(np.dtype("float32"), threads=n)(a, b) for n in (1, 2, 4)]
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_what_is_left_to_numpy() -> None:
    multiply = gemm.product(np.dtype("float64"))
    assert multiply(np.ones((5, 0)), np.ones((0, 8))).tolist() == np.zeros((5, 8)).tolist()
    assert multiply(np.ones((0, 3)), np.ones((3, 8))).shape == (0, 8)
    assert multiply(np.ones((1, 3)), np.ones((3, 8))).tolist() == [[3.0] * 8]
    with pytest.raises(ValueError, match="matmul"):
        multiply(np.ones((5, 3)), np.ones((4, 8)))


def test_special_numbers() -> None:
    multiply = gemm.product(np.dtype("float64"))
    a, b = random((8, 8), "float64"), random((8, 8), "float64")
    a[0, 0], a[1, 2], b[3, 3], b[4] = np.inf, np.nan, -np.inf, 0.0
    np.testing.assert_allclose(multiply(a, b), a @ b, rtol=1e-12, atol=1e-12)


def test_programs_use_them() -> None:
    x, w = ga.matrix("x", shape=("n", 64)), ga.matrix("w", shape=(64, 32))
    y = ga.tanh(x @ w)
    outputs = [y, *ga.grad(ga.sum(y * y), [x, w])]
    f, g = (ga.function([x, w], outputs, backend=b) for b in ("llvm", "interpreter"))
    arrays = [random((3000, 64), "float64"), random((64, 32), "float64")]
    for a, b in zip(f(*arrays), g(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)
    assert "multiply_float64(v7, v4)" in f.source and "kernel0(x, w, v3, v4) or " in f.source
    assert any("matmul" in row.label for row in f.profile(*arrays, seconds=0.01).steps)


# ---- memory that is used again ---------------------------------------------------------------
def large() -> tuple[ga.Function, ga.Function]:
    x, w = ga.matrix("x", shape=("n", 200)), ga.matrix("w", shape=(200, 200))
    y = ga.softmax(ga.tanh(x @ w) @ w.T, axis=1)
    turned = ga.exp(ga.transpose(y).reshape((-1,)))
    outputs = [y, turned, *ga.grad(ga.sum(turned * turned), [x, w])]
    return tuple(ga.function([x, w], outputs, backend=b) for b in ("llvm", "numpy"))  # type: ignore[return-value]


def test_results_that_are_held_stay_as_they_are() -> None:
    f, g = large()
    w = random((200, 200), "float64") / 20
    first, second = random((210, 200), "float64"), random((210, 200), "float64")
    found = f(first, w)
    parts = [r[::2] for r in f(first, w)]  # views of results that nobody else holds
    for _ in range(5):
        others = f(second, w)
        for a, b in zip(found, others, strict=True):
            assert not np.shares_memory(a, b)
    for a, part, b in zip(found, parts, g(first, w), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(part, a[::2])


def test_threads_do_not_share_memory_of_a_call() -> None:
    f, g = large()
    w = random((200, 200), "float64") / 20
    rows = [random((n, 200), "float64") for n in (210, 210, 230, 210)]
    expected = [g(x, w) for x in rows]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(lambda x: f(x, w), rows * 5), expected * 5, strict=True):
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.usefixtures("shared")
def test_sums_along_vectors(bits: int, dtype: str) -> None:
    """An inner axis that lies along memory in both, as in gradients of weights."""
    made = [gemm.product(np.dtype(dtype), threads=n) for n in (1, 3)]
    bound = 1e-12 if dtype == "float64" else 1e-4
    for m, n, k in [(16, 40, 1000), (4, 1, 519), (9, 7, 20_000), (200, 131, 290), (5, 3, 256)]:
        a, b = random((m, k), dtype), random((n, k), dtype).T
        first, other = [multiply(a, b) for multiply in made]
        np.testing.assert_allclose(first, a @ b, rtol=bound, atol=bound * k**0.5)
        np.testing.assert_array_equal(first, other)
    a[1, 3], b[4, 2], b[-1, 0] = np.inf, np.nan, -0.0
    found = made[0](a, b)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(a @ b))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(a @ b))
    assert made[0](a[:, :0], b[:0]).tolist() == [[0.0] * 3] * 5
