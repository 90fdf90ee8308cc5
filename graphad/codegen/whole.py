"""A whole program of small arrays as one native function.

Where arrays are small, most of the time of a program goes into getting from one call to the next.
Here the steps of a plan, for the sizes of one call, become calls of functions in one module, on
memory that is used again, and Python enters it once. See `module` for the function.

Inputs in another order, and values that would have to be looked at (a NaN where a product keeps
zeros), raise `Unfit`: the NumPy program then runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.codegen import kernels, llvm
from graphad.codegen.inside import lies_well
from graphad.codegen.looppicks import Picked
from graphad.codegen.module import Content, Module
from graphad.codegen.movements import shape_of
from graphad.codegen.naming import Names
from graphad.codegen.parts import Parts
from graphad.codegen.places import Formula, Place, aligned, collapsed
from graphad.codegen.products import Product
from graphad.codegen.program import Program
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import BOOL, DTYPES, FLOATS, VOCABULARY
from graphad.codegen.sharing import Owner
from graphad.codegen.steps import Steps, concrete, keeps_zeros, plain
from graphad.codegen.vocabulary import dtype_name
from graphad.errors import ShapeError
from graphad.ir.dims import Atom
from graphad.ir.evaluate import match_sizes
from graphad.ir.families.inner import InnerFamily
from graphad.ir.op import Op
from graphad.ir.variable import Constant
from graphad.plan.group import Group
from graphad.plan.plan import Plan, Step

Shape = tuple[int, ...]
LEAST_STEPS = 4  # calls from Python that are saved
MOST_STEPS = 5000
MANY_GROUPS = 16  # from which those that differ in their numbers alone share a function
MOST_ELEMENTS = 32_768  # of an array: for larger ones kernels that share the work are better
MOST_PRODUCTS = 1 << 21  # multiplications of one product: larger ones share the work too
DEEPEST = 1 << 14  # of the inner axis of a product


def whole_program(
    plan: Plan, shapes: Sequence[Shape], name: str, cache: bool | str = False
) -> Program | None:
    """The program of a plan with fused groups as one native function, for inputs of these shapes;
    None where it cannot be, or is not worth it."""
    calls = sum([not step.node.op.family.views(step.node.op.params) for step in plan.steps])
    calls += sum([step.group is not None and step.group.product is not None
                  for step in plan.steps])  # fmt: skip
    if calls < LEAST_STEPS or len(plan.steps) > MOST_STEPS:
        return None
    sizes: dict[Atom, int] = {}
    try:
        for i, (v, shape) in enumerate(zip(plan.graph.inputs, shapes, strict=True)):
            match_sizes(v.type, np.broadcast_to(np.False_, shape), sizes, f"input {i}")
        kinds = [concrete(v.type, sizes) for v in plan.values]
        made = [math.prod(t.shape) for t, v in zip(kinds, plan.values, strict=True)
                if v.kind == "step"]  # fmt: skip
        if not all(t.dtype in DTYPES and 0 not in t.shape for t in kinds):
            return None
        if max(made, default=0) > MOST_ELEMENTS:
            return None
        return Whole(plan, sizes).program(name, cache)
    except (Unrecordable, ShapeError):
        return None


class Whole(Steps):
    """Writes the function, and the Python program that calls it."""

    loops: Parts

    def __init__(self, plan: Plan, sizes: Mapping[Atom, int]) -> None:
        parts = Parts([], llvm.width(), kernels.functions())
        super().__init__(plan, sizes, parts.text)
        self.loops = parts
        parts.operands, parts.fixed = self.operands, self.fixed
        parts.many = sum([step.group is not None for step in plan.steps]) >= MANY_GROUPS
        self.sizes_of: dict[str, int] = {}  # bytes of temporaries
        self.packed: dict[Any, Place] = {}
        self.doubts: list[Place] = []  # truth values; one that is true: not by this program
        self.work = 0

    # -- values live in memory that is found at the end ----------------------------------------
    def temporary(self, dtype: np.dtype, shape: Sequence[int]) -> Place:
        made = Place(f"temporary{len(self.sizes_of)}", dtype, shape, "temporary")
        self.sizes_of[made.base] = max(1, made.size) * dtype.itemsize
        self.work += made.size
        return made

    def number(self, value: Any) -> Any:
        return self.place(value).view((), ())  # a single number stays in memory

    def shape(self, number: int) -> tuple[int, ...]:
        """The sizes of a value."""
        return tuple([int(size) for size in self.type(number).shape])

    def op(self, step: Step) -> Op:
        return plain(step.node.op)

    def each(self, picked: Picked, rows: Place, emit: Callable[[Place, Any], None]) -> None:
        raise Unrecordable("an index known at run time")

    def run(self) -> None:
        for value in self.plan.values:
            if isinstance(value.variable, Constant) and value.kind == "constant":
                self.values[value.number] = self.constant(value.variable)
        ends = set(self.plan.outputs)
        for step in self.plan.steps:
            if step.group is not None:
                self._group(step, step.group)
                continue
            if len(step.outputs) != 1 or isinstance(step.node.op.family, InnerFamily):
                raise Unrecordable(step.node.op.name)
            (number,) = step.outputs
            made = self.step(step)
            several = self.reads.get(number, 0) + (number in ends) > 1
            self.values[number] = self.computed(made) if several else made

    def _group(self, step: Step, group: Group) -> None:
        """A fused group: its nest is called."""
        if any(operand.sizes for operand in group.operands):
            raise Unrecordable("sizes known at run time")
        numbers = dict(zip(group.inputs, step.inputs, strict=True))
        places = []
        for variable in group.arguments:
            if group.product is not None and variable is group.product.output(0):
                a, b = [self._shaped(numbers[v]) for v in group.product.inputs]
                places.append(self.place(self._matmul(a, b)))  # it stays in the cache
                continue
            place = self.place(self._shaped(numbers[variable]))
            places.append(place if lies_well(group, variable, place) else self._pack(place))
        made = [self.temporary(self.type(n).dtype, self.shape(n)) for n in step.outputs]
        self.loops.group(group, [*places, *made])
        self.values.update(zip(step.outputs, made, strict=True))

    def _shaped(self, number: int) -> Any:
        return self.cast(self.values[number], self.type(number))

    def step(self, step: Step) -> Any:
        made = super().step(step)
        if keeps_zeros(step.node.op):
            made = self.computed(made)
            self._doubt(made)
        return made

    def _doubt(self, made: Any) -> None:
        root = VOCABULARY["isnan"](self.builder, self.scalar(made))
        flag = self.temporary(BOOL, ())
        shape = shape_of(made)
        self.loops.reduce("any", Formula(root, shape), tuple(range(len(shape))), BOOL, flag)
        self.doubts.append(flag)

    # -- products ------------------------------------------------------------------------------
    def _matmul(self, a: Any, b: Any) -> Any:
        first, second = self.place(a), self.place(b)
        rows, columns = len(first.shape), len(second.shape)
        if columns == 1 or (columns == 2 and second.shape[1] == 1) or not rows:
            return super()._matmul(first, second)
        if first.dtype != second.dtype or first.dtype not in FLOATS:
            raise Unrecordable("a product that NumPy decides about")
        vector = rows == 1
        if vector:
            first = first.view((1, *first.shape), (0, *first.strides))
        (m, k), n = first.shape[-2:], second.shape[-1]
        if k != second.shape[-2] or m * n * k > MOST_PRODUCTS or k > DEEPEST:
            raise Unrecordable("a large product")
        second = second if second.strides[-1] == 1 else self._pack(second)
        outer = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
        made = self.temporary(first.dtype, (*outer, m, n))
        steps = [_outer(p, outer) for p in (first, second, made)]
        sizes, moved = collapsed(outer, steps)
        if len(sizes) != 1:
            raise Unrecordable("a stack of stacks")
        along = [s[0] for s in moved] if sizes[0] > 1 else [0, 0, 0]
        self.work += 2 * made.size * k
        product = Product(m, n, k, (first.strides[-2], first.strides[-1]), second.strides[-2],
                          first.dtype, (sizes[0], along[0], along[1], along[2]))  # fmt: skip
        self.loops.product(product, first, second, made)
        return made.view((*outer, n), (*made.strides[:-2], 1)) if vector else made

    def _pack(self, place: Place) -> Place:
        """A copy in C order; made once, since values do not change."""
        key = (place.base, place.offset, place.shape, place.strides)
        if key not in self.packed:
            made = self.packed[key] = self.temporary(place.dtype, place.shape)
            self.loops.elementwise(Formula(self.scalar(place), place.shape), made)
        return self.packed[key]

    # -- the program ---------------------------------------------------------------------------
    def program(self, name: str, cache: bool | str) -> Program:
        """The Python program; its one call is machine code."""
        inputs = [
            Place(f"given{i}", self.type(i).dtype, self.shape(i), "fixed")
            for i in range(len(self.plan.graph.inputs))
        ]
        self.values.update(enumerate(inputs))
        self.run()
        kept = self._results()
        text = Module(Content(
            inputs, len(self.plan.outputs), self.loops, self.sizes_of, kept, self.doubts,
            self.fixed, self.work,
        )).text()  # fmt: skip
        llvm.add_math(self.loops.declared)
        library = llvm.Library(text, cache)
        method = llvm.method("program", library.address("program"))
        native = llvm.callable_of(method, Owner(library, [method]))
        return self._wrapper(name, native)

    def _results(self) -> dict[str, str]:
        """Outputs computed where they belong: temporaries that are result arrays."""
        kept: dict[str, str] = {}
        for k, n in enumerate(self.plan.outputs):
            value, kind = self.values[n], self.type(n)
            whole = isinstance(value, Place) and value.is_contiguous and not value.offset
            if whole and value.base in self.sizes_of and value.base not in kept and (
                self.sizes_of[value.base] == value.size * value.dtype.itemsize
                and value.dtype == kind.dtype
            ):  # fmt: skip
                kept[value.base] = f"result{k}"
                continue
            target = Place(f"result{k}", kind.dtype, self.shape(n), "temporary")
            self.loops.elementwise(self._as(self.cast(value, kind), kind.dtype), target)
        return kept

    def _wrapper(self, name: str, native: Any) -> Program:
        plan, names = self.plan, Names()
        given = [names.value(v) for v in plan.values[: len(plan.graph.inputs)]]
        made = [names.unique(f"result{k}" if len(plan.outputs) > 1 else "result")
                for k in range(len(plan.outputs))]  # fmt: skip
        function = names.unique("native")
        imports = {"empty"}
        lines = [f"# {len(plan.steps)} steps in one native function:"]
        lines += [f"#   {line}" for line in self._listing()]
        for target, n in zip(made, plan.outputs, strict=True):
            kind = self.type(n)
            dtype = "" if kind.dtype == np.float64 else f", {dtype_name(kind.dtype)}"
            imports.update({dtype[2:]} if dtype else ())
            lines.append(f"{target} = empty({self.shape(n)}{dtype})")
        lines.append(f"{function}({', '.join([*given, *made])})")
        results = [r if self.type(n).ndim else f"{r}[()]"
                   for r, n in zip(made, plan.outputs, strict=True)]  # fmt: skip
        lines.append(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})")
        head = f"from numpy import {', '.join(sorted(imports))}\n\n\n"
        body = "".join([f"    {line}\n" for line in lines])
        source = f"{head}def program({', '.join(given)}):\n{body}"
        return Program([source], {function: native}, name)

    def _listing(self) -> list[str]:
        """The functions, and how often each is called."""
        counts: dict[str, int] = {}
        for call in self.loops.calls:
            counts[call.what] = counts.get(call.what, 0) + 1
        return [f"{count} x {what}" for what, count in counts.items()]


def _outer(place: Place, outer: Sequence[int]) -> tuple[int, ...]:
    """Strides of a stack of matrices along the axes of a stack that it is stretched to."""
    stack = Place(place.base, place.dtype, place.shape[:-2], "fixed", place.strides[:-2])
    return aligned(stack, len(outer), outer)
