"""Fourier transforms along several axes: one axis after the other, in NumPy's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.op import Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.fft.transforms import fft, ifft, irfft, refuse_out, rfft

_LAST_TWO = (-2, -1)
_SIZES: Sequence[dict[str, Any]] = (
    {}, {"axes": (0, 1)}, {"axes": (1, 0), "norm": "ortho"},
    {"s": (3, 5), "axes": (0, 2), "norm": "forward"}, {"s": (-1, 2), "axes": (-2, -1)},
    {"axes": (2,)}, {"axes": (1, 1)},
)  # fmt: skip


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3, 4))
    return [Sample((x,), k) for k in _SIZES]


def _plan(name: str, a: Any, s: Any, axes: Any, out: Any) -> tuple[Variable, list[Any], list[int]]:
    """(array, size for each axis, axes) of an n-dimensional transform."""
    refuse_out(name, out)
    x = as_variable(a)
    if s is None:
        chosen = range(x.ndim) if axes is None else _listed(name, "axes", axes)
        along = [normalize_axis(axis, x.ndim, name) for axis in chosen]
        return x, [x.shape[axis] for axis in along], along
    sizes: list[Any] = _listed(name, "s", s)
    chosen = range(-len(sizes), 0) if axes is None else _listed(name, "axes", axes)
    along = [normalize_axis(axis, x.ndim, name) for axis in chosen]
    if len(along) != len(sizes):
        raise ShapeError(
            f"{name}: {len(sizes)} sizes in s and {len(along)} axes",
            remedy="give one size for each axis",
        )
    whole = [
        x.shape[axis] if isinstance(size, int) and size == -1 else size
        for size, axis in zip(sizes, along, strict=True)
    ]
    return x, whole, along


def _listed(name: str, what: str, given: Any) -> list[Any]:
    if not isinstance(given, tuple | list | range | np.ndarray):
        raise UseError(f"{name}: {what}={given!r}", remedy=f"{what} is a tuple, one for each axis")
    return list(given)


def _complex_transform(
    name: str, function: Callable[..., Any], a: Any, s: Any, axes: Any, norm: Any, out: Any
) -> Variable:
    x, sizes, along = _plan(name, a, s, axes, out)
    for size, axis in zip(reversed(sizes), reversed(along), strict=True):
        x = function(x, size, axis, norm)
    return x


def _real_transform(name: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Variable:
    x, sizes, along = _plan(name, a, s, axes, out)
    _need_axis(name, x, along)
    x = rfft(x, sizes[-1], along[-1], norm)
    for size, axis in zip(reversed(sizes[:-1]), reversed(along[:-1]), strict=True):
        x = fft(x, size, axis, norm)
    return x


def _real_inverse(name: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Variable:
    x, sizes, along = _plan(name, a, s, axes, out)
    _need_axis(name, x, along)
    last = (x.shape[along[-1]] - 1) * 2 if s is None else sizes[-1]
    for size, axis in zip(sizes[:-1], along[:-1], strict=True):
        x = ifft(x, size, axis, norm)
    return irfft(x, last, along[-1], norm)


def _need_axis(name: str, x: Variable, along: Sequence[int]) -> None:
    if not along:
        raise ShapeError(
            f"{name} along no axis of an array of shape {shape_text(x.type.shape)}",
            cause="the last axis is transformed between real and complex numbers",
            remedy="name at least one axis",
        )


# ---- public functions ------------------------------------------------------------------------
@public(np.fft.fftn, namespace="fft", samples=_samples)
def fftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Variable:
    """`fft` along several axes (None: all, or the last ``len(s)``), as ``np.fft.fftn``.

    s: the number of points along each of `axes`, -1 for as many as there are. `norm` as for `fft`,
    for each axis. Raises ShapeError for another number of sizes than axes, and as `fft` does.

    >>> import graphad as ga
    >>> ga.fft.fftn(ga.matrix("x", shape=("n", 4)), s=(8, 8), axes=(0, 1)).type
    complex128[8, 8]
    """
    return _complex_transform("fftn", fft, a, s, axes, norm, out)


@public(np.fft.ifftn, namespace="fft", samples=_samples)
def ifftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Variable:
    """`ifft` along several axes: the inverse of `fftn`, as ``np.fft.ifftn``.

    >>> import graphad as ga
    >>> x = ga.constant([[1.0, 2.0], [3.0, 4.0]])
    >>> ga.fft.ifftn(ga.fft.fftn(x)).eval().real
    array([[1., 2.],
           [3., 4.]])
    """
    return _complex_transform("ifftn", ifft, a, s, axes, norm, out)


@public(np.fft.rfftn, namespace="fft", samples=_samples)
def rfftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Variable:
    """`rfft` along the last of `axes`, then `fft` along the others, as ``np.fft.rfftn``.

    Arguments and errors are those of `fftn`; DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.fft.rfftn(ga.matrix("x", shape=("n", 6))).type
    complex128[n, 4]
    """
    return _real_transform("rfftn", a, s, axes, norm, out)


@public(np.fft.irfftn, namespace="fft", samples=_samples)
def irfftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Variable:
    """The inverse of `rfftn`: real numbers, as ``np.fft.irfftn``.

    Without `s` there are 2(m - 1) along the last axis, of m frequencies. Errors as for `fftn`.

    >>> import graphad as ga
    >>> x = ga.constant([[1.0, 2.0], [3.0, 4.0]])
    >>> ga.fft.irfftn(ga.fft.rfftn(x)).eval()
    array([[1., 2.],
           [3., 4.]])
    """
    return _real_inverse("irfftn", a, s, axes, norm, out)


@public(np.fft.fft2, namespace="fft", samples=_samples)
def fft2(
    a: Any, s: Any = None, axes: Any = _LAST_TWO, norm: str | None = None, out: Any = None
) -> Variable:
    """`fftn` along the last two axes, as ``np.fft.fft2``.

    >>> import graphad as ga
    >>> ga.fft.fft2(ga.tensor("x", shape=("n", 4, 4), dtype="float32")).type
    complex64[n, 4, 4]
    """
    return _complex_transform("fft2", fft, a, s, axes, norm, out)


@public(np.fft.ifft2, namespace="fft", samples=_samples)
def ifft2(
    a: Any, s: Any = None, axes: Any = _LAST_TWO, norm: str | None = None, out: Any = None
) -> Variable:
    """`ifftn` along the last two axes, as ``np.fft.ifft2``.

    >>> import graphad as ga
    >>> ga.fft.ifft2(ga.tensor("x", shape=("n", 4, 4))).type
    complex128[n, 4, 4]
    """
    return _complex_transform("ifft2", ifft, a, s, axes, norm, out)


@public(np.fft.rfft2, namespace="fft", samples=_samples)
def rfft2(
    a: Any, s: Any = None, axes: Any = _LAST_TWO, norm: str | None = None, out: Any = None
) -> Variable:
    """`rfftn` along the last two axes, as ``np.fft.rfft2``.

    >>> import graphad as ga
    >>> ga.fft.rfft2(ga.tensor("x", shape=("n", 4, 4))).type
    complex128[n, 4, 3]
    """
    return _real_transform("rfft2", a, s, axes, norm, out)


@public(np.fft.irfft2, namespace="fft", samples=_samples)
def irfft2(
    a: Any, s: Any = None, axes: Any = _LAST_TWO, norm: str | None = None, out: Any = None
) -> Variable:
    """`irfftn` along the last two axes, as ``np.fft.irfft2``.

    >>> import graphad as ga
    >>> ga.fft.irfft2(ga.tensor("x", shape=("n", 4, 3), dtype="complex64")).type
    float32[n, 4, 4]
    """
    return _real_inverse("irfft2", a, s, axes, norm, out)
