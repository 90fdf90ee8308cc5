"""Optimisers: `sgd`, `adam`, `adamw`, `rmsprop`, `adagrad`, and SciPy's through `minimize`.

Each takes one of two things, and the type of the first argument says which.

*A graph.* ``adam(loss, params, lr=…)`` with a scalar Variable and shared variables (in any
containers) gives updates for `ga.function`; nothing is computed yet. Keywords: `clip_norm`, the
largest norm that all gradients together may have; `gradients`, to be used instead of those of
`loss` (which may then be None).

*A function.* ``adam(fun, x0, lr=…, steps=…)`` with a Python function of arrays (in any
containers, like x0) minimises it and gives a `Result`. Keywords, besides `clip_norm`:

    steps      how many updates (100)
    args       further arguments of the function: a tuple, or a function from the step to one
    jac        True: the function returns (value, gradient) itself
    callback   gets a `State` before each update and at the end; returning True ends the iteration
    progress   show a bar (needs tqdm)
    gtol       end when no element of the gradient is larger
    ftol       end when a step changes the value by no more, relative to max(|value|, 1)
    history    False: do not keep the values

The learning rate `lr` is a number or a function of the step number, as `cosine_decay`,
`exponential_decay`, `inverse_time_decay` and `piecewise_constant` make them; for a graph it may
be a Variable.

>>> import numpy as np, graphad as ga
>>> def rosenbrock(p):
...     return (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
>>> found = ga.optim.minimize(rosenbrock, {"x": -1.0, "y": 2.0}, method="Newton-CG")
>>> {name: round(float(value), 3) for name, value in found.x.items()}
{'x': 1.0, 'y': 1.0}
"""

from graphad.optim.loops import Result, State
from graphad.optim.methods import adagrad, adam, adamw, rmsprop, sgd
from graphad.optim.minimise import minimize
from graphad.optim.schedules import (
    clip_by_norm,
    cosine_decay,
    exponential_decay,
    inverse_time_decay,
    piecewise_constant,
)

__all__ = [
    "Result", "State", "adagrad", "adam", "adamw", "clip_by_norm", "cosine_decay",
    "exponential_decay", "inverse_time_decay", "minimize", "piecewise_constant", "rmsprop", "sgd",
]  # fmt: skip
