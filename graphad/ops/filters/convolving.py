"""convolve, correlate, fftconvolve: arrays of any rank, directly or by Fourier transforms.

Arrays are brought into the layout of `ga.nn.convolve_nd`: what is not convolved becomes the batch
of the first and the kernels of the second operand, what is summed over becomes channels. The
options `axes` and `dot_axes` are those of Autograd's ``scipy.signal.convolve``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable, describe
from graphad.libraries import scipy
from graphad.ops.nn.convolution import convolve_nd, direct
from graphad.ops.signal.placing import embed
from graphad.ops.signal.windows import slide

_LONG = 500  # places of a kernel from which a Fourier transform is faster than the direct sum
Axes = tuple[int, ...]


# ---- which axes are what ---------------------------------------------------------------------
def _listed(axes: Any) -> list[Any]:
    return list(axes) if isinstance(axes, tuple | list) else [axes]


def _roles(
    name: str, ndims: Sequence[int], axes: Any, dot_axes: Any
) -> list[tuple[Axes, Axes, Axes]]:
    """For each operand its axes that are (kept, summed over, convolved)."""
    if axes is None and ndims[0] != ndims[1]:
        raise ShapeError(
            f"{name}: arrays with {ndims[0]} and {ndims[1]} axes",
            remedy="give both the same number of axes, or name them with axes=",
        )
    dots = ((), ()) if dot_axes is None else dot_axes
    pairs = [[range(n) for n in ndims] if axes is None else axes, dots]
    if any([len(p) != 2 or len(_listed(p[0])) != len(_listed(p[1])) for p in pairs if axes]):
        raise UseError(
            f"{name}: axes={axes!r}, dot_axes={dot_axes!r}",
            remedy="each is a pair: axes of the first, and as many axes of the second operand",
        )
    roles = []
    for operand, ndim in enumerate(ndims):
        summed = [normalize_axis(a, ndim, name) for a in _listed(dots[operand])]
        given = range(ndim) if axes is None else _listed(axes[operand])
        moving = [normalize_axis(a, ndim, name) for a in given]
        moving = [a for a in moving if axes is not None or a not in summed]
        if len({*summed, *moving}) != len(summed) + len(moving):
            raise UseError(
                f"{name}: axes={axes!r}, dot_axes={dot_axes!r}", remedy="name each axis once"
            )
        kept = [a for a in range(ndim) if a not in summed and a not in moving]
        roles.append((tuple(kept), tuple(summed), tuple(moving)))
    if len(roles[0][2]) != len(roles[1][2]) or not roles[0][2]:
        raise UseError(
            f"{name}: {len(roles[0][2])} and {len(roles[1][2])} axes to convolve along",
            remedy="name one axis or more, and as many of both operands",
        )
    return roles


def _arranged(x: Variable, roles: tuple[Axes, Axes, Axes]) -> Variable:
    """(kept as one axis, summed as one axis, *convolved)."""
    kept, summed, moving = roles
    turned = OPS["transpose"](x, (*kept, *summed, *moving))
    groups: list[Any] = []
    for group in (kept, summed):
        total: Any = 1
        for axis in group:
            total = total * x.shape[axis]
        groups.append(total)
    return OPS["reshape"](turned, (*groups, *[x.shape[a] for a in moving]))


def _filled(name: str, x: Variable, axes: Sequence[int]) -> Variable:
    """`x`, with elements along `axes`: ShapeError else. At run time windows of one element see to
    that, which are views."""
    for axis in axes:
        size = x.type.shape[axis]
        if size == 0:
            raise ShapeError(
                f"{name}: no elements along axis {axis} of {describe(x)}",
                remedy="check the size first",
            )
        if not isinstance(size, int):
            x = OPS["squeeze"](slide(x, axis, 1), axis=-1)
    return x


# ---- the two ways ----------------------------------------------------------------------------
def _fast(n: Any) -> Any:
    """The next size with the factors 2, 3 and 5 only: these transform fastest."""
    if not isinstance(n, int):
        return n
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


def _multiplied(a: Variable, b: Variable, axes: Axes, product: Any) -> Variable:
    """The full convolution along `axes` by transforms, followed by zeros (about)."""
    points = [_fast(a.shape[i] + b.shape[i] - 1) for i in axes]
    if a.dtype.kind == "c" or b.dtype.kind == "c":
        there, back = OPS["fft.fftn"], OPS["fft.ifftn"]
    else:
        there, back = OPS["fft.rfftn"], OPS["fft.irfftn"]
    full: Variable = back(product(there(a, points, axes), there(b, points, axes)), points, axes)
    return full


def _window(mode: str, first: Any, second: Any) -> tuple[Any, Any]:
    """(start, size) of what `mode` keeps of the full convolution of an axis."""
    if mode == "full":
        return 0, first + second - 1
    return ((second - 1) // 2, first) if mode == "same" else (second - 1, first - second + 1)


def _cropped(full: Variable, a: Variable, b: Variable, axes: Axes, mode: str) -> Variable:
    offsets: list[Any] = [None] * full.ndim
    shape = list(full.shape)
    for axis in axes:
        start, shape[axis] = _window(mode, a.shape[axis], b.shape[axis])
        offsets[axis] = 0 - start
    return embed(full, offsets, shape)


def _by_transforms(a: Variable, b: Variable, mode: str) -> Variable:
    """(batch, in, *space), (out, in, *space) to (batch, out, *places)."""
    axes = tuple(range(2, a.ndim))
    letters = "xyzuvwklmnpqrs"[: len(axes)]
    plan = f"bi{letters},oi{letters}->bo{letters}"
    full = _multiplied(a, b, axes, lambda s, t: OPS["einsum"](plan, s, t))
    result, wanted = _cropped(full, a, b, axes, mode), np.result_type(a.dtype, b.dtype)
    result = OPS["rint"](result) if wanted.kind in "iu" else result
    return result if result.dtype == wanted else result.astype(wanted)


def _is_swapped(name: str, mode: str, first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Is the second operand the larger one, in mode "valid"? ShapeError if neither is."""
    pairs = [p for p in zip(first, second, strict=True) if all(isinstance(n, int) for n in p)]
    if mode != "valid" or all([n >= k for n, k in pairs]):
        return False
    if all([n <= k for n, k in pairs]):
        return True
    raise ShapeError(
        f"{name}: sizes {shape_text(first)} and {shape_text(second)} in mode 'valid'",
        cause="one operand has to be the larger one along all axes",
        remedy="use mode='full' or 'same'",
    )


def _uses_transforms(name: str, method: Any, a: Variable, b: Variable) -> bool:
    if method not in ("auto", "direct", "fft"):
        raise UseError(f"{name}: method={method!r}", remedy='choose "auto", "direct" or "fft"')
    floats = a.dtype.kind in "fc" or b.dtype.kind in "fc"
    sizes = [*a.type.shape[2:], *b.type.shape[2:]]
    if method == "auto" and floats and all(isinstance(size, int) for size in sizes):
        return min(int(np.prod(v.type.shape[2:])) for v in (a, b)) >= _LONG  # type: ignore[arg-type]
    return bool(method == "fft")


def _convolved(
    name: str, in1: Variable, in2: Variable, mode: Any, method: Any, axes: Any, dot_axes: Any
) -> Variable:
    if mode not in ("full", "same", "valid"):
        raise UseError(f"{name}: mode={mode!r}", remedy='choose "full", "same" or "valid"')
    if in1.ndim == in2.ndim == 0 and axes is None and dot_axes is None:
        return in1 * in2
    roles = _roles(name, (in1.ndim, in2.ndim), axes, dot_axes)
    pairs = zip((in1, in2), roles, strict=True)
    a, b = [_arranged(_filled(name, v, role[2]), role) for v, role in pairs]
    swap = _is_swapped(name, mode, a.type.shape[2:], b.type.shape[2:])
    a, b = (b, a) if swap else (a, b)
    if _uses_transforms(name, method, a, b):
        result = _by_transforms(a, b, mode)
    else:
        result = convolve_nd(a, b, mode=mode, flip=True)
    result = OPS["swapaxes"](result, 0, 1) if swap else result
    kept = [v.shape[i] for v, role in ((in1, roles[0]), (in2, roles[1])) for i in role[0]]
    return OPS["reshape"](result, (*kept, *result.shape[2:]))


# ---- references for tests --------------------------------------------------------------------
def _reference(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", axes: Any = None,
    dot_axes: Any = None,
) -> Any:  # fmt: skip
    a, b = np.asarray(in1), np.asarray(in2)
    if a.ndim == b.ndim == 0:
        return a * b
    arranged, kept = [], []
    for x, (others, summed, moving) in zip(
        (a, b), _roles("", (a.ndim, b.ndim), axes, dot_axes), strict=True
    ):
        if 0 in [x.shape[i] for i in moving]:
            raise ValueError("no elements")
        turned = np.transpose(x, (*others, *summed, *moving))
        groups = [int(np.prod([x.shape[i] for i in group])) for group in (others, summed)]
        arranged.append(turned.reshape(*groups, *[x.shape[i] for i in moving]))
        kept += [x.shape[i] for i in others]
    p, q = arranged
    swap = mode == "valid" and np.any(np.less(p.shape[2:], q.shape[2:]))
    p, q = (q, p) if swap else (p, q)
    y = direct(p, q, mode=mode, flip=True)
    y = y.swapaxes(0, 1) if swap else y
    return y.reshape(*kept, *y.shape[2:])


def _correlate_reference(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    turned = np.flip(in2)
    return _reference(in1, np.conj(turned) if np.iscomplexobj(turned) else turned, mode, method)


def _fft_reference(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    if not np.size(in1) or not np.size(in2):
        along = range(np.ndim(in1)) if axes is None else _listed(axes)
        if 0 in [np.shape(v)[i] for v in (in1, in2) for i in along]:
            raise ValueError("no elements")
        return np.zeros((0, *np.shape(in1)[1:]), np.result_type(in1, in2))  # SciPy: one axis
    return scipy("signal").fftconvolve(in1, in2, mode, axes)


def _samples(rng: np.random.Generator) -> list[Sample]:
    def pair(first: tuple, second: tuple, **keywords: Any) -> Sample:
        return Sample((rng.normal(size=first), rng.normal(size=second)), keywords)

    return [
        pair((5,), (3,)), pair((3,), (4,), mode="same"), pair((2, 4), (2, 2), mode="valid"),
        pair((3, 2), (2, 3)),
    ]  # fmt: skip


# ---- public functions ------------------------------------------------------------------------
@public(namespace="signal", reference=_reference, samples=lambda rng: [
    *_samples(rng),
    Sample((rng.normal(size=(2, 4)), rng.normal(size=(3, 2, 2))),
           {"axes": ([1], [2]), "dot_axes": ([0], [1]), "mode": "valid"}),
    Sample((rng.normal(size=(4, 2)), rng.normal(size=(3,))), {"axes": ([0], [0])}),
])  # fmt: skip
def convolve(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", axes: Any = None,
    dot_axes: Any = None,
) -> Variable:  # fmt: skip
    """The convolution Σ_i in1[i] · in2[k - i] along all axes, as ``scipy.signal.convolve``.

    Parameters
    ----------
    mode: "full": sizes n + m - 1. "same": the middle of these, of the size of in1. "valid": where
        no zeros are needed, n - m + 1; or m - n + 1 if in2 is known to be larger along all axes
        (of sizes not known while building in1 is taken to be the larger one).
    method: "direct" adds up products, "fft" multiplies transforms, "auto" takes the second for
        floats if both are known to have 500 elements or more.
    axes: (axes of in1, axes of in2) that are convolved, in pairs; None for all.
    dot_axes: (axes of in1, axes of in2) whose products are summed, in pairs.

    With axes the result has the other axes of in1, those of in2, and then the convolved ones, as
    in Autograd's function of that name. Raises ShapeError for ranks and sizes that do not fit and
    for axes without elements, UseError for other modes, methods, and axes that are no pairs.

    >>> import graphad as ga
    >>> ga.signal.convolve(ga.constant([1.0, 2.0, 3.0]), [1.0, 1.0]).eval()
    array([1., 3., 5., 3.])
    >>> images = ga.tensor("images", shape=("n", 3, 28, 28))
    >>> kernels = ga.tensor("kernels", shape=(3, 6, 5, 5))
    >>> axes, dots = ([2, 3], [2, 3]), ([1], [0])
    >>> ga.signal.convolve(images, kernels, "valid", axes=axes, dot_axes=dots).type
    float64[n, 6, 24, 24]
    """
    first, second = as_variable(in1), as_variable(in2)
    return _convolved("convolve", first, second, mode, method, axes, dot_axes)


@public(namespace="signal", reference=_correlate_reference, samples=_samples)
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Variable:
    """The correlation Σ_i in1[i + k] · conj(in2[i]) along all axes, as ``scipy.signal.correlate``.

    `convolve` of in1 with the conjugate of in2 in reverse order; modes, methods and errors are
    those of `convolve`.

    >>> import graphad as ga
    >>> ga.signal.correlate(ga.constant([1.0, 2.0, 3.0]), [1.0, 0.0], mode="valid").eval()
    array([1., 2.])
    """
    first, second = as_variable(in1), as_variable(in2)
    turned = OPS["flip"](second) if second.ndim else second
    turned = OPS["conj"](turned) if turned.dtype.kind == "c" else turned
    return _convolved("correlate", first, turned, mode, method, None, None)


@public(namespace="signal", reference=_fft_reference, samples=lambda rng: [
    *_samples(rng),
    Sample((rng.normal(size=(2, 4)), rng.normal(size=(1, 3))), {"axes": 1, "mode": "same"}),
])  # fmt: skip
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Variable:
    """`convolve` by Fourier transforms, as ``scipy.signal.fftconvolve``; other axes broadcast.

    axes: those that are convolved (None: all). Integers give float64. Modes and errors are those
    of `convolve`.

    >>> import graphad as ga
    >>> ga.signal.fftconvolve(ga.constant([1.0, 2.0, 3.0]), [1.0, 1.0]).eval().round(9)
    array([1., 3., 5., 3.])
    """
    a, b = as_variable(in1), as_variable(in2)
    if mode not in ("full", "same", "valid"):
        raise UseError(f"fftconvolve: mode={mode!r}", remedy='choose "full", "same" or "valid"')
    if a.ndim != b.ndim:
        raise ShapeError(
            f"fftconvolve: arrays with {a.ndim} and {b.ndim} axes",
            remedy="give both the same number of axes",
        )
    if a.ndim == 0:
        return a * b
    given = range(a.ndim) if axes is None else _listed(axes)
    along = tuple([normalize_axis(axis, a.ndim, "fftconvolve") for axis in given])
    a, b = [_filled("fftconvolve", v, along) for v in (a, b)]
    sizes = [[v.type.shape[i] for i in along] for v in (a, b)]
    a, b = (b, a) if _is_swapped("fftconvolve", mode, *sizes) else (a, b)
    full = _multiplied(a, b, along, OPS["multiply"])
    return _cropped(full, a, b, along, mode)
