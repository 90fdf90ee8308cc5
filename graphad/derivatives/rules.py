"""What the rules of users return, checked: errors name the function and the argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.derivatives.reverse import pull_back
from graphad.errors import DTypeError, GradientError, GraphadError, ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.op import OPS
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable, as_variable


def checked(got: Any, what: str, operand: Variable, label: str) -> Variable | None:
    """`got`, which a rule returned for `operand`, as a Variable of its shape and dtype.

    what: "the gradient of f"; label: "argument 1 ('w')". None means zero, and stays.
    """
    if got is None:
        return None
    try:
        found = as_variable(got)
    except GraphadError as error:
        error.what = f"{what} for {label}: {error.what}"
        raise
    check_type(found.type, what, operand.type, label)
    return found if found.dtype == operand.dtype else found.astype(operand.dtype)


def check_type(got: TensorType, what: str, wanted: TensorType, label: str) -> None:
    """ShapeError or DTypeError unless an array of type `got` may stand for one of type `wanted`.

    Sizes that are not known yet are checked when they are.
    """
    sizes = zip(got.shape, wanted.shape, strict=False)
    clash = any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes)
    if got.ndim != wanted.ndim or clash:
        raise ShapeError(
            f"{what} for {label} has shape {shape_text(got.shape)}",
            cause=f"{label} has shape {shape_text(wanted.shape)}",
            remedy="return an array of that shape; where an axis was broadcast, sum over it",
        )
    if got.dtype.kind == "c" and wanted.dtype.kind != "c":
        raise DTypeError(
            f"{what} for {label} has dtype {got.dtype}",
            cause=f"{label} has dtype {wanted.dtype}",
            remedy="return the real part",
        )


def label_of(position: int, variable: Variable) -> str:
    """An argument in words."""
    return f"argument {position}" + (f" ({variable.name!r})" if variable.name else "")


def transposed(
    linear: Callable[[Sequence[Variable]], Sequence[Variable | None]],
    like: Sequence[Variable],
    weights: Sequence[Variable | None],
) -> list[Variable | None]:
    """Aᵀ·weights of the linear function A, whose arguments are like the variables `like`.

    A is applied to stand-ins, the variables themselves cut off: only their types matter.
    """
    stand_ins = [OPS["stop_gradient"](v) if v.dtype.kind in "fc" else v for v in like]
    starts: dict[Variable, Variable] = {}
    for result, weight in zip(linear(stand_ins), weights, strict=True):
        if result is not None and weight is not None and result.dtype.kind in "fc":
            starts[result] = starts[result] + weight if result in starts else weight
    wanted = [v for v in stand_ins if v.dtype.kind in "fc"]
    found = pull_back(starts, wanted, ()) if starts else {}
    return [found.get(v) for v in stand_ins]


def missing(what: str, alternatives: Sequence[str], where: str = "") -> GradientError:
    """The error for a derivative that nobody declared."""
    listed = "; ".join(f"({i}) {text}" for i, text in enumerate(alternatives, start=1))
    return GradientError(what, remedy=listed, where=where)
