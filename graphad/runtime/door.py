"""The quick look at the arguments of a call: one expression, true when nothing needs converting.

Most calls bring arrays of the right dtype and shape. What the expression does not let pass is
looked at by `Parameter` and `SizeChecks`, which convert, and explain what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.runtime.arguments import Parameter
from graphad.runtime.sizes import SizeChecks

MOST = 32  # arguments


def door(parameters: Sequence[Parameter], sizes: SizeChecks) -> Callable[..., bool]:
    """A function of the arguments: do they fit as they are?

    >>> import graphad as ga
    >>> kinds = [ga.matrix("x", shape=("n", 2)).type, ga.vector("y", shape=("n",)).type]
    >>> parameters = [Parameter(name, kind) for name, kind in zip("xy", kinds)]
    >>> check = door(parameters, SizeChecks(parameters))
    >>> check(np.ones((3, 2)), np.ones(3)), check(np.ones((3, 2)), np.ones(4)), check([[1]], 2)
    (True, False, False)
    """
    if len(parameters) > MOST or sizes.derived or sizes.met:
        return never
    bound: dict[str, Any] = {"ndarray": np.ndarray}
    tests = []
    for i, parameter in enumerate(parameters):
        bound[f"d{i}"] = parameter.dtype
        if not parameter.ndim:
            bound[f"t{i}"] = parameter.dtype.type
            tests.append(f"type(a{i}) is t{i}")
            continue
        tests.append(f"type(a{i}) is ndarray and a{i}.dtype is d{i}")
        tests.append(
            f"a{i}.ndim == {parameter.ndim}" if parameter.exact is None
            else f"a{i}.shape == {parameter.exact}"
        )  # fmt: skip
    tests += [f"a{i}.shape[{axis}] == {size}" for i, axis, size in sizes.fixed]
    tests += [f"a{i}.shape[{axis}] == a{j}.shape[{other}]" for i, axis, j, other in sizes.equal]
    names = ", ".join(f"a{i}" for i in range(len(parameters)))
    text = f"lambda {names}: {' and '.join(tests) or 'True'}"
    made: Callable[..., bool] = eval(compile(text, "<graphad door>", "eval"), bound)
    return made


def never(*_: Any) -> bool:
    """Everything is looked at."""
    return False
