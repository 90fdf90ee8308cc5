"""custom_vjp, custom_jvp and gates: values unchanged, derivatives as stated, in every order."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, GradientError, ShapeError, UseError
from graphad.ir import walk
from graphad.testing import check_grads, interpret
from graphad.testing.gradients import Runner

X, Y = np.array([0.5, 1.0, 2.0]), np.array([1.5, -0.5, 0.25])
x, y = ga.vector("x", shape=(3,)), ga.vector("y", shape=(3,))


def true_vjp() -> Any:
    @ga.custom_vjp
    def f(x: Any, y: Any) -> Any:
        return {"product": x * ga.exp(y), "sum": (x * y).sum()}

    def forward(x: Any, y: Any) -> Any:
        found = f(x, y)
        return found, (x, y, found["product"])

    def backward(residuals: Any, g: Any) -> Any:
        x, y, product = residuals
        return (
            g["product"] * ga.exp(y) + g["sum"] * y,
            g["product"] * product + g["sum"] * x,
        )

    f.defvjp(forward, backward)
    return f


def true_jvp() -> Any:
    @ga.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return {"product": x * ga.exp(y), "sum": (x * y).sum()}

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x, y), (s, t) = primals, tangents
        found = f(x, y)
        product = s * ga.exp(y) + found["product"] * t
        return found, {"product": product, "sum": (s * y + x * t).sum()}

    return f


@pytest.mark.parametrize("sizes", ["static", "unknown", "named"])
@pytest.mark.parametrize("make", [true_vjp, true_jvp])
def test_right_rules(make: Callable[[], Any], sizes: str, run: Runner) -> None:
    check_grads(make(), [X, Y], order=3, sizes=sizes, runner=run, rtol=1e-6)


def test_the_rule_is_what_counts_in_every_order(run: Runner) -> None:
    @ga.custom_vjp
    def f(x: Any) -> Any:
        return x * 1.0

    f.defvjp(lambda x: (f(x), f(x)), lambda y, g: (g * y * 10.0,))
    first = ga.grad(f(x).sum(), x)
    second = ga.grad(first.sum(), x)
    third = ga.grad(second.sum(), x)
    found = run([x], [f(x), first, second, third])(X)
    for value, expected in zip(found, [X, 10 * X, 100 * X, 1000 * X], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-14)


def test_a_program_has_no_trace_of_it() -> None:
    f = true_vjp()
    program = ga.function([x, y], f(x, y)["product"])
    assert [node.op.name for node in program.graph.nodes] == ["exp", "multiply"]
    assert pickle.loads(pickle.dumps(program))(X, Y).tolist() == (X * np.exp(Y)).tolist()
    gradient = ga.function([x, y], ga.grad(f(x, y)["sum"], [x, y]))
    assert {node.op.name for node in gradient.graph.nodes} <= {
        "multiply", "broadcast_to", "expand_dims", "exp", "add", "sum"}  # fmt: skip


def test_results_share_no_memory() -> None:
    f = ga.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (f(x), None), lambda _, g: (g,))
    for backend in ("interpreter", "auto"):
        for y in (f(x), ga.grad_scale(x, 2.0), ga.checkpoint(lambda h: h)(x)):
            value = ga.function([x], y, backend=backend)(X)
            assert value.tolist() == X.tolist() and not np.shares_memory(value, X)


def test_containers_and_plain_arguments(run: Runner) -> None:
    @ga.custom_vjp
    def f(parameters: Any, power: int, scale: Any = None) -> Any:
        return parameters["w"] ** power * parameters["b"] * scale

    def backward(residuals: Any, g: Any) -> Any:
        parameters, power, scale = residuals
        w, b = parameters["w"], parameters["b"]
        return {"w": g * power * w ** (power - 1) * b * scale, "b": g * w**power * scale}, None, (
            g * w**power * b)  # fmt: skip

    f.defvjp(lambda p, power, scale: (f(p, power, scale=scale), (p, power, scale)), backward)
    check_grads(lambda w, b, s: f({"w": w, "b": b}, 2, scale=s), [X, Y, X + 1], runner=run)
    assert f({"w": 2.0, "b": 3.0}, 2, scale=1.0) == 12.0


def test_integer_arguments(run: Runner) -> None:
    @ga.custom_vjp
    def take(x: Any, i: Any) -> Any:
        return x[i]

    take.defvjp(lambda x, i: (take(x, i), (x, i)), lambda res, g: (res[0] * 0 + g.sum(), None))
    i = ga.vector("i", dtype="int64")
    (found,) = run([x, i], [ga.grad(take(x, i).sum(), x)])(X, [0, 0])
    assert found.tolist() == [2.0, 2.0, 2.0]


def test_masks_go_through() -> None:
    @ga.custom_vjp
    def root(x: Any) -> Any:
        return ga.sqrt(x)

    root.defvjp(lambda x: (root(x), root(x)), lambda y, g: (g * 0.5 / y,))
    w = ga.vector("w")
    cost = ga.where(x > 0, root(x) * w, 0.0).sum()
    (found,) = interpret([x, w], [ga.grad(cost, w)])(np.array([-1.0, 4.0, 0.0]), np.ones(3))
    assert found.tolist() == [0.0, 2.0, 0.0]


# ---- gates ----------------------------------------------------------------------------------


def test_gates(run: Runner) -> None:
    scale = ga.scalar("scale")
    cases = [
        (ga.grad_scale(x, 3.0), 3.0 * 2 * X), (ga.grad_scale(x, scale), 0.5 * 2 * X),
        (ga.grad_reverse(x), -2 * X), (ga.grad_reverse(x, 0.5), -X),
        (ga.grad_clip(x, -1.5, 1.5), np.clip(2 * X, -1.5, 1.5)),
        (ga.grad_clip(x, -scale, scale), np.clip(2 * X, -0.5, 0.5)),
    ]  # fmt: skip
    for gate, expected in cases:
        value, found = run([x, scale], [gate, ga.grad((gate**2).sum(), x)])(X, 0.5)
        assert value.tolist() == X.tolist()
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_gates_in_forward_mode_and_second_order() -> None:
    scaled, clipped = ga.grad_scale(x, 3.0) ** 3, ga.grad_clip(x, -2.0, 2.0) ** 3
    forward = interpret([x], [ga.jvp(scaled, x, np.ones(3)), ga.jvp(clipped, x, np.ones(3))])(X)
    np.testing.assert_allclose(forward, [9 * X**2, 3 * X**2], rtol=1e-14)
    (curve,) = interpret([x], [ga.hvp(scaled.sum(), x, np.ones(3))])(X)
    np.testing.assert_allclose(curve, 9 * 6 * X, rtol=1e-14)
    (curve,) = interpret([x], [ga.hvp(clipped.sum(), x, np.ones(3))])(X)
    inside = 3 * X**2 < 2
    np.testing.assert_allclose(curve, np.where(inside, 6 * X, 0.0), rtol=1e-14)


def test_gates_leave_no_node() -> None:
    f = ga.function([x], ga.grad_scale(ga.grad_clip(ga.sin(x), -1, 1), 2.0))
    assert [node.op.name for node in f.graph.nodes] == ["sin"]


def test_gates_keep_the_dtype() -> None:
    for dtype in ("float32", "complex64"):
        z = ga.vector("z", dtype=dtype)
        g = ga.grad((ga.grad_scale(z, np.float64(2.0)) ** 2).sum(), z)
        assert g.dtype == dtype


# ---- errors ---------------------------------------------------------------------------------


def with_rule(backward: Any, forward: Any = None) -> Callable[[], Any]:
    def use() -> Any:
        f = ga.custom_vjp(_product)
        f.defvjp(forward or (lambda x, y: (f(x, y), (x, y))), backward)
        return ga.grad(f(x, y).sum(), [x, y])

    return use


def _product(x: Any, y: Any) -> Any:
    return x * y


w = ga.shared(np.ones(3), name="w")
BAD: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "no rule": (lambda: ga.custom_vjp(_product)(x, y), GradientError,
        ("_product has no rule", "defvjp(forward, backward)")),
    "no forward rule": (lambda: ga.custom_jvp(_product)(x, y), GradientError,
        ("@_product.defjvp",)),
    "shape": (with_rule(lambda r, g: (g.sum(), g)), ShapeError,
        ("the gradient of _product for argument 0 ('x') has shape ()", "(3,)", "sum over it")),
    "dtype": (with_rule(lambda r, g: (g * 1j, g)), DTypeError,
        ("the gradient of _product for argument 0", "complex128")),
    "number": (with_rule(lambda r, g: (g,)), GradientError,
        ("returned 1 cotangents", "2 arguments")),
    "forward": (with_rule(lambda r, g: (g, g), lambda x, y: x), UseError,
        ("forward rule of _product", "(result, residuals)")),
    "captured": (lambda: captured(), GradientError,
        ("uses 'w', a shared variable", "pass it as an argument")),
    "gate of integers": (lambda: ga.grad_scale(ga.vector("i", dtype="int64"), 2), DTypeError,
        ("grad_scale", "int64")),
    "factor with axes": (lambda: ga.grad_scale(x, x), UseError, ("factor is float64[3]",)),
    "bounds": (lambda: ga.grad_clip(x, 1, -1), UseError, ("low=1 is above high=-1",)),
    "complex clip": (lambda: ga.grad_clip(ga.scalar("z", dtype="complex128"), 0, 1), DTypeError,
        ("complex",)),
}  # fmt: skip


def captured() -> Any:
    f = ga.custom_vjp(lambda x: x * w)
    f.defvjp(lambda x: (x * w, None), lambda r, g: (g,))
    return f(x)


@pytest.mark.parametrize("name", BAD)
def test_bad_use(name: str) -> None:
    use, error, words = BAD[name]
    with pytest.raises(error) as caught:
        use()
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in:\n{caught.value}"


def test_what_is_cut_off_may_be_captured() -> None:
    f = ga.custom_vjp(lambda x: x * ga.stop_gradient(w))
    f.defvjp(lambda x: (f(x), None), lambda r, g: (g * w,))
    assert interpret([x, w], [ga.grad(f(x).sum(), x)])(X, Y)[0].tolist() == Y.tolist()


# ---- checkpoints ----------------------------------------------------------------------------


def layers(h: Any, w: Any) -> Any:
    for _ in range(4):
        h = ga.tanh(h * w + 1.0)
    return h


@pytest.mark.parametrize("sizes", ["static", "unknown", "named"])
def test_checkpoint_has_the_same_derivatives(sizes: str, run: Runner) -> None:
    check_grads(ga.checkpoint(layers), [X, Y], order=3, rtol=1e-6, sizes=sizes, runner=run)
    check_grads(lambda a, b: ga.checkpoint(layers(ga.exp(a), b), [a, b]), [X, Y], runner=run)


def test_captured_variables_are_differentiated(run: Runner) -> None:
    def f(a: Any, b: Any) -> Any:
        c = ga.exp(b)
        return ga.checkpoint(lambda h: {"out": layers(h, c) * c, "sum": h.sum()})(a)

    check_grads(f, [X, Y], runner=run)
    part = ga.checkpoint(lambda h: h * w)(x)
    assert interpret([x, w], [ga.grad(part.sum(), w)])(X, Y)[0].tolist() == X.tolist()


def test_the_inner_graph_is_computed_twice() -> None:
    calls = []

    @ga.primitive(outputs=lambda x: x)
    def count(x: Any) -> Any:
        calls.append(x)
        return np.sin(x)

    count.defvjp(lambda ans, x: lambda g: g * ga.cos(x))

    def part(h: Any) -> Any:
        return count(h) ** 2

    for wrapped, times in ((part, 1), (ga.checkpoint(part), 2)):
        calls.clear()
        cost = wrapped(x).sum()
        f = ga.function([x], [cost, ga.grad(cost, x)])
        calls.clear()
        _, gradient = f(X)
        np.testing.assert_allclose(gradient, 2 * np.sin(X) * np.cos(X), rtol=1e-14)
        assert len(calls) == times


def test_only_the_inputs_are_kept() -> None:
    v = ga.vector("v", shape=(1000,))
    peaks = []
    for block in (layers, ga.checkpoint(layers)):
        h = v
        for _ in range(8):
            h = block(h, ga.constant(0.5))
        cost = h.sum()
        peaks.append(ga.function([v], [cost, ga.grad(cost, v)]).plan.peak_bytes())
    assert peaks[1] < peaks[0] / 2


def test_masks_go_into_a_checkpoint(run: Runner) -> None:
    """Zeros of a selection, and risky operands, are known inside."""
    d = ga.vector("d")
    part = ga.checkpoint(lambda w, d: w * d * (1 / d))
    cost = ga.where(d < 10, part(x[: d.shape[0]] ** 2, d), 0.0).sum()
    gradient = ga.grad(cost, x)
    second = ga.grad(gradient.sum(), x)
    found = run([x, d], [gradient, second])(X, np.array([2.0, np.nan, np.inf]))
    np.testing.assert_allclose(found[0], [2 * X[0], 0, 0], rtol=1e-14)
    np.testing.assert_allclose(found[1], [2.0, 0, 0], rtol=1e-14)


def test_masks_go_into_a_jacobian(run: Runner) -> None:
    d = ga.vector("d")
    rows = ga.jacobian(ga.where(d < 10, x**2 * d, 0.0), x)
    second = ga.grad(rows.sum(), x)
    found = run([x, d], [rows, second])(X, np.array([2.0, np.nan, np.inf]))
    np.testing.assert_allclose(found[0], np.diag([2 * X[0] * 2.0, 0, 0]), rtol=1e-14)
    np.testing.assert_allclose(found[1], [4.0, 0, 0], rtol=1e-14)


def test_sizes_known_inside_only() -> None:
    """The number of elements that a mask takes differs between two uses of one op."""
    part = ga.checkpoint(lambda h: h[h > 1] * 2)
    first, second = part(x), part(y)
    assert first.type.shape != second.type.shape
    found = interpret([x, y], [first, second, ga.grad(first.sum(), x)])(X, Y)
    assert [a.tolist() for a in found] == [[4.0], [3.0], [0.0, 0.0, 2.0]]


def test_checkpoint_of_other_sizes_after_replacing() -> None:
    z = ga.vector("z", shape=(5,))
    replaced = ga.graph.replace(ga.checkpoint(layers)(ga.vector("u"), 0.5), {})
    assert replaced.ndim == 1
    free = ga.vector("free")
    changed = ga.graph.replace(ga.checkpoint(lambda h: h * 2)(free), {free: z})
    assert changed.type.shape == (5,)


def test_what_no_checkpoint_is() -> None:
    with pytest.raises(UseError, match="checkpoint of int"):
        ga.checkpoint(3)
    with pytest.raises(UseError, match="an input is ndarray"):
        ga.checkpoint(x * 2, [X])
    with pytest.raises(UseError, match="no result"):
        ga.checkpoint(lambda h: [])(x)


def test_a_checkpoint_is_one_node_in_the_plan() -> None:
    f = ga.function([x, y], ga.checkpoint(layers)(x, y))
    assert [node.op.name for node in walk.toposort(f.graph.outputs)] == ["checkpoint"]
    assert pickle.loads(pickle.dumps(f))(X, Y).tolist() == f(X, Y).tolist()
