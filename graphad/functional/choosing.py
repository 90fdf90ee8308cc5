"""Which arguments of a call a transformation is about: by position, by name, in containers.

`Choice.of(args, keywords)` gives them as one container (the argument, a tuple of arguments, or a
dict by name), `Choice.put` the call with another container in their place.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import UseError
from graphad.ir.variable import Variable, describe

NUMBERS = (bool, int, float, complex, np.number, np.bool_)
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def name_of(fun: Any) -> str:
    """What messages call a function."""
    return str(getattr(fun, "__name__", None) or getattr(fun, "name", None) or type(fun).__name__)


def check_callable(fun: Any, kind: str) -> None:
    """UseError for what is no function."""
    if not callable(fun) or isinstance(fun, Variable):
        raise UseError(
            f"{kind} of {type(fun).__name__}",
            remedy=f"pass a Python function: {kind}(f), not its result {kind}(f(x))",
        )


@functools.lru_cache(maxsize=512)
def _parameters(fun: Callable[..., Any]) -> tuple[inspect.Parameter, ...] | None:
    try:
        return tuple(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return None


def parameters(fun: Callable[..., Any]) -> tuple[inspect.Parameter, ...] | None:
    """The parameters of a function, None where they cannot be known."""
    try:
        return _parameters(fun)
    except TypeError:  # not hashable
        return None


def positions(fun: Callable[..., Any]) -> list[str]:
    """Names of what can be passed by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters(fun) or () if p.kind in kinds]


def label(fun: Callable[..., Any], position: int) -> str:
    """How messages call the argument at a position."""
    names = positions(fun)
    return f"argument {position}" + (f" ({names[position]!r})" if position < len(names) else "")


class Choice:
    """The arguments that `argnums` or `argnames` name, of calls of `fun`."""

    __slots__ = ("blank", "fun", "keys", "kind", "single")

    def __init__(self, fun: Callable[..., Any], kind: str, argnums: Any, argnames: Any) -> None:
        self.fun, self.kind = fun, kind
        if argnames is not None:
            if argnums is not None:
                raise UseError(
                    f"{kind}({name_of(fun)}): argnums={argnums!r} and argnames={argnames!r}",
                    remedy="choose the arguments in one way",
                )
            self.single = isinstance(argnames, str)
            self.keys: tuple[Any, ...] = (argnames,) if self.single else tuple(argnames)
        else:
            argnums = 0 if argnums is None else argnums
            self.single = not isinstance(argnums, tuple | list | range)
            self.keys = (argnums,) if self.single else tuple(argnums)
        for key in self.keys:
            self._check(key, argnames is not None)
        if not self.keys or len(set(self.keys)) < len(self.keys):
            raise UseError(
                f"{kind}({name_of(fun)}): "
                + ("an argument is named twice" if self.keys else "no argument is named"),
                remedy="name each argument once: argnums=(0, 1)",
            )

        # stands for the chosen arguments where these are elsewhere
        self.blank: Any = (None,) * len(self.keys)
        if self.single:
            self.blank = None
        elif self.named:
            self.blank = dict.fromkeys(self.keys)

    def _check(self, key: Any, named: bool) -> None:
        if isinstance(key, str if named else int | np.integer) and not isinstance(key, bool):
            return
        what = f"{self.kind}({name_of(self.fun)})"
        if isinstance(key, Variable):
            raise UseError(
                f"{what}, {describe(key)}: a function and a Variable",
                cause=f"{self.kind} is of functions, {self.kind}(f)(x), or of Variables",
                remedy=f"write {self.kind}(f(x), x) for the Variables",
            )
        raise UseError(
            f"{what}: {key!r} is no {'name' if named else 'position'}",
            remedy="argnums is an int or a tuple of ints, argnames a string or several",
        )

    @property
    def named(self) -> bool:
        return isinstance(self.keys[0], str)

    def places(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> list[Any]:
        """For each chosen argument, where it is in this call: a position or a keyword."""
        return [self._place(key, args, keywords) for key in self.keys]

    def _place(self, key: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        if isinstance(key, str):
            if key in keywords:
                return key
            names = positions(self.fun)
            if key in names and names.index(key) < len(args):
                return names.index(key)
        else:
            position = key + len(args) if key < 0 else key
            if 0 <= position < len(args):
                return position
            names = positions(self.fun)
            if 0 <= position < len(names) and names[position] in keywords:
                return names[position]
        raise UseError(
            f"{self.kind}({name_of(self.fun)}): "
            + (f"argnames={key!r}" if isinstance(key, str) else f"argnums={key!r}")
            + f" names no argument of this call with {len(args)} positional arguments"
            + (f" and the keywords {', '.join(keywords)}" if keywords else ""),
            cause=f"{name_of(self.fun)} takes "
            + (", ".join(p.name for p in parameters(self.fun) or ()) or "unknown arguments"),
            remedy="count arguments from 0, or choose them by argnames",
        )

    def of(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """(the chosen arguments as one container, their places)."""
        if self.keys == (0,) and args:
            return args[0], [0]
        places = self.places(args, keywords)
        found = [keywords[p] if isinstance(p, str) else args[p] for p in places]
        if self.single:
            return found[0], places
        if self.named:
            return dict(zip(self.keys, found, strict=True)), places
        return tuple(found), places

    def put(
        self, args: Sequence[Any], keywords: Mapping[str, Any], places: list[Any], new: Any
    ) -> Arguments:
        """The arguments of the call with the container `new` for the chosen ones."""
        values = [new] if self.single else list(new.values()) if self.named else list(new)
        filled, named = list(args), dict(keywords)
        if self.named and not self.single:
            values = [new[key] for key in self.keys]
        for place, value in zip(places, values, strict=True):
            if isinstance(place, str):
                named[place] = value
            else:
                filled[place] = value
        return tuple(filled), named

    def path(self, places: list[Any], structure: tree.Structure, leaf: int) -> str:
        """How messages call a leaf of the container."""
        children = (structure,) if self.single else structure.children
        order = places
        if self.named and not self.single:
            order = [p for _, p in sorted(zip(self.keys, places, strict=True))]
        names = positions(self.fun)
        roots = [p if isinstance(p, str) else names[p] if p < len(names) else f"argument {p}"
                 for p in order]  # fmt: skip
        paths = [p for root, child in zip(roots, children, strict=True) for p in child.paths(root)]
        return f"{paths[leaf]!r}" if " " not in paths[leaf] else paths[leaf]
