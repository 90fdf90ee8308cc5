"""Functions of arrays as ops: declared, numeric and missing derivatives, and what they refuse."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, GradientError, GraphadError, ShapeError, UseError
from graphad.testing import check_grads, interpret
from graphad.testing.gradients import Runner

rng = np.random.default_rng(0)
X, Y = rng.uniform(0.5, 2.0, size=(2, 3)), rng.uniform(0.5, 2.0, size=(2, 3))


# ---- functions ------------------------------------------------------------------------------


def by_rules() -> Any:
    """x²·sin(y), with rules on Variables."""

    @ga.primitive(outputs=lambda x, y: x, samples=(X, Y), check=True)
    def f(x: Any, y: Any) -> Any:
        return x**2 * np.sin(y)

    f.defvjp(
        lambda ans, x, y: lambda g: g * 2 * x * ga.sin(y),
        lambda ans, x, y: lambda g: g * x**2 * ga.cos(y),
    )
    return f


def by_jvp() -> Any:
    @ga.primitive(samples=(X, Y), check=True)
    def f(x: Any, y: Any) -> Any:
        return x**2 * np.sin(y)

    f.defjvp(
        lambda t, ans, x, y: t * 2 * x * ga.sin(y),
        lambda t, ans, x, y: t * x**2 * ga.cos(y),
    )
    return f


def on_arrays() -> Any:
    """Rules as functions of arrays, in both modes; further derivatives numeric."""

    @ga.primitive(outputs=lambda x, y: x, derivative="numeric", samples=(X, Y), check=True)
    def f(x: Any, y: Any) -> Any:
        return x**2 * np.sin(y)

    f.defvjp(
        lambda ans, x, y: lambda g: np.asarray(g) * 2 * x * np.sin(y),
        lambda ans, x, y: lambda g: np.asarray(g) * x**2 * np.cos(y),
        arrays=True,
    )
    f.defjvp(
        lambda t, ans, x, y: t * 2 * x * np.sin(y),
        lambda t, ans, x, y: t * x**2 * np.cos(y),
        arrays=True,
    )
    return f


def numeric(mode: str) -> Any:
    @ga.primitive(derivative=mode)
    def f(x: Any, y: Any) -> Any:
        return x**2 * np.sin(y)

    return f


MADE: dict[str, tuple[Callable[[], Any], float]] = {
    "rules": (by_rules, 1e-7),
    "forward rules": (by_jvp, 1e-7),
    "rules on arrays": (on_arrays, 1e-6),
    "numeric": (lambda: numeric("numeric"), 1e-6),
    "complex step": (lambda: numeric("complex-step"), 1e-7),
}


@pytest.mark.parametrize("sizes", ["static", "unknown", "named"])
@pytest.mark.parametrize("name", MADE)
def test_derivatives(name: str, sizes: str, run: Runner) -> None:
    make, rtol = MADE[name]
    check_grads(make(), [X, Y], order=2, rtol=rtol, sizes=sizes, runner=run)


@pytest.mark.parametrize("name", ["rules", "forward rules"])
def test_third_order(name: str) -> None:
    check_grads(MADE[name][0](), [X, Y], order=3, rtol=1e-6)


def test_the_complex_step_is_exact() -> None:
    x = ga.vector("x")
    f = ga.primitive(np.exp, derivative="complex-step")
    (found,) = interpret([x], [ga.grad(f(x).sum(), x)])(X[0])
    np.testing.assert_allclose(found, np.exp(X[0]), rtol=4e-16)


def test_the_function_just_runs_on_arrays() -> None:
    f = by_rules()
    assert f(2.0, 0.5) == 4.0 * np.sin(0.5) and f.__name__ == "f"
    np.testing.assert_array_equal(f(X, Y), X**2 * np.sin(Y))


def test_several_results_and_keywords(run: Runner) -> None:
    @ga.primitive
    def both(x: Any, scale: float = 1.0) -> Any:
        return scale * x, np.sum(x * x)

    both.defvjp(
        lambda ans, x, scale=1.0: lambda g: scale * g[0] + 2 * x * g[1],
    )
    x = ga.vector("x")
    first, second = both(x, scale=3.0)
    assert (first.type, second.type) == (x.type, ga.scalar("s").type)
    check_grads(lambda x: list(both(x, scale=3.0)), [X[0]], runner=run)
    check_grads(lambda x: both(x, scale=3.0)[1], [X[0]], runner=run)
    numeric_one = ga.primitive(both.function, derivative="numeric")
    check_grads(lambda x: list(numeric_one(x, scale=3.0)), [X[0]], rtol=1e-6, runner=run)


def test_integer_arguments_and_results(run: Runner) -> None:
    @ga.primitive(derivative="numeric")
    def pick(x: Any, i: Any) -> Any:
        return x[i] ** 2, np.argmax(x)

    def f(x: Any, i: Any) -> Any:
        value, place = pick(x, i)
        assert place.dtype == np.int64
        return value

    check_grads(f, [X[0], np.array([2, 0])], rtol=1e-6, runner=run)


def test_complex_arguments(run: Runner) -> None:
    f = ga.primitive(lambda z: z * z * 1j, derivative="numeric")
    check_grads(f, [X[0] + 1j * Y[0]], rtol=1e-6, runner=run)
    size = ga.primitive(lambda z: np.abs(z) ** 2, derivative="numeric")
    check_grads(size, [X[0] + 1j * Y[0]], rtol=1e-6, runner=run)


def test_float32_stays(run: Runner) -> None:
    x = ga.vector("x", dtype="float32")
    for mode in ("numeric", "complex-step"):
        f = ga.primitive(lambda x: x * x, derivative=mode)
        g = ga.grad(f(x).sum(), x)
        (found,) = run([x], [g])(X[0].astype("float32"))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, 2 * X[0].astype("float32"), rtol=1e-6)


# ---- types of results -----------------------------------------------------------------------


def test_types_are_found_by_a_call() -> None:
    x = ga.matrix("x", shape=("n", 4))
    cases: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "same": (np.sin, ["n", 4]),
        "sum": (lambda a: a.sum(axis=0), [4]),
        "square": (lambda a: a @ a.T, ["n", "n"]),
        "fixed": (lambda a: np.zeros(7), [7]),
    }
    for name, (function, shape) in cases.items():
        assert ga.primitive(function)(x).type is ga.TensorType("float64", shape), name
    assert ga.primitive(lambda a: a > 1)(x).dtype == bool
    found = ga.primitive(lambda a: a[1:])(x).type.shape
    assert isinstance(found[0], ga.Dim) and found[0].name is None and found[1] == 4


def test_unknown_sizes_of_two_calls_are_two_sizes() -> None:
    x = ga.vector("x")
    rest = ga.primitive(lambda a: a[1:])
    first, second = rest(x).type.shape[0], rest(x).type.shape[0]
    assert first != second


def test_samples_tell_the_domain() -> None:
    def root(a: Any) -> Any:
        if np.min(a) < 2:
            raise ValueError("too small")
        return np.sqrt(a - 2)

    x = ga.matrix("x", shape=(None, 3))
    with pytest.raises(UseError, match=r"root(.|\n)*too small(.|\n)*outputs="):
        ga.primitive(root)(x)
    y = ga.primitive(root, samples=(np.array([3.0, 4.0]),))(x)
    assert y.type is x.type
    (found,) = interpret([x], [y])(X + 2)
    np.testing.assert_allclose(found, np.sqrt(X))


# ---- calls ----------------------------------------------------------------------------------


def test_equal_calls_are_merged_and_nothing_is_folded() -> None:
    calls = []

    @ga.primitive(outputs=lambda x: x)
    def count(x: Any) -> Any:
        calls.append(x)
        return x + 1

    x = ga.vector("x")
    f = ga.function([x], count(x) + count(x) * 2)
    f([1.0, 2.0])
    assert len(calls) == 1
    g = ga.function([], count(ga.constant([1.0])))
    assert len(calls) == 1
    g()
    g()
    assert len(calls) == 3


def test_masks_end_nans_of_a_primitive(run: Runner) -> None:
    f = ga.primitive(np.sqrt)
    f.defvjp(lambda ans, x: lambda g: g * (0.5 / ans))
    x, w = ga.vector("x"), ga.vector("w")
    y = ga.where(x > 0, f(x) * w, 0.0).sum()
    (found,) = run([x, w], [ga.grad(y, w)])(np.array([-1.0, 4.0]), np.ones(2))
    assert found.tolist() == [0.0, 2.0]


def test_memory_is_not_shared(run: Runner) -> None:
    """Neither with arguments, nor with what the function keeps; arguments cannot be written."""
    kept = np.arange(3.0)
    same = ga.primitive(lambda x: x, outputs=lambda x: x)
    constant = ga.primitive(lambda x: kept, outputs=lambda x: x)
    v = ga.vector("v")
    h = ga.exp(v)
    at = np.zeros(3)
    found = run([v], [same(v), same(h) + ga.sin(h * 2) * 3, ga.sqrt(constant(v) + 1) + 1])(at)
    np.testing.assert_allclose(found[1], 1 + 3 * np.sin(2.0))
    assert kept.tolist() == [0, 1, 2] and not np.shares_memory(found[0], at)

    def spoil(x: Any) -> Any:
        x[0] = 7.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        run([v], [ga.primitive(spoil, outputs=lambda x: x)(v)])(at)
    assert at.tolist() == [0, 0, 0]


# ---- pickling -------------------------------------------------------------------------------

SCRIPT = """
import pickle, sys
sys.path.insert(0, {folder!r})
f = pickle.loads({data!r})
print(f([1.0, 2.0]).tolist(), "cubes" in sys.modules)
"""
MODULE = """
import graphad as ga
@ga.primitive(derivative="numeric")
def cube(x):
    return x**3
"""


def test_pickling_by_reference(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cubes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import cubes  # type: ignore[import-not-found]

    assert pickle.loads(pickle.dumps(cubes.cube)) is cubes.cube
    x = ga.vector("x")
    f = ga.function([x], ga.grad(cubes.cube(x).sum(), x).round(6))
    code = SCRIPT.format(folder=str(tmp_path), data=pickle.dumps(f))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[3.0, 12.0] True"


def test_a_local_primitive_cannot_be_pickled() -> None:
    with pytest.raises(UseError, match=r"f cannot be pickled(.|\n)*top level of a module"):
        pickle.dumps(by_rules())


# ---- errors ---------------------------------------------------------------------------------

x, y = ga.vector("x", shape=(3,)), ga.vector("y", shape=(3,))


def plain(**options: Any) -> Any:
    return ga.primitive(outputs=lambda x, y: x, **options)(_product)


def _product(x: Any, y: Any) -> Any:
    return x * y


def bad_rule(rule: Any, arrays: bool = False) -> Callable[[], Any]:
    def use() -> Any:
        f = plain()
        f.defvjp(rule, rule, arrays=arrays)
        return interpret([x, y], [ga.grad(f(x, y).sum(), y)])(X[0], Y[0])

    return use


def missing_second() -> Any:
    f = plain()
    f.defvjp(lambda ans, x, y: lambda g: g * y, lambda ans, x, y: lambda g: g * x, arrays=True)
    return ga.hessian(f(x, y).sum(), x)


def wrong_check() -> Any:
    f = plain(samples=(X[0], Y[0]), check=True)
    f.defvjp(lambda ans, x, y: lambda g: g * y, lambda ans, x, y: lambda g: g * y)


THREE = ("defvjp", 'derivative="numeric"', "ga.stop_gradient")
BAD: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "no gradient": (lambda: ga.grad(plain()(x, y).sum(), x), GradientError,
        ("_product has no gradient for argument 0", *THREE)),
    "no forward mode": (lambda: ga.jvp(plain()(x, y), x, x), GradientError,
        ("_product has no derivative in forward mode", "defjvp", *THREE[1:])),
    "no second order": (missing_second, GradientError, ("_product (gradient", *THREE)),
    "shape": (bad_rule(lambda ans, x, y: lambda g: g.sum()), ShapeError,
        ("the gradient of _product for argument 1 ('y') has shape ()", "(3,)", "sum over it")),
    "shape on arrays": (bad_rule(lambda ans, x, y: lambda g: g.sum(), True), ShapeError,
        ("the gradient of _product for argument 1 has shape ()", "(3,)", "sum over it")),
    "dtype": (bad_rule(lambda ans, x, y: lambda g: g * 1j), DTypeError,
        ("the gradient of _product for argument 1", "complex128", "real part")),
    "dtype on arrays": (bad_rule(lambda ans, x, y: lambda g: g * 1j, True), DTypeError,
        ("the gradient of _product for argument 1", "complex128", "real part")),
    "no array": (bad_rule(lambda ans, x, y: lambda g: "text"), GraphadError,
        ("the gradient of _product", "text")),
    "wrong rule": (wrong_check, GradientError, ("_product: the vjp for argument 1 is wrong",)),
    "rule that is no function": (lambda: plain().defvjp(3), UseError, ("argument 0 is int",)),
    "numbers of rules": (lambda: plain().defvjp(None, argnums=(0, 1)), UseError, ("1 rules",)),
    "keyword": (lambda: plain()(x, y=y), UseError, ("by keyword", "by position")),
    "mode": (lambda: ga.primitive(_product, derivative="auto"), UseError, ("'auto'", "numeric")),
    "check": (lambda: ga.primitive(_product, check=True), UseError, ("samples",)),
    "no function": (lambda: ga.primitive(3), UseError, ("int",)),
    "outputs": (lambda: ga.primitive(_product, outputs="float64")(x, y), UseError,
        ("outputs= gave 'float64'", "TensorType")),
    "result": (lambda: plain()(x, ga.constant([[1.0], [2.0]])).eval({x: X[0]}), ShapeError,
        ("_product has shape (2, 3)", "outputs=")),
    "result dtype": (lambda: plain()(x, ga.constant(1j)).eval({x: X[0]}), DTypeError,
        ("_product has dtype complex128", "outputs=")),
    "number of results": (lambda: ga.primitive(_product, outputs=(x.type, x.type))(x, y)[0].eval(
        {x: X[0], y: Y[0]}), UseError, ("returned 1 results", "2 were announced")),
    "real complex step": (lambda: ga.grad(ga.primitive(np.abs, derivative="complex-step")(x).sum(),
        x).eval({x: X[0]}), GradientError, ("real numbers for complex", "numeric")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_use(name: str) -> None:
    use, error, words = BAD[name]
    with pytest.raises(error) as caught:
        use()
    for word in words:
        assert word in str(caught.value), f"{word!r} is missing in:\n{caught.value}"


def test_jacobians_and_products(run: Runner) -> None:
    f = by_rules()
    a, b = ga.matrix("a"), ga.matrix("b")
    for mode in ("forward", "reverse"):
        found = run([a, b], [ga.jacobian(f(a, b), a, mode=mode)])(X, Y)[0]
        expected = np.einsum("ij,ik,jl->ijkl", 2 * X * np.sin(Y), np.eye(2), np.eye(3))
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    g = numeric("numeric")
    (curve,) = run([a, b], [ga.hvp(g(a, b).sum(), b, X)])(X, Y)
    np.testing.assert_allclose(curve, -(X**3) * np.sin(Y), rtol=1e-6)


def test_a_declared_zero() -> None:
    f = plain()
    f.defvjp(lambda ans, x, y: lambda g: g * y, None)
    assert interpret([x, y], [ga.grad(f(x, y).sum(), y)])(X[0], Y[0])[0].tolist() == [0, 0, 0]
    check_grads(lambda x: f(x, ga.constant(Y[0])), [X[0]])


def test_argnums() -> None:
    f = plain()
    f.defvjp(lambda ans, x, y: lambda g: g * x, argnums=(1,))
    check_grads(lambda y: f(ga.constant(X[0]), y), [Y[0]])
    with pytest.raises(GradientError, match="argument 0"):
        ga.grad(f(x, y).sum(), x)
