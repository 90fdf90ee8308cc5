"""How Python enters a loop in machine code: a function that is written for its layout.

    def run(operands):
        length, x0, x1 = operands
        if length < 1:
            return None
        if len(x1) != length:
            raise Unfit
        m0 = empty((1,), d0)
        s0 = empty((length,), d0)
        found = enter(length, length, 0, x0, x1, m0, s0)
        if found & 2:
            raise Unfit
        return m0[0], s0

It makes room for the results (m: carries, s: stacked results), and gives None for a loop without
steps. A loop that ends by its condition gets room for `CHUNK` steps; where that is not enough
`by_chunks` goes on, with storage that grows. Where something went wrong, an index out of range
say, the loop runs again in Python, which raises what is to be raised.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import empty

from graphad.codegen.loopentry import Memory
from graphad.codegen.reuse import LARGE, Store
from graphad.codegen.unfit import Unfit
from graphad.ir.families.looprun import Layout, too_long
from graphad.records import Record

CHUNK = 256  # steps of a loop of unknown length before its storage grows

Run = Callable[[Sequence[Any]], Any]


class Entered(Record):
    """What a driver has to know: the loop's layout and how many inputs its body has, the function
    to enter, where carries lie, (shape, dtype) of the rows of stacked results, constants."""

    layout: Layout
    inputs: int
    enter: Any
    memory: Memory
    tails: Sequence[tuple[Any, Any]]
    fixed: Sequence[np.ndarray]


def driver(code: Entered) -> Run:
    """The function of the module's docstring; it raises Unfit where operands are not as the code
    expects."""
    layout = code.layout
    arrays = code.memory.arrays
    dtypes = list(dict.fromkeys([d for _, d in (*arrays, *code.tails)]))
    rest = functools.partial(by_chunks, code)
    bound: dict[str, Any] = {
        "empty": empty, "enter": code.enter, "Unfit": Unfit, "int64": np.int64, "by_chunks": rest,
        "kept": Store(len(code.tails)).array,
        **{f"d{k}": dtype for k, dtype in enumerate(dtypes)},
        **{f"f{k}": array for k, array in enumerate(code.fixed)},
    }  # fmt: skip
    inside = "".join([f"x{i}, " for i in range(code.inputs)])
    going = "going, " if layout.until else ""
    lines = [f"length, {going}{inside}= operands",
             f"if length < 1{' or not going' if going else ''}:", "    return None"]  # fmt: skip
    if layout.rows:
        lines += [f"if len(x{layout.carries}) != length:", "    raise Unfit"]
    if going and layout.backward:
        lines.append(f"return by_chunks(int(length), ({inside}))")
    size = "size" if going else "length"
    lines += [f"size = {CHUNK} if length > {CHUNK} else int(length)"] if going else []
    for k, (shape, dtype) in enumerate(arrays):
        lines.append(f"m{k} = empty({shape}, d{dtypes.index(dtype)})")
    for k, (shape, dtype) in enumerate(code.tails):
        sizes = "".join([f"{n}, " for n in shape])
        most = LARGE // max(1, math.prod(shape) * dtype.itemsize)
        make = "empty" if going else f"(empty if length < {most} else kept)"
        lines.append(f"s{k} = {make}(({size}, {sizes}), d{dtypes.index(dtype)})")
    given = [size, "length", "length - 1" if layout.backward else "0"]
    given += [f"x{i}" for i in range(code.inputs)]
    for letter, made in (("m", arrays), ("s", code.tails), ("f", code.fixed)):
        given += [f"{letter}{k}" for k in range(len(made))]
    lines += [f"found = enter({', '.join(given)})", "if found & 2:", "    raise Unfit"]
    results = _carried(code.memory) + [f"s{k}" for k in range(len(code.tails))]
    if going:
        rooms = ["".join([f"{letter}{k}, " for k in range(len(made))])
                 for letter, made in (("m", arrays), ("s", code.tails))]  # fmt: skip
        lines += [f"if found & 1{'' if layout.strict else ' and size < length'}:",
                  f"    return by_chunks(int(length), ({inside}), size, "
                  f"({rooms[0]}), ({rooms[1]}), found)"]  # fmt: skip
        lines.append("n = found >> 2")
        results = _carried(code.memory) + [f"s{k}[:n]" for k in range(len(code.tails))]
        results.append("int64(n)")
    single = len(results) == 1 and not results[0].startswith("*")
    lines.append(f"return {results[0] if single else ', '.join([*results, ''])}")
    source = "def run(operands):\n" + "".join([f"    {line}\n" for line in lines])
    exec(compile(source, "<graphad loop>", "exec"), bound)
    run: Run = bound.pop("run")  # no cycle
    return run


def _carried(memory: Memory) -> list[str]:
    """The expressions of the carries."""
    shown = [f"m{k}" if at is None else f"m{k}[{at}]" for k, at in memory.spots]
    together = [f"m0[{i}]" for i in range(len(shown))]
    return ["*m0"] if len(shown) > 1 and shown == together else shown


def by_chunks(
    code: Entered, length: int, operands: Sequence[Any], size: int = 0, state: Sequence[Any] = (),
    stacks: Sequence[Any] = (), found: int = 1,
) -> Any:  # fmt: skip
    """The results of a loop that ends by its condition, in storage that grows with its steps.

    The last four say what a first chunk of `size` steps has left, and where."""
    layout, count = code.layout, code.layout.carries
    inside, done = list(operands), 0
    parts: list[list[np.ndarray]] = []
    while True:
        if not size or done:  # this chunk has still to be run
            size = min(2 * size or CHUNK, length - done)
            state = state or [empty(shape, dtype) for shape, dtype in code.memory.arrays]
            stacks = [empty((size, *shape), dtype) for shape, dtype in code.tails]
            begin = length - 1 - done if layout.backward else done
            found = code.enter(size, length, begin, *inside, *state, *stacks, *code.fixed)
        if found & 2:
            raise Unfit
        made, going = found >> 2, bool(found & 1)
        parts.append([s if made == size else s[:made] for s in stacks])
        done += made
        carries = [state[k] if at is None else state[k][at] for k, at in code.memory.spots]
        if not going or done >= length:
            break
        inside[:count] = carries
    if layout.strict and going:
        raise too_long(length)
    return (*carries, *_joined(parts, layout.backward), np.int64(done))


def _joined(parts: Sequence[Sequence[np.ndarray]], backward: bool) -> list[np.ndarray]:
    """Stacked results, in the order of the rows."""
    found = []
    for pieces in zip(*parts, strict=True):
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        found.append(whole[::-1].copy() if backward else whole)
    return found
