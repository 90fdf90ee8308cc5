"""Loops as machine code: what is made, and that it computes what the interpreter computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_loops import is_native

import graphad as ga
from graphad.codegen import kernels, loopentry

pytestmark = pytest.mark.skipif(not kernels.is_possible(), reason="no vector registers")
RNG = np.random.default_rng(3)


def machines(f: Any) -> list[Any]:
    """The codes that the loops of a function have made."""
    loops = [v for v in f._compiled.program.bound.values() if type(v).__name__ == "Loop"]
    return [code for loop in loops for code in loop.machine.variants.values()]


def check(
    inputs: Any, outputs: Any, *given: Any, native: bool = True, rtol: float = 1e-11
) -> None:
    f = ga.function(inputs, outputs, backend="llvm", unused="ignore")
    g = ga.function(inputs, outputs, backend="interpreter", unused="ignore")
    ours, theirs = f(*given), g(*given)
    for a, b in zip(ga.tree.flatten(ours)[0], ga.tree.flatten(theirs)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
    made = machines(f)
    assert bool(made) and all([(code is not None) == native for code in made])


# Bodies by name: what they do to a carry (m, n), with a row (m, n) and a captured matrix (n, n).
BODIES: dict[str, Any] = {
    "elementwise": lambda c, x, w: ga.tanh(c + x) * ga.where(x > 0, ga.exp(-x), ga.log1p(x * x)),
    "matmul": lambda c, x, w: ga.sin(c @ w + x),
    "matmul of transposes": lambda c, x, w: ga.sin((w.T @ c.T).T + x),
    "vectors": lambda c, x, w: c * 0.5 + (w @ x[0])[None, :] + (c @ w[0])[:, None],
    "sums": lambda c, x, w: c / 2 + x.sum(axis=0) + x.sum(axis=1, keepdims=True) + x.sum(),
    "extrema": lambda c, x, w: ga.minimum(c, x.max(axis=1, keepdims=True)) - x.min(axis=0),
    "means": lambda c, x, w: c - x.mean() + (x * c).mean(axis=0),
    "logsumexp": lambda c, x, w: c / 2 + ga.logsumexp(x + c, axis=1)[:, None],
    "softmax": lambda c, x, w: ga.softmax(c + x, axis=1),
    "slices": lambda c, x, w: ga.concatenate([c[:, 1:] * x[:, :-1], c[:, :1]], axis=1),
    "flips": lambda c, x, w: c[::-1] * 0.5 + ga.flip(x, axis=1),
    "reshape": lambda c, x, w: (c.T.reshape((c.shape[0], -1)) + x).reshape(c.shape) / 2,
    "stack": lambda c, x, w: ga.stack([c[0], x[0]]).sum(axis=0)[None, :] + c * 0.3,
    "powers": lambda c, x, w: abs(c) ** 0.5 + x**3 - abs(x) ** 1.5,
    "numbers": lambda c, x, w: c * 0.5 + ga.sin(c[0, 0]) * x[-1, -1],
}  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 5), (1, 17), (4, 1)], ids=str)
@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str, shape: tuple[int, int]) -> None:
    m, n = shape
    body = BODIES[name]
    w, c, xs = ga.matrix("w", (n, n)), ga.matrix("c", (m, n)), ga.tensor("xs", (None, m, n))
    last, ys = ga.scan(lambda h, x: ((new := body(h, x, w)), new[0] * 2), c, xs)
    cost = (last**2).sum() + ys.sum()
    given = RNG.normal(size=(n, n)) / n, RNG.normal(size=shape), RNG.normal(size=(6, *shape))
    wanted = [last, ys]
    check([w, c, xs], wanted, *given)
    slopes = ga.grad(cost, [w, c, xs], disconnected="zero")
    f = ga.function([w, c, xs], slopes, backend="llvm", unused="ignore")
    g = ga.function([w, c, xs], slopes, backend="interpreter", unused="ignore")
    for a, b in zip(f(*given), g(*given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_sizes_are_met_one_after_the_other() -> None:
    w, h, xs = ga.matrix("w"), ga.vector("h"), ga.matrix("xs")
    last, ys = ga.scan(lambda c, x: (ga.tanh(w @ c + x), c), h, xs)
    f = ga.function([w, h, xs], [last, ys], backend="llvm")
    g = ga.function([w, h, xs], [last, ys], backend="interpreter")
    for n in (2, 3, 9, 3):
        given = RNG.normal(size=(n, n)), RNG.normal(size=n), RNG.normal(size=(4, n))
        for a, b in zip(f(*given), g(*given), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    assert len(machines(f)) == 3


def test_large_products_go_to_a_library() -> None:
    n = 40
    w, xs = ga.matrix("w", (n, n)), ga.tensor("xs", (3, n, n))
    for product in (lambda c: c @ w, lambda c: w.T @ c.T, lambda c: c.T @ w.T):
        last, _ = ga.scan(lambda c, x, p=product: (ga.tanh(p(c) + x), None), xs[0], xs)
        check([w, xs], last, RNG.normal(size=(n, n)) / n, RNG.normal(size=(3, n, n)))


def test_views_of_carries_change_places() -> None:
    xs = ga.matrix("xs", (None, 4))
    start = tuple(RNG.normal(size=(3, 4)))

    def body(c: Any, x: Any) -> Any:
        a, b, d = c
        return (b, a[::-1], d + a), (a, b + x)

    last, ys = ga.scan(body, start, xs)
    check([xs], [*last, *ys], RNG.normal(size=(5, 4)))


def test_loops_of_unknown_length_grow() -> None:
    a, xs = ga.scalar("a"), ga.vector("xs")
    for reverse in (False, True):
        last, ys = ga.scan(
            lambda c, x: (c * a + x, (c, c > 1)), 0.0, xs, reverse=reverse,
            until=lambda c, y: c > 900.0,
        )  # fmt: skip
        check([a, xs], [last, *ys, ga.grad(last, [a, xs])], 0.999, np.linspace(0.5, 1.5, 3000))
    with pytest.raises(ga.errors.ConvergenceError, match="max_steps=300"):
        y = ga.while_loop(lambda c: c < 10, lambda c: c * a, a, max_steps=300)
        ga.function([a], y, backend="llvm")(1.0)


def test_a_condition_may_read_what_the_step_began_with() -> None:
    """The carry is overwritten only when it has been asked whether to go on."""
    u, h = ga.vector("u", 3), ga.vector("h", 3)
    last, ys = ga.scan(
        lambda c, _: (c * u, c), h, length=5, until=lambda c, y: y[0] * u[1] < 3
    )  # fmt: skip
    check([u, h], [last, ys, ga.grad(last.sum(), u)], np.array([0.9, 3, 0.7]), np.arange(1.0, 4.0))
    for start in ([1.0, 2.0], [8.0, 2.0]):
        x = ga.vector("x", 2)
        found = ga.while_loop(lambda c: c[0] * c[1] < 9, lambda c: c[::-1] * 1.5, x)
        check([x], found, np.array(start))


def test_operands_that_lie_otherwise() -> None:
    w, xs = ga.matrix("w", (3, 3)), ga.matrix("xs", (None, 3))
    last, ys = ga.scan(lambda c, x: (ga.tanh(w @ c + x), c), np.zeros(3), xs)
    f = ga.function([w, xs], [last, ys], backend="llvm")
    a, b = RNG.normal(size=(3, 3)), RNG.normal(size=(10, 3))
    wanted = f(a, b)
    turned = np.asarray(b, order="F"), np.repeat(b, 2, axis=1)[:, ::2], b.astype(">f8")
    shifted = np.zeros(31 * 8 + 1, np.uint8)[1:241].view(float).reshape(10, 3)
    shifted[:] = b
    for other in (*turned, shifted):
        for got, known in zip(f(a.T.copy().T, other), wanted, strict=True):
            np.testing.assert_array_equal(got, known)


def test_single_numbers_of_several_dtypes() -> None:
    kinds = ("float64", "int64", "bool", "uint64", "float32", "int8", "float64")
    start = [ga.scalar(f"a{k}", dtype=d) for k, d in enumerate(kinds)]

    def body(c: Any, x: Any) -> Any:
        a, n, b, u, s, i, d = c
        return (a * 0.5 + d, n - 3, ~b, u + np.uint64(1), s * np.float32(2), i, a + x), (b, n)

    xs = ga.vector("xs")
    last, ys = ga.scan(body, tuple(start), xs)
    given = [1.5, -7, True, 2**63 + 5, np.float32(0.1), np.int8(-3), 0.25]
    check([*start, xs], [*last, *ys], *given, np.arange(5.0))


@pytest.mark.parametrize("steps", [1, 255, 256, 257, 700, 2000])
def test_storage_of_unknown_length(steps: int) -> None:
    n = ga.scalar("n", dtype="int64")
    for most in (None, steps):
        last = ga.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 0.99 + 1),
                             (np.int64(0), n * 0.0), max_steps=most)[1]  # fmt: skip
        found = ga.function([n], last, backend="llvm")(steps)
        np.testing.assert_allclose(found, (1 - 0.99**steps) / 0.01)
    ys = ga.scan(lambda c, x: (c + x, c), 0.0, ga.arange(n) * 1.0, until=lambda c, y: c < 0)[1]
    np.testing.assert_array_equal(
        ga.function([n], ys, backend="llvm")(steps), np.cumsum(np.arange(steps)) - np.arange(steps)
    )


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("until", [None, lambda c, y: c[1] > 900.0], ids=["all", "until"])
def test_long_loops_are_run_in_slices(
    reverse: bool, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that they can be interrupted; results are the same bits."""
    a, xs, h = ga.scalar("a"), ga.vector("xs"), ga.vector("h")

    def body(c: Any, x: Any) -> Any:
        return (c[0] * a + x, c[1] + ga.exp(-x)), (c[0], c[1] > 1)

    (last, total), (ys, zs) = ga.scan(body, (h, 0.0), xs, reverse=reverse, until=until)
    outputs = [last, total, ys, zs, *ga.grad(last.sum() + ys.sum() * total, [a, xs, h])]
    given = [0.999, np.linspace(0.5, 1.5, 1500), np.zeros(3)]
    whole = ga.function([a, xs, h], outputs, backend="llvm")(*given)
    for most in (1, 1000):
        monkeypatch.setattr(loopentry, "RELEASE", 0)
        monkeypatch.setattr(loopentry, "SLICE", most)
        f = ga.function([a, xs, h], outputs, backend="llvm")
        for one, other in zip(f(*given), whole, strict=True):
            np.testing.assert_array_equal(one, other)
        assert all([code is not None for code in machines(f)])


def test_other_dtypes() -> None:
    xs, n = ga.vector("xs", dtype="float32"), ga.vector("n", dtype="int32")

    def body(c: Any, x: Any) -> Any:
        f, k, flag = c
        return (f * x[0] + ga.exp(-x[0]), k + x[1], flag | (x[0] > 1)), (f, k * 2, flag)

    last, ys = ga.scan(body, (np.float32(0.5), np.int32(1), False), (xs, n))
    given = RNG.normal(size=5).astype("float32"), np.arange(5, dtype="int32")
    check([xs, n], [*last, *ys], *given, rtol=1e-6)
    counted = ga.fori_loop(0, 7, lambda i, c: c * 2 + i.astype("float64"), 1.0)
    check([xs], counted, given[0])


def test_operands_need_not_be_in_order() -> None:
    w, xs = ga.matrix("w", (3, 3)), ga.matrix("xs", (5, 3))
    last, _ = ga.scan(lambda c, x: (w @ c + x, None), xs[0], xs)
    check([w, xs], last, np.asfortranarray(RNG.normal(size=(3, 3))), RNG.normal(size=(10, 3))[::2])


def test_what_has_no_translation_runs_in_python() -> None:
    xs = ga.matrix("xs", (None, 3))
    last, _ = ga.scan(lambda c, x: (ga.sort(c) + x, None), np.zeros(3), xs)
    check([xs], last, RNG.normal(size=(4, 3)), native=False)


def test_other_dtypes_run_in_python() -> None:
    for dtype in ("float16",):
        xs = ga.vector("xs", dtype=dtype)
        start = np.asarray(0.5).astype(dtype)
        last, ys = ga.scan(lambda c, x: (c * x + x, c), start, xs)
        check([xs], [last, ys], np.linspace(0, 1, 5).astype(dtype), native=False, rtol=1e-3)


def test_threads_do_not_disturb_each_other() -> None:
    from concurrent.futures import ThreadPoolExecutor

    a, xs = ga.scalar("a"), ga.vector("xs")
    last, ys = ga.scan(lambda c, x: (ga.sin(a * c) + x, c), 0.0, xs)
    f = ga.function([a, xs], [last, ys], backend="llvm")
    given = [(i / 10, RNG.normal(size=2000)) for i in range(16)]
    expected = [f(*g) for g in given]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda g: f(*g), given))
    for a_, b_ in zip(found, expected, strict=True):
        assert a_[0] == b_[0] and np.array_equal(a_[1], b_[1])


STRONG: dict[str, Any] = {
    "sqrt": lambda h, x, w: ga.where(h > 0, ga.sqrt(ga.where(h > 0, h, 0.0)), 0.0) @ w + x,
    "log": lambda h, x, w: ga.where(h > 0, ga.log(h), 0.0) @ w * 0.5 + x,
    "quotient": lambda h, x, w: (x / h) @ w * 0.1 + h,
    "reciprocal": lambda h, x, w: (ga.where(x > 0, 1 / x, 0.0) * h) @ w * 0.1 + x,
}


@pytest.mark.parametrize("name", STRONG)
def test_zeros_count_in_products_with_what_is_infinite(name: str) -> None:
    """Plain products are tried, and their NaN handed to Python."""
    w, c, xs = ga.matrix("w", (3, 3)), ga.matrix("c", (2, 3)), ga.tensor("xs", (None, 2, 3))
    body = STRONG[name]
    last, ys = ga.scan(lambda h, x: ((new := body(h, x, w)), new[0] * 2), c, xs)
    slopes = ga.grad((last**2).sum() + ys.sum(), [w, c, xs])
    curves = ga.grad(sum([(v * v).sum() for v in slopes]), [w, c, xs])
    f = ga.function([w, c, xs], [last, *slopes, *curves], backend="llvm")
    g = ga.function([w, c, xs], [last, *slopes, *curves], backend="interpreter")
    zeros = np.array([[1.0, 0, 2], [-1, 0, 3]])
    rows = np.array([[[0.0, 1, 0], [0, 0, 1]]] * 3)
    for given in ((np.eye(3) / 2, zeros, rows), (RNG.normal(size=(3, 3)), zeros + 4, rows + 1)):
        for ours, theirs in zip(f(*given), g(*given), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    assert is_native(f)
