"""Programs replace runs of a function only while it is proved to do the same."""

import math
import random
import time
from typing import Any

import numpy
import pytest

import graphad.autograd.numpy as np
from graphad.autograd import elementwise_grad, grad, jacobian, value_and_grad
from graphad.autograd.extend import notrace_primitive, primitive, vspace
from graphad.autograd.tracer import getval
from graphad.functional import proved
from graphad.functional.bytecode import scan, unused_parameters
from graphad.functional.facts import prove, same
from graphad.functional.proved import known_of

SCALE = 2.0
TABLE = {"a": [1.0, 2.0], "b": numpy.arange(3.0)}
COUNTER = [0]


def helper(x: Any) -> Any:
    return SCALE * np.sin(x)


@primitive
def opaque(x: Any) -> Any:
    return x


class Model:
    """An object."""

    weight = 2.0

    def loss(self, x: Any) -> Any:
        return self.weight * x


MODEL = Model()


def branches(x: Any) -> Any:
    total = 0.0
    for k, v in sorted(TABLE.items()):
        total = total + len(v) * x if k == "a" and x > 0 else total + np.sum(TABLE["b"]) * x
    return next(f(total) for f in (helper, np.cos, lambda t: t**2))


PURE = [
    lambda x: x * x,
    lambda x: helper(x) + math.pi,
    branches,
    lambda x: np.linalg.norm(np.array([x, TABLE["a"][1]])),
    lambda x: sum(x * k for k in range(3)) + float(max(1, 2)),
    lambda x: opaque(x) * grad(lambda y: y**2)(x),
    lambda x, n=3: x**n,
    lambda x: numpy.exp(x) if isinstance(x, float) else numpy.tanh(x),
]


def writes_global(x: Any) -> Any:
    global LAST
    LAST = x
    return x


def imports(x: Any) -> Any:
    import os

    return x * len(os.sep)


IMPURE = {
    "numpy.random": lambda x: x * np.random.normal(),
    "random": lambda x: x * random.random(),
    "time": lambda x: x * time.time(),
    "print": lambda x: print(x) or x,
    "STORE_GLOBAL": writes_global,
    "IMPORT_NAME": imports,
    "Model": lambda x: MODEL.loss(x),
    "open": lambda x: open(x),  # noqa: SIM115
    "module": lambda x: [np] and x,
    "save": lambda x: np.save("nowhere", x),
}


@pytest.mark.parametrize("i", range(len(PURE)))
def test_pure_functions_are_proved(i: int) -> None:
    proof = prove(PURE[i])
    assert proof and proof.holds(PURE[i]), proof


@pytest.mark.parametrize("name", IMPURE)
def test_others_are_not(name: str) -> None:
    proof = prove(IMPURE[name])
    assert not proof and name in proof.reason


def test_parameters_that_do_not_matter() -> None:
    assert unused_parameters((lambda x, i, j=0: x * j).__code__) == {"i"}
    assert unused_parameters((lambda x, i: (lambda: i)() * x).__code__) == set()


def test_facts_are_values_and_contents() -> None:
    array, items, number = numpy.arange(3.0), [1, {"k": 2.0}], 1.0

    def f(x: Any) -> Any:
        return np.sum(array) * x + items[1]["k"] + number  # type: ignore[index]

    proof = prove(f)
    assert proof.holds(f)
    array[0] = 5.0
    assert not proof.holds(f)
    array[0] = 0.0
    assert proof.holds(f)
    items[1]["k"] = 3.0  # type: ignore[index]
    assert not proof.holds(f)
    items[1]["k"] = 2.0  # type: ignore[index]
    number = 2.0
    assert not proof.holds(f)


def test_facts_of_lists_and_tuples() -> None:
    words, nested, mixed = ["a", "b", 0], ("a", ("b", 1.0)), ([1.0],)

    def f(x: Any) -> Any:
        return x * len(words) * len(nested) * mixed[0][0]

    proof = prove(f)
    assert proof.holds(f)
    words[0] = "".join(["", "a"])
    nested = ("a", ("b", float("1.0")))
    assert proof.holds(f)  # other objects, equal in type and bits
    for changed in (["a", "b", False], ["a", "b"], ["a", "b", 0, 0], ("a", "b", 0), ["b", "a", 0]):
        words = changed  # type: ignore[assignment]
        assert not proof.holds(f)
    words = ["a", "b", 0]
    assert proof.holds(f)
    nested = ("a", ("b", -1.0))
    assert not proof.holds(f)
    nested = ("a", ("b", 1.0))
    mixed[0][0] = 2.0
    assert not proof.holds(f)


def test_a_scan_of_code() -> None:
    total = 0

    def f(x: Any) -> Any:
        def inner() -> Any:
            nonlocal total
            total += 1
            return math.tau * x.real

        own = 0

        def other() -> None:
            nonlocal own
            own = len([1])

        return inner() + numpy.linalg.norm(x) + own

    found = scan(f.__code__)
    taken = {load.name: load.attributes for load in found.loads}
    assert (taken["numpy"], taken["math"]) == (("linalg", "norm"), ("tau",))
    assert {"math", "numpy", "len"} <= {*found.names}
    assert found.attributes == {"real", "tau", "linalg", "norm"}
    assert found.writes == found.problem == "nonlocal total"
    assert "assigns to" in found.unclear
    assert len(found.codes) >= 3


def test_values_compare_by_type_and_bits() -> None:
    for one, other in [(0.0, -0.0), (1, True), (1.0, 1)]:
        assert not same(one, ("equal", other))
    assert same(math.nan, ("equal", math.nan))


def many(f: Any, *args: Any) -> list[Any]:
    """Enough calls for a program to be there."""
    return [f(*args) for _ in range(4)]


def test_noise_is_fresh_at_each_call() -> None:
    rs = numpy.random.RandomState(0)
    slope = grad(lambda x: x * rs.normal())
    assert len(set(many(slope, 1.0))) == 4
    numpy.random.seed(1)  # noqa: NPY002
    slope = grad(lambda x: x * numpy.random.normal())  # noqa: NPY002
    assert len(set(many(slope, 1.0))) == 4


def test_values_that_leave_the_graph_are_those_of_the_call() -> None:
    rounded = notrace_primitive(numpy.round)
    functions = [
        lambda x: x * rounded(x),
        lambda x: x * numpy.round(getval(x)),
        lambda x: x * numpy.round(x.value),
        lambda x: x * numpy.round(float(x)),
        lambda x: x * np.round(x),
    ]
    for f in functions:
        slope = grad(f)
        for x in (2.2, 2.3, 2.4, 5.1, 6.2, 7.3, 2.2, 8.9):
            assert slope(x) == numpy.round(x)
    draws = grad(lambda x: x * vspace(1.0).randn())
    assert len(set(many(draws, 1.0))) == 4


def test_captured_arrays_may_be_changed_in_place() -> None:
    data = numpy.array([1.0, 2.0])
    slope = grad(lambda x: np.sum(x * data[:1]))
    assert set(many(slope, 3.0)) == {1.0}
    for value in range(12):
        data[0] = value
        assert slope(3.0) == value


def test_globals_and_closures_may_change() -> None:
    global SCALE
    slope, rate = grad(helper), 1.0
    other = grad(lambda x: rate * x)
    try:
        for value in (2.0, 2.0, 2.0, 5.0, 5.0, 5.0, 7.0):
            SCALE = rate = value
            assert slope(0.0) == value and other(0.0) == value
    finally:
        SCALE = 2.0


def test_a_loop_that_makes_functions_finds_its_program() -> None:
    runs = COUNTER

    def make(k: float) -> Any:
        def loss(x: Any) -> Any:
            return k * np.sum(x**2)

        return loss

    for k in (1.0, 1.0, 1.0, 2.0, 2.0, 3.0):
        numpy.testing.assert_array_equal(grad(make(k))(numpy.ones(2)), 2 * k * numpy.ones(2))
    known = known_of(make(3.0))
    assert known is not None and known.programs and runs == [0]


def test_side_effects_happen_at_each_call() -> None:
    seen: list[float] = []

    def loss(x: Any) -> Any:
        seen.append(1.0)
        return x * len(seen)

    slope = grad(loss)
    assert many(slope, 1.0)[-1] == len(seen)
    before = len(seen)
    assert slope(1.0) == before + 1 == len(seen)


def test_decisions_on_values_are_followed() -> None:
    def steps(x: Any) -> Any:
        while x > 1:
            x = x / 2
        return x**2 if x > 0.6 else -x

    slope = grad(steps)
    for x in (12.0, 3.0, 0.5, 1.0, 9.0, 100.0, 0.7, 12.0, 3.0, 0.5, 1.0, 9.0, 100.0, 0.7):
        y, halves = x, 0
        while y > 1:
            y, halves = y / 2, halves + 1
        expected = (2 * y if y > 0.6 else -1.0) / 2**halves
        assert slope(x) == expected


def test_other_arguments_are_part_of_the_form() -> None:
    def f(x: Any, n: int, kind: str = "sin", data: Any = 1.0) -> Any:
        return np.sum(getattr_free(kind)(x) ** n * data)

    slope = grad(f)
    for _ in range(3):
        for n, kind, data in [(1, "sin", 1.0), (2, "cos", 2.0), (1, "sin", numpy.ones(2))]:
            x = 0.3
            inner = {"sin": (numpy.sin(x), numpy.cos(x)), "cos": (numpy.cos(x), -numpy.sin(x))}
            value, change = inner[kind]
            expected = n * value ** (n - 1) * change * numpy.sum(data)
            numpy.testing.assert_allclose(slope(x, n, kind, data=data), expected, rtol=1e-12)


def getattr_free(kind: str) -> Any:
    return np.sin if kind == "sin" else np.cos


def test_many_values_of_what_is_no_data_end_it() -> None:
    slope = grad(lambda x, n: x**n)
    for n in range(1, 20):
        assert slope(1.0, n) == n


def test_transformations_of_one_function_are_told_apart() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**3)

    x = numpy.array([1.0, 2.0])
    for _ in range(4):
        numpy.testing.assert_allclose(grad(f)(x), 3 * x**2)
        numpy.testing.assert_allclose(jacobian(grad(f))(x), numpy.diag(6 * x))
        numpy.testing.assert_allclose(elementwise_grad(grad(f))(x), 6 * x)
        value, slope = value_and_grad(f)(x)
        numpy.testing.assert_allclose(value, 9.0)
        numpy.testing.assert_allclose(slope, 3 * x**2)
        numpy.testing.assert_allclose(grad(lambda x: np.sum(grad(f)(x)))(x), 6 * x)


def test_results_are_new_arrays() -> None:
    f = grad(lambda x: np.sum(x * x) / 2)
    x = numpy.ones(2)
    results = many(f, x)
    results[-1][0] = 7.0
    assert f(x)[0] == 1.0 and x[0] == 1.0


def test_containers_of_data_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scale = [1.0]

    def f(p: Any) -> Any:
        return scale[0] * np.sum(p["w"] ** 2) * p["b"]

    slope = grad(f)
    params = {"w": numpy.arange(3.0), "b": 2.0}
    for _ in range(3):
        numpy.testing.assert_allclose(slope(params)["w"], 4.0 * numpy.arange(3.0))
    known = known_of(f)
    assert known is not None
    assert len(known.plain) == 1
    with monkeypatch.context() as patch:
        patch.setattr(proved, "_form", None)  # what finds programs otherwise
        numpy.testing.assert_allclose(slope(params)["w"], 4.0 * numpy.arange(3.0))
        assert slope({"b": 3.0, "w": numpy.arange(3.0)})["b"] == 5.0
    assert slope({"w": numpy.arange(2.0), "b": 2.0})["b"] == 1.0  # other types
    scale[0] = 10.0
    for _ in range(3):
        assert slope(params)["b"] == 50.0
        assert slope({"w": numpy.arange(3.0), "b": numpy.array(2.0)})["b"] == 50.0
        assert slope({"w": numpy.arange(3.0), "b": 2})["b"] == 50.0
    assert type(slope(params)["b"]) is numpy.float64
    with pytest.raises(Exception, match="w"):
        slope({"w": numpy.array(["a"]), "b": 2.0})
