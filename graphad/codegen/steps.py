"""One step of a loop as machine code: the body's plan, for the shapes of one call.

The calls that formulas of ops make are carried out here on *values*: a strided place in memory, a
formula that is not computed yet, a number in a register. Views are only other strides; formulas
are computed where something else than a formula reads them, so that neighbours share one loop.
What has no translation raises `Unrecordable`: the loop then stays a Python loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.codegen.looptext import Formula, Loops, LoopText, Number, Place
from graphad.codegen.recording import Instruction, Traced, Unrecordable
from graphad.codegen.scalars import VOCABULARY, Builder, Scalar, recorded
from graphad.ir.dims import Atom
from graphad.ir.families.inner import InnerFamily
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant
from graphad.plan.plan import Plan, Step

Value = Place | Formula | Number
REDUCTIONS = ("sum", "prod", "max", "min", "any", "all")


def concrete(type: TensorType, sizes: Mapping[Atom, int]) -> TensorType:
    """The type with numbers as sizes; Unrecordable where one is not known."""
    if type.is_static:
        return type
    try:
        return type.with_shape(
            [s if isinstance(s, int) else s.evaluate(sizes) for s in type.shape]
        )
    except KeyError:
        raise Unrecordable("a size that depends on values") from None


class Steps:
    """Writes the steps of a plan; `values` holds what is known of each value by its number."""

    def __init__(self, plan: Plan, sizes: Mapping[Atom, int], text: LoopText) -> None:
        self.plan, self.sizes, self.text = plan, sizes, text
        self.builder = Builder()
        self.operands: list[Place | Number] = []
        self.loads: dict[int, Scalar] = {}
        self.loops = Loops(text, self.operands)
        self.values: dict[int, Any] = {}
        self.fixed: list[np.ndarray] = []  # constants, handed over by address
        self.scratch = 0  # bytes of temporaries
        self.reads: dict[int, int] = {}
        for step in plan.steps:
            for n in step.inputs:
                self.reads[n] = self.reads.get(n, 0) + 1

    def type(self, number: int) -> TensorType:
        """The type of a value in this call."""
        return concrete(self.plan.values[number].type, self.sizes)

    # -- values --------------------------------------------------------------------------------
    def scalar(self, value: Any) -> Scalar | Any:
        """What stands for a value in formulas; Python numbers stay."""
        if isinstance(value, Formula):
            return value.root
        if isinstance(value, Place | Number):
            found = self.loads.get(id(value))
            if found is None:
                self.operands.append(value)
                found = self.builder.load(len(self.operands) - 1, value.dtype)
                self.loads[id(value)] = found
            return found
        return value

    def temporary(self, dtype: np.dtype, shape: Sequence[int]) -> Place:
        """Fresh memory."""
        size = max(1, int(np.prod(shape, dtype=int))) * dtype.itemsize
        start = self.scratch
        self.scratch += -(-size // 64) * 64
        base = self.text.put(f"getelementptr i8, ptr %scratch, i64 {start}")
        return Place(base, dtype, shape, "temporary")

    def place(self, value: Any) -> Place:
        """A value in memory."""
        if isinstance(value, Place):
            return value
        if isinstance(value, Number):
            made = self.temporary(value.dtype, ())
            self.text.store(value.name, made.base, value.dtype)
            return made
        if not isinstance(value, Formula):
            raise Unrecordable("a Python number as an array")
        made = self.temporary(value.root.dtype, value.shape)
        self.loops.elementwise(value, made)
        return made

    def computed(self, value: Any) -> Any:
        """A value that can be read several times: a formula is computed, now."""
        if not isinstance(value, Formula) or value.root.op in ("load", "const"):
            return value
        return self.place(value) if value.shape else self.number(value)

    def formula(self, root: Any, shape: Sequence[int]) -> Formula:
        """A formula of the size of what it is written to."""
        return Formula(root, shape)

    def number(self, value: Any) -> Number:
        """A single number in a register."""
        if isinstance(value, Number):
            return value
        if isinstance(value, Place):
            value = Formula(self.scalar(value), ())
        name = self.loops.value(value.root, self._at)
        return Number(name, value.root.dtype)

    def _at(self, place: Place) -> str:
        return self.text.at(place.base, place.dtype, place.offset, [])

    def constant(self, variable: Constant) -> Any:
        """A constant of the body: in formulas, or in memory that is handed over."""
        array = variable.value
        if not array.ndim:
            return Formula(self.builder.const(array, array.dtype), ())
        self.fixed.append(np.ascontiguousarray(array))
        number = len(self.fixed) - 1
        return Place(f"%fixed{number}", array.dtype, array.shape, "fixed")

    # -- steps ---------------------------------------------------------------------------------
    def run(self) -> None:
        """Write all steps of the plan."""
        for value in self.plan.values:
            if isinstance(value.variable, Constant) and value.kind == "constant":
                self.values[value.number] = self.constant(value.variable)
        ends = set(self.plan.outputs)
        for step in self.plan.steps:
            (number,) = step.outputs if len(step.outputs) == 1 else (None,)
            if number is None or isinstance(step.node.op.family, InnerFamily):
                raise Unrecordable(step.node.op.name)
            made = self.step(step)
            several = self.reads.get(number, 0) + (number in ends) > 1
            self.values[number] = self.computed(made) if several else made

    def step(self, step: Step) -> Any:
        """The value of one op."""
        kind = self.type(step.outputs[0])
        if step.node.op.name == "dim_size":
            axis = step.node.op.params["axis"]
            size = self.type(step.inputs[0]).shape[axis]
            return Formula(self.builder.const(size, np.dtype("int64")), ())
        types = tuple([self.type(n) for n in step.inputs])
        calls, result = recorded(step.node.op, types)
        names: dict[str, Any] = {f"a{i}": self.values[n] for i, n in enumerate(step.inputs)}
        for call in calls:
            if call.function == "setitem":
                self.write(call, names)
            else:
                names[call.target] = self.call(call, names)
        return self.cast(names[result], kind)

    def cast(self, value: Any, kind: TensorType) -> Any:
        """The value in the dtype and shape of the op's type."""
        shape = shape_of(value)
        if shape != kind.shape:
            value = self.broadcast(value, kind.shape)
        if not isinstance(value, Formula) and value.dtype == kind.dtype:
            return value
        return Formula(self.builder.cast(self.scalar(value), kind.dtype), kind.shape)

    def call(self, call: Instruction, names: Mapping[str, Any]) -> Any:
        """One call of a formula."""
        given = [self.argument(a, names) for a in call.arguments]
        keywords = {k: self.argument(v, names) for k, v in call.keywords.items()}
        own: Callable[..., Any] | None = getattr(self, f"_{call.function}", None)
        if call.function in REDUCTIONS:
            return self.reduced(call.function, *given, **keywords)
        if own is not None:
            return own(*given, **keywords)
        make = VOCABULARY.get(call.function)
        if make is None:
            raise Unrecordable(call.function)
        shape = np.broadcast_shapes(*[shape_of(g) for g in given if isinstance(g, Value)])
        root = make(self.builder, *[self.scalar(g) for g in given], **keywords)
        return Formula(root, shape)

    def argument(self, value: Any, names: Mapping[str, Any]) -> Any:
        """An argument of a call as a value; sizes as numbers."""
        if isinstance(value, Traced):
            if value.text in names:
                return names[value.text]
            return self.size(value.text, names)
        if isinstance(value, tuple | list):
            return type(value)([self.argument(v, names) for v in value])
        if isinstance(value, slice):
            parts = [self.argument(v, names) for v in (value.start, value.stop, value.step)]
            return slice(*parts)
        if isinstance(value, np.generic):
            return Formula(self.builder.const(value, value.dtype), ())
        return value

    def size(self, text: str, names: Mapping[str, Any]) -> int:
        """``a1.item()``: an operand that is a number known by now."""
        name, dot, rest = text.partition(".")
        value = names.get(name)
        if dot and rest == "item()" and isinstance(value, Formula) and value.root.op == "const":
            return int(np.frombuffer(value.root.extra, value.root.dtype)[0])
        raise Unrecordable(text)

    # -- views and movements -------------------------------------------------------------------
    def broadcast(self, value: Any, shape: Sequence[int]) -> Any:
        """The value stretched to a shape."""
        if isinstance(value, Number):
            return Formula(self.scalar(value), shape)
        if isinstance(value, Formula):
            if not self.loops.used(value.root) and all(n == 1 for n in value.shape):
                return Formula(value.root, shape)  # the same number everywhere
            value = self.place(value)
        lead = len(shape) - len(value.shape)
        strides = [0] * lead
        for size, stride, wanted in zip(value.shape, value.strides, shape[lead:], strict=True):
            if size not in (1, wanted):
                raise Unrecordable("shapes that do not fit")
            strides.append(0 if size != wanted else stride)
        return value.view(shape, strides)

    def _broadcast_to(self, x: Any, shape: Sequence[int]) -> Any:
        return self.broadcast(x, tuple(shape))

    def _reshape(self, x: Any, shape: Any) -> Any:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        count = int(np.prod(shape_of(x), dtype=int))
        if -1 in shape:
            known = -int(np.prod(shape, dtype=int))
            shape = tuple([count // known if n == -1 else n for n in shape])
        if isinstance(x, Number) or (isinstance(x, Formula) and not self.loops.used(x.root)):
            return Formula(self.scalar(x), shape)
        place = self.place(x)
        if not place.is_contiguous:
            place = self.place(Formula(self.scalar(place), place.shape))
        return Place(place.base, place.dtype, shape, place.kind, None, place.offset)

    def _transpose(self, x: Any, axes: Sequence[int]) -> Place:
        place = self.place(x)
        return place.view([place.shape[a] for a in axes], [place.strides[a] for a in axes])

    def _expand_dims(self, x: Any, axis: Sequence[int]) -> Any:
        shape = list(shape_of(x))
        for a in sorted(axis):
            shape.insert(a, 1)
        return self._reshape_view(x, shape)

    def _squeeze(self, x: Any, axis: Sequence[int] | int) -> Any:
        gone = (axis,) if isinstance(axis, int) else axis
        return self._reshape_view(x, [n for a, n in enumerate(shape_of(x)) if a not in gone])

    def _reshape_view(self, x: Any, shape: Sequence[int]) -> Any:
        """Axes of size 1 put in or taken out."""
        if isinstance(x, Number) or (isinstance(x, Formula) and not self.loops.used(x.root)):
            return Formula(self.scalar(x), shape)
        place = self.place(x)
        strides = iter([s for n, s in zip(place.shape, place.strides, strict=True) if n != 1])
        return place.view(shape, [0 if n == 1 else next(strides) for n in shape])

    def _flip(self, x: Any, axis: Sequence[int]) -> Place:
        index = tuple([slice(None, None, -1 if a in axis else None)
                       for a in range(len(shape_of(x)))])  # fmt: skip
        return self._getitem(x, index)

    def _getitem(self, x: Any, index: Any) -> Place:
        place = self.place(x)
        entries = list(index) if isinstance(index, tuple) else [index]
        if not all(e is None or e is Ellipsis or isinstance(e, int | slice) for e in entries):
            raise Unrecordable("an index known at run time")
        taken = sum(e is not None and e is not Ellipsis for e in entries)
        fill = [slice(None)] * (len(place.shape) - taken)
        if Ellipsis in entries:
            at = next(k for k, e in enumerate(entries) if e is Ellipsis)
            entries[at : at + 1] = fill
        else:
            entries += fill
        shape: list[int] = []
        strides: list[int] = []
        offset = axis = 0
        for entry in entries:
            if entry is None:
                shape.append(1)
                strides.append(0)
                continue
            size, stride = place.shape[axis], place.strides[axis]
            axis += 1
            if isinstance(entry, int):
                if not -size <= entry < size:
                    raise Unrecordable("an index out of range")
                offset += (entry % size) * stride
                continue
            start, stop, step = entry.indices(size)
            count = len(range(start, stop, step))
            offset += start * stride if count else 0
            shape.append(count)
            strides.append(stride * step)
        return place.view(shape, strides, offset)

    # -- making --------------------------------------------------------------------------------
    def _filled(self, shape: Any, dtype: Any, value: float) -> Formula:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        return Formula(self.builder.const(value, np.dtype(dtype or float)), sizes)

    def _zeros(self, shape: Any, dtype: Any = None) -> Formula:
        return self._filled(shape, dtype, 0)

    def _ones(self, shape: Any, dtype: Any = None) -> Formula:
        return self._filled(shape, dtype, 1)

    _empty = _zeros

    def _isneginf(self, x: Any) -> Formula:
        root = self.scalar(x)
        least = self.builder.const(-np.inf, root.dtype)
        return Formula(self.builder.make("eq", (root, least), np.dtype(bool)), shape_of(x))

    def write(self, call: Instruction, names: dict[str, Any]) -> None:
        """``x[index] = value``, of an x that the formula has made."""
        target, index, value = call.arguments
        place = self.place(names[target.text])
        if place.kind != "temporary" or not target.text.startswith("t"):
            raise Unrecordable("writing into an operand")
        names[target.text] = place
        window = self._getitem(place, self.argument(index, names))
        given = self.argument(value, names)
        if not isinstance(given, Value):
            raise Unrecordable("a Python number put into an array")
        self.loops.elementwise(Formula(self._as(given, place.dtype).root, window.shape), window)

    def _concatenate(self, parts: Sequence[Any], axis: int = 0) -> Place:
        shapes = [shape_of(p) for p in parts]
        whole = list(shapes[0])
        whole[axis] = sum([s[axis] for s in shapes])
        made = self.temporary(self._dtype(parts), whole)
        start = 0
        for part, shape in zip(parts, shapes, strict=True):
            window = made.view(shape, made.strides, start * made.strides[axis])
            self.loops.elementwise(self._as(part, made.dtype), window)
            start += shape[axis]
        return made

    def _stack(self, parts: Sequence[Any], axis: int = 0) -> Place:
        return self._concatenate([self._reshape_view(p, _inserted(shape_of(p), axis))
                                  for p in parts], axis)  # fmt: skip

    def _dtype(self, parts: Sequence[Any]) -> np.dtype:
        return np.result_type(*[self.scalar(p).dtype for p in parts])

    def _as(self, value: Any, dtype: np.dtype) -> Formula:
        return Formula(self.builder.cast(self.scalar(value), dtype), shape_of(value))

    # -- reductions and products ---------------------------------------------------------------
    def reduced(
        self, kind: str, x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None,
        initial: Any = None,
    ) -> Any:  # fmt: skip
        shape = shape_of(x)
        axes = tuple(range(len(shape))) if axis is None else (
            (axis,) if isinstance(axis, int) else tuple(axis))  # fmt: skip
        probe = VOCABULARY[kind](self.builder, self.scalar(x), dtype=dtype, initial=initial)
        formula = Formula(self.builder.cast(self.scalar(x), probe.dtype), shape)
        kept = [n for a, n in enumerate(shape) if a not in axes]
        if 0 in shape:
            raise Unrecordable("a reduction of nothing")
        made = self.temporary(probe.dtype, kept)
        self.loops.reduce(kind, formula, axes, probe.dtype, made)
        if keepdims:
            return self._reshape_view(made, [1 if a in axes else n for a, n in enumerate(shape)])
        return made if kept else self.number(made)

    def _matmul(self, a: Any, b: Any) -> Any:
        first, second = self.place(a), self.place(b)
        rows, columns = len(first.shape), len(second.shape)
        if not 1 <= rows <= 2 or not 1 <= columns <= 2 or first.dtype.kind != "f":
            raise Unrecordable("a stack of matrices")
        if first.dtype != second.dtype or first.shape[-1] != second.shape[0]:
            raise Unrecordable("a product that NumPy decides about")
        if 0 in first.shape or 0 in second.shape:
            raise Unrecordable("an empty product")
        wide = self.product(first, second)
        return wide if wide is not None else self._dots(first, second, rows, columns)

    def product(self, first: Place, second: Place) -> Place | None:
        """A large product, by a library; None: not here."""
        return None

    def _dots(self, first: Place, second: Place, rows: int, columns: int) -> Any:
        """Σ_k a[m, k] b[k, n], as a reduction of a formula."""
        m, k = first.shape if rows == 2 else (1, first.shape[0])
        n = second.shape[1] if columns == 2 else 1
        row, inner = first.strides if rows == 2 else (0, first.strides[0])
        deep, column = second.strides if columns == 2 else (second.strides[0], 0)
        if n > 1 and column == 1:
            frame, axis = (m, k, n), 1
            left, right = (row, inner, 0), (0, deep, column)
        else:
            frame, axis = (m, n, k), 2
            left, right = (row, 0, inner), (0, column, deep)
        a, b = first.view(frame, left), second.view(frame, right)
        root = VOCABULARY["multiply"](self.builder, self.scalar(a), self.scalar(b))
        made = self.temporary(first.dtype, (m, n))
        self.loops.reduce("sum", Formula(root, frame), (axis,), first.dtype, made)
        shape = [*([m] if rows == 2 else []), *([n] if columns == 2 else [])]
        if not shape:
            return self.number(made)
        return Place(made.base, made.dtype, shape, "temporary")


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a value; numbers have none."""
    return value.shape if isinstance(value, Place | Formula) else ()


def _inserted(shape: Sequence[int], axis: int) -> list[int]:
    found = list(shape)
    found.insert(axis, 1)
    return found
