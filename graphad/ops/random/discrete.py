"""Discrete distributions: the numbers are integers, which have no derivative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.families.common import broadcast_shapes
from graphad.ir.families.random import Draw, drawn_shape
from graphad.ir.types import Shape, TensorType, check_dtype
from graphad.ir.variable import Variable, as_variable
from graphad.ops.random.declare import (
    REQUIRED,
    Distribution,
    distribution,
    enter,
)

# fmt: off
binomial = distribution(
    "binomial", {"n": REQUIRED, "p": REQUIRED}, None, discrete=True,
    doc="Successes among n trials of probability p.")
poisson = distribution(
    "poisson", {"lam": 1.0}, None, discrete=True, doc="Poisson with mean lam.")
geometric = distribution(
    "geometric", {"p": REQUIRED}, None, discrete=True,
    doc="Trials until the first success, from 1.")
negative_binomial = distribution(
    "negative_binomial", {"n": REQUIRED, "p": REQUIRED}, None, discrete=True,
    doc="Failures before the n-th success.")
hypergeometric = distribution(
    "hypergeometric", {"ngood": REQUIRED, "nbad": REQUIRED, "nsample": REQUIRED}, None,
    discrete=True, doc="Good ones among nsample taken, without replacement.")
logseries = distribution(
    "logseries", {"p": REQUIRED}, None, discrete=True, doc="Logarithmic series, from 1.")
zipf = distribution(
    "zipf", {"a": REQUIRED}, None, discrete=True, doc="Zipf (zeta) with exponent a > 1.")
# fmt: on


# ---- counts in several classes -----------------------------------------------------------------
def _vector(name: str, parameter: str, shape: Shape) -> tuple[Shape, Any]:
    """(axes before the last, the last) of a parameter that is a vector."""
    if not shape:
        raise ShapeError(
            f"{name}: {parameter} is a number",
            cause="it has one element for each class",
            remedy="pass a vector",
        )
    return shape[:-1], shape[-1]


def _multinomial(given: Sequence[TensorType], size: Shape | None) -> TensorType:
    n, pvals = given
    lead, classes = _vector("random.multinomial", "pvals", pvals.shape)
    joint = broadcast_shapes("random.multinomial", [n.shape, lead])
    return TensorType("int64", (*drawn_shape("random.multinomial", [joint], size), classes))


def _colors(given: Sequence[TensorType], size: Shape | None, method: str) -> TensorType:
    lead, classes = _vector("random.multivariate_hypergeometric", "colors", given[0].shape)
    if lead:
        raise ShapeError("random.multivariate_hypergeometric: colors is no vector")
    return TensorType("int64", (*(size or ()), classes))


multinomial = distribution(
    "multinomial", {"n": REQUIRED, "pvals": REQUIRED}, None, discrete=True, result=_multinomial,
    doc="Counts of n trials in the classes of probability pvals (..., k), on the last axis.",
    example="n=5, pvals=[0.25, 0.75], size=3",
)  # fmt: skip
multivariate_hypergeometric = distribution(
    "multivariate_hypergeometric", {"colors": REQUIRED, "nsample": REQUIRED}, None,
    discrete=True, result=_colors, static={"method": "marginals"},
    doc='Counts of each colour among nsample taken from colors (k,); `method`: "marginals" or '
    '"count".', example="colors=[3, 5], nsample=4, size=3",
)  # fmt: skip


# ---- integers ----------------------------------------------------------------------------------
def _integers(
    given: Sequence[TensorType], size: Shape | None, dtype: str, endpoint: bool
) -> TensorType:
    return TensorType(dtype, drawn_shape("random.integers", [t.shape for t in given], size))


def _draw_integers(
    generator: Any, low: Any, high: Any, size: Any, dtype: str, endpoint: bool
) -> Any:
    return generator.integers(low, high, size, dtype, endpoint)


_family = Draw(
    "random.integers", ("low", "high"), result=_integers, value=_draw_integers, discrete=True
)
_from_low_to_high = Distribution(_family, {"low": REQUIRED, "high": None})


@enter
def integers(
    self: Any, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64,
    endpoint: bool = False,
) -> Variable:  # fmt: skip
    """Integers from low to high, without high unless `endpoint`; from 0 to low without `high`.

    low, high: integers, arrays or Variables of them; they broadcast. dtype: of integers or bool.
    The numbers are those of numpy.random.Generator.integers. Raises ParameterError, a ValueError,
    where low is not below high or does not fit the dtype, DTypeError for floats.

    >>> import graphad as ga
    >>> import numpy as np
    >>> x = ga.random.default_rng(7).integers(1, 7, size=5)
    >>> bool((x.eval() == np.random.default_rng(7).integers(1, 7, size=5)).all())
    True
    """
    found = check_dtype(dtype)
    if found.kind not in "biu":
        raise DTypeError(f"random.integers: dtype={found}", remedy="draw integers or bool")
    ends = [as_variable(end) for end in ((0, low) if high is None else (low, high))]
    for end in ends:
        if end.dtype.kind not in "biu":
            raise DTypeError(
                f"random.integers: an end of the range has dtype {end.dtype}",
                remedy='convert it with .astype("int64")',
            )
    keywords = {"dtype": str(found), "endpoint": bool(endpoint)}
    return _from_low_to_high.draw(self.chain, ends, size, keywords)
