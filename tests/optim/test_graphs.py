"""Updates made from a graph: each rule against its formula written out in NumPy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DisconnectedError, GradientError, UseError

A = np.array([[3.0, 0.5], [0.5, 1.0]])
START = np.array([1.0, -2.0])
STEPS = 7


def slope(p: np.ndarray) -> np.ndarray:
    return A @ p + np.sin(p)


def cost(p: Any) -> Any:
    return 0.5 * (p @ (A @ p)) - np.sum(np.cos(p))


def plain_sgd(p: np.ndarray) -> Iterator[np.ndarray]:
    while True:
        p = p - 0.1 * slope(p)
        yield p


def momentum(p: np.ndarray, dampening: float = 0.0) -> Iterator[np.ndarray]:
    v = 0.0 * p
    while True:
        v = 0.9 * v + (1 - dampening) * slope(p)
        p = p - 0.1 * v
        yield p


def nesterov(p: np.ndarray) -> Iterator[np.ndarray]:
    v = 0.0 * p
    while True:
        g = slope(p)
        v = 0.9 * v + g
        p = p - 0.1 * (g + 0.9 * v)
        yield p


def adam(p: np.ndarray, decay: float = 0.0) -> Iterator[np.ndarray]:
    m, v, t = 0.0 * p, 0.0 * p, 0
    while True:
        g, t = slope(p), t + 1
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g**2
        step = m / (1 - 0.8**t) / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
        p = p - 0.1 * (step + decay * p)
        yield p


def rmsprop(p: np.ndarray, initial: float = 0.0) -> Iterator[np.ndarray]:
    s = np.full_like(p, initial)
    while True:
        g = slope(p)
        s = 0.7 * s + 0.3 * g**2
        p = p - 0.1 * g / (np.sqrt(s) + 1e-6)
        yield p


def rmsprop_momentum(p: np.ndarray) -> Iterator[np.ndarray]:
    s, b = 0.0 * p, 0.0 * p
    while True:
        g = slope(p)
        s = 0.7 * s + 0.3 * g**2
        b = 0.5 * b + g / (np.sqrt(s) + 1e-6)
        p = p - 0.1 * b
        yield p


def adagrad(p: np.ndarray) -> Iterator[np.ndarray]:
    s = np.full_like(p, 0.25)
    while True:
        g = slope(p)
        s = s + g**2
        p = p - 0.1 * g / (np.sqrt(s) + 1e-8)
        yield p


ADAM = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}
RULES: dict[str, tuple[Callable[..., Any], dict[str, Any], Callable[..., Any]]] = {
    "sgd": (ga.optim.sgd, {}, plain_sgd),
    "momentum": (ga.optim.sgd, {"momentum": 0.9}, momentum),
    "dampened": (
        ga.optim.sgd, {"momentum": 0.9, "dampening": 0.9}, lambda p: momentum(p, 0.9)),
    "nesterov": (ga.optim.sgd, {"momentum": 0.9, "nesterov": True}, nesterov),
    "adam": (ga.optim.adam, ADAM, adam),
    "adamw": (ga.optim.adamw, {**ADAM, "weight_decay": 0.3}, lambda p: adam(p, 0.3)),
    "rmsprop": (ga.optim.rmsprop, {"decay": 0.7, "eps": 1e-6}, rmsprop),
    "rmsprop from 1": (
        ga.optim.rmsprop, {"decay": 0.7, "eps": 1e-6, "initial": 1.0}, lambda p: rmsprop(p, 1.0)),
    "rmsprop with momentum": (
        ga.optim.rmsprop, {"decay": 0.7, "eps": 1e-6, "momentum": 0.5}, rmsprop_momentum),
    "adagrad": (ga.optim.adagrad, {"initial": 0.25}, adagrad),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rule_follows_its_formula(name: str) -> None:
    optimiser, settings, formula = RULES[name]
    w = ga.shared(START, name="w")
    loss = cost(w)
    step = ga.function([], loss, updates=optimiser(loss, w, lr=0.1, **settings))
    for _, expected in zip(range(STEPS), formula(START), strict=False):
        step()
        np.testing.assert_allclose(w.value, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", RULES)
def test_rule_on_arrays_follows_its_formula(name: str) -> None:
    optimiser, settings, formula = RULES[name]
    found = optimiser(cost, START, lr=0.1, steps=STEPS, **settings)
    *_, expected = (p for _, p in zip(range(STEPS), formula(START), strict=False))
    np.testing.assert_allclose(found.x, expected, rtol=1e-12, atol=1e-14)
    assert found.steps == STEPS and found.history.shape == (STEPS + 1,)
    np.testing.assert_allclose(found.value, cost(expected), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULES)
def test_dtype_of_parameters_stays(name: str, dtype: str) -> None:
    optimiser, settings, _ = RULES[name]
    w = ga.shared(START.astype(dtype), name="w")
    rate = ga.optim.cosine_decay(0.1, 10, warmup=2)
    updates = optimiser((w * w).sum(), w, lr=rate, clip_norm=1.0, **settings)
    kept = {key: new.dtype for key, new in updates.items() if key.dtype.kind == "f"}
    assert set(kept.values()) == {np.dtype(dtype)}
    ga.function([], [], updates=updates)()


def test_parameters_in_containers_train_together() -> None:
    params = {"w": ga.shared(np.ones((2, 2)), name="w"), "b": [ga.shared(0.5, name="b")]}
    x = ga.matrix("x", shape=("n", 2))
    loss = ((x @ params["w"] + params["b"][0]) ** 2).mean()  # type: ignore[operator]
    step = ga.function([x], loss, updates=ga.optim.adam(loss, params, lr=0.05))
    data = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]])
    losses = [float(step(data)) for _ in range(50)]
    assert losses[-1] < 0.02 * losses[0]


def test_state_has_names_and_can_be_read() -> None:
    w = ga.shared([1.0, 2.0], name="w")
    updates = ga.optim.adam((w**2).sum(), w)
    assert sorted(str(v.name) for v in updates) == ["adam.step", "w", "w.m", "w.v"]
    ga.function([], [], updates=updates)()
    assert {v.name: v.value.tolist() for v in updates if v.name == "w.m"} == {
        "w.m": pytest.approx([0.2, 0.4])
    }


def test_rate_may_be_a_variable_or_a_schedule() -> None:
    rate, w = ga.scalar("rate"), ga.shared(1.0, name="w")
    step = ga.function([rate], w, updates=ga.optim.sgd(w, w, lr=rate))
    step(0.25)
    assert w.value == 0.75
    v = ga.shared(0.0, name="v")
    schedule = ga.optim.piecewise_constant([1, 2], [1.0, 0.5, 0.25])
    step = ga.function([], v, updates=ga.optim.sgd(v, v, lr=schedule))
    seen = []
    for _ in range(4):
        step()
        seen.append(-float(v.value))
    assert seen == [1.0, 1.5, 1.75, 2.0]


def test_complex_parameters_descend() -> None:
    w = ga.shared(np.array([1.0 + 2.0j, -1.0j]), name="w")
    loss = (abs(w - (0.5 - 0.25j)) ** 2).sum()
    step = ga.function([], loss, updates=ga.optim.adam(loss, w, lr=0.1))
    losses = [float(step()) for _ in range(300)]
    assert losses[-1] < 1e-5
    np.testing.assert_allclose(w.value, 0.5 - 0.25j, atol=1e-2)
    found = ga.optim.minimize(
        lambda z: np.sum(abs(z - (0.5 - 0.25j)) ** 2), np.array([1.0 + 2.0j, -1.0j])
    )
    np.testing.assert_allclose(found.x, 0.5 - 0.25j, atol=1e-6)


def test_gradients_may_be_given() -> None:
    w = ga.shared([1.0, 2.0], name="w")
    step = ga.function([], [], updates=ga.optim.sgd(None, w, lr=0.5, gradients=2 * w))
    step()
    assert w.value.tolist() == [0.0, 0.0]
    with pytest.raises(GradientError, match="gradients="):
        ga.optim.sgd(None, {"w": w}, gradients=[w])


def test_clipping_bounds_the_common_norm() -> None:
    u, v = ga.shared([3.0], name="u"), ga.shared(4.0, name="v")
    loss = 0.5 * ((u**2).sum() + v**2)
    step = ga.function([], [], updates=ga.optim.sgd(loss, [u, v], lr=1.0, clip_norm=2.5))
    step()
    np.testing.assert_allclose([u.value[0], v.value], [1.5, 2.0])
    zero = ga.optim.clip_by_norm([ga.shared([0.0, 0.0])], 1.0)[0]
    assert zero.eval().tolist() == [0.0, 0.0]


def test_what_is_wrong_is_said() -> None:
    w, x = ga.shared(1.0, name="w"), ga.scalar("x")
    with pytest.raises(UseError, match=r"params\['x'\] is 'x', an input"):
        ga.optim.adam(w * x, {"w": w, "x": x})
    with pytest.raises(DisconnectedError):
        ga.optim.adam(x * x, w)
    with pytest.raises(UseError, match="'steps'"):
        ga.optim.adam(w * x, w, steps=3)
    with pytest.raises(UseError, match="'mass'"):
        ga.optim.sgd(w * x, w, mass=0.9)
    with pytest.raises(UseError, match="lr=-1"):
        ga.optim.sgd(w * x, w, lr=-1)
    with pytest.raises(UseError, match="momentum=1"):
        ga.optim.sgd(w * x, w, momentum=1.0)
    with pytest.raises(UseError, match="nesterov"):
        ga.optim.sgd(w * x, w, nesterov=True)
    with pytest.raises(UseError, match="of float"):
        ga.optim.sgd(3.0, w)
