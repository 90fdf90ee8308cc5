"""The chain rule on pictures: local derivatives on arrows, as expressions and as values."""

import math
import re
import shutil
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import graphad as ga
from graphad.errors import InputShapeError, UseError
from graphad.viz import to_dot, to_mermaid, to_svg
from graphad.viz.formula import WIDTH, formula
from graphad.viz.picture import draw


def staged_sigmoid() -> tuple[ga.Variable, ga.Variable]:
    """1 / (1 + exp(-x)), one operation at a time."""
    x = ga.scalar("x")
    a = -x
    b = np.exp(a)
    c = 1.0 + b
    d = 1.0 / c
    for variable, name in zip((a, b, c, d), "abcd", strict=True):
        variable.name = name
    return x, d


def notes(target: Any, derivatives: Any, **options: Any) -> list[str]:
    """What is written on the arrows into ops."""
    return [a.note for a in draw(target, derivatives=derivatives, **options).arrows if a.note]


def numbers(target: Any, derivatives: Any) -> dict[str, Any]:
    """∂y/∂x → the number or the numbers."""
    pairs = [note.split(" = ") for note in notes(target, derivatives)]
    return {left: np.array(eval(right)) for left, right in pairs}


# ---- expressions ----------------------------------------------------------------------------


def test_staged_sigmoid_as_expressions() -> None:
    _, d = staged_sigmoid()
    assert notes(d, "expression") == [
        "∂a/∂x = -1", "∂b/∂a = b", "∂c/∂b = 1", "∂d/∂c = -d / c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x, y: x * y, ["∂v0/∂x = y", "∂v0/∂y = x"]),
        (lambda x, y: x * x, ["∂v0/∂x = x", "∂v0/∂x = x"]),
        (lambda x, y: x / y, ["∂v0/∂x = 1 / y", "∂v0/∂y = -v0 / y"]),
        (lambda x, y: ga.tanh(x), ["∂v0/∂x = 1 - v0²"]),
        (lambda x, y: ga.log(x), ["∂v0/∂x = 1 / x"]),
        (lambda x, y: x**3.0, ["∂v0/∂x = 3 · x²"]),
        (lambda x, y: ga.sin(x), ["∂v0/∂x = cos(x)"]),
        (lambda x, y: ga.floor(x), ["∂v0/∂x = 0"]),
        (lambda x, y: ga.primitive(math.sqrt)(x), ["∂v0/∂x does not exist"]),
    ],
)
def test_rules_of_elementwise_ops(build: Any, expected: list[str]) -> None:
    assert notes(build(ga.scalar("x"), ga.scalar("y")), "expression") == expected


def test_arrays_show_how_cotangents_flow() -> None:
    m, v = ga.matrix("m", shape=("n", 3)), ga.vector("v", shape=(3,))
    found = notes(m @ v, "expression")
    assert found[1] == "∂v0/∂v : g → g @ m" and found[0].startswith("∂v0/∂m : g → ")
    (elementwise,) = notes(ga.exp(m), "expression")
    assert elementwise == "∂v0/∂m = v0"


def test_only_floats_carry_derivatives() -> None:
    x, k = ga.vector("x", shape=("n",)), ga.vector("k", shape=("n",), dtype="int64")
    arrows = draw(ga.where(k > 0, x, 2.0 * x) / x.shape[0], derivatives="expression").arrows
    derived = [a.note.split(" ")[0] for a in arrows if a.note]
    assert len(derived) == 4 and not any("k" in note for note in derived)


def test_arrays_keep_their_types() -> None:
    x = ga.vector("x", shape=("n",))
    arrow = draw(ga.exp(x), derivatives="expression").arrows[0]
    assert arrow.lines == ("∂v0/∂x = v0", "float64[n]")


# ---- values ---------------------------------------------------------------------------------


def test_staged_sigmoid_at_two() -> None:
    x, d = staged_sigmoid()
    product = math.prod(float(v) for v in numbers(d, {x: 2.0}).values())
    assert math.isclose(product, 0.104993585404, rel_tol=1e-5)  # six digits on each arrow
    assert abs(ga.grad(d, x).eval({x: 2.0}) - 0.104993585404) < 1e-12
    boxes = {box.lines[0]: box.lines[1:] for box in draw(d, derivatives={x: 2.0}).boxes}
    assert boxes["x"] == ("= 2.0",) and boxes["b = exp"] == ("= 0.135335",)


def test_values_are_the_jacobians() -> None:
    x, w = ga.vector("x", shape=(2,)), ga.shared([2.0, 3.0], name="w")
    y = x @ w
    y.name = "y"
    z = ga.exp(x / 10.0)
    z.name = "z"
    found = numbers({"y": y, "z": z}, {"x": [1.0, 2.0]})
    np.testing.assert_allclose(found["∂y/∂x"], [2.0, 3.0])
    np.testing.assert_allclose(found["∂y/∂w"], [1.0, 2.0])
    np.testing.assert_allclose(found["∂v0/∂x"], [0.1, 0.1])
    np.testing.assert_allclose(found["∂z/∂v0"], np.exp([0.1, 0.2]), rtol=1e-3)


def test_large_arrays_are_summed_up() -> None:
    x = ga.vector("x", shape=("n",))
    m = ga.matrix("m", shape=("n", "n"))
    assert notes(m @ m, {m: np.ones((30, 30))})[0] == "∂v0/∂m is a matrix 900 × 900"
    assert notes(2.0 * x, {x: np.arange(9.0)}) == ["∂v0/∂x = 9 numbers, 2.0 … 2.0"]


def test_of_a_compiled_function() -> None:
    x = ga.vector("x", shape=("n",))
    f = ga.function([x], ga.exp(x).sum(), backend="numpy")
    assert "∂v0/∂x = [1, 2.718]" in notes(f, {"x": [0.0, 1.0]})


# ---- pictures -------------------------------------------------------------------------------


def test_both_languages_show_them() -> None:
    x, d = staged_sigmoid()
    assert '[label=" ∂d/∂c = -d / c " weight=8];' in to_dot(d, derivatives="expression")
    assert "#8706;a/#8706;x = -1.0" in to_mermaid(d, derivatives={x: 2.0})


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program `dot` is not installed")
def test_svg_holds_the_labels() -> None:
    _, d = staged_sigmoid()
    words = "".join(ElementTree.fromstring(to_svg(d, derivatives="expression")).itertext())
    assert "∂b/∂a = b" in words


def test_hostile_names_stay_text() -> None:
    x = ga.scalar('x"]; a -> b [label="')
    source = to_dot(ga.exp(x), derivatives="expression")
    assert r"∂v0/∂x\"]; a -> b [label=\"" in source


def test_collapsed_pictures_keep_to_types() -> None:
    y: Any = ga.scalar("x")
    for _ in range(20_000):
        y = ga.sin(y)
    assert notes(y, "expression", max_nodes=10) == []


def test_deep_graph_at_a_point() -> None:
    x = ga.scalar("x")
    y = x
    for _ in range(2_000):
        y = y + 1.0
    boxes = draw(y, derivatives={x: 1.0}, max_nodes=10).boxes
    assert ("x", "= 1.0") in [box.lines for box in boxes]


# ---- formulas -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda x, y: x - (y - x), "x - (y - x)"),
        (lambda x, y: x - y - x, "x - y - x"),
        (lambda x, y: x / (y / x), "x / (y / x)"),
        (lambda x, y: (x + y) * x, "(x + y) · x"),
        (lambda x, y: x * -y, "x · (-y)"),
        (lambda x, y: x + ga.constant(-2.0), "x + (-2)"),
        (lambda x, y: -(x + y), "-(x + y)"),
        (lambda x, y: (-x) ** y, "(-x)^y"),
        (lambda x, y: x ** (y**x), "x^(y^x)"),
        (lambda x, y: (x**y) ** x, "(x^y)^x"),
        (lambda x, y: ga.square(x * y), "(x · y)²"),
        (lambda x, y: ga.where(x > y, ga.exp(x), 0.5), "where(x > y, exp(x), 0.5)"),
    ],
)
def test_parentheses(build: Any, text: str) -> None:
    x, y = ga.scalar("x"), ga.scalar("y")
    assert formula(build(x, y), {x: "x", y: "y"}) == text


def test_formulas_do_not_grow_without_end() -> None:
    y: Any = ga.scalar("y")
    for _ in range(3_000):
        y = ga.sin(y) * y
    assert len(formula(y, {})) == WIDTH


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("derivatives", "message"),
    [
        ("values", "derivatives='values'"),
        (True, "derivatives=True"),
        ({}, "no value for 'x'"),
        ({"z": 1.0}, "'z' is no input of this graph"),
        ({3: 1.0}, "3 is no input of this graph"),
    ],
)
def test_bad_derivatives(derivatives: Any, message: str) -> None:
    with pytest.raises(UseError, match=re.escape(message)):
        to_dot(ga.exp(ga.scalar("x")), derivatives=derivatives)


def test_values_that_do_not_fit() -> None:
    x = ga.vector("x", shape=(3,))
    with pytest.raises(InputShapeError):
        to_dot(ga.exp(x), derivatives={x: [1.0, 2.0]})
