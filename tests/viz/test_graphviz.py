"""DOT source: shapes, colours, frames, edges; and pictures drawn by the `dot` program."""

import re
import shutil
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from graphad.derivatives.reverse import grad
from graphad.errors import GraphadError, MissingLibraryError, UseError
from graphad.ir.context import scope
from graphad.ir.graph import Graph
from graphad.ir.make import constant, scalar, shared, vector
from graphad.ir.op import OPS
from graphad.viz import graphviz, save, to_dot, to_svg
from graphad.viz.labels import visible
from graphad.viz.style import COLOURS, TONES

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program `dot` of Graphviz is not installed"
)


class Dot:
    """DOT source taken apart: boxes, arrows and frames by their labels."""

    def __init__(self, source: str) -> None:
        self.boxes: dict[str, dict[str, str]] = {}
        self.arrows: list[tuple[str, str, str]] = []
        self.frames: dict[str, tuple[str, ...]] = {}
        keys: dict[str, str] = {}
        inside: list[str] = []
        for line in map(str.strip, source.splitlines()):
            if line.startswith("subgraph"):
                inside.append("?")
            elif line == "}":
                inside = inside[:-1]
            elif inside and inside[-1] == "?":
                inside[-1] = label(line)
            elif found := re.match(r"(\w+) -> (\w+) ", line):
                self.arrows.append((keys[found[1]], keys[found[2]], label(line).strip()))
            elif found := re.match(r"([gvo]\d+) \[", line):
                name = label(line)
                keys[found[1]] = name
                self.boxes[name] = dict(re.findall(r'(\w+)="?([^" ]+)"?', line))
                self.frames[name] = tuple(inside)


def label(line: str) -> str:
    """The first label of a line, as it is quoted."""
    found = re.search(r'label="((?:[^"\\]|\\.)*)"', line)
    assert found, line
    return found[1]


def drawn(target: Any, **options: Any) -> Dot:
    return Dot(to_dot(target, **options))


# ---- what is drawn --------------------------------------------------------------------------


def test_kinds_differ_in_shape_and_colour() -> None:
    x, w, c = vector("x", shape=(2,)), shared([1.0, 2.0], name="w"), constant([3.0, 4.0])
    y = x * w + c
    boxes = drawn(y).boxes
    assert {name: box["shape"] for name, box in boxes.items()} == {
        "x": "ellipse", "w": "cylinder", "[3.0, 4.0]": "note", "multiply": "box", "add": "box",
        "output": "box",
    }  # fmt: skip
    assert boxes["w"]["fillcolor"] == COLOURS["shared"][0]
    assert boxes["add"]["fillcolor"] == TONES[0][0]
    fills = [fill for fill, _ in COLOURS.values()] + [fill for fill, _ in TONES]
    assert len(set(fills)) == len(fills)


def test_derivatives_have_tones_of_their_own() -> None:
    x = scalar("x")
    first = grad(OPS["exp"](OPS["sin"](x)), x)
    tones = {name: box["fillcolor"] for name, box in drawn(first).boxes.items()}
    assert tones["sin"] == TONES[0][0] and tones["cos"] == TONES[1][0]
    second = {box["fillcolor"] for box in drawn(grad(first, x)).boxes.values()}
    assert {tone for tone, _ in TONES} <= second


def test_arrows_run_along_the_data_with_types_and_positions() -> None:
    x, y = vector("x", shape=("n",)), vector("y", shape=("n",))
    assert drawn(x - y).arrows == [
        ("x", "subtract", "0: float64[n]"), ("y", "subtract", "1: float64[n]"),
        ("subtract", "output", "float64[n]"),
    ]  # fmt: skip
    assert drawn(x + y).arrows[:2] == [("x", "add", "float64[n]"), ("y", "add", "float64[n]")]
    assert drawn(x * x).arrows[:2] == [("x", "multiply", "float64[n]")] * 2


def test_scalar_constants_stand_in_the_op() -> None:
    x = scalar("x")
    assert list(drawn(2.0 - x).boxes) == ["subtract(2.0, ·)", "x", "output"]
    assert "2.5" in drawn([constant(2.5), x]).boxes


def test_scalar_constant_that_is_also_an_output() -> None:
    x, c = scalar("x"), constant(2.0)
    assert drawn([x * c, c]).arrows[-1] == ("2.0", "output[1]", "float64[]")


def test_several_outputs_of_one_op(split_pair: Any) -> None:
    first, second = split_pair(vector("x", shape=(3,)))
    second.name = "whole"
    source = drawn({"a": first, "b": second})
    assert "_, whole = split_pair" in source.boxes
    assert source.arrows[1:] == [
        ("_, whole = split_pair", "a", "float64[3] (output 0)"),
        ("_, whole = split_pair", "whole", "int64[3] (output 1)"),
    ]


def test_unused_and_fed_inputs_are_drawn() -> None:
    x, unused = scalar("x"), scalar("unused")
    middle = OPS["exp"](x)
    middle.name = "middle"
    source = drawn(Graph([middle, unused], [middle * 2.0]))
    assert set(source.boxes) == {"middle", "unused", "multiply(·, 2.0)", "output"}
    assert source.boxes["middle"]["shape"] == "ellipse"


def test_fed_output_is_an_input_even_where_its_node_runs(split_pair: Any) -> None:
    x = scalar("x")
    first, second = split_pair(x)
    first.name = "fed"
    source = drawn(Graph([x, first], [OPS["sin"](first) + second]))
    assert ("fed", "sin", "float64[]") in source.arrows
    assert ("fed, _ = split_pair", "add", "int64[] (output 1)") in source.arrows


def test_outputs_are_named() -> None:
    x = scalar("x")
    y = x + 1.0
    assert {"loss", "grads.w", "list[0]"} <= set(
        drawn({"loss": y, "grads": {"w": x * 2.0}, "list": [x - 1.0]}).boxes
    )
    assert {"output[0]", "output[1]"} <= set(drawn((y, y)).boxes)
    y.name = "total"
    assert "total" in drawn(y).boxes


class Compiled:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph


def test_targets_agree() -> None:
    x = scalar("x")
    y = x * 2.0
    expected = to_dot(Graph.of([y]))
    assert to_dot(y) == to_dot(Compiled(Graph.of([y]))) == expected
    assert to_dot([y]).replace("output[0]", "output") == expected


def test_compiled_function_may_name_its_outputs() -> None:
    x = scalar("x")
    step = Compiled(Graph([x], [x * 2.0, x + 1.0]))
    assert {"output[0]", "output[1]"} <= set(drawn(step).boxes)
    step.output_names = ["loss", "new w"]  # type: ignore[attr-defined]
    assert {"loss", "new w"} <= set(drawn(step).boxes)
    step.output_names = ["too few"]  # type: ignore[attr-defined]
    assert "output[0]" in drawn(step).boxes


# ---- frames ---------------------------------------------------------------------------------


def test_scopes_are_nested_frames() -> None:
    x, w = scalar("x"), shared(1.0, name="w")
    with scope("outer"):
        y = OPS["exp"](x * w)
        with scope("inner"):
            z = OPS["sin"](y)
    frames = drawn(OPS["cos"](z)).frames
    assert frames["exp"] == frames["w"] == ("outer",)
    assert frames["sin"] == ("outer", "inner")
    assert frames["x"] == frames["cos"] == frames["output"] == ()


def test_forward_and_backward_parts_have_frames_of_their_own(classifier: Any) -> None:
    tones: dict[str, set[str]] = {}
    frame = ""
    for line in to_dot(classifier.graph, collapse="none").splitlines():
        if "labelloc=t" in line:
            frame = label(line)
        elif line.startswith("  }"):
            frame = ""
        elif frame and "shape=box" in line:
            tones.setdefault(frame, set()).update(re.findall(r'fillcolor="(\S+)"', line))
    names = ("layer1", "layer2", "loss")
    assert tones == {
        **{name: {TONES[0][0]} for name in names},
        **{f"gradient of {name}": {TONES[1][0]} for name in names},
    }
    assert drawn(classifier.loss).frames["w1"] == ("layer1",)


def test_scope_that_is_called_like_a_gradient_stays_apart() -> None:
    x = scalar("x")
    with scope("a"):
        y = OPS["sin"](x)
    with scope("gradient of a"):
        z = OPS["exp"](y)
    source = to_dot([z, grad(y, x)])
    assert source.count('label="gradient of a"') == 2


def test_scopes_nested_a_thousand_deep() -> None:
    x = scalar("x")
    with scope("/".join(["s"] * 1500)):
        y = OPS["sin"](x)
    assert drawn(y).frames["sin"] == ("s",) * 1500


# ---- names given by users -------------------------------------------------------------------

NAMES = ['x"; } evil [label="', r"\N\\", "<b>&lt;<b>", "a\nb", "\ud800\x00", "数据"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text(name: str) -> None:
    x = scalar(name)
    with scope(name):
        y = x * shared(2.0, name=name)
    y.name = name
    plain = scalar("p")
    with scope("p"):
        z = plain * shared(2.0, name="p")
    z.name = "p"
    skeleton = r'"(?:[^"\\]|\\.)*"'
    nasty, tame = to_dot({name: y}), to_dot({"p": z})
    assert re.sub(skeleton, '""', nasty) == re.sub(skeleton, '""', tame)


@needs_dot
@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_in_svg(name: str) -> None:
    x = scalar(name)
    with scope(name):
        svg = to_svg({name: x * 2.0})
    texts = ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter()]
    assert visible(name).replace(" ", "\xa0") in [text.replace(" ", "\xa0") for text in texts]
    assert svg.count('class="node"') == 3 and svg.count('class="cluster"') == 1


# ---- layout, by the program itself ----------------------------------------------------------


def layout(source: str) -> tuple[dict[str, tuple[float, ...]], list[tuple[str, str]]]:
    """Centres and sizes of the boxes, and the arrows, as `dot` places them."""
    done = subprocess.run(
        ["dot", "-Tplain"], input=source, capture_output=True, text=True, check=True, timeout=60
    )
    boxes, arrows = {}, []
    for line in done.stdout.splitlines():
        words = line.split()
        if words[0] == "node":
            boxes[words[1]] = tuple(map(float, words[2:6]))
        elif words[0] == "edge":
            arrows.append((words[1], words[2]))
    return boxes, arrows


@needs_dot
@pytest.mark.parametrize("collapse", ["none", "scope"])
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_layout(classifier: Any, collapse: str, direction: str) -> None:
    source = to_dot(classifier.graph, collapse=collapse, direction=direction)
    boxes, arrows = layout(source)
    axis, sign = (1, -1) if direction == "TB" else (0, 1)
    against = [(a, b) for a, b in arrows if sign * (boxes[b][axis] - boxes[a][axis]) <= 0]
    assert arrows and against == []
    for i, (x, y, width, height) in enumerate(boxes.values()):
        for u, v, w, h in list(boxes.values())[:i]:
            assert abs(x - u) >= (width + w) / 2 - 0.01 or abs(y - v) >= (height + h) / 2 - 0.01


@needs_dot
def test_svg_of_everything(classifier: Any) -> None:
    svg = to_svg(classifier.graph, collapse="none")
    assert svg.lstrip().startswith("<?xml") and svg.rstrip().endswith("</svg>")
    assert "float64[batch, 64]" in svg and svg.count('class="cluster"') == 6


# ---- wrong use ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"collapse": "all"}, "collapse='all'"), ({"direction": "BT"}, "direction='BT'"),
        ({"max_nodes": 0}, "max_nodes=0"), ({"max_nodes": "9"}, "max_nodes='9'"),
        ({"max_nodes": True}, "max_nodes=True"),
    ],
)  # fmt: skip
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UseError, match=message) as caught:
        to_dot(scalar("x") * 2.0, **options)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (3.0, "no picture of float"), ([], "no picture of an empty list"),
        ({"a": scalar("x"), "b": 1}, r"no picture of dict: the entry \['b'\] is int"),
        ("model", "no picture of str"),
    ],
)  # fmt: skip
def test_wrong_targets(target: Any, message: str) -> None:
    with pytest.raises(UseError, match=message) as caught:
        to_dot(target)
    assert "Variable" in caught.value.remedy


def test_missing_program_says_how_to_install(no_dot: None, tmp_path: Any) -> None:
    with pytest.raises(MissingLibraryError) as caught:
        to_svg(scalar("x") * 2.0)
    for word in ("apt install", "brew install", "conda install", "choco install", ".dot"):
        assert word in str(caught.value)
    assert "digraph" in to_dot(scalar("x") * 2.0)
    assert save(scalar("x") * 2.0, tmp_path / "x.dot").exists()


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(MissingLibraryError, match="graphad\\[viz\\]"):
        to_svg(scalar("x") * 2.0)


@needs_dot
def test_failing_program_is_reported() -> None:
    with pytest.raises(GraphadError, match="could not draw") as caught:
        graphviz.render("digraph {", "svg")
    assert "syntax error" in caught.value.cause
