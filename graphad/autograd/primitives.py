"""`primitive`: Python functions that are called on arrays as they are, with gradients stated as
closures over NumPy, in Autograd's spelling.

Arguments and results may be containers, and arguments anything else (functions, strings, shapes).
Function and closures are called anew whenever a program runs, on arrays: they may read what
changes, and need not know Variables. Where a derivative itself is differentiated, its closure is
called once more, on Variables, and what it computes is differentiated as any graph: so closures
written with graphad.autograd.numpy are good for any order.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.autograd.vspace import SparseObject
from graphad.derivatives import primitive as opaque_primitive
from graphad.derivatives.forward import jvp
from graphad.derivatives.opaque import Asked, tried_types
from graphad.derivatives.primitive import one, several
from graphad.derivatives.reverse import vjp
from graphad.errors import GradientError, GraphadError, UseError
from graphad.functional.tracer import leaked
from graphad.ir.families.inner import argument
from graphad.ir.op import OPS, freeze
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant, Shared, Variable, as_variable

Maker = Callable[..., Any]
Types = tuple[TensorType, ...]
KEPT = 256  # forms of calls that one primitive remembers
NUMBERS = (np.ndarray, np.generic, float, complex)


class Primitive:
    """A function that calls are recorded of, not what it does inside; made by `primitive`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.fun = function
        self.name = str(getattr(function, "__name__", "primitive"))
        self.vjpmaker: Maker | None = None  # (argnums, ans, args, kwargs) -> g -> gradients
        self.jvpmaker: Maker | None = None  # (argnums, gs, ans, args, kwargs) -> tangent
        self.rules: dict[int, Maker | None] = {}  # what defvjp stated, by argument
        self.forms: dict[Any, Form] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result on arrays; with a Variable among the arguments, a node of a graph."""
        leaves, structure = tree.flatten((args, kwargs))
        if not any([isinstance(leaf, Variable) for leaf in leaves]):
            return self.fun(*args, **kwargs)
        slots = [i for i, leaf in enumerate(leaves) if _is_operand(leaf)]
        fixed = [None if _is_operand(leaf) else leaf for leaf in leaves]
        return self._form(structure, slots, fixed).call([as_variable(leaves[i]) for i in slots])

    def _form(self, structure: tree.Structure, slots: list[int], fixed: list[Any]) -> Form:
        """What is kept between calls of the same form; nothing where this cannot be told."""
        try:
            key = (structure, tuple(slots), freeze(fixed))
            found = self.forms.get(key)
        except TypeError:  # not hashable
            return Form(self, structure, slots, fixed)
        if found is None:
            if len(self.forms) >= KEPT:
                self.forms.clear()
            found = self.forms[key] = Form(self, structure, slots, fixed)
        return found

    def state(self, table: str, rule: Maker) -> None:
        """Set `vjpmaker` or `jvpmaker`."""
        setattr(self, table, rule)
        self.forms.clear()

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def _is_operand(leaf: Any) -> bool:
    """Is it data of the graph? Python ints, which may be axes or shapes, are not."""
    return isinstance(leaf, Variable | float | complex | np.floating | np.complexfloating) or (
        isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc"
    )


class Form:
    """One way to call a primitive: containers, and which of their leaves are data."""

    def __init__(
        self, parent: Primitive, structure: tree.Structure, slots: list[int], fixed: list[Any]
    ) -> None:
        self.parent, self.structure, self.slots, self.fixed = parent, structure, slots, fixed
        self.known: dict[Types, tuple[Types, tree.Structure]] = {}
        self.single = True  # has every result been one array?
        positional = structure.children[0].children
        owners = [k for k, child in enumerate(positional) for _ in range(child.leaf_count)]
        starts = [owners.index(k) if k in owners else 0 for k in range(len(positional))]
        # for each operand: which argument it is in, and which leaf of that; None in keywords
        self.places = [(owners[s], s - starts[owners[s]]) if s < len(owners) else None
                       for s in slots]  # fmt: skip
        self.count = len(slots)
        self.plain = not structure.children[1].children and all(
            [child == tree.LEAF for child in positional])  # fmt: skip
        self.all_data = self.plain and len(slots) == len(fixed)
        self.back: dict[tuple[int, int], Any] = {}
        self.inner = self._inner()

    # -- the value -----------------------------------------------------------------------------
    def arguments(self, operands: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments."""
        if self.all_data:
            return tuple(operands), {}
        leaves = list(self.fixed)
        for slot, operand in zip(self.slots, operands, strict=True):
            leaves[slot] = operand
        if self.plain:
            return tuple(leaves), {}
        args, kwargs = self.structure.unflatten(leaves)
        return args, kwargs

    def flat(self, *arrays: Any) -> tuple[Any, ...]:
        """The leaves of the function's result."""
        args, kwargs = self.arguments(arrays)
        found = self.parent.fun(*args, **kwargs)
        return (found,) if isinstance(found, NUMBERS) else tuple(tree.flatten(found)[0])

    def types(self, *types: TensorType) -> Types:
        """Types of the result's leaves, for operands of these types."""
        if types not in self.known:
            made = tried_types(self.parent.name, self.flat, types, {}, None)
            self.known[types] = made, self.result_structure(len(made))
        return self.known[types][0]

    def result_structure(self, count: int) -> tree.Structure:
        """Where no call has shown it: one array, or a tuple."""
        return tree.LEAF if count == 1 else tree.flatten(tuple(range(count)))[1]

    def call(self, variables: list[Variable]) -> Any:
        """The result as Variables. Values that are known tell the types; they are kept."""
        types = tuple([v.type for v in variables])
        results = None
        if types not in self.known:
            values = [_value(v) for v in variables]
            if all([v is not None for v in values]):
                args, kwargs = self.arguments(values)
                leaves, structure = tree.flatten(self.parent.fun(*args, **kwargs))
                results = tuple([np.asarray(leaf) for leaf in leaves])
                found = tuple([TensorType(r.dtype, r.shape) for r in results])
                self.known[types] = found, structure
                self.single = self.single and structure == tree.LEAF
        outputs = several(self.inner.node(variables, {}))
        owner = outputs[0].owner
        if results is not None and owner.tracing is not None and owner.tracing.is_open:
            owner.tracing.values[owner] = results
        return self.known[types][1].unflatten(outputs)

    # -- derivatives ---------------------------------------------------------------------------
    def _inner(self) -> opaque_primitive.Primitive:
        """The op: the function with its rules, on the flat list of operands."""
        made = opaque_primitive.Primitive(self.flat, outputs=self.types)
        made.name, made.is_live = self.parent.name, True
        for p, place in enumerate(self.places):
            if place is None:
                continue
            if self.parent.vjpmaker is not None:
                made.vjps[p] = (functools.partial(self._pull, p), False)
            if self.parent.jvpmaker is not None:
                made.jvps[p] = (functools.partial(self._push, p), False)
        return made

    def _pull(self, p: int, ans: Any, *xs: Variable) -> Callable[[Any], Any]:
        def pull(g: Any) -> Any:
            operands = [*several(ans), *xs, *several(g)]
            return self._derived(p, len(operands) - len(xs) >> 1, self.pulled).node(operands, {})

        return pull

    def _push(self, p: int, t: Variable, ans: Any, *xs: Variable) -> Any:
        operands = [*several(ans), *xs, t]
        return self._derived(p, len(several(ans)), self.pushed).node(operands, {})

    def _derived(self, p: int, results: int, rule: Callable[..., Any]) -> Any:
        """A derivative by operand p as an op: the closure on arrays; its own derivatives are
        those of the closure on Variables."""
        key = (p, -results if rule == self.pushed else results)
        if key not in self.back:
            self.back[key] = self._make_derived(p, results, rule)
        return self.back[key]

    def _make_derived(self, p: int, results: int, rule: Callable[..., Any]) -> Any:
        backward = rule == self.pulled

        def function(*arrays: Any) -> tuple[Any, ...]:
            return tuple([np.asarray(a) for a in several(rule(p, results, arrays))])

        def types(*given: TensorType) -> Types:
            return (given[results + p],) if backward else given[:results]

        made = opaque_primitive.Primitive(function, outputs=types)
        what = "gradient" if backward else "tangent"
        made.name = f"the {what} of {self.parent.name}"
        total = results + self.count + (results if backward else 1)
        for q in range(total):
            made.vjps[q] = (functools.partial(self._pull_again, p, results, rule, q), False)
            made.jvps[q] = (functools.partial(self._push_again, p, results, rule, q), False)
        return made

    def _again(self, p: int, results: int, rule: Any, operands: Sequence[Variable]) -> Any:
        """The closure on Variables of their own: (these, what it computes from them)."""
        own = [argument(v) for v in operands]
        Asked.count += 1
        try:
            with _refusing_numbers(own):
                return own, [as_variable(v) for v in several(rule(p, results, own))]
        except Exception as error:
            if isinstance(error, GraphadError) and not isinstance(error, TypeError):
                raise
            raise GradientError(
                f"the gradient of {self.parent.name} for argument {self.places[p][0]} "  # type: ignore[index]
                "cannot be differentiated again",
                cause=f"its closure does not work on Variables: {type(error).__name__}: {error}",
                remedy="write it with graphad.autograd.numpy, or with primitives",
            ) from error

    def _pull_again(
        self, p: int, results: int, rule: Any, q: int, ans: Any, *ops: Variable
    ) -> Callable[[Any], Any]:
        def pull(g: Any) -> Any:
            own, made = self._again(p, results, rule, ops)
            return vjp(made, [own[q]], several(g))[0]

        return pull

    def _push_again(
        self, p: int, results: int, rule: Any, q: int, t: Variable, ans: Any, *ops: Variable
    ) -> Any:
        own, made = self._again(p, results, rule, ops)
        return one(jvp(made, [own[q]], [t]))

    # -- the user's closures -------------------------------------------------------------------
    def pulled(self, p: int, results: int, operands: Sequence[Any]) -> Any:
        """What operand p receives: operands are results, arguments, cotangents of results."""
        assert self.parent.vjpmaker is not None
        ans, xs = operands[:results], operands[results : results + self.count]
        args, kwargs = self.arguments(xs)
        structure = self._structure(results)
        k, leaf = self.places[p]  # type: ignore[misc]
        back = self.parent.vjpmaker((k,), structure.unflatten(ans), args, kwargs)
        (found,) = back(structure.unflatten(operands[results + self.count :]))
        return self._leaf(found, args[k], leaf, xs[p])

    def _leaf(self, found: Any, like: Any, leaf: int, x: Any) -> Any:
        """The entry of a gradient that belongs to one leaf of an argument."""
        if isinstance(found, SparseObject):
            found = found.dense()
        if found is None:
            return OPS["zeros_like"](x) if isinstance(x, Variable) else np.zeros_like(x)
        if isinstance(like, NUMBERS) and isinstance(found, NUMBERS):
            return found
        leaves, structure = tree.flatten(found)
        wanted = tree.flatten(like)[1]
        if structure.leaf_count != wanted.leaf_count:
            raise GradientError(
                f"the gradient of {self.parent.name} is {structure!r}",
                cause=f"the argument is {wanted!r}",
                remedy="return a container like the argument",
            )
        return leaves[leaf]

    def pushed(self, p: int, results: int, operands: Sequence[Any]) -> Any:
        """The tangents of the results: operands are results, arguments, tangent of operand p."""
        assert self.parent.jvpmaker is not None
        ans, xs = operands[:results], operands[results : results + self.count]
        args, kwargs = self.arguments(xs)
        structure = self._structure(results)
        k, leaf = self.places[p]  # type: ignore[misc]
        leaves, inside = tree.flatten(args[k])
        moved = [operands[-1] if i == leaf else _zeros(v) for i, v in enumerate(leaves)]
        ans_ = structure.unflatten(ans)
        made = self.parent.jvpmaker((k,), (inside.unflatten(moved),), ans_, args, kwargs)
        return one(tree.flatten(made)[0])

    def _structure(self, results: int) -> tree.Structure:
        if results == 1 and self.single:
            return tree.LEAF
        found = {s for _, s in self.known.values() if s.leaf_count == results}
        return found.pop() if len(found) == 1 else self.result_structure(results)


@contextlib.contextmanager
def _refusing_numbers(variables: Sequence[Variable]) -> Iterator[None]:
    """UseError where a value is made a Python float, by which its derivative is lost; other
    decisions on values are made as where a function is traced."""
    traces = {v.tracing for v in variables if v.tracing is not None and v.tracing.is_open}
    before = {trace: trace.guards for trace in traces}
    for trace in traces:
        trace.guards = []
    try:
        yield
    finally:
        made = {trace: trace.guards for trace in traces}
        for trace, guards in before.items():
            trace.guards = guards if guards is None else [*guards, *made[trace]]
    if any(
        [guard.kind in ("float", "complex", "value") for found in made.values() for guard in found]
    ):
        raise UseError("it makes a Python float of a value, which has no derivative")


def _zeros(value: Any) -> Any:
    return OPS["zeros_like"](value) if isinstance(value, Variable) else np.zeros_like(value)


def _value(variable: Variable) -> Any:
    """The value of a Variable that has one, else None."""
    if isinstance(variable, Constant):
        return variable.value if variable.ndim else variable.value[()]
    if isinstance(variable, Shared):
        return variable.cell.array
    trace = getattr(variable, "tracing", None)
    return None if trace is None else _or_none(trace, variable)


def _or_none(trace: Any, variable: Any) -> Any:
    if not trace.is_open:
        raise leaked(variable)
    try:
        value = trace.value(variable)
    except UseError:
        return None
    return value if np.ndim(value) else np.asarray(value)[()]


def primitive(function: Callable[..., Any]) -> Primitive:
    """A function that is recorded as one step; its gradient is stated by `defvjp`.

    On arrays it is called as it is. Arguments may be containers, functions, strings, ….

    >>> import graphad.autograd.numpy as np
    >>> from graphad.autograd import grad
    >>> from graphad.autograd.extend import defvjp
    >>> @primitive
    ... def cube(x):
    ...     return x**3
    >>> defvjp(cube, lambda ans, x: lambda g: 3 * g * x**2)
    >>> grad(cube)(2.0), grad(grad(cube))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    return function if isinstance(function, Primitive) else Primitive(function)
