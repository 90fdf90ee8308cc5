"""Scans as machine code: the whole loop is one function, no Python is entered between steps.

    define void @loop(ptr %block):  block = steps, first row, scratch, carries …, sequences …,
                                    captured …, stacked results …, constants of the body …

`loopentry` writes what is called from Python, and calls this.

The code is made for the shapes of a call, when they are first met. Carries are worked on where
they lie, in copies that become the results. Large matrix products are calls of SciPy's BLAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen import kernels, link, llvm
from graphad.codegen.arrays import layout as offsets
from graphad.codegen.loopcomplex import is_kept_in_memory
from graphad.codegen.loopdriver import Entered, driver
from graphad.codegen.loopentry import RELEASE, LoopEntry, symbol
from graphad.codegen.loopinner import Nested
from graphad.codegen.looptext import LoopText
from graphad.codegen.places import COMPLEX, Number, Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import DTYPES
from graphad.codegen.sharing import Owner
from graphad.codegen.steps import concrete
from graphad.codegen.unfit import Unfit
from graphad.codegen.vectors import element
from graphad.ir.dims import Atom
from graphad.ir.evaluate import match_sizes
from graphad.ir.families.looprun import Layout, checked_length
from graphad.ir.graph import Graph
from graphad.plan.plan import Plan

VARIANTS = 8  # shapes for which code is kept
MOST_STEPS = 400  # of a body
MOST_FAILURES = 8
MOST_BYTES = 1 << 22  # of temporaries: larger arrays gain nothing here


class Steady:
    """The machine code of a scan for the shapes that were met; `run` gives None where there is
    none: the loop then runs in Python."""

    def __init__(
        self, layout: Layout, graph: Graph, plan: Plan, cache: bool | str = False
    ) -> None:
        self.layout, self.graph, self.plan, self.cache = layout, graph, plan, cache
        self.variants: dict[Any, Code | None] = {}
        self.latest: Code | None = None
        self.failures = 0

    def run(self, operands: Sequence[Any]) -> Any:
        """The results of a scan; None: not by this code."""
        if self.latest is not None:
            try:
                return self.latest.run(operands)
            except Unfit:  # other shapes, or arrays that lie otherwise
                pass
        layout = self.layout
        carries, rows, captured = layout.divide(operands)
        given = [*carries, *rows, *captured]
        shapes = tuple([np.shape(a) for a in given])
        if shapes not in self.variants:
            if len(self.variants) >= VARIANTS:
                return None
            self.variants[shapes] = self._code(given)
        code = self.variants[shapes]
        if code is None:
            return None
        self.latest = code
        checked_length(layout, self.graph, operands)
        ordered = [_ordered(a, t) for a, t in zip(given, code.types, strict=True)]
        try:
            return code.run([*operands[: layout.first], *ordered])
        except Unfit:
            self.failures += 1
            if self.failures > MOST_FAILURES:  # an inner loop is longer than there is room for
                self.variants[shapes] = self.latest = None
            return None

    def _code(self, given: Sequence[Any]) -> Code | None:
        sizes: dict[Atom, int] = {}
        c, r = self.layout.carries, self.layout.rows
        for i, (v, a) in enumerate(zip(self.graph.inputs, given, strict=True)):
            row = np.empty(np.shape(a)[1:]) if c <= i < c + r else a
            match_sizes(v.type, np.asarray(row), sizes, "an operand")
        if len(self.plan.steps) > MOST_STEPS or not kernels.is_possible():
            return None
        try:
            return Code(self.layout, self.plan, sizes, self.cache)
        except Unrecordable:
            return None


class Code:
    """The code for one set of sizes; ``run(operands)`` is written by `loopdriver`."""

    def __init__(
        self, layout: Layout, plan: Plan, sizes: dict[Atom, int], cache: bool | str = False
    ) -> None:
        self.layout, self.plan = layout, plan
        count = len(plan.graph.inputs)
        self.types = [concrete(plan.values[i].type, sizes) for i in range(count)]
        stacked = plan.outputs[layout.carries : layout.carries + layout.outputs]
        self.stacked = [concrete(plan.values[n].type, sizes) for n in stacked]
        if not {t.dtype for t in (*self.types, *self.stacked)} <= DTYPES | COMPLEX.keys():
            raise Unrecordable("a dtype")
        writer = _Writer(layout, plan, sizes)
        loop = writer.function(self.types, self.stacked)
        scratch = writer.steps.scratch
        if scratch > MOST_BYTES:
            raise Unrecordable("large arrays")
        self.fixed = writer.steps.fixed
        weight = sum([_size(t) for t in (*self.types, *self.stacked)]) + scratch // 8
        if writer.steps.inners:  # which may take any time
            weight = max(weight, RELEASE)
        entry = LoopEntry(
            layout, self.types, len(stacked), len(self.fixed), scratch, weight, offsets() or {}
        )
        functions = [loop, entry.write()]
        declared = {**entry.text.declared, **writer.text.declared}
        heads = [*entry.globals(), *writer.steps.globals]
        self.text = llvm.module_text(functions, declared, heads)
        self._link(declared, entry, cache)
        self.entered = Entered(layout, len(self.types), self.enter, entry.memory,
                               [(t.shape, t.dtype) for t in self.stacked], self.fixed)  # fmt: skip
        self.run = driver(self.entered)

    def _link(self, declared: dict[str, str], entry: LoopEntry, cache: bool | str) -> None:
        """Make the code, and the function that enters it."""
        llvm.add_math(declared)
        for dtype in entry.dtypes:
            link.tell(symbol(dtype), id(dtype))
        library = llvm.Library(self.text, cache)
        method = llvm.method("enter", library.address("enter"))
        self.enter = llvm.callable_of(method, Owner(library, [method]))


def _size(kind: Any) -> int:
    return int(np.prod(kind.shape, dtype=int))


def _ordered(array: Any, kind: Any) -> Any:
    """An array in C order, and aligned; numbers stay."""
    if not isinstance(array, np.ndarray):
        return complex(array) if kind.dtype.kind == "c" else array
    if not array.ndim and kind.dtype.kind == "c":
        return complex(array)
    return np.require(np.asarray(array), kind.dtype, ["C", "A"]) if array.ndim else array[()]


class _Writer:
    """Writes the function of a loop."""

    def __init__(self, layout: Layout, plan: Plan, sizes: dict[Atom, int]) -> None:
        self.layout, self.plan = layout, plan
        self.text = LoopText(max(2, llvm.width() // 64), {})
        self.steps = Nested(plan, sizes, self.text)
        self.body: list[str] = []

    def function(self, types: Sequence[Any], stacked: Sequence[Any]) -> str:
        """The text of the function."""
        t, layout, steps = self.text, self.layout, self.steps
        c, r = layout.carries, layout.rows
        t.label("start")
        names = ["n", "first", "scratch", *[f"given{i}" for i in range(len(types))],
                 *[f"stack{k}" for k in range(len(stacked))]]  # fmt: skip
        starts: dict[int, str] = {}
        for i, kind in enumerate(types):  # what is read once
            if not is_kept_in_memory(kind) and not c <= i < c + r:
                starts[i] = t.read(f"%given{i}", kind.dtype)
        t.do("br label %step")
        t.label("step")
        place = len(t.lines)
        index = t.put(f"{'sub' if layout.backward else 'add'} i64 %first, %done")
        phis: dict[int, str] = {}
        for i, kind in enumerate(types):
            steps.values[i] = self._input(i, kind, index, starts, phis)
        steps.run()
        outputs = [steps.values[n] for n in self.plan.outputs]
        spot = "%done" if layout.until else index
        for k, (kind, value) in enumerate(zip(stacked, outputs[c:], strict=False)):
            self._stack(k, kind, value, spot)
        owns = [Place(f"%given{i}", kind.dtype, kind.shape, "carry")
                for i, kind in enumerate(types[:c])]  # fmt: skip
        more = (
            steps.number(outputs[-1]).name if layout.until else "true"
        )  # of what still lies there
        new = steps.carried(owns, outputs)
        following = t.put("add i64 %done, 1")
        left = t.put(f"icmp ult i64 {following}, %n")
        again = t.put(f"and i1 {left}, {more}")
        heads = [f"  %done = phi i64 [ 0, %start ], [ {following}, %{t.block} ]"]
        for i, name in phis.items():
            kind = element(types[i].dtype)
            heads.append(
                f"  {name} = phi {kind} [ {starts[i]}, %start ], [ {new[i]}, %{t.block} ]"
            )
        t.lines[place:place] = heads
        t.do(f"br i1 {again}, label %step, label %end")
        t.label("end")
        for i in phis:
            t.store(new[i], f"%given{i}", types[i].dtype)
        t.do(f"store i64 {following}, ptr %block")
        flag = t.put(f"zext i1 {more} to i64")
        if t.failed:
            wrong = t.put(f"icmp ne i64 {t.put(f'load i64, ptr {t.failed}')}, 0")
            flag = t.put(f"or i64 {flag}, {t.put(f'select i1 {wrong}, i64 2, i64 0')}")
        second = t.put("getelementptr i64, ptr %block, i64 1")
        t.do(f"store i64 {flag}, ptr {second}")
        t.do("ret void")
        names += [f"fixed{k}" for k in range(len(steps.fixed))]
        return self._framed(names)

    def _framed(self, names: Sequence[str]) -> str:
        loads = []
        for k, name in enumerate(names):
            kind = "i64" if k < 2 else "ptr"
            loads.append(f"  %at{k} = getelementptr i64, ptr %block, i64 {k}")
            loads.append(f"  %{name} = load {kind}, ptr %at{k}")
        head, *rest = self.text.lines
        lines = ["define void @loop(ptr %block) {", head, *self.text.places, *loads, *rest, "}"]
        return "\n".join(lines)

    def _input(
        self, i: int, kind: Any, index: str, starts: dict[int, str], phis: dict[int, str]
    ) -> Place | Number:
        t, layout = self.text, self.layout
        if i < layout.carries:
            if is_kept_in_memory(kind):
                return Place(f"%given{i}", kind.dtype, kind.shape, "carry")
            phis[i] = f"%carry{i}"
            return Number(phis[i], kind.dtype)
        if i >= layout.carries + layout.rows:
            fixed = Number(starts[i], kind.dtype) if i in starts else None
            return fixed or Place(f"%given{i}", kind.dtype, kind.shape, "fixed")
        row = t.at(f"%given{i}", kind.dtype, 0, [(index, int(np.prod(kind.shape, dtype=int)))])
        if is_kept_in_memory(kind):
            return Place(row, kind.dtype, kind.shape, "row")
        return Number(t.read(row, kind.dtype), kind.dtype)

    def _stack(self, k: int, kind: Any, value: Any, spot: str) -> None:
        """Write one row of a stacked result."""
        t, steps = self.text, self.steps
        size = int(np.prod(kind.shape, dtype=int))
        row = t.at(f"%stack{k}", kind.dtype, 0, [(spot, size)])
        if not is_kept_in_memory(kind):
            t.store(steps.number(value).name, row, kind.dtype)
            return
        steps.copied(value, Place(row, kind.dtype, kind.shape, "row"))
