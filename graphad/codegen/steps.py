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

from graphad.codegen.loopcomplex import is_complex, is_kept_in_memory
from graphad.codegen.looppicks import Picks
from graphad.codegen.looptext import LoopText
from graphad.codegen.movements import At, Value, is_known, shape_of
from graphad.codegen.places import COMPLEX, Formula, Pair, Place
from graphad.codegen.recording import Instruction, Traced, Unrecordable, recorded
from graphad.codegen.scalars import VOCABULARY
from graphad.codegen.vectors import identity
from graphad.ir.dims import Atom
from graphad.ir.families.contraction import Contraction
from graphad.ir.families.indexing import ScatterAdd
from graphad.ir.families.inner import InnerFamily
from graphad.ir.op import Op
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant
from graphad.plan.plan import Plan, Step

REDUCTIONS = ("sum", "prod", "max", "min", "any", "all")


def concrete(type: TensorType, sizes: Mapping[Atom, int]) -> TensorType:
    """The type with numbers as sizes; Unrecordable where one is not known."""
    if type.is_static:
        return type
    try:
        shape = [s if isinstance(s, int) else s.evaluate(sizes) for s in type.shape]
    except KeyError:
        raise Unrecordable("a size that depends on values") from None
    return type.with_shape(shape)


def keeps_zeros(op: Op) -> bool:
    """A product in which zeros count against what is not finite; where no NaN comes out, it is
    the plain product."""
    return isinstance(op.family, Contraction) and bool(op.params.get("strong"))


def plain(op: Op) -> Op:
    """The op, or the plain product."""
    found: Op = op.family.plain if keeps_zeros(op) else op  # type: ignore[attr-defined]
    return found


class Steps(Picks):
    """Writes the steps of a plan; `values` holds what is known of each value by its number."""

    def __init__(self, plan: Plan, sizes: Mapping[Atom, int], text: LoopText) -> None:
        super().__init__(text)
        self.plan, self.sizes = plan, sizes
        self.values: dict[int, Any] = {}
        self.open_sizes: dict[str, int] = {}
        self.fixed: list[np.ndarray] = []  # constants, handed over by address
        self.reads: dict[int, int] = {}
        for step in plan.steps:
            for n in step.inputs:
                self.reads[n] = self.reads.get(n, 0) + 1

    def type(self, number: int) -> TensorType:
        """The type of a value in this call."""
        return concrete(self.plan.values[number].type, self.sizes)

    def constant(self, variable: Constant) -> Any:
        """A constant of the body: in formulas, or in memory that is handed over."""
        array = variable.value
        if not array.ndim and array.dtype.kind == "c":
            return self.constant_pair(array[()])
        if not array.ndim:
            return Formula(self.builder.const(array, array.dtype), ())
        return self.fixed_place(array)

    def fixed_place(self, array: np.ndarray) -> Place:
        """An array that is known now, in memory that is handed over."""
        self.fixed.append(np.ascontiguousarray(array))
        return Place(f"%fixed{len(self.fixed) - 1}", array.dtype, array.shape, "fixed")

    def _arange(self, count: int, dtype: Any = None) -> Place:
        return self.fixed_place(np.arange(count, dtype=dtype))

    # -- steps ---------------------------------------------------------------------------------
    def run(self) -> None:
        """Write all steps of the plan."""
        for value in self.plan.values:
            if isinstance(value.variable, Constant) and value.kind == "constant":
                self.values[value.number] = self.constant(value.variable)
        ends = set(self.plan.outputs)
        for step in self.plan.steps:
            if isinstance(step.node.op.family, InnerFamily):
                self.values.update(zip(step.outputs, self.inner(step), strict=True))
                continue
            (number,) = step.outputs if len(step.outputs) == 1 else (None,)
            if number is None:
                raise Unrecordable(step.node.op.name)
            made = self.step(step)
            several = self.reads.get(number, 0) + (number in ends) > 1
            self.values[number] = self.computed(made) if several else made

    def inner(self, step: Step) -> Sequence[Value]:
        """The values of an op with inner graphs; see `loopinner`."""
        raise Unrecordable(step.node.op.name)

    def step(self, step: Step) -> Any:
        """The value of one op."""
        kind = self.type(step.outputs[0])
        if step.node.op.name == "dim_size":
            axis = step.node.op.params["axis"]
            size = self.type(step.inputs[0]).shape[axis]
            return Formula(self.builder.const(size, np.dtype("int64")), ())
        self.open_sizes = self._open_sizes(step)
        types = tuple([self.type(n) for n in step.inputs])
        calls, result = recorded(self.op(step), types)
        names: dict[str, Any] = {f"a{i}": self.values[n] for i, n in enumerate(step.inputs)}
        for call in calls:
            if call.function in ("setitem", "add.at"):
                self.write(call, names)
            else:
                names[call.target] = self.call(call, names)
        return self.cast(names[result], kind)

    def _open_sizes(self, step: Step) -> dict[str, int]:
        """The operands of a step that are sizes of its parameter `shape`, where those are known:
        they may be computed outside of the loop, which is given their numbers as it runs."""
        shape = step.node.op.params.get("shape")
        if not isinstance(shape, tuple):
            return {}
        sizes = [size for size in shape if not isinstance(size, int)]
        scattered = isinstance(step.node.op.family, ScatterAdd)
        first = 1 if scattered else len(step.inputs) - len(sizes)
        return {
            f"a{first + i}": size.evaluate(self.sizes)
            for i, size in enumerate(sizes)
            if size.atoms() <= self.sizes.keys()
        }

    def op(self, step: Step) -> Op:
        """The op that is computed for a step."""
        return step.node.op

    def cast(self, value: Any, kind: TensorType) -> Any:
        """The value in the dtype and shape of the op's type."""
        shape: Any = kind.shape
        if shape_of(value) != shape:
            value = self.broadcast(value, shape)
        if not isinstance(value, Formula) and value.dtype == kind.dtype:
            return value
        if kind.dtype.kind == "c" or is_complex(value):
            return self.complex_call("astype", (value, kind.dtype), {})
        return Formula(self.builder.cast(self.scalar(value), kind.dtype), shape)

    def call(self, call: Instruction, names: Mapping[str, Any]) -> Any:
        """One call of a formula."""
        given = [self.argument(a, names) for a in call.arguments]
        keywords = {k: self.argument(v, names) for k, v in call.keywords.items()}
        if call.function != "getitem" and not is_known([*given, *keywords.values()]):
            raise Unrecordable("a size known at run time")
        own: Callable[..., Any] | None = getattr(self, f"_{call.function}", None)
        if call.function in REDUCTIONS:
            return self.reduced(call.function, *given, **keywords)
        if own is not None:
            return own(*given, **keywords)
        widens = call.function == "astype" and given[1] in COMPLEX
        if widens or any(is_complex(g) for g in given):
            return self.complex_call(call.function, given, keywords)
        make = VOCABULARY.get(call.function)
        if make is None:
            raise Unrecordable(call.function)
        shape = np.broadcast_shapes(*[shape_of(g) for g in given if isinstance(g, Value)])
        root = make(self.builder, *[self.scalar(g) for g in given], **keywords)
        return Formula(root, shape)

    def write(self, call: Instruction, names: dict[str, Any]) -> None:
        """``x[index] = value`` or ``+= value``, of an x that the formula has made."""
        target, index, value = call.arguments
        place = self.place(names[target.text])
        if place.kind != "temporary" or not target.text.startswith("t"):
            raise Unrecordable("writing into an operand")
        names[target.text] = place
        given = self.argument(value, names)
        if not isinstance(given, Value):
            raise Unrecordable("a Python number put into an array")
        self.put(place, self.argument(index, names), given, adds=call.function == "add.at")

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
        if isinstance(value, np.complexfloating):
            return self.constant_pair(value)
        if isinstance(value, np.generic):
            return Formula(self.builder.const(value, value.dtype), ())
        return value

    def size(self, text: str, names: Mapping[str, Any]) -> int | At:
        """``a1.item()``: an operand that is a number, known by now or when the loop runs."""
        name, dot, rest = text.partition(".")
        if name in self.open_sizes:
            return self.open_sizes[name]
        value = names.get(name)
        if not dot or rest != "item()" or value is None or shape_of(value):
            raise Unrecordable(text)
        known = self.known(value)
        return self.later(value) if known is None else known

    def later(self, value: Any) -> At:
        """An index that is known when the code runs; see `loopinner`."""
        raise Unrecordable("an index known at run time")

    # -- what goes on from step to step --------------------------------------------------------
    def copied(self, value: Any, target: Place) -> None:
        """Write an array to memory."""
        t = self.text
        if isinstance(value, Place) and value.is_contiguous and value.shape == target.shape and (
            target.is_contiguous and value.dtype == target.dtype
        ):  # fmt: skip
            source = t.at(value.base, value.dtype, value.offset, [])
            aim = t.at(target.base, target.dtype, target.offset, [])
            t.copy(aim, source, value.size * value.dtype.itemsize)
            return
        shaped = self.broadcast(value, target.shape) if shape_of(value) != target.shape else value
        self.fill(shaped, target)

    def carried(self, owns: Sequence[Place], outputs: Sequence[Any]) -> list[str]:
        """The single carries after a step; arrays are overwritten when all are computed."""
        names: list[str] = []
        moves: list[tuple[Place, Any]] = []
        for own, value in zip(owns, outputs, strict=False):
            if not is_kept_in_memory(own):
                names.append(self.number(value).name)
                continue
            names.append("")
            if isinstance(value, Place):
                if value.base == own.base and value.is_contiguous and not value.offset:
                    continue
                if value.kind != "carry":
                    moves.append((own, value))
                    continue
            made = self.temporary(own.dtype, own.shape)
            self.copied(value, made)
            moves.append((own, made))
        for own, value in moves:
            self.copied(value, own)
        return names

    # -- reductions and products ---------------------------------------------------------------
    def reduced(
        self, kind: str, x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None,
        initial: Any = None, where: Any = None,
    ) -> Any:  # fmt: skip
        if where is not None:
            raise Unrecordable("a reduction of some elements")
        if is_complex(x):
            return self.complex_sum(kind, x, axis, keepdims, dtype, initial)
        shape = shape_of(x)
        axes = tuple(range(len(shape))) if axis is None else (
            (axis,) if isinstance(axis, int) else tuple(axis))  # fmt: skip
        probe = VOCABULARY[kind](self.builder, self.scalar(x), dtype=dtype, initial=initial)
        formula = Formula(self.builder.cast(self.scalar(x), probe.dtype), shape)
        kept = [n for a, n in enumerate(shape) if a not in axes]
        if 0 in shape:
            if kind in ("max", "min"):
                raise Unrecordable("an extremum of nothing")
            nothing = self.builder.const(identity(kind, probe.dtype), probe.dtype)
            sizes = [1 if a in axes else n for a, n in enumerate(shape)] if keepdims else kept
            return Formula(nothing, sizes)
        made = self.temporary(probe.dtype, kept)
        self.loops.reduce(kind, formula, axes, probe.dtype, made)
        if keepdims:
            return self._reshape_view(made, [1 if a in axes else n for a, n in enumerate(shape)])
        return made if kept else self.number(made)

    def complex_sum(
        self, kind: str, x: Any, axis: Any, keepdims: bool, dtype: Any, initial: Any
    ) -> Pair:
        """The sum of complex numbers: of their parts."""
        if kind != "sum" or initial is not None or dtype not in (None, x.dtype):
            raise Unrecordable(f"{kind} of complex numbers")
        real, imag = [self.reduced(kind, p, axis, keepdims) for p in self.parts(x)]
        return Pair(real, imag, x.dtype, shape_of(real))

    def _matmul(self, a: Any, b: Any) -> Any:
        if is_complex(a) or is_complex(b):
            return self.complex_product(a, b, self._matmul)
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
