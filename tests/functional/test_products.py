"""jacobian, hessian, hvp, jvp, vjp, linearize, flatten, registered types."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GradientError, InputError, ShapeError, UseError

X = np.array([1.0, 2.0])


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_jacobian() -> None:
    f = ga.jacobian(lambda x: np.stack([x[0] * x[1], x[0] ** 2, x[1]]))
    for _ in range(3):
        close(f(X), [[2.0, 1.0], [2.0, 0.0], [0.0, 1.0]])
    made = ga.jacobian(lambda p: {"y": p["w"] ** 2, "z": np.sum(p["w"])})({"w": X, "b": 1.0})
    close(made["y"]["w"], np.diag(2 * X))
    close(made["z"]["w"], [1.0, 1.0])
    close(made["y"]["b"], [0.0, 0.0])
    close(ga.jacobian(lambda x, y: x * y, (0, 1), mode="forward")(X, X)[1], np.diag(X))
    with pytest.raises(GradientError, match="returned int64"):
        ga.jacobian(lambda x: np.argmax(x))(X)


def test_hessian_and_its_product() -> None:
    def f(x: Any, s: Any = 1.0) -> Any:
        return np.sum(x**3) * s

    close(ga.hessian(f)(X), np.diag(6 * X))
    mixed = ga.hessian(f, (0, 1))(X, 2.0)
    close(mixed[0][0], np.diag(12 * X))
    close(mixed[0][1], 3 * X**2)
    close(mixed[1][1], 0.0)
    product = ga.hvp(f)
    for _ in range(3):
        close(product(X, np.array([1.0, 10.0])), [6.0, 120.0])
    close(ga.hvp(f)(X, 2.0, np.array([1.0, 10.0])), [12.0, 240.0])
    both = ga.hvp(f, (0, 1))(X, 2.0, (np.zeros(2), 1.0))
    close(both[0], 3 * X**2)
    close(both[1], 0.0)


def test_vjp() -> None:
    def f(p: Any, s: Any) -> Any:
        return {"a": p["x"] ** 2 * s, "b": np.sum(p["x"])}

    y, pull = ga.vjp(f, {"x": X}, 3.0)
    close(y["a"], 3 * X**2)
    for scale in (1.0, 2.0, 3.0):
        back, by_s = pull({"a": scale * X, "b": 1.0})
        close(back["x"], 6 * X * scale * X + 1)
        close(by_s, np.sum(X**2 * scale * X))
    with pytest.raises(InputError, match="directions"):
        pull({"a": X})
    with pytest.raises(ShapeError, match="shape"):
        pull({"a": np.ones(3), "b": 1.0})
    _, _, aux = ga.vjp(lambda x: (x, "kept"), X, has_aux=True)
    assert aux == "kept"
    assert ga.vjp(lambda x: x**2)(3.0)[1](1.0) == (6.0,)


def test_the_point_is_kept() -> None:
    x = np.array([1.0, 2.0])
    _, pull = ga.vjp(lambda x: x**2, x)
    x[:] = 100.0
    for _ in range(3):
        close(pull(np.ones(2))[0], [2.0, 4.0])


def test_jvp_and_linearize() -> None:
    def f(x: Any, w: Any) -> Any:
        return {"y": np.sin(x) * w, "z": w}

    for _ in range(3):
        out, moved = ga.jvp(f, (X, 2.0), (np.ones(2), 10.0))
        close(out["y"], np.sin(X) * 2)
        close(moved["y"], np.cos(X) * 2 + np.sin(X) * 10)
        assert moved["z"] == 10.0
    _, push = ga.linearize(f, X, 2.0)
    for _ in range(3):
        close(push(np.ones(2), 10.0)["y"], np.cos(X) * 2 + np.sin(X) * 10)
    assert ga.jvp(lambda x: (x, "aux"), (1.0,), (2.0,), has_aux=True) == (1.0, 2.0, "aux")
    with pytest.raises(UseError, match="tuples"):
        ga.jvp(np.sin, 1.0, 2.0)
    with pytest.raises(InputError, match="tangents"):
        ga.jvp(lambda x: x, (1.0,), (1.0, 2.0))


def test_they_nest_in_any_order() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**4)

    close(ga.grad(lambda x: np.sum(ga.jacobian(lambda y: y**3)(x)))(X), 6 * X)
    close(ga.grad(lambda x: ga.vjp(f, x)[1](1.0)[0][0])(X), [12.0, 0.0])
    close(ga.grad(lambda x: ga.jvp(f, (x,), (x,))[1])(X), 16 * X**3)
    close(ga.jvp(ga.grad(f), (X,), (np.ones(2),))[1], 12 * X**2)
    close(ga.jvp(lambda x: ga.vjp(f, x)[1](1.0)[0], (X,), (np.ones(2),))[1], 12 * X**2)
    close(ga.grad(lambda x: ga.linearize(f, x)[1](x))(X), 16 * X**3)
    close(ga.jacobian(ga.jit(ga.grad(f)))(X), np.diag(12 * X**2))
    close(ga.jit(ga.hessian(f))(X), np.diag(12 * X**2))
    close(ga.jit(lambda x, v: ga.hvp(f)(x, v))(X, X), 12 * X**3)
    close(ga.elementwise_grad(ga.elementwise_grad(lambda x: x**3))(X), 6 * X)


def test_rules_of_ones_own() -> None:
    @ga.custom_vjp
    def clipped(x: Any) -> Any:
        return x * 1.0

    clipped.defvjp(lambda x: (x * 1.0, None), lambda res, g: (ga.clip(g, -1.0, 1.0),))

    @ga.primitive
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda ans, x: lambda g: 3 * g * x**2)
    for _ in range(3):
        close(ga.grad(lambda x: np.sum(clipped(x) * 5))(X), [1.0, 1.0])
        close(ga.grad(lambda x: np.sum(cube(x)))(X), 3 * X**2)
        close(ga.grad(lambda x: np.sum(ga.checkpoint(np.sin)(x)))(X), np.cos(X))
    assert ga.grad(ga.grad(cube))(2.0) == 12.0
    close(ga.checkpoint(np.sin)(X), np.sin(X))


# ---- flatten -----------------------------------------------------------------------------------
Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(("value", "vector"), [
    ([1.0, 2.0, (3.0,)], [1.0, 2.0, 3.0]),
    ([1.0, (2.0, np.array([[3.0, 4.0], [5.0, 6.0]]))], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ({"b": 2.0, "a": [1.0, np.array([7.0])]}, [1.0, 7.0, 2.0]),
    (Point(np.zeros((0, 2)), 3.0), [3.0]),
    ((), []),
    (4.0, [4.0]),
])  # fmt: skip
def test_flatten_examples(value: Any, vector: list[float]) -> None:
    found, unflatten = ga.flatten(value)
    assert found.dtype == np.float64 and found.shape == (len(vector),)
    close(found, vector)
    again = unflatten(found)
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_flatten_keeps_dtypes_and_copies() -> None:
    value = {"n": 3, "f": np.float32(0.1), "i": np.array([1, 2]), "t": True}
    vector, unflatten = ga.flatten(value)
    again = unflatten(vector)
    assert repr(again) == repr({k: value[k] for k in value})
    x = np.ones(3)
    vector, unflatten = ga.flatten(x)
    assert not np.shares_memory(vector, x) and not np.shares_memory(unflatten(vector), vector)
    with pytest.raises(ShapeError, match="length 3"):
        unflatten(np.ones(4))
    with pytest.raises(UseError, match=r"value\['a'\] is str"):
        ga.flatten({"a": "s"})


def test_flatten_differentiates() -> None:
    p = {"b": [1.0, 2.0], "a": X}
    vector, unflatten = ga.flatten(p)
    for _ in range(3):
        found = ga.grad(lambda p: np.sum(ga.flatten(p)[0] ** 2))(p)
        assert found["b"] == [2.0, 4.0]
        close(found["a"], 2 * X)
        slope = ga.grad(lambda v: unflatten(v)["a"][0] * unflatten(v)["b"][1])(vector)
        close(slope, [2.0, 0.0, 0.0, 1.0])


def test_registered_types_are_containers() -> None:
    class Model:
        def __init__(self, w: Any, name: str) -> None:
            self.w, self.name = w, name

    ga.tree.register(Model, lambda m: ((m.w,), m.name), lambda name, parts: Model(parts[0], name))
    slope = ga.grad(lambda m: np.sum(m.w**2))(Model(X, "m"))
    assert isinstance(slope, Model) and slope.name == "m"
    close(slope.w, 2 * X)
    vector, unflatten = ga.flatten([Model(X, "m")])
    close(unflatten(vector)[0].w, X)
    assert ga.tree.flatten(Model(1, "a"))[1] != ga.tree.flatten(Model(1, "b"))[1]
    with pytest.raises(TypeError, match="class"):
        ga.tree.register(list, list, list)  # type: ignore[arg-type]


def test_decisions_inside_of_custom_functions_and_checkpoints() -> None:
    @ga.custom_vjp
    def custom(x: Any) -> Any:
        return x * 2.0 if x > 0 else x * 3.0

    custom.defvjp(lambda x: (custom(x), x), lambda x, g: (g * (20.0 if x > 0 else 30.0),))
    block = ga.checkpoint(lambda x: x**2 if custom(x) > 2 else x)
    f = ga.jit(ga.grad(lambda x: custom(x) + block(x)))
    for _ in range(3):
        assert f(2.0) == 24.0 and f(-1.0) == 31.0 and f(0.5) == 21.0
    assert f.cache_info().paths == 3


def test_rows_and_derivatives_in_any_order() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**3)

    rows = np.arange(6.0).reshape(3, 2)
    for _ in range(3):
        close(ga.vmap(ga.grad(f))(rows), 3 * rows**2)
        close(ga.jit(ga.vmap(ga.grad(f)))(rows), 3 * rows**2)
        close(ga.grad(lambda x: np.sum(ga.vmap(f)(x)))(rows), 3 * rows**2)
        close(ga.vmap(ga.jit(f))(rows), np.sum(rows**3, axis=1))
        close(ga.vmap(ga.hessian(f))(rows)[1], np.diag(6 * rows[1]))
        close(ga.grad(lambda x: np.sum(ga.vmap(ga.grad(f))(x)))(rows), 6 * rows)
