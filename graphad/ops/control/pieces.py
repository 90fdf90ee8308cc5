"""Scans in pieces: steps written one after the other, gradients through the last steps only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.families.branches import switch as choose
from graphad.ir.families.inner import silent
from graphad.ir.families.loopflows import build
from graphad.ir.families.looprun import Layout
from graphad.ir.families.loops import SCAN
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.streams import STATE
from graphad.ir.types import Size
from graphad.ir.variable import Constant, Variable
from graphad.ops.control.bodies import Leaves

Scan = Callable[..., tuple[Any, Any]]


def unrolled(
    scan: Scan, body: Callable[[Any, Any], Any], init: Any, xs: Any, steps: Size, every: int,
    reverse: bool, **keywords: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """A scan whose body makes `every` steps, and the steps that are left."""
    if not isinstance(steps, int):
        raise UseError(
            f"scan: unroll={every} of a loop of unknown length",
            remedy="declare the size of axis 0 as an int, or leave unroll out",
        )
    sequences, start = Leaves(xs, "xs"), Leaves(init, "init")
    init = start.filled(start.variables)
    if not steps:
        return scan(body, init, xs, length=0, reverse=reverse, **keywords)
    rounds = steps // every
    left = range(steps - rounds * every) if reverse else range(rounds * every, steps)

    def take(x: Any, places: Sequence[int], carry: Any) -> tuple[Any, list[Any]]:
        """Steps one after the other; outputs in the order of the rows."""
        made: dict[int, Any] = {}
        leaves = Leaves(x, "x") if sequences.present else None
        for i in reversed(places) if reverse else places:
            row = None if leaves is None else leaves.filled([v[i] for v in leaves.variables])
            carry, made[i] = body(carry, row)
        return carry, [made[i] for i in sorted(made)]

    def chunk(carry: Any, x: Any) -> Any:
        carry, made = take(x, range(every), carry)
        return carry, _stacked(made)

    def middle(carry: Any) -> tuple[Any, Any]:
        at = len(left) if reverse else 0
        parts = [_chunks(v[at : at + rounds * every], rounds, every)
                 for v in sequences.variables]  # fmt: skip
        given = sequences.filled(parts) if sequences.present else None
        carry, ys = scan(chunk, carry, given, length=rounds, reverse=reverse, **keywords)
        found = Leaves(ys, "y")
        return carry, found.filled([_joined(v, rounds * every) for v in found.variables])

    if not rounds:  # all of it is left
        carry, made = take(xs, left, init)
        return carry, _stacked(made)
    carry, ys = middle(init)
    if not len(left):
        return carry, ys
    carry, made = take(xs, left, carry)
    both = [Leaves(_stacked(made), "y"), Leaves(ys, "y")][:: 1 if reverse else -1]
    pairs = zip(both[0].variables, both[1].variables, strict=True)
    return carry, both[0].filled([OPS["concatenate"](list(pair)) for pair in pairs])


def _chunks(v: Variable, rounds: int, every: int) -> Variable:
    found: Variable = OPS["reshape"](v, (rounds, every, *v.shape[1:]))
    return found


def _joined(v: Variable, steps: int) -> Variable:
    found: Variable = OPS["reshape"](v, (steps, *v.shape[2:]))
    return found


def _stacked(made: Sequence[Any]) -> Any:
    """Outputs of several steps along a new axis 0."""
    columns = [Leaves(y, "y") for y in made]
    rows = [OPS["stack"](list(row)) for row in zip(*[c.variables for c in columns], strict=True)]
    return columns[0].filled(rows)


# ---- gradients through the last steps only -----------------------------------------------------
def truncated(
    scan: Scan, body: Callable[[Any, Any], Any], init: Any, xs: Any, steps: Variable, last: int,
    reverse: bool, **keywords: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """A scan in two: the first steps cut off, then the last ones, through which gradients flow."""
    if isinstance(steps, Constant) and int(steps.value) <= last:
        return scan(body, init, xs, length=steps, reverse=reverse, **keywords)
    sequences = Leaves(xs, "xs")
    first = OPS["maximum"](steps - last, 0)
    cut = steps - first if reverse else first  # where the sequences are divided
    before = [v[cut:] if reverse else v[:cut] for v in sequences.variables]
    after = [v[:cut] if reverse else v[cut:] for v in sequences.variables]
    some = bool(sequences.present)
    carry, early = scan(body, init, sequences.filled(before) if some else None, length=first,
                        reverse=reverse, **keywords)  # fmt: skip
    start, reached = Leaves(init, "init"), Leaves(carry, "init")
    pairs = zip(start.variables, reached.variables, strict=True)
    held = start.filled([_held_after(first, v, made) for v, made in pairs])
    carry, late = scan(body, held, sequences.filled(after) if some else None,
                       length=steps - first, reverse=reverse, **keywords)  # fmt: skip
    columns = Leaves(late, "y")
    pairs = zip(Leaves(early, "y").variables, columns.variables, strict=True)
    return carry, columns.filled([_joined_rows(a, b, reverse) for a, b in pairs])


def _held_after(first: Variable, start: Variable, made: Variable) -> Variable:
    """`made` by the steps that are cut off; where there are none, `start` itself."""
    if not made.type.is_float:
        return made
    found: Variable = OPS["stop_gradient"](made)
    return found if isinstance(first, Constant) else OPS["where"](first > 0, found, start)


def _joined_rows(early: Variable, late: Variable, reverse: bool) -> Variable:
    """The rows of early steps, through which no gradient flows, and those of late ones."""
    rows = [_held(early), late]
    joined: Variable = OPS["concatenate"](rows[::-1] if reverse else rows)
    return joined


def _held(v: Variable) -> Variable:
    """The same value, through which no gradient flows."""
    found: Variable = OPS["stop_gradient"](v) if v.type.is_float else v
    return found


def last_steps(
    layout: Layout, graph: Graph, operands: Sequence[Variable], last: int
) -> list[Variable]:
    """The results of a scan with a condition; gradients flow through the `last` steps only.

    How many steps there are is known when the loop has ended. So it runs once without gradients,
    and tells what each step started from; then its last steps are made once more.
    """
    count, made = layout.carries, layout.carries + layout.outputs
    states = graph.inputs[:count]
    telling = Graph(graph.inputs, [*graph.outputs[:made], *states, graph.outputs[-1]])
    whole = build(SCAN, layout.changed(outputs=layout.outputs + count), telling,
                  [_held(v) for v in operands])  # fmt: skip
    steps = whole[-1]
    first = OPS["maximum"](steps - last, 0)
    carries, rows, captured = layout.divide(operands)
    place = steps - 1 - first if layout.backward else first  # what is told is in order of the rows
    starts = _starts(carries, whole[made:-1], first, steps, place)
    total = operands[0]
    after = [v[total - steps : total - first] if layout.backward else v[first:steps] for v in rows]
    again = layout.changed(until=False, count=None if rows else Dim.anonymous())
    body = Graph(graph.inputs, silent(graph.outputs[:-1]))  # effects have happened
    late = build(SCAN, again, body, [steps - first, *starts, *after, *captured])
    cut = steps - first if layout.backward else first
    early = [v[cut:] if layout.backward else v[:cut] for v in whole[count:made]]
    ends = [a if a.type is STATE else b for a, b in zip(whole, late[:count], strict=False)]
    ys = [_joined_rows(a, b, layout.backward) for a, b in zip(early, late[count:], strict=True)]
    return [*ends, *ys, steps]


def _starts(
    carries: Sequence[Variable], told: Sequence[Variable], first: Variable, steps: Variable,
    place: Variable,
) -> list[Variable]:  # fmt: skip
    """What the last steps start from: the carries themselves where these are all steps. A state of
    a generator is never handed on to here: the loop as a whole leaves it where it ends."""
    own = dict(zip(carries, told, strict=True))
    found: dict[Variable, Variable] = {}
    for kept, condition in (([v for v in own if v.type is not STATE], first > 0),
                            ([v for v in own if v.type is STATE], steps > 0)):  # fmt: skip
        if not kept:
            continue
        blank = [v if v.type is not STATE else OPS["zeros"](v.shape, v.dtype) for v in kept]
        reached = [own[v][place] for v in kept]
        branches = [(blank, {v: v for v in kept}),
                    (reached, {v: v for v in (place, *[own[v] for v in kept])})]  # fmt: skip
        found |= dict(zip(kept, choose(condition, branches), strict=True))
    return [found[v] for v in carries]
