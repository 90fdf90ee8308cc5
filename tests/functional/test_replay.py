"""Functions that are proved pure are not traced again; all others answer right at every call."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga

A = np.array([[1.0, 2.0], [3.0, 4.0]])
RATE = 1.0
SETTINGS: dict[str, Any] = {"s": 2.0, "data": [A, np.ones(2)]}
COUNT = 0
X = np.array([0.5, -0.25])


def helper(z: Any) -> Any:
    return np.tanh(A @ z)


def loss(p: Any, iteration: int = 0) -> Any:
    h = helper(p["w"])
    for _ in range(3):
        h = np.sin(h) * SETTINGS["s"] + SETTINGS["data"][1]
    if np.sum(h) > 3:
        h = h * 2
    return np.sum(h**2) * RATE


def watched(fun: Callable[..., Any]) -> Any:
    """The gradient without the proof from the function's code, which comes first."""
    made: Any = ga.grad(fun)
    return made.unproved


def right(slope: Callable[..., Any], fun: Callable[..., Any], *args: Any) -> None:
    """A call gives what a first call of a new transformation gives, which is traced."""
    found, wanted = ga.tree.flatten(slope(*args))[0], ga.tree.flatten(watched(fun)(*args))[0]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def warm(fun: Callable[..., Any], *args: Any) -> Any:
    slope = watched(fun)
    for _ in range(4):
        right(slope, fun, *args)
    return slope


def test_a_pure_function_is_traced_a_few_times_only() -> None:
    slope = warm(loss, {"w": X}, 3)
    assert slope.replays.problem == "" and len(slope.replays.plans) == 1
    for i in range(5):
        right(slope, loss, {"w": (i - 2) * X}, i)  # both branches; the iteration is never read
    assert len(slope.replays.plans) == 1 and slope.replays.missed == 0


def test_what_it_reads_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    slope = warm(loss, {"w": X})
    assert slope.replays.plans
    for change in (
        lambda: monkeypatch.setitem(globals(), "RATE", 3.0),
        lambda: monkeypatch.setitem(SETTINGS, "s", 0.5),
        lambda: monkeypatch.setitem(SETTINGS, "data", [A, np.zeros(2)]),
        lambda: monkeypatch.setitem(globals(), "helper", lambda z: A @ z),
        lambda: monkeypatch.setitem(globals(), "A", A * 2),
        lambda: A.__setitem__((0, 0), 7.0),
        lambda: monkeypatch.setitem(globals(), "RATE", -0.0),
    ):
        change()
        for _ in range(3):
            right(slope, loss, {"w": X})


def test_other_types_and_structures_are_other_plans() -> None:
    slope = warm(lambda p: np.sum(p[0] ** 2), [X])
    assert slope([X.astype("float32")])[0].dtype == np.float32
    np.testing.assert_allclose(slope([X, 1.0])[0], 2 * X)
    np.testing.assert_allclose(slope((X,))[0], 2 * X)
    assert isinstance(slope((X,)), tuple)


def test_arguments_besides_the_chosen_ones() -> None:
    def f(w: Any, x: Any, n: int, how: str) -> Any:
        return np.sum(np.mean(x @ w, axis=0) ** n) * (2.0 if how == "twice" else 1.0)

    rng = np.random.default_rng(0)
    slope = warm(f, X, rng.normal(size=(5, 2)), 2, "once")
    assert slope.replays.plans
    for n in (2, 3):
        for how in ("once", "twice"):
            for _ in range(4):  # other batches
                right(slope, f, X, rng.normal(size=(5, 2)), n, how)


def test_what_is_computed_of_captured_arrays_is_computed_again() -> None:
    data = np.array([1.0, 5.0])

    def f(x: Any) -> Any:
        weights = data / np.sum(data)
        return np.sum(weights * x) * float(data[1])

    slope = warm(f, X)
    for value in (3.0, 4.0, 5.0):
        data[0] = value
        right(slope, f, X)
    data[1] = 2.0
    right(slope, f, X)


class Model:
    def __init__(self, w: Any) -> None:
        self.w, self.scale = w, 2.0

    def loss(self, x: Any) -> Any:
        return np.sum(self.w * x**2) * self.scale


def test_attributes_are_read_at_each_call() -> None:
    model = Model(np.ones(2))
    slope = warm(lambda x: model.loss(x), X)
    assert slope.replays.plans
    model.w = np.array([5.0, 6.0])
    np.testing.assert_allclose(slope(X), 2 * 2.0 * model.w * X)
    model.scale = 3.0
    np.testing.assert_allclose(slope(X), 2 * 3.0 * model.w * X)
    model.w[0] = 0.0
    np.testing.assert_allclose(slope(X), 2 * 3.0 * model.w * X)
    bound = ga.grad(model.loss)
    for scale in (1.0, 1.0, 1.0, 1.0, 2.0):
        model.scale = scale
        np.testing.assert_allclose(bound(X), 2 * scale * model.w * X)


# ---- functions that are not pure ---------------------------------------------------------------
def counting() -> Callable[..., Any]:
    n = 0

    def f(x: Any) -> Any:
        nonlocal n
        n += 1
        return np.sum(x) * n

    return f


def counting_globally(x: Any) -> Any:
    global COUNT
    COUNT += 1
    return np.sum(x) * COUNT


def counting_in_a_list() -> Callable[..., Any]:
    seen: list[int] = []

    def f(x: Any) -> Any:
        seen.append(1)
        return np.sum(x) * len(seen)

    return f


def counting_in_an_array() -> Callable[..., Any]:
    n = np.zeros(1)

    def f(x: Any) -> Any:
        n[0] += 1
        return np.sum(x) * n[0]

    return f


def counting_in_an_attribute() -> Callable[..., Any]:
    def f(x: Any) -> Any:
        f.calls += 1  # type: ignore[attr-defined]
        return np.sum(x) * f.calls  # type: ignore[attr-defined]

    f.calls = 0  # type: ignore[attr-defined]
    return f


def counting_by_iterator() -> Callable[..., Any]:
    numbers = iter(range(1, 100))
    return lambda x: np.sum(x) * next(numbers)


def counting_by_a_loop() -> Callable[..., Any]:
    numbers = iter(range(1, 100))

    def f(x: Any) -> Any:
        for n in numbers:
            return np.sum(x) * n
        return np.sum(x)

    return f


@pytest.mark.parametrize("make", [
    counting, lambda: counting_globally, counting_in_a_list, counting_in_an_array,
    counting_in_an_attribute, counting_by_iterator, counting_by_a_loop,
])  # fmt: skip
def test_functions_with_a_memory(make: Callable[[], Callable[..., Any]]) -> None:
    slope = watched(make())
    assert [slope(np.ones(1))[0] for _ in range(8)] == [float(n) for n in range(1, 9)]
    assert slope.replays.problem and not slope.replays.plans


def test_functions_that_draw() -> None:
    chance = np.random
    draw = np.random.standard_normal
    for f in (lambda x: x * draw(), lambda x: x * chance.standard_normal()):
        slope = watched(f)
        assert len({float(slope(1.0)) for _ in range(12)}) > 1, slope.replays.problem
        assert not slope.replays.plans


class Noise:
    """An object that holds its generator."""

    def __init__(self, rng: Any) -> None:
        self.rng = rng

    def loss(self, x: Any) -> Any:
        return np.sum(x * self.rng.normal(size=3)) + x[0] * self.rng.uniform()


def of_generator(f: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """The function with a generator of its own."""
    rng = np.random.default_rng(3)
    return lambda x: f(x, rng)


def of_old_generator(f: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    rs = np.random.RandomState(3)
    return lambda x: f(x, rs)


DRAWING: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "normal": lambda: of_generator(lambda x, rng: np.sum(x * rng.normal(size=3))),
    "several": lambda: of_generator(
        lambda x, rng: sum(np.sum(x ** (n + 1) * rng.uniform(1, 2, 3)) for n in range(3))),
    "number": lambda: of_generator(lambda x, rng: np.sum(x) * rng.normal()),
    "old": lambda: of_old_generator(lambda x, rs: np.sum(rs.randn(4, 3) * np.exp(x))),
    "old number": lambda: of_old_generator(lambda x, rs: np.sum(x) * rs.rand()),
    "batches": lambda: of_generator(lambda x, rng: np.sum(x[rng.permutation(3)[:2]] ** 2)),
    "choice": lambda: of_generator(lambda x, rng: np.sum(x * rng.choice([1.0, 2.0], 3))),
    "attribute": lambda: Noise(np.random.default_rng(5)).loss,
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWING)
def test_what_a_generator_draws_is_an_input(name: str) -> None:
    plain, fresh = DRAWING[name](), DRAWING[name]()
    slope = watched(plain)
    for n in range(12):  # `fresh` is traced at each call, and draws the same
        x = np.array([1.0, 0.5, -2.0]) + n
        np.testing.assert_allclose(slope(x), watched(fresh)(x), rtol=1e-12)
    assert slope.replays.plans and slope.replays.plans[0].draws, slope.replays.problem


def test_others_may_draw_from_the_same_generator() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    slope = watched(lambda x: x * rng.normal())
    for _ in range(10):
        assert slope(1.0) == other.normal()
        assert rng.uniform() == other.uniform()
    assert slope.replays.plans


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "decides": lambda x, rng: x[0] if rng.uniform() < 0.5 else x[1] * 3,
    "as often as drawn": lambda x, rng: sum(x[0] * k for k in range(int(rng.integers(1, 5)))),
    "scale is an argument": lambda x, rng: np.sum(x * rng.normal(float(x[0]), 2.0, 3)),
    "shuffles": lambda x, rng: np.sum(x * [*map(float, rng.permutation(3))]),
    "another": lambda x, rng: np.sum(x * np.random.default_rng(rng.integers(9)).normal(size=3)),
    "spawns": lambda x, rng: np.sum(x * rng.spawn(1)[0].normal(size=3)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_draws_that_cannot_be_repeated_are_traced(name: str) -> None:
    slope, fresh = watched(of_generator(REFUSED[name])), of_generator(REFUSED[name])
    for n in range(8):
        x = np.array([1.0, 0.5, -2.0]) + n
        np.testing.assert_allclose(slope(x), watched(fresh)(x), rtol=1e-12)
    assert not slope.replays.plans


def test_a_branch_that_was_not_seen_in_the_proof() -> None:
    rng = np.random.default_rng(0)

    def noisy(x: Any) -> Any:
        return x * rng.normal()

    def f(x: Any) -> Any:
        return noisy(x) if x > 1 else x * x

    slope = warm(f, 0.5)
    assert slope.replays.plans
    assert len({float(slope(2.0)) for _ in range(5)}) == 5
    assert slope(0.5) == 1.0


def test_a_new_branch_reads_the_arrays_of_its_call() -> None:
    state = {"a": np.array([1.0, 2.0])}

    def f(x: Any, b: Any) -> Any:
        return np.sum(state["a"] * x * b) if np.sum(x) > 0 else np.sum(x**2 * state["a"] * b)

    slope = warm(f, np.ones(2), np.ones(2))
    state["a"] = np.array([3.0, 4.0])
    for _ in range(3):
        right(slope, f, -np.ones(2), np.full(2, 2.0))
        right(slope, f, np.ones(2), np.full(2, 3.0))
        state["a"] = state["a"] + 1
    state["a"][0] = 9.0
    right(slope, f, -np.ones(2), np.ones(2))
    assert slope.replays.plans


def test_modules_of_the_user_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = types.ModuleType("some_config")
    config.RATE = 2.0
    slope = warm(lambda x: x * config.RATE, 1.0)
    assert slope.replays.plans
    config.RATE = 5.0
    assert slope(1.0) == 5.0


def test_under_another_profiler_it_is_traced() -> None:
    slope = watched(lambda x: x * x)
    sys.setprofile(lambda *event: None)
    try:
        assert [slope(3.0) for _ in range(5)] == [6.0] * 5
    finally:
        sys.setprofile(None)
    assert not slope.replays.plans
    assert [slope(3.0) for _ in range(5)] == [6.0] * 5 and slope.replays.plans


def test_functions_that_need_real_arrays_are_traced() -> None:
    table = np.array([1.0, 2.0, 4.0])

    def f(x: Any) -> Any:
        return x * float(np.array(table.tolist())[1])

    slope = warm(f, 1.0)
    assert "symbolic" in slope.replays.problem
    table[1] = 8.0
    assert slope(1.0) == 8.0


def test_integers_that_differ_from_call_to_call_are_inputs() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 3)), rng.normal(size=64)

    def batch(w: Any, i: int) -> Any:
        here = slice(i % 8 * 8, (i % 8 + 1) * 8)
        return np.mean((x[here] @ w - y[here]) ** 2)

    def row(w: Any, i: int) -> Any:
        return np.mean((x[i % 64] @ w - y[i % 64]) ** 2) * (0.5 if i < 20 else 1.0)

    def choice(w: Any, i: int) -> Any:
        return np.sum(w**2) * [1.0, 2.0, 3.0][i % 3]

    for fun in (batch, row, choice):
        slope = watched(fun)
        for i in range(30):
            right(slope, fun, np.ones(3), i)
        assert len(slope.replays.plans) == 1 and slope.replays.missed == 0


def test_integers_that_must_be_python_numbers_are_values() -> None:
    def power(x: Any, n: int) -> Any:
        total = 1.0
        for _ in range(n):
            total = total * x
        return total * len("x" * n)

    slope = watched(power)
    for n in (1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 1, 2):
        right(slope, power, 2.0, n)


def test_functions_with_effects_are_run_at_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    def writes(x: Any) -> Any:
        sys.stdout.write("x")
        return x * x

    class Counter:
        calls = 0

        def __call__(self, x: Any) -> Any:
            self.calls += 1
            return x * self.calls

    counter = Counter()
    slope = watched(writes)
    assert [slope(1.0) for _ in range(5)] == [2.0] * 5
    assert capsys.readouterr().out == "x" * 5
    assert [ga.grad(lambda x: counter(x))(1.0) for _ in range(3)] == [1.0, 2.0, 3.0]
    slope = watched(lambda x: counter(x))
    assert [slope(1.0) for _ in range(5)] == [4.0, 5.0, 6.0, 7.0, 8.0]


# ---- what is told at a glance ------------------------------------------------------------------
class Twice(Model):
    def loss(self, x: Any) -> Any:
        return 2.0 * super().loss(x)


class Holder:
    def __init__(self) -> None:
        self.parts, self.names = [A, 2.0], {"s": 1.0}
        self.model = Model(np.ones(2))
        self.shaped = np.arange(1.0, 5.0)


def held(holder: Holder, x: Any, power: Any = (2.0,)) -> Any:
    y = helper(x) * holder.parts[1] + np.sum(holder.parts[0]) * holder.names["s"]
    y = y + np.sum(holder.shaped[0]) * (3.0 if holder.shaped.ndim > 1 else 1.0)
    return np.sum(y ** power[0]) + holder.model.loss(x)


def test_each_way_to_change_what_is_read_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = Holder()

    def f(x: Any) -> Any:
        return held(holder, x)

    slope = warm(f, X)
    assert slope.replays.plans and slope.replays.problem == ""

    def reshape() -> None:
        holder.shaped.shape = (2, 2)

    for change in (
        lambda: holder.parts.__setitem__(1, 3.0),
        lambda: holder.parts.append(5.0),
        lambda: holder.names.__setitem__("s", 4.0),
        lambda: holder.names.__setitem__("other", 4.0),
        lambda: setattr(holder.model, "scale", 7.0),
        lambda: setattr(holder, "model", Model(3 * np.ones(2))),
        lambda: setattr(holder.model, "__class__", Twice),
        lambda: setattr(holder, "__dict__", dict(holder.__dict__, names={"s": 0.5})),
        lambda: monkeypatch.setattr(held, "__defaults__", ((3.0,),)),
        lambda: monkeypatch.setattr(held, "__code__", (lambda h, x, power: np.sum(x)).__code__),
        reshape,
    ):
        change()
        for _ in range(3):
            right(slope, f, X)


def test_a_variable_around_a_function_may_be_emptied() -> None:
    scale = 2.0

    def f(x: Any) -> Any:
        try:
            return np.sum(x**2) * scale
        except NameError:
            return np.sum(x**3)

    slope = warm(f, X)
    scale = 4.0
    right(slope, f, X)
    del scale
    right(slope, f, X)


def test_what_rules_of_derivatives_read_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    @ga.custom_vjp
    def scaled(x: Any) -> Any:
        return np.sin(x)

    def forward(x: Any) -> Any:
        return np.sin(x), None

    def back(kept: Any, g: Any) -> Any:
        return (g * RATE * SETTINGS["s"],)

    scaled.defvjp(forward, back)

    @ga.custom_jvp
    def shifted(x: Any) -> Any:
        return np.cos(x) + RATE

    shifted.defjvp(lambda p, t: (np.cos(p[0]) + RATE, t[0] * RATE))

    @ga.primitive
    def opaque(x: Any) -> Any:
        return x**2

    opaque.defvjp(lambda ans, x: lambda g: g * x * RATE)

    for fun, factor in ((scaled, 2.0), (shifted, 1.0), (opaque, X)):
        monkeypatch.setitem(SETTINGS, "s", 2.0)

        def f(x: Any, fun: Any = fun) -> Any:
            return np.sum(fun(x) * A[0])

        for slope in (watched(f), ga.grad(f)):
            for rate in (1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 5.0, 1.0):
                monkeypatch.setitem(globals(), "RATE", rate)
                np.testing.assert_allclose(slope(X), A[0] * rate * factor)
