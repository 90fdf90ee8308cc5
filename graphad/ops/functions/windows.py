"""Window functions: bartlett, blackman, hamming, hanning, kaiser; formulas as in NumPy.

Of a number they are constants, of a size known only at run time they are graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Constant, Variable, as_variable


def _samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample((), {"M": count}) for count in (7, 4, 1, 0)]


def _points(name: str, M: Any) -> tuple[Variable, Variable]:
    """M as a float, and 1 - M, 3 - M, …, M - 1."""
    count = as_variable(M)
    if count.ndim or count.dtype.kind not in "iu":
        raise UseError(f"{name}: M={M!r} is no size",
                       remedy="pass an integer or an entry of x.shape")  # fmt: skip
    if isinstance(M, int | np.integer):
        size: Any = max(int(M), 0)
    else:
        size = M if isinstance(M, Dim) else OPS["maximum"](count, 0)
    steps = OPS["arange"](size).astype("float64")
    return count.astype("float64"), 2 * steps + (1 - count.astype("float64"))


def _window(name: str, M: Any, formula: Callable[[Variable, Variable], Variable]) -> Variable:
    """The window ``formula(n, M - 1)`` with n = 1 - M, 3 - M, …, M - 1; ones if M is 1."""
    if isinstance(M, int | float | np.number):
        return Constant(getattr(np, name)(M))
    count, n = _points(name, M)
    one = count <= 1
    found: Variable = OPS["where"](one, 1.0, formula(n, OPS["where"](one, 1.0, count - 1)))
    return found


@public(topic="creation", samples=_samples, reference=np.bartlett, differentiable=False)
def bartlett(M: Any) -> Variable:
    """The triangular window with M points, 0 at both ends, as ``np.bartlett``: float64 (M,).

    M is a number (NumPy's result as a constant) or a size known at run time.

    >>> import graphad as ga
    >>> ga.bartlett(5).eval()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    return _window("bartlett", M, lambda n, width: 1 - abs(n) / width)


@public(topic="creation", samples=_samples, reference=np.blackman, differentiable=False)
def blackman(M: Any) -> Variable:
    """0.42 + 0.5 cos(πt) + 0.08 cos(2πt) at M points t of [-1, 1], as ``np.blackman``.

    M is a number (NumPy's result as a constant) or a size known at run time.

    >>> import graphad as ga
    >>> float(ga.blackman(5)[2].eval().round(12))
    1.0
    """
    cos = OPS["cos"]
    return _window(
        "blackman", M,
        lambda n, width: 0.42 + 0.5 * cos(np.pi * n / width) + 0.08 * cos(2 * np.pi * n / width),
    )  # fmt: skip


@public(topic="creation", samples=_samples, reference=np.hamming, differentiable=False)
def hamming(M: Any) -> Variable:
    """0.54 + 0.46 cos(πt) at M points t of [-1, 1], as ``np.hamming``: float64 (M,).

    M is a number (NumPy's result as a constant) or a size known at run time.

    >>> import graphad as ga
    >>> ga.hamming(3).eval().round(3)
    array([0.08, 1.  , 0.08])
    """
    return _window("hamming", M, lambda n, width: 0.54 + 0.46 * OPS["cos"](np.pi * n / width))


@public(topic="creation", samples=_samples, reference=np.hanning, differentiable=False)
def hanning(M: Any) -> Variable:
    """0.5 + 0.5 cos(πt) at M points t of [-1, 1], as ``np.hanning``: float64 (M,).

    M is a number (NumPy's result as a constant) or a size known at run time.

    >>> import graphad as ga
    >>> ga.hanning(5).eval().round(3)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    return _window("hanning", M, lambda n, width: 0.5 + 0.5 * OPS["cos"](np.pi * n / width))


@public(topic="creation", reference=np.kaiser, samples=lambda rng: [
    Sample((), {"M": count}, {"beta": np.array(beta)})
    for count, beta in ((6, 2.5), (5, 14.0), (0, 1.0))
])  # fmt: skip
def kaiser(M: Any, beta: Any) -> Variable:
    """I₀(beta √(1 - t²)) / I₀(beta) at M points t of [-1, 1], as ``np.kaiser``: float64 (M,).

    M is a number or a size known at run time; `beta` a real scalar, in which the window is
    differentiable. Raises ShapeError if beta is no scalar, DTypeError if it is complex.

    >>> import graphad as ga
    >>> ga.kaiser(3, 0.0).eval()
    array([1., 1., 1.])
    """
    shape = as_variable(beta)
    if shape.ndim:
        raise ShapeError(f"kaiser: beta is {shape.type}", remedy="pass a scalar")
    if shape.dtype.kind == "c":
        raise DTypeError(f"kaiser: beta is {shape.dtype}", remedy="pass a real number")
    shape = shape.astype("float64")
    size = int(M) if isinstance(M, float | np.floating) else M
    count, n = _points("kaiser", size)
    t = n / OPS["where"](count <= 1, 1.0, count - 1)
    arch = OPS["sqrt"](OPS["stop_gradient"](1 - t * t))
    found: Variable = OPS["i0"](shape * arch) / OPS["i0"](shape)
    return found
