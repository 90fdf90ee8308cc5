"""Names given by the user never become code, and never clash with what the program uses."""

from __future__ import annotations

import ast
import builtins
import keyword
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphad as ga
from graphad.codegen import program

HOSTILE = [
    "import os", "x; y", "a = 1", "x)", "x]", "(", "'", '"', '"""', "\\", "#", "# noqa", "%s",
    "{x}", "$x",
    "a\nraise SystemExit", "a\rb", "a\x00b", "a\u2028b", "a\x0cb", "\t", " ", "x y", "x.y", "x[0]",
    "lambda: 0", "__import__('os').system('false')", "exit()", "-x", "1x", "1", "1.5", "x,y", "*x",
    "def", "class", "lambda", "None", "True", "is", "match", "case", "type", "_", "__", "async",
    "exp", "add", "np", "numpy", "array", "where", "float64", "dtype", "out", "multiply", "sum",
    "inf", "nan", "pi", "e", "sin", "pow", "abs", "float", "bool", "print", "max", "len", "list",
    *[f"{letter}{i}" for letter in "vtk" for i in range(25)], "k", "r", "r0", "program",
    "values",
    "part_0", "part_1", "np_exp", "np_logaddexp", "np_floor", "map_rows_3", "getitem_2", "self",
    "__builtins__", "__name__", "__doc__", "__debug__", "__class__", "é", "µ", "ａ", "ⅷ", "π",
    "变量",
    "x̄", "🙂", "a" * 300, "x" * 5 + "_", "x_", "x__",
]  # fmt: skip


def chain(x: Any, y: Any, c: Any) -> Any:
    """Uses functions from NumPy and math, literals, temporaries, constants, and ufuncs by name."""
    h = ga.exp(x * 0.5) + ga.sigmoid(y) * 2.0
    return ga.logaddexp(h, c) + ga.floor(x) - ga.softplus(y * x), h


def build(names: list[str], shape: Any, chunk: int) -> tuple[ga.Function, Any, list[Any]]:
    """The function, what it should give, and arguments; every variable has a given name."""
    first, second, constant, inner = names
    x, y = ga.tensor(first, shape=shape), ga.tensor(second, shape=shape)
    c = ga.constant(np.full(shape, 0.25), name=constant)
    with ga.scope(first):
        z, h = chain(x, y, c)
    h.name, z.name = inner, second
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "CHUNK", chunk)
        function = ga.function([x, y], [z, h, c], name=first)
    arguments = [np.full(shape, 1.5)[()], np.full(shape, -0.5)[()]]
    expected = [z.eval({x: arguments[0], y: arguments[1]}),
                h.eval({x: arguments[0], y: arguments[1]}), c.eval()]  # fmt: skip
    return function, expected, arguments


def check(names: list[str], shape: Any, chunk: int) -> None:
    function, expected, arguments = build(names, shape, chunk)
    for found, wanted in zip(function(*arguments), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    made = [p for p in (function._compiled.program, function._compiled.floats) if p]
    for source in (p.source for p in made):
        assert_harmless(source)
    repr(function), str(function.plan), str(function.signature), ga.listing(function.graph)


def assert_harmless(source: str) -> None:
    """The source is imports and functions made of assignments, calls, choices and returns."""
    known = (ast.Module, ast.ImportFrom, ast.alias, ast.FunctionDef, ast.arguments, ast.arg,
             ast.Assign,
             ast.Expr, ast.Return, ast.Delete, ast.Name, ast.Constant, ast.Call, ast.keyword,
             ast.Tuple,
             ast.List, ast.Subscript, ast.Slice, ast.Attribute, ast.BinOp, ast.UnaryOp,
             ast.Compare,
             ast.IfExp, ast.BoolOp, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
             ast.expr_context)  # fmt: skip
    methods = {"reduce", "shape", "reshape", "transpose", "squeeze", "astype", "item", "at"}
    for node in ast.walk(ast.parse(source)):
        assert isinstance(node, known), ast.dump(node)
        if isinstance(node, ast.ImportFrom):
            assert node.module in ("numpy", "math")
        if isinstance(node, ast.Attribute):
            assert node.attr in methods
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int | float | None)


SHAPES = {"floats": (), "arrays": (3,), "unknown": (None,)}


@pytest.mark.parametrize("chunk", [1000, 2])
@pytest.mark.parametrize("shape", [(), (3,)], ids=["floats", "arrays"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_one_name_everywhere(name: str, shape: Any, chunk: int) -> None:
    check([name] * 4, shape, chunk)


@pytest.mark.parametrize("chunk", [1000, 2])
@pytest.mark.parametrize("shape", [(), (3,)], ids=["floats", "arrays"])
def test_pairs_of_names(shape: Any, chunk: int) -> None:
    """Names that might be taken by something else are given to everything in turn."""
    risky = [n for n in HOSTILE if n.isidentifier() and n.isascii()]
    rng = np.random.default_rng(0)
    for _ in range(150):
        check([str(n) for n in rng.choice(risky, 4)], shape, chunk)


@given(st.lists(st.text(min_size=1, max_size=12), min_size=4, max_size=4))
def test_any_text(names: list[str]) -> None:
    check(names, (), 1000)
    check(names, (2,), 1000)


def test_names_fit_for_it_are_kept() -> None:
    x, weights = ga.vector("x", shape=(3,)), ga.constant(np.arange(3.0), name="weights")
    hidden = ga.tanh(x * weights)
    hidden.name = "hidden"
    source = ga.function([x], hidden / 2.0).source
    assert "def program(x):" in source and "v2 = multiply(x, weights)" in source
    assert (
        "hidden = tanh(v2, out=v2)\n" in source and "= multiply(hidden, 0.5, out=hidden)" in source
    )


def test_names_of_numpy_math_and_python_are_not_taken() -> None:
    taken = [*dir(np), *dir(builtins), *dir(math), *keyword.kwlist]
    rng = np.random.default_rng(1)
    for name in rng.choice([n for n in taken if n.isidentifier()], 60):
        check([str(name), "x", "c", str(name)], (), 1000)


def test_keys_of_containers_are_not_code() -> None:
    x = ga.scalar("x")
    f = ga.function([{"'); exit(": x, "a b": ga.scalar()}], {"x;y": x}, unused="ignore")
    assert f({"'); exit(": 2.0, "a b": 1.0}) == {"x;y": 2.0}
