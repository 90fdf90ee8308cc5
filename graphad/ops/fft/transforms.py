"""Discrete Fourier transforms along one axis: fft, ifft, rfft, irfft, hfft, ihfft.

A transform is linear, y = c·F x with F_jk = w^(jk), w = exp(∓2πi/n), and F is symmetric: its
transpose is F itself. For complex arrays a gradient is ∂u/∂x - i·∂u/∂y, so cotangents are
multiplied with the transpose, without a conjugation. Cropping and padding to `n` is an op apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import fill_sizes, normalize_axis, public, size_spec
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.op import OPS, Sample
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Constant, Variable, as_variable
from graphad.ops.signal.placing import resize

Types = Sequence[TensorType]
SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
SIZES: Sequence[dict[str, Any]] = (
    {}, {"n": 4}, {"n": 7, "norm": "ortho"}, {"axis": 0, "norm": "forward"}, {"n": 1, "axis": -2},
)  # fmt: skip


# ---- the ops ---------------------------------------------------------------------------------
def _complex(dtype: np.dtype[Any], **params: Any) -> np.dtype[Any]:
    return np.result_type(dtype, 1j)


def _real(dtype: np.dtype[Any], **params: Any) -> np.dtype[Any]:
    return np.result_type(np.empty(0, dtype).real.dtype, 1.0)


def _along(function: Callable[..., Any]) -> Callable[..., Any]:
    def value(xp: Any, x: Any, axis: int, norm: str) -> Any:
        return function(x, x.strides and None, axis, norm)  # strides: on arrays only

    return value


def _same_shape(types: Types, axis: int, norm: str) -> Shape:
    return types[0].shape


_fft: Movement = Movement(
    "fft", shape=_same_shape, dtype=_complex, value=_along(np.fft.fft),
    vjp=lambda g, node: [_fft(g, **node.op.params)], batch=along_axes)  # fmt: skip
_ifft: Movement = Movement(
    "ifft", shape=_same_shape, dtype=_complex, value=_along(np.fft.ifft),
    vjp=lambda g, node: [_ifft(g, **node.op.params)], batch=along_axes)  # fmt: skip


def _rfft_shape(types: Types, axis: int, norm: str) -> Shape:
    shape = types[0].shape
    return (*shape[:axis], shape[axis] // 2 + 1, *shape[axis + 1 :])


def _irfft_shape(types: Types, axis: int, norm: str, size: Any) -> Shape:
    shape = types[0].shape
    return (*shape[:axis], size, *shape[axis + 1 :])


def _irfft_value(xp: Any, x: Any, *sizes: Any, axis: int, norm: Any, size: Any) -> Any:
    (n,) = fill_sizes((size,), sizes)
    return np.fft.irfft(x, x.strides and n, axis, norm)


def _weights(like: Variable, axis: int, n: Any, inner: float) -> Variable:
    """1 for frequencies 0 and n/2, which stand for themselves, `inner` for those that stand for
    a pair; along `axis` of `like` (half a spectrum)."""
    dtype = np.empty(0, like.dtype).real.dtype
    trailing = tuple(range(1, like.ndim - axis))
    size = like.type.shape[axis]
    if isinstance(n, int) and isinstance(size, int):
        k = np.arange(size)
        fixed = np.where((k == 0) | (2 * k == n), 1.0, inner).astype(dtype)
        return Constant(np.expand_dims(fixed, trailing))
    places = OPS["arange"](like.shape[axis])
    alone = OPS["logical_or"](OPS["equal"](places, 0), OPS["equal"](2 * places, n))
    one, other = (Constant(np.asarray(value, dtype)) for value in (1.0, inner))
    found: Variable = OPS["where"](alone, one, other)
    return OPS["expand_dims"](found, trailing) if trailing else found


def _rfft_vjp(g: Variable, node: Apply) -> list[Variable]:
    """y_k = c Σ_j w^(jk) x_j for k ≤ n/2;  x̄_j = c Re Σ_k w^(jk) ȳ_k, which irfft computes of the
    conjugate if pairs of frequencies are given half."""
    (x,), axis, norm = node.inputs, node.op.params["axis"], node.op.params["norm"]
    n = x.shape[axis]
    return [_inverse_real(OPS["conj"](g) * _weights(g, axis, n, 0.5), n, axis, SWAPPED[norm])]


def _irfft_vjp(g: Variable, node: Apply) -> list[Variable]:
    """y_j = c Re (X_0 + 2 Σ_k w^(-jk) X_k + …);  X̄_k = 2 c Σ_j w^(-jk) ȳ_j, without the 2 for the
    frequencies 0 and n/2."""
    axis, norm = node.op.params["axis"], node.op.params["norm"]
    half = _rfft(g, axis=axis, norm=SWAPPED[norm])
    return [OPS["conj"](half) * _weights(half, axis, g.shape[axis], 2.0)]


_rfft = Movement(
    "rfft", shape=_rfft_shape, dtype=_complex, value=_along(np.fft.rfft), vjp=_rfft_vjp,
    batch=along_axes,
)  # fmt: skip
_irfft = Movement(
    "irfft", shape=_irfft_shape, dtype=_real, value=_irfft_value, vjp=_irfft_vjp,
    batch=along_axes)  # fmt: skip


def _inverse_real(x: Variable, n: Any, axis: int, norm: str) -> Variable:
    """irfft of half a spectrum that has n//2 + 1 frequencies."""
    (size,), operands = size_spec((n,), "irfft")
    return _irfft(x, *operands, axis=axis, norm=norm, size=size)


# ---- what the user gives ---------------------------------------------------------------------
def checked_norm(name: str, norm: str | None) -> str:
    """One of the three norms; UseError for others."""
    if norm is None:
        return "backward"
    if norm not in SWAPPED:
        raise UseError(
            f"{name}: norm={norm!r}", remedy='choose "backward" (the default), "ortho", "forward"'
        )
    return norm


def refuse_out(name: str, out: Any) -> None:
    """UseError if there is an array to write into."""
    if out is not None:
        raise UseError(
            f"{name}: out= was given",
            cause="the result is symbolic",
            remedy="use the result; a compiled function writes into f(x, out=[array])",
        )


def _prepared(
    name: str, a: Any, n: Any, axis: int, norm: str | None, out: Any
) -> tuple[Variable, Any, int, str]:
    """(array, size or None, axis, norm), checked."""
    refuse_out(name, out)
    variable, checked = as_variable(a), checked_norm(name, norm)
    along = normalize_axis(axis, variable.ndim, name)
    if n is not None:
        (spec,), _ = size_spec((n,), name)
        n = spec if isinstance(spec, int) else n
    return variable, n, along, checked


def _points(name: str, x: Variable, n: Any, axis: int) -> Any:
    """`n`, or the size of the axis; ShapeError where it can be seen to be less than 1."""
    size = x.shape[axis] if n is None else n
    if isinstance(size, int) and size < 1:
        raise ShapeError(
            f"{name}: a transform of {size} points, of an array of shape "
            f"{shape_text(x.type.shape)} along axis {axis}",
            remedy="give n=, 1 or more, to pad with zeros",
        )
    return size


def _plain(name: str, family: Movement, *given: Any) -> Variable:
    x, n, axis, norm = _prepared(name, *given)
    size = _points(name, x, n, axis)
    return family(resize(x, axis, size), axis=axis, norm=norm)


def _real_forward(name: str, x: Variable, n: Any, axis: int, norm: str) -> Variable:
    if x.dtype.kind == "c":
        raise DTypeError(
            f"{name} of dtype {x.dtype}",
            cause="it takes real numbers only",
            remedy="use ga.fft.fft, or take x.real",
        )
    size = _points(name, x, n, axis)
    return _rfft(resize(x, axis, size), axis=axis, norm=norm)


def _real_backward(name: str, x: Variable, n: Any, axis: int, norm: str) -> Variable:
    half = x.shape[axis] if n is None else n // 2 + 1
    size = _points(name, x, (half - 1) * 2 if n is None else n, axis)
    return _inverse_real(resize(x, axis, half), size, axis, norm)


# ---- public functions ------------------------------------------------------------------------
def _samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.normal(size=(3, 5)),), k) for k in SIZES]


@public(np.fft.fft, namespace="fft", samples=_samples)
def fft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    """y_k = Σ_j a_j exp(-2πi jk/n) along `axis`, as ``np.fft.fft``: complex, with `n` points.

    a (…, m, …) is cropped or padded with zeros to n points (None: m). norm: "backward" (no
    factor), "ortho" (1/√n), "forward" (1/n). float32 gives complex64. Raises ShapeError for no
    points, AxisError for an axis that `a` does not have, UseError for another norm and for out=.

    >>> import graphad as ga
    >>> ga.fft.fft(ga.constant([1.0, 0.0, -1.0, 0.0])).eval().real
    array([0., 2., 0., 2.])
    """
    return _plain("fft", _fft, a, n, axis, norm, out)


@public(np.fft.ifft, namespace="fft", samples=_samples)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    """a_j = 1/n Σ_k y_k exp(2πi jk/n) along `axis`, the inverse of `fft`; as ``np.fft.ifft``.

    Arguments and errors are those of `fft`; the factor is 1/n for "backward", 1/√n for "ortho",
    and none for "forward".

    >>> import graphad as ga
    >>> ga.fft.ifft(ga.constant([0.0, 2.0, 0.0, 2.0])).eval().real
    array([ 1.,  0., -1.,  0.])
    """
    return _plain("ifft", _ifft, a, n, axis, norm, out)


@public(np.fft.rfft, namespace="fft", samples=_samples)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    """The first n//2 + 1 frequencies of `fft` of real numbers, as ``np.fft.rfft``.

    Arguments and errors are those of `fft`; DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.fft.rfft(ga.vector("x", shape=("n",))).type
    complex128[floordiv(n, 2) + 1]
    """
    return _real_forward("rfft", *_prepared("rfft", a, n, axis, norm, out))


@public(np.fft.irfft, namespace="fft", samples=_samples)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    """The inverse of `rfft`: n real numbers (None: 2(m - 1)) of m frequencies; ``np.fft.irfft``.

    Imaginary parts of frequency 0, and n/2 for even n, are not used: their derivative is 0.
    Errors are those of `fft`.

    >>> import graphad as ga
    >>> ga.fft.irfft(ga.fft.rfft(ga.constant([1.0, 2.0, 4.0])), n=3).eval()
    array([1., 2., 4.])
    """
    return _real_backward("irfft", *_prepared("irfft", a, n, axis, norm, out))


@public(np.fft.hfft, namespace="fft", samples=_samples)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    """`fft` of n points (None: 2(m - 1)) of which m are given, the others being their conjugates.

    The result is real; as ``np.fft.hfft``. Errors are those of `fft`.

    >>> import graphad as ga
    >>> ga.fft.hfft(ga.constant([1.0, 2.0, 3.0])).eval()
    array([ 8., -2.,  0., -2.])
    """
    x, size, along, checked = _prepared("hfft", a, n, axis, norm, out)
    spectrum = OPS["conj"](x) if x.dtype.kind == "c" else x
    return _real_backward("hfft", spectrum, size, along, SWAPPED[checked])


@public(np.fft.ihfft, namespace="fft", samples=_samples)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Any:
    """The inverse of `hfft`: n//2 + 1 points of a real spectrum, as ``np.fft.ihfft``.

    Arguments and errors are those of `fft`; DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.fft.ihfft(ga.constant([8.0, -2.0, 0.0, -2.0])).eval().real
    array([1., 2., 3.])
    """
    x, size, along, checked = _prepared("ihfft", a, n, axis, norm, out)
    return OPS["conj"](_real_forward("ihfft", x, size, along, SWAPPED[checked]))
