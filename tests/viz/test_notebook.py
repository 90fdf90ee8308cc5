"""What notebooks show, with and without the `dot` program."""

import shutil
import sys
from typing import Any

import pytest

from graphad.ir.graph import Graph
from graphad.ir.make import scalar
from graphad.ir.op import OPS
from graphad.ir.text import listing
from graphad.viz import graphviz, mimebundle, notebook


@pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program `dot` of Graphviz is not installed"
)
def test_picture() -> None:
    y = scalar("x") * 2.0
    bundle = mimebundle(y)
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert "<svg" in bundle["image/svg+xml"] and bundle["text/plain"] == listing(y)


def test_text_and_hint_without_dot(no_dot: None) -> None:
    y = scalar("x") * 2.0
    bundle = mimebundle(y, include=None, exclude={"image/png"})
    assert set(bundle) == {"text/plain"}
    assert bundle["text/plain"].startswith(listing(y))
    assert "apt install graphviz" in bundle["text/plain"]


def test_text_and_hint_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    bundle = mimebundle(scalar("x") * 2.0)
    assert set(bundle) == {"text/plain"} and "graphad[viz]" in bundle["text/plain"]


@pytest.mark.parametrize("error", [OSError("broken pipe"), graphviz.GraphadError("no drawing")])
def test_text_where_drawing_fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_: Any) -> str:
        raise error

    monkeypatch.setattr(notebook, "to_svg", fail)
    assert str(error) in mimebundle(scalar("x") * 2.0)["text/plain"]


def test_large_graph_is_summed_up(no_dot: None) -> None:
    x = y = scalar("x")
    for i in range(1500):
        y = OPS["sin"](y) if i % 3 else y * y
    lines = mimebundle(Graph([x], [y]))["text/plain"].splitlines()
    assert lines[0] == "1,500 ops, 1 input, 1 output"
    assert [line.split() for line in lines[1:3]] == [
        ["1,000", "×", "sin"],
        ["500", "×", "multiply"],
    ]
