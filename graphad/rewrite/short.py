"""Short last axes over which arrays are spread, written out element by element.

    sum(square(a[:, None] - b[None]), -1), of (n, 3) and (m, 3), is
    square(a₀ - b₀) + square(a₁ - b₁) + square(a₂ - b₂)           with aₖ = a[:, k, None]

and the reductions of such a value over its other axes are stacked from those of its parts. Loops
then run along the long axes, with nothing to add up within a vector, and the array of all
differences, three times as large as the result, is never there. It pays where the operands are
smaller than what they are spread to; arrays that have all axes are best read in order. With one
long axis it pays for logarithms of sums of exponentials, where much is computed for each element.

Done once for a whole graph, after everything that recognises a reduction by its operand. Sums are
taken in another order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from graphad.ir.context import in_place_of
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.reduction import Reduction
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Variable, rebuild
from graphad.rewrite.replacing import New, follow

LONGEST = 8  # elements of an axis that is written out
MOST = 400  # nodes that are written for one value
LEAST = 4096  # elements of an array: for fewer the calls cost more than the loops
COMBINE = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum",
           "logsumexp": ""}  # fmt: skip
DTYPES = ("float32", "float64")


def improve(graph: Graph) -> Graph:
    """The graph with such values written out.

    >>> import graphad as ga
    >>> a, b = ga.matrix("a", shape=("n", 2)), ga.matrix("b", shape=("m", 2))
    >>> d = a[:, None] - b[None]
    >>> [n.op.name for n in improve(ga.Graph([a, b], [ga.sum(d * d, axis=-1)])).nodes if (
    ...     n.op.name not in ("getitem", "expand_dims"))]
    ['subtract', 'multiply', 'subtract', 'multiply', 'add']
    """
    parts = _Parts(graph)
    if not parts.islands:
        return graph
    new: New = {}
    for node in graph.nodes:
        island = parts.islands.get(node)
        if island is not None:
            with in_place_of(node):
                island.write(node, new)
            continue
        island = parts.reduced.get(node)
        if island is None:
            follow(node, new)
            continue
        with in_place_of(node):
            made = island.reduce(node)
        made.name = made.name or node.output(0).name
        new[node.output(0)] = made
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs])


def _is_short(shape: Shape) -> bool:
    size = shape[-1] if len(shape) > 1 else 1
    return isinstance(size, int) and 2 <= size <= LONGEST


class _Island:
    """Elementwise nodes of one shape that read each other, and their elements along the last axis:
    `columns` of a value are as many variables with an axis less."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.count = shape, int(shape[-1])
        self.nodes: list[Apply] = []
        self.columns: dict[Variable, list[Variable]] = {}

    def write(self, node: Apply, new: New) -> None:
        operands = [self._of(v, new) for v in node.inputs]
        self.columns[node.output(0)] = [
            rebuild(node, tuple(row)).output(0) for row in zip(*operands, strict=True)
        ]

    def _of(self, variable: Variable, new: New) -> Sequence[Variable]:
        if variable not in self.columns:
            self.columns[variable] = _columns(new.get(variable, variable), self.count)
        return self.columns[variable]

    def reduce(self, node: Apply) -> Variable:
        """What stands for a reduction of a value."""
        columns, last = self.columns[node.inputs[0]], len(self.shape) - 1
        axes, keep = node.op.params["axis"], node.op.params["keepdims"]
        others = tuple([a for a in axes if a != last])
        if others:
            params = {**node.op.params, "axis": others}
            columns = [node.op.family(c, **params) for c in columns]  # type: ignore[operator]
        if last not in axes:
            place = columns[0].ndim
            stacked: Variable = OPS["concatenate"](
                [OPS["expand_dims"](c, axis=(place,)) for c in columns], axis=place
            )
            return stacked
        op = COMBINE[node.op.name]
        whole: Variable = functools.reduce(OPS[op], columns) if op else _log_sum(columns)
        return OPS["expand_dims"](whole, axis=(whole.ndim,)) if keep else whole


def _log_sum(columns: Sequence[Variable]) -> Variable:
    """log Σ exp of them, computed as `logsumexp` does it, digits and infinities alike."""
    add, dtype = OPS["add"], columns[0].dtype
    most = np.finfo(dtype).max
    top = functools.reduce(OPS["maximum"], columns)
    top = OPS["maximum"](OPS["minimum"](top, most), -most)
    below = [c - top for c in columns]
    at_top = [OPS["equal"](d, 0).astype(dtype) for d in below]
    terms = [OPS["exp"](d) - one for d, one in zip(below, at_top, strict=True)]
    others = functools.reduce(add, at_top) - 1
    whole: Variable = OPS["log1p"](functools.reduce(add, terms) + others) + top
    return whole


def _columns(variable: Variable, count: int) -> list[Variable]:
    """Its elements along the last axis; of axes that were inserted they are taken out before."""
    if variable.ndim == 0:
        return [variable] * count
    owner, last = variable.owner, variable.ndim - 1
    if variable.type.shape[last] == 1:
        if (
            owner is not None
            and owner.op.name == "expand_dims"
            and (owner.op.params["axis"] == (last,))
        ):
            return [owner.inputs[0]] * count
        return [OPS["squeeze"](variable, axis=(last,))] * count
    if owner is not None and owner.op.name == "expand_dims":
        axes = owner.op.params["axis"]
        inner = _columns(owner.inputs[0], count)
        return [OPS["expand_dims"](c, axis=axes) for c in inner]
    return [variable[..., k] for k in range(count)]


class _Parts:
    """The islands of a graph for which it pays, by their nodes, and the reductions of them."""

    def __init__(self, graph: Graph) -> None:
        self.islands: dict[Apply, _Island] = {}
        self.reduced: dict[Apply, _Island] = {}
        found: dict[Apply, _Island] = {}
        for node in graph.nodes:
            if _takes_part(node):
                self._place(node, found)
        if not found:
            return
        spoilt = {found[v.owner] for v in graph.outputs if v.owner in found}
        reduced: dict[Apply, _Island] = {}
        for node in graph.nodes:
            for variable in node.inputs:
                island = found.get(variable.owner) if variable.owner is not None else None
                if island is None or found.get(node) is island:
                    continue
                if _reduces(node):
                    reduced[node] = island
                else:
                    spoilt.add(island)
        used = {i for n, i in reduced.items() if len(i.shape) > 2 or n.op.name == "logsumexp"}
        fine = {i for i in dict.fromkeys(found.values()) if i in used and i not in spoilt
                and _pays(i, found)}  # fmt: skip
        self.islands = {node: i for node, i in found.items() if i in fine}
        self.reduced = {node: i for node, i in reduced.items() if i in fine}

    def _place(self, node: Apply, found: dict[Apply, _Island]) -> None:
        """Into the island of its operands; several become one."""
        shape = node.types[0].shape
        near = dict.fromkeys(
            found[v.owner] for v in node.inputs
            if v.owner is not None and v.owner in found and found[v.owner].shape == shape
        )  # fmt: skip
        first, *others = sorted(near, key=lambda i: -len(i.nodes)) or [_Island(shape)]
        for other in others:
            first.nodes += other.nodes
            found.update(dict.fromkeys(other.nodes, first))
        first.nodes.append(node)
        found[node] = first


def _takes_part(node: Apply) -> bool:
    return (isinstance(node.op.family, Elementwise) and len(node.types) == 1
            and _is_short(node.types[0].shape) and not node.op.family.is_view)  # fmt: skip


def _reduces(node: Apply) -> bool:
    return (isinstance(node.op.family, Reduction) and node.op.name in COMBINE
            and len(node.inputs) == 1 and node.types[0].dtype == node.inputs[0].dtype
            and node.types[0].dtype.name in DTYPES)  # fmt: skip


def _pays(island: _Island, found: dict[Apply, _Island]) -> bool:
    """Is the value large, and larger than each operand, of which one has the short axis?"""
    if len(island.nodes) * island.count > MOST:
        return False
    *long, short = island.shape
    if all(isinstance(size, int) for size in long) and math.prod(island.shape) < LEAST:
        return False
    some = False
    for node in island.nodes:
        for variable in node.inputs:
            if variable.owner is not None and found.get(variable.owner) is island:
                continue
            shape = variable.type.shape
            if shape[-1:] != (short,):
                continue
            some = True
            if shape[-len(long) - 1 : -1] == tuple(long):
                return False
    return some
