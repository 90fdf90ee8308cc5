"""Activations, losses, embedding and attention at their hard points: breaks, extremes, masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, ShapeError
from graphad.testing import check_grads

INF = np.inf


def slope(f: Callable[[Any], Any], at: Any, order: int = 1) -> np.ndarray:
    """The derivative of an elementwise function."""
    x = ga.tensor("x", np.shape(at))
    y = f(x)
    for _ in range(order):
        y = ga.grad(y.sum(), x, disconnected="zero")
    return ga.function([x], y, unused="ignore")(np.asarray(at, float))


# ---- activations -----------------------------------------------------------------------------
AT_BREAKS: dict[str, tuple[Callable[[Any], Any], list[float], list[float]]] = {
    "relu": (ga.nn.relu, [0], [0]),
    "leaky_relu": (lambda x: ga.nn.leaky_relu(x, 0.1), [0], [0.1]),
    "prelu": (lambda x: ga.nn.prelu(x, 0.3), [0], [0.3]),
    "elu": (lambda x: ga.nn.elu(x, 0.7), [0], [0.7]),
    "selu": (ga.nn.selu, [0], [1.6732632423543772 * 1.0507009873554805]),
    "celu": (lambda x: ga.nn.celu(x, 0.7), [0], [1]),
    "hardtanh": (ga.nn.hardtanh, [-1, 1], [0.5, 0.5]),
    "relu6": (ga.nn.relu6, [0, 6], [0.5, 0.5]),
    "hardsigmoid": (ga.nn.hardsigmoid, [-3, 3], [1 / 12, 1 / 12]),
    "softsign": (ga.nn.softsign, [0], [1]),
}


@pytest.mark.parametrize("name", AT_BREAKS)
def test_the_convention_at_breaks(name: str) -> None:
    f, at, expected = AT_BREAKS[name]
    np.testing.assert_allclose(slope(f, at), expected, rtol=1e-15)


# (value, derivative) at -1e5 and 1e5
EXTREMES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "gelu": ((0, 0), (1e5, 1)), "silu": ((0, 0), (1e5, 1)), "mish": ((0, 0), (1e5, 1)),
    "log_sigmoid": ((-1e5, 1), (0, 0)), "elu": ((-1, 0), (1e5, 1)), "celu": ((-1, 0), (1e5, 1)),
    "softsign": ((-1 / (1 + 1e-5), 1 / (1 + 1e5) ** 2), (1 / (1 + 1e-5), 1 / (1 + 1e5) ** 2)),
    "hardsigmoid": ((0, 0), (1, 0)), "relu6": ((0, 0), (6, 0)), "hardsilu": ((0, 0), (1e5, 1)),
    "softplus": ((0, 0), (1e5, 1)), "sigmoid": ((0, 0), (1, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXTREMES)
def test_far_from_zero(name: str) -> None:
    """No overflow, no NaN: values and derivatives are those of the asymptotes."""
    f = getattr(ga.nn, name)
    (low, low_slope), (high, high_slope) = EXTREMES[name]
    far = np.array([-1e5, 1e5])
    np.testing.assert_allclose(f(ga.constant(far)).eval(), [low, high], rtol=1e-12)
    np.testing.assert_allclose(slope(f, far), [low_slope, high_slope], rtol=1e-9)
    assert np.isfinite(slope(f, far, order=2)).all()
    for dtype in ("float32", "float64"):
        largest = np.finfo(dtype).max
        huge = f(ga.constant(np.array([-largest, largest], dtype)))
        assert huge.dtype == dtype and not np.isnan(huge.eval()).any()


def test_gelu() -> None:
    x = np.linspace(-6, 6, 49)
    exact = ga.nn.gelu(ga.constant(x)).eval()
    np.testing.assert_allclose(
        ga.nn.gelu(ga.constant(x), approximate=True).eval(), exact, atol=1e-3
    )
    tail = ga.nn.gelu(ga.constant([-20.0])).eval()  # Φ(-20) from mpmath
    np.testing.assert_allclose(tail, [-20 * 2.7536241186062337e-89], rtol=1e-12)


def test_gates_and_slopes_of_unknown_size() -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    v, a = ga.tensor("x", ("n", "m")), ga.vector("a")
    y = ga.nn.glu(v)
    assert str(y.type) == "float64[n, floordiv(m, 2)]"
    np.testing.assert_allclose(y.eval({v: x}), x[:, :3] / (1 + np.exp(-x[:, 3:])), rtol=1e-13)
    slopes = ga.grad(ga.nn.prelu(v, a).sum(), a).eval({v: x, a: np.ones(6)})
    np.testing.assert_allclose(slopes, np.minimum(x, 0).sum(axis=0), rtol=1e-13)


def test_names_for_what_exists_already() -> None:
    for name in ("relu", "sigmoid", "softmax", "cross_entropy", "logsumexp", "one_hot", "tanh"):
        assert getattr(ga.nn, name) is getattr(ga, name)
    assert ga.nn.swish is ga.nn.silu and ga.nn.hardswish is ga.nn.hardsilu


# ---- losses ----------------------------------------------------------------------------------
def test_binary_cross_entropy_of_certain_predictions() -> None:
    p, t = ga.vector("p"), ga.vector("t")
    y = ga.nn.binary_cross_entropy(p, t)
    f = ga.function([p, t], [y, ga.grad(y.sum(), p)])
    value, g = f([0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0])
    assert value.tolist() == [0, 0, INF, INF]
    assert g.tolist() == [1, -1, -INF, INF]


def test_binary_cross_entropy_with_huge_logits() -> None:
    x, t = ga.vector("x"), ga.vector("t")
    y = ga.nn.binary_cross_entropy_with_logits(x, t)
    f = ga.function([x, t], [y, *ga.grad(y.sum(), [x, t])])
    value, to_x, to_t = f([1e5, -1e5, 1e5, -1e5, INF], [1.0, 0.0, 0.0, 1.0, 1.0])
    assert value.tolist() == [0, 0, 1e5, 1e5, 0]
    assert to_x.tolist() == [0, 0, 1, -1, 0]
    assert to_t[:4].tolist() == [-1e5, 1e5, -1e5, 1e5]
    exact = f([30.0], [1.0])[0]  # log(1 + e⁻³⁰)
    np.testing.assert_allclose(exact, np.log1p(np.exp(-30.0)), rtol=1e-14)


def test_losses_agree_with_each_other() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 3)), rng.integers(0, 3, size=5)
    x = ga.constant(logits)
    direct = ga.nn.cross_entropy(x, labels).eval()
    np.testing.assert_allclose(ga.nn.nll(ga.log_softmax(x), labels).eval(), direct, rtol=1e-13)
    hard = np.eye(3)[labels]
    np.testing.assert_allclose(ga.nn.kl_div(ga.log_softmax(x), hard).eval(), direct, rtol=1e-13)
    binary = ga.nn.binary_cross_entropy(ga.sigmoid(x), hard).eval()
    with_logits = ga.nn.binary_cross_entropy_with_logits(x, hard).eval()
    np.testing.assert_allclose(binary, with_logits, rtol=1e-12)


def test_kl_divergence_with_zeros() -> None:
    logs, p = ga.vector("logs"), ga.vector("p")
    y = ga.nn.kl_div(logs, p)
    value, g = ga.function([logs, p], [y, ga.grad(y, logs)])([-INF, 0.0], [0.0, 1.0])
    assert value == 0 and g.tolist() == [0, -1]


def test_huber_and_hinge() -> None:
    at = [-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]
    assert slope(lambda x: ga.nn.huber(x, 0.0), at).tolist() == [-1, -1, 0, 0.5, 1, 1]
    assert slope(lambda x: ga.nn.huber(x, 0.0), [0.0, 3.0], 2).tolist() == [1, 0]
    assert slope(lambda x: ga.nn.hinge(x, 1.0), [0.0, 1.0, 2.0]).tolist() == [-1, 0, 0]
    assert slope(lambda x: ga.nn.mae(x, 0.0), [0.0, 2.0]).tolist() == [0, 0.5]


def test_cosine_similarity_of_zeros() -> None:
    x = np.zeros((2, 3))
    f = lambda v: ga.nn.cosine_similarity(v, [1.0, 2.0, 2.0], eps=1e-3)  # noqa: E731
    assert f(ga.constant(x)).eval().tolist() == [0, 0]
    np.testing.assert_allclose(slope(f, x), np.array([1, 2, 2]) / 3e-3 * np.ones((2, 1)))
    assert np.isfinite(slope(f, x, order=2)).all()


# ---- embedding and attention -----------------------------------------------------------------
def test_rows_looked_up_twice_add_up() -> None:
    table = ga.tensor("table", ("n", 2))
    rows = ga.nn.embedding(table, [2, 0, 2])
    g = ga.grad((rows * np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).sum(), table)
    assert g.eval({table: np.zeros((3, 2))}).tolist() == [[3, 4], [0, 0], [6, 8]]


def test_a_row_that_does_not_exist() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        ga.nn.embedding(ga.constant(np.zeros((2, 2))), [7]).eval()


def attended(q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One query after the other."""
    result = np.zeros((len(q), v.shape[1]))
    for i, query in enumerate(q):
        if mask[i].any():
            scores = k[mask[i]] @ query / np.sqrt(q.shape[1])
            weights = np.exp(scores - scores.max())
            result[i] = weights / weights.sum() @ v[mask[i]]
    return result


MASK = np.array([[True, False, True], [False, False, False], [True, True, True]])


@pytest.mark.parametrize("additive", [False, True])
def test_queries_that_attend_to_nothing(additive: bool) -> None:
    """Their result is 0; all derivatives are finite, and as if these queries were not there."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 2))]
    mask = np.where(MASK, 0.0, -INF) if additive else MASK
    q, k, v = [ga.matrix(name) for name in "qkv"]
    y = ga.nn.attention(q, k, v, mask)
    weights = rng.normal(size=(3, 2))
    grads = ga.grad((y * weights).sum(), [q, k, v])
    value, to_q, to_k, to_v = ga.function([q, k, v], [y, *grads])(*arrays)
    np.testing.assert_allclose(value, attended(*arrays, MASK), rtol=1e-12)
    assert to_q[1].tolist() == [0, 0, 0, 0]
    rows = [0, 2]
    part = ga.nn.attention(q, k, v, MASK[rows])
    grads = ga.grad((part * weights[rows]).sum(), [q, k, v])
    expected = ga.function([q, k, v], grads)(arrays[0][rows], *arrays[1:])
    np.testing.assert_allclose(to_q[rows], expected[0], rtol=1e-12)
    np.testing.assert_allclose(to_k, expected[1], rtol=1e-12)
    np.testing.assert_allclose(to_v, expected[2], rtol=1e-12)
    check_grads(lambda a, b, c: ga.nn.attention(a, b, c, mask), arrays)


def test_huge_scores() -> None:
    q, k, v = [ga.matrix(name) for name in "qkv"]
    y = ga.nn.attention(q, k, v, scale=1e6)
    arrays = [np.eye(2) * 1e3, np.eye(2), np.array([[1.0], [2.0]])]
    value, *grads = ga.function([q, k, v], [y, *ga.grad(y.sum(), [q, k, v])])(*arrays)
    assert value.tolist() == [[1], [2]] and all([np.isfinite(g).all() for g in grads])


def test_heads_broadcast_and_dtypes_stay() -> None:
    q = ga.tensor("q", ("b", 8, "m", 16), "float32")
    k = ga.tensor("k", ("b", 1, "n", 16), "float32")
    assert str(ga.nn.attention(q, k, k).type) == "float32[b, 8, m, 16]"
    sized = ga.tensor("q", ("m", "d"), "float32")
    assert ga.nn.attention(sized, sized, sized).dtype == "float32"


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda x: ga.nn.gelu(x + 1j), DTypeError, "gelu"),
        (lambda x: ga.nn.mse(x, x * 1j), DTypeError, "mse"),
        (lambda x: ga.nn.glu(x[:, :3]), ShapeError, "two halves"),
        (lambda x: ga.nn.nll(x, [0.0, 1.0]), DTypeError, "astype"),
        (lambda x: ga.nn.embedding(x, [0.5]), DTypeError, "integers"),
        (lambda x: ga.nn.attention(x[0], x, x), ShapeError, "q has the shape"),
        (lambda x: ga.nn.attention(x, x[:, :3], x), ShapeError, "do not fit"),
        (lambda x: ga.nn.huber(x, np.ones(3)), ShapeError, "do not fit"),
    ],
)
def test_errors(build: Callable[[Any], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        build(ga.tensor("x", (2, 4)))
