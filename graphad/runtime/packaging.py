"""Results → the container that the user declared, by one expression written once.

For outputs ``(loss, {"w": dw})`` the expression is ``(r0, {k0: r1})``: evaluating it costs a
fraction of walking the structure at every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphad import tree

Pack = Callable[..., Any]
LEAVES, DEPTH = 200, 20  # of an expression; larger containers are rebuilt by walking them


def packer(structure: tree.Structure, leaves: Sequence[str]) -> Pack:
    """A function of the results, one argument each, that builds the container; more are ignored.

    `leaves` are expressions of r0, r1, …, as `as_array` and `as_number` write them. Keys of
    dictionaries are bound objects, never source.

    >>> _, structure = tree.flatten({"loss": 0, "grads": [1, 2]})
    >>> packer(structure, ["r0", "r1", "as_float(r2)"])([3, 4], 5, 1.5, "more")
    {'loss': np.float64(1.5), 'grads': [[3, 4], 5]}
    """
    bound: dict[str, Any] = {
        "ndarray": np.ndarray, "as_float": np.float64, "as_bool": np.bool_,
        "unflatten": structure.unflatten,
    }  # fmt: skip
    short = structure.leaf_count <= LEAVES
    text = _expression(structure, iter(leaves), bound, DEPTH) if short else None
    if text is None:
        text = f"unflatten([{', '.join(leaves)}])"
    names = "".join([f"r{i}, " for i in range(len(leaves))])
    function: Pack = eval(
        compile(f"lambda {names}*rest: {text}", "<graphad packer>", "eval"), bound
    )
    return function


def packed(structure: tree.Structure, count: int, *results: Any) -> Any:
    """The container of the first `count` results, which are arrays, by walking it.

    >>> packed(tree.flatten([0, [1]])[1], 2, np.ones(()), np.ones(2), np.ones(3))
    [np.float64(1.0), [array([1., 1.])]]
    """
    return structure.unflatten([r if r.ndim else r[()] for r in results[:count]])


def as_array(i: int, ndim: int) -> str:
    """The result of a program on arrays; of rank 0, a NumPy scalar."""
    return f"r{i}" if ndim else f"(r{i}[()] if type(r{i}) is ndarray else r{i})"


def as_number(i: int, dtype: np.dtype) -> str:
    """The result of a program on floats, as a NumPy scalar."""
    return f"as_bool(r{i})" if dtype == np.bool_ else f"as_float(r{i})"


def _expression(
    structure: tree.Structure, leaves: Iterator[str], bound: dict[str, Any], depth: int
) -> str | None:
    """Source for lists, tuples and plain dictionaries; None where other containers occur."""
    if structure.kind is None:
        return next(leaves)
    if structure.kind not in (list, tuple, dict) or not depth:
        return None
    parts = [_expression(child, leaves, bound, depth - 1) for child in structure.children]
    if None in parts:
        return None
    if structure.kind is list:
        return f"[{', '.join(parts)}]"  # type: ignore[arg-type]
    if structure.kind is tuple:
        return f"({''.join([f'{part}, ' for part in parts])})"
    texts = dict(zip(structure.keys, parts, strict=True))
    items = []
    for key in structure.order:
        name = f"k{len(bound)}"
        bound[name] = key
        items.append(f"{name}: {texts[key]}")
    return f"{{{', '.join(items)}}}"
