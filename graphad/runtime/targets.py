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


def run(
    execute: Callable[[Sequence[Any]], Sequence[Any]], arrays: Sequence[Any], out: Any,
    variables: Sequence[Variable], shapes: Sequence[Shape],
) -> Sequence[Any]:  # fmt: skip
    """The results for `arrays`, of which some may lie in arrays of `out` already. `variables` are
    those of the results, `shapes` those that the arrays are declared with."""
    offers = _offers(arrays, out, variables, shapes)
    if not offers:
        return execute(arrays)
    with rooms.lent(offers):
        return execute(arrays)


def _offers(
    arrays: Sequence[Any], out: Any, variables: Sequence[Variable], shapes: Sequence[Shape]
) -> dict[int, np.ndarray]:
    """The arrays of `out` that may be written into while results are computed, by the variable.

    None if one of them will be refused. Those that share memory with an argument, or with each
    other, have to wait until all is computed."""
    targets = [out] if isinstance(out, np.ndarray) else tree.flatten(out)[0]
    if len(targets) != len(variables):
        return {}
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
    name: str, outputs: tree.Structure, variables: Sequence[Variable], results: Sequence[Any],
    out: Any,
) -> None:  # fmt: skip
    """Copy results into the arrays of `out`; nothing is written unless all of them fit.

    Raises InputError for other containers, InputShapeError for what is no such array."""
    targets, given = ([out], tree.LEAF) if outputs == tree.LEAF else tree.flatten(out)
    paths = outputs.paths("out")
    if given.paths("out") != paths:
        raise InputError(
            f"out= has the structure {shown(given)}",
            cause=f"the outputs of {name} are {shown(outputs)}",
            remedy="give one array for each output, in the same containers",
        )
    for i, (target, result) in enumerate(zip(targets, results, strict=True)):
        shape, dtype = np.shape(result), variables[i].dtype
        fits = isinstance(target, np.ndarray) and target.shape == shape and target.dtype == dtype
        if not fits or not target.flags.writeable:
            kind = f"{target.dtype}{shape_text(target.shape)}" if isinstance(
                target, np.ndarray) else type(target).__name__  # fmt: skip
            raise InputShapeError(
                f"{paths[i]} is {kind}, a writeable {dtype}{shape_text(shape)} is needed",
                remedy=f"make it with np.empty({shape}, {str(dtype)!r})",
            )
    for target, result in zip(targets, results, strict=True):
        if target is not result:
            np.copyto(target, result)


def shown(structure: tree.Structure) -> str:
    """The containers, as Python writes them."""
    return repr(structure.unflatten(["array"] * structure.leaf_count)).replace("'array'", "array")
