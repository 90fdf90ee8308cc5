"""check_grads finds wrong derivatives, says which, and accepts right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import UseError
from graphad.testing import check_grads, compiled, interpret

X, Y = np.array([0.3, -1.2, 2.0]), np.array([1.5, 0.5, -0.7])


@pytest.mark.parametrize("runner", [interpret, compiled])
@pytest.mark.parametrize("sizes", ["static", "unknown", "named"])
def test_right_derivatives_pass(sizes: str, runner: Any) -> None:
    check_grads(lambda x, y: ga.tanh(x) * y + x.prod(), [X, Y], sizes=sizes, runner=runner)
    check_grads(lambda x: (x**3).sum(), X, order=4, sizes=sizes, runner=runner)


def test_containers() -> None:
    def layer(parameters: Any, x: Any) -> Any:
        return {"h": ga.tanh(x @ parameters["w"] + parameters["b"]), "size": (x * x).sum()}

    rng = np.random.default_rng(0)
    check_grads(layer, [{"w": rng.normal(size=(3, 2)), "b": np.ones(2)}, rng.normal(size=(4, 3))])


def test_integers_are_handed_through() -> None:
    check_grads(lambda x, i: x[i] ** 2, [X, np.array([2, 0, 2])])
    check_grads(lambda x, m: ga.where(m, x * x, 0.0), [X, np.array([True, False, True])])
    check_grads(lambda x: (x * x, x > 0), X)


def test_complex_arguments() -> None:
    check_grads(lambda z: ga.exp(z) * z.conj(), X + 1j * Y)
    check_grads(lambda z: abs(z).sum() + (z.real * z.imag).sum(), X + 1j * Y)


def wrong_value(x: Any) -> Any:
    """A derivative that is half of the right one."""
    return x * ga.stop_gradient(x)


MODES = [("rev",), ("fwd",), ("fwd", "rev"), ("rev", "fwd")]


@pytest.mark.parametrize("modes", MODES)
def test_a_wrong_derivative_is_found(modes: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError) as caught:
        check_grads(wrong_value, X, modes=modes)
    text = str(caught.value)
    for word in ("check_grads(wrong_value)", f"({modes[0]} mode)", "order 1", "float64[3]",
                 "finite differences gives", f"{modes[0]} mode gives", "allowed"):  # fmt: skip
        assert word in text, text


def wrong_curve(x: Any) -> Any:
    """Value and slope are those of x², the curvature is not."""
    still = ga.stop_gradient(x)
    return still * still + 2.0 * still * (x - still)


@pytest.mark.parametrize("modes", MODES)
def test_a_wrong_second_derivative_is_found(modes: tuple[str, ...]) -> None:
    check_grads(wrong_curve, X, modes=modes, order=1)
    with pytest.raises(AssertionError) as caught:
        check_grads(wrong_curve, X, modes=modes)
    assert f"order 2 ({modes[0]} of {modes[0]} mode)" in str(caught.value)


def test_the_modes_are_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A jvp that disagrees with a right vjp."""
    family = ga.OPS.families["tanh"]
    right = family.jvp
    monkeypatch.setattr(family, "jvp", lambda node, tangents: [right(node, tangents)[0] * 1.01])
    with pytest.raises(AssertionError, match="fwd mode gives"):
        check_grads(ga.tanh, X, modes=("rev", "fwd"))
    check_grads(ga.tanh, X, modes=("rev",), order=1)


def test_shapes_and_dtypes_are_compared() -> None:
    """A derivative that would broadcast to the right shape is not good enough."""
    for change, word in ((lambda r: r.sum(keepdims=True), "float64"), (np.float32, "float32")):

        def runner(inputs: Any, outputs: Any, change: Any = change) -> Any:
            run = interpret(inputs, outputs)
            first = outputs[0].name == "result"
            return lambda *arrays: [r if first else change(r) for r in run(*arrays)]

        def f(x: Any) -> Any:
            y = ga.sin(x)
            y.name = "result"
            return y

        with pytest.raises(AssertionError, match="it should be float64") as caught:
            check_grads(f, X, runner=runner)
        assert word in str(caught.value)


def test_nothing_to_check_is_an_error() -> None:
    with pytest.raises(UseError, match="no derivative to check"):
        check_grads(lambda i: i * 2, np.array([1, 2]))
    with pytest.raises(UseError, match="no derivative to check"):
        check_grads(lambda x: x > 0, X)


def test_a_derivative_that_is_nan_is_found() -> None:
    with pytest.raises(AssertionError, match="nan"):
        check_grads(lambda x: x * 0.0 + ga.sqrt(x - x), X)


def test_tolerances() -> None:
    def nearly(x: Any) -> Any:
        return x * (1 + 1e-4) - ga.stop_gradient(x) * 1e-4

    with pytest.raises(AssertionError):
        check_grads(nearly, X)
    check_grads(nearly, X, rtol=1e-3, order=1)
