"""Solutions of equations as ops: roots, fixed points, minima, differentiated implicitly.

Of x with F(x, p) = 0, by the implicit function theorem: ∂F/∂x · dx + ∂F/∂p · dp = 0. With the
Jacobian J = ∂F/∂x at the solution,

    forward  ẋ = -J⁻¹ · (∂F/∂p · ṗ)        backward  p̄ = -(∂F/∂p)ᵀ · J⁻ᵀ x̄

whatever the iteration that found x. Both are graph: derivatives of any order follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.derivatives import solvers
from graphad.derivatives.higher import jacobian
from graphad.derivatives.reverse import grad
from graphad.derivatives.solvers import Settings
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.inner import InnerFamily, PullBack, PushForward, Run, enclose, seeded
from graphad.ir.graph import Graph, replace
from graphad.ir.op import OPS, RISKY
from graphad.ir.types import TensorType
from graphad.ir.variable import Apply, Variable, apply, as_variable, describe, located

Flows = Sequence[Variable | None]
TOLERANCE = 1e-12
ROOT = ("newton", "hybr", "lm", "broyden1", "broyden2", "anderson", "krylov", "df-sane")
MINIMIZE = ("newton", "BFGS", "L-BFGS-B", "CG", "Newton-CG", "TNC", "SLSQP", "Nelder-Mead")
ITERATE = ("iterate", *ROOT)


class Solution(InnerFamily):
    """x with F(x, parameters) = 0. Operands: the start, then parameters.

    Parameters: `graph`, what the iteration evaluates; `slope`, F and its Jacobian (n, n), with
    the same inputs: x, then parameters; `settings`.
    """

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return (types[0],)

    def graphs(self, params: Mapping[str, Any]) -> tuple[Graph, ...]:
        return params["graph"], params["slope"]

    def run_with(
        self, arrays: Sequence[Any], params: Mapping[str, Any], xp: Any, *runs: Run
    ) -> Any:
        start, rest = np.asarray(arrays[0]), list(arrays[1:])

        def value(x: Any) -> Any:
            found = [np.asarray(a) for a in runs[0]([x, *rest])]
            return found[0] if len(found) == 1 else tuple(found)

        def slope(x: Any) -> Any:
            return tuple([np.asarray(a) for a in runs[1]([x, *rest])])

        with np.errstate(all="ignore"):
            return solvers.solve(params["settings"], start, value, slope)

    def vjp_with(
        self,
        node: Apply,
        cotangents: Flows,
        wanted: Sequence[bool],
        pull_back: PullBack,
        push_forward: PushForward,
    ) -> Flows:
        slope, x = node.op.params["slope"], node.output(0)
        residual, matrix = slope.outputs
        targets = [v for v, w in zip(slope.inputs, wanted, strict=True) if w][int(wanted[0]) :]
        seed = Variable(residual.type)
        found = pull_back({residual: seed}, targets, ())
        here = dict(zip(slope.inputs, (x, *node.inputs[1:]), strict=True))
        (jacobian_here,) = replace([matrix], here)
        (cotangent,) = cotangents
        assert cotangent is not None
        weights = OPS["linalg.solve"](jacobian_here.mT, OPS["ravel"](cotangent))
        here[seed] = -OPS["reshape"](weights, x.shape)
        parts = [None if v is slope.inputs[0] else found.get(v) for v in slope.inputs]
        made = iter(replace([p for p in parts if p is not None], here))
        return [None if p is None else next(made) for p in parts]

    def jvp_with(
        self, node: Apply, tangents: Flows, push_forward: PushForward, pull_back: PullBack
    ) -> Flows:
        slope, x = node.op.params["slope"], node.output(0)
        residual, matrix = slope.outputs
        starts, pairs = seeded(slope.inputs[1:], tangents[1:])
        pushed = push_forward(starts, [residual])[0] if starts else None
        if pushed is None:
            return [None]
        here = dict(zip(slope.inputs, (x, *node.inputs[1:]), strict=True)) | dict(pairs)
        jacobian_here, moved = replace([matrix, pushed], here)
        step = OPS["linalg.solve"](jacobian_here, OPS["ravel"](moved))
        return [-OPS["reshape"](step, x.shape)]

    def label(self, params: Mapping[str, Any]) -> str:
        return f"{params['settings'].kind}({len(params['graph'])} nodes)"


_solution = Solution("solution")
_solution.hazard = RISKY


def root(
    f: Callable[..., Any],
    x0: Any,
    *parameters: Any,
    solver: Any = "newton",
    tol: float = TOLERANCE,
    max_steps: int = 100,
) -> Variable:
    """x with f(x, *parameters) = 0, found when the program runs, starting from `x0`.

    f           maps Variables to a Variable in the shape of x; called once, to build its graph
    x0          real array or Variable (…), whose shape and dtype x has; derivatives by it are 0
    parameters  Variables, or containers of them; x is differentiated by them, and by Variables
                that `f` uses without getting them
    solver      "newton" (dense Jacobian, damped), a method of ``scipy.optimize.root`` ("hybr",
                "lm", "krylov", …), or a function ``(f, x0) -> x`` of arrays; the last two are
                followed by Newton's method
    tol         Newton stops when a step is smaller, relative to 1 + |x|

    Derivatives, in both modes and any order, are those of the implicit function theorem: one
    linear system with the Jacobian at the solution. Raises, when it is computed, ConvergenceError
    with the residual, and np.linalg.LinAlgError for derivatives where the Jacobian is singular;
    when it is built, DTypeError and ShapeError for what does not fit.

    >>> import graphad as ga
    >>> a = ga.scalar("a")
    >>> x = ga.root(lambda x, a: x**2 - a, 1.0, a)
    >>> [float(v.eval({a: 4.0})) for v in (x, ga.grad(x, a))]
    [2.0, 0.25]
    """
    settings = _settings("root", solver, ROOT, tol, max_steps)

    def parts(x: Variable, value: Variable) -> tuple[list[Variable], Variable]:
        return [value], value

    return _solve(settings, f, x0, parameters, parts)


def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    *parameters: Any,
    solver: Any = "iterate",
    tol: float = TOLERANCE,
    max_steps: int = 10_000,
) -> Variable:
    """x with x = f(x, *parameters), found when the program runs, by x ← f(x) from `x0`.

    solver: "iterate" stops when x moves by less than `tol`, relative to 1 + |x|; others as in
    `root`, on x - f(x). The rest is as in `root`.

    >>> import graphad as ga
    >>> a = ga.scalar("a")
    >>> x = ga.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)
    >>> [round(float(v.eval({a: 4.0})), 12) for v in (x, ga.grad(x, a))]
    [2.0, 0.25]
    """
    settings = _settings("fixed_point", solver, ITERATE, tol, max_steps)

    def parts(x: Variable, value: Variable) -> tuple[list[Variable], Variable]:
        return [value], x - value

    return _solve(settings, f, x0, parameters, parts)


def minimize(
    f: Callable[..., Any],
    x0: Any,
    *parameters: Any,
    solver: Any = "newton",
    tol: float = TOLERANCE,
    max_steps: int = 200,
) -> Variable:
    """The x for which the number f(x, *parameters) has a local minimum, near the start `x0`.

    solver: "newton" (dense Hessian, damped and shifted until steps descend), a method of
    ``scipy.optimize.minimize`` ("BFGS", "L-BFGS-B", …), or a function ``(f, x0) -> x``, where f
    gives the value and its gradient; the last two are followed by Newton's method. Derivatives
    are those of the root of the gradient: one linear system with the Hessian. The rest is as in
    `root`; where the Hessian at the minimum is singular, there are no derivatives.

    >>> import graphad as ga
    >>> a = ga.vector("a", shape=(2,))
    >>> x = ga.minimize(lambda x, a: ((x - a) ** 2).sum() + (x**4).sum(), [0.0, 0.0], a)
    >>> ga.jacobian(x, a).eval({a: [3.0, 0.0]}).round(6)
    array([[0.142857, 0.      ],
           [0.      , 1.      ]])
    """
    settings = _settings("minimize", solver, MINIMIZE, tol, max_steps)

    def parts(x: Variable, value: Variable) -> tuple[list[Variable], Variable]:
        gradient: Variable = grad(value, x)
        return [value, gradient], gradient

    return _solve(settings, f, x0, parameters, parts)


# ---- building ----------------------------------------------------------------------------------
Parts = Callable[[Variable, Variable], tuple[list[Variable], Variable]]


def _solve(
    settings: Settings, f: Callable[..., Any], x0: Any, parameters: Sequence[Any], parts: Parts
) -> Variable:
    start = _start(settings.kind, x0)
    leaves, structure = tree.flatten(list(parameters))
    given = {i: v for i, v in enumerate(leaves) if isinstance(v, Variable)}
    inside = {i: Variable(v.type, name=v.name) for i, v in given.items()}
    x = Variable(start.type, name="x")
    value = as_variable(
        f(x, *structure.unflatten([inside.get(i, v) for i, v in enumerate(leaves)]))
    )
    _check_value(settings.kind, value, x)
    evaluated, residual = parts(x, value if value.dtype == x.dtype else value.astype(x.dtype))
    size = x.size
    missing = "zero" if settings.kind == "minimize" else "raise"  # a linear cost
    matrix = OPS["reshape"](jacobian(residual, x, disconnected=missing), (size, size))
    operands = {x: start} | {inside[i]: v for i, v in given.items()}
    whole, operands_found = enclose([*evaluated, residual, matrix], operands)
    graph = Graph(whole.inputs, whole.outputs[: len(evaluated)])
    slope = Graph(whole.inputs, whole.outputs[len(evaluated) :])
    op = _solution.op(graph=graph, slope=slope, settings=settings)
    found: Variable = apply(op, tuple(operands_found))
    return found


@located
def _start(name: str, x0: Any) -> Variable:
    start = as_variable(x0)
    if start.dtype.kind in "biu":
        start = start.astype("float64")
    if start.dtype.kind != "f" or start.dtype.itemsize < 4:
        raise DTypeError(
            f"{name}: x0 has dtype {start.dtype}",
            cause="the iteration computes with real numbers of 32 or 64 bits",
            remedy="solve for x.real and x.imag together, or convert with .astype",
        )
    return start


def _check_value(name: str, value: Variable, x: Variable) -> None:
    wanted = () if name == "minimize" else x.type.shape
    sizes = zip(value.type.shape, wanted, strict=False)
    clash = any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes)
    if value.ndim != len(wanted) or clash:
        raise ShapeError(
            f"{name}: f returned {describe(value)}",
            cause=f"its shape must be {shape_text(wanted)}"
            + ("" if name == "minimize" else ", that of x0"),
            remedy="reduce it with .sum()"
            if name == "minimize"
            else "one equation for each element of x",
        )
    if value.dtype.kind not in "f":
        raise DTypeError(f"{name}: f returned {describe(value)}", remedy="return real floats")


def _settings(
    kind: str, solver: Any, known: Sequence[str], tol: float, max_steps: int
) -> Settings:
    if not callable(solver) and solver not in known:
        raise UseError(
            f"{kind}: solver={solver!r}",
            remedy=f"choose one of {', '.join(known)}, or pass a function (f, x0) -> x",
        )
    if not (isinstance(tol, int | float) and tol >= 0):
        raise UseError(f"{kind}: tol={tol!r}", remedy="give a number such as 1e-12")
    if not (isinstance(max_steps, int) and max_steps > 0):
        raise UseError(f"{kind}: max_steps={max_steps!r}", remedy="give a positive integer")
    return Settings(kind, solver, float(tol), max_steps)
