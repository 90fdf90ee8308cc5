"""A gradient has at most a small constant times as many nodes as the forward graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import graphad as ga
from graphad.ir import walk
from graphad.ir.op import OPS
from graphad.testing.samples import cases_of, inputs_for

Model = tuple[ga.Variable, list[ga.Variable]]


def nodes(*outputs: ga.Variable) -> int:
    return len(walk.toposort(outputs))


def perceptron(depth: int) -> Model:
    h, t = ga.matrix("x", shape=("batch", 8)), ga.vector("t", shape=("batch",), dtype="int64")
    parameters = []
    for i in range(depth):
        w, b = ga.matrix(f"w{i}", shape=(8, 8)), ga.vector(f"b{i}", shape=(8,))
        parameters += [w, b]
        h = ga.tanh(h @ w + b)
    return ga.cross_entropy(h, t).mean(), parameters


def recurrent(steps: int) -> Model:
    w, u, b = (
        ga.matrix("w", shape=(4, 8)),
        ga.matrix("u", shape=(8, 8)),
        ga.vector("b", shape=(8,)),
    )
    inputs = [ga.matrix(f"x{i}", shape=("batch", 4)) for i in range(steps)]
    h = ga.zeros((inputs[0].shape[0], 8))
    for x in inputs:
        h = ga.tanh(x @ w + h @ u + b)
    return (h**2).mean(), [w, u, b]


def normalised(depth: int) -> Model:
    x = ga.matrix("x")
    h = x
    for _ in range(depth):
        h = ga.relu((h - h.mean(axis=1, keepdims=True)) / (h.std(axis=1, keepdims=True) + 1e-5))
    return h.sum(), [x]


def squared(times: int) -> Model:
    """2ⁿ ways lead from x to the result."""
    x = ga.scalar("x")
    y = x
    for _ in range(times):
        y = y * y
    return y, [x]


def rosenbrock(size: int) -> Model:
    x = ga.vector("x", shape=(size,))
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(), [x]


MODELS: dict[str, tuple[Callable[[int], Model], int]] = {
    "perceptron": (perceptron, 20),
    "recurrent": (recurrent, 100),
    "normalised": (normalised, 20),
    "squared": (squared, 60),
    "rosenbrock": (rosenbrock, 1000),
}


@pytest.mark.parametrize("name", MODELS)
def test_nodes_of_the_gradient(name: str) -> None:
    model, size = MODELS[name]
    cost, wrt = model(size)
    forward = nodes(cost)
    gradient = ga.grad(cost, wrt)
    assert nodes(cost, *gradient) - forward <= 4 * forward
    tangent = ga.jvp(cost, wrt, [ga.ones_like(v) for v in wrt])
    assert nodes(cost, tangent) - forward <= 4 * forward
    curvature = ga.hvp(cost, wrt, [ga.ones_like(v) for v in wrt])
    assert nodes(cost, *curvature) - forward <= 16 * forward


@pytest.mark.parametrize("name", ["perceptron", "recurrent", "normalised", "squared"])
def test_growth_is_linear(name: str) -> None:
    model, size = MODELS[name]
    counts = []
    for n in (size, 2 * size, 3 * size):
        cost, wrt = model(n)
        counts.append(nodes(cost, *ga.grad(cost, wrt)))
    assert counts[2] - counts[1] == counts[1] - counts[0]


def test_only_what_leads_to_the_variables_is_derived() -> None:
    x, y = ga.vector("x"), ga.vector("y")
    h = x
    for _ in range(50):
        h = ga.tanh(h)
    cost = (h * y).sum()
    assert nodes(ga.grad(cost, y)) - nodes(cost) <= 5
    assert all(node.origin is None or node.origin.op.name != "tanh"
               for node in walk.toposort([ga.grad(cost, y)]))  # fmt: skip


def test_several_gradients_share_their_nodes() -> None:
    cost, wrt = perceptron(10)
    together = nodes(cost, *ga.grad(cost, wrt))
    alone = sum(nodes(cost, ga.grad(cost, v)) - nodes(cost) for v in wrt) + nodes(cost)
    assert together < alone / 3


def test_plain_products_where_nothing_can_be_infinite() -> None:
    """Strong zeros cost nothing where no selection and no risk is near."""
    x, w = ga.matrix("x"), ga.matrix("w")
    cost = (ga.tanh(x @ w) ** 2).sum()
    names = {str(node.op) for node in walk.toposort(ga.grad(cost, [x, w]))}
    assert not [name for name in names if "strong" in name or "masked" in name]
    masked = ga.where(x > 0, ga.sqrt(x), 0.0).sum()
    assert "strong_multiply" in {node.op.name for node in walk.toposort([ga.grad(masked, x)])}


# Operations whose derivatives have nothing in them that may be infinite or NaN.
SAFE = """
    add subtract multiply negative square sin cos tanh abs relu sigmoid softplus maximum minimum
    clip where sum mean var max min cumsum cummax matmul dot inner outer tensordot einsum vdot
    vecdot kron trace softmax logsumexp sort take take_along_axis concatenate stack reshape
    transpose broadcast_to repeat tile roll flip diff gradient trapezoid average nansum nanmax
    fft.fft fft.ifft fft.rfft fft.irfft fft.fft2 nn.convolve1d nn.convolve2d
    nn.max_pool linalg.multi_dot sinc index_add index_set select
    sliding_window_view
""".split()


@pytest.mark.parametrize("name", SAFE)
def test_safe_operations_have_plain_products(name: str) -> None:
    """No strong zeros in the gradient, nor in Hessian-vector products."""
    case = cases_of(OPS.entries[name])[0]  # the plain one; weights and masks divide
    inputs = inputs_for(case.arrays)
    wrt = [v for v in inputs if v.dtype.kind in "fc"]
    results = [v for v in case.build(*inputs) if v.dtype.kind in "fc"]
    weights = [ga.tensor("weight", v.type.shape, dtype=v.dtype) for v in results]
    cost = sum(ga.real(v * w).sum() for v, w in zip(results, weights, strict=True))
    first = ga.grad(cost, wrt, disconnected="zero")
    moves = [ga.tensor("move", v.type.shape, dtype=v.dtype) for v in wrt]
    for node in walk.toposort([*first, *ga.jvp(first, wrt, moves)]):
        assert node.op.name not in ("strong_multiply", "masked_multiply"), node
        assert not node.op.params.get("strong"), node


@pytest.mark.parametrize("name", ["arctan", "arcsinh", "special.erf", "special.erfc"])
def test_finite_slopes_have_plain_products(name: str) -> None:
    """Though their formulas divide or hold exponentials; not behind a risk, or a selection."""
    x = ga.vector("x")
    f = OPS[name]
    for y, strong in ((f(x * 2), False), (f(1 / x), True), (ga.where(x > 0, f(x), 0.0), True)):
        node = next(n for n in walk.toposort([y]) if n.op.name in (name, name[8:]))
        (received,) = node.op.family.vjp(node, [ga.grad(y.sum(), node.output(0))], [True])
        assert received is not None and received.owner is not None
        assert (received.owner.op.name == "strong_multiply") == strong, y
