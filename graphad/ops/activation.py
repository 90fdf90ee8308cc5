"""Functions of statistics and neural networks: sigmoid, softmax, logsumexp, cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.families.common import normalize_axes, normalize_axis, public, weigh
from graphad.ir.families.elementwise import as_float, elementwise, real_float
from graphad.ir.families.reduction import Reduction, Scan, only
from graphad.ir.op import OPS, RISKY, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.logsum import weighted_logsum


def _real(x: np.ndarray) -> np.ndarray:
    """For references: integers as floats; TypeError for complex numbers."""
    if np.iscomplexobj(x):
        raise TypeError("not defined for complex numbers")
    return x if x.dtype.kind == "f" else x.astype(float)


def _sigmoid(xp: Any, x: Any) -> Any:
    """1/(1 + e⁻ˣ); the exponential only ever sees -|x|, so it cannot overflow."""
    e = xp.exp(xp.negative(xp.abs(x)))
    return xp.divide(xp.where(xp.greater_equal(x, 0), 1, e), xp.add(e, 1))


def _log1mexp(xp: Any, x: Any) -> Any:
    """log(-expm1(x)) above -log 2, log1p(-eˣ) below. M. Mächler, "Accurately computing
    log(1 - exp(-|a|))" (2012)."""
    near = xp.log(xp.negative(xp.expm1(x)))
    far = xp.log1p(xp.negative(xp.exp(x)))
    return xp.where(xp.greater(x, -0.6931471805599453), near, far)


sigmoid: Callable[..., Variable] = elementwise(
    "sigmoid", _sigmoid, (lambda y, x: y * sigmoid(-x),),  # 1 - y would be 0 for large x
    reference=lambda x: 1 / (1 + np.exp(-_real(x))), dtype=real_float, floats=True,
    domain=((-4.0, 4.0),), arity=1,
    doc="1 / (1 + e⁻ˣ), the logistic function; exact to the last digits on both sides.",
)  # fmt: skip
softplus = elementwise(
    "softplus", lambda xp, x: xp.add(xp.maximum(x, 0), xp.log1p(xp.exp(xp.negative(xp.abs(x))))),
    (lambda y, x: sigmoid(x),),
    reference=lambda x: np.logaddexp(_real(x), 0), dtype=real_float, floats=True,
    domain=((-4.0, 4.0),), arity=1, doc="log(1 + eˣ), without overflow.")  # fmt: skip
log1mexp: Callable[..., Variable] = elementwise(
    "log1mexp", _log1mexp, (lambda y, x: -1 / OPS["expm1"](-x),),
    reference=lambda x: np.log(1 - np.exp(_real(x))), dtype=real_float, floats=True, hazard=RISKY,
    domain=((-4.0, -0.2),), arity=1,
    doc="log(1 - eˣ) for x ≤ 0 (-∞ at 0, NaN above), accurate near 0 and far off.")  # fmt: skip
relu = elementwise(
    "relu", lambda xp, x: xp.maximum(x, 0), (lambda y, x: y > 0,),
    reference=lambda x: np.maximum(x, 0), dtype=lambda d, params: np.result_type(d[0], 0),
    domain=(np.array([-1.5, -0.3, 0.4, 2.0]),), arity=1,
    doc="max(x, 0). The derivative at 0 is 0.")  # fmt: skip


# ---- log-sum-exp, softmax --------------------------------------------------------------------
def _lse(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """m + log Σ exp(x - m) with m = max x."""
    top, _, rest = _shifted(xp, x, axis)
    total = xp.add(rest, top)
    return total if keepdims else xp.squeeze(total, axis=axis)


def _shifted(xp: Any, x: Any, axis: Any) -> tuple[Any, Any, Any]:
    """(m, x - m, log Σ exp(x - m)) with m = max x, and the largest float where that is infinite.

    The terms that are 1 are counted, and one of them left to log1p: so the small ones beside it
    are not lost, and log Σ exp(x) is exact also where it is nearly m.
    """
    top = xp.max(x, axis=axis, keepdims=True, initial=-xp.inf)
    bound = float(np.finfo(x.dtype).max)
    top = xp.maximum(xp.minimum(top, bound), -bound)
    below = xp.subtract(x, top)
    at_top = xp.equal(below, 0)
    terms = xp.subtract(xp.exp(below), at_top)  # 0 for the largest
    others = xp.subtract(xp.sum(at_top, axis=axis, keepdims=True, dtype=x.dtype), 1)
    rest = xp.add(xp.sum(terms, axis=axis, keepdims=True), others)
    return top, below, xp.log1p(rest)


def _weight(xp: Any, x: Any, y: Any) -> Any:
    """exp(x - y), for infinities its limit: both are bounded by the largest float."""
    bound = float(np.finfo(np.result_type(x.dtype, y.dtype)).max)
    level = xp.maximum(xp.minimum(y, bound), -bound)
    return xp.exp(xp.subtract(xp.minimum(x, bound), level))


share = elementwise(
    "share", _weight, (lambda p, x, y: p, lambda p, x, y: -p),
    reference=lambda x, y: np.exp(_real(x) - _real(y)), dtype=real_float, floats=True,
    domain=((-2.0, 0.0), (0.1, 2.0)), arity=2,
    doc="exp(x1 - x2) for x1 ≤ x2: the share of a term in a log-sum-exp x2, never more than 1; "
    "0 where x1 = x2 = -∞, 1 where x1 = x2 = ∞.")  # fmt: skip


def _lse_vjp(g: Variable, y: Variable, x: Variable, axis: tuple[int, ...]) -> Variable:
    """∂/∂x logsumexp(x) = exp(x - y), at most 1; 0 where all x are -inf."""
    return weigh(g, share(x, y))


_ROWS = "take the real part, or the absolute value, first"
_logsumexp = Reduction("logsumexp", _lse, vjp=_lse_vjp, dtype=only("f", "logsumexp", _ROWS))


def _axis_samples(rng: np.random.Generator) -> list[Sample]:
    axes: list[Any] = [0, 1, -1, (0, 1), None]
    return [Sample((rng.normal(size=(3, 4)),), {"axis": axis}) for axis in axes] + [
        Sample((rng.normal(size=5),)), Sample((rng.normal(size=(2, 3, 2)),), {"axis": (-1, 0)}),
    ]  # fmt: skip


def _logsumexp_reference(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    if b is not None and np.iscomplexobj(b):
        raise TypeError("complex weights")
    terms = np.exp(_real(a)) if b is None else _real(b) * np.exp(_real(a))
    total = np.sum(terms, axis=axis, keepdims=keepdims)
    with np.errstate(all="ignore"):
        return (np.log(np.abs(total)), np.sign(total)) if return_sign else np.log(total)


def _logsumexp_samples(rng: np.random.Generator) -> list[Sample]:
    x, weights = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, size=(3, 4))
    signs = np.array([[1.5], [-1.0], [2.0]])
    return [*_axis_samples(rng), Sample((x,), {"axis": 1}, {"b": weights}),
            Sample((x,), {"axis": 1, "return_sign": True}, {"b": signs}),
            Sample((x,), {"keepdims": True}, {"b": weights[0]})]  # fmt: skip


@public(topic="reduction", reference=_logsumexp_reference, samples=_logsumexp_samples)
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b·exp(a) over `axis` (an int, a tuple, None for all), without overflow, as SciPy.

    a (…): float; b: weights that broadcast with a (none: 1), may be 0, and negative. Where b is 0,
    a is left out. Negative sums give NaN, or with `return_sign` a pair (log |Σ b·exp(a)|, sign).
    The derivative is 0 where all a are -∞; where some are ∞ it is 1 for these, 0 for others (times
    b, by a). Raises AxisError for a wrong axis, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> float(ga.logsumexp(ga.constant([1000.0, 1000.0])).eval())
    1000.6931471805599
    """
    variable = as_float(a)
    if b is None:
        axes = normalize_axes(axis, variable.ndim, "logsumexp")
        value = _logsumexp(variable, axis=axes, keepdims=bool(keepdims))
        if not return_sign:
            return value
        none = OPS["where"](OPS["isnan"](value), value, 0)
        return value, OPS["where"](value > -np.inf, 1, OPS["stop_gradient"](none))
    weights = as_float(b)
    for operand in (variable, weights):
        if operand.dtype.kind == "c":
            raise DTypeError(f"logsumexp is not defined for dtype {operand.dtype}", remedy=_ROWS)
    axes = normalize_axes(axis, max(variable.ndim, weights.ndim), "logsumexp")
    value, sign = weighted_logsum(variable, weights, axes, bool(keepdims))
    return (value, sign) if return_sign else OPS["where"](sign < 0, np.nan, value)


def _chosen_axes(variable: Variable, axis: Any, name: str) -> Any:
    """One axis as an int, several as a tuple."""
    axes = normalize_axes(axis, variable.ndim, name)
    return axes[0] if len(axes) == 1 else axes


def _softmax_value(xp: Any, x: Any, axis: int) -> Any:
    top = xp.max(x, axis=axis, keepdims=True, initial=-xp.inf)
    e = xp.exp(xp.subtract(x, xp.where(xp.isfinite(top), top, xp.zeros_like(top))))
    return xp.divide(e, xp.sum(e, axis=axis, keepdims=True))


def _softmax_vjp(g: Variable, y: Variable, x: Variable, axis: int) -> Variable:
    """x̄ = y · (g - Σ g·y)."""
    return weigh(g - OPS["sum"](weigh(g, y), axis=axis, keepdims=True), y)


_softmax = Scan("softmax", _softmax_value, vjp=_softmax_vjp, dtype=only("f", "softmax", _ROWS))


def _softmax_reference(x: Any, axis: Any = -1) -> Any:
    return np.exp(_real(x)) / np.sum(np.exp(_real(x)), axis=axis, keepdims=True)


@public(topic="activation", reference=_softmax_reference, samples=_axis_samples)
def softmax(x: Any, axis: Any = -1) -> Variable:
    """exp(x) / Σ exp(x) over `axis` (an int, a tuple, None for all), without overflow; sums to 1.

    NaN where all x are -∞, or one is ∞. Raises AxisError, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.softmax(ga.constant([0.0, 0.0])).eval()
    array([0.5, 0.5])
    """
    variable = as_float(x)
    return _softmax(variable, axis=_chosen_axes(variable, axis, "softmax"))


def _log_softmax_value(xp: Any, x: Any, axis: int) -> Any:
    _, below, rest = _shifted(xp, x, axis)
    return xp.subtract(below, rest)


def _log_softmax_vjp(g: Variable, y: Variable, x: Variable, axis: int) -> Variable:
    """x̄ = g - exp(y) · Σ g."""
    return g - weigh(OPS["sum"](g, axis=axis, keepdims=True), OPS["exp"](y))


_log_softmax = Scan(
    "log_softmax", _log_softmax_value, vjp=_log_softmax_vjp, dtype=only("f", "log_softmax", _ROWS)
)


@public(
    topic="activation", samples=_axis_samples,
    reference=lambda x, axis=-1: np.log(_softmax_reference(x, axis)),
)  # fmt: skip
def log_softmax(x: Any, axis: Any = -1) -> Variable:
    """x - logsumexp(x) over `axis`: the logarithm of `softmax`, accurate where that is tiny.

    `axis`: an int, a tuple, None for all. Raises AxisError, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.log_softmax(ga.constant([0.0, -1000.0])).eval()
    array([    0., -1000.])
    """
    variable = as_float(x)
    return _log_softmax(variable, axis=_chosen_axes(variable, axis, "log_softmax"))


@public(
    topic="activation", differentiable=False,
    reference=lambda labels, classes: np.eye(classes)[labels],
    samples=lambda rng: [Sample((np.array([0, 2, 1]),), {"classes": 3})],
)  # fmt: skip
def one_hot(labels: Any, classes: int, dtype: Any = "float64") -> Variable:
    """Rows of zeros with a one at each label: integers (…) to `dtype` (…, classes).

    Labels outside 0 … classes-1 give rows of zeros. Raises DTypeError for labels that are floats.

    >>> import graphad as ga
    >>> ga.one_hot(ga.constant([2, 0]), 3).eval()
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    variable = as_variable(labels)
    if variable.dtype.kind not in "iu":
        raise DTypeError(
            f"one_hot: labels of dtype {variable.dtype}", remedy="labels are integers: astype(int)"
        )
    grid = OPS["arange"](classes, dtype=variable.dtype)
    return OPS["equal"](variable[..., None], grid).astype(dtype)


def _cross_entropy_reference(logits: Any, target: Any, axis: int = -1) -> Any:
    logs = np.log(_softmax_reference(logits, axis))
    if target.ndim < logits.ndim:
        return -np.take_along_axis(logs, np.expand_dims(target, axis), axis).squeeze(axis)
    return -np.sum(target * logs, axis=axis)


@public(
    topic="activation", reference=_cross_entropy_reference,
    samples=lambda rng: [
        Sample((rng.normal(size=(3, 4)), np.array([1, 0, 3]))),
        Sample((rng.normal(size=(2, 3)), rng.dirichlet([1, 1, 1], size=2))),
    ],
)  # fmt: skip
def cross_entropy(logits: Any, target: Any, axis: int = -1) -> Variable:
    """-log softmax(logits)[target] along `axis`: one loss per row.

    logits (…, k) float; target: integers (…) with the classes, or probabilities (…, k).
    The result has the shape (…). Raises ShapeError when the two do not belong together.

    >>> import graphad as ga
    >>> ga.cross_entropy(ga.constant([[0.0, 0.0]]), ga.constant([1])).eval()
    array([0.69314718])
    """
    scores, labels = as_float(logits), as_variable(target)
    along = normalize_axis(axis, scores.ndim, "cross_entropy")
    if labels.dtype.kind in "iu" and labels.ndim == scores.ndim - 1:
        picked = OPS["pick"](scores, labels, along)
        return logsumexp(scores, axis=along) - picked
    if labels.ndim != scores.ndim:
        raise ShapeError(
            f"cross_entropy: logits are {scores.type}, the target is {labels.type}",
            cause="the target holds either one integer class for each row, or probabilities in "
            "the shape of the logits",
            remedy="convert classes with target.astype('int64')",
        )
    return -OPS["sum"](labels * log_softmax(scores, axis=along), axis=along)
