"""`primitive`: Python functions of NumPy arrays as ops, with derivatives that the user states.

The function is called as it is when the program runs. Its derivatives are rules on Variables,
functions of arrays (which become primitives themselves), or numeric.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.derivatives import opaque, slopes
from graphad.derivatives.numeric import EPSILON
from graphad.derivatives.rules import checked, label_of, missing, transposed
from graphad.derivatives.selfcheck import self_check
from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.families.inner import seen_outside
from graphad.ir.families.movement import zeros_for
from graphad.ir.op import freeze
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply, as_variable

Rule = Callable[..., Any]
MODES = ("numeric", "complex-step")
KEPT = 256  # types of arguments for which those of the results are remembered


class Primitive:
    """A Python function of arrays as an op; made by `primitive`."""

    holds_rules = ("vjps", "jvps")  # by argument: a function of the user, is it one of arrays?

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        outputs: Any = None,
        derivative: str | None = None,
        samples: Sequence[Any] | None = None,
        check: bool = False,
        noise: float = EPSILON,
        origin: tuple | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.name = function, getattr(function, "__name__", repr(function))
        self.outputs, self.derivative, self.check = outputs, derivative, check
        self.samples = None if samples is None else [np.asarray(s) for s in samples]
        self.noise, self.origin = noise, origin
        self.is_live = origin is not None  # are rules called when the program runs?
        self.vjps: dict[int, tuple[Rule | None, bool]] = {}  # the rule; does it work on arrays?
        self.jvps: dict[int, tuple[Rule | None, bool]] = {}
        self._derived: dict[tuple, Primitive] = {}
        self._tried: dict[Any, tuple[TensorType, ...]] = {}
        self._announced: dict[Any, tuple[TensorType, ...]] = {}

    # -- calling -------------------------------------------------------------------------------
    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """The function's value on arrays; a new node, if a Variable is among the arguments."""
        for name, value in keywords.items():
            if isinstance(value, Variable):
                raise UseError(
                    f"{self.name}: the Variable {name}= is passed by keyword",
                    cause="keywords are parameters, fixed when the graph is built",
                    remedy=f"pass it by position: {self.name}(…, {name})",
                )
        if not any(isinstance(a, Variable) for a in arguments):
            return self.function(*arguments, **keywords)
        return self.node([as_variable(a) for a in arguments], keywords)

    def node(self, inputs: Sequence[Variable], keywords: Mapping[str, Any]) -> Any:
        """The results on Variables."""
        types = self.types([v.type for v in inputs], keywords)
        kinds = tuple([(t.dtype.str, t.ndim) for t in types])
        try:
            op = opaque.family.op(primitive=self, keywords=dict(keywords), kinds=kinds)
        except TypeError as error:
            raise UseError(
                f"{self.name}: a keyword argument cannot be part of a graph",
                cause=str(error),
                remedy="pass numbers, strings, tuples, functions; arrays go by position",
            ) from error
        return apply(op, tuple(inputs))

    def types(
        self, types: Sequence[TensorType], keywords: Mapping[str, Any]
    ) -> tuple[TensorType, ...]:
        """Types of the results: as declared, or found by a call."""
        if self.outputs is not None:
            return opaque.declared_types(self.name, self.outputs, types)
        key = (tuple(types), freeze(dict(keywords)))
        if key not in self._tried:
            self._tried[key] = opaque.tried_types(
                self.name, self.function, types, keywords, self.samples
            )
        known = {a for t in types for s in t.shape if isinstance(s, Dim) for a in s.atoms()}
        return tuple([
            t.with_shape([seen_outside(s, known) for s in t.shape]) for t in self._tried[key]
        ])  # fmt: skip

    def run(
        self, arrays: Sequence[Any], keywords: Mapping[str, Any], kinds: opaque.Kinds
    ) -> tuple[Any, ...]:
        """The results on arrays, checked."""
        results = opaque.call_quiet(self.function, arrays, keywords)
        types = None
        if self.outputs is not None:
            key = kinds, *[a.shape for a in arrays]
            types = self._announced.get(key)
            if types is None:
                given = [TensorType(a.dtype, a.shape) for a in arrays]
                types = opaque.declared_types(self.name, self.outputs, given)
                if len(self._announced) < KEPT:
                    self._announced[key] = types
        return opaque.checked_results(self.name, results, kinds, types)

    # -- declaring derivatives -----------------------------------------------------------------
    def defvjp(
        self, *rules: Rule | None, argnums: Sequence[int] | None = None, arrays: bool = False
    ) -> None:
        """State the gradient: one rule for each argument, or for those in `argnums`.

        A rule is ``lambda ans, x, y: lambda g: …``: from the result, the arguments and the
        cotangent `g` (in the shape of the result) to the gradient by one argument, in the shape
        of that argument. None says that it is zero. Where the function returns a tuple, `ans` and
        `g` are tuples. Rules compute with Variables, and so can be differentiated again; with
        ``arrays=True`` they are functions of arrays, called when the program runs.
        """
        self._define(self.vjps, rules, argnums, arrays)

    def defjvp(
        self, *rules: Rule | None, argnums: Sequence[int] | None = None, arrays: bool = False
    ) -> None:
        """State the derivative in forward mode: ``lambda t, ans, x, y: …``, from the tangent `t`
        of one argument to its contribution to the tangent of the result; the rest as in `defvjp`.
        """
        self._define(self.jvps, rules, argnums, arrays)

    def _define(
        self, table: dict, rules: Sequence[Any], argnums: Sequence[int] | None, arrays: bool
    ) -> None:
        places = range(len(rules)) if argnums is None else argnums
        if len(places) != len(rules):
            raise UseError(
                f"{self.name}: {len(rules)} rules for {len(places)} arguments",
                remedy="give one rule for each entry of argnums",
            )
        for place, rule in zip(places, rules, strict=True):
            if rule is not None and not callable(rule):
                raise UseError(
                    f"{self.name}: the rule for argument {place} is {type(rule).__name__}",
                    remedy="a rule is a function, or None for a derivative of zero",
                )
            table[place] = (rule, arrays)
        if self.check:
            self_check(self, self.samples or [])

    def builds(self) -> bool:
        """Do functions of the user build the graph of derivatives? They may read what changes."""
        rules = (*self.vjps.values(), *self.jvps.values())
        return not self.is_live and any([r is not None and not arrays for r, arrays in rules])

    def is_zero(self, place: int) -> bool:
        """Is the derivative by this argument declared to be zero?"""
        return any(table.get(place) == (None, a) for table in (self.vjps, self.jvps)
                   for a in (True, False))  # fmt: skip

    def has_pull(self, place: int) -> bool:
        """Is there a way to the gradient by this argument?"""
        on_graph = self.jvps.get(place, (None, True))[1] is False
        return place in self.vjps or on_graph or self.derivative is not None

    def has_push(self, place: int) -> bool:
        """Is there a way to the derivative in forward mode?"""
        on_graph = self.vjps.get(place, (None, True))[1] is False
        return place in self.jvps or on_graph or self.derivative is not None

    # -- derivatives of a node -----------------------------------------------------------------
    def pull(self, node: Apply, place: int, gs: Sequence[Variable]) -> Variable | None:
        """What argument `place` receives from the cotangents of the results."""
        x = node.inputs[place]
        if x.dtype.kind not in "fc":
            return None
        got = self._pull(Call.of(node), place, gs)
        return checked(got, f"the gradient of {self.name}", x, label_of(place, x))

    def push(self, node: Apply, place: int, t: Variable) -> list[Variable | None]:
        """The tangents of the results, from that of argument `place`."""
        got = self._push(Call.of(node), place, t)
        what = f"the tangent of {self.name} for argument {place}"
        return [
            checked(g, what, v, "the result") if v.dtype.kind in "fc" else None
            for g, v in zip(got, node.outputs, strict=True)
        ]

    def _pull(self, call: Call, place: int, gs: Sequence[Variable]) -> Any:
        if self.is_zero(place):
            return None
        rule, on_arrays = self.vjps.get(place, (None, False))
        if rule is not None and not on_arrays:
            return rule(one(call.ans), *call.xs, **call.keywords)(one(gs))
        if rule is None and place in self.jvps and not self.jvps[place][1]:
            like = [call.xs[place]]
            return transposed(lambda ts: self._push(call, place, ts[0]), like, gs)[0]
        if rule is None and self.derivative is None:
            raise self._missing(place, "gradient", place in self.jvps)
        made = self.derive("backward", place, len(call.ans), len(call.xs))
        return made.node([*call.ans, *call.xs, *gs], call.keywords)

    def _push(self, call: Call, place: int, t: Variable) -> Sequence[Any]:
        if self.is_zero(place):
            return [None] * len(call.ans)
        rule, on_arrays = self.jvps.get(place, (None, False))
        if rule is not None and not on_arrays:
            return several(rule(t, one(call.ans), *call.xs, **call.keywords))
        if rule is None and place in self.vjps and not self.vjps[place][1]:
            return transposed(lambda gs: [self._pull(call, place, gs)], call.ans, [t])
        if rule is None and self.derivative is None:
            raise self._missing(place, "derivative in forward mode", place in self.vjps)
        made = self.derive("forward", place, len(call.ans), len(call.xs))
        return several(made.node([*call.ans, *call.xs, t], call.keywords))

    def _missing(self, place: int, what: str, other: bool) -> Exception:
        name = self.name.partition(" ")[0]
        declare = f"{name}.def{'vjp' if what == 'gradient' else 'jvp'}(…)"
        cause = " (the other mode is declared on arrays, which cannot be transposed)"
        return missing(
            f"{self.name} has no {what} for argument {place}{cause if other else ''}",
            [
                f"declare it with {declare}, as a rule on Variables for any order",
                'differentiate numerically: @ga.primitive(derivative="numeric"), or '
                '"complex-step" for a function that takes complex numbers',
                "cut it off with ga.stop_gradient(argument), if it is meant to be constant",
            ],
        )

    def derive(self, kind: str, place: int, results: int, count: int) -> Primitive:
        """The derivative by one argument, computed on arrays, as a primitive itself."""
        key = (kind, place, results, count)
        if key not in self._derived:
            self._derived[key] = self._derive(key)
        return self._derived[key]

    def _derive(self, key: tuple[str, int, int, int]) -> Primitive:
        kind, place, results, count = key
        rule = (self.vjps if kind == "backward" else self.jvps).get(place, (None, True))[0]
        exact = rule is not None or self.derivative == "complex-step"
        slope = slopes.Slope(self.name, self.function, self.derivative or "numeric", self.noise)
        make = slopes.backward if kind == "backward" else slopes.forward
        what = "gradient" if kind == "backward" else "tangent"
        function = make(f"the {what} of {self.name}", rule or slope, place, results, count)
        function.__name__ = f"{self.name} ({what} for argument {place})"
        last = results + count

        def types(*given: TensorType) -> tuple[TensorType, ...]:
            return given[results + place :][:1] if kind == "backward" else given[:results]

        made = Primitive(
            function,
            outputs=types,
            derivative="numeric" if self.derivative else None,
            noise=EPSILON if exact else self.noise**0.8,
            origin=(self, *key),
        )
        if rule is None:  # numeric derivatives do not look at the results
            made.vjps |= dict.fromkeys(range(results), (None, False))

        def use(all_: Sequence[Variable], keywords: Mapping[str, Any]) -> Call:
            return Call(all_[:results], all_[results:last], keywords)

        if kind == "forward":
            made.vjps[last] = (lambda ans, *v, **k: lambda g:
                self._pull(use(v, k), place, several(g)), False)  # fmt: skip
            made.jvps[last] = (lambda t, ans, *v, **k: self._push(use(v, k), place, t), False)
            return made
        for i in range(results):
            made.vjps[last + i] = (lambda ans, *v, i=i, **k: lambda g:
                self._push(use(v, k), place, g)[i], False)  # fmt: skip
            made.jvps[last + i] = (lambda t, ans, *v, i=i, **k:
                self._pull(use(v, k), place, _only(i, t, v[last:])), False)  # fmt: skip
        return made

    # -- as a value ----------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"<primitive {getattr(self, '__module__', '')}.{self.name}>"

    def __reduce__(self) -> Any:
        if self.origin is not None:
            return derive_again, self.origin
        module, path = self.__module__, getattr(self, "__qualname__", self.name)
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is not self:
            raise UseError(
                f"the primitive {path} cannot be pickled",
                cause=f"it is pickled by reference, and {module}.{path} is something else",
                remedy="define it at the top level of a module, under its own name",
            )
        return path


def _only(place: int, t: Variable, like: Sequence[Variable]) -> list[Variable]:
    """`t` at `place` and zeros elsewhere."""
    return [t if i == place else zeros_for(v) for i, v in enumerate(like)]


def derive_again(parent: Primitive, *key: Any) -> Primitive:
    """For unpickling."""
    return parent.derive(*key)


class Call:
    """The results, arguments and keywords of one use of a primitive, as Variables."""

    def __init__(
        self, ans: Sequence[Variable], xs: Sequence[Variable], keywords: Mapping[str, Any]
    ) -> None:
        self.ans, self.xs, self.keywords = list(ans), list(xs), keywords

    @classmethod
    def of(cls, node: Apply) -> Call:
        return cls(node.outputs, node.inputs, node.op.params["keywords"])


def one(values: Sequence[Any]) -> Any:
    """The only one of the values, or all as a tuple."""
    return values[0] if len(values) == 1 else tuple(values)


def several(value: Any) -> list[Any]:
    """The inverse of `one`."""
    return list(value) if isinstance(value, tuple | list) else [value]


def primitive(
    function: Callable[..., Any] | None = None,
    *,
    outputs: Any = None,
    derivative: str | None = None,
    samples: Sequence[Any] | None = None,
    check: bool = False,
) -> Any:
    """A Python function of NumPy arrays as an op of the graph; also as a decorator.

    On Variables it builds a node that calls `function` when the program runs; on arrays it just
    calls it. Positional arguments are arrays, keywords are parameters. The function must be pure:
    equal calls are merged, and how often it is called is not fixed.

    outputs     a `TensorType`, a tuple of them for several results, or a function from the types
                of the arguments to these; None: found by calling the function on ones, or on
                `samples` in the sizes of the arguments
    derivative  None: by the rules declared with `defvjp` and `defjvp`; what is asked for and not
                declared is an error. "numeric": five-point differences, about 11 digits, one call
                for each element of the argument backward; "complex-step": to full precision, for
                functions that take complex numbers. Both for any order, the later less precise.
    samples     arguments on which the function makes sense
    check       compare rules, when they are declared, with finite differences at `samples`

    A module's primitive is pickled by reference. Raises UseError for bad declarations,
    GradientError where the check fails or a derivative is missing, ShapeError and DTypeError for
    results and gradients that are not as announced.

    >>> import numpy as np, graphad as ga
    >>> @ga.primitive
    ... def cube(x):
    ...     return x**3
    >>> cube.defvjp(lambda ans, x: lambda g: 3 * g * x**2)
    >>> x = ga.vector("x")
    >>> ga.grad(cube(x).sum(), x).eval({x: [1.0, 2.0]})
    array([ 3., 12.])
    >>> cube(2.0)
    8.0
    """
    if derivative not in (None, *MODES):
        raise UseError(f"derivative={derivative!r}", remedy=f"choose one of {', '.join(MODES)}")
    if check and samples is None:
        raise UseError("check=True without samples", remedy="give samples=(x, y)")

    def make(f: Callable[..., Any]) -> Primitive:
        if not callable(f):
            raise UseError(f"primitive of {type(f).__name__}", remedy="pass a function of arrays")
        return Primitive(f, outputs=outputs, derivative=derivative, samples=samples, check=check)

    return make if function is None else make(function)
