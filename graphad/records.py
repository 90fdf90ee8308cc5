"""`Record`: what `typing.NamedTuple` is, made in a third of the time.

Dozens of small classes of values are made while the package loads. `typing.NamedTuple` compiles
the annotation of every field; nothing here reads them. For checkers of types the two are one.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:

    class _Maker(type):
        """Makes named tuples of the classes derived from `Record`."""

        def __new__(cls, name: str, bases: tuple, body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            annotations = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in annotations if field in body]
            made = namedtuple(name, annotations, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in _OWN:
                    setattr(made, key, value)
            return made

    _OWN = ("__module__", "__qualname__")

    class Record(metaclass=_Maker):
        """Base of classes whose annotated names are the fields of a tuple.

        >>> class Pair(Record):
        ...     first: int
        ...     second: int = 2
        >>> Pair(1), Pair(1).second
        (Pair(first=1, second=2), 2)
        """


__all__ = ["Record"]
