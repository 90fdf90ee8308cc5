"""Steps that differ in names alone: the same text as if each had been written by itself."""

from __future__ import annotations

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import program, templates

X = ga.matrix("x", shape=(3, 4))


def long_graph() -> ga.Variable:
    """Repeated ops, with literals, equal operands, a variable whose name is also a keyword."""
    h = ga.tanh(X)
    h.name = "axis"
    for i in range(4):
        h = ga.sum(h * 2.0 + X, axis=1, keepdims=True) * X - h * h
        h = ga.where(h > 0.5, h, h * (i % 2 + 0.5)) @ np.eye(4)
    s = ga.sum(h)
    for bound in (1.0, 2.0, 1.0):
        s = ga.where(s > bound, s * s, s - bound) + h[0, 1]
    return s * ga.sum(ga.logsumexp(h, axis=1) + ga.logsumexp(h * 2, axis=1))


def test_the_source_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = long_graph()
    outputs = [cost, ga.grad(cost, X)]
    filled = []
    fill = templates.Template.fill
    monkeypatch.setattr(
        templates.Template, "fill", lambda *a: filled.append(fill(*a)) or filled[-1]
    )
    fast = ga.function([X], outputs, backend="numpy")
    assert len(filled) > 10
    monkeypatch.setattr(program, "key_of", lambda *_: None)
    count = len(filled)
    slow = ga.function([X], outputs, backend="numpy")
    assert len(filled) == count

    def text(source: str) -> str:
        names: dict[str, str] = {}  # temporaries are numbered as they come
        words = templates._OURS.split(source)
        return "".join([
            names.setdefault(w, f"t{len(names)}") if i % 2 and w[0] == "t" else w
            for i, w in enumerate(words)
        ])  # fmt: skip

    assert text(fast.source) == text(slow.source)
    value = np.random.default_rng(0).normal(size=(3, 4))
    reference = ga.function([X], outputs, backend="interpreter")
    for a, b in zip(fast(value), reference(value), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_what_a_template_may_hold() -> None:
    made = templates.template("add(v1, k0).sum(v1)", True, ["v1", "k0"])
    assert made is not None
    assert made.fill(["v7", "k3"]) == "add(v7, k3).sum(v7)"
    assert made.takes_out
    kept = templates.template("where(v1, k9, 0.5)", False, ["v1"])
    assert kept is not None and kept.fill(["v2"]) == "where(v2, k9, 0.5)"
    assert templates.template("add(t1, v1)", True, ["v1"]) is None
    assert templates.template("add(v2, v1)", True, ["v1"]) is None
