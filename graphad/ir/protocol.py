"""What Python and NumPy call on Variables by themselves: indexing, len, bool, np.sin(x).

What needs a value raises here, and says what to write instead.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from graphad.errors import UseError
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.ufuncs import on_variables


class Protocol:
    """What a symbolic array answers to Python and NumPy; abstract base of Variable."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        return OPS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise UseError(
            f"{_name(self)}[...] = ... : a symbolic variable cannot be changed in place",
            cause="a graph is built once and never modified",
            remedy="make a changed copy: y = x.at[index].set(value); also .add, .max, …",
        )

    def __len__(self) -> int:
        shape = self.type.shape  # type: ignore[attr-defined]
        if not shape:
            raise UseError(f"len() of {_name(self)}, which has no axes", remedy="use x.size")
        if not isinstance(shape[0], int):
            raise UseError(
                f"len() of {_name(self)}: its first size {shape[0]} is known only at run time",
                remedy="use x.shape[0], which can be computed with, or declare the size: "
                "ga.vector('x', shape=(3,))",
            )
        return shape[0]

    def __iter__(self) -> Iterator[Any]:
        shape = self.type.shape  # type: ignore[attr-defined]
        if not shape or not isinstance(shape[0], int):
            what = "it has no axes" if not shape else f"its size {shape[0]} is not known yet"
            raise UseError(
                f"cannot iterate over {_name(self)}: {what}",
                remedy="declare the size (ga.vector('x', shape=(3,))), or write the loop as array "
                "operations (x.sum(), x * 2)",
            )
        return iter([self[i] for i in range(shape[0])])

    def __contains__(self, item: Any) -> NoReturn:
        raise UseError(
            f"`in` cannot be decided for {_name(self)} while the graph is built",
            remedy="write (x == value).any(), or any(v is x for v in variables) for identity",
        )

    def __bool__(self) -> NoReturn:
        raise UseError(
            f"{_name(self)} has no truth value while the graph is built",
            cause="if, while, and, or, not and chained comparisons ask for one",
            remedy="write ga.where(condition, a, b) to choose element by element, ga.cond and "
            "ga.while_loop for branches and loops; & | ~ for and, or, not; "
            "(0 < x) & (x < 1) for 0 < x < 1; `x is y` to compare variables",
        )

    def __float__(self) -> NoReturn:
        _no_number(self, "float")

    def __int__(self) -> NoReturn:
        _no_number(self, "int")

    def __complex__(self) -> NoReturn:
        _no_number(self, "complex")

    def __index__(self) -> NoReturn:
        _no_number(self, "an index")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise UseError(
            f"{_name(self)} cannot be put into a NumPy array",
            cause="np.array and np.asarray need values, a symbolic variable has none",
            remedy="join variables with ga.stack([x, y]) or ga.concatenate([x, y]); "
            "for values call x.eval({...})",
        )

    # -- NumPy's functions on Variables --------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method == "__call__" and not keywords:
            target = dict.get(OPS.by_numpy, ufunc)
            if target is not None:
                return target(*inputs)
        return on_variables(ufunc, method, inputs, keywords)

    def __array_function__(
        self, func: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        label = f"{func.__module__}.{func.__name__}"
        target = OPS.by_numpy.get(func)
        if target is None:
            raise UseError(
                f"{label} has no symbolic form",
                remedy="compute it from other functions, or outside the graph on values",
            )
        given = dict(kwargs)
        if given.pop("out", None) is not None:
            raise UseError(
                f"{label}(..., out=...) with a symbolic variable",
                remedy="leave out= away; the compiler reuses memory by itself",
            )
        known = _keywords(target)
        if known is not None and not given.keys() <= known:
            unknown = min(given.keys() - known)
            raise UseError(
                f"{label}: {unknown}= has no symbolic form",
                remedy=f"it takes {', '.join(sorted(known))}" if known else "leave it out",
            )
        return target(*args, **given)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return hooks.array_namespace()

    def __repr__(self) -> str:
        name, kind = _name(self), type(self).__name__
        owner = self.owner  # type: ignore[attr-defined]
        how = f" = {owner.op}" if owner is not None else ""
        return f"<{kind} {name}: {self.type}{how}>"  # type: ignore[attr-defined]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return hooks.mimebundle(self)


@functools.cache
def _keywords(function: Callable[..., Any]) -> frozenset[str] | None:
    """The names of the arguments that a function takes; None if it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY)


def _name(variable: Any) -> str:
    if variable.name:
        return str(variable.name)
    return variable.owner.op.name if variable.owner is not None else "unnamed"


def _no_number(variable: Any, wanted: str) -> NoReturn:
    raise UseError(
        f"{_name(variable)} cannot become {wanted}: a symbolic variable has no value yet",
        remedy="compute with it symbolically (ga.exp, astype, …), or get the value with "
        "x.eval({...}) or a compiled ga.function",
    )
