"""Functions of the user with other values for what they read: Tracers in the place of arrays, dice
in that of random generators."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

from graphad.functional.bytecode import scan
from graphad.functional.purity import SCALARS, State, is_trusted, module_of


class Exchange:
    """Functions and containers with other values in the place of the arrays of a `State`."""

    def __init__(
        self,
        state: State,
        new: Iterable[Any],
        executed: frozenset[types.CodeType],
        dice: Callable[[Any], Any],
    ) -> None:
        self.memo: dict[int, Any] = {id(a): v for a, v in zip(state.arrays, new, strict=True)}
        self.memo |= {id(g): dice(g) for g in state.generators}
        self.spaces: dict[int, dict[str, Any]] = {}
        self.executed, self.attributes = executed, state.attributes

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if kind in SCALARS:
            return value
        if id(value) in self.memo:
            return self.memo[id(value)]
        make: Callable[[Any], Any] | None = {
            list: lambda v: [self(item) for item in v],
            tuple: lambda v: tuple([self(item) for item in v]),
            dict: lambda v: {k: self(item) for k, item in v.items()},
            types.MethodType: lambda v: types.MethodType(self(v.__func__), self(v.__self__)),
            functools.partial: lambda v: functools.partial(
                self(v.func), *self(v.args), **self(v.keywords)),
            types.FunctionType: self._function,
        }.get(kind)  # fmt: skip
        if make is not None:
            return make(value) if kind is types.FunctionType else self._keep(value, make(value))
        held = getattr(value, "__dict__", None)
        if type(held) is dict and not isinstance(value, type | types.ModuleType) and module_of(
            kind) not in ("graphad", "numpy"):  # fmt: skip
            return self._instance(value, held)
        return value

    def _keep(self, old: Any, new: Any) -> Any:
        self.memo[id(old)] = new
        return new

    def _instance(self, value: Any, held: dict[str, Any]) -> Any:
        made = self._keep(value, object.__new__(type(value)))
        made.__dict__.update({k: self(v) if k in self.attributes else v for k, v in held.items()})
        return made

    def _function(self, function: types.FunctionType) -> Any:
        trusted = is_trusted(function.__code__)
        if not trusted and function.__code__ not in self.executed:
            return function
        cells = tuple([types.CellType() for _ in function.__closure__ or ()])
        space = function.__globals__ if trusted else self._space(function)
        made = types.FunctionType(function.__code__, space, function.__name__, None, cells)
        self._keep(function, made)
        made.__dict__.update(function.__dict__)
        made.__defaults__ = self(function.__defaults__)
        made.__kwdefaults__ = self(function.__kwdefaults__)
        for old, new in zip(function.__closure__ or (), cells, strict=True):
            try:
                new.cell_contents = self(old.cell_contents)
            except ValueError:
                continue
        if not trusted:
            for name in scan(function.__code__).names:
                if name in function.__globals__:
                    space[name] = self(function.__globals__[name])
        return made

    def _space(self, function: types.FunctionType) -> dict[str, Any]:
        known = self.spaces.get(id(function.__globals__))
        if known is None:
            known = self.spaces[id(function.__globals__)] = dict(function.__globals__)
        return known
