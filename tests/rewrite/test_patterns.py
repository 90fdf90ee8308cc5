"""Rules as arrows: how they are read, what they match, and how a user's own are applied."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import UseError
from graphad.rewrite.passes import simplify
from graphad.rewrite.pattern import Call, Number, Wild, is_number, match, number_of, parse
from graphad.testing.graphs import assert_same_graph

X, Y, Z = ga.scalar("x"), ga.scalar("y"), ga.scalar("z")
V = ga.vector("v", shape=("n",))


def applied(output: ga.Variable, *arrows: str, **keywords: Any) -> ga.Graph:
    rules = tuple(ga.rewrite.rule(arrow, **keywords) for arrow in arrows)
    return simplify(ga.Graph([X, Y, Z, V], [output]), rules)[0]


def expected(output: ga.Variable) -> ga.Graph:
    return ga.Graph([X, Y, Z, V], [output])


# ---- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "pattern"), [
    ("x", Wild("x")), ("2.5", Number(2.5)), ("-2", Number(-2)),
    ("exp(x)", Call("exp", (Wild("x"),))), ("-x", Call("negative", (Wild("x"),))),
    ("x + y * 2", Call("add", (Wild("x"), Call("multiply", (Wild("y"), Number(2)))))),
    ("~x", Call("invert", (Wild("x"),))), ("x @ y", Call("matmul", (Wild("x"), Wild("y")))),
    ("x ** 2", Call("power", (Wild("x"), Number(2)))),
    ("x >= y", Call("greater_equal", (Wild("x"), Wild("y")))), ("(x)", Wild("x")),
    ("where(c, x, 0)", Call("where", (Wild("c"), Wild("x"), Number(0)))),
])  # fmt: skip
def test_parse(text: str, pattern: Any) -> None:
    assert parse(text) == pattern


def test_minus_zero_is_read_as_minus_zero() -> None:
    number = parse("-0")
    assert isinstance(number, Number) and np.signbit(number.value)


@pytest.mark.parametrize(("arrow", "message"), [
    ("x +", "no arrow"), ("x + -> x", "no pattern"), ("x + 1 -> nosuchop(x)", "no op 'nosuchop'"),
    ("x + 1 -> y", "uses 'y'"), ("x -> x", "left side must be an op"), ("2 -> 3", "left side"),
    ("__import__('os') -> 1", "no op"), ("x[0] -> x", "no pattern"),
    ("x < y < z -> x", "no pattern"),
    ("x if c else y -> x", "no pattern"), ("'a' + x -> x", "no pattern"),
    ("f.g(x) -> x", "no pattern"), ("sin(x, axis=0) -> x", "no pattern"),
    ("sin(*x) -> x", "no pattern"), ("x and y -> x", "no pattern"),
])  # fmt: skip
def test_what_is_no_rule(arrow: str, message: str) -> None:
    with pytest.raises(UseError, match=message):
        ga.rewrite.rule(arrow)


def test_wrong_marks_and_kinds() -> None:
    with pytest.raises(UseError, match="mark='fast'"):
        ga.rewrite.rule("x * 1 -> x", mark="fast")
    with pytest.raises(UseError, match="kinds='float'"):
        ga.rewrite.rule("x * 1 -> x", kinds="float")


def test_two_sides_an_arrow_and_a_unicode_arrow_are_the_same() -> None:
    rules = [ga.rewrite.rule("sin(x) -> cos(x)"), ga.rewrite.rule("sin(x)→cos(x)"),
             ga.rewrite.rule("sin(x)", "cos(x)")]  # fmt: skip
    assert {repr(rule) for rule in rules} == {"sin(x) -> cos(x)  [rounding]"}
    assert len(set(rules)) == 1


def test_rules_can_be_pickled_in_functions() -> None:
    f = ga.function([X], ga.sin(X), rules=[ga.rewrite.rule("sin(x) -> cos(x)")])
    copy = pickle.loads(pickle.dumps(f))
    assert copy(0.5) == f(0.5) == np.cos(0.5) and copy.options == f.options


# ---- matching -----------------------------------------------------------------------------------


def matches(text: str, variable: ga.Variable) -> bool:
    return match(parse(text), variable, {}) is not None


def test_equal_names_need_equal_variables() -> None:
    assert matches("a + a", X + X) and not matches("a + a", X + Y)
    assert matches("a * (a + b)", X * (X + Y)) and not matches("a * (a + b)", X * (Y + Z))


@pytest.mark.parametrize(("text", "variable"), [
    ("a * (b + 1)", (1.0 + X) * Y), ("1 / (1 + exp(-a))", 1.0 / (ga.exp(-X) + 1.0)),
    ("maximum(a, 0)", ga.maximum(0.0, X)), ("logical_and(a > 0, b)", ga.logical_and(Y > 1, X > 0)),
])  # fmt: skip
def test_commutative_ops_match_in_both_orders(text: str, variable: ga.Variable) -> None:
    assert matches(text, variable)


def test_other_ops_match_in_one_order() -> None:
    assert not matches("a - 0", 0.0 - X) and not matches("a / 1", 1.0 / X)
    assert not matches("a ** 2", 2.0**X)


def test_ops_with_parameters_do_not_match() -> None:
    assert not matches("sum(a)", V.sum()) and not matches("astype(a)", V.astype("float32"))
    total = V.sum(keepdims=True)
    assert_same_graph(applied(total, "sum(x) -> exp(x)"), expected(total))


@pytest.mark.parametrize(("value", "number"), [
    (2.0, 2), (2, 2.0), (np.float32(2), 2), ([2.0, 2.0], 2), (np.full((3, 4), 2), 2), (2 + 0j, 2),
    (-0.0, -0.0), ([0.0, 0.0], 0.0), (0, 0.0), (0, -0.0), (True, 1), (np.full(512, 2.0), 2),
])  # fmt: skip
def test_is_number(value: Any, number: float) -> None:
    assert is_number(ga.constant(value), number)


@pytest.mark.parametrize(("value", "number"), [
    (2.0, 3), (0.0, -0.0), (-0.0, 0.0), ([0.0, -0.0], 0.0), ([-0.0, 0.0], -0.0), ([2.0, 3.0], 2),
    (np.nan, np.nan), ([], 0), (2 + 1j, 2), (complex(0.0, -0.0), 0.0), (np.full(513, 2.0), 2),
])  # fmt: skip
def test_is_not_number(value: Any, number: float) -> None:
    assert not is_number(ga.constant(value), number)


def test_a_number_is_seen_through_broadcasts() -> None:
    two = ga.constant(2.0)
    assert number_of(ga.broadcast_to(ga.expand_dims(ga.expand_dims(two, 0), 0), (5, 5))) == 2
    assert number_of(ga.full(V.shape, 2.0)) == 2 and number_of(V) is None
    assert number_of(ga.broadcast_to(X, (3,))) is None


# ---- a user's rules -----------------------------------------------------------------------------


@pytest.mark.parametrize(("arrow", "before", "after"), [
    ("log(1 + x) -> log1p(x)", ga.log(X * Y + 1.0), ga.log1p(X * Y)),
    ("exp(x) * exp(y) -> exp(x + y)", ga.exp(X) * ga.exp(Y), ga.exp(X + Y)),
    ("exp(x) * exp(y) -> exp(x + y)", ga.exp(X) * ga.exp(Y) * ga.exp(Z), ga.exp(X + Y + Z)),
    ("x * y + x * z -> x * (y + z)", X * Y + Z * X, X * (Y + Z)),
    ("sin(x) -> 2", ga.sin(X) + Y, 2.0 + Y),
    ("where(x > 0, x, 0) -> relu(x)", ga.where(X > 0, X, 0.0), ga.relu(X)),
    ("x / x -> 1", (X * Y) / (X * Y), ga.constant(1.0)),
    ("x / x -> 1", (V * X) / (V * X), ga.broadcast_to(ga.constant(1.0), V.shape)),
    ("x - x -> 0", ga.exp(V) - ga.exp(V) + V, V),
])  # fmt: skip
def test_a_users_rule(arrow: str, before: ga.Variable, after: ga.Variable) -> None:
    assert_same_graph(applied(before, arrow), expected(after))


def test_unsafe_rules_are_applied_only_when_given() -> None:
    division = (X * Y) / (X * Y)
    assert len(applied(division)) == 2
    assert len(applied(division, "x / x -> 1", mark="unsafe")) == 0
    f = ga.function([X, Y], division, rules=[ga.rewrite.rule("x / x -> 1", mark="unsafe")])
    assert f(0.0, 1.0) == 1.0 and np.isnan(ga.function([X, Y], division)(0.0, 1.0))


def test_a_right_side_that_is_not_defined_for_the_operands_is_not_built() -> None:
    b, w = ga.vector("b", dtype="bool"), ga.vector("w", shape=(3,))
    f = ga.function([b], b * ga.constant(-1), rules=[ga.rewrite.rule("x * -1 -> negative(x)")])
    np.testing.assert_array_equal(f([True, False]), [-1, 0])
    g = ga.function([w, V], w.sum() * V, rules=[ga.rewrite.rule("x * y -> x @ y")])
    np.testing.assert_array_equal(g([1.0, 2.0, 3.0], [1.0, 2.0]), [6.0, 12.0])


def test_a_number_that_the_dtype_does_not_hold_is_not_put_in() -> None:
    i = ga.scalar("i", dtype="int64")
    assert ga.function([i], i * i, rules=[ga.rewrite.rule("x * x -> 0.5")])(3) == 9
    assert ga.function([i], i * i, rules=[ga.rewrite.rule("x * x -> 7")])(3) == 7


def test_kinds_limit_a_rule() -> None:
    i = ga.scalar("i", dtype="int64")
    arrow = "x * 3 -> x + x + x"
    assert len(ga.function([i], i * 3, rules=[ga.rewrite.rule(arrow, kinds="i")]).graph) == 2
    assert len(ga.function([i], i * 3, rules=[ga.rewrite.rule(arrow, kinds="f")]).graph) == 1
    mixed = ga.constant(3.0) * i  # the operand is promoted: not of the result's dtype
    assert len(ga.function([i], mixed, rules=[ga.rewrite.rule(arrow, kinds="f")]).graph) == 1


def test_what_is_no_rule_is_refused() -> None:
    sine = ga.rewrite.rule("sin(x) -> cos(x)")
    for wrong in (["sin(x) -> cos(x)"], "sin(x) -> cos(x)", [sine, 1], {"sin(x)": "cos(x)"}):
        with pytest.raises(UseError, match=r"is no rule\n  remedy: make them with"):
            ga.function([X], ga.sin(X), rules=wrong)  # type: ignore[arg-type]
    assert ga.function([X], ga.sin(X), rules=sine)(0.0) == 1.0  # type: ignore[arg-type]


def test_an_error_in_a_users_own_function_reaches_the_user() -> None:
    def broken(node: Any, context: Any) -> Any:
        raise ZeroDivisionError("my rule")

    with pytest.raises(ZeroDivisionError, match="my rule"):
        ga.function([X], ga.sin(X), rules=[ga.rewrite.Rule("sin(x) -> ?", "sin", broken)])
