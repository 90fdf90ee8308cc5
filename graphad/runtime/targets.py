"""`out=`: results are written into given arrays, all of them or none.

Where nothing can go wrong any more, the last kernel of a program writes there itself: `offered`
lends the arrays to `rooms` for the length of a call. The others are copied at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.codegen import rooms
from graphad.errors import InputError, InputShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.types import Shape
from graphad.ir.variable import Variable
from graphad.runtime.arguments import Parameter


def listed(name: str, outputs: tree.Structure, out: Any) -> list[Any]:
    """What is given for each output of a function; InputError for other containers."""
    if outputs == tree.LEAF:
        return [out]
    targets, given = tree.flatten(out)
    paths = outputs.paths("out")
    if given.paths("out") != paths:
        raise InputError(
            f"out= has the structure {shown(given)}",
            cause=f"the outputs of {name} are {shown(outputs)}",
            remedy="give one array for each output, in the same containers",
        )
    return targets


def run(
    execute: Callable[[Sequence[Any]], Sequence[Any]], arrays: Sequence[Any],
    targets: Sequence[Any], variables: Sequence[Variable], parameters: Sequence[Parameter],
) -> Sequence[Any]:  # fmt: skip
    """The results for `arrays`, of which some may lie in `targets` already. `variables` are those
    of the results, `parameters` those of the first arrays."""
    for target in targets:
        if getattr(target, "nbytes", 0) >= rooms.LENT:
            offers = _offers(arrays, targets, variables, [p.type.shape for p in parameters])
            if not offers:
                break
            with rooms.lent(offers):
                return execute(arrays)
    return execute(arrays)


def _offers(
    arrays: Sequence[Any], targets: Sequence[Any], variables: Sequence[Variable],
    shapes: Sequence[Shape],
) -> dict[int, np.ndarray]:  # fmt: skip
    """The targets that may be written into while results are computed, by the variable.

    None if one of them will be refused. Those that share memory with an argument, or with each
    other, have to wait until all is computed."""
    known = dict(zip(shapes, arrays, strict=False))
    found: dict[int, np.ndarray] = {}
    for target, variable in zip(targets, variables, strict=True):
        if type(target) is not np.ndarray or target.dtype != variable.dtype:
            return {}
        if len(targets) > 1:  # its shape must be known now
            shape = variable.type.shape
            given = np.shape(known[shape]) if shape in known else shape
            if target.shape != given or not target.flags.writeable:
                return {}
        if target.nbytes >= rooms.LENT and target.flags.carray:
            found[id(variable)] = target
    others = [a for a in (*arrays, *targets) if isinstance(a, np.ndarray)]
    for key, target in list(found.items()):
        if sum([np.may_share_memory(target, other) for other in others]) > 1:  # with itself: 1
            del found[key]
    return found


def write(
    outputs: tree.Structure, variables: Sequence[Variable], results: Sequence[Any],
    targets: Sequence[Any],
) -> None:  # fmt: skip
    """Copy results into the targets; nothing is written unless all of them fit.

    Raises InputShapeError for what is no such array."""
    for i, (target, result) in enumerate(zip(targets, results, strict=True)):
        shape, dtype = np.shape(result), variables[i].dtype
        fits = isinstance(target, np.ndarray) and target.shape == shape and target.dtype == dtype
        if not fits or not target.flags.writeable:
            kind = f"{target.dtype}{shape_text(target.shape)}" if isinstance(
                target, np.ndarray) else type(target).__name__  # fmt: skip
            raise InputShapeError(
                f"{outputs.paths('out')[i]} is {kind}, a writeable {dtype}{shape_text(shape)} is "
                "needed",
                remedy=f"make it with np.empty({shape}, {str(dtype)!r})",
            )
    for target, result in zip(targets, results, strict=True):
        if target is not result:
            np.copyto(target, result)


def shown(structure: tree.Structure) -> str:
    """The containers, as Python writes them."""
    return repr(structure.unflatten(["array"] * structure.leaf_count)).replace("'array'", "array")
