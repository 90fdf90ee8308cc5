"""Where a node was built: the user's file and line, the open scope, the forward node.

A site is kept as (code object, instruction offset) and turned into file:line when somebody
asks; finding the caller's frame is all that building a node pays for it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import CodeType, MappingProxyType
from typing import TYPE_CHECKING, Any

from graphad.errors import UseError
from graphad.records import Record

if TYPE_CHECKING:
    from graphad.ir.variable import Apply

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EXAMPLES = _PACKAGE + "demo" + os.sep
_internal: dict[str, bool] = {}

RawSite = tuple[CodeType, int]


class Site(Record):
    """A line of the user's program."""

    filename: str
    line: int

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}"


class Surroundings(Record):
    """What a node takes over from the place where it is built."""

    scope: str = ""
    origin: Apply | None = None
    site: RawSite | Site | None = None
    made: set[Apply] | None = None  # collects the nodes that are built, where somebody asks


_PLAIN = Surroundings()
surroundings: ContextVar[Surroundings] = ContextVar("graphad_surroundings", default=_PLAIN)
_NO_ARRAYS: Mapping[int, Any] = MappingProxyType({})
# Arrays, by id, that stand for variables: arguments of a function that is traced.
known_arrays: ContextVar[Mapping[int, Any]] = ContextVar("graphad_arrays", default=_NO_ARRAYS)


def caller() -> RawSite | None:
    """The innermost frame outside this package."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        inside = _internal.get(code.co_filename)
        if inside is None:
            name = code.co_filename
            inside = name.startswith(_PACKAGE) and not name.startswith(_EXAMPLES)
            _internal[name] = inside
        if not inside:
            return code, frame.f_lasti
        frame = frame.f_back  # type: ignore[assignment]
    return None


def resolve(raw: RawSite | Site | None) -> Site | None:
    """file:line of a raw site."""
    if raw is None or isinstance(raw, Site):
        return raw
    code, offset = raw
    for start, stop, line in code.co_lines():
        if start <= offset < stop and line is not None:
            return Site(code.co_filename, line)
    return Site(code.co_filename, code.co_firstlineno)


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes built inside the ``with`` block belong to the part `name` of the model.

    Scopes nest: ``with scope("encoder"): with scope("attention"):`` gives
    ``"encoder/attention"``. They group nodes in pictures and listings and change nothing else.

    >>> import graphad as ga
    >>> x = ga.vector("x")
    >>> with ga.scope("layer1"):
    ...     y = ga.tanh(x)
    >>> y.owner.scope
    'layer1'
    """
    if not isinstance(name, str) or not name:
        raise UseError(f"scope name {name!r}", remedy='give a word, e.g. ga.scope("layer1")')
    here = surroundings.get()
    path = f"{here.scope}/{name}" if here.scope else name
    token = surroundings.set(here._replace(scope=path))
    try:
        yield
    finally:
        surroundings.reset(token)


@contextlib.contextmanager
def collecting() -> Iterator[set[Apply]]:
    """The nodes that are built inside the block: what belongs to a branch, and is not outside."""
    here = surroundings.get()
    made: set[Apply] = set()
    token = surroundings.set(here._replace(made=made))
    try:
        yield made
    finally:
        surroundings.reset(token)
        if here.made is not None:
            here.made.update(made)


class derived_from:
    """Nodes built inside the ``with`` block are parts of the derivative of `node`."""

    __slots__ = ("node", "token")

    def __init__(self, node: Apply) -> None:
        self.node = node

    def __enter__(self) -> None:
        node, made = self.node, surroundings.get().made
        self.token = surroundings.set(Surroundings(node.scope, node, node.raw_site, made))

    def __exit__(self, *failure: object) -> None:
        surroundings.reset(self.token)


class in_place_of:
    """Nodes built inside the ``with`` block stand for `node`: they have its line and origin."""

    __slots__ = ("node", "token")

    def __init__(self, node: Apply) -> None:
        self.node = node

    def __enter__(self) -> None:
        node, made = self.node, surroundings.get().made
        self.token = surroundings.set(Surroundings(node.scope, node.origin, node.raw_site, made))

    def __exit__(self, *failure: object) -> None:
        surroundings.reset(self.token)


def place_of(node: Apply, site: Site | None) -> str:
    """Scope, file:line, and whether it is a derivative, in printable characters."""
    where = f"{site.filename.rsplit('/', 1)[-1]}:{site.line}" if site else ""
    text = ", ".join(part for part in (node.scope, where) if part)
    text = f"{text} (derivative)" if node.origin is not None else text
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else "?" for c in text])
