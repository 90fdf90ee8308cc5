"""How a scan divides its operands, and the plain loop that runs it.

The loop is the reference: it calls the body once for each step. Compiled programs write the same
loop around the body's own statements, see `codegen.scanned`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import ConvergenceError, ShapeError
from graphad.ir.dims import Atom
from graphad.ir.evaluate import match_sizes
from graphad.ir.graph import Graph
from graphad.ir.types import Size
from graphad.ir.variable import Variable

Run = Callable[[Sequence[Any]], Sequence[Any]]
ENDLESS = 2**62  # the length of a loop that only its condition ends


class Layout:
    """How the operands and results of a scan are divided.

    carries, rows: how many carries and sequences; `outputs`: how many results are stacked.
    until: does the graph say whether to go on? Then `start` says whether to begin.
    backward: are the rows visited from the last to the first?
    strict: is it an error when `length` steps were not enough?
    count: the size of axis 0 of the stacked results; None: that of the sequences.
    keep: what reverse mode keeps of the forward pass: "all", or a policy (see `policies`).
    """

    def __init__(
        self, carries: int, rows: int, outputs: int, until: bool = False, backward: bool = False,
        strict: bool = False, count: Size | None = None, keep: Any = "all",
    ) -> None:  # fmt: skip
        self.carries, self.rows, self.outputs = carries, rows, outputs
        self.until, self.backward, self.strict = until, backward, strict
        self.count, self.keep = count, keep

    def changed(self, **parts: Any) -> Layout:
        """The same with some parts replaced."""
        return Layout(**{**self.params(), **parts})

    @property
    def first(self) -> int:
        """The position of the first carry among the operands."""
        return 2 if self.until else 1

    def divide(self, items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """(carries, sequences, captured) of the operands."""
        a = self.first
        b = a + self.carries
        c = b + self.rows
        return list(items[a:b]), list(items[b:c]), list(items[c:])

    def params(self) -> dict[str, Any]:
        """As parameters of an op."""
        return dict(self.__dict__)


def layout_of(params: Mapping[str, Any]) -> Layout:
    """The layout in the parameters of an op."""
    return Layout(**{key: value for key, value in params.items() if key != "graph"})


# ---- the plain loop --------------------------------------------------------------------------
def run_scan(layout: Layout, graph: Graph, arrays: Sequence[Any], run: Run) -> list[Any]:
    """The results of a scan; `run` computes the body's outputs from its inputs."""
    length = checked_length(layout, graph, arrays)
    carry, rows, captured = layout.divide(arrays)
    going = bool(arrays[1]) if layout.until else True
    stacks: list[list[Any]] = [[] for _ in range(layout.outputs)]
    last = layout.carries + layout.outputs
    done = 0
    while done < length and going:
        i = length - 1 - done if layout.backward else done
        results = run([*carry, *[row[i] for row in rows], *captured])
        carry = list(results[: layout.carries])
        for stack, result in zip(stacks, results[layout.carries : last], strict=True):
            stack.append(result)
        going = bool(results[-1]) if layout.until else True
        done += 1
    if layout.strict and going:
        raise too_long(length)
    if not done:
        carry = [np.array(c)[()] for c in carry]
        stacked = empty_stacks(layout, graph, arrays, run)
    else:
        stacked = [np.stack(s[::-1] if layout.backward else s) for s in stacks]
    return [*carry, *stacked, *([np.int64(done)] if layout.until else [])]


def checked_length(layout: Layout, graph: Graph, arrays: Sequence[Any]) -> int:
    """How many steps the operands ask for; ShapeError where they contradict each other."""
    length = int(arrays[0])
    if length < 0:
        raise ShapeError(
            f"scan: the length is {length}", remedy="a length is 0 or larger; check what gives it"
        )
    _, rows, _ = layout.divide(arrays)
    for variable, row in zip(graph.inputs[layout.carries :], rows, strict=False):
        if len(row) != length:
            raise ShapeError(
                f"scan: {variable.name or 'a sequence'} has {len(row)} rows, "
                f"the loop has {length} steps",
                remedy="give sequences of one length (axis 0), and no other length=",
            )
    return length


def too_long(length: int) -> ConvergenceError:
    """The error of a loop whose condition still holds after `length` steps."""
    return ConvergenceError(
        f"while_loop: the condition still holds after max_steps={length} steps",
        remedy="raise max_steps, or look at why the condition never fails",
    )


def empty_stacks(layout: Layout, graph: Graph, arrays: Sequence[Any], run: Run) -> list[Any]:
    """The stacked results of a loop without steps: sizes come from types, or from one dry step."""
    wanted = graph.outputs[layout.carries : layout.carries + layout.outputs]
    inside = _first_step(layout, arrays)
    sizes: dict[Atom, int] = {}
    seen: dict[Size, int] = {}
    for variable, value in zip(graph.inputs, inside, strict=True):
        match_sizes(variable.type, np.asarray(value), sizes, "an operand")
        seen.update(zip(variable.type.shape, np.shape(value), strict=True))
    shapes = [_shape(v, sizes, seen) for v in wanted]
    if any(shape is None for shape in shapes):
        results = run(inside)[layout.carries : layout.carries + layout.outputs]
        shapes = [np.shape(result) for result in results]
    return [np.empty((0, *shape), v.dtype) for shape, v in zip(shapes, wanted, strict=True)]  # type: ignore[misc]


def _first_step(layout: Layout, arrays: Sequence[Any]) -> list[Any]:
    """Inputs of the body, with zeros where there is no row."""
    carry, rows, captured = layout.divide(arrays)
    blank = [np.zeros(row.shape[1:], row.dtype) for row in rows]
    return [*carry, *blank, *captured]


def _shape(
    variable: Variable, sizes: Mapping[Atom, int], seen: Mapping[Size, int]
) -> tuple[int, ...] | None:
    """The shape, from the atoms of sizes, and from sizes that operands have as a whole."""
    found = []
    for size in variable.type.shape:
        if isinstance(size, int):
            found.append(size)
        elif size in seen:
            found.append(seen[size])
        elif size.atoms() <= sizes.keys():
            found.append(size.evaluate(sizes))
        else:
            return None
    return tuple(found)
