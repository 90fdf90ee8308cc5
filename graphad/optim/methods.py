"""The optimisers under their public names; each takes a graph's loss, or a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from graphad.errors import UseError
from graphad.ir.variable import Variable
from graphad.optim import rules
from graphad.optim.graphs import updates_of
from graphad.optim.loops import Settings, State, descend


class How(TypedDict, total=False):
    """Keywords that all optimisers share; see the docstring of `graphad.optim`."""

    clip_norm: float | None
    gradients: Any
    steps: int
    args: Any
    jac: bool
    callback: Callable[[State], Any] | None
    progress: bool
    gtol: float
    ftol: float
    history: bool


ITERATING: dict[str, Any] = {
    "steps": 100, "args": (), "jac": False, "callback": None, "progress": False,
    "gtol": 0.0, "ftol": 0.0, "history": True,
}  # fmt: skip
OF_GRAPHS = ("clip_norm", "gradients")


def _run(rule: rules.Rule, loss: Any, params: Any, lr: Any, how: Any) -> Any:
    title = f"ga.optim.{rule.name}"
    on_graph = isinstance(loss, Variable) or (loss is None and "gradients" in how)
    allowed = OF_GRAPHS if on_graph else ("clip_norm", *ITERATING)
    for key in how:
        if key not in allowed:
            known = key in ITERATING or key in OF_GRAPHS
            kind = "a graph" if on_graph else "a function"
            raise UseError(
                f"{title} got the keyword {key!r}",
                cause=f"it has no meaning for {kind}" if known else "",
                remedy=f"for {kind} there are {', '.join(allowed)}",
            )
    if not isinstance(lr, Variable) and not callable(lr) and not lr > 0:
        raise UseError(f"{title}: lr={lr!r}", remedy="give a number greater than 0")
    clip = how.get("clip_norm")
    if on_graph:
        return updates_of(rule, loss, params, lr, clip, how.get("gradients"))
    if not callable(loss):
        raise UseError(
            f"{title} of {type(loss).__name__}",
            remedy="give a scalar Variable and shared variables, or a function and its start",
        )
    settings = Settings(**{**ITERATING, **{k: how[k] for k in how if k in ITERATING}})
    if not isinstance(settings.steps, int) or settings.steps < 0:
        raise UseError(f"{title}: steps={settings.steps!r}", remedy="give an int >= 0")
    return descend(rule, loss, params, lr, clip, settings)


def sgd(
    loss: Any,
    params: Any,
    *,
    lr: Any = 0.01,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    **how: Unpack[How],
) -> Any:
    """Gradient descent: v ← momentum·v + (1 - dampening)·g, p ← p - lr·v.

    loss, params    a scalar Variable and shared variables in any containers: gives updates for
                    `ga.function`; or a function of arrays and its start: gives a `Result`
    lr              a number, a Variable, or a function of the step number (a schedule)
    momentum        in [0, 1); with `nesterov` the step is p ← p - lr·(g + momentum·v)
    how             see the docstring of `graphad.optim`

    Raises UseError for numbers out of range and parameters that are not shared variables, and
    what `ga.grad` raises.

    >>> import graphad as ga
    >>> w = ga.shared([0.0, 0.0], name="w")
    >>> loss = ((w - [1.0, 2.0]) ** 2).sum()
    >>> step = ga.function([], loss, updates=ga.optim.sgd(loss, w, lr=0.25))
    >>> [float(step()) for _ in range(3)], w.value
    ([5.0, 1.25, 0.3125], array([0.875, 1.75 ]))
    >>> ga.optim.sgd(lambda p: (p["a"] - 3.0) ** 2, {"a": 0.0}, lr=0.5, steps=1).x
    {'a': np.float64(3.0)}
    """
    return _run(rules.sgd(momentum, dampening, nesterov), loss, params, lr, how)


def adam(
    loss: Any,
    params: Any,
    *,
    lr: Any = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    **how: Unpack[How],
) -> Any:
    """Adam: steps in units of the gradient's own recent size.

    m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², p ← p - lr·m̂/(√v̂ + eps), where m̂ = m/(1-β₁ᵗ) and
    v̂ = v/(1-β₂ᵗ) at step t = 1, 2, …. Arguments, results and errors are those of `sgd`.

    >>> import graphad as ga
    >>> w = ga.shared(0.0, name="w")
    >>> loss = (w - 1.0) ** 2
    >>> step = ga.function([], loss, updates=ga.optim.adam(loss, w, lr=0.1))
    >>> _ = [step() for _ in range(3)]
    >>> round(float(w.value), 4)
    0.2984
    """
    return _run(rules.adam(beta1, beta2, eps, 0.0), loss, params, lr, how)


def adamw(
    loss: Any,
    params: Any,
    *,
    lr: Any = 0.001,
    weight_decay: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    **how: Unpack[How],
) -> Any:
    """Adam with weights that decay: p also loses lr·weight_decay·p in each step.

    Arguments, results and errors are those of `sgd`.

    >>> import graphad as ga
    >>> found = ga.optim.adamw(lambda p: 0.0 * p, 1.0, lr=0.1, weight_decay=0.5, steps=2)
    >>> round(float(found.x), 4)
    0.9025
    """
    rule = rules.adam(beta1, beta2, eps, weight_decay, "adamw")
    return _run(rule, loss, params, lr, how)


def rmsprop(
    loss: Any,
    params: Any,
    *,
    lr: Any = 0.01,
    decay: float = 0.9,
    eps: float = 1e-8,
    momentum: float = 0.0,
    initial: float = 0.0,
    **how: Unpack[How],
) -> Any:
    """RMSProp: s ← decay·s + (1-decay)·g², p ← p - lr·g/(√s + eps); s starts as `initial`.

    With momentum, b ← momentum·b + g/(√s + eps), p ← p - lr·b. Arguments, results and errors are
    those of `sgd`.

    >>> import graphad as ga
    >>> round(float(ga.optim.rmsprop(lambda p: p * p, 1.0, lr=0.1, steps=1).x), 4)
    0.6838
    """
    return _run(rules.rmsprop(decay, eps, momentum, initial), loss, params, lr, how)


def adagrad(
    loss: Any,
    params: Any,
    *,
    lr: Any = 0.01,
    eps: float = 1e-8,
    initial: float = 0.0,
    **how: Unpack[How],
) -> Any:
    """AdaGrad: s ← s + g², p ← p - lr·g/(√s + eps); s starts as `initial`.

    Arguments, results and errors are those of `sgd`.

    >>> import graphad as ga
    >>> round(float(ga.optim.adagrad(lambda p: p * p, 1.0, lr=0.1, steps=2).x), 4)
    0.8331
    """
    return _run(rules.adagrad(eps, initial), loss, params, lr, how)
