"""Activation functions: smooth and broken lines, elementwise, without overflow on either side.

They are compositions, so that derivatives of any order follow. At a break (x = 0, if nothing else
is said) the derivative is that of the branch which is written for x ≤ 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.families.elementwise import as_float
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.libraries import scipy

_FAR = np.array([-2.5, -1.4, -0.3, 0.4, 1.6])  # away from the breaks of all functions here

for _name in ("cross_entropy", "log_softmax", "logsumexp", "one_hot", "relu", "sigmoid",
              "softmax", "softplus", "tanh"):  # fmt: skip
    OPS.alias(f"nn.{_name}", _name)


def real_floats(name: str, x: Any) -> Variable:
    """`x` as floats; DTypeError for complex numbers."""
    variable = as_float(x)
    if variable.dtype.kind == "c":
        raise DTypeError(
            f"{name} is not defined for dtype {variable.dtype}",
            remedy="take x.real, x.imag or abs(x) first",
        )
    return variable


def plain_floats(x: Any) -> np.ndarray:
    """For references: the same for arrays."""
    array = np.asarray(x)
    if array.dtype.kind == "c":
        raise TypeError("not defined for complex numbers")
    return array if array.dtype.kind == "f" else array.astype(float)


def _on_floats(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A reference whose first argument, and the others if they are arrays, are floats."""

    def reference(x: Any, *others: Any, **keywords: Any) -> Any:
        return formula(plain_floats(x), *[plain_floats(o) for o in others], **keywords)

    return reference


def _points(*keywords: dict[str, Any]) -> Callable[[np.random.Generator], Sequence[Sample]]:
    return lambda rng: [Sample((_FAR,), k) for k in ({}, *keywords)]


def _smooth(*keywords: dict[str, Any]) -> Callable[[np.random.Generator], Sequence[Sample]]:
    return lambda rng: [
        Sample((rng.normal(size=shape),), k) for shape in [(5,), (2, 3)] for k in ({}, *keywords)
    ]


# ---- smooth ----------------------------------------------------------------------------------
def _gelu_reference(x: Any, approximate: bool = False) -> Any:
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return (x * scipy("special").ndtr(x)).astype(x.dtype)


@public(namespace="nn", reference=_on_floats(_gelu_reference),
        samples=_smooth({"approximate": True}))  # fmt: skip
def gelu(x: Any, approximate: bool = False) -> Variable:
    """x · Φ(x), with the distribution function Φ of the standard normal distribution.

    approximate=True: x/2 · (1 + tanh(sqrt(2/π)·(x + 0.044715 x³))), which differs by less than
    0.001. Without it SciPy is needed. Raises DTypeError for complex numbers. D. Hendrycks and
    K. Gimpel, "Gaussian error linear units" (2016).

    >>> import graphad as ga
    >>> ga.nn.gelu(ga.constant([-1.0, 0.0, 1.0])).eval().round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    variable = real_floats("gelu", x)
    if approximate:
        inner = variable + 0.044715 * variable * variable * variable
        return 0.5 * variable * (1 + OPS["tanh"](math.sqrt(2 / math.pi) * inner))
    share = OPS["special.ndtr"](variable)
    return variable * (share if share.dtype == variable.dtype else share.astype(variable.dtype))


@public(namespace="nn", reference=_on_floats(lambda x: x / (1 + np.exp(-x))), samples=_smooth(),
        aliases=("nn.swish",))  # fmt: skip
def silu(x: Any) -> Variable:
    """x · sigmoid(x), also called swish. Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.silu(ga.constant([-1000.0, 0.0, 1000.0])).eval()
    array([  -0.,    0., 1000.])
    """
    variable = real_floats("silu", x)
    return variable * OPS["sigmoid"](variable)


@public(namespace="nn", reference=_on_floats(lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        samples=_smooth())  # fmt: skip
def mish(x: Any) -> Variable:
    """x · tanh(softplus(x)). Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.mish(ga.constant([0.0, 1000.0])).eval()
    array([   0., 1000.])
    """
    variable = real_floats("mish", x)
    return variable * OPS["tanh"](OPS["softplus"](variable))


@public(namespace="nn", reference=_on_floats(lambda x: -np.logaddexp(0, -x)), samples=_smooth())
def log_sigmoid(x: Any) -> Variable:
    """log(sigmoid(x)) = -softplus(-x), exact on both sides. DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.log_sigmoid(ga.constant([-1000.0, 1000.0])).eval()
    array([-1000.,    -0.])
    """
    return -OPS["softplus"](-real_floats("log_sigmoid", x))


@public(namespace="nn", reference=_on_floats(lambda x: x / (1 + np.abs(x))), samples=_points())
def softsign(x: Any) -> Variable:
    """x / (1 + |x|), between -1 and 1. Raises DTypeError for complex numbers.

    The first derivative is continuous, the second is taken as 0 at 0.

    >>> import graphad as ga
    >>> ga.nn.softsign(ga.constant([-1.0, 0.0, 3.0])).eval()
    array([-0.5 ,  0.  ,  0.75])
    """
    variable = real_floats("softsign", x)
    return variable / (1 + OPS["abs"](variable))


# ---- exponential on the left -----------------------------------------------------------------
def _below(x: Variable) -> Variable:
    """x where it is at most 0, else 0: so that exponentials do not overflow."""
    return OPS["where"](x > 0, 0, x)


@public(
    namespace="nn",
    samples=_points({"alpha": 0.5}),
    reference=_on_floats(lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x))),
)
def elu(x: Any, alpha: Any = 1.0) -> Variable:
    """x for x > 0, alpha·(eˣ - 1) for x ≤ 0. The derivative at 0 is alpha.

    Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.elu(ga.constant([-1000.0, 0.0, 2.0])).eval()
    array([-1.,  0.,  2.])
    """
    variable = real_floats("elu", x)
    return OPS["where"](variable > 0, variable, alpha * OPS["expm1"](_below(variable)))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@public(namespace="nn", samples=_points(), reference=_on_floats(
    lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(x))))  # fmt: skip
def selu(x: Any) -> Variable:
    """1.0507 · elu(x, 1.67326), which keeps mean 0 and variance 1 from layer to layer.

    The derivative at 0 is 1.7581. Raises DTypeError for complex numbers. G. Klambauer et al.,
    "Self-normalizing neural networks" (2017).

    >>> import graphad as ga
    >>> ga.nn.selu(ga.constant([0.0, 1.0])).eval().round(4)
    array([0.    , 1.0507])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


@public(namespace="nn", samples=_points({"alpha": 0.5}), reference=_on_floats(
    lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x / alpha))))  # fmt: skip
def celu(x: Any, alpha: Any = 1.0) -> Variable:
    """x for x > 0, alpha·(exp(x/alpha) - 1) for x ≤ 0: smooth at 0, where the derivative is 1.

    Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.celu(ga.constant([-1000.0, 0.0, 2.0]), 0.5).eval()
    array([-0.5,  0. ,  2. ])
    """
    variable = real_floats("celu", x)
    bent = alpha * OPS["expm1"](_below(variable) / alpha)
    return OPS["where"](variable > 0, variable, bent)


# ---- broken lines ----------------------------------------------------------------------------
@public(namespace="nn", samples=_points({"slope": 0.2}), reference=_on_floats(
    lambda x, slope=0.01: np.where(x > 0, x, slope * x)))  # fmt: skip
def leaky_relu(x: Any, slope: float = 0.01) -> Variable:
    """x for x > 0, slope·x for x ≤ 0. The derivative at 0 is the slope.

    Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.leaky_relu(ga.constant([-1.0, 2.0]), 0.1).eval()
    array([-0.1,  2. ])
    """
    variable = real_floats("leaky_relu", x)
    return OPS["where"](variable > 0, variable, slope * variable)


@public(namespace="nn", reference=_on_floats(lambda x, slope: np.where(x > 0, x, slope * x)),
        samples=lambda rng: [
            Sample((_FAR, np.float64(0.3))),
            Sample((np.tile(_FAR, 2).reshape(5, 2).T, np.array([[0.1], [0.4]])))])  # fmt: skip
def prelu(x: Any, slope: Any) -> Variable:
    """x for x > 0, slope·x for x ≤ 0, with slopes (which broadcast against x) to be learned.

    For slopes (channels,) of x (batch, channels, *space) write ``slope[:, None]``. The derivative
    at 0 is the slope. Raises ShapeError for a clash, DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.prelu(ga.constant([[-1.0, 2.0], [-3.0, -4.0]]), [0.5, 0.25]).eval()
    array([[-0.5,  2. ],
           [-1.5, -1. ]])
    """
    variable, slopes = real_floats("prelu", x), real_floats("prelu", slope)
    return OPS["where"](variable > 0, variable, slopes * variable)


@public(namespace="nn", samples=_points({"min": -2, "max": 0.5}), reference=_on_floats(
    lambda x, min=-1.0, max=1.0: np.clip(x, min, max)))  # fmt: skip
def hardtanh(x: Any, min: float = -1.0, max: float = 1.0) -> Variable:
    """x limited to [min, max]. The derivative at either bound is ½, the convention of `clip`.

    Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.hardtanh(ga.constant([-3.0, 0.5, 3.0])).eval()
    array([-1. ,  0.5,  1. ])
    """
    return OPS["clip"](real_floats("hardtanh", x), min, max)


@public(namespace="nn", samples=lambda rng: [Sample((np.array([-1.5, 0.4, 3.0, 5.7, 6.4]),))],
        reference=_on_floats(lambda x: np.clip(x, 0.0, 6.0)))  # fmt: skip
def relu6(x: Any) -> Variable:
    """x limited to [0, 6]. The derivative at 0 and 6 is ½, the convention of `clip`.

    Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.relu6(ga.constant([-1.0, 3.0, 8.0])).eval()
    array([0., 3., 6.])
    """
    return OPS["clip"](real_floats("relu6", x), 0.0, 6.0)


_WIDE: Any = lambda rng: [Sample((np.array([-4.0, -2.5, -0.4, 1.0, 2.7, 3.5]),))]  # noqa: E731


@public(namespace="nn", reference=_on_floats(lambda x: np.clip(x / 6 + 0.5, 0.0, 1.0)),
        samples=_WIDE)  # fmt: skip
def hardsigmoid(x: Any) -> Variable:
    """x/6 + ½ limited to [0, 1]. The derivative at -3 and 3 is half of 1/6.

    Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.hardsigmoid(ga.constant([-4.0, 0.0, 1.5])).eval()
    array([0.  , 0.5 , 0.75])
    """
    return OPS["clip"](real_floats("hardsigmoid", x) / 6 + 0.5, 0.0, 1.0)


@public(namespace="nn", reference=_on_floats(lambda x: x * np.clip(x / 6 + 0.5, 0.0, 1.0)),
        samples=_WIDE, aliases=("nn.hardswish",))  # fmt: skip
def hardsilu(x: Any) -> Variable:
    """x · hardsigmoid(x), also called hardswish. Raises DTypeError for complex numbers.

    >>> import graphad as ga
    >>> ga.nn.hardsilu(ga.constant([-4.0, 3.0, 4.0])).eval()
    array([-0.,  3.,  4.])
    """
    variable = real_floats("hardsilu", x)
    return variable * hardsigmoid(variable)


# ---- gates -----------------------------------------------------------------------------------
def _glu_reference(x: Any, axis: int = -1) -> Any:
    a, b = np.split(x, 2, axis)
    return a / (1 + np.exp(-b))


@public(
    namespace="nn",
    reference=_on_floats(_glu_reference),
    samples=lambda rng: [
        Sample((rng.normal(size=(3, 4)),)),
        Sample((rng.normal(size=(2, 3)),), {"axis": 0}),
    ],
)
def glu(x: Any, axis: int = -1) -> Variable:
    """a · sigmoid(b) for the two halves a, b of x along `axis`: (…, 2n, …) to (…, n, …).

    Raises ShapeError for an axis known to have an odd size, AxisError for a wrong axis, DTypeError
    for complex numbers. Y. N. Dauphin et al., "Language modeling with gated convolutional
    networks" (2017).

    >>> import graphad as ga
    >>> ga.nn.glu(ga.constant([2.0, 4.0, 0.0, 0.0])).eval()
    array([1., 2.])
    """
    variable = real_floats("glu", as_variable(x))
    along = normalize_axis(axis, variable.ndim, "glu")
    size, shape = variable.type.shape[along], list(variable.shape)
    if isinstance(size, int) and size % 2:
        raise ShapeError(
            f"glu along axis {along} of an array of shape {shape_text(variable.type.shape)}",
            cause=f"{size} elements have no two halves",
            remedy="give an even number",
        )
    shape[along : along + 1] = [2, shape[along] // 2]
    halves = OPS["reshape"](variable, shape)
    lead = (slice(None),) * along
    return halves[(*lead, 0)] * OPS["sigmoid"](halves[(*lead, 1)])
