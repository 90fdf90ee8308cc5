"""Reductions: sum, prod, max, … over a set of axes, and scans along one axis.

The axes of a reduction Op are always a sorted tuple of non-negative integers; the public
functions normalise what the user writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import Declared, fit
from graphad.ir.families.stacks import lifted, shifted, spread, stack_size
from graphad.ir.op import OPS
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Variable, as_variable

DTypeRule = Callable[[np.dtype], np.dtype]


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape that is left after reducing `axes`."""
    if keepdims:
        return tuple([1 if i in axes else size for i, size in enumerate(shape)])
    return tuple([size for i, size in enumerate(shape) if i not in axes])


class Reduction(Declared):
    """A reduction over axes. Parameters: axis (tuple), keepdims; where, initial: are they given?

    value  ``(xp, x, axis, keepdims) -> array``; takes the keywords `where`, `initial` if the
           public function has them: booleans that broadcast to x, and a scalar
    vjp    ``(g, y, x, axis) -> cotangent of x``, with g and y in the shape that keepdims=True
           gives; takes the keywords as well, and returns a pair where there is an `initial`
    linear is the reduction linear (its jvp is itself)?

    Operands: x, then `where` and `initial` as far as they are given. What `where` leaves out has
    no part in the value or in any derivative.
    """

    is_reducing = True

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        *,
        vjp: Callable[..., Any] | None = None,
        dtype: DTypeRule = lambda d: d,
        linear: bool = False,
        needs_elements: bool = False,
        hazard: int = 0,
    ) -> None:
        super().__init__(name)
        self.value, self.vjp_rule, self.dtype_rule = value, vjp, dtype
        self.linear, self.needs_elements, self.hazard = linear, needs_elements, hazard

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        x, axes = types[0], params["axis"]
        if self.needs_elements and "initial" not in params and any(x.shape[a] == 0 for a in axes):
            raise ShapeError(
                f"{self.name} over an axis of size 0: {x}",
                cause=f"{self.name} of no elements is not defined",
                remedy="check the size first, or reduce over other axes",
            )
        if "where" in params:
            check_mask(self.name, x, types[1])
        shape = reduced_shape(x.shape, axes, params["keepdims"])
        return (TensorType(self.dtype_rule(x.dtype), shape),)

    def flops(self, node: Apply) -> Size:
        return node.inputs[0].type.size

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        extra = _named(arrays, params)
        if "initial" in extra:
            extra["initial"] = extra["initial"].item()
        return self.value(xp, arrays[0], axis=params["axis"], keepdims=params["keepdims"], **extra)

    def cuts(self, position: int) -> bool:
        return self.vjp_rule is None

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        cotangent, x, params = cotangents[0], node.inputs[0], node.op.params
        if cotangent is None or self.vjp_rule is None:
            return [None] * len(wanted)
        axes, result, extra = params["axis"], node.output(0), _named(node.inputs, params)
        if not params["keepdims"] and axes:
            cotangent = OPS["expand_dims"](cotangent, axes)
            result = OPS["expand_dims"](result, axes)
        given = self.vjp_rule(cotangent, result, x, axes, **extra)
        if "initial" not in extra:
            given = (given,)
        parts = [given[0], *([None] if "where" in extra else []), *given[1:]]
        return [fit(c, v) if need else None
                for c, v, need in zip(parts, node.inputs, wanted, strict=True)]  # fmt: skip

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        x, *rest = operands
        if "initial" in node.op.params and batched[-1]:
            return None
        if "where" in node.op.params and batched[1]:
            rest[0] = lifted(rest[0], node.inputs[0].ndim)
        if not batched[0]:
            x = spread(x, stack_size(operands, batched))
        return [self(x, *rest, **shifted(node.op.params))]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if not self.linear:
            return None
        tangent = tangents[0]
        if tangent is None:
            return [None]
        result = self(tangent, *node.inputs[1:], **node.op.params)
        wanted = node.output(0).dtype
        return [result if result.dtype == wanted else result.astype(wanted)]


def _named(operands: Sequence[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The operands after the first, by the names of the parameters that announce them."""
    names = [name for name in ("where", "initial") if name in params]
    return dict(zip(names, operands[1:], strict=True))


def mask_of(where: Any) -> dict[str, Variable]:
    """The operand for `where`, by its name; nothing if everything counts."""
    if where is None or (isinstance(where, bool | np.bool_) and where):
        return {}
    return {"where": as_variable(where)}


def check_mask(name: str, x: TensorType, mask: TensorType) -> None:
    """DTypeError, ShapeError for a `where` that is no boolean, or does not broadcast to x."""
    if mask.dtype.kind != "b":
        raise DTypeError(f"{name}: where= has dtype {mask.dtype}", remedy="give booleans: x > 0")
    lead = x.ndim - mask.ndim
    pairs = zip(x.shape[lead:], mask.shape, strict=True) if lead >= 0 else ()
    fits = [m == 1 or (joint_size(size, m) is not None and not (size == 1 and isinstance(m, int)))
            for size, m in pairs]  # fmt: skip
    if lead < 0 or not all(fits):
        raise ShapeError(
            f"{name}: where= of shape {shape_text(mask.shape)} for an array of shape "
            f"{shape_text(x.shape)}",
            remedy="the mask has the shape of the array, or broadcasts to it; named sizes match "
            "only themselves and 1",
        )


class Scan(Declared):
    """A cumulative operation along one axis: the result has the operand's shape.

    value ``(xp, x, axis) -> array``; vjp ``(g, y, x, axis) -> Variable``.
    """

    is_reducing = True

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        *,
        vjp: Callable[..., Any] | None = None,
        dtype: DTypeRule = lambda d: d,
        linear: bool = False,
    ) -> None:
        super().__init__(name)
        self.value, self.vjp_rule, self.dtype_rule, self.linear = value, vjp, dtype, linear

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0].with_dtype(self.dtype_rule(types[0].dtype)),)

    def flops(self, node: Apply) -> Size:
        return node.inputs[0].type.size

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return self.value(xp, arrays[0], axis=params["axis"])

    def cuts(self, position: int) -> bool:
        return self.vjp_rule is None

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if cotangents[0] is None or self.vjp_rule is None:
            return [None]
        (x,) = node.inputs
        given = self.vjp_rule(cotangents[0], node.output(0), x, node.op.params["axis"])
        return [given if given.dtype == x.dtype else given.astype(x.dtype)]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        return [self(operands[0], **shifted(node.op.params))]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if not self.linear:
            return None
        return [None if tangents[0] is None else self(tangents[0], **node.op.params)]


def sum_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of np.sum: booleans and small integers become the platform's integer."""
    if dtype.kind in "bi" and dtype.itemsize < np.dtype(np.intp).itemsize:
        return np.dtype(np.intp)
    if dtype.kind == "u" and dtype.itemsize < np.dtype(np.uintp).itemsize:
        return np.dtype(np.uintp)
    return dtype


def only(kinds: str, name: str, remedy: str) -> DTypeRule:
    """A dtype rule that accepts some kinds only and keeps the dtype."""

    def rule(dtype: np.dtype) -> np.dtype:
        if dtype.kind not in kinds:
            raise DTypeError(f"{name} is not defined for dtype {dtype}", remedy=remedy)
        return dtype

    return rule
