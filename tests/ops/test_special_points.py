"""Special functions at hard points: poles, 0, ±∞, extremes; derivatives that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import GradientError
from graphad.testing import compiled, interpret
from graphad.testing.gradients import Runner

NAN, INF = np.nan, np.inf
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(params=[interpret, compiled])
def run(request: pytest.FixtureRequest) -> Runner:
    return request.param


def derivative(f: Any, at: Any, run: Runner, order: int = 1) -> Any:
    """The derivative of an elementwise f."""
    array = np.asarray(at, float)
    x = ga.tensor("x", (None,) * array.ndim)
    y = f(x)
    for _ in range(order):
        y = ga.grad(y.sum(), x)
    return np.asarray(run([x], [y])(array)[0])


# ---- derivatives that are not provided ---------------------------------------------------------
REFUSED = {
    "polygamma": (lambda v, x: ga.special.polygamma(v, x), "the order n"),
    "zeta": (lambda v, x: ga.special.zeta(v, x), "the exponent x"),
    **{name: (getattr(ga.special, name), "the order v") for name in "jv yv iv kv jve kve".split()},
    **{name: (getattr(ga.special, name), "the order n") for name in "yn kn expn".split()},
    "spherical_jn": (lambda v, x: ga.special.spherical_jn(v, x), "the order n"),
    "hyp0f1": (lambda v, x: ga.special.hyp0f1(v, x), "the parameter v"),
    "hyp1f1": (lambda v, x: ga.special.hyp1f1(2.0, v, x), "the parameter b"),
    "hyp2f1": (lambda v, x: ga.special.hyp2f1(1.0, 2.0, v, x), "the parameter c"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_derivative_that_is_not_provided_is_an_error(name: str) -> None:
    """In both modes, and only where it is asked for."""
    f, operand = REFUSED[name]
    v, x = ga.scalar("v"), ga.scalar("x")
    y = f(v, x)
    ga.grad(y, x)
    ga.jvp(y, x, x)
    for ask in (lambda: ga.grad(y, v), lambda: ga.grad(y, [x, v]), lambda: ga.jvp(y, v, v)):
        with pytest.raises(GradientError) as caught:
            ask()
        text = str(caught.value)
        assert operand in text and "stop_gradient" in text and "test_special_points.py" in text


def test_a_stopped_operand_is_not_asked_for() -> None:
    v, x = ga.scalar("v"), ga.scalar("x")
    y = ga.special.polygamma(ga.stop_gradient(v), x * v)
    assert np.isfinite(ga.grad(y, v).eval({v: 1.0, x: 2.0}))


# ---- gamma -----------------------------------------------------------------------------------
def test_reciprocal_gamma_at_the_poles(run: Runner) -> None:
    """1/Γ has derivative (-1)ⁿ n! at -n; and mpmath's second derivative."""
    slopes = derivative(ga.special.rgamma, [0.0, -1.0, -2.0, -3.0], run)
    np.testing.assert_allclose(slopes, [1, -1, 2, -6], rtol=1e-15)
    second = derivative(ga.special.rgamma, [0.0, -1.0], run, order=2)
    np.testing.assert_allclose(second, [2 * np.euler_gamma, 2 - 2 * np.euler_gamma], rtol=1e-14)
