"""`ga.function`: what goes in and comes out, names, containers, givens, and what is refused."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import weakref
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, GraphError, InputError, ShapeError, UseError


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Layer:
    weights: Any
    bias: Any


X, Y, Z = ga.scalar("x"), ga.scalar("y"), ga.scalar("z")
V = ga.vector("v", shape=("n",))
BACKENDS = pytest.mark.parametrize("backend", ["auto", "numpy", "interpreter"])


# ---- containers ---------------------------------------------------------------------------------

CONTAINERS = {
    "list": lambda a, b: [a, b], "tuple": lambda a, b: (a, b), "dict": lambda a,
    b: {"p": a, "q": b},
    "named tuple": Pair, "dataclass": Layer, "nested": lambda a, b: {"layers": [Pair(a, (b,))]},
    "ordered": lambda a, b: OrderedDict(z=a, a=b), "dataclass of dicts": lambda a,
    b: Layer({"w": a}, [b]),
    "with empty parts": lambda a, b: [[], a, {}, (b, ())], "int keys": lambda a, b: {2: a, 1: b},
}  # fmt: skip


@BACKENDS
@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_containers_go_in_and_come_out(make: Any, backend: str) -> None:
    f = ga.function([make(X, Y), Z], (make(X - Y, Z), X), backend=backend)
    result, first = f(make(5.0, 3.0), 7.0)
    assert result == make(2.0, 7.0) and type(result) is type(make(0, 0)) and first == 5.0


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_another_structure_is_refused(make: Any) -> None:
    f = ga.function([make(X, Y)], X - Y, name="f")
    others = [m for m in CONTAINERS.values() if make(1, 2) != m(1, 2)]
    for wrong in (1.0, [1.0], [1.0, 2.0, 3.0], *[m(1.0, 2.0) for m in others]):
        if type(wrong) is type(make(0, 0)) and wrong == make(1.0, 2.0):
            continue
        with pytest.raises(InputError, match=r"argument_0 has the structure") as caught:
            f(wrong)
        assert "is expected" in str(caught.value)


def test_dict_arguments_in_any_order() -> None:
    f = ga.function([{"a": X, "b": Y}], X - Y)
    assert f({"b": 1.0, "a": 5.0}) == f({"a": 5.0, "b": 1.0}) == 4.0


def test_dict_results_in_the_order_that_was_declared() -> None:
    assert list(ga.function([X, Y], {"z": X, "a": Y})(1.0, 2.0)) == ["z", "a"]


def test_numbers_and_arrays_among_the_outputs() -> None:
    assert ga.function([X], [X, 2, np.arange(2), True], unused="ignore")(1.0)[1] == 2
    found = ga.function([], [2.5, np.arange(2)])()
    assert found[0] == 2.5 and found[1].tolist() == [0, 1]


# ---- names --------------------------------------------------------------------------------------


def test_positions_and_keywords() -> None:
    f = ga.function([X, Y, Z], X - 10 * Y + 100 * Z)
    assert f(1.0, 2.0, 3.0) == f(1.0, z=3.0, y=2.0) == f(z=3.0, y=2.0, x=1.0) == 281.0


def test_a_mapping_of_inputs_gives_names() -> None:
    f = ga.function({"left": X, "right": [Y]}, X - Y)
    assert f(5.0, [3.0]) == f(right=[3.0], left=5.0) == 2.0


def test_a_single_variable_is_one_argument() -> None:
    assert ga.function(X, X * 2.0)(3.0) == 6.0


def test_unnamed_inputs_are_called_by_position() -> None:
    a, b = ga.scalar(), ga.scalar()
    f = ga.function([a, b], a - b)
    assert f(5.0, 3.0) == f(5.0, argument_1=3.0) == 2.0
    with pytest.raises(InputError, match=r"^argument_1 has dtype <U1"):
        f(1.0, "a")


TWICE = ga.function([ga.scalar("x"), ga.scalar("x")], ga.constant(0.0), unused="ignore")
NAMED = ga.function([X, Y], X - Y, name="minus")


@pytest.mark.parametrize(("f", "arguments", "keywords", "message"), [
    (NAMED, (), {}, r"minus misses 'x', 'y'\n  remedy: call it as minus\(x, y\)"),
    (NAMED, (1.0,), {}, "minus misses 'y'"), (NAMED, (), {"y": 1.0}, "minus misses 'x'"),
    (NAMED, (1.0, 2.0, 3.0), {},
     r"minus takes 2 arguments, 3 were given\n  cause: its inputs are x, y"),
    (NAMED, (1.0,), {"z": 2.0},
     "keyword 'z': no input has that name\n  remedy: its inputs are x, y"),
    (NAMED, (1.0, 2.0), {"x": 3.0}, "two values for 'x'"), (NAMED, (), {"X": 1.0}, "keyword 'X'"),
    (TWICE, (), {"x": 1.0}, "two inputs have that name"),
    (NAMED, (None, 1.0), {}, "argument x has dtype object"),
    (ga.function([], []), (1.0,), {},
     "takes 0 arguments, 1 were given\n  cause: its inputs are none"),
])  # fmt: skip
def test_wrong_arguments(f: Any, arguments: Any, keywords: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        f(*arguments, **keywords)


def test_an_input_called_out() -> None:
    out = ga.scalar("out")
    f = ga.function([X, out], X * out)
    assert f(2.0, 3.0) == 6.0
    with pytest.raises(InputError, match="an input of that name is given by position"):
        f(x=2.0, out=3.0)


def test_signature_and_repr() -> None:
    w = ga.shared(0.0, name="w")
    f = ga.function([V, {"a": X}, ga.scalar("def")], (V.sum() * X, [w]), updates={w: X},
                    name="step",
                    unused="ignore")  # fmt: skip
    parameters = inspect.signature(f).parameters
    assert list(parameters) == ["v", "argument_1", "argument_2"]
    assert parameters["v"].annotation is V.type and parameters["argument_1"].annotation == {
        "a": X.type
    }
    assert repr(f) == (
        "<Function step(v: float64[n], argument_1: {'a': float64[]}, argument_2: float64[]) -> "
        "(float64[], [float64[]]); 2 steps, updates w, backend='auto'>"
    )
    assert list(inspect.signature(TWICE).parameters) == ["x", "x_1"]
    assert f.shared == (w,) and f.name == "step" and set(f.seconds) >= {"rewrite", "plan"}


def test_the_name_is_that_of_the_only_result() -> None:
    named = X * 2.0
    named.name = "double; import os"
    assert ga.function([X], named).name == "double_ import os"
    assert ga.function([X], [X]).name == "x" and ga.function([X], [X, X]).name == "function"


# ---- results ------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize(("result", "kind"), [
    (X * 2, np.float64), (X > 0, np.bool_), (X.astype("float32"), np.float32),
    (V.sum(), np.float64),
    (V[0], np.float64), (V[:1].reshape(()), np.float64), (ga.argmax(V), np.int64),
    (X * 1j, np.complex128),
    (ga.constant(np.int8(3)), np.int8), (V.shape[0] * 1, np.int64),
    (ga.where(X > 0, X, 1), np.float64),
])  # fmt: skip
def test_rank_0_results_are_numpy_scalars(result: Any, kind: type, backend: str) -> None:
    f = ga.function([X, V], [result, {"again": result}], unused="ignore", backend=backend)
    first, second = f(1.0, [1.0, 2.0])
    assert type(first) is type(second["again"]) is kind
    assert type(ga.function([X, V], result, unused="ignore", backend=backend)(1.0, [1.0])) is kind


@BACKENDS
def test_functions_of_nothing_and_to_nothing(backend: str) -> None:
    w = ga.shared(1.0, name="w")
    assert ga.function([], [], backend=backend)() == []
    assert ga.function([], None, backend=backend)() == []
    assert ga.function([], ga.constant(1.5) * 2, backend=backend)() == 3.0
    assert ga.function([X], {}, updates={w: w + X}, backend=backend)(2.0) == {} and w.value == 3.0
    assert ga.function([], w, backend=backend)() == 3.0


@BACKENDS
def test_outputs_that_are_inputs_or_constants(backend: str) -> None:
    f = ga.function([V, X], [V, X, ga.constant([1, 2]), V], backend=backend)
    array = np.array([1.0, 2.0])
    a, b, c, d = f(array, 3)
    assert a.tolist() == d.tolist() == [1.0, 2.0] and b == 3.0 and c.tolist() == [1, 2]
    assert a is not array and a is not d


@BACKENDS
def test_any_variable_can_be_an_input(backend: str) -> None:
    hidden = ga.exp(X) * Y
    result = hidden + X
    assert ga.function([hidden, X], result, backend=backend)(10.0, 1.0) == 11.0
    assert ga.function([hidden], hidden, backend=backend)(10.0) == 10.0
    w = ga.shared(2.0, name="w")
    assert ga.function([w], w * 3.0, backend=backend)(5.0) == 15.0 and w.value == 2.0


@BACKENDS
def test_the_gradient_by_an_intermediate_that_is_fed(backend: str) -> None:
    hidden = ga.sin(X)
    slope = ga.grad(hidden**3, hidden)
    assert ga.function([hidden], slope, backend=backend)(2.0) == 12.0


# ---- what is refused while building -------------------------------------------------------------

HIDDEN = ga.exp(X)


@pytest.mark.parametrize(("inputs", "outputs", "keywords", "kind", "message"), [
    ([X], X * Y, {}, GraphError,
     r"depend on 'y', not among the inputs\n.*\n  remedy: add it to the inputs, or"),
    ([X, Y], X, {}, GraphError, r"the input y is not used by any output or update"),
    ([[X, {"k": Y}]], X, {}, GraphError, r"the input argument_0\[1\]\['k'\] is not used"),
    ([HIDDEN, X], HIDDEN, {}, GraphError, "the input x is not used"),
    ([X, X], X, {}, GraphError, "'x', an input, .* is listed twice among the inputs"),
    ([X, [Y, (X,)]], X * Y, {}, GraphError, "listed twice"),
    ([1.0], X, {}, UseError, r"inputs\[0\] is float, not a Variable"),
    ([[X, "y"]], X, {}, UseError, r"inputs\[0\]\[1\] is str"),
    ([ga.constant(1.0)], X, {}, UseError, r"inputs\[0\] is a constant"),
    ("x", X, {}, UseError, "the inputs are str"), (iter([X]), X, {}, UseError, "pass a list"),
    ([X], [X, None], {}, DTypeError, "NoneType"), ([X], "x", {}, DTypeError, "str 'x' has dtype"),
    ([X], [X, object()], {}, DTypeError, "object"), ([X], lambda: X, {}, DTypeError, "function"),
    ([X], X, {"name": 3}, UseError, "name=3 is no string"),
    ([X], X, {"unused": "no"}, UseError, "unused='no'"),
    ([X], X, {"backend": "gpu"}, UseError, "choose one of auto, numpy, llvm, interpreter"),
    ([X], X * Y, {"givens": {Y: Y * X}}, GraphError, "givens form a cycle through y"),
    ([X], X * Y, {"givens": {Y: Z, Z: Y}}, GraphError, "givens form a cycle through y, z"),
    ([X], HIDDEN, {"givens": {HIDDEN: HIDDEN + 1}}, GraphError, "givens form a cycle"),
    ([X], X, {"givens": {"x": 1.0}}, UseError, "givens: 'x' is no Variable"),
    ([X], X * Y, {"givens": {Y: V}}, ShapeError,
     r"the value for y has type float64\[n\], the variable has"),
    ([X], X * Y, {"givens": {Y: 1j}}, DTypeError, "the value for y has dtype complex128"),
    ([X, Y], X * Y, {"givens": {Y: X}}, GraphError,
     r"y is not used .*\n  cause: it was replaced by givens"),
])  # fmt: skip
def test_refused(inputs: Any, outputs: Any, keywords: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        ga.function(inputs, outputs, **keywords)


def test_unused_inputs_can_be_allowed() -> None:
    f = ga.function([X, Y], X * 2.0, unused="ignore")
    assert f(3.0, 9.0) == f(3.0, y=9.0) == 6.0


def test_named_missing_inputs_are_all_listed() -> None:
    with pytest.raises(GraphError, match="depend on 'y', an unnamed input, 'z', not among"):
        ga.function([X], X * Y + ga.scalar() * Z)


# ---- givens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outputs", "givens", "expected"), [
    (X * Y, {Y: X + 1}, 12.0), (X * Y, {Y: 3}, 9.0), (X * Y, {Y: np.float64(3)}, 9.0),
    (X * Y * Z, {Z: Y + 1, Y: X + 1}, 60.0), (X * Y * Z, {Y: X + 1, Z: Y + 1}, 60.0),
    (ga.exp(Y) + X, {ga.exp(Y): X}, None), (HIDDEN * 2, {HIDDEN: X + 1}, 8.0), (X, {Y: Z}, 3.0),
    (HIDDEN * Y, {Y: HIDDEN, HIDDEN: X}, 9.0), ([X * Y, Y], {Y: X}, [9.0, 3.0]),
])  # fmt: skip
def test_givens(outputs: Any, givens: Any, expected: Any) -> None:
    if expected is None:  # another node: an equal expression is not the same variable
        with pytest.raises(GraphError, match="depend on 'y'"):
            ga.function([X], outputs, givens=givens)
    else:
        assert ga.function([X], outputs, givens=givens)(3.0) == expected


def test_givens_reach_updates_and_gradients() -> None:
    w = ga.shared(1.0, name="w")
    cost = (w * Y) ** 2
    step = ga.function([X], ga.grad(cost, w), updates={w: w - Y}, givens={Y: X * 2})
    assert step(3.0) == 72.0 and w.value == -5.0


def test_givens_cast_safely() -> None:
    i = ga.scalar("i", dtype="int64")
    assert ga.function([i], X * 2.0, givens={X: i})(3) == 6.0
    with pytest.raises(DTypeError, match=r"remedy: convert it with .astype\('int64'\)"):
        ga.function([X], i * 2, givens={i: X})


def test_the_graph_is_not_changed_by_givens() -> None:
    result = X * Y
    before = ga.listing(result)
    ga.function([X], result, givens={Y: X})
    assert ga.listing(result) == before and set(ga.graph.inputs(result)) == {X, Y}


# ---- eval ---------------------------------------------------------------------------------------


def test_eval() -> None:
    w = ga.shared(np.arange(3.0), name="w")
    assert (X * 2).eval({X: 3}) == 6.0 and (X * 2).eval({X: 3.0, Y: 1.0}) == 6.0
    assert (w * 2).eval().tolist() == [0.0, 2.0, 4.0] and (HIDDEN + 1).eval({HIDDEN: 2.0}) == 3.0
    assert (w * X).eval({w: [1.0, 1.0, 2.0], X: 2.0}).tolist() == [2.0, 2.0, 4.0]
    assert type((X > 0).eval({X: 1.0})) is np.bool_ and ga.constant([1, 2]).eval().tolist() == [
        1,
        2,
    ]
    array = np.ones(2)
    assert not np.shares_memory(V.eval({V: array}), array) and not np.shares_memory(
        w.eval(), w.cell.array
    )


@pytest.mark.parametrize(("variable", "values", "kind", "message"), [
    (X * Y, {X: 1.0}, GraphError,
     r"eval needs a value for 'y'.*\n  remedy: write .eval\(\{y: value\}\)"),
    (X, {"x": 1.0}, UseError, r"the key 'x' is no Variable\n  remedy: write x.eval"),
    (V, {V: [[1.0]]}, InputError, "argument v has shape"), (X, {X: "a"}, InputError, "argument x"),
    (V, {V: Y}, UseError, "argument v is a symbolic variable"),
    (V + ga.vector("u", shape=("n",)), {}, GraphError, "eval needs a value for 'v'"),
])  # fmt: skip
def test_eval_refuses(variable: Any, values: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        variable.eval(values)


@BACKENDS
def test_a_dropped_function_is_freed_at_once(backend: str) -> None:
    x = ga.vector("x")
    f = ga.function([x], ga.exp(x).sum(), backend=backend)
    assert f([0.0, 0.0]) == 2.0
    known = weakref.ref(f)
    gc.disable()
    try:
        del f
        assert known() is None
    finally:
        gc.enable()
