"""Convolution and correlation of vectors: convolve, correlate.

Two products, each linear in both operands, are each other's transposes:

    convolve_full   c_k = Σ_i a_i v_{k-i}       (n), (m) → (n + m - 1)
    slide_product   r_i = Σ_j x_{i+j} w_j       (N), (m) → (N - m + 1)

The other modes are the middle of the full result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir.families.common import public
from graphad.ir.families.contraction import Contraction
from graphad.ir.op import OPS, Sample
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Variable, as_variable
from graphad.ops.signal.windows import overlap_add, slide

_MODES = ("full", "same", "valid")
Rules = Sequence[Callable[[], Variable]]


# ---- the two products ------------------------------------------------------------------------
def _full_shape(a: Shape, v: Shape) -> Shape:
    return (a[0] + v[0] - 1,)


def _full_vjp(g: Variable, a: Variable, v: Variable, strong: Sequence[int]) -> Rules:
    """ā_i = Σ_k c̄_k v_{k-i},  v̄_j = Σ_k c̄_k a_{k-j}."""
    return lambda: _slide.times(g, v, 0, 1 in strong), lambda: _slide.times(g, a, 0, 0 in strong)


def _full_rows(product: Any, node: Apply, operands: Sequence[Variable], batched: Any) -> Variable:
    """Σ over i + j = k of the products a_i v_j."""
    a, v = operands
    strong = node.op.params.get("strong", ())
    left, right = a[..., :, None], v[..., None, :]
    if 1 in strong:  # zeros of v, or of both, count against what is not finite
        pair = (left, right) if 0 in strong else (right, left)
        every = OPS["masked_multiply" if 0 in strong else "strong_multiply"](*pair)
    else:
        every = OPS["strong_multiply"](left, right) if strong else left * right
    return overlap_add(every, 1, a.shape[-1] + v.shape[-1] - 1)


def _slide_rows(product: Any, node: Apply, operands: Sequence[Variable], batched: Any) -> Variable:
    """Σ_j over windows (…, i, j) of x."""
    x, w = operands
    windows = slide(x, x.ndim - 1, w.shape[-1])
    left, right = "bij" if batched[0] else "ij", "bj" if batched[1] else "j"
    strong = node.op.params.get("strong", ())
    extra = {"strong": strong} if strong else {}
    family: Any = OPS.families["einsum"]
    found: Variable = family(windows, w, left=left, right=right, out="bi", **extra)
    return found


_full = Contraction(
    "convolve_full",
    batch=_full_rows,
    shape=_full_shape,
    value=lambda xp, a, v: xp.convolve(a, v),
    vjp=_full_vjp,
    flops=lambda a, v: 2 * a[0] * v[0],
)


def _slide_shape(x: Shape, w: Shape) -> Shape:
    return (x[0] - w[0] + 1,)


def _slide_vjp(g: Variable, x: Variable, w: Variable, strong: Sequence[int]) -> Rules:
    """x̄_k = Σ_i r̄_i w_{k-i},  w̄_j = Σ_i r̄_i x_{i+j}."""
    return lambda: _full.times(g, w, 0, 1 in strong), lambda: _slide.times(g, x, 1, 0 in strong)


_slide = Contraction(
    "slide_product",
    batch=_slide_rows,
    shape=_slide_shape,
    value=lambda xp, x, w: xp.convolve(x, w[::-1], "valid"),
    vjp=_slide_vjp,
    flops=lambda x, w: 2 * (x[0] - w[0] + 1) * w[0],
)


# ---- modes -----------------------------------------------------------------------------------
def _vector(name: str, argument: str, value: Any) -> Variable:
    variable = as_variable(value)
    if variable.ndim > 1 or (name == "correlate" and not variable.ndim):
        raise ShapeError(f"{name}: {argument} is {variable.type}, it needs one axis",
                         remedy="convolve vectors; for images use the functions of ga.nn",
                         )  # fmt: skip
    variable = variable if variable.ndim else OPS["reshape"](variable, (1,))
    if variable.type.shape[0] == 0:
        raise ShapeError(f"{name}: {argument} has no elements", remedy="check the size first")
    return variable


def _check_mode(name: str, mode: Any) -> None:
    if mode not in _MODES:
        raise UseError(f"{name}: mode={mode!r}", remedy="use 'full', 'same' or 'valid'")


def _middle(a: Variable, v: Variable, mode: str, turned: bool) -> Variable:
    """The part of the full convolution that `mode` says; `turned` rounds its start up where v is
    the longer one, as NumPy's correlate does."""
    n, m = a.type.shape[0], v.type.shape[0]
    known = isinstance(n, int) and isinstance(m, int)
    if mode == "full":
        whole: Variable = _full(a, v)
        return whole
    if mode == "valid" and known:
        flip = OPS["flip"]
        return _slide(a, flip(v, 0)) if n >= m else _slide(v, flip(a, 0))
    whole, sizes = _full(a, v), (a.shape[0], v.shape[0])
    if known:
        short, long = sorted(sizes)
    else:
        short, long = OPS["minimum"](*sizes), OPS["maximum"](*sizes)
    if mode == "valid":
        return whole[short - 1 : long]
    start = (short - 1) // 2
    if turned:
        start = short // 2 if known and n < m else start if known else OPS["where"](
            as_variable(sizes[0]) < sizes[1], short // 2, start)  # fmt: skip
    return whole[start : start + long]


def _samples(rng: np.random.Generator) -> list[Sample]:
    found = [Sample((rng.normal(size=n), rng.normal(size=m)), {"mode": mode})
             for n, m in ((5, 3), (3, 4), (2, 6)) for mode in _MODES]  # fmt: skip
    return found


@public(np.convolve, topic="contraction", samples=lambda rng: [
    *_samples(rng), Sample((rng.normal(size=4), rng.normal(size=())), {"mode": "full"}),
])  # fmt: skip
def convolve(a: Any, v: Any, mode: str = "full") -> Variable:
    """Σ_i a_i v_{k-i} for vectors (n,), (m,), as ``np.convolve``.

    mode: "full" gives n + m - 1 elements, "same" the max(n, m) in their middle, "valid" the
    max(n, m) - min(n, m) + 1 for which both overlap completely. Scalars count as one element.
    Raises ShapeError for more axes and for no elements, UseError for other modes.

    >>> import graphad as ga
    >>> ga.convolve(ga.constant([1.0, 2.0, 3.0]), [0.0, 1.0, 0.5]).eval()
    array([0. , 1. , 2.5, 4. , 1.5])
    """
    _check_mode("convolve", mode)
    return _middle(_vector("convolve", "a", a), _vector("convolve", "v", v), mode, False)


@public(np.correlate, topic="contraction", samples=_samples)
def correlate(a: Any, v: Any, mode: str = "valid") -> Variable:
    """Σ_i a_{i+k} conj(v_i) for vectors (n,), (m,), as ``np.correlate``.

    Modes as those of `convolve`, with "valid" as default.
    Raises ShapeError for scalars, for more axes and for no elements, UseError for other modes.

    >>> import graphad as ga
    >>> ga.correlate(ga.constant([1.0, 2.0, 3.0]), [0.0, 1.0, 0.5], "same").eval()
    array([2. , 3.5, 3. ])
    """
    _check_mode("correlate", mode)
    first, second = _vector("correlate", "a", a), _vector("correlate", "v", v)
    turned = OPS["flip"](OPS["conj"](second) if second.dtype.kind == "c" else second, 0)
    return _middle(first, turned, mode, True)
