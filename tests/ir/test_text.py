"""The two printed forms of a graph, letter by letter."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphad as ga

HERE = "test_text.py"


def strip(text: str) -> str:
    """Without line numbers, which are those of this file."""
    return re.sub(r"\.py:\d+", ".py", text)


def small() -> ga.Graph:
    x, w = ga.matrix("x", shape=("n", 3)), ga.shared(np.zeros(3), name="w")
    with ga.scope("layer1"):
        y = ga.tanh(x @ w)
    y.name = "hidden"
    return ga.Graph([x, w], [(y * 2.0).sum(axis=0), y])


LISTING = """\
input     x                         float64[n, 3]
shared    w                         float64[3]
%0        matmul(x, w)              float64[n]     # layer1, test_text.py
%1 hidden tanh(%0)                  float64[n]     # layer1, test_text.py
%2        multiply(%1 hidden, 2.0)  float64[n]     # test_text.py
%3        sum(axis=(0,); %2)        float64[]      # test_text.py
output    %3                        float64[]
output    %1                        float64[n]"""


def test_listing() -> None:
    found = [re.sub(r" +", " ", row) for row in strip(ga.listing(small())).splitlines()]
    wanted = [re.sub(r" +", " ", row) for row in LISTING.splitlines()]
    wanted = [row.replace("%1 hidden,", "%1,") for row in wanted]
    assert found == wanted


def test_listing_columns_are_aligned() -> None:
    rows = ga.listing(small(), bare=True).splitlines()
    assert len({row.index("float64") for row in rows}) == 1


def test_listing_of_a_gradient_names_the_forward_op() -> None:
    x = ga.scalar("x")
    rows = strip(ga.listing(ga.grad(ga.sin(x), x))).splitlines()
    assert rows[1].split() == "%0 cos(x) float64[] # test_text.py, gradient of sin".split()


def test_bare_listing_has_no_names_and_places() -> None:
    text = ga.listing(small(), bare=True)
    assert not re.search(r"hidden|layer1|test_text|\bx\b|\bw\b", text)
    assert "shared in1" in text and "matmul(in0, in1)" in text


def test_listing_of_constants_and_unnamed_inputs() -> None:
    x = ga.vector(shape=(3,))
    y = x * np.array([1.0, 2.0, 3.0]) + ga.constant(np.zeros((3, 3)), name="bias")
    y = y + np.ones((3, 3))
    text = ga.listing(y, bare=True)
    assert "multiply(in0, [1.0, 2.0, 3.0])" in text
    assert "add(%0, <float64[3, 3]>)" in text and "bias" in ga.listing(y)


TREE = """\
sum(axis=(0,)) float64[]
└─ multiply float64[n]
   ├─ tanh 'hidden' float64[n] *1
   │  └─ matmul float64[n]
   │     ├─ x float64[n, 3] input
   │     └─ w float64[3] shared
   └─ 2.0 float64[] constant
*1 (tanh 'hidden')"""


def test_tree(capsys: pytest.CaptureFixture[str]) -> None:
    ga.debugprint(small())
    assert capsys.readouterr().out == TREE + "\n"


SHARED = """\
add float64[]
├─ multiply float64[] *1
│  ├─ exp float64[] *2
│  │  └─ x float64[] input
│  └─ *2 (exp)
└─ exp float64[]
   └─ *1 (multiply)"""


def test_tree_marks_shared_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    x = ga.scalar("x")
    y = ga.exp(x)
    z = y * y
    ga.debugprint(z + ga.exp(z))
    assert capsys.readouterr().out == SHARED + "\n"


def test_deep_graphs_are_printed() -> None:
    x = ga.scalar("x")
    for _ in range(3000):
        x = ga.exp(x)
    assert len(ga.listing(x).splitlines()) == 3002
