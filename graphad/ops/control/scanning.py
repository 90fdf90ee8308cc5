"""`scan`: a loop with a carry, over sequences or for a number of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphad.errors import ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.families.inner import enclose
from graphad.ir.families.loopflows import build, settled
from graphad.ir.families.looprun import Layout
from graphad.ir.families.loops import SCAN
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.streams import Body as Inside
from graphad.ir.types import Size
from graphad.ir.variable import Variable, as_variable, describe, located
from graphad.ops.control.bodies import (
    Leaves,
    check_count,
    check_function,
    checked_policy,
    inside,
    length_variable,
    place_of,
    sizes_agree,
)
from graphad.ops.control.taps import History

Body = Callable[[Any, Any], Any]
PIECES = "ops.control.pieces"  # few loops are made of several


@located
def scan(
    body: Body,
    init: Any,
    xs: Any = None,
    *,
    length: Any = None,
    reverse: bool = False,
    taps: Mapping[str, Sequence[int]] | None = None,
    until: Callable[..., Any] | None = None,
    checkpoint: Any = None,
    unroll: int = 1,
    truncate: int | None = None,
) -> tuple[Any, Any]:
    """A loop: ``carry, y = body(carry, x)`` for each row `x` of `xs`; returns (carry, ys).

    body      function of the carry and of one row of `xs` (None without `xs`); it is called once,
              to build its graph, and returns (new carry, y). y is a container, or None
    init      container of Variables or values: the carry before the first step. The carry keeps
              its structure, dtypes and shapes
    xs        container of arrays (n, …), visited along axis 0; None: `length` says how often
    length    number of steps: an int, a size such as ``x.shape[0]``, an integer Variable
    reverse   visit the rows from the last to the first; ys[i] still belongs to xs[i]
    taps      {"h": (-1, -2)}: entry "h" of the carry is read at several earlier steps.
              ``init["h"]`` is (k, …), the last k values, oldest first, with k the farthest step
              back; the body gets ``carry["h"]`` as a tuple in the order of the taps, and returns
              the new value
    until     function of (new carry, y) that gives a scalar bool: true ends the loop after this
              step. ys then has as many rows as there were steps
    checkpoint  what reverse mode keeps of the forward pass: None or "all" what it reads of every
              step; else carries at some steps, the others are computed anew: "none" (the first
              only), an int k (every k-th), "sqrt" (every √n-th), ("slots", s) (binomial, at
              most s at a time), ("bytes", b) (as many as fit)
    unroll    how many steps are written one after the other in the body; the length must be
              known. Results are the same; loops with `until` or `taps` are left as they are
    truncate  derivatives go through the last so many steps only (in the order of the loop): what
              the carry was before them, and ys of earlier steps, are constants; `init` is not if
              there are no earlier steps. With `until`, the last steps before the loop ended: they
              are made twice, and carries of all steps are recorded

    Returns the carry after the last step, in the structure of `init`, and the y of all steps
    stacked along a new axis 0. Variables that `body` uses without getting them are operands too;
    what depends on nothing else is computed once, before the loop. Derivatives, forward and
    backward, of any order, are scans again.

    Raises DTypeError, ShapeError or GraphError for a carry that changes, naming its path, both
    types, and the file and line of the body; ShapeError for sequences of different lengths and
    for negative lengths; UseError for what is no function.

    >>> import graphad as ga
    >>> a, xs = ga.scalar("a"), ga.vector("xs")
    >>> last, ys = ga.scan(lambda c, x: (a * c + x, c), 0.0, xs)
    >>> f = ga.function([a, xs], [last, ys, ga.grad(last, a)])
    >>> f(0.5, [1.0, 2.0, 4.0])
    [np.float64(5.25), array([0. , 1. , 2.5]), np.float64(3.0)]
    """
    check_function(body, "scan: body")
    where = place_of(body)
    start, sequences = Leaves(init, "init"), Leaves(xs, "xs")
    steps, count = _length(sequences, length)
    if until is not None:
        check_function(until, "scan: until")
    if check_count("unroll", unroll) > 1 and (until is not None or taps is not None):
        unroll = 1
    if unroll > 1 or (truncate is not None and until is None):
        return _in_pieces(body, init, xs, steps, count, reverse, taps, checkpoint, unroll,
                          truncate)  # fmt: skip
    history = History(start, taps)
    state = [inside(v, p) for p, v in history.operands]
    rows = [inside(v, p, v.type.with_shape(v.type.shape[1:])) for p, v in sequences.present]
    row = sequences.filled(rows) if sequences.present else None
    with Inside() as drawn:
        result = body(history.given(state), row)
    if not isinstance(result, tuple) or len(result) != 2:
        raise UseError(
            f"scan: the body returned {type(result).__name__}",
            cause="it returns two things, the new carry and the output of the step",
            remedy="write `return carry, y`, or `return carry, None`",
            where=where,
        )
    new, ys = Leaves(result[0], "init"), Leaves(result[1], "y")
    carried = history.taken(new, state, where)
    with drawn:
        stop = [] if until is None else [_stop(until, result, place_of(until))]
    outputs = [*carried, *drawn.last, *ys.variables, *stop]
    operands = [*[v for _, v in history.operands], *drawn.outside(),
                *[v for _, v in sequences.present]]  # fmt: skip
    pairs = dict(zip([*state, *drawn.given, *rows], operands, strict=True))
    graph, given = enclose(outputs, pairs, inside=drawn.effects)
    carries = len(state) + len(drawn.given)
    layout = Layout(
        carries, len(rows), len(ys.variables), until is not None, bool(reverse),
        count=Dim.anonymous() if until is not None else None if rows else count,
        keep=checked_policy(checkpoint, "scan"),
    )  # fmt: skip
    head = [steps] if until is None else [steps, as_variable(True)]
    graph = settled(graph, carries, given)
    results: Sequence[Variable]
    if truncate is None:
        results = build(SCAN, layout, graph, [*head, *given])
    else:
        last = check_count("truncate", truncate)
        results = hooks.load(PIECES).last_steps(layout, graph, [*head, *given], last)
    final = history.final(results[: len(state)])
    drawn.leave(results[len(state) : carries])
    stacked = results[carries : carries + len(ys.variables)]
    return final, ys.filled(stacked)


def _in_pieces(
    body: Body, init: Any, xs: Any, steps: Variable, count: Size, reverse: bool, taps: Any,
    checkpoint: Any, unroll: int, truncate: int | None,
) -> tuple[Any, Any]:  # fmt: skip
    """Loops with `unroll` or `truncate`, made of plain ones."""
    pieces = hooks.load(PIECES)
    if truncate is None:
        made = pieces.unrolled(
            scan, body, init, xs, count, unroll, reverse, checkpoint=checkpoint
        )  # fmt: skip
    else:
        last = check_count("truncate", truncate)
        made = pieces.truncated(scan, body, init, xs, steps, last, reverse, taps=taps,
                                checkpoint=checkpoint, unroll=unroll)  # fmt: skip
    carry, ys = made
    return carry, ys


def _stop(until: Callable[..., Any], result: Any, where: str) -> Variable:
    """The bool that says to go on."""
    found = as_variable(until(*result))
    if found.ndim:
        raise ShapeError(
            f"scan: until returned {found.type}, not a scalar bool",
            remedy="reduce it with .all() or .any()",
            where=where,
        )
    going: Variable = OPS["logical_not"](found)
    return going


def _length(sequences: Leaves, length: Any) -> tuple[Variable, Size]:
    """The number of steps as a variable and as a size; ShapeError where lengths differ."""
    found: list[tuple[str, Size]] = []
    for path, v in sequences.present:
        if not v.ndim:
            raise ShapeError(
                f"scan: {path} is {v.type}, a scalar", cause=describe(v),
                remedy="a sequence has its steps along axis 0; what is the same at every step is "
                "used in the body as it is",
            )  # fmt: skip
        found.append((path, v.type.shape[0]))
    if length is not None:
        found.append(("length", length_variable(length, "scan: length")[1]))
    if not found:
        raise UseError(
            "scan without xs and without length", remedy="give length=…, or sequences xs"
        )
    for path, size in found[1:]:
        if not sizes_agree(found[0][1], size):
            raise ShapeError(
                f"scan: {found[0][0]} has {found[0][1]} steps, {path} has {size}",
                remedy="give sequences of one length (axis 0), and the same length= or none",
            )
    if length is not None:
        return length_variable(length, "scan: length")
    first = sequences.present[0][1]
    return length_variable(first.shape[0], "scan: length")
