"""Nested containers <-> flat lists of leaves.

A *container* is a list, tuple, namedtuple, dict or dataclass instance, or of a registered type;
everything else is a leaf. Dict entries are visited in sorted key order, so that two dicts with
equal content have equal structure whatever the order of insertion. Used wherever an API takes "one
Variable or any nested container of them".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


class Structure:
    """The shape of a nested container without its leaves; hashable, compares by content.

    >>> leaves, structure = flatten({"b": 1, "a": (2, [3])})
    >>> leaves
    [2, 3, 1]
    >>> structure.unflatten([20, 30, 10])
    {'b': 10, 'a': (20, [30])}
    """

    __slots__ = ("_hash", "children", "is_met", "keys", "kind", "leaf_count", "order")
    leaf_count: int

    def __init__(
        self,
        kind: type | None,
        keys: tuple,
        children: tuple[Structure, ...],
        order: tuple = (),
        count: int | None = None,
    ) -> None:
        self.kind, self.keys, self.children = kind, keys, children
        self.order = order or keys
        if count is None:
            count = 1 if kind is None else sum([child.leaf_count for child in children])
        self.leaf_count = count
        self._hash = 0
        self.is_met = False

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Structure) and self._content() == other._content()

    def __hash__(self) -> int:
        if not self._hash:
            self._hash = hash(self._content())
        return self._hash

    def __reduce__(self) -> tuple:
        return _restored, (self.kind, self.keys, self.children, self.order)

    def _content(self) -> tuple:
        rest = self.order if self.kind in _registered else None
        return self.kind, self.keys, self.children, rest

    def __repr__(self) -> str:
        return f"Structure({self.unflatten(['*'] * self.leaf_count)!r})"

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """Put `leaves`, in flat order, back into the container."""
        if len(leaves) != self.leaf_count:
            raise ValueError(f"{self.leaf_count} leaves expected, {len(leaves)} given")
        return self._build(iter(leaves))

    def _build(self, leaves: Any) -> Any:
        kind: Any = self.kind
        if kind is None:
            return next(leaves)
        values = [next(leaves) if c is LEAF else c._build(leaves) for c in self.children]
        if kind is list:
            return values
        if kind is tuple:
            return tuple(values)
        if kind in _registered:
            return _registered[kind][1](self.order[0], values)
        if issubclass(kind, dict):
            found = dict(zip(self.keys, values, strict=True))
            ordered = {key: found[key] for key in self.order}
            return ordered if kind is dict else kind(ordered)
        if hasattr(kind, "_fields"):
            return kind(*values)
        if _is_dataclass(kind):
            return _rebuild_dataclass(kind, dict(zip(self.keys, values, strict=True)))
        return kind(values)

    def paths(self, root: str = "") -> list[str]:
        """Python expressions that select each leaf, for messages: `root['w'][0]`."""
        if self.kind is None:
            return [root]
        is_record = hasattr(self.kind, "_fields") or _is_dataclass(self.kind)
        selected = [f"{root}.{key}" if is_record else f"{root}[{key!r}]" for key in self.keys]
        pairs = zip(selected, self.children, strict=True)
        return [path for prefix, child in pairs for path in child.paths(prefix)]


LEAF = Structure(None, (), ())
LEAF.is_met = True


def _restored(kind: type | None, keys: tuple, children: tuple, order: tuple) -> Structure:
    return LEAF if kind is None else Structure(kind, keys, children, order)


Open = Callable[[Any], tuple[Sequence[Any], Any]]
Close = Callable[[Any, Sequence[Any]], Any]
_registered: dict[type, tuple[Open, Close]] = {}
_leaves: set[type] = set()  # classes whose instances were leaves
_STRINGS = frozenset({str})
# Structures of plain lists, tuples and dicts that were met, by kind, keys and identities of the
# children, which are kept here as well: equal ones are one object, found and compared at once.
_met: dict[tuple, Structure] = {}
MET = 4096  # how many of these are kept
LONGEST = 256  # and with how many children


def register(kind: type, open: Open, close: Close) -> type:
    """Make instances of `kind` containers.

    open   from an instance to (children, rest): a sequence of what it contains, and what else is
           needed to make it again, which must be hashable
    close  from (rest, children) to an instance

    >>> class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    >>> _ = register(Pair, lambda p: ((p.a, p.b), None), lambda rest, children: Pair(*children))
    >>> flatten([Pair(1, 2), 3])[0]
    [1, 2, 3]
    """
    if not isinstance(kind, type) or kind in (list, tuple, dict):
        raise TypeError(f"register({kind!r}): pass a class of your own")
    _registered[kind] = (open, close)
    _leaves.clear()
    return kind


def _is_dataclass(kind: Any) -> bool:
    return hasattr(kind, "__dataclass_fields__")


def _rebuild_dataclass(kind: Any, fields: dict[str, Any]) -> Any:
    built: Any = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(built, name, value)
    return built


def _sort_key(key: Any) -> tuple[str, Any]:
    return (
        (type(key).__name__, key)
        if isinstance(key, str | int | float)
        else (type(key).__name__, repr(key))
    )


def _open(value: Any) -> tuple[tuple, Sequence[Any], tuple] | None:
    """(keys, children, insertion order) of a container, or None for a leaf."""
    if type(value) in _registered:
        parts, rest = _registered[type(value)][0](value)
        return tuple(range(len(parts))), parts, (rest,)
    if isinstance(value, dict):
        plain = all([type(key) is str for key in value])
        keys = tuple(sorted(value) if plain else sorted(value, key=_sort_key))
        return keys, [value[key] for key in keys], tuple(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(value._fields), value, ()
    if isinstance(value, list | tuple):
        return tuple(range(len(value))), value, ()
    if _is_dataclass(type(value)):
        import dataclasses  # loaded by whoever made the class, and slowly where nobody needs it

        keys = tuple(field.name for field in dataclasses.fields(value))
        return keys, [getattr(value, key) for key in keys], ()
    return None


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of `tree`, left to right, and the structure that puts them back.

    >>> flatten(5)
    ([5], Structure('*'))
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    """The structure of `tree`; its leaves are appended."""
    kind = type(tree)
    if kind in _leaves:
        leaves.append(tree)
        return LEAF
    order: tuple = ()
    if kind is list or kind is tuple:
        keys, parts = tuple(range(len(tree))), tree
    elif kind is dict and _STRINGS.issuperset(map(type, tree)):
        keys, order = tuple(sorted(tree)), tuple(tree)
        parts = [tree[key] for key in keys]
    else:
        return _flatten_other(tree, leaves)
    start, found = len(leaves), []
    for part in parts:
        if type(part) in _leaves:
            leaves.append(part)
            found.append(LEAF)
        else:
            found.append(_flatten(part, leaves))
    key = kind, keys, order, tuple(map(id, found))
    met = _met.get(key)
    if met is None:
        met = Structure(kind, keys, tuple(found), order, len(leaves) - start)
        if len(found) <= LONGEST and len(_met) < MET and all([c.is_met for c in found]):
            met = _met.setdefault(key, met)
            met.is_met = True
    return met


def _flatten_other(tree: Any, leaves: list[Any]) -> Structure:
    """The same for other containers, and for what is none."""
    kind, opened = type(tree), _open(tree)
    if opened is None:
        if len(_leaves) < 1000:  # classes may be made by the thousand
            _leaves.add(kind)
        leaves.append(tree)
        return LEAF
    keys, parts, order = opened
    start, found = len(leaves), []
    for part in parts:
        if type(part) in _leaves:
            leaves.append(part)
            found.append(LEAF)
        else:
            found.append(_flatten(part, leaves))
    return Structure(kind, keys, tuple(found), order, len(leaves) - start)


def children(value: Any) -> list[tuple[Any, Any]] | None:
    """Pairs (key, child) of a container, one level deep; None for a leaf.

    >>> children({"b": 1, "a": [2]}), children(3)
    ([('a', [2]), ('b', 1)], None)
    """
    opened = _open(value)
    return None if opened is None else list(zip(opened[0], opened[1], strict=True))


def map_leaves(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` to corresponding leaves of containers of equal structure.

    >>> map_leaves(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    leaves, structure = flatten(tree)
    columns: list[Iterable[Any]] = [leaves]
    for other in others:
        more, shape = flatten(other)
        if shape != structure:
            raise ValueError(f"containers differ in structure: {structure!r} and {shape!r}")
        columns.append(more)
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])
