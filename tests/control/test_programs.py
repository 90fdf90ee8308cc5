"""Programs of loops: what is written, and that it computes what the plain loop does."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga

XS = np.random.default_rng(2).normal(size=(6, 3))


def loops_of(f: Any) -> list[Any]:
    """The written loops of a function."""
    found = f._compiled.program.bound.values()
    return [v for v in found if type(v).__name__ == "Loop"]


def _functions() -> dict[str, Any]:
    a, xs, n = ga.scalar("a"), ga.vector("xs"), ga.scalar("n", dtype="int64")
    made = {}
    for reverse in (False, True):
        for ends in (None, lambda c, y: c > 1.5):

            def body(c: Any, x: Any) -> Any:
                return ga.sin(a * c) + x, (c, x > 0)

            last, ys = ga.scan(body, 0.5, xs, reverse=reverse, until=ends)
            made[f"scan {reverse} {ends is None}"] = ([a, xs], [last, *ys, ga.grad(last, [a, xs])])
    made["length"] = ([a, n], ga.scan(lambda c, _: (c * a, c), 1.0, length=n))
    made["while"] = ([a], ga.while_loop(lambda c: c < 9, lambda c: c + a * a + 0.1, a))
    return made


@pytest.mark.parametrize("name", list(_functions()))
def test_floats_arrays_and_the_interpreter_agree(name: str) -> None:
    inputs, outputs = _functions()[name]
    given = [0.7, 4 if inputs[-1].dtype == "int64" else XS[:, 0]][: len(inputs)]
    functions = {
        b: ga.function(inputs, outputs, backend=b) for b in ("interpreter", "numpy", "auto")
    }
    assert not any(loop.floats for loop in loops_of(functions["numpy"]))
    assert all(loop.floats is not None for loop in loops_of(functions["auto"]))
    flat = {b: ga.tree.flatten(f(*given))[0] for b, f in functions.items()}
    for b in ("numpy", "auto"):
        for ours, theirs in zip(flat[b], flat["interpreter"], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-13)
            assert ours.dtype == theirs.dtype and type(ours) is type(theirs)


def test_where_math_raises_numpy_decides() -> None:
    xs = ga.vector("xs")
    last, ys = ga.scan(lambda c, x: (c + 1 / x, ga.log(x)), 0.0, xs)
    value, rows = ga.function([xs], [last, ys])([1.0, 0.0, -1.0])
    assert value == np.inf and np.isnan(rows[2]) and rows[1] == -np.inf


def test_the_body_is_written_into_the_loop() -> None:
    w, h, xs = ga.matrix("w", (3, 3)), ga.vector("h", 3), ga.matrix("xs", (None, 3))
    last, ys = ga.scan(lambda c, x: (ga.tanh(w @ c + x), c), h, xs)
    f = ga.function([w, h, xs], [last, ys], backend="numpy")
    (loop,) = loops_of(f)
    text = loop.arrays.source
    assert "for i, (xs,) in zip(range(n), zip(xs_s)):" in text
    assert "y0 = empty((n, 3), float64)" in text and "y0[i] = h" in text and "tanh(" in text
    value, rows = f(np.eye(3), XS[0], XS)
    again = pickle.loads(pickle.dumps(f))(np.eye(3), XS[0], XS)
    np.testing.assert_array_equal(value, again[0])
    np.testing.assert_array_equal(rows, again[1])


def test_names_of_the_user_do_not_collide() -> None:
    n, i = ga.vector("n", 3), ga.vector("i", 3)
    operands = ga.vector("operands", 3)
    last, ys = ga.scan(lambda c, x: (c * x + operands, {"y0": c, "more": x}), i, n[:, None] + i)
    f = ga.function([n, i, operands], [last, ys], backend="numpy")
    g = ga.function([n, i, operands], [last, ys], backend="interpreter")
    for a, b in zip(*[ga.tree.flatten(h(XS[0], XS[1], XS[2]))[0] for h in (f, g)], strict=True):
        np.testing.assert_allclose(a, b)


def test_carries_that_change_places() -> None:
    xs = ga.matrix("xs", (None, 3))
    last, _ = ga.scan(lambda c, x: ((c[1], x, c[0]), None), (XS[0], XS[1], XS[2]), xs)
    for backend in ("interpreter", "numpy", "llvm"):
        found = ga.function([xs], last, backend=backend)(XS[3:])
        expected = (XS[4], XS[5], XS[3])
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.flags.writeable and not np.shares_memory(a, XS)
