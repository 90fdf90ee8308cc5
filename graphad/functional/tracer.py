"""Tracers: the Variables that a traced function computes with; they also know their values.

A `Trace` is one run of a Python function on Tracers. What the function computes is recorded as
graph, as with any Variable; the value of a Tracer is computed when somebody asks for it, node by
node, and kept. So ``if x > 0`` can be answered, and costs what it needs.

A decision on a value (bool, int, float, index; integers as an array of NumPy) is recorded as a
`Guard` where the trace keeps guards: the graph is right for arguments for which all its guards
have the same outcomes.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import GraphadError, TracerError, UseError
from graphad.functional.places import assign
from graphad.ir import walk
from graphad.ir.context import RawSite, caller, resolve
from graphad.ir.families.inner import argument
from graphad.ir.graph import replace
from graphad.ir.op import OPS
from graphad.ir.streams import Stream
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Shared, Variable, describe

CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "bool": bool, "int": int, "float": float, "complex": complex,
    "index": lambda value: value.__index__(), "array": np.array,
    "value": lambda value: np.array(value)[()],
}  # fmt: skip

LEAVES: dict[type, type[Tracer]] = {}  # Python's numbers have Tracers of their own
_new = object.__new__
_STORE = dis.opmap["STORE_SUBSCR"]


class Guard(NamedTuple):
    """A decision: the variable, what it was converted to, the outcome, and where."""

    variable: Variable
    kind: str
    outcome: Any
    site: RawSite | None


class Trace:
    """One run of the function `name`; holds values only until it is closed."""

    __slots__ = (
        "chances", "guards", "is_open", "name", "nodes", "originals", "stand_ins", "streams",
        "values",
    )  # fmt: skip

    def __init__(self, name: str, guards: list[Guard] | None = None) -> None:
        self.name, self.guards = name, guards
        self.values: dict[Any, Any] = {}  # leaf -> array; node -> arrays of its outputs
        self.nodes: list[Apply] = []  # in the order in which they were built
        self.originals: dict[Variable, Variable] = {}  # assigned to -> what it was at first
        self.stand_ins: dict[Variable, Variable] = {}  # inputs of inner graphs -> their operands
        self.streams: set[Stream] = set()  # generators whose state was read
        self.chances: list[Variable] = []  # random numbers that decided something
        self.is_open = True

    def leaf(self, type: TensorType, value: Any, name: str | None = None) -> Tracer:
        """An argument of the function."""
        made: Tracer = LEAVES.get(value.__class__, Tracer)(type, None, 0, name)
        made.tracing = self
        self.values[made] = value if made.__class__ is Tracer else np.asarray(value)[()]
        return made

    def variable(self, type: TensorType, owner: Apply, index: int) -> Tracer:
        """The output of a node; called by the node."""
        made = _new(Tracer)
        made.type, made.owner, made.index, made.name = type, owner, index, None
        made.tracing = self
        if self.is_open:
            self.nodes.append(owner)
        return made

    def stand_in(self, variable: Variable) -> Variable:
        """An input of an inner graph, with the value of its operand."""
        if not self.is_open:
            return Variable(variable.type, name=variable.name)
        made = Tracer(variable.type, None, 0, variable.name)
        made.tracing = self
        self.stand_ins[made] = variable
        return made

    def outside(self, variables: Sequence[Variable]) -> list[Variable]:
        """The same, computed from the arguments of the function alone."""
        found = list(variables)
        for inner, operand in reversed(self.stand_ins.items()):
            found = replace(found, {inner: operand})
        return found

    def original(self, variable: Variable) -> Variable:
        """What a Variable that the function may have assigned to was when it was handed out."""
        return self.originals.get(variable, variable)

    def close(self) -> None:
        """Let go of values and nodes."""
        self.is_open = False
        self.values, self.nodes, self.originals, self.stand_ins = {}, [], {}, {}
        self.chances = []

    # -- values --------------------------------------------------------------------------------
    def value(self, variable: Variable) -> Any:
        """The value of a variable of this trace; UseError where it has none."""
        owner = variable.owner
        if owner is None:
            return self._leaf(variable)
        found = self.values.get(owner)
        if found is None:
            self.compute([owner])
            found = self.values[owner]
        return found[variable.index]

    def _leaf(self, variable: Variable) -> Any:
        if type(variable) is Constant:
            return variable.value
        if variable.tracing is self:
            found = self.values.get(variable)
            if found is None:
                found = self.values[variable] = self.value(self.stand_ins[variable])
            return found
        if isinstance(variable, Stream):
            self.streams.add(variable)
        if isinstance(variable, Shared):
            return self.values.setdefault(variable, variable.cell.array)
        if variable.tracing is not None and variable.tracing.is_open:
            return variable.tracing.values[variable]
        if variable.tracing is not None:
            raise leaked(variable)
        raise UseError(
            f"{describe(variable)} has no value while {self.name} is traced",
            cause="it is an input of a graph, not an argument of the function",
            remedy="pass it as an argument, or build the whole graph with ga.function",
        )

    def compute(self, targets: Sequence[Apply]) -> None:
        """Evaluate nodes and what they need."""
        values, stack = self.values, list(targets)
        with np.errstate(all="ignore"):
            while stack:
                node = stack[-1]
                if node in values:
                    stack.pop()
                    continue
                operands = []
                waiting = False
                for v in node.inputs:
                    owner = v.owner
                    if owner is None:
                        operands.append(self._leaf(v))
                    else:
                        found = values.get(owner)
                        if found is not None:
                            operands.append(found[v.index])
                        else:
                            waiting = True
                            stack.append(owner)
                if waiting:
                    continue
                stack.pop()
                op = node.op
                try:
                    made = op.family.evaluate(np, operands, op.params)
                except GraphadError as error:
                    error.where = error.where or str(node.site or "")
                    raise
                values[node] = (made,) if len(node.types) == 1 else made

    def decide(self, tracer: Tracer, kind: str) -> Any:
        """The value as a Python number; recorded as a guard."""
        outcome = CONVERSIONS[kind](self.value(tracer))
        if self.streams and any([isinstance(v, Stream) for v in walk.leaves([tracer])]):
            self._by_chance(tracer, kind)
        if self.guards is not None:
            self.guards.append(Guard(tracer, kind, outcome, caller()))
        return outcome

    def _by_chance(self, tracer: Tracer, kind: str) -> None:
        """A random number decides: not in a function that is compiled for its decisions."""
        if self.guards is not None:
            raise TracerError(
                f"{self.name} decides by a random number ({kind})",
                cause="its program draws other numbers in each call",
                remedy="write ga.cond(condition, f, g), ga.while_loop or ga.where",
                where=str(resolve(caller()) or ""),
            )
        self.chances.append(tracer)


class Tracer(Variable):
    """A Variable that knows its value, inside a function that is traced.

    It answers what a plain Variable cannot: `bool`, `int`, `float`, `in`, printing; and
    ``x[index] = v``, ``x[index] += v`` make it stand for a changed copy, views included.
    """

    __slots__ = ("tracing",)

    @property
    def value(self) -> Any:
        """The value, a NumPy array or scalar that must not be written into. Asking for it is a
        decision: what is done with it is not recorded."""
        return self._decide("value")

    def _decide(self, kind: str) -> Any:
        if not self.tracing.is_open:
            raise leaked(self)
        return self.tracing.decide(self, kind)

    def __bool__(self) -> bool:  # type: ignore[override]
        return bool(self._decide("bool"))

    def __int__(self) -> int:  # type: ignore[override]
        return int(self._decide("int"))

    def __float__(self) -> float:  # type: ignore[override]
        frame = sys._getframe(1)
        if frame.f_code.co_code[frame.f_lasti] == _STORE:  # array[i] = x, where NumPy asks
            raise self._lost()
        return float(self._decide("float"))

    def __complex__(self) -> complex:  # type: ignore[override]
        return complex(self._decide("complex"))

    def __index__(self) -> int:  # type: ignore[override]
        return int(self._decide("index"))

    def _lost(self) -> UseError:
        return UseError(
            f"{describe(self)} is put into a NumPy array",
            cause=f"{self.tracing.name} is traced: a NumPy array cannot hold symbolic values, and "
            "the derivative would be lost",
            remedy="start from ga.zeros_like(x), or ga.zeros(shape) + 0 * x, instead of np.zeros, "
            "and assign to that; or collect values in a list and join them with ga.stack",
        )

    def item(self, *args: Any) -> Any:
        """One element as a Python number: a decision on its value."""
        chosen: Any = self if not args else OPS["ravel"](self)[args[0]] if len(
            args) == 1 and not isinstance(args[0], tuple) else self[args]  # fmt: skip
        kind = {"b": "bool", "i": "int", "u": "int", "c": "complex"}.get(self.dtype.kind, "float")
        return chosen._decide(kind)

    def __contains__(self, item: Any) -> bool:  # type: ignore[override]
        return bool(OPS["any"](self == item))

    def __setitem__(self, index: Any, value: Any) -> None:  # type: ignore[override]
        if not self.tracing.is_open:
            raise leaked(self)
        assign(self.tracing, self, index, value)

    def copy(self, order: str = "C") -> Any:
        """The same values, not changed by assignments to this variable."""
        return argument(self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self.dtype.kind in "biu":  # of no derivative: as index of an array, say
            return np.array(self._decide("array"), dtype)
        raise UseError(
            f"{describe(self)} cannot be put into a NumPy array",
            cause=f"{self.tracing.name} is traced: its values are part of a graph",
            remedy="join them with ga.stack([x, y]) or ga.concatenate([x, y]); to fill an array, "
            "start from ga.zeros_like(x) and assign; x.value is the value, without derivative",
        )

    def __str__(self) -> str:
        return str(self.tracing.value(self)) if self.tracing.is_open else repr(self)

    def __format__(self, spec: str) -> str:
        if not self.tracing.is_open:
            return format(repr(self), spec)
        value = self.tracing.value(self)
        return format(value.item() if spec and value.ndim == 0 else value, spec)

    def __repr__(self) -> str:
        if not self.tracing.is_open:
            return super().__repr__()
        try:
            return f"<{self.type} traced, value {self.tracing.value(self)}>"
        except UseError:
            return super().__repr__()


def leaked(variable: Variable) -> TracerError:
    """The error for a Tracer that is used after its function has returned."""
    name = variable.tracing.name
    return TracerError(
        f"{describe(variable)}: a value from inside {name} is used after {name} has returned",
        cause="a traced function computes with symbolic values that exist only while it runs; "
        "this one was kept in a list, an attribute or a global variable",
        remedy=f"return it from {name} (has_aux=True hands on what is not differentiated)",
    )
