"""`map`, `reduce`, `associative_scan`: loops that need no carry, or nothing but a carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad.errors import ShapeError, UseError
from graphad.ir.op import OPS
from graphad.ir.variable import Variable, located
from graphad.ops.control.bodies import (
    Leaves,
    check_function,
    check_structure,
    place_of,
    shapes_agree,
)
from graphad.ops.control.scanning import scan


@located
def map(f: Callable[[Any], Any], xs: Any) -> Any:  # the name everybody uses
    """``f(x)`` for each row `x` of `xs`, stacked along a new axis 0.

    f   function of one row of `xs`, that returns a Variable or a container of them
    xs  array (n, …), or a container of arrays with the same n

    Raises what `scan` raises.

    >>> import graphad as ga
    >>> x = ga.matrix("x", shape=(None, 2))
    >>> ga.map(lambda row: row[0] * row[1], x).eval({x: [[2.0, 3.0], [4.0, 5.0]]})
    array([ 6., 20.])
    """
    check_function(f, "map: f")
    return scan(_without_carry(f), (), xs)[1]


def _without_carry(f: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def step(carry: Any, x: Any) -> Any:
        return carry, f(x)

    step.__wrapped__ = f  # type: ignore[attr-defined]
    return step


@located
def reduce(f: Callable[[Any, Any], Any], xs: Any, init: Any = None) -> Any:
    """``f(…f(f(init, xs[0]), xs[1])…)``: the rows of `xs` taken together one after the other.

    f     function of what was found so far and of one row, that returns what is found now
    xs    array (n, …), or a container of arrays with the same n
    init  where to start; None: with the first row, and a sequence without rows is an error

    Raises ShapeError for a sequence of known length 0 without `init`; else what `scan` raises.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> float(ga.reduce(lambda a, b: a * 10 + b, x).eval({x: [1.0, 2.0, 3.0]}))
    123.0
    """
    check_function(f, "reduce: f")
    rows = Leaves(xs, "xs")
    if not rows.present:
        raise UseError("reduce: xs is empty", remedy="pass an array with axis 0 as steps")
    if init is None:
        for path, v in rows.present:
            if not v.ndim or v.type.shape[0] == 0:
                raise ShapeError(
                    f"reduce: {path} is {v.type}, it has no first row", remedy="give init="
                )
        init = rows.filled([v[0] for v in rows.variables])
        xs = rows.filled([v[1:] for v in rows.variables])

    def step(carry: Any, x: Any) -> Any:
        return f(carry, x), None

    step.__wrapped__ = f  # type: ignore[attr-defined]
    return scan(step, init, xs)[0]


@located
def associative_scan(f: Callable[[Any, Any], Any], xs: Any, *, reverse: bool = False) -> Any:
    """All prefixes of an associative operation: xs[0], f(xs[0], xs[1]), f(f(…), xs[2]), …

    f        associative function of two containers like `xs`, that works on any number of rows at
             once: ``a + b``, or ``a @ b`` of matrices, but not ``a[0] + b[0]``
    xs       array (n, …), or a container of arrays with the same n
    reverse  from the last row to the first: suffixes instead of prefixes

    Of a length that is known while building, about 2 log₂ n calls of `f` on many rows at once
    (Blelloch, "Prefix sums and their applications", 1990); else a loop over single rows.
    Raises GraphError and ShapeError if `f` returns something unlike `xs`.

    >>> import graphad as ga
    >>> x = ga.vector("x", shape=4)
    >>> ga.associative_scan(ga.maximum, x).eval({x: [1.0, 3.0, 2.0, 5.0]})
    array([1., 3., 3., 5.])
    """
    check_function(f, "associative_scan: f")
    rows = Leaves(xs, "xs")
    sizes = [v.type.shape[0] if v.ndim else None for v in rows.variables]
    known = [s for s in sizes if isinstance(s, int)]
    if not known or len(known) < len(sizes):
        return _one_by_one(f, xs, reverse)
    if len(set(known)) > 1:
        raise ShapeError(
            f"associative_scan: sequences of lengths {', '.join([str(s) for s in sizes])}",
            remedy="give sequences of one length (axis 0)",
        )
    where = place_of(f)

    def together(a: list[Variable], b: list[Variable]) -> list[Variable]:
        first, second = (b, a) if reverse else (a, b)
        made = Leaves(f(rows.filled(first), rows.filled(second)), "xs")
        check_structure(made, rows, "associative_scan: what f returned", where)
        for (path, v), given in zip(made.present, a, strict=True):
            if not shapes_agree(v.type.shape, given.type.shape) or v.dtype != given.dtype:
                raise ShapeError(
                    f"associative_scan: {path} is {given.type}, f returned {v.type}",
                    remedy="f works on all rows at once, along axis 0, and keeps types",
                    where=where,
                )
        return made.variables

    flat = [v[::-1] for v in rows.variables] if reverse else rows.variables
    found = _prefixes(together, flat, known[0])
    return rows.filled([v[::-1] for v in found] if reverse else found)


def _prefixes(together: Callable[..., list[Variable]], rows: list[Variable], n: int) -> list:
    """Prefixes by halving: those of pairs give the odd ones, from which the even ones follow."""
    levels: list[tuple[list[Variable], int]] = []
    while n > 1:
        levels.append((rows, n))
        rows = together([v[0 : n - 1 : 2] for v in rows], [v[1::2] for v in rows])
        n //= 2
    odd = rows
    for whole, count in reversed(levels):
        half = (count - 1) // 2
        even = [v[0:1] for v in whole]
        if half:
            later = together([v[:half] for v in odd], [v[2::2] for v in whole])
            even = [OPS["concatenate"]([a, b]) for a, b in zip(even, later, strict=True)]
        odd = [_interleaved(a, b, count) for a, b in zip(even, odd, strict=True)]
    return odd


def _interleaved(even: Variable, odd: Variable, count: int) -> Variable:
    """even[0], odd[0], even[1], odd[1], …: `count` rows."""
    pairs = count // 2
    both = OPS["stack"]([even[:pairs], odd], axis=1)
    joined = OPS["reshape"](both, (2 * pairs, *even.shape[1:]))
    found: Variable = joined if count % 2 == 0 else OPS["concatenate"]([joined, even[pairs:]])
    return found


def _one_by_one(f: Callable[[Any, Any], Any], xs: Any, reverse: bool) -> Any:
    """The same as a loop, for lengths that are known at run time."""
    rows = Leaves(xs, "xs")
    if not rows.present or not all([v.ndim for v in rows.variables]):
        raise ShapeError(
            "associative_scan: a scalar has no rows", remedy="pass arrays with axis 0 as steps"
        )

    def step(carry: Any, x: Any) -> Any:
        begun, before = carry
        one = rows.filled([v[None] for v in Leaves(x, "xs").variables])
        pair = (one, before) if reverse else (before, one)
        made = Leaves(f(*pair), "xs").variables
        here = Leaves(one, "xs").variables
        new = rows.filled([OPS["where"](begun, m, h) for m, h in zip(made, here, strict=True)])
        return (True, new), rows.filled([v[0] for v in Leaves(new, "xs").variables])

    step.__wrapped__ = f  # type: ignore[attr-defined]
    blank = rows.filled([OPS["ones"]((1, *v.shape[1:]), v.dtype) for v in rows.variables])
    return scan(step, (False, blank), xs, reverse=reverse)[1]
