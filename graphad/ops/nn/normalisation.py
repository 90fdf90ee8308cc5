"""Normalisation to mean 0 and variance 1, over the batch, a layer, or groups; dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import normalize_axes, normalize_axis, public
from graphad.ir.families.elementwise import as_float
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.nn.arguments import each_axis, space_axes


class BatchNorm(NamedTuple):
    """What `batch_norm` returns."""

    output: Variable
    mean: Variable
    var: Variable


# ---- pieces ----------------------------------------------------------------------------------
def _power(x: Variable) -> Variable:
    """|x|², real."""
    if x.dtype.kind != "c":
        return OPS["square"](x)
    return OPS["square"](OPS["real"](x)) + OPS["square"](OPS["imag"](x))


def _moments(x: Variable, axes: Sequence[int]) -> tuple[Variable, Variable, Variable]:
    """(x - mean, mean, variance) over `axes`, which stay with size 1."""
    mean = OPS["mean"](x, axis=tuple(axes), keepdims=True)
    centred = x - mean
    return centred, mean, OPS["mean"](_power(centred), axis=tuple(axes), keepdims=True)


def _placed(name: str, what: str, given: Any, x: Variable, axes: Sequence[int]) -> Any:
    """An array over `axes` of x, with axes of size 1 for the others; a number stays one."""
    if isinstance(given, int | float):
        return given
    variable = as_variable(given)
    if variable.ndim == 0:
        return variable
    if variable.ndim != len(axes):
        raise ShapeError(
            f"{name}: {what} of shape {shape_text(variable.type.shape)} for an array of shape "
            f"{shape_text(x.type.shape)}",
            cause=f"it has an entry for each place along axes {tuple(axes)}",
            remedy=f"give it {len(axes)} axes",
        )
    others = tuple([i for i in range(x.ndim) if i not in axes])
    return OPS["expand_dims"](variable, others) if others else variable


def _scaled(
    name: str, y: Variable, gain: Any, bias: Any, axes: Sequence[int]
) -> Variable:  # fmt: skip
    y = y if gain is None else y * _placed(name, "gain", gain, y, axes)
    return y if bias is None else y + _placed(name, "bias", bias, y, axes)


# ---- references for tests --------------------------------------------------------------------
def _normal(x: Any, axes: Any, eps: float) -> Any:
    return (x - np.mean(x, axes, keepdims=True)) / np.sqrt(np.var(x, axes, keepdims=True) + eps)


def _spread(values: Any, ndim: int, axis: int = 1) -> Any:
    if values is None or np.ndim(values) == 0:
        return values
    if np.ndim(values) != 1:
        raise ValueError("gain and bias have one axis")
    return np.expand_dims(values, tuple(i for i in range(ndim) if i != axis % ndim))


def _affine(y: Any, gain: Any, bias: Any) -> Any:
    y = y if gain is None else y * gain
    return y if bias is None else y + bias


def _batch_reference(
    x: Any, gain: Any = None, bias: Any = None, axis: int = 1, eps: float = 1e-5,
    mean: Any = None, var: Any = None,
) -> Any:  # fmt: skip
    axes = tuple(i for i in range(x.ndim) if i != range(x.ndim)[axis])
    x = x if x.dtype.kind in "fc" else x.astype(float)
    m = np.mean(x, axes) if mean is None else mean
    v = np.var(x, axes) if var is None else var
    spread = [_spread(part, x.ndim, axis) for part in (m, v, gain, bias)]
    return _affine((x - spread[0]) / np.sqrt(spread[1] + eps), *spread[2:]), m, v


def _layer_reference(
    x: Any, gain: Any = None, bias: Any = None, axis: Any = -1, eps: float = 1e-5
) -> Any:
    x = x if x.dtype.kind in "fc" else x.astype(float)
    return _affine(_normal(x, axis, eps), gain, bias)


def _rms_reference(x: Any, gain: Any = None, axis: Any = -1, eps: float = 1e-6) -> Any:
    x = x if x.dtype.kind in "fc" else x.astype(float)
    square = x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x
    return _affine(x / np.sqrt(np.mean(square, axis, keepdims=True) + eps), gain, None)


def _group_reference(
    x: Any, gain: Any = None, bias: Any = None, groups: int = 1, eps: float = 1e-5
) -> Any:
    if x.ndim < 3 or x.shape[1] % groups:
        raise ValueError("no groups")
    x = x if x.dtype.kind in "fc" else x.astype(float)
    parts = x.reshape(x.shape[0], groups, -1) if x.size else x.reshape(x.shape[0], groups, 0)
    y = _normal(parts, 2, eps).reshape(x.shape)
    return _affine(y, _spread(gain, x.ndim), _spread(bias, x.ndim))


def _instance_reference(x: Any, gain: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    return _group_reference(x, gain, bias, max(x.shape[1], 1) if x.ndim > 2 else 0, eps)


def _dropout_reference(x: Any, rate: float, uniform: Any = None, mask: Any = None) -> Any:
    keep = mask if uniform is None else uniform >= rate
    x = x if x.dtype.kind in "fc" else x.astype(float)
    return np.where(keep, x * (0.0 if rate == 1 else 1 / (1 - rate)), 0.0)


# ---- public functions ------------------------------------------------------------------------
@public(namespace="nn", reference=_batch_reference, samples=lambda rng: [
    Sample((rng.normal(size=(4, 3)),)),
    Sample((rng.normal(size=(3, 2, 2)), rng.normal(size=2), rng.normal(size=2))),
    Sample((rng.normal(size=(2, 4)), rng.normal(size=2)), {"axis": 0, "eps": 0.1}),
    Sample((rng.normal(size=(2, 3)),), {},
           {"mean": rng.normal(size=3), "var": rng.uniform(0.5, 2, size=3)})])  # fmt: skip
def batch_norm(
    x: Any, gain: Any = None, bias: Any = None, axis: int = 1, eps: float = 1e-5,
    mean: Any = None, var: Any = None,
) -> BatchNorm:  # fmt: skip
    """(x - mean) / sqrt(var + eps) · gain + bias, with one mean and variance for each channel.

    x (batch, channels, …), or with the channels along another `axis`; gain, bias, mean and var
    (channels,). Returns (output, mean, var): without `mean` and `var` those of x, over all other
    axes (var with the divisor n), from which running averages are made by `updates`; with them
    these are used, as when a network is applied. Derivatives flow through all of them.

    Raises ShapeError for a gain or bias with other axes, AxisError for a wrong axis, UseError if
    only one of mean and var is given. S. Ioffe and C. Szegedy, "Batch normalization" (2015).

    >>> import numpy as np, graphad as ga
    >>> x, running = ga.matrix("x", shape=("batch", 2)), ga.shared(np.zeros(2))
    >>> y = ga.nn.batch_norm(x)
    >>> train = ga.function([x], y.output, updates={running: 0.9 * running + 0.1 * y.mean})
    >>> train([[1.0, 2.0], [3.0, 2.0]]).round(3), running.value
    (array([[-1.,  0.],
           [ 1.,  0.]]), array([0.2, 0.2]))
    """
    variable = as_float(x)
    channel = normalize_axis(axis, variable.ndim, "batch_norm")
    others = tuple([i for i in range(variable.ndim) if i != channel])
    if (mean is None) != (var is None):
        raise UseError("batch_norm: one of mean= and var= is given", remedy="give both, or none")
    if mean is None:
        centred, wide_mean, wide_var = _moments(variable, others)
        shape = (variable.shape[channel],)
        used = OPS["reshape"](wide_mean, shape), OPS["reshape"](wide_var, shape)
    else:
        used = as_variable(mean), as_variable(var)
        wide_mean, wide_var = [
            _placed("batch_norm", what, part, variable, (channel,))
            for what, part in zip(("mean", "var"), used, strict=True)
        ]
        centred = variable - wide_mean
    normal = centred / OPS["sqrt"](wide_var + eps)
    return BatchNorm(_scaled("batch_norm", normal, gain, bias, (channel,)), *used)


@public(namespace="nn", reference=_layer_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 4)),)),
    Sample((rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=3))),
    Sample((rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3))), {"axis": (-2, -1)}),
])  # fmt: skip
def layer_norm(
    x: Any, gain: Any = None, bias: Any = None, axis: Any = -1, eps: float = 1e-5
) -> Variable:
    """(x - mean) / sqrt(var + eps) · gain + bias, with mean and variance over `axis`.

    axis: an int or a tuple; gain and bias have its axes, in the order in which x has them. The
    variance has the divisor n. Raises ShapeError for a gain or bias with other axes, AxisError for
    a wrong axis. J. L. Ba et al., "Layer normalization" (2016).

    >>> import graphad as ga
    >>> ga.nn.layer_norm(ga.constant([[1.0, 3.0], [5.0, 5.0]])).eval().round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    variable = as_float(x)
    axes = normalize_axes(axis, variable.ndim, "layer_norm")
    centred, _, var = _moments(variable, axes)
    return _scaled("layer_norm", centred / OPS["sqrt"](var + eps), gain, bias, axes)


@public(namespace="nn", reference=_rms_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 3)),)), Sample((rng.normal(size=(2, 3)), rng.normal(size=3))),
    Sample((rng.normal(size=(3, 2)),), {"axis": 0, "eps": 0.1})])  # fmt: skip
def rms_norm(x: Any, gain: Any = None, axis: Any = -1, eps: float = 1e-6) -> Variable:
    """x / sqrt(mean of x² + eps) · gain over `axis`, an int or a tuple.

    gain has these axes. Raises as `layer_norm`. B. Zhang and R. Sennrich, "Root mean square layer
    normalization" (2019).

    >>> import graphad as ga
    >>> ga.nn.rms_norm(ga.constant([3.0, 3.0, -3.0])).eval().round(3)
    array([ 1.,  1., -1.])
    """
    variable = as_float(x)
    axes = normalize_axes(axis, variable.ndim, "rms_norm")
    scale = OPS["sqrt"](OPS["mean"](_power(variable), axis=axes, keepdims=True) + eps)
    return _scaled("rms_norm", variable / scale, gain, None, axes)


def _group_norm(
    name: str, x: Variable, groups: Any, gain: Any, bias: Any, eps: float
) -> Variable:  # fmt: skip
    space_axes(name, x)
    batch, channels, *space = x.shape
    if isinstance(channels, int) and isinstance(groups, int) and channels % groups:
        raise ShapeError(
            f"{name}: {channels} channels in {groups} groups",
            remedy="groups divides the number of channels",
        )
    parts = OPS["reshape"](x, (batch, groups, channels // groups, *space))
    centred, _, var = _moments(parts, range(2, parts.ndim))
    normal = OPS["reshape"](centred / OPS["sqrt"](var + eps), x.shape)
    return _scaled(name, normal, gain, bias, (1,))


@public(namespace="nn", reference=_group_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 4, 3)), rng.normal(size=4), rng.normal(size=4)), {"groups": 2}),
    Sample((rng.normal(size=(1, 3, 2, 2)),), {"groups": 1, "eps": 0.1})])  # fmt: skip
def group_norm(
    x: Any, gain: Any = None, bias: Any = None, *, groups: int, eps: float = 1e-5
) -> Variable:
    """Mean 0 and variance 1 over space and groups of channels; then · gain + bias (channels,).

    x (batch, channels, *space). Raises ShapeError if `groups` does not divide the channels, and
    for a gain or bias with other axes. Y. Wu and K. He, "Group normalization" (2018).

    >>> import graphad as ga
    >>> ga.nn.group_norm(ga.tensor("x", shape=("n", 6, 5, 5)), groups=3).type
    float64[n, 6, 5, 5]
    """
    (count,) = each_axis("group_norm", "groups", groups, 1)
    return _group_norm("group_norm", as_float(x), count, gain, bias, eps)


@public(namespace="nn", reference=_instance_reference, samples=lambda rng: [
    Sample((rng.normal(size=(2, 2, 3)), rng.normal(size=2), rng.normal(size=2))),
    Sample((rng.normal(size=(1, 2, 2, 2)),), {"eps": 0.1})])  # fmt: skip
def instance_norm(x: Any, gain: Any = None, bias: Any = None, eps: float = 1e-5) -> Variable:
    """Mean 0 and variance 1 over space, for each channel of each example; then · gain + bias.

    x (batch, channels, *space), gain and bias (channels,). Raises ShapeError as `group_norm`.

    >>> import graphad as ga
    >>> ga.nn.instance_norm(ga.constant([[[1.0, 3.0], [2.0, 6.0]]])).eval().round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    variable = as_float(x)
    space_axes("instance_norm", variable)
    centred, _, var = _moments(variable, range(2, variable.ndim))
    return _scaled("instance_norm", centred / OPS["sqrt"](var + eps), gain, bias, (1,))


def _drawn(rng: Any, like: Variable) -> Variable:
    """Numbers from [0, 1) in the shape of x; UseError for what does not draw inside a graph."""
    if not hasattr(rng, "random") or isinstance(rng, np.random.Generator):
        raise UseError(
            f"dropout: rng is {type(rng).__name__}",
            cause="it would draw once, when the graph is built, and then drop the same elements",
            remedy="pass rng=ga.random.default_rng(seed)",
        )
    single = like.dtype == np.float32
    numbers: Variable = rng.random(like.shape, dtype="float32" if single else "float64")
    return numbers


@public(namespace="nn", reference=_dropout_reference, samples=lambda rng: [
    Sample((rng.normal(size=(3, 4)),), {"rate": 0.25}, {"uniform": rng.uniform(size=(3, 4))}),
    Sample((rng.normal(size=(2, 3)),), {"rate": 0.5}, {"mask": np.array([True, False, True])}),
    Sample((rng.normal(size=3),), {"rate": 1}, {"uniform": rng.uniform(size=3)})])  # fmt: skip
def dropout(x: Any, rate: Any, uniform: Any = None, mask: Any = None, rng: Any = None) -> Variable:
    """x / (1 - rate) where elements are kept, 0 elsewhere: the mean stays as it is.

    Which are kept is drawn by `rng`, a `ga.random.Generator`: other ones in each call, the same
    again from the same seed. Or elements are kept where `uniform` ≥ rate, for numbers drawn from
    [0, 1) elsewhere, or where `mask` is true; both broadcast against x. `rate`, a number
    or a scalar Variable, is the share of elements that is dropped; 1 drops all.
    Derivatives flow through kept elements only. Raises UseError for a rate outside [0, 1], and
    unless one of rng, uniform and mask is given.

    >>> import graphad as ga
    >>> ga.nn.dropout(ga.constant([1.0, 2.0, 3.0]), 0.5, uniform=[0.7, 0.1, 0.5]).eval()
    array([2., 0., 6.])
    >>> noisy = ga.nn.dropout(ga.constant([1.0, 2.0, 3.0]), 0.5, rng=ga.random.default_rng(0))
    >>> noisy.eval()
    array([2., 0., 0.])
    """
    if sum([source is not None for source in (rng, uniform, mask)]) != 1:
        raise UseError(
            "dropout needs rng=, uniform= or mask=, one of them",
            cause="these say which elements are dropped",
            remedy="pass rng=ga.random.default_rng(seed), made once for the whole model",
        )
    variable = as_float(x)
    if rng is not None:
        uniform = _drawn(rng, variable)
    if isinstance(rate, int | float) and not 0 <= rate <= 1:
        raise UseError(f"dropout: rate={rate!r}", remedy="a rate is from 0 to 1")
    kept = as_variable(mask) if uniform is None else OPS["greater_equal"](uniform, rate)
    if isinstance(rate, int | float):
        scaled = variable * (0.0 if rate == 1 else 1 / (1 - rate))
    else:
        scaled = variable / (1 - as_variable(rate))
    return OPS["where"](kept, scaled, 0.0)
