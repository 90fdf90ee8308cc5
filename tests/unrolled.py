"""Loops and branches in plain Python, on Variables: what those in the graph are compared with.

`Unrolled` has the functions of `graphad` for loops and branches. Whether a step is made, and which
branch is taken, is decided by computing the condition, for the arrays that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphad as ga
from graphad.ir.variable import as_variable
from graphad.testing import interpret

Array = np.ndarray[Any, Any]


class Unrolled:
    """`scan`, `while_loop`, `fori_loop`, `cond`, `switch`, `map` and `reduce`, step by step."""

    def __init__(self, inputs: Sequence[Any], arrays: Sequence[Array]) -> None:
        self.inputs, self.arrays = list(inputs), list(arrays)

    def known(self, value: Any) -> Any:
        """The number that a scalar is for the arrays."""
        return np.asarray(interpret(self.inputs, [as_variable(value)])(*self.arrays)[0])[()]

    # -- branches --------------------------------------------------------------------------------
    def cond(self, pred: Any, true_fn: Any, false_fn: Any, *operands: Any) -> Any:
        return (true_fn if self.known(pred) else false_fn)(*operands)

    def switch(self, index: Any, fns: Sequence[Any], *operands: Any) -> Any:
        return fns[int(self.known(index))](*operands)

    # -- loops -----------------------------------------------------------------------------------
    def while_loop(self, cond: Any, body: Any, init: Any, **_: Any) -> Any:
        carry = init
        while self.known(cond(carry)):
            carry = body(carry)
        return carry

    def fori_loop(self, lower: Any, upper: Any, body: Any, init: Any, **_: Any) -> Any:
        carry = init
        for i in range(int(self.known(lower)), int(self.known(upper))):
            carry = body(np.int64(i), carry)
        return carry

    def map(self, f: Any, xs: Any) -> Any:
        return self.scan(lambda c, x: (c, f(x)), (), xs)[1]

    def reduce(self, f: Any, xs: Any, init: Any) -> Any:
        return self.scan(lambda c, x: (f(c, x), None), init, xs)[0]

    def scan(
        self, body: Callable[..., Any], init: Any, xs: Any = None, *, length: Any = None,
        reverse: bool = False, taps: Any = None, until: Any = None, truncate: Any = None, **_: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        """As `graphad.scan`, of floats; each loop is made twice where gradients are truncated."""
        flat, structure = ga.tree.flatten(xs)
        if xs is not None:
            flat = [as_variable(v) for v in flat]
            length = flat[0].shape[0]
        count = int(self.known(length))
        order = range(count - 1, -1, -1) if reverse else range(count)
        cut = 0
        if truncate is not None:
            made = self._steps(body, init, flat, structure, order, taps, until, 0)[2]
            cut = max(made - truncate, 0)
        carry, rows, _ = self._steps(body, init, flat, structure, order, taps, until, cut)
        return carry, self._stacked(body, init, flat, structure, rows, taps)

    def _steps(
        self, body: Any, init: Any, flat: Any, structure: Any, order: Any, taps: Any, until: Any,
        cut: int,
    ) -> tuple[Any, dict[int, Any], int]:  # fmt: skip
        """(the carry, row → y, how many steps); nothing flows through those before `cut`."""
        carry, rows, made = init, {}, 0
        for i in order:
            if made and made == cut:
                carry = held(carry)
            row = structure.unflatten([None if v is None else v[i] for v in flat])
            new, rows[i] = body(_read(carry, taps), row)
            carry, made = _moved(carry, new, taps), made + 1
            if made <= cut:
                rows[i] = held(rows[i])
            if until is not None and self.known(until(new, rows[i])):
                break
        return carry, rows, made

    def _stacked(
        self, body: Any, init: Any, flat: Any, structure: Any, rows: dict[int, Any], taps: Any
    ) -> Any:
        """The y of all steps; of a loop without any, no rows of what a step would give."""
        if not rows:
            blank = [None if v is None else ga.zeros(v.shape[1:]) for v in flat]
            leaves, shape = ga.tree.flatten(body(_read(init, taps), structure.unflatten(blank))[1])
            return shape.unflatten([None if v is None else ga.stack([v])[:0] for v in leaves])
        columns = [ga.tree.flatten(rows[i]) for i in sorted(rows)]
        joined = [None if column[0] is None else ga.stack(list(column))
                  for column in zip(*[c[0] for c in columns], strict=True)]  # fmt: skip
        return columns[0][1].unflatten(joined)


def held(container: Any) -> Any:
    """The same values, through which no derivative flows."""
    leaves, structure = ga.tree.flatten(container)
    variables = [None if v is None else as_variable(v) for v in leaves]
    return structure.unflatten(
        [v if v is None or v.dtype.kind not in "fc" else ga.stop_gradient(v) for v in variables]
    )


def _read(carry: Any, taps: Any) -> Any:
    """What the body gets: of an entry with taps, its values at these."""
    if taps is None:
        return carry
    return {k: tuple([v[lag] for lag in taps[k]]) if k in taps else v for k, v in carry.items()}


def _moved(carry: Any, new: Any, taps: Any) -> Any:
    """The carry after a step: of an entry with taps, the latest values, oldest first."""
    if taps is None:
        return new
    return {k: ga.concatenate([carry[k][1:], ga.stack([v])]) if k in taps else v
            for k, v in new.items()}  # fmt: skip
