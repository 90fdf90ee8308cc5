"""Fused groups inside a native function: their loop nests, called for arrays in known places.

The counterpart of `entry` where addresses are parameters, and sizes and strides are numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphad.codegen.entry import Entry
from graphad.codegen.loops import Loop
from graphad.codegen.nest import CHUNK, Nest
from graphad.codegen.places import Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import Scalar
from graphad.ir.variable import Constant, Variable
from graphad.plan.group import Group, Operand


class Inside(Entry):
    """Writes ``i32 name(ptr %p0, ptr %p1, …)``: operands, then results; 1 where memory is out.

    places: where operands and results lie, in the order of the parameters.
    """

    def __init__(self, nest: Nest, name: str, places: Sequence[Place]) -> None:
        super().__init__(nest, name, {"data": 0, "sizes": 1, "strides": 2, "flags": 3})
        self.places = places

    def alone(self, numbers: Sequence[Scalar] = ()) -> list[str] | None:
        """The nest itself as that function, if it is a single row in a single chunk: there is no
        block of parameters, and nothing to divide. `numbers`: constants that it reads from
        memory, at a first parameter ``ptr %k``."""
        nest, group = self.nest, self.nest.group
        if not nest.is_flat or nest.columns:
            return None
        fields = self._operands() | self._results(len(group.arguments)) | self._starts()
        sizes = [self.sizes.get(axis, "") for axis in range(len(group.frame))]
        if self.text.lines or not all([size.isdecimal() for size in sizes]):
            return None
        elements = math.prod(map(int, sizes))
        if not 0 < elements <= CHUNK:
            return None
        fields |= {"rows": "1", "length": str(elements), "elements": str(elements)}
        fields |= {f"partial{i}": fields[f"result{store.position}"]
                   for i, store in enumerate(nest.totals)}  # fmt: skip
        given = f"ptr %k, {self._given()}" if numbers else self._given()
        return nest.write_alone(fields, given, numbers)

    def write(self) -> list[str]:
        t = self.text
        t.label("start")
        t.do(f"%p = alloca [{len(self.nest.slots.index) + 8} x i64], align 8")
        fields = self._operands()
        fields |= self._results(len(self.nest.group.arguments))
        fields |= self._starts()
        self._geometry()
        elements = self._elements()
        chunks = self._chunks(elements)
        self._parameters(fields, chunks)
        self._run(elements, chunks)
        self._finish(chunks)
        t.do("ret i32 0")
        head = f"define internal i32 @{self.name}({self._given()}) {{"
        return [head, t.lines[0], *self.counted.counters, *t.lines[1:], "}"]

    def _given(self) -> str:
        return ", ".join([f"ptr %p{i}" for i in range(len(self.places))])

    def argument(self, place: int) -> str:
        return f"%p{place}"

    def field(self, base: str, offset: int, kind: str = "ptr") -> str:
        """A part of an array, all of which are known."""
        what, _, place = base.rpartition("%p")
        if not what:
            return base if offset == self.layout["data"] else f"strides of {base}"
        axis, found = offset // 8, self.places[int(place)]
        if what == "sizes of ":
            return str(found.shape[axis])
        return str(found.strides[axis] * found.dtype.itemsize)

    def wrong(self, condition: str) -> None:
        """What is wrong is found out while the function is written."""

    def _object(self, variable: Variable, place: int) -> tuple[str, str, str]:
        one = self.argument(place)
        return one, f"sizes of {one}", f"strides of {one}"

    def _size(self, axis: int, size: str) -> None:
        if self.sizes.setdefault(axis, size) != size:
            raise Unrecordable("a size that is not what the group was made for")

    def _run(self, elements: str, chunks: str) -> None:
        t = self.text
        self._set("elements", "i64", elements)
        full = t.put(f"call i32 @{self.nest.name}(ptr %p, i64 0, i64 {chunks})")
        t.do(f"br i1 {t.put(f'icmp eq i32 {full}, 0')}, label %ran, label %memory")
        t.label("memory")
        self._release()
        t.do("ret i32 1")
        t.label("ran")

    def _no_memory(self) -> None:
        self.text.do("ret i32 1")


def lies_well(group: Group, variable: Variable, place: Place) -> bool:
    """Can the nest of the group read this operand where it lies?"""
    kind = group.loose.get(variable)
    if kind is None or not place.shape:
        return place.is_contiguous
    return kind == "strided" or place.strides[-1] == 1


def write_group(
    group: Group, name: str, places: Sequence[Place], width: int, declared: dict[str, str]
) -> list[str]:
    """The functions of a group: ``name``, and its nest, if that is another one."""
    alone = Inside(Nest(Loop(group), name, width, declared), name, places).alone()
    if alone is not None:
        return alone
    nest = Nest(Loop(group), f"{name}.nest", width, declared)
    lines = nest.write()
    return lines + Inside(nest, name, places).write()


def write_shared(
    loop: Loop, name: str, places: Sequence[Place], width: int, declared: dict[str, str]
) -> list[str] | None:
    """The function of a group with its numbers as a parameter; None if it is not a single row."""
    return Inside(Nest(loop, name, width, declared), name, places).alone(loop.numbers())


def described(group: Group) -> tuple[Any, Any]:
    """What the nest of a group depends on, equal where only the variables are others; and apart
    from that the values of constants that are numbers."""
    inner: dict[Variable, int] = {}
    places = {v: i for i, v in enumerate(group.arguments)}
    values: list[bytes] = []

    def shown(operand: Operand) -> tuple[Any, ...]:
        variable = operand.variable
        which: Any = places.get(variable)
        if which is None and isinstance(variable, Constant):
            value = variable.value.tobytes()
            if operand.windows:
                which = value
            else:
                values.append(value)
        return which, variable.type, operand.axes, operand.windows, len(operand.sizes)

    nodes = []
    for node, sources in zip(group.nodes, group.sources, strict=True):
        given = [inner[s] if isinstance(s, Variable) else shown(s) for s in sources]
        nodes.append((node.op, node.types, tuple([v.type for v in node.inputs]), tuple(given)))
        inner[node.output(0)] = len(inner)
    results = [(inner[r.variable], r.axes, r.kind) for r in group.results]
    loose = [(places[v], kind) for v, kind in group.loose.items() if v in places]
    operands = [shown(o) for o in group.operands]
    what = group.frame, group.inner, tuple(nodes), tuple(operands), tuple(results), tuple(loose)
    return what, tuple(values)
