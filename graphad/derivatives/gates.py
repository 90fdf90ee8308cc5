"""Values unchanged, gradients changed: clipping, scaling, reversing what flows back.

Each is the identity; a compiled program has no trace of it, only of what it did to a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.errors import DTypeError, UseError
from graphad.ir.families.common import Declared
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply, as_variable, located

Flows = Sequence[Variable | None]


class Gate(Declared):
    """The first operand, unchanged; further operands are scalars that its derivatives use."""

    is_view = passes = own_rules = True

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(types[:1])

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return arrays[0]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        return None if any(batched[1:]) else [apply(node.op, tuple(operands))]

    def cuts(self, position: int) -> bool:
        return position > 0


class Scaled(Gate):
    """Cotangents and tangents are multiplied by the second operand."""

    def vjp(self, node: Apply, cotangents: Flows, wanted: Sequence[bool]) -> Flows:
        return [_scaled(cotangents[0], node.inputs[1]), None]

    def jvp(self, node: Apply, tangents: Flows) -> Flows:
        return [_scaled(tangents[0], node.inputs[1])]


class Clipped(Gate):
    """Cotangents are clipped to the second and third operand, tangents are not."""

    def vjp(self, node: Apply, cotangents: Flows, wanted: Sequence[bool]) -> Flows:
        (g,), (_, low, high) = cotangents, node.inputs
        clipped = None if g is None else OPS["minimum"](OPS["maximum"](g, low), high)
        return [clipped, None, None]

    def jvp(self, node: Apply, tangents: Flows) -> Flows:
        return [tangents[0]]


_scale = Scaled("grad_scale")
_clip = Clipped("grad_clip")


def _scaled(flow: Variable | None, factor: Variable) -> Variable | None:
    return None if flow is None else flow * factor


@located
def grad_scale(x: Any, factor: Any) -> Variable:
    """`x`, whose gradient is multiplied by `factor`, a number or a real scalar Variable.

    x (…): floats. Forward mode multiplies tangents alike. No derivative flows into `factor`.
    Raises DTypeError for integers, UseError for a factor that is no scalar.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> float(ga.grad(ga.grad_scale(x, 10.0) ** 2, x).eval({x: 3.0}))
    60.0
    """
    variable = _floats("grad_scale", x)
    return apply(_scale.plain, (variable, _number("grad_scale", "factor", factor, variable)))


@located
def grad_reverse(x: Any, factor: Any = 1) -> Variable:
    """`x`, whose gradient is multiplied by ``-factor``: gradient reversal.

    Source: Y. Ganin, V. Lempitsky, "Unsupervised domain adaptation by backpropagation" (2015).

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> float(ga.grad(ga.grad_reverse(x) ** 2, x).eval({x: 3.0}))
    -6.0
    """
    return grad_scale(x, -factor)


@located
def grad_clip(x: Any, low: Any, high: Any) -> Variable:
    """`x`, whose gradient is clipped, element by element, to the interval from `low` to `high`.

    x (…): real floats; `low`, `high`: numbers or real scalar Variables. What is clipped is the
    cotangent that arrives at this place; NaN stays. Forward mode, in which no cotangent arrives,
    hands tangents through. Raises DTypeError for integers and complex numbers, UseError for
    bounds that are no scalars or in the wrong order.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> ga.grad((ga.grad_clip(x, -1, 1) ** 2).sum(), x).eval({x: [0.25, 3.0]})
    array([0.5, 1. ])
    """
    variable = _floats("grad_clip", x)
    if variable.dtype.kind == "c":
        raise DTypeError(
            "grad_clip: complex numbers have no order", remedy="clip x.real and x.imag"
        )
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise UseError(f"grad_clip: low={low} is above high={high}", remedy="swap the two")
    bounds = [
        _number("grad_clip", name, value, variable)
        for name, value in (("low", low), ("high", high))
    ]
    return apply(_clip.plain, (variable, *bounds))


def _floats(name: str, x: Any) -> Variable:
    variable = as_variable(x)
    if variable.dtype.kind not in "fc":
        raise DTypeError(
            f"{name}: x has dtype {variable.dtype}, which has no gradient",
            remedy='convert it with .astype("float64")',
        )
    return variable


def _number(name: str, argument: str, value: Any, like: Variable) -> Variable:
    """A scalar in the real dtype of `like`."""
    number = as_variable(value)
    if number.ndim or number.dtype.kind == "c":
        raise UseError(
            f"{name}: {argument} is {number.type}",
            cause="it is one real number for all elements",
            remedy="pass a Python number, or a scalar Variable",
        )
    real = like.dtype.type(0).real.dtype
    return number if number.dtype == real else number.astype(real)
