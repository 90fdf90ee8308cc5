"""Loops as functions of their own: what a program of small arrays is put together from.

A loop that is written twice, on other arrays of the same sizes, is one function that is called
twice, so that the code of an unrolled network is as long as that of one of its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.inside import described, write_group, write_shared
from graphad.codegen.loops import Loop
from graphad.codegen.loopsums import Reductions
from graphad.codegen.looptext import LoopText
from graphad.codegen.places import Formula, Number, Place
from graphad.codegen.products import Product, write_product
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import Scalar, number
from graphad.plan.group import Group
from graphad.records import Record


class Call(Record):
    """One call of a function on places in memory; the last of them is written."""

    function: str
    places: tuple[Place, ...]
    what: str
    can_fail: bool = False  # it gives 0, or 1 where there was no memory


class Parts(Reductions):
    """Writes loops as functions, and lists the calls of them.

    bits       of the vector registers
    available  the functions that vectors can be given to
    """

    def __init__(
        self, operands: list[Place | Number], bits: int, available: frozenset[str]
    ) -> None:
        super().__init__(LoopText(1, {}), operands)
        self.bits, self.available = bits, available
        self.declared: dict[str, str] = {}
        self.functions: dict[Any, str] = {}
        self.keys: dict[Any, int] = {}  # groups, and those without their numbers
        self.shapes: dict[int, str | None] = {}  # functions of groups with their numbers apart
        self.numbers: dict[int, tuple[Place, ...]] = {}
        self.fixed: list[np.ndarray] = []
        self.many = False  # are there so many groups that they should share functions?
        self.texts: list[str] = []
        self.calls: list[Call] = []

    def elementwise(self, formula: Formula, target: Place) -> None:
        if target.size:
            self._outlined(
                formula,
                target,
                ("elementwise",),
                lambda loops, out: loops.elementwise(formula, out),
            )

    def reduce(
        self, kind: str, formula: Formula, axes: Sequence[int], dtype: np.dtype, target: Place
    ) -> None:
        self._outlined(
            formula, target, (kind, tuple(axes), dtype),
            lambda loops, out: loops.reduce(kind, formula, axes, dtype, out),
        )  # fmt: skip

    def product(self, product: Product, a: Place, b: Place, target: Place) -> None:
        """target = a b, as the product says."""

        def write(t: LoopText) -> None:
            write_product(t, product, self.bits)

        self._call(
            product, write, (a, b, target), f"product {product.m} x {product.k} x {product.n}"
        )

    def group(self, group: Group, places: Sequence[Place]) -> None:
        """The loops of a fused group: operands, then results."""
        lies = tuple([(p.shape, p.strides) for p in places])
        shape, values = described(group)
        # long keys: they are hashed as seldom as may be
        key = self.keys.setdefault((shape, values, lies), len(self.keys))
        if key not in self.functions:
            name = self._shared(group, places, (shape, lies), key) if self.many else None
            if name is None:
                name = f"group{len(self.texts)}"
                self.texts += write_group(group, name, places, self.bits, self.declared)
            self.functions[key] = name
        name = self.functions[key]
        places = [*self.numbers.get(key, ()), *places]
        what = " ".join(dict.fromkeys([n.op.name for n in group.nodes]))
        self.calls.append(Call(name, tuple(places), f"{group} {what}", can_fail=True))

    def _shared(self, group: Group, places: Sequence[Place], shape: Any, key: int) -> str | None:
        """The function that the group shares with others, whose numbers are others; `numbers`
        gets the place of its own. None: it has none, or is more than a single row."""
        loop = Loop(group)
        constants = loop.numbers()
        if not constants:
            return None
        pattern = self.keys.setdefault((shape, loop.listing()), len(self.keys))
        if pattern not in self.shapes:
            name = f"group{len(self.texts)}"
            lines = write_shared(loop, name, places, self.bits, self.declared)
            self.texts += lines or []
            self.shapes[pattern] = None if lines is None else name
        if self.shapes[pattern] is not None:
            table = np.zeros(len(constants))
            for i, constant in enumerate(constants):
                table[i : i + 1].view(constant.dtype)[0] = number(constant)
            self.fixed.append(table)
            place = Place(f"%fixed{len(self.fixed) - 1}", table.dtype, table.shape, "fixed")
            self.numbers[key] = (place,)
        return self.shapes[pattern]

    # -- functions -----------------------------------------------------------------------------
    def _outlined(
        self, formula: Formula, target: Place, how: tuple[Any, ...],
        write: Callable[[Reductions, Place], None],
    ) -> None:  # fmt: skip
        """A loop over a formula; its operands become the function's parameters."""
        shown, numbers, largest = self._described(formula.root)
        places = [self._place(n) for n in numbers]
        lies = tuple([(p.dtype, p.shape, p.strides) for p in (*places, target)])
        renamed: dict[int, Place | Number] = {}
        for i, (n, p) in enumerate(zip(numbers, places, strict=True)):
            renamed[n] = Place(f"%p{i}", p.dtype, p.shape, p.kind, p.strides)
        out = Place(f"%p{len(places)}", target.dtype, target.shape, "temporary", target.strides)
        largest = max(largest, target.dtype.itemsize)

        def body(t: LoopText) -> None:
            t.most = max(2, self.bits // (8 * largest))
            write(Reductions(t, renamed), out)  # type: ignore[arg-type]

        what = " ".join(dict.fromkeys([s[0] for s in shown if s[0] not in ("load", "const")]))
        self._call((how, formula.shape, shown, lies), body, (*places, target), f"{how[0]} {what}")

    def _place(self, number: int) -> Place:
        found = self.operands[number]
        assert isinstance(found, Place)
        return found

    def _described(self, root: Scalar) -> tuple[tuple[Any, ...], list[int], int]:
        """(the formula as a list of instructions on parameters, the operands, bytes of its
        largest numbers)."""
        order: dict[int, int] = {}
        lines: list[Any] = []
        operands: dict[int, int] = {}
        largest = 1
        stack = [root]
        while stack:
            top = stack[-1]
            pending = [a for a in top.args if id(a) not in order]
            if id(top) in order or pending:
                stack += reversed(pending)
                if not pending:
                    stack.pop()
                continue
            stack.pop()
            extra = top.extra
            if top.op == "load":
                extra = operands.setdefault(extra, len(operands))
            if top.op.startswith("call:") and top.op[5:] not in self.available:
                raise Unrecordable(top.op)
            largest = max(largest, top.dtype.itemsize)
            order[id(top)] = len(lines)
            lines.append((top.op, tuple([order[id(a)] for a in top.args]), top.dtype, extra))
        return tuple(lines), list(operands), largest

    def _call(
        self, key: Any, write: Callable[[LoopText], None], places: Sequence[Place], what: str
    ) -> None:
        name = self.functions.get(key)
        if name is None:
            name = self.functions[key] = f"part{len(self.functions)}"
            t = LoopText(1, self.declared)
            t.label("start")
            write(t)
            t.do("ret void")
            given = ", ".join([f"ptr %p{i}" for i in range(len(places))])
            head, *rest = t.lines
            self.texts += [
                f"define internal void @{name}({given}) {{",
                head,
                *t.places,
                *rest,
                "}",
            ]
        self.calls.append(Call(name, tuple(places), what))
