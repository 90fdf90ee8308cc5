"""Pieces of the batching rules: operands that are stacks of rows along a new axis 0.

A rule is a method `batch` of a family (see `Family.batch`): it gets the operands, of which some
are stacks, and builds the same op once, for all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.ir import dims
from graphad.ir.op import OPS
from graphad.ir.types import Size
from graphad.ir.variable import Apply, Variable


def lifted(x: Variable, ndim: int) -> Variable:
    """A stack of rows, as a stack of rows with `ndim` axes: (b, …) to (b, 1, …, 1, …)."""
    missing = ndim + 1 - x.ndim
    found: Variable = OPS["expand_dims"](x, tuple(range(1, missing + 1))) if missing > 0 else x
    return found


def aligned(
    node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
) -> tuple[Variable, ...]:
    """The operands of a node that broadcasts them, so that the new axis 0 stays apart."""
    ndim = max([v.ndim for v in node.inputs])
    return tuple([lifted(v, ndim) if b else v for v, b in zip(operands, batched, strict=True)])


def stack_size(operands: Sequence[Variable], batched: Sequence[bool]) -> Any:
    """The number of rows, as an entry of ``x.shape``."""
    return next(v.shape[0] for v, b in zip(operands, batched, strict=True) if b)


def size_operand(size: Any) -> tuple[Size, list[Variable]]:
    """A number of rows as the parameter of an op, and the operand that it takes if unknown."""
    if isinstance(size, int):
        return size, []
    return size.with_origin(None), [dims.to_variable(size)]


def spread(x: Variable, size: Any) -> Variable:
    """A stack of `size` equal rows."""
    found: Variable = OPS["broadcast_to"](x, (size, *x.shape))
    return found


def stacks(operands: Sequence[Variable], batched: Sequence[bool]) -> list[Variable]:
    """All operands as stacks."""
    size = stack_size(operands, batched)
    return [v if b else spread(v, size) for v, b in zip(operands, batched, strict=True)]


def shifted(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters whose axes count the new axis 0 as well."""
    found = dict(params)
    for name in ("axis", "axes"):
        given = found.get(name)
        if isinstance(given, tuple):
            found[name] = tuple([a + (a >= 0) for a in given])
        elif given is not None:
            found[name] = given + (given >= 0)
    return found
