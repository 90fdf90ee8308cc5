"""Sizes that must agree, and are known only when something has been computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.errors import NEVER_STRETCHED, ShapeError
from graphad.ir.families.effects import Effect
from graphad.ir.variable import Variable


def agreeing(x: Variable, checks: Sequence[tuple[Variable, Variable, str, str, str]]) -> Variable:
    """`x`, if the sizes agree: (that of the name, the other, the name, who joins them, where).

    Raises ShapeError in the call when they do not.
    """
    sizes = [size for check in checks for size in check[:2]]
    told = tuple([check[2:] for check in checks])
    return _agreeing.place([x, *sizes], told=told)


def _compare(arrays: Sequence[Any], params: Mapping[str, Any]) -> None:
    for i, (name, op, where) in enumerate(params["told"]):
        wanted, found = int(arrays[2 * i + 1]), int(arrays[2 * i + 2])
        if found not in (wanted, 1):
            raise ShapeError(
                f"the size '{name}' is {wanted}, but {op} joins it with a size of {found}",
                cause=NEVER_STRETCHED,
                remedy="give arrays whose sizes agree, or declare the size as None",
                where=where,
            )


_agreeing = Effect("agreeing", _compare, "told", whole=True)
_agreeing.is_check = True
