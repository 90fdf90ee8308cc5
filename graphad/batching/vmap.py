"""`vmap`: a function of one row becomes a function of stacks of rows. `vectorize_graph`: the same
for a graph that is there already."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphad import tree
from graphad.batching.axes import Axis, axes_of, checked_axis, joint_rows
from graphad.batching.stacking import Draws, batch
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir import walk
from graphad.ir.dimtext import shape_text
from graphad.ir.evaluate import evaluate
from graphad.ir.families.inner import marked
from graphad.ir.families.stacks import spread
from graphad.ir.graph import Graph, replace
from graphad.ir.op import OPS
from graphad.ir.sizes import joint_size
from graphad.ir.streams import Body, advance, open_body
from graphad.ir.types import TensorType
from graphad.ir.variable import Constant, Shared, Variable, as_variable, describe


# ---- functions -------------------------------------------------------------------------------
def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that applies `f` to each row of its arguments, all rows at once.

    f         a function of Variables; called once, with one row of each argument
    in_axes   the axis of each argument along which the rows lie: an int, None for an argument
              that is the same for all rows; or a tuple with one entry for each argument, which
              may be a container like the argument. Keyword arguments are handed through.
    out_axes  the axis of each result along which its rows are stacked; None for a result that
              does not depend on the rows; or a container like the result

    Arguments and results may be nested containers. Given Variables, the new function returns
    Variables: new graph. Given arrays only, it returns arrays. An argument (b, n) gives rows (n,),
    a result (m,) becomes (b, m); b may be unknown, and 0. What does not depend on rows is computed
    once; ops that cannot compute several rows at once run in a loop inside the graph.

    Raises ShapeError where arguments differ in the number of rows, AxisError for an axis that an
    argument does not have, UseError for other things that do not fit; each names the argument.

    >>> import numpy as np, graphad as ga
    >>> distance = ga.vmap(lambda x, y: ga.sqrt(((x - y) ** 2).sum()), in_axes=(0, None))
    >>> distance(np.array([[3.0, 4.0], [0.0, 1.0]]), np.zeros(2))
    array([5., 1.])
    >>> x = ga.matrix("x", shape=("b", 3))
    >>> ga.vmap(lambda row: row.sum() * row)(x).type
    float64[b, 3]
    """
    if not callable(f):
        raise UseError(
            f"vmap of {type(f).__name__}",
            remedy="pass a function: ga.vmap(f)(x), not ga.vmap(f(x))",
        )
    name = getattr(f, "__name__", type(f).__name__)

    def mapped(*arguments: Any, **keywords: Any) -> Any:
        return _Call(f, name, arguments, keywords, in_axes, out_axes).result()

    if hasattr(f, "__name__"):
        functools.update_wrapper(mapped, f)
    mapped.__name__ = f"vmap({name})"
    return mapped


class _Call:
    """One call of a mapped function."""

    def __init__(
        self, f: Callable[..., Any], name: str, arguments: Sequence[Any],
        keywords: Mapping[str, Any], in_axes: Any, out_axes: Any,
    ) -> None:  # fmt: skip
        self.f, self.name = f, f"vmap of {name}"
        self.keywords, self.out_axes = keywords, out_axes
        leaves, self.structure = tree.flatten(list(arguments))
        names = _argument_names(f, len(arguments))
        structures = [tree.flatten(value)[1] for value in arguments]
        self.paths = [p for n, s in zip(names, structures, strict=True) for p in s.paths(n)]
        spec = in_axes
        if isinstance(spec, tuple | list):
            if len(spec) != len(arguments):
                raise UseError(
                    f"{self.name}: in_axes has {len(spec)} entries, {len(arguments)} arguments "
                    "were given",
                    remedy="give one entry for each positional argument",
                )
            spec = list(spec)
        axes = axes_of(spec, list(arguments), f"{self.name}: in_axes")
        self.symbolic = any([isinstance(v, Variable)
                             for v in (*leaves, *tree.flatten(dict(keywords))[0])])  # fmt: skip
        self.inputs: list[Variable] = []
        self.values: list[Any] = []
        self.leaves = leaves
        self._stack(axes)

    def _stack(self, axes: Sequence[Axis]) -> None:
        """Mapped arguments as stacks of rows, all with the same number of rows."""
        stacks: dict[int, Variable] = {}
        for i, (leaf, axis, path) in enumerate(zip(self.leaves, axes, self.paths, strict=True)):
            if axis is None:
                continue
            variable = self._input(leaf, path)
            place = checked_axis(axis, variable, f"{self.name}: {path}")
            stacks[i] = OPS["moveaxis"](variable, place, 0) if place else variable
        if not stacks:
            raise UseError(
                f"{self.name}: no argument has rows",
                cause="in_axes is None for all of them" if axes else "no argument was given",
                remedy="give an axis for at least one argument",
            )
        self.rows = joint_rows(self.name, [(self.paths[i], v.shape[0]) for i, v in stacks.items()])
        self.given: dict[Variable, Variable] = {}
        for i, stack in stacks.items():
            if stack.type.shape[0] != self.rows:  # checked when the program runs
                stack = OPS["reshape"](stack, (self.rows, *stack.shape[1:]))
            row = Variable(stack.type.with_shape(stack.type.shape[1:]), name=stack.name)
            self.given[row] = stack
            self.leaves[i] = marked(row, stack)

    def _input(self, leaf: Any, path: str) -> Variable:
        if isinstance(leaf, Variable):
            return leaf
        try:
            constant = as_variable(leaf)
        except (UseError, DTypeError) as error:
            error.what = f"{self.name}: {path}: {error.what}"
            raise
        if self.symbolic:
            return constant
        found = Variable(constant.type)
        self.inputs.append(found)
        self.values.append(constant.value if isinstance(constant, Constant) else leaf)
        return found

    def result(self) -> Any:
        """The stacked results: Variables, or arrays if nothing but arrays was given."""
        with Body() as drawn:
            made = self.f(*self.structure.unflatten(self.leaves), **self.keywords)
        leaves, structure = tree.flatten(made)
        paths = structure.paths("result")
        axes = axes_of(self.out_axes, made, f"{self.name}: out_axes")
        rows: list[Variable] = []
        for leaf, path in zip(leaves, paths, strict=True):
            try:
                rows.append(as_variable(leaf))
            except (UseError, DTypeError) as error:
                error.what = f"{self.name}: {path}: {error.what}"
                raise
        stacks = self._stacks(rows, drawn)
        placed = [
            self._placed(new, new.ndim > old.ndim, axis, path)
            for new, old, axis, path in zip(stacks, rows, axes, paths, strict=True)
        ]
        return structure.unflatten(self._values(placed))

    def _stacks(self, rows: Sequence[Variable], drawn: Body) -> list[Variable]:
        """The results for all rows. Each row has draws of its own; the generators go on after
        those of all rows. Effects stay where the map is called."""
        given = {**self.given, **dict(zip(drawn.given, drawn.outside(), strict=True))}
        everything = [*rows, *drawn.last, *drawn.effects]
        made = batch(everything, given, draws=Draws(drawn.given, self.rows))
        first, last = len(rows), len(rows) + len(drawn.given)
        drawn.leave(made[first:last])
        outer = open_body.get()
        if outer is not None:
            outer.effects += made[last:]
        return made[:first]

    def _placed(self, result: Variable, stacked: bool, axis: Axis, path: str) -> Variable:
        """A result with its rows along the axis that was asked for."""
        if axis is None:
            if stacked:
                raise UseError(
                    f"{self.name}: {path} depends on the rows, but its entry in out_axes is None",
                    remedy="give the axis along which the rows are to be stacked",
                )
            return result
        full = result if stacked else spread(result, self.rows)
        place = checked_axis(axis, full, f"{self.name}: {path}, with its rows,")
        moved: Variable = OPS["moveaxis"](full, 0, place) if place else full
        return moved

    def _values(self, results: list[Variable]) -> list[Any]:
        if self.symbolic:
            return results
        own = set(self.inputs)
        leaves = [v for v in walk.inputs(results) if v not in own]
        if any([not isinstance(v, Shared) for v in leaves]):  # f uses Variables from elsewhere
            constants = map(Constant, self.values)
            return replace(results, dict(zip(self.inputs, constants, strict=True)))
        results, last = advance(results)
        graph = Graph([*self.inputs, *leaves], [*results, *last.values()])
        with contextlib.ExitStack() as turn:
            for stream in sorted(last, key=lambda v: id(v.cell)):
                turn.enter_context(stream.cell.lock)
            cells = [v.cell.array for v in leaves if isinstance(v, Shared)]
            found = evaluate(graph, [*self.values, *cells])
            for stream in reversed(last):
                stream.value = found.pop()
        return [np.array(value) if value.ndim else value[()] for value in found]


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of positional parameters, ``args[i]`` where there are none."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in parameters if p.kind in kinds][:count]
    return named + [f"args[{i}]" for i in range(len(named), count)]


# ---- graphs ----------------------------------------------------------------------------------
def vectorize_graph(outputs: Any, replacements: Mapping[Variable, Any]) -> Any:
    """`outputs` rebuilt for stacks: each key of `replacements` is replaced by its value.

    outputs       a Variable, or a container of Variables; returned in the same structure
    replacements  variable of the graph → Variable or array with the same dtype, and its shape
                  after any number of axes of a stack: (b, …). Those with fewer such axes than
                  others are aligned at their last ones; with none the variable is only replaced.

    What depends on a stack gets its leading axes, the rest stays as it is. Raises UseError,
    DTypeError, ShapeError that name the variable whose replacement does not fit.

    >>> import graphad as ga
    >>> x, w = ga.vector("x", shape=(3,)), ga.vector("w", shape=(3,))
    >>> y = ga.tanh(x @ w)
    >>> xs = ga.matrix("xs", shape=("b", 3))
    >>> ga.vectorize_graph(y, {x: xs}).type
    float64[b]
    """
    leaves, structure = tree.flatten(outputs)
    for path, leaf in zip(structure.paths("outputs"), leaves, strict=True):
        if not isinstance(leaf, Variable):
            raise UseError(f"vectorize_graph: {path} is {type(leaf).__name__}, not a Variable",
                           remedy="pass variables of the graph")  # fmt: skip
    if not isinstance(replacements, Mapping):
        raise UseError(f"vectorize_graph: the replacements are {type(replacements).__name__}",
                       remedy="pass a dict: {variable: stack}")  # fmt: skip
    pairs = [_Replacement.of(key, value) for key, value in replacements.items()]
    given = {p.key: p.value for p in pairs if not p.depth}  # what is only replaced
    current: dict[Variable, Variable] = {p.key: p.key for p in pairs}
    results: list[Variable] = leaves
    for level in range(1, max([p.depth for p in pairs], default=0) + 1):  # from the last axis
        chosen = [p for p in pairs if level <= p.depth]
        sizes = [(_label(p.key), p.value.shape[p.depth - level]) for p in chosen]
        rows = joint_rows("vectorize_graph", sizes)
        for p in chosen:
            old, p.rows = current[p.key], (rows, *p.rows)
            row = p.value.type.shape[p.depth :] if old is p.key else old.type.shape
            stack = Variable(TensorType(old.dtype, (rows, *row)))
            current[p.key] = given[old] = p.stack() if level == p.depth else stack
        results, given = batch(results, given), {}
    return structure.unflatten(replace(results, given) if given else results)


@dataclass
class _Replacement:
    """A variable of the graph, what stands in its place, and how many axes that has more: `rows`
    is what their sizes have to be."""

    key: Variable
    value: Variable
    depth: int
    rows: tuple[Any, ...] = ()

    def stack(self) -> Variable:
        """The value, of which is checked that it has the sizes when the program runs."""
        if self.value.type.shape[: self.depth] == self.rows:
            return self.value
        found: Variable = OPS["reshape"](self.value, (*self.rows, *self.value.shape[self.depth :]))
        return found

    @classmethod
    def of(cls, key: Any, value: Any) -> _Replacement:
        if not isinstance(key, Variable):
            raise UseError(f"vectorize_graph: the key {key!r} is no Variable",
                           remedy="write {x: stack_of_x}")  # fmt: skip
        label = f"vectorize_graph: {_label(key)}"
        new = as_variable(value)
        if new.dtype != key.dtype:
            raise DTypeError(f"{label} has dtype {key.dtype}, its replacement {new.dtype}",
                             remedy=f"convert it: .astype({str(key.dtype)!r})")  # fmt: skip
        depth = new.ndim - key.ndim
        rows = new.type.shape[max(depth, 0) :]
        fits = depth >= 0 and all([
            a == b or (joint_size(a, b) is not None and 1 not in (a, b))
            for a, b in zip(rows, key.type.shape, strict=True)
        ])  # fmt: skip
        if not fits:
            raise ShapeError(
                f"{label} has shape {shape_text(key.type.shape)}, its replacement "
                f"{shape_text(new.type.shape)}",
                cause=describe(key),
                remedy="the replacement has the axes of the stack first, then the same sizes",
            )
        return cls(key, new, depth)


def _label(variable: Variable) -> str:
    return repr(variable.name) if variable.name else f"<{variable.type}>"
