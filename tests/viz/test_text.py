"""Mermaid: structure, colours, frames, names."""

import re
from typing import Any

import pytest

from graphad.derivatives.reverse import grad
from graphad.errors import UseError
from graphad.ir.context import scope
from graphad.ir.make import constant, scalar, shared, vector
from graphad.ir.op import OPS
from graphad.viz import to_mermaid

QUOTED = re.compile(r'"[^"]*"')


def test_whole_text() -> None:
    x, w = vector("x", shape=(2,)), shared([1.0, 2.0], name="w")
    with scope("a"):
        y = (x * w - constant([1.0, 2.0])) * 3.0
    assert to_mermaid(y, direction="LR") == (
        "flowchart LR\n"
        '  subgraph c0 ["a"]\n'
        '    g0("multiply"):::op0\n'
        '    g1("subtract"):::op0\n'
        '    g2("multiply(·, 3.0)"):::op0\n'
        '    v4[("w")]:::shared\n'
        '    v5[/"[1.0, 2.0]"/]:::constant\n'
        "  end\n"
        '  v3(["x"]):::input\n'
        '  o6{{"output"}}:::output\n'
        '  v3 -->|"float64[2]"| g0\n'
        '  v4 -->|"float64[2]"| g0\n'
        '  g0 -->|"0: float64[2]"| g1\n'
        '  v5 -->|"1: float64[2]"| g1\n'
        '  g1 -->|"float64[2]"| g2\n'
        '  g2 -->|"float64[2]"| o6\n'
        "  classDef input fill:#ffffff,stroke:#222222,color:#000000\n"
        "  classDef shared fill:#cdebd9,stroke:#00704f,color:#000000\n"
        "  classDef constant fill:#eeeeee,stroke:#777777,color:#000000\n"
        "  classDef output fill:#222222,stroke:#222222,color:#ffffff\n"
        "  classDef op0 fill:#d4e9f7,stroke:#005a93,color:#000000\n"
    )


def test_gradients_and_collapsed_scopes(classifier: Any) -> None:
    text = to_mermaid(classifier.graph, collapse="scope")
    assert '[["layer1<br/>3 ops<br/>matmul, add, tanh"]]:::op0' in text
    assert re.search(r'\[\["gradient of layer1<br/>\d+ ops<br/>[^"]*"\]\]:::op1', text)
    assert "classDef op1" in text and "classDef op2" not in text


def test_frames_open_and_close(classifier: Any) -> None:
    lines = [line.strip() for line in to_mermaid(classifier.graph, collapse="none").splitlines()]
    opened = [line for line in lines if line.startswith("subgraph")]
    assert len(opened) == lines.count("end") == 6
    assert len({line.split()[1] for line in opened}) == 6


@pytest.mark.parametrize("name", ['"]', "<script>", "a\nb", "end", "x:::y", "`**`", "#34;", "%%"])
def test_names_are_text(name: str) -> None:
    def skeleton(word: str) -> str:
        x = scalar(word)
        with scope(word):
            y = OPS["sin"](x)
        y.name = word
        return QUOTED.sub("", to_mermaid([y, grad(y, x)]))

    assert skeleton(name) == skeleton("plain")


def test_wrong_options() -> None:
    with pytest.raises(UseError, match="direction='down'"):
        to_mermaid(scalar("x") * 2.0, direction="down")
    with pytest.raises(UseError, match="collapse='x'"):
        to_mermaid(scalar("x") * 2.0, collapse="x")
