"""Stabilising rules against mpmath: value and gradient over the full range of exponents.

An error may be a few roundings of the result, or what a rounding of the arguments makes of it:
1e-14 · max(|y|, Σ |xᵢ ∂y/∂xᵢ|, smallest normal number).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import graphad as ga
from graphad.ir.hooks import hooks
from graphad.rewrite.stable import AT_ONCE, STABLE

mp.mp.dps = 60
TINY = float(np.finfo(np.float64).tiny)
POINTS = 150
NUDGE = mp.mpf(10) ** -25

Real = Any
Formula = Callable[..., Any]


# ---- what the values are ----------------------------------------------------------------------
def softplus(x: Real) -> Real:
    return (x if x > 0 else mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def sigmoid(x: Real) -> Real:
    e = mp.exp(-abs(x))
    return (mp.mpf(1) if x >= 0 else e) / (1 + e)


def log1mexp(x: Real) -> Real:
    return mp.log(-mp.expm1(x)) if x > -1 else mp.log1p(-mp.exp(x))


def logaddexp(x: Real, y: Real) -> Real:
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y)))


# ---- where they are tested --------------------------------------------------------------------
Draw = Callable[[np.random.Generator], float]


def anywhere(rng: np.random.Generator) -> float:
    """Any exponent, half of the numbers where exponentials are neither 0 nor infinite."""
    if rng.random() < 0.5:
        return float(rng.choice([-1, 1]) * 10 ** rng.uniform(-18, 2.8))
    return float(rng.choice([-1, 1]) * 10 ** rng.uniform(-307, 307))


def positive(rng: np.random.Generator) -> float:
    return abs(anywhere(rng))


def negative(rng: np.random.Generator) -> float:
    return -abs(anywhere(rng))


def above_minus_one(rng: np.random.Generator) -> float:
    return float(-1 + 10 ** rng.uniform(-15, 0)) if rng.random() < 0.3 else positive(rng)


def below_one(rng: np.random.Generator) -> float:
    return -above_minus_one(rng)


E, L = ga.exp, ga.log
# formula, where each argument is drawn, value, derivatives by each argument
# fmt: off
Row = tuple[Formula, Sequence[Draw], Formula, Sequence[Formula]]
ROWS: dict[str, Row] = {
    "log(1 + x)": (lambda x: L(1 + x), [above_minus_one], mp.log1p, [lambda x: 1 / (1 + x)]),
    "log(1 - x)": (lambda x: L(1 - x), [below_one],
        lambda x: mp.log1p(-x), [lambda x: -1 / (1 - x)]),
    "exp(x) - 1": (lambda x: E(x) - 1, [anywhere], mp.expm1, [mp.exp]),
    "1 - exp(x)": (lambda x: 1 - E(x), [anywhere], lambda x: -mp.expm1(x), [lambda x: -mp.exp(x)]),
    "log1p(expm1(x))": (lambda x: ga.log1p(ga.expm1(x)), [anywhere],
        lambda x: x, [lambda x: mp.mpf(1)]),
    "log(exp(x))": (lambda x: L(E(x)), [anywhere], lambda x: x, [lambda x: mp.mpf(1)]),
    "log(exp(x) * y)": (lambda x, y: L(E(x) * y), [anywhere, positive],
        lambda x, y: x + mp.log(y), [lambda x, y: mp.mpf(1), lambda x, y: 1 / y]),
    "log(exp(x) / y)": (lambda x, y: L(E(x) / y), [anywhere, positive],
        lambda x, y: x - mp.log(y), [lambda x, y: mp.mpf(1), lambda x, y: -1 / y]),
    "log(y / exp(x))": (lambda x, y: L(y / E(x)), [anywhere, positive],
        lambda x, y: mp.log(y) - x, [lambda x, y: mp.mpf(-1), lambda x, y: 1 / y]),
    "log(exp(x) + exp(y))": (lambda x, y: L(E(x) + E(y)), [anywhere, anywhere],
        logaddexp, [lambda x, y: sigmoid(x - y), lambda x, y: sigmoid(y - x)]),
    "log(1 + exp(x))": (lambda x: L(1 + E(x)), [anywhere], softplus, [sigmoid]),
    "log1p(exp(-x))": (lambda x: ga.log1p(E(-x)), [anywhere],
        lambda x: softplus(-x), [lambda x: -sigmoid(-x)]),
    "log(1 - exp(x))": (lambda x: L(1 - E(x)), [negative],
        log1mexp, [lambda x: -1 / mp.expm1(-x)]),
    "log1p(-exp(-x))": (lambda x: ga.log1p(-E(-x)), [positive],
        lambda x: log1mexp(-x), [lambda x: 1 / mp.expm1(x)]),
    "log(-expm1(x))": (lambda x: L(-ga.expm1(x)), [negative],
        log1mexp, [lambda x: -1 / mp.expm1(-x)]),
    "exp(x) * exp(y)": (lambda x, y: E(x) * E(y), [anywhere, anywhere],
        lambda x, y: mp.exp(x + y), [lambda x, y: mp.exp(x + y)] * 2),
    "exp(x) / exp(y)": (lambda x, y: E(x) / E(y), [anywhere, anywhere],
        lambda x, y: mp.exp(x - y), [lambda x, y: mp.exp(x - y), lambda x, y: -mp.exp(x - y)]),
    "1 / (1 + exp(x))": (lambda x: 1 / (1 + E(x)), [anywhere],
        lambda x: sigmoid(-x), [lambda x: -sigmoid(x) * sigmoid(-x)]),
    "1 / (1 + exp(-x))": (lambda x: 1 / (1 + E(-x)), [anywhere],
        sigmoid, [lambda x: sigmoid(x) * sigmoid(-x)]),
    "reciprocal(1 + exp(-x))": (lambda x: ga.reciprocal(1 + E(-x)), [anywhere],
        sigmoid, [lambda x: sigmoid(x) * sigmoid(-x)]),
    "exp(x) / (1 + exp(x))": (lambda x: E(x) / (1 + E(x)), [anywhere],
        sigmoid, [lambda x: sigmoid(x) * sigmoid(-x)]),
    "1 - sigmoid(x)": (lambda x: 1 - ga.sigmoid(x), [anywhere],
        lambda x: sigmoid(-x), [lambda x: -sigmoid(x) * sigmoid(-x)]),
    "log(1 / (1 + exp(x)))": (lambda x: L(1 / (1 + E(x))), [anywhere],
        lambda x: -softplus(x), [lambda x: -sigmoid(x)]),
    "log(reciprocal(1 + exp(x)))": (lambda x: L(ga.reciprocal(1 + E(x))), [anywhere],
        lambda x: -softplus(x), [lambda x: -sigmoid(x)]),
    "log(exp(x) / (1 + exp(x)))": (lambda x: L(E(x) / (1 + E(x))), [anywhere],
        lambda x: -softplus(-x), [lambda x: sigmoid(-x)]),
    "log(sigmoid(x))": (lambda x: L(ga.sigmoid(x)), [anywhere],
        lambda x: -softplus(-x), [lambda x: sigmoid(-x)]),
    "log(1 - sigmoid(x))": (lambda x: L(1 - ga.sigmoid(x)), [anywhere],
        lambda x: -softplus(x), [lambda x: -sigmoid(x)]),
    "log1p(-sigmoid(x))": (lambda x: ga.log1p(-ga.sigmoid(x)), [anywhere],
        lambda x: -softplus(x), [lambda x: -sigmoid(x)]),
    "softplus(x) - x": (lambda x: ga.softplus(x) - x, [anywhere],
        lambda x: softplus(-x), [lambda x: -sigmoid(-x)]),
    "sqrt(x * x)": (lambda x: ga.sqrt(x * x), [anywhere], abs, [lambda x: mp.sign(x)]),
    "sqrt(x ** 2)": (lambda x: ga.sqrt(x**2), [anywhere], abs, [lambda x: mp.sign(x)]),
    "sqrt(square(x))": (lambda x: ga.sqrt(ga.square(x)), [anywhere],
        abs, [lambda x: mp.sign(x)]),
    "log(x * x)": (lambda x: L(x * x), [anywhere],
        lambda x: 2 * mp.log(abs(x)), [lambda x: 2 / x]),
    "log(square(x))": (lambda x: L(ga.square(x)), [anywhere],
        lambda x: 2 * mp.log(abs(x)), [lambda x: 2 / x]),
    "log(x ** 4)": (lambda x: L(x**4), [anywhere],
        lambda x: 4 * mp.log(abs(x)), [lambda x: 4 / x]),
    "log(x ** 3)": (lambda x: L(x**3), [positive], lambda x: 3 * mp.log(x), [lambda x: 3 / x]),
    "log(x ** 2.5)": (lambda x: L(x**2.5), [positive],
        lambda x: 2.5 * mp.log(x), [lambda x: 2.5 / x]),
    "log(sum(exp(x)))": (lambda *x: L(E(ga.stack(x)).sum()), [anywhere] * 3,
        lambda *x: lse(x), [lambda *x, i=i: share(x, i) for i in range(3)]),
    "log(sum(exp(x - m))) + m": (lambda *x: by_hand(ga.stack(x)), [anywhere] * 3,
        lambda *x: lse(x), [lambda *x, i=i: share(x, i) for i in range(3)]),
    "log(mean(exp(x)))": (lambda *x: L(E(ga.stack(x)).mean()), [anywhere] * 3,
        lambda *x: lse(x) - mp.log(3), [lambda *x, i=i: share(x, i) for i in range(3)]),
    "log(sum(exp(x)) / y)": (
        lambda y, *x: L(E(ga.stack(x)).sum() / y), [positive, anywhere, anywhere],
        lambda y, *x: lse(x) - mp.log(y),
        [lambda y, *x: -1 / y, *[lambda y, *x, i=i: share(x, i) for i in range(2)]]),
    "log(prod(x))": (lambda *x: L(ga.stack(x).prod()), [positive] * 5,
        lambda *x: sum(mp.log(v) for v in x), [lambda *x, i=i: 1 / x[i] for i in range(5)]),
}
VALUES: dict[str, Row] = {  # their gradients below
    "exp(x) / sum(exp(x))": (lambda *x: (E(ga.stack(x)) / E(ga.stack(x)).sum())[0], [anywhere] * 3,
        lambda *x: share(x, 0), []),
    "log(exp(x) / sum(exp(x)))": (lambda *x: L(E(ga.stack(x)) / E(ga.stack(x)).sum())[0],
        [anywhere] * 3, lambda *x: log_share(x, 0), []),
    "exp(x - m) / sum(exp(x - m))": (lambda *x: shares_by_hand(ga.stack(x))[0], [anywhere] * 3,
        lambda *x: share(x, 0), []),
    "x - m - log(sum(exp(x - m)))": (lambda *x: log_shares_by_hand(ga.stack(x))[0],
        [anywhere] * 3, lambda *x: log_share(x, 0), []),
    "log(softmax(x))": (lambda *x: L(ga.softmax(ga.stack(x)))[1], [anywhere] * 3,
        lambda *x: log_share(x, 1), []),
}
# fmt: on


def by_hand(x: ga.Variable) -> ga.Variable:
    """The largest number is taken away first, and added again."""
    top = x.max()
    return L(E(x - top).sum()) + top


def shares_by_hand(x: ga.Variable) -> ga.Variable:
    terms = E(x - x.max(axis=0, keepdims=True))
    return terms / terms.sum()


def log_shares_by_hand(x: ga.Variable) -> ga.Variable:
    rest = x - x.max(axis=0, keepdims=True)
    return rest - L(E(rest).sum(axis=0, keepdims=True))


def lse(x: Sequence[Real]) -> Real:
    """log Σ eˣ: the largest, and log1p of the others' share."""
    top = max(x)
    rest = list(x)
    rest.remove(top)
    return top + mp.log1p(sum(mp.exp(v - top) for v in rest))


def share(x: Sequence[Real], i: int) -> Real:
    return mp.exp(log_share(x, i))


def log_share(x: Sequence[Real], i: int) -> Real:
    """-log(1 + Σ exp(x_j - x_i)) over the others."""
    return -mp.log1p(sum(mp.exp(v - x[i]) for j, v in enumerate(x) if j != i))


# ---- the tests --------------------------------------------------------------------------------
def allowed(formula: Formula, x: Sequence[Real]) -> float:
    """1e-14 · max(|y|, Σ |xᵢ ∂y/∂xᵢ|, smallest normal)."""
    size = abs(formula(*x))
    condition = mp.mpf(0)
    for i in range(len(x)):
        high, low = ([*x[:i], x[i] * (1 + s * NUDGE), *x[i + 1 :]] for s in (1, -1))
        condition += abs((formula(*high) - formula(*low)) / (2 * NUDGE))
    bound = max(size, condition, mp.mpf(TINY))
    return float(bound * mp.mpf("1e-14"))


def check(found: float, formula: Formula, point: Sequence[float]) -> None:
    x = [mp.mpf(v) for v in point]
    expected = formula(*x)
    if abs(expected) > mp.mpf(np.finfo(np.float64).max):
        assert found == np.inf * int(mp.sign(expected)), (point, found)
    else:
        error = abs(mp.mpf(float(found)) - expected)
        assert error <= allowed(formula, x), (point, found, mp.nstr(expected, 20))


@pytest.mark.parametrize("name", [*ROWS, *VALUES])
def test_value_and_gradient(name: str) -> None:
    build, draws, value, partials = {**ROWS, **VALUES}[name]
    inputs = [ga.scalar(f"x{i}") for i in range(len(draws))]
    y = build(*inputs)
    outputs = [y, *(ga.grad(y, inputs) if partials else [])]
    f = ga.function(inputs, outputs)
    rng = np.random.default_rng(0)
    for _ in range(POINTS):
        point = [draw(rng) for draw in draws]
        for found, formula in zip(f(*point), [value, *partials], strict=True):
            check(found, formula, point)


@pytest.mark.parametrize("name", ROWS)
def test_both_modes_and_the_interpreter(name: str) -> None:
    """Derivatives are stable by themselves, before anything is compiled."""
    build, draws, _, _ = ROWS[name]
    inputs = [ga.scalar(f"x{i}") for i in range(len(draws))]
    y = build(*inputs)
    reverse = ga.grad(y, inputs)
    count = len(draws)
    rows = [[ga.constant(one) for one in row] for row in np.eye(count)]
    forward = [ga.jvp(y, inputs, row) for row in rows]
    f = ga.function(inputs, [*reverse, *forward], backend="interpreter", unused="ignore")
    rng = np.random.default_rng(1)
    for _ in range(30):
        point = [draw(rng) for draw in draws]
        found = np.array(f(*point))
        np.testing.assert_allclose(found[:count], found[count:], rtol=1e-13, atol=1e-300)
        assert not np.isnan(found).any()


def test_gradients_of_shares_are_exact_to_the_size_of_the_cotangent() -> None:
    """p_i (δ_ij - p_j): where p_j is nearly 1 the difference is exact to 1e-16, and not to its
    own size."""
    x = ga.vector("x", shape=(3,))
    outputs = [E(x) / E(x).sum(), L(E(x) / E(x).sum()), L(ga.softmax(x))]
    f = ga.function([x], [ga.jacobian(y, x) for y in outputs])
    rng = np.random.default_rng(2)
    for _ in range(POINTS):
        point = [anywhere(rng) for _ in range(3)]
        p = [share([mp.mpf(v) for v in point], i) for i in range(3)]
        delta = [[int(i == j) - p[j] for j in range(3)] for i in range(3)]
        direct, *logs = f(point)
        expected = np.array([[float(d) for d in row] for row in delta])
        size = max(1.0, 1e-2 * max(map(abs, point))) if max(map(abs, point)) < 800 else 1.0
        for found in logs:
            np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14 * size)
        scaled = expected * np.array([[float(v)] for v in p])
        np.testing.assert_allclose(direct, scaled, rtol=1e-14, atol=1e-14 * size)


def test_every_rule_is_tested() -> None:
    """Each row's left side is one of the formulas above, or a part of one."""
    fired: set[str] = set()
    for build, draws, _, _ in [*ROWS.values(), *VALUES.values()]:
        inputs = [ga.scalar(f"x{i}") for i in range(len(draws))]
        y = build(*inputs)
        fired |= set(ga.function(inputs, y).report.fired)
    assert {rule.arrow for rule in STABLE} <= fired


def test_rows_for_derivatives_alone() -> None:
    x, v = ga.scalar("x"), ga.vector("v")
    formulas = [
        L(1 / (1 + E(x))), L(ga.reciprocal(1 + E(x))), L(E(x) / (1 + E(x))), ga.sqrt(x**2),
        L(E(v) / E(v).sum()), by_hand(v), log_shares_by_hand(v),
    ]  # fmt: skip
    assert len(formulas) == len(AT_ONCE)
    for formula, row in zip(formulas, AT_ONCE, strict=True):
        assert row.apply(formula.owner, None) is not None


def test_a_variable_inside_the_formula_keeps_its_own_derivative() -> None:
    """e = exp(x) is asked for by itself: d log(1 + e) / de = 1 / (1 + e)."""
    x = ga.scalar("x")
    e = E(x)
    y = L(1 + e)
    slopes = ga.grad(y, [x, e])
    found = ga.function([x], slopes)(1.0)
    np.testing.assert_allclose(found, [np.e / (1 + np.e), 1 / (1 + np.e)], rtol=1e-15)
    stopped = ga.grad(y, x, stop=[e], disconnected="zero")
    assert stopped.eval({x: 1.0}) == 0.0
    tangent = ga.jvp(y, e, ga.constant(1.0))
    np.testing.assert_allclose(tangent.eval({x: 1.0}), 1 / (1 + np.e), rtol=1e-15)
    given = ga.grad(y, x, known_cotangents={e: ga.constant(1.0)})
    np.testing.assert_allclose(given.eval({x: 1.0}), np.e / (1 + np.e) + np.e, rtol=1e-15)


def test_higher_orders() -> None:
    """softplus''(x) = s(x) s(-x), also where exp(x) overflows."""
    x = ga.scalar("x")
    y = L(1 + E(x))
    second = ga.grad(ga.grad(y, x), x)
    f = ga.function([x], [second, ga.grad(second, x)])
    for point in (-800.0, -3.0, 0.0, 2.0, 40.0, 800.0):
        s, t = sigmoid(mp.mpf(point)), sigmoid(-mp.mpf(point))
        np.testing.assert_allclose(f(point), [float(s * t), float(s * t * (t - s))], rtol=1e-12)


def test_derivatives_belong_to_the_forward_node() -> None:
    x = ga.scalar("x")
    y = L(1 + E(x))
    slope = ga.grad(y, x)
    assert slope.owner.origin is y.owner and hooks.stabilise(y.owner) is not None


def test_nan_and_infinity_stay() -> None:
    x = ga.scalar("x")
    for formula, point, expected in [
        (L(1 + x), -2.0, np.nan), (L(1 - E(x)), 1.0, np.nan), (L(1 - E(x)), 0.0, -np.inf),
        (L(x**3), -1.0, np.nan), (L(E(x)), np.nan, np.nan), (L(x * x), 0.0, -np.inf),
        (E(x) * E(-x), np.inf, np.nan), (L(1 + E(x)), np.inf, np.inf),
        (ga.sqrt(x * x), np.nan, np.nan),
    ]:  # fmt: skip
        np.testing.assert_equal(ga.function([x], formula)(point), expected)
    v = ga.vector("v")
    product = ga.function([v], L(v.prod()))
    np.testing.assert_equal(product([1.0, -2.0]), np.nan)
    np.testing.assert_equal(product([-1.0, -2.0]), np.log(2.0))
    np.testing.assert_equal(product([0.0, 2.0]), -np.inf)
    np.testing.assert_equal(product([]), 0.0)
    np.testing.assert_equal(product([np.inf, 0.0]), np.nan)
