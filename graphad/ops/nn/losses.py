"""Losses and similarities: one value for each element or row, as `cross_entropy`; ``.mean()`` is
the user's. (`mse` and `mae` have the mean in their names.)"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir.families.common import normalize_axes, normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.nn.activations import plain_floats, real_floats


def _pair(rng: np.random.Generator, *keywords: dict[str, Any]) -> list[Sample]:
    """Predictions and targets that are not close to each other."""
    x = rng.normal(size=(3, 4))
    gap = rng.uniform(0.2, 0.8, size=(3, 4)) * rng.choice([-1, 1], size=(3, 4))
    return [Sample((x, x + gap), k) for k in ({}, *keywords)]


def _probabilities(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.uniform(0.3, 0.7, size=(3, 2)), rng.uniform(0.1, 0.9, size=(3, 2))))]


def _times_log(weight: Variable, log: Variable) -> Variable:
    """weight · log, and 0 where the weight is 0, even if the logarithm is infinite."""
    product: Variable = OPS["strong_multiply"](weight, log)
    return product


# ---- distances -------------------------------------------------------------------------------
@public(namespace="nn", samples=lambda rng: _pair(rng, {"axis": -1}), reference=lambda x, t, axis=
        None: np.mean(np.square(plain_floats(x) - plain_floats(t)), axis=axis))  # fmt: skip
def mse(prediction: Any, target: Any, axis: Any = None) -> Variable:
    """The mean of (prediction - target)² over `axis`: an int, a tuple, None for all axes.

    Raises ShapeError for shapes that clash, AxisError for a wrong axis, DTypeError for complex.

    >>> import graphad as ga
    >>> float(ga.nn.mse(ga.constant([1.0, 2.0]), [1.0, 4.0]).eval())
    2.0
    """
    gap = real_floats("mse", prediction) - real_floats("mse", target)
    return OPS["mean"](OPS["square"](gap), axis=axis)


@public(namespace="nn", samples=lambda rng: _pair(rng, {"axis": -1}), reference=lambda x, t, axis=
        None: np.mean(np.abs(plain_floats(x) - plain_floats(t)), axis=axis))  # fmt: skip
def mae(prediction: Any, target: Any, axis: Any = None) -> Variable:
    """The mean of |prediction - target| over `axis`: an int, a tuple, None for all axes.

    The derivative is 0 where the two are equal. Errors as for `mse`.

    >>> import graphad as ga
    >>> float(ga.nn.mae(ga.constant([1.0, 2.0]), [1.0, 4.0]).eval())
    1.0
    """
    gap = real_floats("mae", prediction) - real_floats("mae", target)
    return OPS["mean"](OPS["abs"](gap), axis=axis)


def _huber_reference(x: Any, t: Any, delta: float = 1.0) -> Any:
    gap = plain_floats(x) - plain_floats(t)
    far = np.abs(gap)
    return np.where(far <= delta, 0.5 * gap * gap, delta * (far - 0.5 * delta))


@public(namespace="nn", reference=_huber_reference,
        samples=lambda rng: _pair(rng, {"delta": 0.1}))  # fmt: skip
def huber(prediction: Any, target: Any, delta: Any = 1.0) -> Variable:
    """r²/2 for |r| ≤ delta, else delta·(|r| - delta/2), with r = prediction - target.

    One value for each element; the derivative is continuous. Raises ShapeError for shapes that
    clash, DTypeError for complex numbers. P. J. Huber, "Robust estimation of a location
    parameter" (1964).

    >>> import graphad as ga
    >>> ga.nn.huber(ga.constant([0.5, 3.0]), 0.0).eval()
    array([0.125, 2.5  ])
    """
    gap = real_floats("huber", prediction) - real_floats("huber", target)
    far = OPS["abs"](gap)
    near = far <= delta
    return OPS["where"](near, 0.5 * gap * gap, delta * (far - 0.5 * delta))


def _hinge_reference(x: Any, t: Any) -> Any:
    return np.maximum(1 - plain_floats(x) * plain_floats(t), 0)


@public(namespace="nn", reference=_hinge_reference,
        samples=lambda rng: [Sample((np.array([-2.0, -0.5, 0.5, 1.7]),
                                     np.array([-1.0, 1.0, 1.0, 1.0])))])  # fmt: skip
def hinge(scores: Any, target: Any) -> Variable:
    """max(0, 1 - target·scores), one value for each element; targets are -1 and 1.

    The derivative is 0 where target·scores = 1. Raises ShapeError for shapes that clash,
    DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.hinge(ga.constant([2.0, 0.5, -1.0]), [1, 1, 1]).eval()
    array([0. , 0.5, 2. ])
    """
    return OPS["relu"](1 - real_floats("hinge", scores) * real_floats("hinge", target))


# ---- probabilities ---------------------------------------------------------------------------
def _weighted(weight: Any, log: Any) -> Any:
    """For references: the same for arrays."""
    product = weight * log
    return np.where(weight == 0, product.dtype.type(0), product)


def _binary_reference(p: Any, t: Any) -> Any:
    p, t = plain_floats(p), plain_floats(t)
    return -(_weighted(t, np.log(p)) + _weighted(1 - t, np.log1p(-p)))


@public(namespace="nn", reference=_binary_reference, samples=_probabilities)
def binary_cross_entropy(probability: Any, target: Any) -> Variable:
    """-target·log p - (1 - target)·log(1 - p), one value for each element.

    A term with the weight 0 is 0, even if its logarithm is infinite, and so is its derivative;
    a certain prediction that is wrong gives ∞. `binary_cross_entropy_with_logits` is more
    accurate if p comes from a sigmoid. Raises ShapeError for shapes that clash, DTypeError for
    complex numbers.

    >>> import graphad as ga
    >>> ga.nn.binary_cross_entropy(ga.constant([0.5, 1.0]), [0.0, 1.0]).eval().round(4)
    array([0.6931, 0.    ])
    """
    p = real_floats("binary_cross_entropy", probability)
    t = real_floats("binary_cross_entropy", target)
    return _times_log(t, -OPS["log"](p)) + _times_log(1 - t, -OPS["log1p"](-p))


def _logits_reference(x: Any, t: Any) -> Any:
    x, t = plain_floats(x), plain_floats(t)
    return _weighted(t, np.logaddexp(0, -x)) + _weighted(1 - t, np.logaddexp(0, x))


@public(namespace="nn", reference=_logits_reference, samples=lambda rng: [
    Sample((rng.normal(size=(3, 2)), rng.uniform(0.1, 0.9, size=(3, 2))))])  # fmt: skip
def binary_cross_entropy_with_logits(logits: Any, target: Any) -> Variable:
    """`binary_cross_entropy` of sigmoid(logits), accurate and finite for all finite logits.

    It is target·softplus(-x) + (1 - target)·softplus(x), one value for each element.
    Raises ShapeError for shapes that clash, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> loss = ga.nn.binary_cross_entropy_with_logits
    >>> loss(ga.constant([1000.0, 1000.0]), [1.0, 0.0]).eval()
    array([   0., 1000.])
    """
    x = real_floats("binary_cross_entropy_with_logits", logits)
    t = real_floats("binary_cross_entropy_with_logits", target)
    softplus = OPS["softplus"]
    return _times_log(t, softplus(-x)) + _times_log(1 - t, softplus(x))


def _nll_reference(x: Any, labels: Any, axis: int = -1) -> Any:
    picked = np.take_along_axis(plain_floats(x), np.expand_dims(labels, axis), axis)
    return -np.squeeze(picked, axis)


@public(namespace="nn", reference=_nll_reference, samples=lambda rng: [
    Sample((rng.normal(size=(3, 4)), np.array([1, 0, 3]))),
    Sample((rng.normal(size=(2, 3)), np.array([1, 0, 1])), {"axis": 0})])  # fmt: skip
def nll(log_probabilities: Any, target: Any, axis: int = -1) -> Variable:
    """The negative log-likelihood -log p[target] along `axis`: one loss for each row.

    log_probabilities (…, k), for example of `log_softmax`; target (…): integers, the classes.
    `cross_entropy` of logits is the same in one step. Raises DTypeError for a target that does
    not hold integers, AxisError for a wrong axis, ShapeError for shapes that do not fit.

    >>> import graphad as ga
    >>> ga.nn.nll(ga.constant([[-1.0, -2.0], [-3.0, -4.0]]), [0, 1]).eval()
    array([1., 4.])
    """
    logs, labels = real_floats("nll", log_probabilities), as_variable(target)
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"nll: a target of dtype {labels.dtype}",
            remedy="it holds integers, the classes: target.astype('int64')",
        )
    return -OPS["pick"](logs, labels, normalize_axis(axis, logs.ndim, "nll"))


def _kl_reference(log_q: Any, p: Any, axis: int = -1) -> Any:
    log_q, p = plain_floats(log_q), plain_floats(p)
    return np.sum(_weighted(p, np.log(p) - log_q), axis=axis)


@public(namespace="nn", reference=_kl_reference, samples=lambda rng: [
    Sample((np.log(rng.dirichlet([9, 9, 9], size=2)), rng.dirichlet([9, 9, 9], size=2))),
    Sample((rng.normal(size=(3, 2)), rng.uniform(0.4, 1, size=(3, 2))), {"axis": 0}),
])  # fmt: skip
def kl_div(log_probabilities: Any, target: Any, axis: Any = -1) -> Variable:
    """The Kullback-Leibler divergence Σ target·(log target - log p) over `axis`, of p from target.

    log_probabilities (…, k): log p, for example of `log_softmax`; target (…, k): probabilities.
    One value for each row. Terms with the target 0 are 0, also where p is 0.
    Raises ShapeError for shapes that clash, AxisError for a wrong axis, DTypeError for complex.

    >>> import graphad as ga
    >>> ga.nn.kl_div(ga.log(ga.constant([0.5, 0.5])), [1.0, 0.0]).eval().round(4)
    np.float64(0.6931)
    """
    logs, p = real_floats("kl_div", log_probabilities), real_floats("kl_div", target)
    terms = _times_log(p, OPS["log"](p) - logs)
    return OPS["sum"](terms, axis=normalize_axes(axis, terms.ndim, "kl_div"))


def _cosine_reference(x: Any, y: Any, axis: int = -1, eps: float = 1e-8) -> Any:
    x, y = plain_floats(x), plain_floats(y)
    least = _least_square(np.result_type(x, y), eps)
    squares = [np.maximum(np.sum(v * v, axis), least) for v in (x, y)]
    return np.sum(x * y, axis) / (np.sqrt(squares[0]) * np.sqrt(squares[1]))


def _least_square(dtype: np.dtype[Any], eps: float) -> float:
    """eps², or the smallest number of that dtype above 0."""
    return max(eps * eps, float(np.finfo(dtype).smallest_subnormal))


@public(namespace="nn", reference=_cosine_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))),
    Sample((rng.normal(size=(3, 2)), rng.normal(size=(3, 1))), {"axis": 0})])  # fmt: skip
def cosine_similarity(x: Any, y: Any, axis: int = -1, eps: float = 1e-8) -> Variable:
    """x·y / (|x| |y|) along `axis`, with lengths of at least `eps`.

    The similarity to a vector of zeros is 0, with a finite derivative. Raises ShapeError for
    shapes that clash, AxisError for a wrong axis, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.cosine_similarity(ga.constant([[3.0, 4.0], [0.0, 0.0]]), [1.0, 0.0]).eval()
    array([0.6, 0. ])
    """
    a, b = real_floats("cosine_similarity", x), real_floats("cosine_similarity", y)
    inner = OPS["sum"](a * b, axis=axis)
    least = _least_square(np.result_type(a.dtype, b.dtype), eps)
    lengths = [OPS["maximum"](OPS["sum"](OPS["square"](v), axis=axis), least) for v in (a, b)]
    return inner / (OPS["sqrt"](lengths[0]) * OPS["sqrt"](lengths[1]))
