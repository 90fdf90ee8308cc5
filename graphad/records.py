"""`Record`: what `typing.NamedTuple` is, made in a fraction of the time.

Dozens of small classes of values are made while the package loads. `typing.NamedTuple` compiles
the annotation of every field, which nothing here reads, and `collections.namedtuple` the functions
of every class. Here classes share them, but for the names of the parameters of `__new__`. For
checkers of types `Record` is `NamedTuple`.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:

    class _Maker(type):
        """Makes named tuples of the classes derived from `Record`."""

        def __new__(cls, name: str, bases: tuple, body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body.pop(field) for field in fields if field in body}
            made = {key: value for key, value in body.items() if key != "__annotations__"}
            made.update(zip(fields, _getters(len(fields)), strict=True))
            made["__new__"] = _new(fields, tuple(defaults.values()))
            made.update(__slots__=(), __match_args__=fields, _fields=fields)
            made["_field_defaults"] = defaults
            return type(name, (_Methods, tuple), made)

    class _Methods:
        """What all records share, as `collections.namedtuple` has it."""

        __slots__ = ()
        _fields: tuple[str, ...] = ()

        @classmethod
        def _make(cls, values: Iterable[Any]) -> Any:
            found = tuple.__new__(cls, values)
            if len(found) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(found)}")
            return found

        def _replace(self, /, **changes: Any) -> Any:
            found = self._make(
                [changes.pop(f, v) for f, v in zip(self._fields, self, strict=True)]
            )
            if changes:
                raise ValueError(f"Got unexpected field names: {list(changes)!r}")
            return found

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            pairs = [f"{f}={v!r}" for f, v in zip(self._fields, self, strict=True)]
            return f"{type(self).__name__}({', '.join(pairs)})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

    @functools.cache
    def _pattern(count: int) -> Any:
        """A named tuple of so many fields, whose parts records take over."""
        return namedtuple("_Pattern", [f"f{i}" for i in range(count)])

    def _getters(count: int) -> list[Any]:
        """Descriptors of the fields."""
        return [vars(_pattern(count))[f"f{i}"] for i in range(count)]

    def _new(fields: tuple[str, ...], defaults: tuple) -> Callable[..., Any]:
        """`__new__` with the names of the fields."""
        made = _pattern(len(fields)).__new__
        code = made.__code__.replace(co_varnames=("_cls", *fields), co_name="__new__")
        return FunctionType(code, made.__globals__, "__new__", defaults or None)

    class Record(metaclass=_Maker):
        """Base of classes whose annotated names are the fields of a tuple.

        >>> class Pair(Record):
        ...     first: int
        ...     second: int = 2
        >>> Pair(1), Pair(1).second
        (Pair(first=1, second=2), 2)
        """


__all__ = ["Record"]
