"""How a program calls a native kernel: results are allocated, then filled by one call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.codegen import rooms
from graphad.codegen.program import call_op
from graphad.codegen.reuse import LARGE, makers
from graphad.codegen.vocabulary import dtype_name
from graphad.ir.families.inner import InnerFamily
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Variable
from graphad.plan.fold import is_plain_product
from graphad.plan.group import Group, Result
from graphad.plan.layout import base_of, layout
from graphad.plan.plan import Plan, Step, Value

CUMULATIVE = frozenset({"cumsum", "cumprod", "recurrence"})
SLIDING = frozenset({"slide_product", "convolve_full"})
SPACE = 3  # axes of windows that are added up in machine code


class Callables(dict[Group, Callable[..., Any]]):
    """The kernels of groups; `product` makes what multiplies matrices of a dtype, `adder` what
    adds up windows, `accumulator` what adds up along an axis, `slider` what convolves."""

    product: Callable[..., Callable[[Any, Any], Any]] | None = None
    adder: Callable[..., Callable[..., Any]] | None = None
    accumulator: Callable[..., Callable[..., Any]] | None = None
    slider: Callable[..., Callable[..., Any]] | None = None

    def __init__(self, kernels: Iterable[tuple[Group, Callable[..., Any]]]) -> None:
        super().__init__(kernels)
        self.memory = makers()
        self._last: tuple[Plan, Step | None] | None = None
        self._multiply: dict[tuple[np.dtype, bool], Callable[[Any, Any], Any]] = {}

    def maker(self, what: str, kind: TensorType) -> Callable[..., Any] | None:
        """What makes arrays of this type, if they may be large: as in `Store`."""
        may = kind.nbytes() >= LARGE if kind.is_static else kind.ndim > 1
        return self.memory[what] if may else None

    def last(self, plan: Plan) -> Step | None:
        """The kernel of a plan after which nothing can fail."""
        if self._last is None or self._last[0] is not plan:
            self._last = plan, last_kernel(plan)
        return self._last[1]

    def single(self, step: Step, inside: bool) -> Callable[..., Any] | None:
        """What computes this step, if there is machine code for such; None: NumPy does."""
        return (
            self._adding(step, inside)
            or self._accumulating(step, inside)
            or self._sliding(step, inside)
            or self.multiplier(step.node, inside)
        )

    def _accumulating(self, step: Step, inside: bool) -> Callable[..., Any] | None:
        node = step.node
        if self.accumulator is None or node.op.name not in CUMULATIVE:
            return None
        kind, params = node.types[0], node.op.params
        if kind.dtype.char not in "fd" or any(v.dtype != kind.dtype for v in node.inputs):
            return None
        make = self.maker("fresh", kind) if inside else None
        otherwise = functools.partial(call_op, node.op)
        axis = params["axis"] if isinstance(params["axis"], int) else params["axis"][0]
        found = {**params, "axis": axis}
        return self.accumulator(node.op.name, found, kind.dtype, make or np.empty, otherwise)

    def _adding(self, step: Step, inside: bool) -> Callable[..., Any] | None:
        node = step.node
        if self.adder is None or node.op.name != "overlap_add":
            return None
        x, kind, params = node.inputs[0], node.types[0], node.op.params
        axes = params["axis"]
        first = x.ndim - 2 * len(axes)
        if len(axes) > SPACE or axes != tuple(range(first, first + len(axes))):
            return None
        if x.dtype != kind.dtype or kind.dtype.char not in "fd" or not kind.dtype.isnative:
            return None
        make = self.maker("fresh", kind) if inside else None
        return self.adder(params, x.dtype, make or np.empty, functools.partial(call_op, node.op))

    def _sliding(self, step: Step, inside: bool) -> Callable[..., Any] | None:
        node = step.node
        if self.slider is None or node.op.name not in SLIDING:
            return None
        kind = node.types[0]
        if kind.dtype.char not in "fd" or any(v.dtype != kind.dtype for v in node.inputs):
            return None
        make = self.maker("fresh", kind) if inside else None
        otherwise, strong = functools.partial(call_op, node.op), bool(node.op.params.get("strong"))
        return self.slider(node.op.name, kind.dtype, make or np.empty, otherwise, strong)

    def multiplier(self, node: Apply, inside: bool) -> Callable[[Any, Any], Any] | None:
        """What computes a product of matrices; `inside`: it is no result of the program."""
        if self.product is None or not is_plain_product(node):
            return None
        maker = self.maker("fresh", node.types[0]) if inside else None
        dtype = node.types[0].dtype
        if (dtype, maker is None) not in self._multiply:
            self._multiply[dtype, maker is None] = self.product(dtype, maker or np.empty)
        return self._multiply[dtype, maker is None]


def is_in_order(value: Value, fused: Container[int]) -> bool:
    """Is the array surely in C order? Inputs count as such; the kernel finds out if not."""
    if isinstance(value.variable, Constant):
        return bool(value.variable.value.flags.c_contiguous)
    return value.kind == "input" or value.number in fused or not value.type.ndim


def function_for(variable: Variable, group: Group, in_order: Callable[[Variable], bool]) -> str:
    """What brings an operand to the dtype and order in which the kernel reads memory, if anything.

    Views of arrays in order have gaps that are known; the kernel checks them."""
    if not variable.ndim:
        return ""
    kind = group.loose.get(variable) or layout(variable)
    if kind in ("dense", "rows", "strided") and in_order(base_of(variable)):
        needed = kind == "dense" or variable in group.loose
        return "" if needed else "ascontiguousarray"
    return "asarray" if group.loose.get(variable) == "strided" else "ascontiguousarray"


def kernel_lines(
    step: Step, kernel: str, names: dict[Variable, str], results: Sequence[str],
    in_order: Callable[[Variable], bool], writer: Any,
) -> list[str]:  # fmt: skip
    """Statements of one step; `names` are the expressions of operands, `writer` collects what the
    source must have bound."""
    group, imports = step.group, writer.imports
    assert group is not None
    lines = []
    inside = set(step.outputs) - set(writer.plan.outputs)
    for name, number, result in zip(results, step.outputs, group.results, strict=True):
        dtype = result.variable.dtype
        kind = "" if dtype == np.float64 else f", {dtype_name(dtype)}"
        imports.update({"empty"} | ({dtype_name(dtype)} if kind else set()))
        shape = _shape(group, result, names)
        made = writer.memory("fresh", "", result.variable.type) if number in inside else ""
        if not made:
            made = _result_maker(step, number, shape, writer)
        lines.append(f"{name} = {made}({shape}{kind})")
    operands = []
    made = None if group.product is None else group.product.output(0)
    for variable in group.arguments:
        if variable is made:
            continue
        text, function = names[variable], function_for(variable, group, in_order)
        if function:
            word = dtype_name(variable.dtype)
            if function == "ascontiguousarray":
                function = writer.memory("ordered", function, variable.type)
            imports.update({function} & {"asarray", "ascontiguousarray"} | {word})
            text = f"{function}({text}, {word})"
        operands.append(text)
    called = _called(group, kernel, names, operands, results, writer)
    if getattr(writer.kernels[group], "gives_results", False):
        called = f"[{', '.join(results)}] = {called}"
    lines.append(called)
    scalars = [n for n, r in zip(results, group.results, strict=True) if not r.variable.ndim]
    return lines + [f"{name} = {name}[()]" for name in scalars]


def _called(
    group: Group, kernel: str, names: dict[Variable, str], operands: Sequence[str],
    results: Sequence[str], writer: Any,
) -> str:  # fmt: skip
    """The call; of a group with a product a second one, for sizes at which that is better made
    first: by BLAS in the memory of a result, or as it would be by itself."""
    rest = ", ".join([*operands, *results])
    if group.product is None:
        return f"{kernel}({rest})"
    factors = ", ".join([names[v] for v in group.product.inputs])
    if group.place is None:
        multiply = writer.named(writer.kernels.multiplier(group.product, True))
        first = f"{multiply}({factors})"
    else:
        writer.imports.add("matmul")
        first = f"matmul({factors}, out={results[group.place]})"
    return f"{kernel}({factors}, {rest}) or {kernel}(None, {first}, {rest})"


def _result_maker(step: Step, number: int, shape: str, writer: Any) -> str:
    """The name of what makes an array for a result of the program."""
    kind = writer.plan.values[number].type
    if number in writer.plan.outputs and kind.ndim and step is writer.kernels.last(writer.plan):
        if kind.is_static and kind.nbytes() < rooms.LENT:
            return "empty"
        name: str = writer.names.unique("into")
        writer.bound[name] = rooms.Place(writer.plan.values[number].variable)
        least = rooms.LENT // kind.dtype.itemsize
        return name if kind.is_static else f"({name} if {_size(shape)} >= {least} else empty)"
    if kind.is_static:
        return "empty"
    if not writer.room:
        writer.room = writer.names.unique("room")
        writer.bound[writer.room] = rooms.room
    least = rooms.FROM // kind.dtype.itemsize
    return f"({writer.room} if {_size(shape)} >= {least} else empty)"


def _size(shape: str) -> str:
    """The number of elements of an array of this shape."""
    if shape.endswith(".shape"):
        return f"{shape[:-6]}.size"
    return shape[1:-1].rstrip(",").replace(", ", " * ")


def last_kernel(plan: Plan) -> Step | None:
    """The last step that can fail, if it is a kernel, in a program that calls nothing of the
    user's."""
    for step in plan.steps:
        family = step.node.op.family
        if family.is_effect or isinstance(family, InnerFamily):
            return None
    for step in reversed(plan.steps):
        if step.group is not None:
            return step
        if not step.node.op.family.is_elementwise or step.node.types[0].ndim:
            return None
    return None


def _shape(group: Group, result: Result, names: dict[Variable, str]) -> str:
    """The shape of a result, from operands that run along the same axes."""
    shape = result.variable.type.shape
    if all(isinstance(size, int) for size in shape):
        return str(shape)
    sizes = {axis: names[v] for o in group.operands for axis, v in o.sizes}
    operands = list(group.operands)
    if group.product is not None:  # in C order, as its result would be
        a, b = group.product.inputs
        last = len(group.frame) - 1
        stack = a if a.ndim == len(group.frame) else b
        sizes = {axis: f"{names[stack]}.shape[{axis}]" for axis in range(last - 1)}
        sizes |= {last - 1: f"{names[a]}.shape[-2]", last: f"{names[b]}.shape[-1]"}
        operands = [o for o in operands if o.variable is not group.product.output(0)]
    for operand in operands:
        if operand.windows:
            continue
        if operand.axes == result.axes and operand.variable.type.shape == shape:
            return f"{names[operand.variable]}.shape"
        for position, axis in enumerate(operand.axes):
            if axis is not None:
                sizes.setdefault(axis, f"{names[operand.variable]}.shape[{position}]")
    for operand in operands:
        for position, axis in enumerate(operand.axes):
            if axis is not None and axis in operand.covers:
                sizes.setdefault(axis, f"{names[operand.variable]}.shape[{position}]")
    shown = [str(size) if isinstance(size, int) or axis is None else sizes[axis]
             for size, axis in zip(shape, result.axes, strict=True)]  # fmt: skip
    return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"
