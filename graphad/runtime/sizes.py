"""Sizes of the arguments of a call: what they must be, and that they agree, checked at entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from graphad.errors import NEVER_STRETCHED, InputShapeError
from graphad.ir.dims import Atom, Dim
from graphad.runtime.arguments import Parameter, called

if TYPE_CHECKING:
    from graphad.runtime.joined import Joined


class SizeChecks:
    """Sizes that the arguments must have, and that must agree between them."""

    def __init__(self, parameters: Sequence[Parameter], joined: Iterable[Joined] = ()) -> None:
        self.parameters = parameters
        self.fixed: list[tuple[int, int, int]] = []
        self.equal: list[tuple[int, int, int, int]] = []
        self.derived: list[tuple[int, int, Dim]] = []
        self.first: dict[Dim, tuple[int, int]] = {}
        for i, parameter in enumerate(parameters):
            for axis, size in enumerate(parameter.shape):
                if isinstance(size, int):
                    if parameter.exact is None:
                        self.fixed.append((i, axis, size))
                elif size in self.first:
                    self.equal.append((i, axis, *self.first[size]))
                else:
                    self.first[size] = (i, axis)
        self.bases = {d.terms[0][0][0]: at for d, at in self.first.items() if _is_base(d)}
        known = self.bases.keys()
        for dim, (i, axis) in self.first.items():
            if not _is_base(dim) and dim.atoms() <= known:
                self.derived.append((i, axis, dim))
        self.met = [
            (*self.first[pair.named], pair)
            for pair in joined
            if pair.named in self.first and pair.other.atoms() <= known
        ]
        self.needed = bool(self.fixed or self.equal or self.derived or self.met)

    def check(self, arrays: Sequence[Any]) -> None:
        """Raise InputShapeError for the first size that does not fit."""
        if not self.needed:
            return
        for i, axis, size in self.fixed:
            if arrays[i].shape[axis] != size:
                raise self.parameters[i]._wrong_shape(arrays[i])
        for i, axis, j, other in self.equal:
            if arrays[i].shape[axis] != arrays[j].shape[other]:
                raise self._differ(arrays, i, axis, j, other)
        for i, axis, dim in self.derived:
            wanted = dim.evaluate(self._known(arrays))
            if arrays[i].shape[axis] != wanted:
                raise InputShapeError(
                    f"{called(self.parameters[i].label)} has size {arrays[i].shape[axis]} along "
                    f"axis {axis}, {dim} = {wanted} is expected",
                    remedy="pass arrays whose sizes belong together",
                )
        for i, axis, pair in self.met:
            wanted, found = arrays[i].shape[axis], pair.other.evaluate(self._known(arrays))
            if found not in (wanted, 1):
                raise self._clash(pair, wanted, found)

    def _known(self, arrays: Sequence[Any]) -> dict[Atom, int]:
        return {atom: arrays[i].shape[axis] for atom, (i, axis) in self.bases.items()}

    def _clash(self, pair: Joined, wanted: int, found: int) -> InputShapeError:
        return InputShapeError(
            f"the size '{pair.named}' is {wanted}, but {pair.op} joins it with a size of {found}",
            cause=NEVER_STRETCHED,
            remedy="give arrays whose sizes agree, or declare the size as None",
            where=pair.where,
        )

    def _differ(
        self, arrays: Sequence[Any], i: int, axis: int, j: int, other: int
    ) -> InputShapeError:
        first, second = self.parameters[j], self.parameters[i]
        name = second.shape[axis]
        return InputShapeError(
            f"the size '{name}' is {arrays[j].shape[other]} in {called(first.label)} "
            f"(axis {other}) but {arrays[i].shape[axis]} in {called(second.label)} (axis {axis})",
            cause="a named size is the same everywhere in a graph",
            remedy="pass arrays that agree, or give the axes different names",
        )


def _is_base(dim: Dim) -> bool:
    """Is this one name or one unknown size, not computed from others?"""
    return dim.is_atom and dim.atoms() == {dim.terms[0][0][0]}
