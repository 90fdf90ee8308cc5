"""The nouns of the graph: Variable (input, Constant, Shared, output of an Apply) and Apply.

    Variable  = input | Constant(value) | Shared(cell) | i-th output of an Apply
    Apply     = op, inputs, outputs, site, scope, origin (the forward node of a derivative)

A Variable owns its Apply, an Apply owns its inputs and knows its outputs weakly: there are no
reference cycles, a graph that nobody holds is freed at once. All of them hash by identity.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, GraphadError, ShapeError, UseError
from graphad.ir import dims
from graphad.ir.cell import Cell
from graphad.ir.context import RawSite, Site, caller, known_arrays, resolve, surroundings
from graphad.ir.dims import Dim
from graphad.ir.dimtext import shape_text
from graphad.ir.hooks import hooks
from graphad.ir.methods import ArrayMethods
from graphad.ir.op import MASKED, OPS, Op
from graphad.ir.types import TensorType, type_of


class Variable(ArrayMethods):
    """A symbolic array: an input of a graph, or the result of an operation.

    Make inputs with `ga.tensor`, `ga.scalar`, …; everything else comes from computing with them.
    A Variable has NumPy's operators and methods.

    >>> import graphad as ga
    >>> x = ga.matrix("x", shape=("batch", 3))
    >>> (x @ np.ones(3)).type
    float64[batch]
    """

    __slots__ = ("__weakref__", "index", "name", "owner", "type")
    type: TensorType
    owner: Apply | None
    index: int
    name: str | None
    tracing: Any = None  # of a Variable that knows its value: what keeps it (functional.Tracer)

    def __init__(
        self, type: TensorType, owner: Apply | None = None, index: int = 0, name: str | None = None
    ) -> None:
        self.type, self.owner, self.index, self.name = type, owner, index, name

    # -- what NumPy calls it -------------------------------------------------------------------
    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.type.ndim

    @property
    def shape(self) -> tuple[Any, ...]:
        """One int or Dim for each axis; a Dim can be computed with (``1.0 / x.shape[0]``)."""
        return tuple(
            [
                size.with_origin(("size", self, axis)) if isinstance(size, Dim) else size
                for axis, size in enumerate(self.type.shape)
            ]
        )

    @property
    def size(self) -> Any:
        """The number of elements, an int or a Dim."""
        total: Any = 1
        for entry in self.shape:
            total = total * entry
        return total

    @property
    def site(self) -> Site | None:
        """file:line of the user's code that built this variable (None for inputs)."""
        return self.owner.site if self.owner is not None else None

    def __reduce__(self) -> tuple:
        if self.owner is None:
            return _restore_input, (self.type, self.name)
        return hooks.reduce_variable(self)


def _restore_input(type: TensorType, name: str | None) -> Variable:
    return Variable(type, name=name)


class Constant(Variable):
    """A Variable whose value is part of the graph; the value was copied and is read-only."""

    __slots__ = ("value",)

    def __init__(self, value: Any, name: str | None = None) -> None:
        array: np.ndarray[Any, Any] = np.array(value)
        array.flags.writeable = False
        self.type, self.owner, self.index, self.name = type_of(array), None, 0, name
        self.value = array

    def __reduce__(self) -> tuple:
        return Constant, (self.value, self.name)


class Shared(Variable):
    """A Variable with a value that outlives calls: parameters, counters, running means.

    ``w.value`` copies the value; ``w.value = new`` checks the type and copies in, as updates do.
    """

    __slots__ = ("cell",)

    def __init__(self, type: TensorType, cell: Cell, name: str | None = None) -> None:
        super().__init__(type, name=name)
        self.cell = cell

    @property
    def value(self) -> Any:
        """A copy of the current value, shape and dtype those of the variable's type."""
        array = self.cell.array
        return array.copy() if array.ndim else array[()]

    @value.setter
    def value(self, new: Any) -> None:
        label = f"shared variable {self.name!r}" if self.name else "a shared variable"
        try:
            array = as_array(new)
        except GraphadError as error:
            error.what = f"{label}: {error.what}"
            raise
        if not np.can_cast(array.dtype, self.dtype, "same_kind"):
            raise DTypeError(
                f"{label} holds {self.dtype}, the new value is {array.dtype}",
                remedy=f"convert it: value.astype({str(self.dtype)!r})",
            )
        if array.ndim != self.ndim or any(
            isinstance(size, int) and size != given
            for size, given in zip(self.type.shape, array.shape, strict=True)
        ):
            raise ShapeError(
                f"{label} has shape {shape_text(self.type.shape)}, "
                f"the new value has shape {shape_text(array.shape)}",
                remedy="make a new shared variable for another shape",
            )
        frozen = np.array(array, dtype=self.dtype)
        frozen.flags.writeable = False
        with self.cell.lock:  # after an update that is under way, which would undo it
            self.cell.array = frozen

    def __reduce__(self) -> tuple:
        return Shared, (self.type, self.cell, self.name)


class Apply:
    """One application of an op to variables: the node of the graph."""

    __slots__ = (
        "__weakref__", "_outputs", "_site", "hazard", "inputs", "op", "origin", "scope", "tracing",
        "types",
    )  # fmt: skip
    op: Op
    inputs: tuple[Variable, ...]
    types: tuple[TensorType, ...]
    scope: str
    origin: Apply | None
    hazard: int

    def __init__(
        self,
        op: Op,
        inputs: tuple[Variable, ...],
        types: tuple[TensorType, ...],
        site: RawSite | Site | None,
        scope: str,
        origin: Apply | None,
    ) -> None:
        self.op, self.inputs, self.types = op, inputs, types
        self._site, self.scope, self.origin = site, scope, origin
        self._outputs: Any = None
        made = surroundings.get().made
        if made is not None:
            made.add(self)
        family = op.family
        rule = family.hazard_of
        hazard = family.hazard if rule is None or not inputs else rule(*inputs)
        hazard |= 0 if family.hazard_in is None else family.hazard_in(op.params)
        trace = None
        for variable in inputs:
            owner = variable.owner
            if owner is not None:
                hazard |= owner.hazard
            if variable.tracing is not None:
                trace = variable.tracing
        self.tracing = trace
        if hazard & MASKED and family.adds and not all([_is_masked(v) for v in inputs]):
            hazard &= ~MASKED
        self.hazard = hazard if hazard and any([t.is_float for t in types]) else 0

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """The variables that this node computes; made anew if nobody holds them."""
        if len(self.types) == 1:
            found = None if self._outputs is None else self._outputs()
            return (self.output(0) if found is None else found,)
        return tuple([self.output(index) for index in range(len(self.types))])

    def output(self, index: int) -> Variable:
        """The `index`-th output."""
        if len(self.types) == 1:
            found = self._outputs() if self._outputs is not None else None
            if found is None:
                make = Variable if self.tracing is None else self.tracing.variable
                found = make(self.types[0], self, 0)
                self._outputs = weakref.ref(found)
            return found
        known = self._outputs or {}
        found = known[index]() if index in known else None
        if found is None:
            make = Variable if self.tracing is None else self.tracing.variable
            found = make(self.types[index], self, index)
            self._outputs = {**known, index: weakref.ref(found)}
        return found

    @property
    def site(self) -> Site | None:
        """file:line of the user's code; a derivative has the line of its forward node."""
        return resolve(self._site)

    @property
    def raw_site(self) -> RawSite | Site | None:
        """The site as stored, to hand on to a node that replaces this one."""
        return self._site

    def __repr__(self) -> str:
        return f"<{self.op} at {self.site}>"

    def __reduce__(self) -> tuple:
        return _output_owner, (self.output(0),)


def _is_masked(variable: Variable) -> bool:
    return variable.owner is not None and bool(variable.owner.hazard & MASKED)


def _output_owner(variable: Variable) -> Apply | None:
    return variable.owner


def apply(op: Op, inputs: tuple[Variable, ...]) -> Any:
    """Build a node; returns its output, or the tuple of its outputs if there are several."""
    try:
        types = op.memo.get(given := tuple([v.type for v in inputs])) or op.infer(given)
    except GraphadError as error:
        raise locate(error, inputs) from None
    here = surroundings.get()
    site = here.site if here.site is not None else caller()
    node = Apply(op, inputs, types, site, here.scope, here.origin)
    return node.output(0) if len(types) == 1 else node.outputs


def rebuild(node: Apply, inputs: tuple[Variable, ...]) -> Apply:
    """The same application to other inputs, with the site, scope and origin of `node`.

    Inputs of the same types give outputs of the same types: an unknown size stays the same size.
    """
    given = tuple([variable.type for variable in inputs])
    same = all([new is old.type for new, old in zip(given, node.inputs, strict=True)])
    types = node.types if same else node.op.infer(given)
    return Apply(node.op, inputs, types, node._site, node.scope, node.origin)


# ---- messages --------------------------------------------------------------------------------
def describe(variable: Variable) -> str:
    """One variable in words: its name or op, its type and where it was built."""
    if isinstance(variable, Constant):
        kind = "a constant"
    elif isinstance(variable, Shared):
        kind = "a shared variable"
    elif variable.owner is None:
        kind = "an input"
    else:
        kind = f"the result of {variable.owner.op.name}"
    name = f"'{variable.name}', " if variable.name else ""
    where = f", built at {variable.site}" if variable.site else ""
    return f"{name}{kind}, {variable.type}{where}"


def trace_size(variable: Variable, axis: int) -> str:
    """How the size of an axis came about: the earliest variable that has it."""
    size = variable.type.shape[axis]
    while variable.owner is not None:
        for source in variable.owner.inputs:
            if size in source.type.shape and size != 1:
                variable, axis = source, source.type.shape.index(size)
                break
        else:
            break
    return f"{size} is axis {axis} of {describe(variable)}"


def located(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose errors tell its Variables and the user's line."""

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except GraphadError as error:
            if not error.where:
                locate(error, [a if isinstance(a, Variable) else None for a in arguments])
            raise

    return checked


def locate(error: GraphadError, inputs: Sequence[Variable | None]) -> GraphadError:
    """The error of a type rule, with the operands it was about."""
    known = {i: variable for i, variable in enumerate(inputs) if variable is not None}
    lines = [f"operand {i} is {describe(variable)}" for i, variable in known.items()]
    clash = getattr(error, "clash", ())  # pairs (operand, axis)
    lines += [trace_size(known[operand], axis) for operand, axis in clash if operand in known]
    error.cause = ";\n    ".join(([error.cause] if error.cause else []) + lines)
    site = resolve(caller())
    here = surroundings.get()
    if here.origin is not None:
        error.where = f"{here.origin.site} (derivative of {here.origin.op})"
    else:
        error.where = str(site or "")
    return error


# ---- values to variables ---------------------------------------------------------------------
def as_variable(value: Any, dtype: Any = None) -> Variable:
    """`value` itself if it is a Variable, else a Constant with it.

    Raises UseError for what is no array of numbers, and for lists that hold Variables.
    """
    if isinstance(value, Variable):
        return value
    if isinstance(value, Dim):
        return dims.to_variable(value)
    if type(value) is np.ndarray and dtype is None and id(value) in known_arrays.get():
        return known_arrays.get()[id(value)]
    return Constant(as_array(value, dtype))


def as_array(value: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """`value` as an array of numbers or booleans; errors say what was given instead."""
    if isinstance(value, Variable):
        raise UseError(
            f"a symbolic variable ({describe(value)}) where an array is needed",
            remedy="compute its value first: x.eval({...}), or a compiled ga.function",
        )
    if isinstance(value, list | tuple) and _holds_variable(value):
        raise UseError(
            "a list that contains symbolic variables is not an array",
            remedy="join them with ga.stack([x, y]) (a new axis) or ga.concatenate([x, y])",
        )
    try:
        array = np.asarray(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise UseError(
            f"{type(value).__name__} {_shorten(value)} is not an array of numbers",
            cause=str(error),
            remedy="pass a number, a NumPy array, or nested lists of equal length",
        ) from error
    if array.dtype.kind not in "biufc":
        raise DTypeError(
            f"{type(value).__name__} {_shorten(value)} has dtype {array.dtype}",
            cause="graphad computes with booleans, integers, floats and complex numbers",
            remedy="convert with np.asarray(values, dtype=float)",
        )
    return array


def _holds_variable(items: Sequence[Any]) -> bool:
    return any(
        isinstance(item, Variable | Dim)
        or (isinstance(item, list | tuple) and _holds_variable(item))
        for item in items
    )


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


dims.link.size = lambda variable, axis: OPS["dim_size"](variable, axis)
dims.link.call = lambda name, first, second: OPS[name](first, second)
dims.link.ufunc = lambda ufunc, *operands: OPS.by_numpy[ufunc](*operands)
