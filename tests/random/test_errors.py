"""What is refused, when, and in which words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.errors import DTypeError, ParameterError, ShapeError, UseError

X = ga.vector("x", shape=(3,))
AT_ONCE: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda r: r.normal(0.0, -1.0), ParameterError, "random.normal: scale < 0"),
    (lambda r: r.gamma(-1.0), ParameterError, "random.gamma: shape < 0"),
    (lambda r: r.binomial(5, 1.5), ParameterError, "random.binomial: p"),
    (lambda r: r.uniform(1.0, 0.0), ParameterError, "random.uniform: high"),
    (lambda r: r.triangular(1.0, 0.0, 2.0), ParameterError, "random.triangular: left > mode"),
    (lambda r: r.normal(size=-1), ShapeError, "size of -1"),
    (lambda r: r.normal(size=2.5), UseError, "2.5 cannot be a size"),
    (lambda r: r.normal(X, size=4), ShapeError, r"size=\(4,\) does not hold parameters"),
    (lambda r: r.normal(X, size=()), ShapeError, r"size=\(\) does not hold parameters"),
    (lambda r: r.normal(X, np.ones(2)), ShapeError, "random.normal: shapes"),
    (lambda r: r.normal(1j), DTypeError, "loc has dtype complex128"),
    (lambda r: r.random(3, dtype="int64"), DTypeError, "random.random: dtype=int64"),
    (lambda r: r.random(3, dtype="float16"), DTypeError, "NumPy draws float32 and float64"),
    (lambda r: r.random(3, out=np.empty(3)), UseError, "out="),
    (lambda r: r.standard_exponential(3, method="no"), UseError, "method='no'"),
    (lambda r: r.integers(5, dtype="float64"), DTypeError, "random.integers: dtype=float64"),
    (lambda r: r.integers(5.5), DTypeError, "end of the range has dtype float64"),
    (lambda r: r.choice(2.5), UseError, r"random.choice of float64\[\]"),
    (lambda r: r.choice(X, axis=1), ga.errors.AxisError, "axis 1 is out of range"),
    (lambda r: r.permuted(3), ShapeError, "random.permuted of a number"),
    (lambda r: r.shuffle(3), UseError, "random.shuffle of a number"),
    (lambda r: r.multinomial(3, 0.5), ShapeError, "pvals is a number"),
    (lambda r: r.dirichlet(np.ones((2, 2))), ShapeError, "alpha has 2 axes"),
    (lambda r: r.multivariate_normal(X, np.eye(2)), ShapeError, "cov is float64"),
    (lambda r: r.multivariate_normal(X, np.eye(3), method="lu"), UseError, "method='lu'"),
    (lambda r: r.normal(loc=0, skew=1), TypeError, "unexpected keyword argument 'skew'"),
    (lambda r: r.beta(1.0), TypeError, "missing a required argument: 'b'"),
    (lambda r: ga.random.default_rng(-1), UseError, "-1 is no seed"),
    (lambda r: ga.random.default_rng("a"), UseError, "'a' is no seed"),
    (lambda r: ga.random.default_rng(np.random.MT19937(0)), UseError, "generator of MT19937"),
]


@pytest.mark.parametrize(("build", "kind", "text"), AT_ONCE)
def test_refused_when_the_graph_is_built(
    build: Callable[[Any], Any], kind: type[Exception], text: str
) -> None:
    rng = ga.random.default_rng(0)
    with pytest.raises(kind, match=text):
        build(rng)
    assert rng.normal().owner.inputs[0] is rng.stream  # nothing was drawn


IN_THE_CALL: list[tuple[Callable[[Any, Any], Any], Any, str]] = [
    (lambda r, p: r.normal(0.0, p), -1.0, "random.normal: scale < 0"),
    (lambda r, p: r.poisson(p, size=3), -1.0, "random.poisson: lam"),
    (lambda r, p: r.beta(p, 1.0), 0.0, "random.beta: a <= 0"),
    (lambda r, p: r.multinomial(3, ga.stack([p, p, p])), 0.9, "random.multinomial: sum"),
    (lambda r, p: r.choice(2, p=ga.stack([p, p])), 0.9, "random.choice: .*sum to 1"),
    (lambda r, p: r.choice(2, 3, replace=False) * p, 0.9, "random.choice.*: .*larger"),
    (lambda r, p: r.integers(p.astype(int), 0), 1.0, "random.integers: low"),
    (lambda r, p: r.dirichlet(ga.stack([p, 1.0])), -1.0, "random.dirichlet: alpha"),
]


@pytest.mark.parametrize("backend", ["auto", "interpreter"])
@pytest.mark.parametrize(("build", "value", "text"), IN_THE_CALL)
def test_refused_in_the_call(
    build: Callable[[Any, Any], Any], value: float, text: str, backend: str
) -> None:
    p = ga.scalar("p")
    rng = ga.random.default_rng(0)
    f = ga.function([p], build(rng, p), backend=backend)
    before = rng.state
    with pytest.raises(ParameterError, match=text) as caught:
        f(value)
    assert isinstance(caught.value, ValueError)  # what NumPy raises
    assert "test_errors.py:" in caught.value.where
    assert rng.state == before


def test_parameters_are_told() -> None:
    p = ga.vector("p")
    f = ga.function([p], ga.random.default_rng(0).normal(0.0, p))
    with pytest.raises(ParameterError) as caught:
        f([1.0, -2.0])
    assert "loc is 0.0; scale is from -2.0 to 1.0" in caught.value.cause
    with pytest.raises(ParameterError) as caught:
        ga.random.default_rng(0).normal(0.0, p).eval({p: [-2.0]})
    assert "test_errors.py:" in caught.value.where


def test_names() -> None:
    with pytest.raises(AttributeError):
        ga.random.seed(0)  # there is no generator that nobody named
    rng = ga.random.default_rng(0, name="noise")
    assert repr(rng) == "<Generator noise: PCG64>"
    assert "updates noise" in repr(ga.function([], rng.normal()))
    assert rng.normal(size=(2, 3)).owner.op.family.name == "random.normal"
    assert repr(rng.normal(size=(2, 3)).owner.op) == "random.normal(size=(2, 3))"
