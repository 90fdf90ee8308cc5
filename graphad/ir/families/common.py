"""Pieces that all families share: declaring, strong products, fitting cotangents to operands."""

from __future__ import annotations

from cmath import isfinite
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir import dims
from graphad.ir.dims import Dim
from graphad.ir.families.stacks import aligned
from graphad.ir.op import MASKED, OPS, RISKY, Entry, Family, Op, Sample, freeze
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, Size
from graphad.ir.variable import Apply, Constant, Variable, apply, as_variable, located

Samples = Callable[[Any], Sequence[Sample]]  # from a numpy Generator, imported by the tests
# An argument of a public function that is a list of arrays, not one array written as a list; and
# one that may be a list of such lists. Annotations tell: see `numpy.dispatch`.
Arrays = Any
Nested = Any


class Declared(Family):
    """A family member by name, that builds nodes: ``family(x, axis=0)``. Abstract."""

    shaped_by: int | None = None  # the operand that has any shape, which is that of the result

    def __init__(self, name: str) -> None:
        self.name = name
        self.plain = Op(self)
        self._ops: dict[Any, Op] = {}
        OPS.add_family(self)

    def op(self, **params: Any) -> Op:
        """The Op with these parameters; equal parameters give the same object."""
        if not params:
            return self.plain
        key = freeze(params)
        found = self._ops.get(key)
        if found is None:
            if len(self._ops) >= 4096:
                self._ops.clear()
            found = self._ops[key] = Op(self, params)
        return found

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        if self.is_elementwise:
            return [apply(node.op, aligned(node, operands, batched))]
        alone = [i for i, b in enumerate(batched) if b] == [self.shaped_by]
        return [apply(node.op, tuple(operands))] if alone else None

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        return apply(self.op(**params), tuple([as_variable(value) for value in inputs]))


def public(
    *numpy_functions: Any,
    topic: str = "",
    samples: Samples | None = None,
    reference: Callable[..., Any] | None = None,
    differentiable: bool = True,
    order: int = 2,
    namespace: str = "",
    aliases: Sequence[str] = (),
    observe: Callable[[Any], Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the op table under its own name.

    `numpy_functions` are the NumPy functions that dispatch to it when called on Variables; the
    first is also the reference for its values, unless `reference` is given. `samples` makes the
    arguments on which the function is tested, and `order` says how many derivatives exist there.
    `namespace`: "linalg" makes it ``ga.linalg.name``, and is the topic if none is given; `aliases`
    are further dotted names.
    `observe` maps a result (ours or NumPy's) to what of it is determined and can be compared.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        value = reference or (numpy_functions[0] if numpy_functions else None)
        written = function.__name__  # sum_ is called sum, but ix_ is NumPy's own name
        last, checked = written if written in vars(np) else written.rstrip("_"), located(function)
        name = f"{namespace}.{last}" if namespace else last
        entry = Entry(
            name,
            checked,
            topic or namespace,
            value,
            samples,
            differentiable,
            order,
            observe=observe,
        )
        OPS.add(entry, numpy_names=numpy_functions, aliases=aliases)
        return checked

    return enter


def refuse_out(name: str, out: Any) -> None:
    """UseError for NumPy's parameter `out`, which has no meaning in a graph."""
    if out is not None:
        raise UseError(
            f"{name}(..., out=...) of a symbolic variable",
            remedy="leave out= away; the compiler reuses memory by itself",
        )


# ---- strong zeros ----------------------------------------------------------------------------
def is_risky(partial: Variable) -> bool:
    """May this be infinite or NaN for finite inputs?"""
    if isinstance(partial, Constant):
        value = partial.value
        finite = isfinite(value.item()) if value.ndim == 0 else np.isfinite(value).all()
        return not finite
    return partial.owner is not None and bool(partial.owner.hazard & RISKY)


def is_masked(cotangent: Variable) -> bool:
    """Were zeros put into this by a selection (`where`)?"""
    return cotangent.owner is not None and bool(cotangent.owner.hazard & MASKED)


def needs_strong(cotangent: Variable, partial: Variable, risky: bool = True) -> bool:
    """Could ``0 * partial`` be anything else than zero where it matters?

    Yes if the partial went through an op that may overflow or divide by zero, or if a selection
    put zeros into the cotangent while the partial depends on data (which may hold NaN).
    risky=False says that the partial is finite in spite of the ops it went through.
    """
    if partial.dtype.kind not in "fc":
        return False
    if isinstance(cotangent, Constant) and cotangent.value.all():
        return False
    if risky and is_risky(partial):
        return True
    return is_masked(cotangent) and not isinstance(partial, Constant)


def strong_sides(
    cotangent: Variable, partial: Variable, kept: bool, risky: bool = True
) -> tuple[bool, bool]:
    """Do zeros of the cotangent, of the partial derivative, count against what is not finite?

    Zeros of the partial do if `kept` says so, and where it is itself a cotangent with zeros that a
    selection put there (in a derivative of a derivative): that product does not depend on the
    other factor, whatever becomes of it.
    """
    owner = partial.owner
    selected = owner is not None and owner.origin is not None and is_masked(partial)
    first = needs_strong(cotangent, partial, risky)
    return first, kept or (selected and cotangent.owner is not None)


def weigh(cotangent: Variable, partial: Any, kept: bool = False, risky: bool = True) -> Any:
    """``cotangent * partial``, in which an exactly zero cotangent gives zero whatever the partial.

    Numbers are allowed as partials: 1 gives the cotangent itself, 0 gives None (nothing).
    kept: zeros of the partial count as well; see `strong_sides`. risky: see `needs_strong`.
    """
    if not isinstance(partial, Variable):
        if partial == 0:
            return None
        if partial == 1:
            return cotangent
        if isinstance(cotangent, Constant):
            return Constant(np.asarray(cotangent.value * partial, cotangent.dtype))
        return OPS["negative"](cotangent) if partial == -1 else cotangent * partial
    first, second = strong_sides(cotangent, partial, kept, risky)
    if second:
        return OPS["masked_multiply"](cotangent, partial)
    return OPS["strong_multiply"](cotangent, partial) if first else cotangent * partial


# ---- fitting what flows back to the operand --------------------------------------------------
def fit(contribution: Variable | None, operand: Variable) -> Variable | None:
    """A contribution with the shape and dtype of the operand: summed over broadcasts, cast."""
    if contribution is None or contribution.type is operand.type:
        return contribution
    if contribution.dtype.kind == "c" and operand.dtype.kind != "c":
        contribution = OPS["real"](contribution)
    contribution = sum_to(contribution, operand)
    return (
        contribution if contribution.dtype == operand.dtype else contribution.astype(operand.dtype)
    )


def sum_to(variable: Variable, like: Variable) -> Variable:
    """`variable` summed over the axes along which `like` was broadcast to it."""
    given, wanted = variable.type.shape, like.type.shape
    if given == wanted:
        return variable
    lead = len(given) - len(wanted)
    pairs = list(zip(given[lead:], wanted, strict=True))
    if all(a == b or b == 1 for a, b in pairs):
        inner = tuple(lead + i for i, (a, b) in enumerate(pairs) if a != b)
        summed = OPS["sum"](variable, axis=tuple(range(lead)) + inner, keepdims=True)
        return OPS["squeeze"](summed, axis=tuple(range(lead))) if lead else summed
    return OPS["sum_to_shape"](variable, like.shape)


def spread_to(variable: Variable, like: Variable) -> Variable:
    """`variable` broadcast to the shape of `like` and cast to its dtype."""
    if variable.type.shape != like.type.shape:
        variable = OPS["broadcast_to"](variable, like.shape)
    return variable if variable.dtype == like.dtype else variable.astype(like.dtype)


def add_up(terms: Sequence[Variable | None]) -> Variable | None:
    """The sum of the terms that exist."""
    total: Variable | None = None
    for term in terms:
        if term is not None:
            total = term if total is None else total + term
    return total


# ---- axes and shapes -------------------------------------------------------------------------
def normalize_axis(axis: Any, ndim: int, name: str) -> int:
    """A non-negative axis; AxisError names the function and the valid range."""
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise UseError(
            f"{name}: axis={axis!r} is not an integer", remedy="pass an int, e.g. axis=0"
        )
    if not -ndim <= axis < ndim:
        valid = f"{-ndim} … {ndim - 1}" if ndim else "none, it has no axes"
        raise AxisError(
            f"{name}: axis {axis} is out of range for an array with {ndim} axes",
            remedy=f"valid axes are {valid}",
        )
    return int(axis) % ndim


def normalize_axes(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Sorted non-negative axes; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    found = sorted(normalize_axis(a, ndim, name) for a in given)
    if len(set(found)) != len(found):
        raise AxisError(f"{name}: axis={axis!r} names an axis twice", remedy="name each axis once")
    return tuple(found)


def broadcast_shapes(name: str, shapes: Sequence[Shape]) -> Shape:
    """The shape that several shapes broadcast to; a clash names both operands and axes."""
    if len(shapes) == 1:
        return shapes[0]
    first = shapes[0]
    if all([shape is first or shape == first for shape in shapes]):
        return first
    ndim = max(len(shape) for shape in shapes)
    result: list[Size] = []
    for position in range(ndim):
        size: Size = 1
        source = (0, 0)
        for operand, shape in enumerate(shapes):
            axis = position - (ndim - len(shape))
            if axis < 0:
                continue
            joint = joint_size(size, shape[axis])
            if joint is None:
                raise clash(name, shapes, (size, *source), (shape[axis], operand, axis))
            if joint != size:
                source = (operand, axis)
            size = joint
        result.append(size)
    return tuple(result)


def clash(name: str, shapes: Sequence[Shape], first: tuple, second: tuple) -> ShapeError:
    """Two sizes that should be equal; the caller of the type rule adds where they come from."""
    shown = " and ".join(f"({', '.join(map(str, s))}{',' if len(s) == 1 else ''})" for s in shapes)
    named = any(isinstance(d, Dim) and d.name for d in (first[0], second[0]))
    hint = "named sizes match only themselves and 1; " if named else ""
    error = ShapeError(
        f"{name}: shapes {shown} do not fit: {first[0]} against {second[0]}",
        remedy=f"{hint}reshape or transpose one operand, or insert an axis with x[:, None]",
    )
    error.clash = ((first[1], first[2]), (second[1], second[2]))  # type: ignore[attr-defined]
    return error


def size_spec(shape: Any, name: str) -> tuple[Shape, list[Variable]]:
    """(sizes to store in an op, variables for those unknown until run time) of a shape."""
    if isinstance(shape, Variable) and shape.ndim == 1 and isinstance(shape.type.shape[0], int):
        shape = list(shape)
    entries = shape if isinstance(shape, tuple | list | np.ndarray) else (shape,)
    spec: list[Size] = []
    inputs: list[Variable] = []
    for entry in entries:
        if isinstance(entry, bool) or not isinstance(entry, int | np.integer | Dim | Variable):
            raise UseError(
                f"{name}: {entry!r} cannot be a size",
                remedy="sizes are integers, entries of x.shape, or integer scalars",
            )
        if isinstance(entry, Dim):
            inputs.append(dims.to_variable(entry))
            spec.append(entry.with_origin(None))
        elif isinstance(entry, Variable):
            spec_entry, variable = _size_of_variable(entry, name)
            spec.append(spec_entry)
            inputs += [variable] if variable is not None else []
        else:
            spec.append(int(entry))
    return tuple(spec), inputs


def _size_of_variable(entry: Variable, name: str) -> tuple[Size, Variable | None]:
    if entry.ndim or entry.dtype.kind not in "iu":
        raise UseError(
            f"{name}: a size must be an integer scalar, {entry!r} is {entry.type}",
            remedy='declare it with ga.scalar("n", dtype="int64")',
        )
    if isinstance(entry, Constant):
        return int(entry.value), None
    owner = entry.owner
    if owner is not None and owner.op.name == "dim_size":
        return owner.inputs[0].type.shape[owner.op.params["axis"]], entry
    return Dim.anonymous(), entry


def fill_sizes(spec: Shape, values: Sequence[Any]) -> tuple[int, ...]:
    """The shape at run time: integers of the spec, and the values of the others in order."""
    rest = iter(values)
    return tuple([size if isinstance(size, int) else next(rest).item() for size in spec])
