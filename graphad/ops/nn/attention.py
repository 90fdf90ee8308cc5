"""Attention, and tables of vectors that are looked up by number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import public
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.nn.activations import plain_floats, real_floats


# ---- looking up ------------------------------------------------------------------------------
@public(namespace="nn", reference=lambda table, indices: table[indices], samples=lambda rng: [
    Sample((rng.normal(size=(4, 3)), np.array([[2, 0], [2, 3]]))),
    Sample((rng.normal(size=(3, 2)), np.array(1)))])  # fmt: skip
def embedding(table: Any, indices: Any) -> Variable:
    """Rows of a table by number: table (n, d), integers indices (…) to (…, d).

    In the derivative rows that are looked up several times add up. Raises DTypeError for indices
    that are not integers; a number out of range raises IndexError when it is computed.

    >>> import graphad as ga
    >>> table = ga.constant([[0.0, 1.0], [2.0, 3.0]])
    >>> ga.nn.embedding(table, [1, 1, 0]).eval()
    array([[2., 3.],
           [2., 3.],
           [0., 1.]])
    """
    places = as_variable(indices)
    if places.dtype.kind not in "iu":
        raise DTypeError(
            f"embedding: indices of dtype {places.dtype}",
            remedy="indices are integers: indices.astype('int64')",
        )
    return OPS["take"](table, places, axis=0)


# ---- attention -------------------------------------------------------------------------------
def _attention_reference(q: Any, k: Any, v: Any, mask: Any = None, scale: Any = None) -> Any:
    q, k, v = plain_floats(q), plain_floats(k), plain_floats(v)
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ValueError("no rows")
    dtype = np.result_type(q, k)
    scale = dtype.type(1 / math.sqrt(max(q.shape[-1], 1))) if scale is None else scale
    scores = (q @ np.swapaxes(k, -1, -2)) * scale
    if mask is not None:
        mask = np.asarray(mask)
        free = mask.dtype == bool
        scores = np.where(mask, scores, -np.inf) if free else scores + plain_floats(mask)
    top = np.max(scores, -1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isfinite(top), top, dtype.type(0)))
    total = weights.sum(-1, keepdims=True)
    return (weights / np.where(total == 0, dtype.type(1), total)) @ v


_MASK = np.array([[True, True, False], [False, True, True]])


@public(
    namespace="nn",
    reference=_attention_reference,
    samples=lambda rng: [
        Sample((rng.normal(size=(2, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))),
        Sample((*rng.normal(size=(2, 1, 2, 3, 2)), rng.normal(size=(1, 2, 3, 2))), {"scale": 0.5}),
        Sample((rng.normal(size=(2, 2)), *rng.normal(size=(2, 3, 2)), _MASK)),
        Sample((rng.normal(size=(2, 2)), *rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3)))),
    ],
)
def attention(q: Any, k: Any, v: Any, mask: Any = None, scale: Any = None) -> Variable:
    """softmax(q kᵀ · scale + mask) v, over the last two axes; axes before them broadcast.

    q (…, m, d), k (…, n, d), v (…, n, e) to (…, m, e). scale: None for 1/sqrt(d). mask broadcasts
    against (…, m, n): booleans, true where a query may attend to a key, or numbers that are added
    to the scores (-inf for no attention). A query that may attend to nothing gives 0, and
    derivatives 0. Raises ShapeError for shapes that do not fit, DTypeError for complex numbers.
    A. Vaswani et al., "Attention is all you need" (2017).

    >>> import numpy as np, graphad as ga
    >>> q = k = v = ga.constant([[1.0, 0.0], [0.0, 1.0]])
    >>> causal = np.tri(2, dtype=bool)
    >>> ga.nn.attention(q, k, v, mask=causal).eval().round(3)
    array([[1.  , 0.  ],
           [0.33, 0.67]])
    """
    queries, keys, values = [real_floats("attention", array) for array in (q, k, v)]
    for name, array in (("q", queries), ("k", keys), ("v", values)):
        if array.ndim < 2:
            raise ShapeError(
                f"attention: {name} has the shape {shape_text(array.type.shape)}",
                cause="the last two axes of each operand are rows and their entries",
                remedy="insert an axis with x[None]",
            )
    scores = OPS["matmul"](queries, keys.mT)
    scores = scores * (_default_scale(queries, scores.dtype) if scale is None else scale)
    if mask is not None:
        allowed = as_variable(mask)
        if allowed.dtype.kind == "b":
            scores = OPS["where"](allowed, scores, -math.inf)
        else:
            scores = scores + real_floats("attention", allowed)
    total = OPS["logsumexp"](scores, axis=-1, keepdims=True)
    return OPS["matmul"](OPS["share"](scores, total), values)


def _default_scale(queries: Variable, dtype: np.dtype[Any]) -> Any:
    size = queries.shape[-1]
    if isinstance(size, int):
        return 1 / math.sqrt(max(size, 1))
    rows = OPS["maximum"](as_variable(size), 1).astype("float64")
    return (1 / OPS["sqrt"](rows)).astype(dtype)
