"""Functions of Variables whose derivative the user states: `custom_vjp`, `custom_jvp`.

The value is graph like any other. Where it leaves the function stands one node, `custom`, that
hands it on and knows the rule; no derivative goes into the graph behind it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphad import tree
from graphad.derivatives.carriers import carriers
from graphad.derivatives.rules import checked, label_of, transposed
from graphad.derivatives.stacked import stacked_call
from graphad.errors import GradientError, UseError
from graphad.ir import walk
from graphad.ir.families.common import Declared
from graphad.ir.families.inner import stand_in
from graphad.ir.families.movement import zeros_for
from graphad.ir.families.stacks import stack_size
from graphad.ir.graph import replace
from graphad.ir.op import RISKY, freeze
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Constant, Variable, apply, as_variable, describe

Flows = Sequence[Variable | None]


class Border(Declared):
    """The first operands, unchanged: results of a function with its own rule.

    Operands: results, then arguments; parameter `call` says how many there are of each.
    """

    passes = own_rules = True

    def builds(self, params: Mapping[str, Any]) -> bool:
        return True

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(types[: params["call"].results])

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        results = tuple([xp.array(a) for a in arrays[: params["call"].results]])
        return results if len(results) != 1 else results[0]

    def cuts_in(self, params: Mapping[str, Any], position: int) -> bool:
        return bool(position < params["call"].results)

    def vjp(self, node: Apply, cotangents: Flows, wanted: Sequence[bool]) -> Flows:
        call: Call = node.op.params["call"]
        return [*[None] * call.results, *call.rule.pull(call, node, cotangents)]

    def jvp(self, node: Apply, tangents: Flows) -> Flows | None:
        call: Call = node.op.params["call"]
        pushed: Flows | None = call.rule.push(call, node, tangents[call.results :])
        return pushed

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        call: Call = node.op.params["call"]
        rows = stack_size(operands, batched)
        rule, full = stacked_call(self, node, operands, batched, rows)
        results = apply(self.op(call=call.with_rule(rule)), full)
        return results if isinstance(results, tuple) else (results,)

    def label(self, params: Mapping[str, Any]) -> str:
        return f"custom {params['call'].rule.name}"


_border = Border("custom")
_border.hazard = RISKY  # nothing is known of the rules


class Call:
    """One call of a custom function: how its flat operands are put back together."""

    def __init__(self, rule: Any, leaves: list[Any], structure: tree.Structure) -> None:
        self.rule, self.structure = rule, structure
        self.slots = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Variable)]
        self.fixed = [None if isinstance(leaf, Variable) else leaf for leaf in leaves]
        self.results, self.result_structure = 0, tree.LEAF

    def with_rule(self, rule: Any) -> Call:
        """The same call with another rule."""
        made = copy.copy(self)
        made.rule = rule
        return made

    def __repr__(self) -> str:
        return f"<call of {self.rule.name}>"

    # Two calls in the same form are one, so that a function that is traced again is recognised.
    def _form(self) -> tuple:
        return (self.rule, self.structure, tuple(self.slots), freeze(self.fixed), self.results,
                self.result_structure)  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Call) and self._form() == other._form())

    def __hash__(self) -> int:
        return hash((self.rule, self.structure, tuple(self.slots)))

    def arguments(self, variables: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments, with `variables` where Variables were."""
        leaves = list(self.fixed)
        for slot, variable in zip(self.slots, variables, strict=True):
            leaves[slot] = variable
        positional, named = self.structure.unflatten(leaves)
        return positional, named

    def parts(self, node: Apply) -> tuple[list[Variable], list[Variable]]:
        """(results, arguments) among the operands."""
        return list(node.inputs[: self.results]), list(node.inputs[self.results :])


def _variables(value: Any, what: str) -> tuple[list[Variable], tree.Structure]:
    leaves, structure = tree.flatten(value)
    try:
        return [as_variable(leaf) for leaf in leaves], structure
    except UseError as error:
        error.what = f"{what}: {error.what}"
        raise


def _filled(flows: Flows, like: Sequence[Variable]) -> list[Variable]:
    """Zeros where nothing arrives."""
    return [zeros_for(v) if t is None else t for t, v in zip(flows, like, strict=True)]


def _trace(rule: CustomVjp | CustomJvp, args: Any) -> Any:
    """The results of one call, behind a `custom` node."""
    leaves, structure = tree.flatten(args)
    call = Call(rule, leaves, structure)
    given = [leaves[i] for i in call.slots]
    inside = [stand_in(v) for v in given]
    positional, named = call.arguments(inside)
    made, call.result_structure = _variables(
        rule.function(*positional, **named), f"result of {rule.name}"
    )
    call.results = len(made)
    _refuse_captured(rule.name, made, inside)
    operands = replace(made, dict(zip(inside, given, strict=True)))
    results = apply(_border.op(call=call), (*operands, *given))
    return call.result_structure.unflatten(results if isinstance(results, tuple) else [results])


def _refuse_captured(name: str, made: Sequence[Variable], inside: Sequence[Variable]) -> None:
    """A derivative by what is no argument would be lost."""
    own = set(inside)
    leaves = [v for v in walk.leaves(made, own) if v not in own and v.dtype.kind in "fc"]
    captured = [v for v in leaves if not isinstance(v, Constant)]
    live = carriers(walk.toposort(made, own), captured) if captured else set()
    if any(v in live for v in made):
        raise GradientError(
            f"{name} uses {describe(captured[0])}, which is not among its arguments",
            cause="its rule gives derivatives by the arguments only",
            remedy="pass it as an argument, or use ga.stop_gradient(…) of it inside",
        )


class CustomVjp:
    """A function with its own vector-Jacobian product; see `custom_vjp`."""

    holds_rules = ("function", "forward", "backward")  # functions of the user, on Variables

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.name = function, getattr(function, "__name__", "function")
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return f"<custom_vjp {self.name}>"

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """State the rule: ``forward(*arguments) -> (result, residuals)`` and
        ``backward(residuals, cotangent) -> (cotangent of each argument, …)``, None for zero."""
        self.forward, self.backward = forward, backward

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        args = [list(arguments), keywords]
        if not any(isinstance(leaf, Variable) for leaf in tree.flatten(args)[0]):
            return self.function(*arguments, **keywords)
        if self.forward is None or self.backward is None:
            raise GradientError(
                f"{self.name} has no rule yet",
                remedy=f"call {self.name}.defvjp(forward, backward) before using it",
            )
        return _trace(self, args)

    def pull(self, call: Call, node: Apply, cotangents: Flows) -> Flows:
        """What the arguments receive."""
        assert self.forward is not None and self.backward is not None
        results, arguments = call.parts(node)
        positional, named = call.arguments(arguments)
        made = self.forward(*positional, **named)
        if not isinstance(made, tuple) or len(made) != 2:
            raise UseError(
                f"the forward rule of {self.name} returned {type(made).__name__}",
                remedy="return a tuple (result, residuals)",
            )
        given = call.result_structure.unflatten(_filled(cotangents, results))
        parts = self.backward(made[1], given)
        wanted = [*positional, *named.values()]
        received = list(parts) if isinstance(parts, tuple | list) else [parts]
        if len(received) != len(wanted):
            raise GradientError(
                f"the backward rule of {self.name} returned {len(received)} cotangents",
                cause=f"{self.name} was called with {len(wanted)} arguments",
                remedy="return a tuple with one entry for each argument, None for zero",
            )
        flat: list[Variable | None] = []
        for position, (argument, part) in enumerate(zip(wanted, received, strict=True)):
            flat += self._flat(position, argument, part)
        return flat

    def _flat(self, position: int, argument: Any, part: Any) -> list[Variable | None]:
        """The cotangents of the Variables in one argument."""
        leaves, structure = tree.flatten(argument)
        if part is None:
            parts: list[Any] = [None] * len(leaves)
        else:
            parts, found = tree.flatten(part)
            if len(parts) != len(leaves):
                raise GradientError(
                    f"the gradient of {self.name} for argument {position} is {found!r}",
                    cause=f"the argument is {structure!r}",
                    remedy="return a container like the argument, or None for zero",
                )
        what = f"the gradient of {self.name}"
        pairs = [(v, p) for v, p in zip(leaves, parts, strict=True) if isinstance(v, Variable)]
        return [
            checked(p, what, v, label_of(position, v)) if v.dtype.kind in "fc" else None
            for v, p in pairs
        ]

    def push(self, call: Call, node: Apply, tangents: Flows) -> Flows | None:
        """None: derived from `pull`, which is linear in the cotangents."""
        return None


class CustomJvp:
    """A function with its own Jacobian-vector product; see `custom_jvp`."""

    holds_rules = ("function", "rule")  # functions of the user, on Variables

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.name = function, getattr(function, "__name__", "function")
        self.rule: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return f"<custom_jvp {self.name}>"

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State the rule: ``rule(primals, tangents) -> (result, tangent of the result)``, linear
        in the tangents; usable as a decorator."""
        self.rule = rule
        return rule

    def __call__(self, *arguments: Any) -> Any:
        if not any(isinstance(leaf, Variable) for leaf in tree.flatten(arguments)[0]):
            return self.function(*arguments)
        if self.rule is None:
            raise GradientError(
                f"{self.name} has no rule yet",
                remedy=f"decorate it: @{self.name}.defjvp def rule(primals, tangents): …",
            )
        return _trace(self, [list(arguments), {}])

    def push(self, call: Call, node: Apply, tangents: Flows) -> Flows:
        """The tangents of the results."""
        assert self.rule is not None
        results, arguments = call.parts(node)
        primals, _ = call.arguments(arguments)
        directions, _ = call.arguments(_filled(tangents, arguments))
        made = self.rule(tuple(primals), tuple(directions))
        if not isinstance(made, tuple) or len(made) != 2:
            raise UseError(
                f"the rule of {self.name} returned {type(made).__name__}",
                remedy="return a tuple (result, tangent of the result)",
            )
        leaves = tree.flatten(made[1])[0]
        if len(leaves) != len(results):
            raise GradientError(
                f"the rule of {self.name} returned {len(leaves)} tangents",
                cause=f"{self.name} has {len(results)} results",
                remedy="return (result, tangent), both in the same container",
            )
        what = f"the tangent of {self.name}"
        return [checked(t, what, v, f"result {i}") if v.dtype.kind in "fc" else None
                for i, (t, v) in enumerate(zip(leaves, results, strict=True))]  # fmt: skip

    def pull(self, call: Call, node: Apply, cotangents: Flows) -> Flows:
        """The transpose of `push`, which is linear in the tangents."""
        arguments = call.parts(node)[1]
        return transposed(lambda tangents: self.push(call, node, tangents), arguments, cotangents)


def custom_vjp(function: Callable[..., Any]) -> CustomVjp:
    """A function of Variables whose gradient you state, in JAX's spelling.

    ``f.defvjp(forward, backward)`` states it: ``forward(*arguments)`` returns the result and what
    the gradient needs (residuals, anything); ``backward(residuals, cotangent)`` returns a tuple
    with one cotangent for each argument, in its shape, None for zero. Both compute with Variables
    when a derivative is built; what `forward` computes again is merged with the value. So the
    gradient can be differentiated again, and forward mode follows by transposition. Arguments may
    be containers; those that are no Variables are handed through.

    Raises GradientError where `function` uses a Variable that is not among its arguments, and,
    when the gradient is built, ShapeError or DTypeError for a cotangent that does not fit.

    >>> import graphad as ga
    >>> @ga.custom_vjp
    ... def log1pexp(x):
    ...     return ga.log1p(ga.exp(x))
    >>> def forward(x):
    ...     return log1pexp(x), x
    >>> def backward(x, g):
    ...     return (g * (1 - 1 / (1 + ga.exp(x))),)
    >>> log1pexp.defvjp(forward, backward)
    >>> x = ga.scalar("x")
    >>> float(ga.grad(log1pexp(x), x).eval({x: 100.0}))
    1.0
    """
    return CustomVjp(function)


def custom_jvp(function: Callable[..., Any]) -> CustomJvp:
    """A function of Variables whose derivative you state in forward mode, in JAX's spelling.

    ``@f.defjvp`` on ``rule(primals, tangents)``, two tuples, which returns the result and its
    tangent, linear in the tangents. The gradient follows by transposition, in any order.

    Raises GradientError where `function` uses a Variable that is not among its arguments.

    >>> import graphad as ga
    >>> @ga.custom_jvp
    ... def safe_sqrt(x):
    ...     return ga.sqrt(x)
    >>> @safe_sqrt.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     y = safe_sqrt(x)
    ...     return y, t * 0.5 / ga.maximum(y, 1e-3)
    >>> x = ga.scalar("x")
    >>> float(ga.grad(safe_sqrt(x), x).eval({x: 0.0}))
    500.0
    """
    return CustomJvp(function)
