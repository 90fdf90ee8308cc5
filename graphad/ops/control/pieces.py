"""Scans in pieces: steps written one after the other, gradients through the last steps only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.errors import UseError
from graphad.ir.op import OPS
from graphad.ir.types import Size
from graphad.ir.variable import Variable
from graphad.ops.control.bodies import Leaves

Scan = Callable[..., tuple[Any, Any]]


def check_count(what: str, value: Any) -> int:
    """A positive int."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UseError(f"scan: {what}={value!r}", remedy="give a positive int")
    return value


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


def truncated(
    scan: Scan, body: Callable[[Any, Any], Any], init: Any, xs: Any, steps: Variable, last: int,
    reverse: bool, **keywords: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """A scan in two: the first steps cut off, then the last ones, through which gradients flow."""
    sequences = Leaves(xs, "xs")
    first = OPS["maximum"](steps - last, 0)
    cut = steps - first if reverse else first  # where the sequences are divided
    before = [v[cut:] if reverse else v[:cut] for v in sequences.variables]
    after = [v[:cut] if reverse else v[cut:] for v in sequences.variables]
    some = bool(sequences.present)
    carry, early = scan(body, init, sequences.filled(before) if some else None, length=first,
                        reverse=reverse, **keywords)  # fmt: skip
    held = _held(carry)
    carry, late = scan(body, held, sequences.filled(after) if some else None,
                       length=steps - first, reverse=reverse, **keywords)  # fmt: skip
    both = [Leaves(_held(early), "y"), Leaves(late, "y")][:: -1 if reverse else 1]
    pairs = zip(both[0].variables, both[1].variables, strict=True)
    return carry, both[0].filled([OPS["concatenate"](list(pair)) for pair in pairs])


def _held(container: Any) -> Any:
    """The same values, through which no gradient flows."""
    leaves = Leaves(container, "init")
    return leaves.filled([
        OPS["stop_gradient"](v) if v.type.is_float else v for v in leaves.variables
    ])  # fmt: skip
