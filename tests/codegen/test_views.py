"""Kernels read slices and transposes where they lie, and slices put back as windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import entry, nest
from graphad.codegen.unfit import Unfit
from graphad.plan.layout import layout
from graphad.testing.variants import LAYOUTS

pytest.importorskip("llvmlite")

M, V, K = ga.matrix("m", shape=("n", "k")), ga.vector("v", shape=("k",)), ga.matrix("u")
T = ga.tensor("t", shape=("n", 4, "k"))
SIZES = [(7, 11), (1, 1), (2, 40), (33, 3), (5, 2), (1, 200), (70, 9), (3, 0), (0, 5)]


def _loss(x: Any) -> Any:
    return ga.sum(ga.tanh(x) * x)


CASES: dict[str, Callable[[], list[Any]]] = {
    "rows of a slice": lambda: [ga.exp(M[:, 1:]) * 2, M[:, :-1] + M[:, 1:]],
    "slices of both axes": lambda: [M[1:, 1:] * M[:-1, :-1] - M[1:, :-1]],
    "steps": lambda: [ga.exp(M[::2, ::3]) + 1, M[:, ::-1] * 2 + M, M[::-1] + M],
    "columns": lambda: [M[:, 0] * 2 + M[:, -1], M * M[:, :1] + 1],
    "transposes": lambda: [M.T * 2 + 1, ga.exp(M.T), M.T * ga.exp(V)[:, None]],
    "both ways": lambda: [(M[:, :, None] + ga.transpose(T, (0, 2, 1))) * 2],
    "three axes": lambda: [T[:, 1:3] * 2 + 1, T[:, :, 1:] + T[:, :, :-1], T[:, 1] * M],
    "transposes of three": lambda: [ga.transpose(T, (2, 0, 1)) * 2 + 1,
                                    ga.transpose(T, (0, 2, 1)) + M[:, :, None]],
    "reduced slices": lambda: [ga.sum(ga.exp(M[:, 1:]), axis=1), ga.sum(M[1:] * 2, axis=0),
                               ga.sum(M.T * 2, axis=0), ga.sum(ga.exp(M.T), axis=1)],
    "softmax of a slice": lambda: [ga.softmax(M[:, 1:] * 2, axis=1), ga.softmax(M.T, axis=1)],
    "slices of integers": lambda: [(M > 0)[:, 1:] & (M < 1)[:, :-1],
                                   (M * 4).astype("int8")[:, ::2] + 1],
    "slices of float32": lambda: [M.astype("float32")[1:, 1:] * 2 + M.astype("float32")[:-1, 1:]],
    "differences": lambda: [ga.grad(ga.sum((M[:, 1:] - M[:, :-1]) ** 2), M)],
    "differences of rows": lambda: [ga.grad(ga.sum((M[1:] - M[:-1] ** 2) ** 2 * V), M)],
    "corners": lambda: [ga.grad(_loss(M[1:, 1:]) + _loss(M[:-1, :-1]) + _loss(M[1:, :-1]), M)],
    "from the end": lambda: [ga.grad(_loss(M[-3:]) + _loss(M[:, -2:]) + _loss(M[:, -5:-1]), M)],
    "one row": lambda: [ga.grad(_loss(M[0]) * 2 + _loss(M[-1]), M)],
    "one column": lambda: [ga.grad(_loss(M[:, 0]) * 2 + _loss(M[:, -1] * M[:, 0]), M)],
    "one element": lambda: [ga.grad(M[0, 0] ** 2 * ga.sum(M) + M[-1, 0], M)],
    "inserted axes": lambda: [ga.grad(_loss(M[:, None, 1:] * M[None, :, 1:]), M)],
    "middle of three": lambda: [ga.grad(_loss(T[:, 1:3]) + _loss(T[:, 2, 1:]) * 2, T)],
    "windows in a sum": lambda: [ga.sum(ga.grad(_loss(M[:, 1:]) + _loss(M[:, :-1]), M), axis=1),
                                 ga.sum(ga.grad(_loss(M[1:]) + _loss(M[:-1]), M), axis=0)],
    "windows in windows": lambda: [ga.grad(_loss(M[1:][1:]) + _loss(M[1:][:, 1:]), M)],
    "windows of numbers": lambda: [ga.grad(ga.sum(M[:, 1:]) + ga.sum(M[1:]) + _loss(M), M)],
    "unknown sizes": lambda: [ga.grad(ga.sum((K[1:] - K[:-1]) ** 2) + _loss(K[:, 1:]), K),
                              K[1:, 1:] * 2 + K[:-1, :-1]],
    "bounds at run time": lambda: [ga.grad(_loss(M[M.shape[0] // 2 :]) + _loss(M[1:]), M)],
    "second order": lambda: [ga.grad(ga.sum(ga.grad(_loss(M[:, 1:] * M[:, :-1]), M) ** 2), M)],
    "numbers that are views": lambda: [ga.grad(_loss(V[:1].reshape(()) * M[0]) + _loss(V[0] * V),
                                               V), ga.cos(V[:1]).reshape(()) * M],
    "vectors": lambda: [ga.grad(ga.sum(100 * (V[1:] - V[:-1] ** 2) ** 2 + (1 - V[:-1]) ** 2), V)],
    "parts of a vector": lambda: [ga.grad(_loss(V[:2]) + _loss(V[2:5] * 3) + _loss(V[5:]), V)],
    "steps put back": lambda: [ga.grad(_loss(V[::2]) + _loss(V[::-1]) + _loss(M[:, ::2]), [V, M])],
}  # fmt: skip


def _arrays(rows: int, columns: int) -> list[np.ndarray]:
    rng = np.random.default_rng(rows)
    shapes = ((rows, columns), (columns,), (rows, columns), (rows, 4, columns))
    return [rng.normal(size=shape) for shape in shapes]


def _close(found: Any, expected: Any) -> None:
    for a, b in zip(ga.tree.flatten(found)[0], ga.tree.flatten(expected)[0], strict=True):
        assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b))
        tolerance = 1e-5 if np.asarray(b).dtype == np.float32 else 1e-12
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def _both(outputs: Any) -> tuple[ga.Function, ga.Function]:
    inputs = [M, V, K, T]
    return (ga.function(inputs, outputs, backend="llvm", unused="ignore", debug=True),
            ga.function(inputs, outputs, backend="interpreter", unused="ignore"))  # fmt: skip


def _compare(name: str, sizes: Any) -> ga.Function:
    f, reference = _both(CASES[name]())
    for rows, columns in sizes:
        arrays = _arrays(rows, columns)
        try:
            expected = reference(*arrays)
        except ga.GraphadError as error:
            with pytest.raises(type(error)):
                f(*arrays)
            continue
        _close(f(*arrays), expected)
    return f


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    """The interpreter's values, for all sizes and layouts of the arguments."""
    f = _compare(name, SIZES[:4])
    arrays = _arrays(7, 11)
    expected = f(*arrays)
    for layout_of in LAYOUTS.values():
        _close(f(*[layout_of(a) for a in arrays]), expected)


@pytest.mark.parametrize("name", CASES)
def test_several_chunks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, limit, size in ((nest, "BLOCK", 16), (entry, "BLOCK", 16), (entry, "CHUNK", 32),
                                (entry, "SHARE", 150), (entry, "RELEASE", 100)):  # fmt: skip
        monkeypatch.setattr(module, limit, size)
    _compare(name, SIZES)


def test_how_many_kernels() -> None:
    """Slices and their derivatives are no steps of their own."""
    for name, kernels in [("rows of a slice", 1), ("differences", 2), ("corners", 2),
                          ("vectors", 2), ("columns", 2), ("one column", 2)]:  # fmt: skip
        f, _ = _both(CASES[name]())
        assert f.source.count("kernel") == kernels, f.source
        assert "contiguous" not in f.source and "zeros" not in f.source


def test_layouts_of_views() -> None:
    x = ga.tensor("x", shape=(4, 5, 6))
    expected: dict[str, Any] = {
        "dense": [
            x,
            x[1:],
            x[2],
            x[1, 2:4],
            x[:, None],
            x[1:3].reshape((2, 1, 5, 6)),
            x[0, 0, 1:],
        ],
        "rows": [x[:, 1:], x[:, 0], x[:, :, 1:], x[::2], x[::-1], ga.transpose(x, (1, 0, 2))],
        "strided": [x[:, :, 0], x.T, x[..., ::2], x[..., ::-1], x[:, :, 0][1:], ga.flip(x, 2)],
        "unknown": [x.T.reshape((30, 4)), x[:, 1:].reshape(-1)],
    }
    for kind, views in expected.items():
        assert [layout(v) for v in views] == [kind] * len(views)
        array = np.arange(120.0).reshape(4, 5, 6)
        for v in views if kind == "dense" else ():
            view = v.eval({x: array})
            assert view.flags.c_contiguous


def test_what_is_no_number_is_left_to_numpy() -> None:
    """A kernel that is handed something else says so, as for arrays that do not fit."""
    c = ga.scalar("c")
    f = ga.function([M, c], M * c + 1, backend="llvm")
    (kernel,) = f._native.kernels.functions
    out = np.empty((2, 3))
    with pytest.raises(Unfit):
        kernel(np.ones((2, 3)), "no number", out)
    kernel(np.ones((2, 3)), 2.0, out)
    assert out.tolist() == [[3.0] * 3] * 2
