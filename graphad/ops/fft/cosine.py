"""Discrete cosine and sine transforms of types 1 to 4, as `scipy.fft` defines them.

Types 1 and 4 are symmetric and types 2 and 3 transposes of each other, up to weights of the first
and last element: with matrices M and the weights that each function below states,

    cosine: M₁ᵀ = W M₁ W⁻¹  with W = diag(1, 2, …, 2, 1)      M₂ᵀ = M₃ diag(2, 1, …)    M₄ᵀ = M₄
    sine:   M₁ᵀ = M₁                                          M₂ᵀ = M₃ diag(…, 1, 2)    M₄ᵀ = M₄

and without any weights if the matrices are made orthogonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import normalize_axis, public, size_spec
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Apply, Constant, Variable, as_variable
from graphad.libraries import scipy
from graphad.ops.fft.transforms import SWAPPED, checked_norm
from graphad.ops.signal.placing import resize

PARTNER = {1: 1, 2: 3, 3: 2, 4: 4}  # the type of the transpose, and of the inverse


# ---- the ops ---------------------------------------------------------------------------------
def _dtype(dtype: np.dtype[Any], **params: Any) -> np.dtype[Any]:
    return np.result_type(dtype, np.float32) if dtype.kind in "fc" else np.dtype("float64")


def _by_parts(name: str) -> Callable[..., Any]:
    """SciPy's function, of real and imaginary parts apart: of complex numbers SciPy 1.17 forgets
    `orthogonalize`."""

    def transform(x: Any, *rest: Any, **keywords: Any) -> Any:
        function = getattr(scipy("fft"), name)
        if x.dtype.kind != "c":
            return function(x, *rest, **keywords)
        return function(x.real, *rest, **keywords) + 1j * function(x.imag, *rest, **keywords)

    return transform


def _value(name: str) -> Callable[..., Any]:
    transform = _by_parts(name)

    def value(xp: Any, x: Any, type: int, axis: int, norm: str, orthogonal: bool) -> Any:
        points = x.strides and x.shape[axis]  # strides: on arrays only
        _check_points(name, type, points)
        return transform(x, type, axis=axis, norm=norm, orthogonalize=orthogonal)

    return value


def _check_points(name: str, kind: int, points: Any) -> None:
    """ShapeError where there can be seen to be too few for a transform."""
    least = 2 if name.endswith("dct") and kind == 1 else 1
    if isinstance(points, int) and points < least:
        raise ShapeError(
            f"{name} of type {kind} along an axis of size {points}",
            remedy=f"there are {least} points or more; n= pads with zeros",
        )


def _weights(like: Variable, axis: int, first: float, inner: float, last: float) -> Variable:
    """A diagonal matrix along `axis` of `like`."""
    dtype = np.empty(0, like.dtype).real.dtype
    trailing = tuple(range(1, like.ndim - axis))
    size = like.type.shape[axis]
    if isinstance(size, int):
        row = np.full(size, inner, dtype)
        row[-1:], row[:1] = last, first
        return Constant(np.expand_dims(row, trailing))
    places, length = OPS["arange"](like.shape[axis]), as_variable(like.shape[axis])
    one, other, end = (Constant(np.asarray(value, dtype)) for value in (first, inner, last))
    found: Variable = OPS["where"](OPS["equal"](places, length - 1), end, other)
    found = OPS["where"](OPS["equal"](places, 0), one, found)
    return OPS["expand_dims"](found, trailing) if trailing else found


def _dct_vjp(g: Variable, node: Apply) -> list[Variable]:
    params = node.op.params
    kind, axis = params["type"], params["axis"]
    back = {**params, "type": PARTNER[kind]}
    if params["orthogonal"] or kind == 4:
        return [_dct(g, **back)]
    if kind == 1:
        weights = _weights(g, axis, 1, 2, 1)
        return [weights * _dct(g / weights, **back)]
    if kind == 2:
        return [_dct(_weights(g, axis, 2, 1, 1) * g, **back)]
    return [_weights(g, axis, 0.5, 1, 1) * _dct(g, **back)]


def _dst_vjp(g: Variable, node: Apply) -> list[Variable]:
    params = node.op.params
    kind, axis = params["type"], params["axis"]
    back = {**params, "type": PARTNER[kind]}
    if params["orthogonal"] or kind in (1, 4):
        return [_dst(g, **back)]
    if kind == 2:
        return [_dst(_last_weight(g, axis, 2) * g, **back)]
    return [_last_weight(g, axis, 0.5) * _dst(g, **back)]


def _last_weight(like: Variable, axis: int, last: float) -> Variable:
    """As `_weights` with 1 for all others, also if the last is the first."""
    return OPS["flip"](_weights(like, axis, last, 1, 1), axis=axis - like.ndim)


_dct = Movement(
    "dct", shape=lambda types, **_: types[0].shape, dtype=_dtype, value=_value("dct"),
    vjp=_dct_vjp, batch=along_axes)  # fmt: skip
_dst = Movement(
    "dst", shape=lambda types, **_: types[0].shape, dtype=_dtype, value=_value("dst"),
    vjp=_dst_vjp, batch=along_axes)  # fmt: skip


# ---- what the user gives ---------------------------------------------------------------------
def _transform(
    name: str, x: Any, kind: Any, n: Any, axis: int, norm: Any, orthogonalize: Any,
    overwrite_x: Any, workers: Any,
) -> Variable:  # fmt: skip
    if overwrite_x or workers is not None:
        raise UseError(
            f"{name}: overwrite_x={overwrite_x!r}, workers={workers!r}",
            cause="the result is symbolic",
            remedy="leave both out",
        )
    if kind not in PARTNER or isinstance(kind, bool):
        raise UseError(f"{name}: type={kind!r}", remedy="types are 1, 2, 3 and 4")
    variable, scale = as_variable(x), checked_norm(name, norm)
    along = normalize_axis(axis, variable.ndim, name)
    if n is not None:
        (size,), _ = size_spec((n,), name)
        variable = resize(variable, along, size if isinstance(size, int) else n)
    _check_points(name, kind, variable.type.shape[along])
    orthogonal = scale == "ortho" if orthogonalize is None else bool(orthogonalize)
    if name.startswith("i"):
        kind, scale = PARTNER[kind], SWAPPED[scale]
    family = _dct if name.endswith("dct") else _dst
    return family(variable, type=int(kind), axis=along, norm=scale, orthogonal=orthogonal)


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 5))
    options: list[dict[str, Any]] = [{"type": kind} for kind in (1, 2, 3, 4)]
    options += [{"type": kind, "norm": "ortho", "axis": 0} for kind in (1, 2, 3, 4)]
    options += [{"type": 3, "norm": "forward", "n": 7}, {"type": 2, "n": 3, "axis": 0},
                {"norm": "ortho", "orthogonalize": False}]  # fmt: skip
    return [Sample((x,), keywords) for keywords in options]


# ---- public functions ------------------------------------------------------------------------
@public(namespace="fft", reference=_by_parts("dct"), samples=_samples)
def dct(
    x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None,
    overwrite_x: bool = False, workers: Any = None, *, orthogonalize: bool | None = None,
) -> Variable:  # fmt: skip
    """The discrete cosine transform of type 1, 2, 3 or 4 along `axis`, as ``scipy.fft.dct``.

    x (…, m, …) is cropped or padded with zeros to n points (None: m). norm: "backward" (no
    factor), "ortho", "forward"; orthogonalize (None: if norm is "ortho") weights first and last
    elements so that the matrix is orthogonal up to a factor. Complex numbers are transformed part
    by part. Needs SciPy. Raises UseError for other types and norms, ShapeError for too few points,
    AxisError for a wrong axis.

    >>> import graphad as ga
    >>> ga.fft.dct(ga.constant([1.0, 1.0, 1.0])).eval()
    array([6., 0., 0.])
    """
    return _transform("dct", x, type, n, axis, norm, orthogonalize, overwrite_x, workers)


@public(namespace="fft", reference=_by_parts("idct"), samples=_samples)
def idct(
    x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None,
    overwrite_x: bool = False, workers: Any = None, *, orthogonalize: bool | None = None,
) -> Variable:  # fmt: skip
    """The inverse of `dct` with the same arguments, as ``scipy.fft.idct``.

    >>> import graphad as ga
    >>> ga.fft.idct(ga.fft.dct(ga.constant([1.0, 2.0, 4.0]))).eval()
    array([1., 2., 4.])
    """
    return _transform("idct", x, type, n, axis, norm, orthogonalize, overwrite_x, workers)


@public(namespace="fft", reference=_by_parts("dst"), samples=_samples)
def dst(
    x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None,
    overwrite_x: bool = False, workers: Any = None, *, orthogonalize: bool | None = None,
) -> Variable:  # fmt: skip
    """The discrete sine transform of type 1, 2, 3 or 4 along `axis`, as ``scipy.fft.dst``.

    Arguments and errors are those of `dct`.

    >>> import graphad as ga
    >>> ga.fft.dst(ga.constant([2.0, 1.0]), type=1).eval().round(3)
    array([5.196, 1.732])
    """
    return _transform("dst", x, type, n, axis, norm, orthogonalize, overwrite_x, workers)


@public(namespace="fft", reference=_by_parts("idst"), samples=_samples)
def idst(
    x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None,
    overwrite_x: bool = False, workers: Any = None, *, orthogonalize: bool | None = None,
) -> Variable:  # fmt: skip
    """The inverse of `dst` with the same arguments, as ``scipy.fft.idst``.

    >>> import graphad as ga
    >>> ga.fft.idst(ga.fft.dst(ga.constant([1.0, 2.0, 4.0]))).eval()
    array([1., 2., 4.])
    """
    return _transform("idst", x, type, n, axis, norm, orthogonalize, overwrite_x, workers)
