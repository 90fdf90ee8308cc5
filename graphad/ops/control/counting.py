"""`while_loop` and `fori_loop`: loops with a carry and without sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.errors import ShapeError
from graphad.ir.dims import Dim
from graphad.ir.families.inner import enclose
from graphad.ir.families.loopflows import build, settled
from graphad.ir.families.looprun import ENDLESS, Layout
from graphad.ir.families.loops import SCAN
from graphad.ir.op import OPS
from graphad.ir.streams import Body
from graphad.ir.types import Size
from graphad.ir.variable import Variable, as_variable, located
from graphad.ops.control.bodies import (
    Leaves,
    check_function,
    check_structure,
    checked_policy,
    fitted,
    inside,
    length_variable,
    place_of,
)


@located
def while_loop(
    cond: Callable[[Any], Any],
    body: Callable[[Any], Any],
    init: Any,
    *,
    max_steps: int | None = None,
    checkpoint: Any = None,
) -> Any:
    """``while cond(carry): carry = body(carry)``; returns the carry at the end.

    cond       function of the carry that gives a scalar bool; asked before every step
    body       function from carry to carry, of one structure, with one dtype and shape each
    init       container of Variables or values: the carry at the start
    max_steps  the largest number of steps; None: no limit
    checkpoint what reverse mode keeps of the forward pass, as of `scan`: None for all that it
               reads, "sqrt", ("slots", s) …

    Both functions are called to build their graphs. Variables that they use without getting them
    are operands too. The loop is differentiable forward and backward, to any order: the number of
    steps and what the backward loop reads of each are recorded, in storage that grows with the
    steps. No derivative flows through `cond`.

    Raises DTypeError, ShapeError or GraphError for a carry that changes its type, UseError for
    what is no function; ConvergenceError, when the program runs, if the condition still holds
    after `max_steps` steps.

    >>> import graphad as ga
    >>> a = ga.scalar("a")
    >>> root = ga.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
    >>> f = ga.function([a], [root, ga.grad(root, a)])
    >>> [round(float(v), 6) for v in f(9.0)]
    [3.0, 0.166667]
    """
    check_function(cond, "while_loop: cond")
    check_function(body, "while_loop: body")
    where, asked = place_of(body), place_of(cond)
    limit = ENDLESS if max_steps is None else max_steps
    length, _ = length_variable(limit, "while_loop: max_steps")
    start = Leaves(init, "init")
    state = [inside(v, p) for p, v in start.present]
    with Body() as drawn:
        carried = _next(body(start.filled(state)), start, state, "while_loop", where)
        going = _truth(cond(start.filled(carried)), asked)
    first = _truth(cond(start.filled(start.variables)), asked)
    results = _loop(
        [*carried, going], state, start, drawn, [length, first], until=True, count=Dim.anonymous(),
        strict=max_steps is not None, keep=checked_policy(checkpoint, "while_loop"),
    )  # fmt: skip
    return start.filled(results)


@located
def fori_loop(
    lower: Any,
    upper: Any,
    body: Callable[[Any, Any], Any],
    init: Any,
    *,
    checkpoint: Any = None,
) -> Any:
    """``for i in range(lower, upper): carry = body(i, carry)``; returns the carry at the end.

    lower, upper  ints, sizes such as ``x.shape[0]``, or integer scalar Variables; no step is made
                  where upper <= lower
    body          function of the int64 scalar i and the carry, that returns the next carry
    init          container of Variables or values: the carry at the start
    checkpoint    what reverse mode keeps of the forward pass, as of `scan`

    Derivatives and errors are those of `scan`, whose length is ``upper - lower``.

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> y = ga.fori_loop(0, 3, lambda i, c: c * x + i, 1.0)
    >>> float(y.eval({x: 2.0})), float(ga.grad(y, x).eval({x: 2.0}))
    (12.0, 13.0)
    """
    check_function(body, "fori_loop: body")
    first = _bound(lower, "fori_loop: lower")
    count: Size = Dim.anonymous()
    if isinstance(lower, int) and isinstance(upper, int):
        count = max(upper - lower, 0)
        length = as_variable(count)
    else:
        length = OPS["maximum"](_bound(upper, "fori_loop: upper") - first, 0)
    start = Leaves(init, "init")
    state = [inside(v, p) for p, v in start.present]
    i = Variable(first.type, name="i")
    with Body() as drawn:
        carried = _next(body(i, start.filled(state)), start, state, "fori_loop", place_of(body))
    whole = Leaves([first, *start.variables], "init")
    results = _loop(
        [i + 1, *carried], [i, *state], whole, drawn, [length], until=False, count=count,
        keep=checked_policy(checkpoint, "fori_loop"),
    )  # fmt: skip
    return start.filled(results[1:])


def _bound(value: Any, what: str) -> Variable:
    """A limit of `fori_loop`, which may be negative."""
    if isinstance(value, int) and not isinstance(value, bool):
        return as_variable(value)
    return length_variable(value, what)[0]


def _next(
    result: Any, start: Leaves, state: Sequence[Variable], what: str, where: str
) -> list[Variable]:
    """The carries after a step."""
    new = Leaves(result, "init")
    check_structure(new, start, f"{what}: the new carry", where)
    return [fitted(v, old, path, what, where)
            for (path, v), old in zip(new.present, state, strict=True)]  # fmt: skip


def _truth(value: Any, where: str) -> Variable:
    found = as_variable(value)
    if found.ndim:
        raise ShapeError(
            f"while_loop: cond returned {found.type}, not a scalar bool",
            remedy="reduce it with .all() or .any()",
            where=where,
        )
    return found if found.dtype == bool else found.astype(bool)


def _loop(
    outputs: Sequence[Variable],
    state: Sequence[Variable],
    start: Leaves,
    drawn: Body,
    head: Sequence[Variable],
    *,
    until: bool,
    count: Size,
    strict: bool = False,
    keep: Any = "all",
) -> list[Variable]:
    """The carries at the end."""
    n = len(state)
    operands = [*start.variables, *drawn.outside()]
    pairs = dict(zip([*state, *drawn.given], operands, strict=True))
    outputs = [*outputs[:n], *drawn.last, *outputs[n:]]
    graph, given = enclose(outputs, pairs, inside=drawn.effects)
    layout = Layout(len(pairs), 0, 0, until=until, strict=strict, count=count, keep=keep)
    results = build(SCAN, layout, settled(graph, len(pairs), given), [*head, *given])
    drawn.leave(results[n : len(pairs)])
    return list(results[:n])
