"""Loops made smaller: each rule by equality of graphs, then values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.ir.families.loops import Scan
from graphad.rewrite import passes
from graphad.rewrite.loops import improve
from graphad.rewrite.passes import simplify

XS = np.random.default_rng(0).normal(size=(6, 3))


def rewritten(inputs: Any, outputs: Any) -> ga.Graph:
    return simplify(ga.Graph(inputs, outputs))[0]


def loops(graph: ga.Graph) -> list[Any]:
    return [node for node in graph.nodes if isinstance(node.op.family, Scan)]


def assert_same(inputs: Any, outputs: Any, expected: Any) -> None:
    """Both become the same graph, and compute the same as neither rewritten."""
    found, wanted = rewritten(inputs, outputs), rewritten(inputs, expected)
    assert found == wanted, f"{ga.listing(found)}\n\n{ga.listing(wanted)}"


def test_equal_loops_become_one() -> None:
    a, xs = ga.scalar("a"), ga.vector("xs")

    def loop(y: Any) -> Any:
        return ga.scan(lambda c, x: (ga.sin(a * c) + x, y(c)), 0.0, xs)

    (last, ys), (again, zs) = loop(lambda c: c), loop(lambda c: c * 2)
    both, (ones, twos) = loop(lambda c: (c, c * 2))
    assert_same([a, xs], [last, ys, again, zs], [both, ones, both, twos])


def test_loops_over_the_same_steps_become_one() -> None:
    xs, zs = ga.vector("xs", 6), ga.vector("zs", 6)
    first, _ = ga.scan(lambda c, x: (c * x, None), 1.0, xs)
    second, _ = ga.scan(lambda c, x: (c + x, None), 0.0, zs)
    (p, s), _ = ga.scan(lambda c, x: ((c[0] * x[0], c[1] + x[1]), None), (1.0, 0.0), (xs, zs))
    assert_same([xs, zs], [first, second], [p, s])


def test_a_loop_that_needs_another_stays_behind_it() -> None:
    xs = ga.vector("xs", 6)
    first, ys = ga.scan(lambda c, x: (c * x, c), 1.0, xs)
    second, _ = ga.scan(lambda c, x: (c * 0.5 + x, None), 0.0, ys)
    assert len(loops(rewritten([xs], [first, second]))) == 2


def test_the_gradient_shares_the_forward_loop() -> None:
    a, xs = ga.scalar("a"), ga.vector("xs")
    last, ys = ga.scan(lambda c, x: (ga.sin(a * c) + x, c), 0.0, xs)
    graph = rewritten([a, xs], [last, ys, ga.grad(last, a)])
    assert [n.op.params["backward"] for n in loops(graph)] == [False, True]
    assert loops(graph)[0].op.params["outputs"] == 1  # c, from which cos(a c) is made afterwards
    assert "cos" in [node.op.name for node in graph.nodes]


def test_numbers_that_no_step_reads_are_computed_after_the_loop() -> None:
    a, xs = ga.scalar("a"), ga.vector("xs", (40,))

    def body(c: Any, x: Any) -> Any:
        new = ga.sin(a * c) * x
        return new, (c, ga.exp(-c * a) + x, ga.where(new > 0, new, x), c > 0)

    last, (cs, es, ws, bs) = ga.scan(body, 0.5, xs)
    # new is stacked instead of what is made of it
    both, (c, n) = ga.scan(lambda c, x: ((new := ga.sin(a * c) * x), (c, new)), 0.5, xs)
    wanted = [both, c, ga.exp(-c * a) + xs, ga.where(n > 0, n, xs), c > 0]
    assert_same([a, xs], [last, cs, es, ws, bs], wanted)
    # twice as many values of a step as results: they stay where they are
    last, ys = ga.scan(lambda c, x: ((p := ga.sin(c) * x) - (q := ga.cos(c) + x), p * q), 0.5, xs)
    (loop,) = loops(rewritten([xs], [last, ys]))
    assert loop.op.params["outputs"] == 1 and len(loop.op.params["graph"].nodes) == 6
    # as do results of few steps, of vectors, and of loops that end by themselves
    for count, start in ((31, 0.5), (40, np.ones(2))):
        zs = ga.vector("zs", (count,))
        last, ys = ga.scan(lambda c, x: (c * x, ga.exp(c)), start, zs)
        (loop,) = loops(rewritten([zs], [last, ys]))
        assert "exp" in [node.op.name for node in loop.op.params["graph"].nodes]


def test_equal_carries_become_one() -> None:
    xs = ga.vector("xs", 6)
    (a, b), _ = ga.scan(lambda c, x: ((c[0] * x, c[1] * x), None), (1.0, 1.0), xs)
    one, _ = ga.scan(lambda c, x: (c * x, None), 1.0, xs)
    assert_same([xs], [a, b], [one, one])


def test_what_nobody_reads_goes() -> None:
    xs, zs = ga.vector("xs", 6), ga.vector("zs", 6)
    (a, _), (ys, _) = ga.scan(
        lambda c, x: ((c[0] * x[0], c[1] + x[1]), (c[0], ga.exp(x[1]))), (1.0, 0.0), (xs, zs)
    )
    one, rows = ga.scan(lambda c, x: (c * x, c), 1.0, xs)
    assert_same([xs, zs], [a, ys], [one, rows])


def test_a_carry_that_stays_is_an_operand() -> None:
    h, xs = ga.scalar("h"), ga.vector("xs", 6)
    (a, b), _ = ga.scan(lambda c, x: ((c[0] * x + c[1], c[1]), None), (1.0, h), xs)
    one, _ = ga.scan(lambda c, x: (c * x + h, None), 1.0, xs)
    assert_same([h, xs], [a, b], [one, h])


def test_what_stays_is_computed_before() -> None:
    h, xs = ga.scalar("h"), ga.vector("xs", 6)
    found, _ = ga.scan(lambda c, x: ((c[0] * x + ga.exp(c[1]), c[1]), None), (1.0, h), xs)
    e = ga.exp(h)
    one, _ = ga.scan(lambda c, x: (c * x + e, None), 1.0, xs)
    assert_same([h, xs], [found[0]], [one])


def test_results_read_at_the_last_step_are_carried() -> None:
    xs = ga.vector("xs", 6)
    for reverse in (False, True):
        _, ys = ga.scan(lambda c, x: (c * x, ga.sin(c)), 1.0, xs, reverse=reverse)
        (_, y), _ = ga.scan(lambda c, x: ((c[0] * x, ga.sin(c[0])), None), (1.0, 0.0), xs,
                            reverse=reverse)  # fmt: skip
        assert_same([xs], [ys[0 if reverse else -1]], [y])
        assert loops(rewritten([xs], [ys[1]]))[0].op.params["outputs"] == 1


def test_products_with_rows_come_first() -> None:
    w, xs = ga.matrix("w", (3, 4)), ga.matrix("xs", (6, 3))
    found, _ = ga.scan(lambda c, x: (ga.tanh(c + x @ w), None), np.zeros(4), xs)
    one, _ = ga.scan(lambda c, z: (ga.tanh(c + z), None), np.zeros(4), xs @ w)
    assert_same([w, xs], [found], [one])


def test_sums_of_products_come_last() -> None:
    xs, zs = ga.tensor("xs", (6, 2, 3)), ga.tensor("zs", (6, 2, 4))
    found, _ = ga.scan(lambda c, p: (c + p[0].T @ p[1], None), np.zeros((3, 4)), (xs, zs))
    graph = rewritten([xs, zs], [found])
    assert not loops(graph) and [n.op.name for n in graph.nodes].count("matmul") == 1
    u, v = ga.matrix("u", (6, 3)), ga.matrix("v", (6, 4))
    outer, _ = ga.scan(lambda c, p: (c + p[0][:, None] * p[1], None), np.zeros((3, 4)), (u, v))
    assert not loops(rewritten([u, v], [outer]))
    a, b = np.random.default_rng(1).normal(size=(2, 6, 2, 3)), XS
    f = ga.function([xs, zs], found)
    g = ga.function([xs, zs], found, backend="interpreter")
    given = a[0], np.random.default_rng(2).normal(size=(6, 2, 4))
    np.testing.assert_allclose(f(*given), g(*given), rtol=1e-12)
    h = ga.function([u, v], outer)
    np.testing.assert_allclose(h(b, given[1][:, 0]), b.T @ given[1][:, 0], rtol=1e-12)


def test_products_of_results_come_last() -> None:
    w, xs = ga.matrix("w", (3, 3)), ga.matrix("xs", (6, 3))
    _, ys = ga.scan(lambda c, x: (ga.sin(c * x), c @ w), np.ones(3), xs)
    _, cs = ga.scan(lambda c, x: (ga.sin(c * x), c), np.ones(3), xs)
    assert_same([w, xs], [ys], [cs @ w])


def test_weights_of_a_network_get_one_product() -> None:
    """The gradient by the weights of a recurrence adds up no matrices inside the loop."""
    w, v, xs = ga.matrix("w", (3, 3)), ga.matrix("v", (3, 3)), ga.tensor("xs", (6, 2, 3))
    last, _ = ga.scan(lambda c, x: (ga.tanh(c @ w + x @ v), None), np.zeros((2, 3)), xs)
    graph = rewritten([w, v, xs], [last, *ga.grad((last**2).sum(), [w, v])])
    shapes = [v.type.shape for node in loops(graph) for v in node.op.params["graph"].outputs]
    assert (3, 3) not in shapes and len(loops(graph)) == 2
    inside = [n.op.name for node in loops(graph) for n in node.op.params["graph"].nodes]
    assert inside.count("matmul") == 2  # c @ w and its cotangent


def test_a_loop_without_carries_is_one_expression() -> None:
    w, xs = ga.matrix("w", (3, 4)), ga.matrix("xs", (None, 3))
    ys = ga.map(lambda x: {"a": ga.tanh(x @ w), "b": ga.softmax(x).sum()}, xs)
    assert not loops(rewritten([w, xs], [ys["a"], ys["b"]]))
    assert_same([xs], [ga.map(lambda x: ga.sin(x) * x[0], xs)], [ga.sin(xs) * xs[:, 0][:, None]])
    big = ga.map(lambda x: (x[:, None] * np.ones(100)).sum(), xs)
    assert loops(rewritten([xs], [big]))  # a hundred times the memory of its rows
    f, g = (ga.function([w, xs], ys, backend=b) for b in ("numpy", "interpreter"))
    for steps in (6, 0):
        ours, theirs = (h(np.ones((3, 4)), XS[:steps]) for h in (f, g))
        np.testing.assert_allclose(ours["a"], theirs["a"])
        np.testing.assert_allclose(ours["b"], theirs["b"])


def test_sums_over_rows_are_one_sum() -> None:
    xs = ga.matrix("xs", (6, 3))
    total = ga.reduce(lambda c, x: c + ga.sin(x) * x, xs, np.ones(3))
    assert_same([xs], [total], [1.0 * np.ones(3) + (ga.sin(xs) * xs).sum(axis=0)])


def test_nested_loops_are_made_smaller_too() -> None:
    xs = ga.matrix("xs", (6, 3))

    def outer(c: Any, x: Any) -> Any:
        (a, b), _ = ga.scan(lambda d, e: ((d[0] * e, d[1] * e), None), (c, c), x)
        return a + b, None

    (node,) = loops(rewritten([xs], [ga.scan(outer, 1.0, xs)[0]]))
    (inner,) = loops(node.op.params["graph"])
    assert inner.op.params["carries"] == 1


def test_values_are_those_of_the_interpreter() -> None:
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.matrix("xs", (None, 3))

    def body(c: Any, x: Any) -> Any:
        new = {"a": ga.tanh(w @ c["a"] + x @ w), "b": c["b"], "d": ga.tanh(w @ c["d"] + x @ w)}
        return new, [c["a"] @ w, c["b"] * x, x]

    last, ys = ga.scan(body, {"a": h, "b": h, "d": h}, xs)
    cost = sum([(v**2).sum() for v in ga.tree.flatten((last, ys))[0]])
    outputs = [last, ys, ga.grad(cost, [w, h, xs])]
    given = XS[:3], XS[3], XS
    for steps in (6, 1, 0):
        results = [ga.function([w, h, xs], outputs, backend=b)(*given[:2], XS[:steps])
                   for b in ("interpreter", "numpy", "llvm")]  # fmt: skip
        flat = [ga.tree.flatten(r)[0] for r in results]
        for a, b, c in zip(*flat, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(c, a, rtol=1e-11, atol=1e-13)


def test_many_loops_cost_what_they_are() -> None:
    """A chain of loops and its gradient: each loop is made smaller once."""
    x, ws = ga.matrix("x", (5, 4)), [ga.scalar(f"w{i}") for i in range(12)]
    h: Any = x
    for w in ws:
        _, h = ga.scan(lambda c, r, w=w: (ga.tanh(c * w + r), c), np.zeros(4), h)
    graph = ga.Graph([x, *ws], [h, *ga.grad(h.sum(), ws)])
    calls: list[int] = []

    def counted(body: ga.Graph) -> ga.Graph:
        calls.append(1)
        return simplify(body)[0]

    found = improve(graph, counted)
    assert len(loops(found)) <= 2 * len(ws) and len(calls) <= 8 * len(ws)


def test_loops_in_loops_are_simplified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop more around it costs so many sweeps more, not twice as many."""
    sweeps: list[int] = []

    def counted(graph: ga.Graph, tables: Any) -> Any:
        sweeps.append(1)
        return rewrite(graph, tables)

    rewrite = passes.rewrite
    monkeypatch.setattr(passes, "rewrite", counted)

    def nest(depth: int, c: Any, x: Any) -> Any:
        if not depth:
            return ga.tanh(c * x)
        return ga.scan(lambda c, x: (nest(depth - 1, c, x), None), c, ga.stack([x, 2 * x]))[0]

    counts, a, b = [], ga.scalar("a"), ga.scalar("b")
    for depth in range(2, 6):
        y = nest(depth, a, b)
        sweeps.clear()
        found = ga.function([a, b], [y, *ga.grad(y, [a, b])], backend="numpy")(0.7, 0.3)
        wanted = ga.function([a, b], [y, *ga.grad(y, [a, b])], backend="interpreter")(0.7, 0.3)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        counts.append(len(sweeps))
    assert max(np.diff(counts)) <= counts[0]


def test_sums_of_products_keep_strong_zeros() -> None:
    """Rows with an infinity that the loss does not look at."""
    w = ga.matrix("w", (3, 3))
    for shape in ((6, 3), (6, 2, 3)):
        xs = ga.tensor("xs", shape)
        start = np.ones(shape[1:])

        def body(c: Any, x: Any) -> Any:
            return ga.where(x.sum() > 0, ga.tanh(c + (1 / x) @ w), c), None

        last, _ = ga.scan(body, start, xs)
        slope = ga.grad((last**2).sum(), w)
        rows = np.random.default_rng(1).uniform(0.5, 2, size=shape)
        wanted = None
        for bad in (False, True):
            rows[2] = -1.0
            if bad:
                rows[2, ..., 1] = 0.0  # 1 / 0 in a row that is not taken
            for backend in ("interpreter", "numpy", "llvm"):
                found = ga.function([w, xs], slope, backend=backend)(np.eye(3) / 2, rows)
                wanted = found if wanted is None else wanted
                np.testing.assert_allclose(found, wanted, rtol=1e-10)
