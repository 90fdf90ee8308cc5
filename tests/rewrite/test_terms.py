"""Short Einstein sums as loops of kernels: values, derivatives, what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.rewrite.terms import improve

SIZES = {"n": 40, "i": 3, "j": 4, "k": 2, "m": 50}
PATTERNS = [
    "nij,nj->ni", "nij,nj->in", "nij,njk->nik", "nij,nij->n", "ni,nj->nij", "nij,i->nj",
    "ij,nj->ni", "nm,m->n", "nij,kj->nki", "nmi,ni->nm", "jin,nj->ni", "n,n->n", "ni,ni->",
    "nim,nm->ni",
]  # fmt: skip


def operands(pattern: str, dtype: str, known: bool) -> list[ga.Variable]:
    letters = pattern.split("->")[0].split(",")
    return [
        ga.tensor(f"x{i}", tuple(SIZES[c] if known or c in "ijk" else c for c in word), dtype)
        for i, word in enumerate(letters)
    ]


def is_written(pattern: str, known: bool = True) -> bool:
    given = operands(pattern, "float64", known)
    graph = ga.Graph(given, [ga.einsum(pattern, *given)])
    return not any(node.op.name == "einsum" for node in improve(graph).nodes)


def test_which_are_written() -> None:
    assert all(is_written(p, k) for p in ("nij,nj->ni", "ni,nj->nij") for k in (True, False))
    assert not is_written("nim,nm->ni") and not is_written("nmi,nm->in", False)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_values(pattern: str, dtype: str, known: bool) -> None:
    """To second order; zeros of cotangents beat infinities as they do without kernels."""
    pytest.importorskip("llvmlite")
    x, y = operands(pattern, dtype, known)
    z = ga.einsum(pattern, x, y)
    slopes = ga.grad(ga.sum(z * z), [x, y])
    outputs: list[Any] = [z, *slopes, *ga.grad(ga.sum(slopes[0] ** 2), [x, y])]
    f = ga.function([x, y], outputs, backend="llvm")
    same = ga.function([x, y], outputs, backend="interpreter")
    rng = np.random.default_rng(0)
    words = pattern.split("->")[0].split(",")
    a, b = (rng.normal(size=[SIZES[c] for c in w]).astype(dtype) for w in words)
    rtol, atol = (1e-9, 1e-9) if dtype == "float64" else (2e-3, 1e-2)
    for bad in (False, True):
        if bad:
            a.flat[0], b.flat[-1] = np.inf, np.nan
        with np.errstate(all="ignore"):
            found, expected = f(a, b), same(a, b)
        for v, e in zip(found, expected, strict=True):
            assert (v.dtype, v.shape) == (e.dtype, e.shape)
            np.testing.assert_allclose(v, e, rtol=rtol, atol=atol)
