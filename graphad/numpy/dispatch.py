"""One NumPy function → a function that computes on arrays and builds graph on Variables.

What the op table has under the name of the function decides; nothing here knows a name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from graphad.ir.dims import Dim
from graphad.ir.op import OPS
from graphad.ir.variable import Variable

Function = Callable[..., Any]
LISTS = {"Arrays": 1, "Nested": 2}  # annotations of arguments that are lists of arrays
# Of what is passed most often, nothing is symbolic.
PLAIN = frozenset({np.ndarray, np.float64, float, int, bool, str, type(None), slice})


def is_symbolic(value: Any) -> bool:
    """Is it a Variable or a Dim, or a nested list with one in it?

    >>> import graphad as ga
    >>> x = ga.scalar("x")
    >>> is_symbolic(x), is_symbolic([1.0, (2.0, x)]), is_symbolic([1.0, 2.0])
    (True, True, False)
    """
    if isinstance(value, Variable | Dim):
        return True
    return isinstance(value, list | tuple) and any([is_symbolic(item) for item in value])


def _has_variable(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any([_has_variable(item) for item in value])
    return isinstance(value, Variable)


def stacked(value: Any) -> Any:
    """A nested list with Variables in it as one Variable; anything else as it is."""
    return (
        OPS["array"](value) if isinstance(value, list | tuple) and _has_variable(value) else value
    )


class Dispatched:
    """A function of NumPy that also takes Variables, and lists with Variables in them.

    >>> import numpy as np, graphad as ga
    >>> mean = Dispatched(np.mean, "mean")
    >>> mean([1.0, 3.0])
    np.float64(2.0)
    >>> x = ga.scalar("x")
    >>> float(mean([x, 3.0]).eval({x: 1.0}))
    2.0
    """

    stateless = True  # it holds a function of NumPy or SciPy, none of the user

    def __init__(self, plain: Function, name: str) -> None:
        functools.update_wrapper(self, plain)
        self.plain, self.name = plain, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for value in args:
            if type(value) not in PLAIN and is_symbolic(value):
                return self.symbolic(args, kwargs)
        for value in kwargs.values():
            if type(value) not in PLAIN and is_symbolic(value):
                return self.symbolic(args, kwargs)
        return self.plain(*args, **kwargs)

    def symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same on Variables."""
        if not any([type(v) is list or type(v) is tuple for v in (*args, *kwargs.values())]):
            return self.function(*args, **kwargs)
        given = [self.argument(i, value) for i, value in enumerate(args)]
        named = {k: self.argument(self.position(k), value) for k, value in kwargs.items()}
        return self.function(*given, **named)

    def argument(self, position: int, value: Any) -> Any:
        """A list of arrays stays a list where the function takes one; other lists are arrays."""
        depth = self.lists.get(position, 0)
        if depth == 1 and isinstance(value, list | tuple):
            return type(value)([stacked(item) for item in value])
        return value if depth else stacked(value)

    @functools.cached_property
    def function(self) -> Function:
        """The function of the op table."""
        return OPS[self.name]

    @functools.cached_property
    def lists(self) -> dict[int, int]:
        """Which arguments are lists of arrays, or lists of these (2), as annotations say."""
        notes = getattr(self.function, "__annotations__", {})
        return {i: LISTS[note] for i, note in enumerate(notes.values()) if note in LISTS}

    def position(self, keyword: str) -> int:
        """The place of an argument given by keyword, -1 if it is unknown."""
        names = list(inspect.signature(self.function).parameters)
        return names.index(keyword) if keyword in names else -1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["plain"], name)  # reduce, outer, nin … of a ufunc

    def __repr__(self) -> str:
        return f"<function {self.name} of arrays and Variables>"

    def __reduce__(self) -> tuple:
        return Dispatched, (self.plain, self.name)


def namespace(plain: ModuleType, prefix: str, name: str) -> Any:
    """What `name` means in graphad's form of a NumPy module: a function of the op table wrapped,
    anything else (types, constants, functions that have no symbolic form) NumPy's own.

    Raises AttributeError for names that NumPy does not have.
    """
    found = getattr(plain, name)
    dotted = f"{prefix}.{name}" if prefix else name
    if callable(found) and not isinstance(found, type) and dotted in OPS:
        return Dispatched(found, dotted)
    return found
