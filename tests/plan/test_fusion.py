"""Which nodes share a loop nest: siblings join, cheap values are computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.plan import again
from graphad.testing.programs import RandomProgram

pytest.importorskip("llvmlite")

X, Y, V = ga.matrix("x", shape=("n", 5)), ga.matrix("y", shape=("m", 5)), ga.vector("v")
A, B = ga.matrix("a", shape=("n", "k")), ga.matrix("b", shape=("n", "k"))


def kernels(outputs: Any, **options: Any) -> list[Any]:
    f = ga.function([X, Y, V, A, B], outputs, backend="llvm", unused="ignore", **options)
    return [step.group for step in f.plan.steps if step.group is not None]


def test_siblings_join() -> None:
    assert len(kernels([ga.exp(A) * 2, ga.sum(A * B), ga.tanh(A).sum(axis=0)])) == 1
    assert len(kernels([ga.exp(A[1:]), ga.exp(A[:-1]) * B[1:]])) == 1
    assert len(kernels([ga.exp(A), ga.exp(B)])) == 2  # nothing in common
    assert len(kernels([ga.exp(A), ga.exp(A.T)])) == 2  # other axes


def _apart() -> Any:
    return X[:, None, :] - Y[None, :, :]


def test_cheap_values_are_computed_again() -> None:
    d = _apart()
    outputs = [ga.logsumexp(ga.sum(d * d, axis=2)), *ga.grad(
        ga.logsumexp(-ga.sum(d * d, axis=2)), [X, Y])]  # fmt: skip
    for group in kernels(outputs):
        assert all(len(r.axes) < 3 or 1 in r.variable.type.shape for r in group.results), group


def test_dear_values_are_stored() -> None:
    d = ga.exp(_apart())
    outputs = ga.grad(ga.logsumexp(ga.sum(d * d, axis=2)), [X, Y])
    assert any(len(r.axes) == 3 for group in kernels(outputs) for r in group.results)


CASES: dict[str, Callable[[], list[Any]]] = {
    "distances": lambda: [(loss := ga.logsumexp(-ga.sum(_apart() ** 2, axis=2))),
                          *ga.grad(loss, [X, Y])],
    "an output as well": lambda: [(d := _apart()), ga.grad(ga.sum(ga.exp(-ga.sum(d**2, axis=2))),
                                                           X)],
    "masks": lambda: ga.grad(ga.logsumexp(ga.sum(ga.maximum(_apart(), 0) ** 2, axis=2)), [X, Y]),
    "rows": lambda: ga.grad(ga.logsumexp(ga.sum((A - B) ** 2 * 2, axis=1)), [A, B]),
    "siblings": lambda: [ga.exp(A) * 2, ga.sum(A * B), ga.tanh(A).sum(axis=0), A.T + 1,
                         ga.softmax(A, axis=1), B.sum(axis=1), ga.sum(B) + ga.max(A)],
    "read by a product": lambda: [(d := A - B) @ d.T, ga.sum(ga.exp(d), axis=1)],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    outputs = CASES[name]()
    f, reference = (ga.function([X, Y, V, A, B], outputs, backend=b, unused="ignore", debug=True)
                    for b in ("llvm", "interpreter"))  # fmt: skip
    for n, m, k in [(4, 3, 6), (1, 1, 1), (30, 2, 40), (3, 0, 2)]:
        rng = np.random.default_rng(n)
        shapes = [(n, 5), (m, 5), (3,), (n, k), (n, k)]
        arrays = [rng.normal(size=s) for s in shapes]
        for a, b in zip(f(*arrays), reference(*arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_computing_again_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = [np.random.default_rng(i).normal(size=s) for i, s in enumerate(
        [(40, 5), (30, 5), (3,), (40, 6), (40, 6)])]  # fmt: skip
    found = []
    for most in (again.MOST, 0):
        monkeypatch.setattr(again, "MOST", most)
        f = ga.function([X, Y, V, A, B], CASES["distances"](), backend="llvm", unused="ignore")
        found.append([np.asarray(a).tobytes() for a in f(*arrays)])
    assert found[0] == found[1]


def test_views_that_need_late_sizes() -> None:
    """A group reads nothing that is made from what it computes, not even by its size."""
    made = RandomProgram(np.random.default_rng(40500).integers(0, 2**16, 200), smooth=True)
    outputs = [*made.outputs, ga.sum(made.outputs[0].astype("float64"))]
    f = ga.function(made.inputs, outputs, backend="llvm", unused="ignore")
    reference = ga.function(made.inputs, outputs, backend="interpreter", unused="ignore")
    for a, b in zip(f(*made.arrays), reference(*made.arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)
    x = ga.matrix("x")
    y = ga.exp(x) / ga.sum(x, axis=0)
    late = ga.broadcast_to(y.reshape((-1, 1)), (y.shape[0] * y.shape[1], 2)).sum(axis=1)
    z = ga.sin(late.reshape(y.shape)) * y + ga.sum(ga.cos(late) * y.reshape(-1))
    f, reference = (ga.function([x], [z, ga.grad(ga.sum(z), x)], backend=b)
                    for b in ("llvm", "interpreter"))  # fmt: skip
    array = np.linspace(0.1, 1, 12).reshape(3, 4)
    for a, b in zip(f(array), reference(array), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
