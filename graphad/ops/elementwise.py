"""Elementwise arithmetic, powers, exponentials and logarithms, casts, choice.

Each declaration: value, then ∂y/∂x for each operand in columns (`y` is the result). Conventions
at kinks stand in the docstring of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir.families.common import add_up, public, weigh
from graphad.ir.families.elementwise import Elementwise, as_first_of, as_ufunc, elementwise
from graphad.ir.op import MASKED, OPS, RISKY, Sample
from graphad.ir.types import check_dtype
from graphad.ir.variable import Constant, Variable, apply, as_variable

POSITIVE = (0.3, 3.0)
NONZERO = np.array([-2.1, -1.3, -0.4, 0.6, 1.1, 2.3])


# ---- where a value may become infinite though its operands are finite ------------------------
def _never_zero(variable: Variable) -> bool:
    if isinstance(variable, Constant):
        return bool(np.all(variable.value != 0))
    while variable.owner is not None and variable.owner.op.name in ("astype", "broadcast_to"):
        variable = variable.owner.inputs[0]
    if variable.owner is None:
        return False
    if variable.owner.op.name == "multiply":
        return all(_never_zero(factor) for factor in variable.owner.inputs)
    return variable.owner.op.name == "dim_size"


def _division_hazard(x: Variable, y: Variable) -> int:
    return 0 if _never_zero(y) else RISKY


def _power_hazard(x: Variable, y: Variable) -> int:
    harmless = isinstance(y, Constant) and bool(np.all(y.value >= 0))
    return 0 if harmless else RISKY


# ---- arithmetic ------------------------------------------------------------------------------
#   value                          ∂y/∂x1                     ∂y/∂x2
add = elementwise(
    "add", lambda xp, x, y: xp.add(x, y), (1, 1),
    reference=np.add, adds=True, doc="x1 + x2.")  # fmt: skip
subtract = elementwise(
    "subtract", lambda xp, x, y: xp.subtract(x, y), (1, -1),
    reference=np.subtract, adds=True, doc="x1 - x2.")  # fmt: skip
multiply = elementwise(
    "multiply", lambda xp, x, y: xp.multiply(x, y), (lambda z, x, y: y, lambda z, x, y: x),
    reference=np.multiply, doc="x1 * x2.")  # fmt: skip
divide = elementwise(
    "divide", lambda xp, x, y: xp.divide(x, y), (lambda z, x, y: 1 / y, lambda z, x, y: -z / y),
    reference=np.divide, numpy_names=[np.true_divide], domain=((-2.0, 2.0), NONZERO),
    hazard_of=_division_hazard, doc="x1 / x2.")  # fmt: skip
floor_divide = elementwise(
    "floor_divide", lambda xp, x, y: xp.floor_divide(x, y), (0, 0),
    reference=np.floor_divide, domain=(NONZERO, np.array([0.8, 1.7])), hazard_of=_division_hazard,
    doc="floor(x1 / x2). The derivative is zero, also where the quotient jumps.")  # fmt: skip
remainder = elementwise(
    "remainder", lambda xp, x, y: xp.remainder(x, y), (1, lambda z, x, y: -floor_divide(x, y)),
    reference=np.remainder, numpy_names=[np.mod], domain=(NONZERO, np.array([0.8, 1.7])),
    hazard_of=_division_hazard,
    doc="x1 - x2·floor(x1 / x2), with the sign of x2.\n\n"
    "    The derivatives are 1 and -floor(x1 / x2); the jumps at multiples of x2 are ignored.",
)  # fmt: skip
negative = elementwise(
    "negative", lambda xp, x: xp.negative(x), (-1,), reference=np.negative, doc="-x."
)
positive = elementwise(
    "positive", lambda xp, x: xp.positive(x), (1,), reference=np.positive, doc="+x."
)
reciprocal = elementwise(
    "reciprocal", lambda xp, x: xp.reciprocal(x), (lambda y, x: -y * y,),
    reference=np.reciprocal, domain=(NONZERO,), hazard=RISKY, doc="1 / x.")  # fmt: skip


# ---- powers ----------------------------------------------------------------------------------
def _power_base(z: Variable, x: Variable, y: Variable) -> Any:
    """∂(x**y)/∂x = y·x**(y-1), and 0 for y = 0 whatever x."""
    if isinstance(y, Constant) and y.ndim == 0:
        exponent = y.value[()]
        return (
            0
            if exponent == 0
            else 1
            if exponent == 1
            else (
                2 * x
                if exponent == 2
                else y * power(x, Constant(np.asarray(exponent - 1, y.dtype)))
            )
        )
    return strong_multiply(y, power(x, where(y == 0, 1, y - 1)))  # 0 for y = 0 and x = NaN


def _power_exponent(z: Variable, x: Variable, y: Variable) -> Any:
    """∂(x**y)/∂y = x**y·log(x), and 0 at x = 0 for y > 0 (its limit)."""
    return z * log(where((x == 0) & (y >= 0), 1, x))


power = elementwise(
    "power", lambda xp, x, y: xp.power(x, y), (_power_base, _power_exponent),
    reference=np.power, numpy_names=[np.pow] if hasattr(np, "pow") else [],
    domain=(POSITIVE, (-2.0, 2.0)), hazard_of=_power_hazard,
    doc="x1 ** x2.\n\n"
    "    x1**0 is 1 and x1**1 is x1, with derivatives 0 and 1 by x1 for every x1. At x1 = 0 the\n"
    "    derivative by x1 is infinite for 0 < x2 < 1, 0 for x2 > 1; by x2 it is 0 for x2 ≥ 0.",
)  # fmt: skip
square = elementwise(
    "square", lambda xp, x: xp.square(x), (lambda y, x: 2 * x,), reference=np.square, doc="x * x."
)
sqrt = elementwise(
    "sqrt", lambda xp, x: xp.sqrt(x), (lambda y, x: 0.5 / y,),
    reference=np.sqrt, domain=(POSITIVE,), hazard=RISKY,
    doc="√x; NaN for negative x. The derivative at 0 is infinite.")  # fmt: skip
cbrt = elementwise(
    "cbrt", lambda xp, x: xp.cbrt(x), (lambda y, x: 1 / (3 * y * y),),
    reference=np.cbrt, domain=(NONZERO,), doc="∛x. The derivative at 0 is infinite.")  # fmt: skip

# ---- exponentials and logarithms -------------------------------------------------------------
exp = elementwise(
    "exp", lambda xp, x: xp.exp(x), (lambda y, x: y,),
    reference=np.exp, hazard=RISKY, doc="eˣ.")  # fmt: skip
exp2 = elementwise(
    "exp2", lambda xp, x: xp.exp2(x), (lambda y, x: y * float(np.log(2)),),
    reference=np.exp2, hazard=RISKY, doc="2ˣ.")  # fmt: skip
expm1 = elementwise(
    "expm1", lambda xp, x: xp.expm1(x), (lambda y, x: exp(x),),
    reference=np.expm1, hazard=RISKY, doc="eˣ - 1, accurate for small x.")  # fmt: skip
log = elementwise(
    "log", lambda xp, x: xp.log(x), (lambda y, x: 1 / x,),
    reference=np.log, domain=(POSITIVE,), hazard=RISKY, doc="Natural logarithm.")  # fmt: skip
log2 = elementwise(
    "log2", lambda xp, x: xp.log2(x), (lambda y, x: float(1 / np.log(2)) / x,),
    reference=np.log2, domain=(POSITIVE,), hazard=RISKY, doc="Logarithm to base 2.")  # fmt: skip
log10 = elementwise(
    "log10", lambda xp, x: xp.log10(x), (lambda y, x: float(1 / np.log(10)) / x,),
    reference=np.log10, domain=(POSITIVE,), hazard=RISKY, doc="Logarithm to base 10.")  # fmt: skip
log1p = elementwise(
    "log1p", lambda xp, x: xp.log1p(x), (lambda y, x: 1 / (1 + x),),
    reference=np.log1p, domain=((-0.5, 2.0),), hazard=RISKY,
    doc="log(1 + x), accurate for small x.")  # fmt: skip
# x - y, but for infinities that are equal: 0 for those above, -∞ for those below (no weight)
gap = Elementwise(
    "gap", lambda xp, x, y: xp.where(xp.logical_and(xp.isinf(x), xp.equal(x, y)),
                                     xp.minimum(x, 0.0), xp.subtract(x, y)),
    (1, -1), dtype=as_ufunc(np.subtract))  # fmt: skip
logaddexp = elementwise(
    "logaddexp", lambda xp, x, y: xp.logaddexp(x, y),
    (lambda z, x, y: OPS["sigmoid"](gap(x, y)), lambda z, x, y: OPS["sigmoid"](gap(y, x))),
    reference=np.logaddexp, doc="log(exp(x1) + exp(x2)), without overflow.\n\n"
    "    At x1 = x2 = -∞ both derivatives are 0 (as those of logsumexp), at x1 = x2 = ∞ they\n"
    "    are ½.")  # fmt: skip

# ---- absolute value, sign, extrema -----------------------------------------------------------
sign = elementwise(
    "sign", lambda xp, x: xp.sign(x), None, reference=np.sign, domain=(NONZERO,),
    doc="-1, 0 or 1; x/|x| for complex x, 0 at 0.\n\n    The derivative by a real x is zero, also "
    "at 0; by a complex x it is that of x/|x|, 0 at 0.",
    vjp=lambda g, y, x: (_turned(g, OPS["conj"](y), x) if x.dtype.kind == "c" else None,),
    jvp=lambda t, y, x: _turned(t[0], y, x) if x.dtype.kind == "c" else None)  # fmt: skip
abs_ = elementwise(
    "abs", lambda xp, x: xp.abs(x), None, reference=np.absolute,
    domain=(NONZERO,), doc="|x|, also of complex x. The derivative at 0 is 0.",
    vjp=lambda g, y, x: (_abs_vjp(g, y, x),),
    jvp=lambda t, y, x: _abs_jvp(t[0], y, x))  # fmt: skip


fabs = elementwise(
    "fabs", lambda xp, x: xp.fabs(x), (lambda y, x: sign(x),), reference=np.fabs,
    domain=(NONZERO,), doc="|x| as a float. The derivative at 0 is 0.")  # fmt: skip


def _turned(t: Variable, y: Variable, x: Variable) -> Variable:
    """y = x/|x|, ẏ = (t - y·Re(conj(y)·t)) / |x|: the part of t across y; 0 at x = 0."""
    across = t - weigh(OPS["real"](weigh(t, OPS["conj"](y))), y)
    return where(x == 0, 0, weigh(across, 1 / where(x == 0, 1, abs_(x))))


def _abs_direction(y: Variable, x: Variable) -> Variable:
    """The unit number x/|x|, 0 at 0."""
    if x.dtype.kind != "c":
        return sign(x)
    return x / where(y == 0, 1, y)


def _abs_vjp(g: Variable, y: Variable, x: Variable) -> Variable:
    return weigh(g, OPS["conj"](_abs_direction(y, x)) if x.dtype.kind == "c" else sign(x))


def _abs_jvp(t: Variable, y: Variable, x: Variable) -> Variable:
    if x.dtype.kind != "c":
        return weigh(t, sign(x))
    return OPS["real"](weigh(t, OPS["conj"](_abs_direction(y, x))))


def _share(winner: Variable, other: Variable) -> Variable:
    """1 where winner > other, ½ at ties, 0 elsewhere."""
    dtype = np.result_type(winner.dtype, other.dtype)
    dtype = dtype if dtype.kind == "f" else np.dtype(float)
    half = Constant(np.asarray(0.5, dtype))
    return half * (winner > other) + half * (winner >= other)


maximum = elementwise(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    (lambda z, x, y: _share(x, y), lambda z, x, y: _share(y, x)),
    reference=np.maximum,
    domain=(NONZERO, np.array([-1.7, -0.1, 0.9, 2.7])),
    doc="The larger of x1 and x2, NaN if one is.\n\n"
    "    At ties each gets half of the derivative, where one is NaN none gets any.",
)
minimum = elementwise(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    (lambda z, x, y: _share(y, x), lambda z, x, y: _share(x, y)),
    reference=np.minimum,
    domain=(NONZERO, np.array([-1.7, -0.1, 0.9, 2.7])),
    doc="The smaller of x1 and x2, NaN if one is.\n\n"
    "    At ties each gets half of the derivative, where one is NaN none gets any.",
)


@public(
    np.clip, topic="elementwise",
    samples=lambda rng: [
        Sample((np.array([-2.0, -0.5, 0.3, 1.9]), np.float64(-1.0), np.array([1.0]))),
        Sample((np.array([[-2.0], [1.9]]), np.array([-1.0, 0.5]), np.array([[0.7, 1.5]]))),
    ],
)  # fmt: skip
def clip(x: Any, min: Any = None, max: Any = None) -> Variable:
    """`x` limited to [min, max]; None leaves a side open. min and max broadcast against x.

    At x = min and x = max the derivative is ½, the convention of `maximum`.

    >>> import graphad as ga
    >>> ga.clip(ga.constant([-3.0, 0.5, 3.0]), -1, 1).eval()
    array([-1. ,  0.5,  1. ])
    """
    result = as_variable(x)
    bounds = [b if type(b) in (int, float) else as_variable(b).dtype
              for b in (min, max) if b is not None]  # fmt: skip
    target = np.result_type(result.dtype, *bounds)
    result = result if result.dtype == target else result.astype(target)
    result = result if min is None else maximum(result, min)
    return result if max is None else minimum(result, max)


# ---- choice ----------------------------------------------------------------------------------
_where = elementwise(
    "where", lambda xp, c, x, y: xp.where(c, x, y), None,
    reference=np.where, dtype=as_first_of(1, 2), arity=3, hazard=MASKED, selector=True,
    domain=(np.array([True, False]), (-2.0, 2.0), (-2.0, 2.0)),
    vjp=lambda g, z, c, x, y: (None, where(c, g, 0), where(c, 0, g)),
    jvp=lambda t, z, c, x, y: where(
        c, 0 if t[1] is None else t[1], 0 if t[2] is None else t[2]
    ).astype(z.dtype) if t[1] is not None or t[2] is not None else None,
    doc="x2 where the condition x1 is true, else x3; elements not chosen leave no trace: their "
    "derivative is exactly zero.",
)  # fmt: skip


def where(condition: Any, x: Any, y: Any) -> Variable:
    """x where the condition is true, else y (used by rules; the table's entry is the same)."""
    return _where(condition, x, y)


# A product that is zero because one factor is does not depend on the other factor: hence `kept`.
def _product_vjp(kept: bool) -> Any:
    return lambda c, z, g, p: (weigh(c, p, kept), weigh(c, g, kept=True))


def _product_jvp(kept: bool) -> Any:
    def rule(t: Any, z: Variable, g: Variable, p: Variable) -> Any:
        first = None if t[0] is None else weigh(t[0], p, kept)
        return add_up([first, None if t[1] is None else weigh(t[1], g, kept=True)])

    return rule


strong_multiply = elementwise(
    "strong_multiply", lambda xp, g, p: xp.where(xp.not_equal(g, 0), xp.multiply(g, p), g), None,
    reference=lambda g, p: g * p, dtype=as_ufunc(np.multiply), arity=2,
    vjp=_product_vjp(kept=False), jvp=_product_jvp(kept=False),
    doc="x1 * x2 in which a zero x1 gives zero whatever x2, even ∞ or NaN. "
    "The product of cotangent and partial derivative.")  # fmt: skip


def _masked_value(xp: Any, g: Any, p: Any) -> Any:
    both = xp.logical_and(xp.not_equal(g, 0), xp.not_equal(p, 0))
    return xp.where(both, xp.multiply(g, p), False)


masked_multiply = elementwise(
    "masked_multiply", _masked_value, None,
    reference=lambda g, p: g * p, dtype=as_ufunc(np.multiply), arity=2, hazard=MASKED,
    vjp=_product_vjp(kept=True), jvp=_product_jvp(kept=True),
    doc="x1 * x2 in which a zero on either side gives zero whatever the other, even ∞ or NaN. "
    "The product of a cotangent and a cotangent, in derivatives of derivatives.")  # fmt: skip

# ---- casts, complex parts --------------------------------------------------------------------
_astype = Elementwise(
    "astype", lambda xp, x, dtype: x.astype(dtype), (1,),
    dtype=lambda dtypes, params: np.dtype(params["dtype"]))  # fmt: skip


@public(
    np.astype if hasattr(np, "astype") else None, topic="elementwise",
    reference=lambda x, dtype: x.astype(dtype),
    samples=lambda rng: [
        Sample((rng.normal(size=3),), {"dtype": dtype}) for dtype in ("complex128", "float64")
    ],
)  # fmt: skip
def astype(x: Any, dtype: Any) -> Variable:
    """`x` converted to another dtype, as NumPy's ``x.astype(dtype)``.

    Derivatives pass through casts between floats; a cast to integers cuts them.
    Raises DTypeError for what is no dtype of numbers, and for complex to real (use ``x.real``).

    >>> import graphad as ga
    >>> ga.vector("x").astype("float32").dtype
    dtype('float32')
    """
    variable, target = as_variable(x), check_dtype(dtype)
    if variable.dtype.kind == "c" and target.kind in "fiu":
        raise DTypeError(
            f"astype: {variable.dtype} to {target} would drop the imaginary part",
            remedy="write x.real.astype(...)",
        )
    return apply(_astype.op(dtype=target.str), (variable,))


conj: Callable[..., Variable] = elementwise(
    "conj", lambda xp, x: xp.conjugate(x), None, reference=np.conjugate, doc="Complex conjugate.",
    vjp=lambda g, y, x: (conj(g),), jvp=lambda t, y, x: conj(t[0]))  # fmt: skip


def _real_dtype(dtypes: Any, params: Any) -> np.dtype:
    return np.empty(0, dtypes[0]).real.dtype


real: Callable[..., Variable] = elementwise(
    "real",
    lambda xp, x: xp.real(x),
    None,
    reference=np.real,
    dtype=_real_dtype,
    arity=1,
    is_view=True,
    doc="Real part.",
    vjp=lambda g, y, x: (g,),
    jvp=lambda t, y, x: real(t[0]),
)
imag: Callable[..., Variable] = elementwise(
    "imag",
    lambda xp, x: xp.imag(x),
    None,
    reference=np.imag,
    dtype=_real_dtype,
    arity=1,
    is_view=True,
    doc="Imaginary part.",
    vjp=lambda g, y, x: (g * -1j,),
    jvp=lambda t, y, x: imag(t[0]),
)
_stop_gradient = Elementwise(
    "stop_gradient", lambda xp, x: xp.positive(x), None, dtype=as_first_of(0)
)


@public(
    topic="elementwise", reference=lambda x: x, differentiable=False,
    samples=lambda rng: [Sample((rng.normal(size=(2, 3)),)), Sample((np.array([True, False]),))],
)  # fmt: skip
def stop_gradient(x: Any) -> Variable:
    """`x` itself, taken as a constant by all derivatives.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> float(ga.grad(x * ga.stop_gradient(x), x).eval({x: 3.0}))
    3.0
    """
    variable = as_variable(x)
    return _stop_gradient(variable) if variable.dtype.kind in "fc" else variable
