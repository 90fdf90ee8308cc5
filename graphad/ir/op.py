"""`Op` (an operation with its parameters), `Family` (its rules), and the op table.

A *family* is a class that supplies what is common to many operations (shapes, dtypes, plumbing
of derivatives); an instance of it is one declared operation with its rules; an `Op` is that
operation with parameters filled in. `exp` and `sum(axis=1)` are Ops; `Elementwise` and
`Reduction` are families.

The table `OPS` maps names to the public functions that build nodes. Operators on Variables and
rules of derivatives look functions up there, so no lower layer imports a higher one.
"""

from __future__ import annotations

import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.ir.types import Shape, Size, TensorType
from graphad.records import Record

if TYPE_CHECKING:
    from graphad.ir.variable import Apply, Variable

MEMO_LIMIT = 4096

RISKY = 1  # a value that may be infinite or NaN though its inputs are finite
MASKED = 2  # a value with zeros that a selection put there
_NOTHING: Mapping[int, int] = {}


class Family(ABC):
    """The rules of one declared operation; see the module's docstring for the vocabulary."""

    name: str
    hazard: int = 0  # RISKY, MASKED: what this operation may add to its result
    hazard_of: Callable[..., int] | None = None  # the same, where it depends on the operands
    hazard_in: Callable[[Mapping[str, Any]], int] | None = None  # what the parameters add to it
    adds: bool = False  # a sum: zero by selection only where all operands are
    passes: bool = False  # the results are the first operands: only derivatives differ
    own_rules: bool = False  # are derivatives whatever a user says, not those of the value?
    is_view: bool = False  # may the result share memory with the first input?
    changes_first: bool = False  # is the result a copy of the first input, changed in places?
    is_elementwise: bool = (
        False  # element i of the result depends on elements i of the inputs only
    )
    is_reducing: bool = False  # does it combine elements along axes (reductions, scans)?
    is_inner: bool = False  # are graphs among its parameters?
    reads_sizes: bool = False  # do the results depend on sizes of arrays only, not on elements?
    memoise: bool = True  # do the output types depend on the input types alone?
    foldable: bool = True  # may it be computed while compiling, when all inputs are constant?
    is_effect: bool = False  # does it act when it runs? Then never merged, folded or moved out
    is_check: bool = False  # an effect that may happen again unnoticed: an assertion
    # raises where a derivative would end silently; gets the node and the variables that are read
    refuse: Callable[[Apply, Collection[Variable]], None] | None = None

    @abstractmethod
    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Types of the outputs; raises ShapeError, DTypeError, AxisError, IndexingError."""

    @abstractmethod
    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The output array (a tuple of them for several outputs), computed with namespace xp."""

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        """For each input, what it receives from the outputs' cotangents; None: nothing."""
        return [None] * len(node.inputs)

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        """The outputs' tangents; None as a whole: derive them from the vjp."""
        return None

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        """The node's outputs for a stack of inputs: a `batched` operand has the rows of the stack
        along a new axis 0, the others are the same for each row. An output has that axis as well,
        unless it is the same for all rows. None: no rule, one row is computed after the other."""
        return None

    def builds(self, params: Mapping[str, Any]) -> bool:
        """Where `own_rules`: do functions of the user build the graph of derivatives?"""
        return False

    def cuts(self, position: int) -> bool:
        """Does no derivative ever flow into the input at `position` (an index, a size)?"""
        return False

    def cuts_in(self, params: Mapping[str, Any], position: int) -> bool:
        """The same, where it depends on the parameters."""
        return self.cuts(position)

    def hands_on(self, params: Mapping[str, Any]) -> Mapping[int, int]:
        """Output → input positions of states of random streams; see `streams`."""
        return _NOTHING

    def views(self, params: Mapping[str, Any]) -> bool:
        """May the result share memory with the first operand?"""
        return self.is_view

    def joins(self, node: Apply) -> Sequence[Sequence[Shape]]:
        """Groups of shapes that are broadcast to each other: those of the operands, if the
        operation is elementwise."""
        return [[v.type.shape for v in node.inputs]] if self.is_elementwise else []

    def flops(self, node: Apply) -> Size:
        """Arithmetic operations, as a formula in sizes; by default one for each result element."""
        total: Size = 0
        for kind in node.types:
            total += kind.size
        return total

    def label(self, params: Mapping[str, Any]) -> str:
        """Name with parameters, for listings and pictures."""
        shown = [f"{k}={v!r}" for k, v in params.items() if v is not None and v is not False]
        return f"{self.name}({', '.join(shown)})" if shown else self.name


class Op:
    """One operation: a declared rule set with its parameters. Compares by parameters' bits."""

    __slots__ = ("_cuts", "_hash", "family", "key", "memo", "name", "params")

    def __init__(self, family: Family, params: Mapping[str, Any] | None = None) -> None:
        self.family = family
        self.name = family.name
        self.params = dict(params) if params else {}
        self.key = (self.name, freeze(self.params) if params else _BARE)
        self._hash = hash(self.key)
        self._cuts: dict[int, bool] = {}
        self.memo: dict[tuple[TensorType, ...], tuple[TensorType, ...]] = {}

    def infer(self, types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """Types of the outputs for inputs of these types."""
        known = self.memo.get(types)
        if known is None:
            known = tuple(self.family.infer(types, self.params))
            if self.family.memoise or all([t.is_static for t in known]):
                if len(self.memo) >= MEMO_LIMIT:
                    self.memo.clear()
                self.memo[types] = known
        return known

    def cuts(self, position: int) -> bool:
        """Does no derivative ever flow into the input at `position`?"""
        found = self._cuts.get(position)
        if found is None:
            found = self._cuts[position] = self.family.cuts_in(self.params, position)
        return found

    def evaluate(self, xp: Any, arrays: Sequence[Any]) -> Any:
        """The output array, or a tuple of arrays for several outputs."""
        return self.family.evaluate(xp, arrays, self.params)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Op) and self.key == other.key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return self.family.label(self.params)

    def __reduce__(self) -> tuple:
        return _restore, (self.name, self.params)


_BARE = ("dict", ())  # of an op without parameters
_PLAIN = frozenset({int, str, type(None)})  # types of which equal values are the same


def freeze(value: Any) -> Any:
    """A hashable stand-in that tells apart what differs in type or bits (0.0 and -0.0, 1, True).

    >>> freeze(0.0) == freeze(-0.0), freeze(1) == freeze(True), freeze([1]) == freeze([1])
    (False, False, True)
    """
    kind = type(value)
    if value is None or kind is str:
        return value
    if kind is int:
        return "int", value
    if kind is tuple:
        if _PLAIN.issuperset(map(type, value)):
            return "plain", value
        return "tuple", tuple([freeze(item) for item in value])
    if kind is dict and len(value) == 1:
        ((name, item),) = value.items()
        return "dict", ((name, freeze(item)),)
    return _freeze(value)


def _freeze(value: Any) -> Any:
    """What comes less often, subclasses included."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return type(value).__name__, value
    if isinstance(value, float):
        return "float", struct.pack("d", value)
    if isinstance(value, complex):
        return "complex", struct.pack("dd", value.real, value.imag)
    if isinstance(value, dict):
        return "dict", tuple([(key, freeze(item)) for key, item in sorted(value.items())])
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple([freeze(item) for item in value])
    if isinstance(value, slice):
        return "slice", freeze((value.start, value.stop, value.step))
    if isinstance(value, np.ndarray | np.generic):
        return "array", value.dtype.str, value.shape, value.tobytes()
    return type(value).__name__, value


class Sample(Record):
    """Arguments on which an entry of the table is tested: arrays (made symbolic) and keywords.

    An element of `arrays` may be a list of arrays, for functions that take one. Arrays in `named`
    are passed by keyword and made symbolic too; `keywords` stay what they are.
    """

    arrays: tuple[Any, ...]
    keywords: Mapping[str, Any] = {}
    named: Mapping[str, Any] = {}


class Entry(Record):
    """One public function of the table, with what tests, docs and dispatch need to know of it.

    Names in a namespace are dotted, as "linalg.inv". `observe` maps a result to what of it is
    determined, where that is not all of it: the signs of eigenvectors are anybody's choice.
    """

    name: str
    function: Callable[..., Any]
    topic: str
    reference: Callable[..., Any] | None = None  # NumPy's function of the same meaning
    samples: Callable[[np.random.Generator], Sequence[Sample]] | None = None
    differentiable: bool = True
    order: int = 2  # how many derivatives exist at the samples
    operation: Family | None = None
    observe: Callable[[Any], Any] | None = None


class Register(dict[Any, Any]):
    """A dict that has further declarations loaded before it says that a key is missing."""

    def __init__(self, find: Callable[[Register, Any], bool]) -> None:
        super().__init__()
        self.find = find

    def __missing__(self, key: Any) -> Any:
        if self.find(self, key):
            return self[key]
        raise KeyError(key)

    def __contains__(self, key: Any) -> bool:
        return dict.__contains__(self, key) or self.find(self, key)

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        if key not in self:
            return default
        return self[key]


class Table(Mapping[str, Callable[..., Any]]):
    """Name → public function; also NumPy's functions → ours, and names of primitives → rules.

    Declarations that few programs need are loaded by `further` (see `graphad.ops.further`): those
    of a name when it is missing, all of them before anything is listed.
    """

    def __init__(self) -> None:
        self.further: Callable[[], Any] | None = None  # gives the module that loads; then None
        self.by_numpy: dict[Any, Callable[..., Any]] = Register(self._find)
        self.families: dict[str, Family] = Register(self._find)
        self._functions: dict[str, Callable[..., Any]] = Register(self._find)
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}  # another dotted name -> the name of the entry
        self._loading = threading.RLock()
        self._is_loading = False

    def _find(self, register: Register, key: Any) -> bool:
        """Is it there once the modules are loaded that declare this name, or else all?"""
        further = self.further
        if further is not None:
            further().load(key if isinstance(key, str) else getattr(key, "__name__", ""))
            if not dict.__contains__(register, key):
                self.load()
        return dict.__contains__(register, key)

    def load(self) -> None:
        """Load all further declarations, once."""
        if self.further is not None:
            with self._loading:
                if self.further is not None and not self._is_loading:
                    self._is_loading = True  # what is loaded may miss names as well
                    try:
                        self.further().load_all()
                        self.further = None
                    finally:
                        self._is_loading = False

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return self._functions[name]

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All entries by name."""
        self.load()
        return self._entries

    @property
    def loaded(self) -> Mapping[str, Entry]:
        """The entries that were declared so far."""
        return self._entries

    def add_family(self, family: Family) -> None:
        if dict.__contains__(self.families, family.name):
            raise ValueError(f"two operations are called {family.name!r}")
        self.families[family.name] = family

    def add(
        self, entry: Entry, *, numpy_names: Sequence[Any] = (), aliases: Sequence[str] = ()
    ) -> None:
        for name in (entry.name, *aliases):
            if name in self._entries or name in self._aliases:
                raise ValueError(f"two functions are called {name!r}")
        self._entries[entry.name] = entry
        self._functions.update(dict.fromkeys([entry.name, *aliases], entry.function))
        self._aliases.update(dict.fromkeys(aliases, entry.name))
        for function in numpy_names:
            self.by_numpy[function] = entry.function

    def alias(self, name: str, other: str) -> None:
        """Another dotted name of an entry: "special.expit" of "sigmoid"."""
        if name in self._entries or name in self._aliases:
            raise ValueError(f"two functions are called {name!r}")
        self._functions[name] = self._entries[other].function
        self._aliases[name] = other

    def knows(self, name: str) -> bool:
        """Is there a function of this name? Nothing is loaded."""
        if name in self._entries or name in self._aliases:
            return True
        return self.further is not None and bool(self.further().declares(name))

    def names(self, prefix: str = "") -> list[str]:
        """The last names of the functions of one namespace ("linalg"; "" is the top level)."""
        start = f"{prefix}." if prefix else ""
        found = [n.removeprefix(start) for n in self._known() if n.startswith(start)]
        return sorted([last for last in found if "." not in last])

    def namespaces(self, prefix: str) -> list[str]:
        """The last names of the namespaces in one ("stats")."""
        split = [name.split(".") for name in self._known()]
        return sorted({parts[-2] for parts in split if parts[:-2] == [prefix]})

    @property
    def declared(self) -> set[str]:
        """The names of the functions that were declared so far, other names of them included."""
        return {*self._entries, *self._aliases}

    def _known(self) -> set[str]:
        """The names of all functions, loaded or not."""
        return self.declared.union(() if self.further is None else self.further().functions())


OPS = Table()


def _restore(name: str, params: dict[str, Any]) -> Op:
    return Op(OPS.families[name], params)
