"""Products with what is done to them in one kernel: the bits of both apart, values of NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import folding, gemm, native
from graphad.errors import InputShapeError

pytest.importorskip("llvmlite")

RNG = np.random.default_rng(0)
A, B, C = ga.matrix("a", ("m", "k")), ga.matrix("b", ("k", "n")), ga.matrix("c", ("m", "n"))
T, U = ga.matrix("t", ("k", "m")), ga.matrix("u", ("n", "k"))
ROW, COLUMN, S = ga.vector("row", ("n",)), ga.matrix("column", ("m", 1)), ga.scalar("s")
INPUTS = [A, B, C, T, U, ROW, COLUMN, S]
SIZES = [(40, 70, 5), (4, 33, 1), (193, 130, 66), (3, 40, 7), (7, 2, 3), (1, 1, 1), (30, 8, 3),
         (1300, 13, 4)]  # m, n, k  # fmt: skip


def arrays(m: int, n: int, k: int, dtype: str = "float64") -> list[np.ndarray]:
    shapes = [(m, k), (k, n), (m, n), (k, m), (n, k), (n,), (m, 1), ()]
    return [RNG.normal(size=shape).astype(dtype) for shape in shapes]


def is_folded(f: ga.Function) -> bool:
    return any([s.group is not None and s.group.product is not None for s in f.plan.steps])


def apart(inputs: Sequence[Any], outputs: Any, patch: pytest.MonkeyPatch) -> list[ga.Function]:
    """A function with products folded, and one with products and loops apart."""
    made = [ga.function(inputs, outputs, backend="llvm", unused="ignore")]
    patch.setattr(native, "fold_products", lambda _, units: units)
    made.append(ga.function(inputs, outputs, backend="llvm", unused="ignore"))
    patch.undo()
    assert not is_folded(made[1])
    return made


def same(found: Any, expected: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


CASES: dict[str, Callable[[], list[Any]]] = {
    "scale": lambda: [A @ B * 2.5],
    "scale and added matrix": lambda: [A @ B * 2.5 + C * S],
    "biases": lambda: [ga.tanh(A @ B + ROW)],
    "one for each row": lambda: [ga.exp(-abs(A @ B)) * COLUMN - COLUMN],
    "mask": lambda: [ga.where(C > 0, ga.maximum(A @ B + ROW, 0), C)],
    "several results": lambda: [(z := A @ B + ROW), ga.sin(z), z > 0],
    "another dtype as well": lambda: [(z := A @ B * 2).astype("float32"), z + 1],
    "operands turned": lambda: [T.T @ B + C, A @ U.T - ROW, T.T @ U.T * S],
    "an operand added": lambda: [ga.tanh(A @ A.T) + A @ A.T, A @ A.T * S + (A - 1) @ T],
    "steps in the added matrix": lambda: [A @ B + ga.concatenate([C, C], axis=1)[:, ::2]],
    "two products": lambda: [A @ B + T.T @ U.T],
    "a product of one": lambda: [ga.tanh(ga.tanh(A @ B + ROW) @ U + A)],
    "momentum": lambda: [(v := 0.9 * C - 0.1 * (A @ B)), C * 2 + v],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = CASES[name]()
    folded, other = apart(INPUTS, outputs, monkeypatch)
    assert is_folded(folded)
    others = [ga.function(INPUTS, outputs, backend=b, unused="ignore")
              for b in ("auto", "numpy", "interpreter")]  # fmt: skip
    for sizes in SIZES:
        given = arrays(*sizes)
        found = folded(*given)
        same(found, other(*given))
        for f in others:
            for a, b in zip(found, f(*given), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


REDUCING: dict[str, Callable[[], list[Any]]] = {
    "total": lambda: [ga.sum((A @ B - C) ** 2)],
    "largest and whether any": lambda: [ga.max(A @ B * 2), ga.any(A @ B > 3, axis=0)],
    "sums of columns": lambda: [ga.sum(ga.tanh(A @ B + ROW), axis=0)],
    "columns and elements": lambda: [(d := A @ B * (1 - C * C)), ga.sum(d, axis=0), ga.sum(d)],
    "sums of rows": lambda: [ga.sum(A @ B + C, axis=1), ga.prod(A @ B, axis=1, keepdims=True)],
    "softmax": lambda: [ga.softmax(A @ B * S + ROW, axis=1)],
    "log-sum-exp": lambda: [ga.logsumexp(COLUMN - A @ B, axis=1), ga.sum(ga.logsumexp(A @ B, 1))],
    "elements early and late": lambda: [(z := A @ B + ROW), z - ga.max(z, axis=1, keepdims=True)],
    "truth values": lambda: [A @ B > 0, (A @ B > C).astype("int32")],
    "back through a softmax": lambda: [
        (p := C * (A @ B)) - C * ga.sum(p, axis=1, keepdims=True), ga.sum(p, axis=0)],
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCING)
def test_reductions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = REDUCING[name]()
    folded, other = apart(INPUTS, outputs, monkeypatch)
    assert is_folded(folded)
    reference = ga.function(INPUTS, outputs, backend="interpreter", unused="ignore")
    for sizes in [*SIZES, (50, 1100, 3), (30, 200, 80), (600, 40, 8)]:
        given = arrays(*sizes)
        found = folded(*given)
        for f in (other, reference):
            for a, b in zip(found, f(*given), strict=True):
                assert np.asarray(a).dtype == np.asarray(b).dtype
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_widths_of_registers(bits: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = ga.matrix("a", ("m", "k"), dtype), ga.matrix("b", ("k", "n"), dtype)
    c, row = ga.matrix("c", ("m", "n"), dtype), ga.vector("row", ("n",), dtype)
    f, g = apart([a, b, c, row], ga.tanh(a @ b * 0.5 + c) - row, monkeypatch)
    assert is_folded(f)
    for sizes in [(200, 140, 3), (30, 1100, 20), (9, 50, 100)]:
        given = [x for i, x in enumerate(arrays(*sizes, dtype)) if i in (0, 1, 2, 5)]
        turned = [np.asfortranarray(given[0]), np.asfortranarray(given[1]), *given[2:]]
        for one in (given, turned):
            same([f(*one)], [g(*one)])


@pytest.mark.usefixtures("shared")
def test_threads() -> None:
    z = ga.tanh(A @ B) * 0.5 + C
    outputs = [z, ga.sum(z, axis=0), ga.sum(z * z), ga.softmax(A @ B + 1, axis=1)]
    made = [ga.function([A, B, C], outputs, backend="llvm", threads=n) for n in (1, 2, 4)]
    reference = ga.function([A, B, C], outputs, backend="interpreter")
    for sizes in [(500, 300, 7), (300, 200, 70)]:
        given = arrays(*sizes)[:3]
        first, *others = [f(*given) for f in made]
        for a, b in zip(first, reference(*given), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
        for other in others:
            same(first, other)


def test_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = ga.tensor("a", ("s", "m", "k")), ga.tensor("b", ("s", "k", "n"))
    c, w, row = ga.tensor("c", ("s", "m", "n")), ga.matrix("w", ("k", "n")), ga.vector("r", ("n",))
    inputs = [a, b, c, w, row]
    outputs = [ga.tanh(a @ b) * 0.5 + c, ga.maximum(a @ w + row, 0), w.T @ (b - 1) - row,
               ga.softmax((a * 2) @ b, axis=-1), (d := (a - 1) @ w - row), ga.sum(d, axis=1),
               ga.sum(c * ((a + 2) @ b), axis=1)]  # fmt: skip
    f, g = apart(inputs, outputs, monkeypatch)
    assert sum([s.group is not None and s.group.product is not None for s in f.plan.steps]) == 6
    for s, m, n, k in [
        (3, 30, 50, 4),
        (1, 200, 140, 10),
        (4, 3, 40, 5),
        (2, 50, 200, 70),
        (9, 300, 8, 3),
    ]:
        given = [RNG.normal(size=v) for v in ((s, m, k), (s, k, n), (s, m, n), (k, n), (n,))]
        found, expected = f(*given), g(*given)
        same(found[:5], expected[:5])
        for x, y in zip(found[5:], expected[5:], strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)


def test_sizes_of_nothing() -> None:
    f = ga.function([A, B, C], A @ B * 2 + C, backend="llvm")
    for m, n, k in [(40, 50, 0), (0, 50, 3), (40, 0, 3)]:
        given = arrays(m, n, k)[:3]
        np.testing.assert_array_equal(f(*given), given[0] @ given[1] * 2 + given[2])
    with pytest.raises(InputShapeError):
        f(*arrays(40, 50, 2)[:2], np.ones((39, 50)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_numbers() -> None:
    """A scale of zero leaves the NaN of an infinity, as in the graph."""
    f = ga.function([A, B, C, S], S * (A @ B) + C, backend="llvm")
    a, b, c = arrays(40, 50, 4)[:3]
    a[0, 0], a[1, 1], b[2, 3], c[5, 5], c[6, 6] = np.inf, np.nan, -np.inf, np.nan, np.inf
    for s in (0.0, 1.0, -0.0, np.inf):
        np.testing.assert_allclose(f(a, b, c, s), s * (a @ b) + c, rtol=1e-12, atol=1e-12)


def test_large_products_go_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm, "MOST", 1000)
    gemm._library.cache_clear()
    z = ga.tanh(A @ B) + C
    f = ga.function([A, B, C], [z, ga.sum(z, axis=0), ga.max(A @ B, axis=1)], backend="llvm")
    gemm._library.cache_clear()
    a, b, c = arrays(40, 50, 6)[:3]
    expected = np.tanh(a @ b) + c
    for found, wanted in zip(f(a, b, c), [expected, expected.sum(0), (a @ b).max(1)], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


def test_results_in_given_and_donated_memory() -> None:
    f = ga.function([A, B, C], A @ B * 0.1 + C, backend="llvm", donate=[C])
    a, b, c = arrays(300, 400, 5)[:3]
    expected = a @ b * 0.1 + c
    out = np.empty((300, 400))
    assert f(a, b, c, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    for place in (c, a):  # memory that is read
        given = [a.copy(), b, c.copy()]
        target = given[2] if place is c else np.empty((300, 400))
        np.testing.assert_allclose(f(*given, out=target), expected, rtol=1e-12)
    bad = out.copy()
    with pytest.raises(InputShapeError):
        f(a, b, c, out=out[1:])
    np.testing.assert_array_equal(out, bad)


def test_rows_that_no_piece_holds_stay_apart() -> None:
    for k, n, folded in [(100, 200, False), (64, 200, True), (100, 128, True), (8, 1030, False)]:
        a, b = ga.matrix("a", (50, k)), ga.matrix("b", (k, n))
        f = ga.function([a, b], ga.softmax(a @ b, axis=1), backend="llvm")
        assert is_folded(f) == folded, (k, n)


def test_many_pieces_with_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MOST", 2)
    f = ga.function([A, B], ga.sum(ga.tanh(A @ B)), backend="llvm")
    for m in (30, 3000):
        a, b = arrays(m, 50, 6)[:2]
        np.testing.assert_allclose(f(a, b), np.tanh(a @ b).sum(), rtol=1e-11, atol=1e-11)


def test_what_stays_apart() -> None:
    whole, parts = ga.matrix("i", ("m", "m"), "int64"), ga.matrix("z", ("m", "m"), "complex128")
    plain = [
        [A @ B, A @ B + C],  # the product is a result as well
        [whole @ whole + 1],
        [parts @ parts + 1],
        [(A @ B)[:, None] * ga.exp(C)[:, :, None]],  # every number of it is used several times
    ]
    stack = ga.tensor("stack", ("s", "m", "k"))
    plain += [[ga.sum(ga.exp(stack @ B), axis=(0, 1))]]  # sums of its own for every matrix
    for outputs in plain:
        f = ga.function([*INPUTS, whole, parts, stack], outputs, backend="llvm", unused="ignore")
        assert not is_folded(f), outputs


def test_gradients() -> None:
    """Weight decay and a step of gradient descent are part of the gradient's product."""
    x, w = ga.matrix("x", ("r", 40)), ga.matrix("w", (40, 50))
    b, y = ga.vector("b", (50,)), ga.matrix("y", ("r", 50))
    loss = ga.sum((ga.tanh(x @ w + b) - y) ** 2) / x.shape[0] + 0.01 * ga.sum(w * w)
    gw, gb = ga.grad(loss, [w, b])
    f, g = (ga.function([x, w, b, y], [w - 0.1 * gw, b - 0.1 * gb], backend=k)
            for k in ("llvm", "interpreter"))  # fmt: skip
    last = next(s for s in f.plan.steps if len(s.node.types[0].shape) == 2
                and s.node.types[0].shape == (40, 50))  # fmt: skip
    assert last.group is not None and last.group.product is not None
    given = [RNG.normal(size=s) for s in ((300, 40), (40, 50), (50,), (300, 50))]
    for a, expected in zip(f(*given), g(*given), strict=True):
        np.testing.assert_allclose(a, expected, rtol=1e-11, atol=1e-11)


def test_the_plan_tells() -> None:
    f = ga.function([A, B, C], A @ B * 2 + C, backend="llvm", deterministic=True)
    text = str(f.plan)
    assert "kernel[j<m, j<n](a @ b, 2.0, c)" in text and "of matmul, multiply, add" in text
    assert f.cost().flops == ga.function([A, B, C], A @ B * 2 + C, backend="numpy").cost().flops
    assert "kernel0(a, b, c, " in f.source
    rows = f.profile(*arrays(40, 50, 6)[:3], seconds=0.01).steps
    assert [row.label.split("  ")[0] for row in rows] == ["matmul multiply add"]


# ---- at random -------------------------------------------------------------------------------
UNARY = [ga.tanh, ga.exp, abs, lambda v: ga.maximum(v, 0), lambda v: v * 0.3, lambda v: -v]
BINARY = [ga.add, ga.subtract, ga.multiply, ga.maximum, lambda a, b: ga.where(a > b, a, b * 2)]


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)

    def one(options: Sequence[Any]) -> Any:
        return options[int(rng.integers(len(options)))]

    value = one([A, T.T, ga.tanh(A)]) @ one([B, U.T])
    kept = []
    for _ in range(int(rng.integers(1, 6))):
        if rng.integers(2):
            value = one(UNARY)(value)
        else:
            pair = [value, one([C, ROW, COLUMN, S, C.T.T, ga.exp(C), ga.sum(C, axis=0), 0.5])]
            value = one(BINARY)(*(pair if rng.integers(2) else pair[::-1]))
        kept += [value] if rng.integers(4) == 0 else []
    ends = [ga.sum(value, axis=0), ga.sum(value), ga.max(value, axis=1), ga.softmax(value, axis=1)]
    outputs = [*kept, value if rng.integers(2) else one(ends)]
    f, g = apart(INPUTS, outputs, monkeypatch)
    reference = ga.function(INPUTS, outputs, backend="interpreter", unused="ignore")
    for _ in range(3):
        given = arrays(*[int(n) for n in rng.integers(1, [60, 200, 90])])
        for found in (f(*given), g(*given)):
            for a, b in zip(found, reference(*given), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_code_kept_on_disk(tmp_path: Any) -> None:
    given = arrays(40, 50, 6)[:3]
    expected = given[0] @ given[1] * 2 + given[2]
    for _ in range(2):
        f = ga.function([A, B, C], A @ B * 2 + C, backend="llvm", cache=str(tmp_path))
        np.testing.assert_allclose(f(*given), expected, rtol=1e-12)
        assert is_folded(f)
    assert len(list(tmp_path.iterdir())) >= 2
