"""vmap and vectorize_graph: axes, containers, unknown sizes, nesting, derivatives, errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphad as ga
from graphad.errors import AxisError, DTypeError, ShapeError, UseError
from graphad.testing import check_grads
from graphad.testing.gradients import Runner

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
Y = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 2))


def operations(*variables: Any) -> list[str]:
    return [node.op.name for node in ga.Graph.of(variables).nodes]


# ---- arrays in, arrays out -------------------------------------------------------------------
def test_arrays_give_arrays() -> None:
    found = ga.vmap(lambda x, y: (x * y).sum())(X, Y)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, (X * Y).sum(axis=1))
    total = ga.vmap(lambda x: x.sum(), out_axes=None, in_axes=None)
    with pytest.raises(UseError, match="no argument has rows"):
        total(X)


def test_numpy_functions_and_captured_arrays() -> None:
    np.testing.assert_allclose(ga.vmap(lambda x: np.tanh(x @ W))(X), np.tanh(X @ W))


def test_captured_variables_give_graph() -> None:
    w = ga.matrix("w", shape=(3, 2))
    found = ga.vmap(lambda x: x @ w)(X)
    assert isinstance(found, ga.Variable)
    np.testing.assert_allclose(found.eval({w: W}), X @ W)
    shared = ga.shared(W)
    np.testing.assert_allclose(ga.vmap(lambda x: x @ shared)(X), X @ W)


def test_numbers_come_back_as_scalars() -> None:
    x = np.arange(3.0)
    value = ga.vmap(lambda v: (v, 7.0), out_axes=(0, None))(x)[1]
    assert value == 7.0 and np.ndim(value) == 0
    assert ga.vmap(lambda v: (v, 7.0))(x)[1].tolist() == [7.0, 7.0, 7.0]


# ---- axes and containers ---------------------------------------------------------------------
def test_axes() -> None:
    x = RNG.normal(size=(2, 4, 3))
    for axis in (0, 1, 2, -1):
        for out in (0, 1, -1):
            found = ga.vmap(lambda r: r * 2.0 + r.sum(), axis, out)(x)
            rows = np.moveaxis(x, axis, 0)
            expected = np.stack([r * 2 + r.sum() for r in rows], axis=out)
            np.testing.assert_allclose(found, expected)


class Pair(NamedTuple):
    first: Any
    second: Any


def test_containers() -> None:
    def f(model: Any, x: Any) -> Any:
        return {"sum": model["w"] @ x + model["b"][0], "pair": Pair(x, [x.sum(), model["b"][0]])}

    model = {"w": RNG.normal(size=(2, 3)), "b": (RNG.normal(size=(4, 2)),)}
    axes = ({"w": None, "b": (0,)}, 0)
    found = ga.vmap(f, axes, {"sum": 1, "pair": 0})(model, X)
    np.testing.assert_allclose(found["sum"], model["w"] @ X.T + model["b"][0].T)
    assert isinstance(found["pair"], Pair)
    np.testing.assert_allclose(found["pair"].second[0], X.sum(axis=1))
    prefix = ga.vmap(f, ({"w": None, "b": 0}, 0))(model, X)
    np.testing.assert_allclose(prefix["sum"], found["sum"].T)
    several = ga.vmap(f, [{"w": None, "b": [0]}, 0])
    np.testing.assert_allclose(
        several({"w": model["w"], "b": [model["b"][0]]}, X)["sum"], prefix["sum"]
    )


def test_keywords_and_what_is_no_array_are_handed_through() -> None:
    def f(x: Any, name: str, *, power: int) -> Any:
        return getattr(np, name)(x) ** power

    found = ga.vmap(f, (0, None))(X, "sin", power=2)
    np.testing.assert_allclose(found, np.sin(X) ** 2)
    partial = ga.vmap(functools.partial(f, name="cos", power=1))
    np.testing.assert_allclose(partial(X), np.cos(X))
    assert ga.vmap(f).__name__ == "vmap(f)"


# ---- only what depends on rows ---------------------------------------------------------------
def test_only_what_depends_on_rows_is_batched() -> None:
    w, x = ga.vector("w", shape=(3,)), ga.matrix("x", shape=("b", 3))
    found = ga.vmap(lambda row, w: row * ga.exp(w).sum(), (0, None))(x, w)
    types = {n.op.name: n.types[0] for n in ga.Graph.of([found]).nodes}
    assert str(types["exp"]) == "float64[3]" and str(types["sum"]) == "float64[]"
    assert str(found.type) == "float64[b, 3]"
    sizes = ga.vmap(lambda r: ga.zeros_like(r) + 1.0 / r.shape[0], out_axes=None)
    assert sizes(np.ones((2, 4))).tolist() == [0.25] * 4


def test_a_product_with_a_matrix_is_one_product() -> None:
    x, w = ga.tensor("x", shape=("b", 5, 3)), ga.matrix("w", shape=(3, 2))
    found = ga.vmap(lambda m: m @ w)(x)
    (node,) = [n for n in ga.Graph.of([found]).nodes if n.op.name == "matmul"]
    assert [v.ndim for v in node.inputs] == [2, 2]
    vectors = ga.matrix("v", shape=("b", 3))
    turned = ga.vmap(lambda v: w.T @ v)(vectors)
    assert operations(turned).count("matmul") == 1
    assert str(turned.type) == "float64[b, 2]"


# ---- unknown sizes ---------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [None, "b"])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_unknown_numbers_of_rows(rows: Any, count: int, run: Runner) -> None:
    x, y = ga.matrix("x", shape=(rows, 3)), ga.matrix("y", shape=(rows, None))
    f = ga.vmap(lambda a, b: (ga.outer(a, b), a[1] * b.sum(), ga.reshape(a, (3, 1)) + b))
    found = run([x, y], list(f(x, y)))(X[:count], Y[:count])
    loop = [(np.outer(a, b), a[1] * b.sum(), a[:, None] + b) for a, b in zip(X, Y, strict=True)]
    for value, column in zip(found, zip(*loop, strict=True), strict=True):
        np.testing.assert_allclose(value, np.stack(column)[:count])


def test_different_numbers_of_rows_fail_when_the_program_runs(run: Runner) -> None:
    x, y = ga.matrix("x"), ga.matrix("y")
    call = run([x, y], [ga.vmap(lambda a, b: a + b)(x, y)])
    np.testing.assert_allclose(call(X, Y)[0], X + Y)
    for first, second in ((X, Y[:1]), (X[:1], Y), (X, Y[:2])):
        with pytest.raises(ValueError, match=r"reshape|shape"):
            call(first, second)


# ---- nesting, derivatives --------------------------------------------------------------------
def test_nested() -> None:
    outer = ga.vmap(lambda x: ga.vmap(lambda y: x @ y)(Y))
    np.testing.assert_allclose(outer(X), X @ Y.T)
    both = ga.vmap(ga.vmap(lambda x, y: x * ga.exp(y), (0, None)), (None, 0), 1)
    np.testing.assert_allclose(both(X[0], Y[0]), X[0][:, None] * np.exp(Y[0]))


def model(w: Any, x: Any) -> Any:
    return ga.tanh(x @ w).sum() ** 2 + ga.where(x > 0, ga.sqrt(x), 0.0).sum()


def test_gradients_of_each_row(run: Runner) -> None:
    """vmap of grad: one gradient for each row."""
    w, x = ga.matrix("w", shape=(3, 2)), ga.matrix("x", shape=("b", 3))

    def slope(w: Any, row: Any) -> Any:
        return ga.grad(model(w, row), [w, row])

    found = run([w, x], ga.vmap(lambda row: slope(w, row))(x))(W, X)
    row = ga.vector("row", shape=(3,))
    one = run([w, row], slope(w, row))
    for value, column in zip(found, zip(*[one(W, r) for r in X], strict=True), strict=True):
        np.testing.assert_allclose(value, np.stack(column), rtol=1e-12)
        assert np.isfinite(value).all()


def test_gradient_of_vmap(run: Runner) -> None:
    def loss(w: Any, x: Any) -> Any:
        return ga.vmap(lambda row: model(w, row))(x).sum()

    check_grads(loss, [W, np.abs(X) + 0.1], runner=run)


def test_jvp_of_vmap_of_grad(run: Runner) -> None:
    def f(w: Any, x: Any) -> Any:
        return ga.vmap(lambda row: ga.grad(ga.tanh(row @ w).sum(), row))(x)

    check_grads(f, [W, X], runner=run)


def test_hessian_by_vmap(run: Runner) -> None:
    x = ga.vector("x", shape=(3,))
    y = (ga.tanh(x @ W) ** 2).sum() * x[0]
    first = ga.grad(y, x)
    columns = ga.vmap(lambda t: ga.jvp(first, x, t))(np.eye(3))
    value, expected = run([x], [columns, ga.hessian(y, x)])(X[0])
    np.testing.assert_allclose(value, expected, rtol=1e-12)


# ---- inner graphs ----------------------------------------------------------------------------
@ga.custom_vjp
def clipped(x: Any, scale: Any) -> Any:
    return x * scale


clipped.defvjp(
    lambda x, scale: (clipped(x, scale), (x, scale)),
    lambda res, g: (ga.minimum(g * res[1], 0.5), (g * res[0]).sum()),
)


@ga.custom_jvp
def smooth(x: Any) -> Any:
    return ga.sqrt(x)


@smooth.defjvp
def smooth_rule(primals: Any, tangents: Any) -> Any:
    y = smooth(primals[0])
    return y, tangents[0] / ga.maximum(y, 0.5)


@ga.primitive(outputs=lambda x: x)
def cube(x: Any) -> Any:
    return np.asarray(x) ** 3


cube.defvjp(lambda ans, x: lambda g: 3 * x**2 * g)

INNER: dict[str, Callable[[Any], Any]] = {
    "checkpoint": lambda x: ga.checkpoint(lambda v: ga.sin(v) * v.sum())(x),
    "custom vjp": lambda x: clipped(x, x[0]),
    "custom vjp, one argument the same": lambda x: clipped(ga.constant(W[:, 0]), x[0]),
    "custom jvp": lambda x: smooth(x * x + 0.1) * x.sum(),
    "primitive": lambda x: cube(x) + x[0],
    "root": lambda x: ga.root(lambda y, p: y**3 + y - p, np.zeros(3), x),
    "fixed point": lambda x: ga.fixed_point(lambda y, p: ga.cos(y) / 2 + p, np.zeros(3), x),
    "minimize": lambda x: ga.minimize(lambda y, p: ((y - p) ** 4 + y**2).sum(), np.zeros(3), x),
    "jacobian": lambda x: ga.jacobian(ga.tanh(x @ W), x),
    "apply along axis": lambda x: np.apply_along_axis(lambda v: v[:2] * v.sum(), 0, x),
    "scaled gradient": lambda x: ga.grad_scale(x**2, 3.0),
    "clipped gradient": lambda x: ga.grad_clip(x**2, -0.5, 0.5),
    "scan": lambda x: ga.scan(lambda c, v: (c * 0.5 + v, ga.sin(c) * v), x.sum(), x)[1],
    "scan of rows that are the same": lambda x: ga.scan(
        lambda c, v: (ga.tanh(c * v[0] + x), None), np.zeros(3), W
    )[0],
    "a carry that becomes a stack": lambda x: ga.scan(
        lambda c, v: ((c[1], c[0] * 0.5 + v), c[0]), (0.0, 1.0), x
    )[0][0],
    "until, each its own": lambda x: ga.scan(
        lambda c, v: (ga.sin(c) + v[0], c.sum()), x, W, until=lambda c, y: c[0] > 0.3
    )[0],
    "while, equally long": lambda x: ga.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * ga.sin(c[1])), (0, x), max_steps=5
    )[1],
    "while, each its own": lambda x: ga.while_loop(
        lambda c: (c**2).sum() > 0.5, lambda c: c * 0.7, x, max_steps=50
    ),
    "cond, each its own": lambda x: ga.cond(
        x[0] > 0, lambda v: ga.sin(v), lambda v: v * v.sum(), x
    ),
    "cond, all the same": lambda x: ga.cond(
        ga.constant(True), lambda v: (v * 2.0, v[0]), lambda v: (v, 1.0), x
    )[1],
    "cond of loops": lambda x: ga.cond(
        x[0] > 0, lambda v: ga.scan(lambda c, w: (c + w, None), 0.0, v)[0], lambda v: v[0], x
    ),
    "switch": lambda x: ga.switch(
        (x > 0).sum() % 3, [lambda v: v, lambda v: v**2, lambda v: v**3], x
    ),
    "a loop over rows": lambda x: np.convolve(x, x[:2]),
}


@pytest.mark.parametrize("name", INNER)
def test_inner_graphs(name: str, run: Runner) -> None:
    """Values, vjp and jvp of the mapped function are those of each row."""
    f = INNER[name]
    x, row = ga.matrix("x", shape=("b", 3)), ga.vector("row", shape=(3,))
    results = []
    for at, y in ((x, ga.vmap(f)(x)), (row, f(row))):
        c, t = ga.Variable(y.type), ga.Variable(at.type)
        outputs = [y, ga.vjp(y, at, c), ga.jvp(y, at, t), ga.grad((y * y).sum(), at)]
        results.append(run([at, c, t], outputs))
    cotangents = RNG.normal(size=(4, *np.shape(results[0](X[:0], np.zeros((0, *_shape(f))),
                                                          X[:0])[0])[1:]))  # fmt: skip
    found = results[0](X, cotangents, Y)
    loop = [results[1](a, c, t) for a, c, t in zip(X, cotangents, Y, strict=True)]
    for value, column in zip(found, zip(*loop, strict=True), strict=True):
        np.testing.assert_allclose(value, np.stack(column), rtol=1e-9, atol=1e-9)


def _shape(f: Callable[[Any], Any]) -> tuple[int, ...]:
    return np.shape(f(ga.constant(X[0])).eval())


LOOPLESS = ["checkpoint", "custom vjp", "custom vjp, one argument the same", "custom jvp",
            "scan", "scan of rows that are the same", "a carry that becomes a stack",
            "until, each its own", "while, equally long", "while, each its own",
            "cond, each its own", "cond, all the same", "jacobian", "scaled gradient",
            "clipped gradient"]  # fmt: skip


@pytest.mark.parametrize("name", LOOPLESS)
def test_inner_graphs_without_a_loop_over_rows(name: str) -> None:
    assert "map_rows" not in operations(ga.vmap(INNER[name])(ga.constant(X)))


def test_effects(run: Runner, capsys: Any) -> None:
    """An assertion looks at all rows; printing and calls of Python come row by row."""
    x = ga.matrix("x")
    safe = ga.vmap(lambda r: ga.log(ga.assert_(r > 0, "positive", value=r)))(x)
    assert "map_rows" not in operations(safe)
    call = run([x], [safe])
    np.testing.assert_allclose(call(np.abs(X))[0], np.log(np.abs(X)))
    with pytest.raises(AssertionError, match="positive"):
        call(X)
    shown = ga.vmap(lambda r: ga.after(r, ga.print_(r[0] * 2.0, "twice")))(x)
    np.testing.assert_allclose(run([x], [shown])(np.eye(2))[0], np.eye(2))
    assert capsys.readouterr().out.splitlines() == ["twice = 2.0", "twice = 0.0"]


def test_rows_that_end_after_different_numbers_of_steps(run: Runner) -> None:
    """Newton's iteration for the root of a, from each row's own start; the condition of a row that
    has ended is not asked again."""
    a, start = ga.vector("a"), ga.vector("start")

    def root(a: Any, x: Any) -> Any:
        return ga.while_loop(
            lambda c: (c[0] * c[0] - a) ** 2 > 1e-24,
            lambda c: (0.5 * (c[0] + a / c[0]), c[1] + 1), (x, 0), max_steps=60)  # fmt: skip

    found, steps = ga.vmap(root)(a, start)
    assert "map_rows" not in operations(found)
    call = run([a, start], [found, steps, ga.grad(found.sum(), a), ga.jvp(found, a, a)])
    at, begin = np.array([4.0, 2.0, 1e6, 9.0]), np.array([2.0, 1.0, 1.0, -1.0])
    value, count, slope, moved = call(at, begin)
    np.testing.assert_allclose(value, [2.0, np.sqrt(2), 1e3, -3.0])
    single = [ga.scalar("a"), ga.scalar("x")]
    alone = run(single, [root(*single)[1]])
    assert count.tolist() == [int(alone(p, q)[0]) for p, q in zip(at, begin, strict=True)]
    assert len(set(count)) == 4
    np.testing.assert_allclose(slope[1:], 0.5 / value[1:], rtol=1e-6)
    assert slope[0] == 0  # it starts at the root, and does no step
    np.testing.assert_allclose(moved, slope * at)
    assert all(len(v) == 0 for v in call(at[:0], begin[:0]))


def test_a_loop_that_does_not_end_in_time() -> None:
    y = ga.vmap(lambda x: ga.while_loop(lambda c: c < 5, lambda c: c + x, 0.0 * x, max_steps=10))
    assert y(np.array([1.0, 2.5])).tolist() == [5.0, 5.0]
    with pytest.raises(ga.errors.ConvergenceError):
        y(np.array([1.0, 0.1]))


@pytest.mark.parametrize("policy", ["all", "none", "sqrt", 3])
def test_checkpoints_of_loops(policy: Any, run: Runner) -> None:
    def f(x: Any) -> Any:
        return ga.scan(lambda c, v: (ga.sin(c) + v * c, None), x[0], x, checkpoint=policy)[0]

    x = ga.matrix("x")
    stack = RNG.normal(size=(4, 10))
    (slope,) = run([x], [ga.grad(ga.vmap(f)(x).sum(), x)])(stack)
    row = ga.vector("row")
    one = run([row], [ga.grad(f(row), row)])
    np.testing.assert_allclose(slope, [one(r)[0] for r in stack], rtol=1e-10, atol=1e-10)


def test_a_branch_that_a_row_does_not_take_leaves_no_trace(run: Runner) -> None:
    x = ga.vector("x")
    y = ga.vmap(lambda v: ga.cond(v > 0, lambda v: ga.sqrt(v) * ga.log(v), lambda v: 0.0 * v, v))
    (slope,) = run([x], [ga.grad(y(x).sum(), x)])(np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(slope, [0.0, 0.0, 1.0])


def test_custom_rules_of_operands_that_are_the_same_for_all_rows() -> None:
    """Their cotangents are summed over the rows."""
    s = ga.scalar("s")
    y = ga.vmap(lambda r: clipped(r, s))(X)
    assert float(ga.grad(y.sum(), s).eval({s: 2.0})) == pytest.approx(X.sum())
    x = ga.vector("x", shape=(3,))  # neither the value nor the argument depends on the rows
    z = ga.vmap(lambda r: clipped(x, r.shape[0] * 1.0) + r)(X)
    assert ga.grad(z.sum(), x).eval({x: X[0]}).tolist() == [0.5] * 3


# ---- graphs ----------------------------------------------------------------------------------
def test_vectorize_graph(run: Runner) -> None:
    x, w, unused = ga.vector("x", shape=(3,)), ga.matrix("w", shape=(3, 2)), ga.scalar("u")
    outputs = {"y": ga.tanh(x @ w), "w": w * 2.0}
    xs = ga.tensor("xs", shape=("c", "b", 3))
    found = ga.vectorize_graph(outputs, {x: xs})
    assert found["w"] is outputs["w"]
    assert str(found["y"].type) == "float64[c, b, 2]"
    stack = RNG.normal(size=(2, 4, 3))
    np.testing.assert_allclose(run([xs, w], [found["y"]])(stack, W)[0], np.tanh(stack @ W))
    ws = ga.tensor("ws", shape=("b", 3, 2))
    both = ga.vectorize_graph(outputs["y"], {x: xs, w: ws, unused: 1.0})
    weights = RNG.normal(size=(4, 3, 2))
    expected = np.tanh(np.einsum("cbi,bij->cbj", stack, weights))
    np.testing.assert_allclose(run([xs, ws], [both])(stack, weights)[0], expected)


def test_vectorize_graph_of_an_intermediate() -> None:
    x = ga.vector("x", shape=(3,))
    middle = ga.exp(x)
    found = ga.vectorize_graph(middle.sum() + x[0], {middle: X})
    np.testing.assert_allclose(found.eval({x: Y[0]}), X.sum(axis=1) + Y[0, 0])


def test_deep_graphs() -> None:
    x = ga.scalar("x")
    y = x
    for _ in range(3000):
        y = ga.sin(y) * 0.5 + x
    stack = np.linspace(0, 1, 5)
    found = ga.vectorize_graph(y, {x: stack}).eval()
    np.testing.assert_allclose(found[3], y.eval({x: stack[3]}))


# ---- errors ----------------------------------------------------------------------------------
def add(left: Any, right: Any) -> Any:
    return left["a"] + right


ERRORS: dict[str, tuple[Callable[[], Any], type, str]] = {
    "different rows": (lambda: ga.vmap(add)({"a": X}, Y[:2]), ShapeError,
                       r"vmap of add: left\['a'\] has 4 rows, right has 2"),
    "one row is not stretched": (lambda: ga.vmap(add)({"a": X}, Y[:1]), ShapeError, "right has 1"),
    "different names": (lambda: ga.vmap(add)({"a": ga.vector("x", shape=("n",))},
                                             ga.vector("y", shape=("m",))), ShapeError,
                        "has n rows, right has m"),
    "no such axis": (lambda: ga.vmap(add, (0, 2))({"a": X}, Y), AxisError,
                     "vmap of add: right has no axis 2"),
    "a number": (lambda: ga.vmap(add)({"a": X}, 1.0), AxisError, "right has no axis 0"),
    "a word": (lambda: ga.vmap(add)({"a": X}, "y"), DTypeError, "vmap of add: right: str 'y'"),
    "too few axes": (lambda: ga.vmap(add, (0,))({"a": X}, Y), UseError, "in_axes has 1 entries"),
    "another structure": (lambda: ga.vmap(add, ({"b": 0}, 0))({"a": X}, Y), UseError,
                          r"in_axes\[0\] is {'b': 0}"),
    "a float as axis": (lambda: ga.vmap(add, (0.5, 0))({"a": X}, Y), UseError, "is 0.5"),
    "a result without rows": (lambda: ga.vmap(add, out_axes=None)({"a": X}, Y), UseError,
                              "result depends on the rows"),
    "no axis of a result": (lambda: ga.vmap(lambda x: x.sum(), out_axes=1)(X), AxisError,
                            "result, with its rows, has no axis 1"),
    "a result that is no array": (lambda: ga.vmap(lambda x: "a")(X), DTypeError, "result: str"),
    "not a function": (lambda: ga.vmap(X), UseError, "vmap of ndarray"),
    "nothing mapped": (lambda: ga.vmap(add, None)({"a": X}, Y), UseError, "no argument has rows"),
    "args": (lambda: ga.vmap(lambda *args: args[0])(X, Y[:2]), ShapeError, r"args\[1\] has 2"),
    "key": (lambda: ga.vectorize_graph(ga.scalar("s"), {"s": X}), UseError, "the key 's'"),
    "dtype": (lambda: ga.vectorize_graph(*_graph(X.astype("float32"))), DTypeError,
              "'x' has dtype float64, its replacement float32"),
    "shape": (lambda: ga.vectorize_graph(*_graph(W)), ShapeError,
              r"'x' has shape \(3,\), its replacement \(3, 2\)"),
    "no mapping": (lambda: ga.vectorize_graph(ga.scalar("s"), X), UseError, "pass a dict"),
    "no variable": (lambda: ga.vectorize_graph([1.0], {}), UseError, r"outputs\[0\] is float"),
}  # fmt: skip


def _graph(stack: Any) -> tuple[Any, Any]:
    x = ga.vector("x", shape=(3,))
    return x.sum(), {x: stack}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, kind, text = ERRORS[name]
    with pytest.raises(kind, match=text):
        call()


def test_rows_of_different_shapes() -> None:
    with pytest.raises(ShapeError, match=r"row 1 of a result has shape \(2,\), row 0 has \(1,\)"):
        ga.vmap(lambda x: x[x > 0])(np.array([[1.0, -1.0], [1.0, 2.0]]))
