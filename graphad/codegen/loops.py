"""The loop nest of one group: its instructions, in which pass over a row each is computed.

For every row (a position on the outer axes) there are one or more passes over the inner loop. A
reduction over the row is known after the pass in which it was accumulated; what depends on it
comes in a later pass. A value that an earlier pass computed is computed again where that is
cheap, and kept in a scratch row where it is not.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import numpy as np

from graphad.codegen.scalars import Builder, Scalar, number, translate
from graphad.ir.dims import Dim
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.indexing import GetItem, ScatterAdd
from graphad.ir.variable import Constant, Variable
from graphad.plan.group import Group, Operand
from graphad.records import Record

HEAVY = ("call:", "div", "sqrt")  # not worth computing twice
LONG = 12  # instructions
ELEMENT, ROW, ONCE = 2, 1, 0  # how often a value changes
PER_ELEMENT = ("element", "total", "column")  # stores that happen in a pass over the row


class Store(Record):
    """A result: where it goes (its position among the group's results), what, and how: element,
    row, total, row total or column; `combine` is the reduction of the last three."""

    position: int
    kind: str
    value: Scalar
    combine: str = ""


class Loop:
    """Instructions of a group. `level` says how often each changes, `turn` in which pass it is
    known; `scratch` are values kept from one pass for a later one."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.builder = Builder()
        self.operands = list(group.operands)
        self.level: dict[Scalar, int] = {}
        self.turn: dict[Scalar, int] = {}
        self.stores = self._translate()
        for value in self.builder.made.values():  # operands come before what uses them
            self._classify(value)
        self.live = self._reachable()
        self.turns = 1 + max([self.turn[v] for v in self.live], default=0)
        self.scratch: list[Scalar] = []
        self.scratch = self._kept()

    # -- instructions --------------------------------------------------------------------------
    def _translate(self) -> list[Store]:
        group, b = self.group, self.builder
        values: dict[Variable, Scalar] = {}
        numbers = {operand: i for i, operand in enumerate(self.operands)}
        for node, sources in zip(group.nodes, group.sources, strict=True):
            given = [
                values[s] if isinstance(s, Variable) else self._operand(s, numbers[s])
                for s in sources
            ]
            result = node.output(0)
            family = node.op.family
            moves = family.is_view and not isinstance(family, Elementwise)  # but parts of numbers
            if moves or isinstance(family, GetItem | ScatterAdd):
                values[result] = given[0]
                continue
            types = tuple([v.type for v in node.inputs])
            values[result] = translate(b, node.op, types, given, result.dtype)
        return [self._store(i, values) for i in range(len(group.results))]

    def _operand(self, operand: Operand, position: int) -> Scalar:
        variable = operand.variable
        if isinstance(variable, Constant) and not variable.ndim and not operand.windows:
            return self.builder.const(variable.value, variable.dtype)
        return self.builder.load(position, variable.dtype)

    def _store(self, position: int, values: dict[Variable, Scalar]) -> Store:
        result = self.group.results[position]
        value = values[result.variable]
        if result.kind in ("element", "row"):
            return Store(position, result.kind, value)
        assert value.op.startswith("reduce:")
        return Store(position, result.kind, value.args[0], value.op[7:])

    # -- when each is known --------------------------------------------------------------------
    def _classify(self, value: Scalar) -> None:
        level = max([self.level[a] for a in value.args], default=ONCE)
        turn = max([self.turn[a] for a in value.args], default=0)
        if value.op == "load":
            axes = self.operands[value.extra].along
            inner = any(a >= self.group.inner for a in axes)
            level = ELEMENT if inner else ROW if axes else ONCE
        elif value.op.startswith("reduce:"):
            level, turn = ROW, turn + 1
        self.level[value], self.turn[value] = level, turn

    def _kept(self) -> list[Scalar]:
        kept: dict[Scalar, None] = {}
        for turn in range(self.turns):
            for value in self.needed(turn, frozenset(kept)):
                early = self.turn[value] < turn and self.level[value] == ELEMENT
                if early and value.op.startswith(HEAVY):
                    kept[value] = None
                if self.turn[value] == turn:
                    kept.update(
                        dict.fromkeys([a for a in value.args if self._is_long(a, turn, kept)])
                    )
        return list(kept)

    def _is_long(self, value: Scalar, turn: int, kept: Container[Scalar]) -> bool:
        """Does it take many instructions to compute again what an earlier pass knew?"""
        if self.turn[value] >= turn:
            return False
        seen: set[Scalar] = set()
        stack = [value]
        while stack and len(seen) < LONG:
            one = stack.pop()
            if (
                self.level[one] == ELEMENT
                and one.op != "load"
                and one not in seen
                and one not in kept
            ):
                seen.add(one)
                stack += one.args
        return len(seen) >= LONG

    # -- passes --------------------------------------------------------------------------------
    def _reachable(self) -> set[Scalar]:
        """What the stores depend on: not the reductions that only end the group."""
        seen: set[Scalar] = set()
        stack = [s.value for s in self.stores]
        while stack:
            value = stack.pop()
            if value not in seen:
                seen.add(value)
                stack += value.args
        return seen

    def reductions(self, turn: int) -> list[Scalar]:
        """Reductions over the row that are accumulated in a pass."""
        return [v for v in self.ordered() if v.op.startswith("reduce:")
                and self.turn[v] == turn + 1]  # fmt: skip

    def stores_in(self, turn: int) -> list[Store]:
        """What a pass stores, or adds up, for each element."""
        return [s for s in self.stores if s.kind in PER_ELEMENT and self.turn[s.value] == turn]

    def goals(self, turn: int) -> list[Scalar]:
        """What a pass has to produce: to store, to reduce, to keep for later."""
        found = [s.value for s in self.stores_in(turn)]
        found += [r.args[0] for r in self.reductions(turn)]
        found += [v for v in self.scratch if self.turn[v] == turn]
        return list(dict.fromkeys(found))

    def numbers(self) -> list[Scalar]:
        """The constants among the instructions that are floats."""
        return [v for v in self.ordered() if v.op == "const" and v.dtype.kind == "f"]

    def listing(self) -> tuple[Any, ...]:
        """The instructions and what is stored, whatever the values of `numbers` are."""
        order: dict[Scalar, int] = {}
        lines: list[Any] = []
        for value in self.builder.made.values():
            extra = None if value.op == "const" and value.dtype.kind == "f" else value.extra
            lines.append((value.op, tuple([order[a] for a in value.args]), value.dtype, extra,
                          value in self.live))  # fmt: skip
            order[value] = len(order)
        lines += [(s.position, s.kind, order[s.value], s.combine) for s in self.stores]
        return tuple(lines)

    def ordered(self) -> list[Scalar]:
        """The live instructions, operands first."""
        return [v for v in self.builder.made.values() if v in self.live]

    def needed(self, turn: int, kept: frozenset[Scalar]) -> Iterator[Scalar]:
        """Element values that a pass computes or reads from scratch rows; operands first."""
        done: set[Scalar] = set()
        stack = [(v, False) for v in reversed(self.goals(turn))]
        while stack:
            value, ready = stack.pop()
            if value in done or self.level[value] != ELEMENT:
                continue
            if ready or (value in kept and self.turn[value] < turn):
                done.add(value)
                yield value
            else:
                stack.append((value, True))
                stack += [(a, False) for a in reversed(value.args)]

    def row_values(self, turn: int) -> list[Scalar]:
        """Values of the row, or of the whole kernel, that are computed before a pass."""
        return [v for v in self.ordered() if self.level[v] == ROW and self.turn[v] == turn]

    def once_values(self) -> list[Scalar]:
        """Values that are the same everywhere."""
        return [v for v in self.ordered() if self.level[v] == ONCE]

    def __str__(self) -> str:
        names: dict[Scalar, str] = {}
        lines = [f"{self.group}: {self.turns} turns"]
        for value in self.builder.made.values():
            names[value] = f"s{len(names)}"
            shown = [names[a] for a in value.args]
            if value.op == "const":
                shown = [str(number(value))]
            if value.op == "load":
                shown = [self.operands[value.extra].variable.name or f"operand {value.extra}"]
            place = ("once", "row", "element")[self.level[value]]
            lines.append(f"  {names[value]} = {value.op}({', '.join(shown)}): {value.dtype}"
                         f"  # {place}, pass {self.turn[value]}")  # fmt: skip
        for store in self.stores:
            lines.append(f"  result {store.position} = {store.kind} {store.combine}"
                         f"({names[store.value]})")  # fmt: skip
        return "\n".join(lines)


def static_size(size: int | Dim) -> int | None:
    """The size where it is known now."""
    return size if isinstance(size, int) else None


def lane_bytes(loop: Loop) -> int:
    """Bytes of the widest number that is computed for each element."""
    sizes = [v.dtype.itemsize for v in loop.builder.made.values() if v.dtype != np.bool_]
    return max(sizes, default=1)
