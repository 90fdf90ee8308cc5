"""Reductions over axes that lie apart: taken in two steps, whose loops have memory in order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import entry, nest
from graphad.rewrite.apart import improve

KINDS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "any": np.any,
         "all": np.all}  # fmt: skip
SUBSETS = [s for k in (1, 2, 3, 4) for s in itertools.combinations(range(4), k)]


def steps(shape: tuple[Any, ...], axis: tuple[int, ...]) -> list[tuple[int, ...]]:
    x = ga.tensor("x", shape)
    return [n.op.params["axis"] for n in improve(ga.Graph([x], [x.sum(axis=axis)])).nodes]


def test_which_are_taken_apart() -> None:
    assert steps(("a", "b", "c"), (0, 2)) == [(2,), (0,)]
    assert steps(("a", "b", "c", "d", "e"), (0, 2, 4)) == [(4,), (0, 2)]
    assert steps(("a", "b", "c"), (1, 2)) == [(1, 2)]
    assert steps(("a", "b", "c"), (0, 1)) == [(0, 1)]
    assert steps(("a", "b", "c"), (0, 1, 2)) == [(0, 1, 2)]
    assert steps(("a", 1, "c"), (0, 2)) == [(0, 2)]
    assert steps(("a", "b", 1), (0, 2)) == [(0, 2)]


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [False, True])
def test_values(kind: str, keep: bool, backend: Any) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    x = ga.tensor("x", ("a", "b", "c", "d"))
    shown = x > 0.3 if kind in ("any", "all") else x
    value = np.random.default_rng(0).uniform(0.2, 1.3, size=(3, 2, 5, 4))
    f = ga.function([x], [KINDS[kind](shown, axis=s, keepdims=keep) for s in SUBSETS],
                    backend=backend)  # fmt: skip
    array = value > 0.3 if kind in ("any", "all") else value
    for found, axis in zip(f(value), SUBSETS, strict=True):
        expected = KINDS[kind](array, axis=axis, keepdims=keep)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_log_of_a_sum_is_still_recognised() -> None:
    x = ga.tensor("x", ("a", "b", "c"))
    f = ga.function([x], ga.log(ga.exp(x).sum(axis=(0, 2))))
    np.testing.assert_allclose(f(np.full((2, 3, 4), 1000.0)), np.full(3, 1000 + np.log(8)))


def test_exact_precision_keeps_one_step() -> None:
    x = ga.tensor("x", ("a", "b", "c"))
    f = ga.function([x], x.sum(axis=(0, 2)), precision="exact", backend="numpy")
    value = np.random.default_rng(0).normal(size=(30, 3, 40))
    assert f(value).tobytes() == value.sum(axis=(0, 2)).tobytes()


@pytest.mark.parametrize("shape", [(3, 5, 7), (40, 2, 3), (2, 300, 4), (1, 1, 1), (6, 7, 1)])
def test_sums_over_an_axis_in_the_middle(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks hold all rows of a sum where these are few; the number of threads changes no bit."""
    pytest.importorskip("llvmlite")
    monkeypatch.setattr(nest, "BLOCK", 16)
    monkeypatch.setattr(entry, "BLOCK", 16)
    monkeypatch.setattr(entry, "CHUNK", 32)
    monkeypatch.setattr(entry, "RELEASE", 100)
    monkeypatch.setattr(entry, "SHARE", 150)
    monkeypatch.setattr(entry, "WHOLE", 100)
    x = ga.tensor("x", ("a", "b", "c"))
    y = x * 2 + 1
    outputs = [
        y.sum(axis=1),
        y.max(axis=1),
        (x > 0).any(axis=1),
        y.sum(axis=0),
        (x * x).sum((0, 1)),
    ]
    value = np.random.default_rng(1).normal(size=shape)
    found = [ga.function([x], outputs, backend="llvm", threads=n)(value) for n in (1, 2, 3)]
    z = value * 2 + 1
    expected = [z.sum(axis=1), z.max(axis=1), (value > 0).any(axis=1), z.sum(axis=0),
                (value * value).sum((0, 1))]  # fmt: skip
    for i, e in enumerate(expected):
        np.testing.assert_allclose(found[0][i], e, rtol=1e-13)
        assert found[0][i].tobytes() == found[1][i].tobytes() == found[2][i].tobytes()


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_many_outer_axes(seed: int) -> None:
    """Short rows below two to four outer axes, one of them stretched: places are counted on."""
    pytest.importorskip("llvmlite")
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 9, size=int(rng.integers(3, 6))))
    one = tuple(n if rng.random() < 0.5 else 1 for n in shape)
    x, y = ga.tensor("x", shape), ga.tensor("y", one)
    a, b = rng.normal(size=shape), rng.normal(size=one)
    f = ga.function([x, y], [(x * y).max(axis=-1), x * y + 1], backend="llvm")
    found = f(a, b)
    np.testing.assert_array_equal(found[0], (a * b).max(axis=-1))
    np.testing.assert_array_equal(found[1], a * b + 1)
