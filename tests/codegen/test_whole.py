"""Programs of small arrays as one native function: values, and the way out to NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import kernels, module, whole
from graphad.codegen.native import fused_plan
from graphad.codegen.roles import roles
from graphad.codegen.unfit import Unfit
from graphad.ir.evaluate import evaluate
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.plan import make_plan
from graphad.plan.fuse import fuse
from graphad.rewrite.passes import simplify
from graphad.runtime import tiers
from graphad.testing.samples import Case, all_cases, everyday, inputs_for

pytest.importorskip("llvmlite")

RNG = np.random.default_rng(0)
MARK = "in one native function"


def program(inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[Graph, Any]:
    """The graph after rewriting, and its program; None if it has none."""
    graph, _ = simplify(Graph(inputs, outputs), ())
    plan = make_plan(graph, fuse(graph, roles(kernels.functions())))
    shapes = [v.type.shape for v in inputs]
    return graph, whole.whole_program(plan, shapes, "program")


def assert_equal_to_numpy(graph: Graph, made: Any, arrays: Sequence[Any], bound: float) -> None:
    ordered = [np.array(a, order="C") for a in arrays]
    found = made.run(*[a if a.ndim else a[()] for a in ordered])
    with np.errstate(all="ignore"):
        expected = evaluate(graph, arrays)
    for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


@pytest.fixture(autouse=True)
def short_programs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "LEAST_STEPS", 0)


# ---- networks --------------------------------------------------------------------------------
def recurrent(steps: int) -> tuple[list[Any], list[Any], list[np.ndarray]]:
    w, x = ga.matrix("w", shape=(9, 9)), ga.tensor("x", shape=(steps, 5, 9))
    h = x[0]
    for i in range(1, steps):
        h = ga.tanh(h @ w + x[i])
    cost = ga.mean(h * h)
    arrays = [RNG.normal(size=(9, 9)) / 3, RNG.normal(size=(steps, 5, 9))]
    return [w, x], [cost, *ga.grad(cost, [w, x])], arrays


def test_an_unrolled_network_is_one_native_function() -> None:
    inputs, outputs, arrays = recurrent(6)
    f = ga.function(inputs, outputs, backend="llvm")
    assert MARK in f.source
    expected = ga.function(inputs, outputs, backend="interpreter")(*arrays)
    for a, b in zip(f(*arrays), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert "kernel[" in str(f.plan)
    assert any("matmul" in row.label for row in f.profile(*arrays, seconds=0.01).steps)


def test_its_code_does_not_grow_with_the_number_of_layers() -> None:
    def functions(steps: int) -> int:
        inputs, (cost, slope, _), _ = recurrent(steps)
        graph, _ = simplify(Graph(inputs, [cost, slope]), ())
        plan = make_plan(graph, fuse(graph, roles(kernels.functions())))
        made = whole.Whole(plan, {})
        made.program("program", False)
        return len(made.loops.functions)

    assert functions(20) <= functions(6) + 2


def test_groups_that_are_alike_share_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "LEAST_STEPS", 10**9)
    inputs, (cost, slope, _), arrays = recurrent(12)
    f = ga.function(inputs, [cost, slope], backend="llvm")
    assert f.source.count("kernel") > 20 and "kernel12" not in f.source
    expected = ga.function(inputs, [cost, slope], backend="interpreter")(*arrays)
    for a, b in zip(f(*arrays), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_calls_are_equal_and_results_their_own() -> None:
    inputs, outputs, arrays = recurrent(6)
    f = ga.function(inputs, outputs, backend="llvm")
    first, second = f(*arrays), f(*arrays)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a is not b or not np.ndim(a)


def test_sizes_that_are_met() -> None:
    x, w = ga.matrix("x", shape=("n", 9)), ga.matrix("w", shape=(9, 9))
    h = x
    for _ in range(4):
        h = ga.tanh(h @ w) + h / x.shape[0]
    outputs = [ga.mean(h * h), ga.grad(ga.mean(h * h), w)]
    f, g = (ga.function([x, w], outputs, backend=b) for b in ("llvm", "interpreter"))
    weights = RNG.normal(size=(9, 9))
    for n in (5, 1, 7, 5, 0, 3, 2, 6, 5000):
        rows = RNG.normal(size=(n, 9))
        for a, b in zip(f(rows, weights), g(rows, weights), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        if n in (5, 7):
            assert MARK in f.source
    assert MARK not in f.source  # that was too large


def test_sizes_of_the_calls_that_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "WORTH", 0.0)
    x = ga.matrix("x", shape=("n", 9))
    f = ga.function([x], ga.tanh(ga.tanh(x @ x.T) @ x) @ x.T)
    rows = RNG.normal(size=(5, 9))
    first = f(rows)
    assert f.wait_native()
    np.testing.assert_allclose(f(rows), first, rtol=1e-12)
    assert MARK in f.source
    assert f(np.ones((2, 9))).shape == (2, 2)


def test_arrays_in_another_order_are_copied() -> None:
    inputs, outputs, arrays = recurrent(6)
    f = ga.function(inputs, outputs, backend="llvm")
    turned = [np.asfortranarray(a) for a in arrays]
    for a, b in zip(f(*turned), f(*arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_zeros_that_a_product_keeps_go_to_numpy() -> None:
    x, w = ga.matrix("x", shape=(4, 4)), ga.matrix("w", shape=(4, 4))
    y = ga.where(x > 0, ga.log(x) @ w, 0.0)
    slopes = ga.grad(ga.sum(ga.tanh(y) * y + y @ x), [x, w])
    f = ga.function([x, w], slopes, backend="llvm")
    g = ga.function([x, w], slopes, backend="interpreter")
    for fill in (0.0, np.inf, np.nan):
        a, b = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
        a[1, 2] = b[2, 1] = fill
        for found, expected in zip(f(a, b), g(a, b), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_what_it_leaves_alone() -> None:
    x = ga.matrix("x", shape=(400, 400))
    large = [ga.tanh(x) @ x @ x @ x + 1]
    assert program([x], large)[1] is None
    y = ga.matrix("y", shape=(3, 3))
    assert program([y], [ga.linalg.inv(y) @ ga.exp(y)])[1] is None


def test_sizes_are_those_it_was_made_for() -> None:
    x = ga.matrix("x", shape=(3, 4))
    _, made = program([x], [ga.tanh(x) @ x.T])
    with pytest.raises(Unfit):
        made.run(np.ones((3, 5)))


# ---- products --------------------------------------------------------------------------------
SIZES = [(1, 1, 1), (1, 9, 5), (3, 4, 2), (16, 32, 32), (7, 13, 9), (8, 8, 1), (33, 5, 17),
         (9, 41, 12), (20, 70, 3), (64, 64, 64)]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products_of_all_sizes_and_orders(dtype: str, bits: int) -> None:
    inputs, outputs, arrays = [], [], []
    for m, n, k in SIZES:
        for turned in range(4):
            shapes = [(k, m) if turned & 1 else (m, k), (n, k) if turned & 2 else (k, n)]
            a, b = (ga.matrix(None, shape=s, dtype=dtype) for s in shapes)
            inputs += [a, b]
            outputs.append((a.T if turned & 1 else a) @ (b.T if turned & 2 else b))
            arrays += [RNG.normal(size=s).astype(dtype) for s in shapes]
    graph, made = program(inputs, outputs)
    assert made is not None
    assert_equal_to_numpy(graph, made, arrays, 1e-12 if dtype == "float64" else 3e-5)


def test_stacks_of_products_and_vectors() -> None:
    shapes = [((4, 3, 5), (4, 5, 9)), ((4, 3, 5), (5, 9)), ((3, 5), (4, 5, 9)), ((5,), (5, 9)),
              ((3, 5), (5,)), ((5,), (5,)), ((2, 4, 3, 5), (2, 4, 5, 9)),
              ((2, 1, 3, 5), (5, 1))]  # fmt: skip
    for one, other in shapes:
        a, b = ga.tensor("a", shape=one), ga.tensor("b", shape=other)
        graph, made = program([a, b], [a @ b + 1])
        if made is not None:
            assert_equal_to_numpy(
                graph, made, [RNG.normal(size=one), RNG.normal(size=other)], 1e-12
            )
    a, b = ga.tensor("a", shape=(4, 3, 5)), ga.tensor("b", shape=(4, 9, 5))
    graph, made = program([a, b], [a @ b.mT])
    assert made is not None
    assert_equal_to_numpy(
        graph, made, [RNG.normal(size=(4, 3, 5)), RNG.normal(size=(4, 9, 5))], 1e-12
    )


def test_special_numbers_go_through_products() -> None:
    a, b = ga.matrix("a", shape=(6, 6)), ga.matrix("b", shape=(6, 6))
    graph, made = program([a, b], [a @ b, b.T @ a])
    one, other = RNG.normal(size=(6, 6)), RNG.normal(size=(6, 6))
    one[0, 0], one[1, 2], other[3, 3] = np.inf, np.nan, -np.inf
    assert_equal_to_numpy(graph, made, [one, other], 1e-12)


# ---- the table of ops ------------------------------------------------------------------------
EVERYDAY = sorted(everyday())[::12]


def assert_case(case: Case) -> None:
    """Values, and slopes of a function of them, where they are one native function."""
    variables = inputs_for(case.arrays, "static")
    results = case.build(*variables)
    floats = [r for r in results if r.dtype.kind == "f"]
    wanted = [v for v in variables if v.dtype.kind == "f"]
    outputs = [results]
    if floats and wanted:
        try:
            cost = sum(ga.sum(ga.cos(r)) for r in floats)
            outputs.append(ga.grad(cost, wanted, disconnected="zero"))
        except ga.GraphadError:
            pass  # it has no derivative
    for several in outputs:
        graph, made = program(variables, several)
        single = any(t.dtype == np.float32 for node in graph.nodes for t in node.types)
        if made is not None:
            assert_equal_to_numpy(graph, made, case.arrays, 1e-5 if single else 1e-12)


def cases(names: Sequence[str]) -> dict[str, Case]:
    return {str(case): case for case in all_cases() if str(case) in names}


def test_some_operations() -> None:
    for case in cases(EVERYDAY).values():
        assert_case(case)


@pytest.mark.full
@pytest.mark.parametrize("name", list(OPS.entries))
def test_all_operations(name: str) -> None:
    for case in all_cases():
        if case.entry.name == name:
            assert_case(case)


def test_plans_without_groups_are_not_asked_for() -> None:
    x = ga.matrix("x", shape=(3, 3))
    assert fused_plan(Graph([x], [x @ x])) is None


# ---- groups of a single row ------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1, 7, 8, 17, 100, 16_384, 16_385])
def test_rows_of_any_length(size: int, dtype: str) -> None:
    """Elements, sums, truth values, passes that need a reduction of an earlier one."""
    x, y = ga.tensor("x", (size,), dtype=dtype), ga.tensor("y", (size,), dtype=dtype)
    z = ga.exp(x - x.max()) * y
    outputs = [z / z.sum(), x > y, ga.sum(x * y), ga.any(x > 2.0), (x + 1.0) * y[0], ga.min(z)]
    graph, made = program([x, y], outputs)
    bound = 1e-13 if dtype == "float64" else 1e-5
    arrays = [RNG.normal(size=size).astype(dtype) for _ in range(2)]
    for special in ([], [np.nan, -np.inf, -0.0, np.inf]):
        arrays[0][: len(special)] = special[:size]
        assert_equal_to_numpy(graph, made, arrays, bound)


# ---- many calls ------------------------------------------------------------------------------
def test_many_calls_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits; inputs, constants, results and temporaries among the places."""
    inputs, outputs, arrays = recurrent(8)
    outputs = [*outputs, outputs[1] * RNG.normal(size=(9, 9)), outputs[0] > 0.1]
    monkeypatch.setattr(module, "MANY", 10**9)
    graph, written_out = program(inputs, outputs)
    monkeypatch.setattr(module, "MANY", 1)
    _, table = program(inputs, outputs)
    for a, b in zip(written_out.run(*arrays), table.run(*arrays), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_equal_to_numpy(graph, table, arrays, 1e-12)
    x = ga.scalar("x")
    graph, table = program([x], [ga.exp(x) * np.arange(3.0), x + 1.0])
    assert_equal_to_numpy(graph, table, [np.float64(0.3)], 1e-14)
    if table is not None:
        assert MARK in table.source


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_groups_that_differ_in_numbers_share_a_function(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are parameters then, and results the same bits."""
    x, y = ga.tensor("x", (11,), dtype=dtype), ga.tensor("y", (3,), dtype=dtype)
    w = ga.constant(RNG.normal(size=(11, 11)).astype(dtype) / 3)
    inputs, outputs = [x, y], list[Any]()
    for i in range(6):
        z = ga.sin(x * (1.0 + i / 7)) + (i - 2.5)
        outputs += [ga.where(z > 0.1 * i, z ** (1 + i % 3), 0.25 * i), (z - i / 3).sum()]
        outputs.append((y * y[0] - 0.1 * i).max())
        x = z @ w  # what follows is another group
    monkeypatch.setattr(whole, "MANY_GROUPS", 10**9)
    graph, apart = program(inputs, outputs)
    monkeypatch.setattr(whole, "MANY_GROUPS", 1)
    _, shared = program(inputs, outputs)
    arrays = [RNG.normal(size=n).astype(dtype) for n in (11, 3)]
    for a, b in zip(apart.run(*arrays), shared.run(*arrays), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_equal_to_numpy(graph, shared, arrays, 1e-12 if dtype == "float64" else 1e-4)
