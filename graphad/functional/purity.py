"""Does a Python function depend on its arguments, and on what can be seen around it, alone?

A function that is traced at each call is traced in vain if nothing that it reads has changed. To
know what it reads, its code and that of all functions it called is inspected (`Scan`), while a
profiler notes what was called (`Watch`): drawing random numbers, input and output, unknown calls,
assignments to what is not its own make the answer no. What remains are global names, closures,
attributes: `State` reads their values, as a key to compare and as arrays.

The answer is conservative: no costs time only.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from graphad.functional.bytecode import CHANGES, IMPURE, Code, scan
from graphad.functional.draws import DRAWS, GENERATORS
from graphad.functional.glance import MISSING, Edges
from graphad.ir.op import Op
from graphad.ir.variable import Apply

SCALARS = frozenset({int, float, complex, bool, str, bytes, type(None), type(Ellipsis), slice})
METHODS = frozenset("sort fill put itemset resize partition setflags setfield byteswap".split())
MODULES = ("builtins", "math", "cmath", "_operator", "operator", "itertools", "_functools",
           "functools", "numpy", "graphad")  # fmt: skip
PARAMETERS = (int, float, complex, str, tuple, type(None), np.dtype)
OWNERS = (list, tuple, dict, set, frozenset, str, int, float, complex, slice, range)
_LIBRARIES = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
              os.path.dirname(os.path.abspath(np.__file__)) + os.sep]  # fmt: skip
_GENERATED = ("__init__", "__eq__", "__hash__", "__repr__")  # methods that a dataclass has made
MOST = 5000  # objects that are looked at: libraries may lead anywhere
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_HARMLESS = {_STANDARD + name for name in (
    "functools.py", "contextlib.py", "operator.py", "typing.py", "enum.py", "abc.py", "types.py",
    "dataclasses.py", f"collections{os.sep}__init__.py", "copy.py", "keyword.py", "reprlib.py",
    "weakref.py", "dis.py", "opcode.py", "_weakrefset.py", "contextvars.py", "warnings.py",
    "inspect.py")}  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _is_library(filename: str) -> bool:
    if filename.startswith(("<frozen", "<graphad ")):  # programs are compiled from graphs
        return True
    return filename in _HARMLESS or any(filename.startswith(p) for p in _LIBRARIES)


def is_trusted(code: Code) -> bool:
    """Code of this package, of NumPy, and of the standard library that keeps to itself."""
    return _is_library(code.co_filename) or code.co_names == ("_tuple_new",)  # of a namedtuple


class Watch:
    """Notes what is called while it is on; `usable` if nobody else is profiling."""

    def __init__(self) -> None:
        self.codes: set[Code] = set()
        self.problem = ""
        self.usable = sys.getprofile() is None

    def __enter__(self) -> Watch:
        if self.usable:
            sys.setprofile(self._noting())
        return self

    def __exit__(self, *failure: object) -> None:
        if self.usable:
            sys.setprofile(None)

    def _noting(self) -> Callable[[types.FrameType, str, Any], None]:
        """What is told of each call. Nearly all are inside of libraries: these are let go first,
        by the identity of their code, which `held` keeps."""
        trusted: set[int] = set()
        held: list[Code] = []

        def note(frame: types.FrameType, event: str, called: Any) -> None:
            code = frame.f_code
            if id(code) in trusted:
                return
            if is_trusted(code):
                trusted.add(id(code))
                held.append(code)
            elif event == "call":
                if not _is_library_at_work(frame):
                    self.codes.add(code)
            elif event == "c_call" and not _is_harmless(called) and not _is_library_at_work(frame):
                self.problem = f"it calls {getattr(called, '__qualname__', called)!s}"

        note.pauses = True  # type: ignore[attr-defined]
        return note

    def user_codes(self) -> set[Code]:
        """The code that ran, but for trusted libraries."""
        return {code for code in self.codes if not is_trusted(code)}


@contextlib.contextmanager
def unwatched(nodes: Iterable[Apply]) -> Iterator[None]:
    """A block that differentiates and computes these nodes: nothing is noted where that cannot
    lead to functions of the user, only to those of this package and of NumPy."""
    told: Any = sys.getprofile()
    if not hasattr(told, "pauses") or not all([_is_plain_op(node.op) for node in nodes]):
        yield
        return
    sys.setprofile(None)
    try:
        yield
    finally:
        sys.setprofile(told)


def _is_plain_op(op: Op) -> bool:
    """Is it of this package alone? Its parameters are data then, no functions or graphs."""
    family = op.family
    plain = family.foldable and not family.is_inner
    return plain and all([isinstance(value, PARAMETERS) for value in op.params.values()])


def _is_library_at_work(frame: types.FrameType) -> bool:
    """Is this trusted code, or code of the standard library that is called by it?"""
    at: types.FrameType | None = frame
    while at is not None and (at.f_code.co_filename.startswith(_STANDARD) or (
            at.f_code.co_filename == "<string>" and at.f_code.co_name in _GENERATED)):  # fmt: skip
        if is_trusted(at.f_code):
            return True
        at = at.f_back
    return at is not None and is_trusted(at.f_code)


def _is_harmless(called: Any) -> bool:
    name = getattr(called, "__name__", "")
    owner = getattr(called, "__self__", None)
    if name in IMPURE or name in CHANGES:
        return False
    if owner is None or isinstance(owner, types.ModuleType):
        kind = getattr(called, "__objclass__", None)
        module = str(getattr(called, "__module__", None) or getattr(kind, "__module__", ""))
        return module.partition(".")[0] in MODULES and ".random" not in module
    if type(owner) in GENERATORS:
        return name in DRAWS
    if isinstance(owner, np.ndarray | np.generic | np.ufunc):
        return name not in METHODS and name != "at"
    return isinstance(owner, (*OWNERS, type)) or module_of(type(owner)) == "graphad"


def _is_plain(value: Any, kind: type) -> bool:
    """Is this an instance of a class written in Python, with its state in its attributes?"""
    if type(getattr(value, "__dict__", None)) is not dict or "__dict__" not in dir(kind):
        return False
    if callable(value) and not isinstance(kind.__call__, types.FunctionType):
        return False
    odd = ("__getattr__", "__getattribute__", "__next__", "__slots__")
    return not any(name in vars(base) for base in kind.__mro__[:-1] for name in odd)


def module_of(kind: type) -> str:
    """The package of a class; none for what draws random numbers."""
    module = kind.__module__
    return "" if "random" in module else module.partition(".")[0]


class Varying(NamedTuple):
    """A number that is an input of programs, as arrays are."""

    value: int


class State:
    """Reads what functions see besides their arguments.

    key      what must be equal for the same graph: numbers, structure, types of arrays, identities
    arrays   the arrays among it, each once
    generators  the random generators of NumPy among it
    problem  what cannot be followed, "" if everything can
    """

    def __init__(self, executed: frozenset[Code] | None = None) -> None:
        self.executed = executed  # None: all functions that can be reached
        self.key: list[Any] = []
        self.arrays: list[Any] = []
        self.generators: list[Any] = []
        self.problem = ""
        self.codes: set[Code] = set()
        self.attributes: set[str] = set()
        self.held: list[Any] = []  # so that identities stay what they are
        self.edges = Edges()
        self._places: dict[int, int] = {}

    def copy(self) -> State:
        """The same, to add more to it; `edges` stay with the original."""
        made = State(self.executed)
        made.key, made.arrays, made.held = self.key[:], self.arrays[:], self.held[:]
        made.generators, made.problem = self.generators[:], self.problem
        made.codes, made.attributes = self.codes, self.attributes
        made._places = self._places.copy()
        return made

    def begin(self, pair: tuple[Any, Any]) -> None:
        """Add a pair, of which the second will be added by `read`: it is not held."""
        self._places[0] = 0
        self.key.append((tuple, 2))
        self.read(pair[0])

    def read(self, value: Any) -> None:
        """Add a value."""
        kind, key = type(value), self.key
        if kind in SCALARS:
            key.append((kind, repr(value) if kind in (float, complex) else value))
        elif kind is not np.ndarray and isinstance(value, np.generic):
            key.append((kind, value.tobytes()))
        elif self._is_known(value):
            return
        elif len(self.held) > MOST:
            self.problem = self.problem or "it reads too much"
        elif kind is np.ndarray:
            key.append((value.dtype, value.shape))
            self.edges.arrays.append((value, value.dtype, value.shape))
            self.arrays.append(value)
        elif kind is list or kind is tuple:
            key.append((kind, len(value)))
            if kind is list:
                self.edges.a_list(value)
            for item in value:
                self.read(item)
        elif kind is dict:
            key.append((kind, len(value)))
            self.edges.a_dict(value)
            for name, item in value.items():
                if type(name) is str:
                    key.append(name)
                else:
                    self.read(name)
                self.read(item)
        elif kind is Varying:
            key.append(kind)
            self.arrays.append(value)
        else:
            self._object(value, kind)

    def _is_known(self, value: Any) -> bool:
        place = self._places.get(id(value))
        if place is not None:
            self.key.append(("again", place))
            return True
        self._places[id(value)] = len(self._places)
        self.held.append(value)
        return False

    def _object(self, value: Any, kind: type) -> None:
        if kind is types.FunctionType:
            self._function(value)
        elif kind is types.MethodType:
            self.read(value.__func__)
            self.read(value.__self__)
        elif kind is functools.partial:
            self.key.append("partial")
            for part in (value.func, value.args, value.keywords):
                self.read(part)
        elif kind is types.ModuleType:
            self.key.append(id(value))
            if "random" in value.__name__:
                self.problem = self.problem or f"it uses {value.__name__}"
            elif value.__name__.partition(".")[0] not in MODULES:
                self._attributes(value.__name__, vars(value))
        elif (
            isinstance(value, type | np.ufunc | np.dtype)
            or (kind is types.BuiltinFunctionType and _is_harmless(value))
            or module_of(kind) in ("graphad", "numpy")
        ):
            self.key.append(id(value))
            if not getattr(kind, "stateless", False):
                self._rules(value)
        elif kind in GENERATORS:
            self.key.append(id(value))
            self.generators.append(value)
        elif _is_plain(value, kind):
            self.key.append(id(kind))
            self.edges.instances.append((value, kind, kind.__mro__, value.__dict__))
            self._attributes(kind.__name__, value.__dict__)
            for base in kind.__mro__[:-1]:
                self._attributes(kind.__name__, vars(base))
        else:
            self.problem = self.problem or f"it uses a {kind.__name__}"

    def _attributes(self, name: str, found: Any) -> None:
        """The attributes whose names appear in the functions that ran."""
        count = len(self.arrays)
        inner = isinstance(found, types.MappingProxyType) or "__builtins__" in found
        names = self.edges.names
        for attribute in sorted(self.attributes):
            value = found.get(attribute, MISSING)
            names.append((found, attribute, value))
            if value is MISSING:
                continue
            for part in (value.fget,) if isinstance(value, property) else (value,):
                self.key.append(attribute)
                self.read(part)
        if inner and len(self.arrays) > count:
            self.problem = self.problem or f"arrays are attributes of {name}"

    def _rules(self, value: Any) -> None:
        """Functions of the user that an object of this package calls: rules of derivatives."""
        count = len(self.arrays)
        work: list[Any] = [getattr(value, "__dict__", None)]
        while work:
            part = work.pop()
            if type(part) is dict:
                self.edges.a_dict(part)
                work += part.values()
            elif type(part) in (tuple, list):
                if type(part) is list:
                    self.edges.a_list(part)
                work += part
            elif type(part) is types.FunctionType and not self._is_known(part):
                self._function(part)
        if len(self.arrays) > count:
            self.problem = self.problem or f"a {type(value).__name__} uses arrays"

    def _function(self, function: types.FunctionType) -> None:
        code = function.__code__
        self.key.append(code)
        self.edges.functions.append((
            function, code, function.__defaults__, function.__kwdefaults__))  # fmt: skip
        trusted = is_trusted(code)
        if not trusted:
            if self.executed is not None and code not in self.executed:
                return
            found = scan(code)
            self.problem = self.problem or found.problem
            self.codes |= found.codes
            self.attributes |= found.attributes
            self._names(function, found.names)
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # empty
                self.key.append("empty")
                self.edges.cells.append((cell, MISSING))
                continue
            self.edges.cells.append((cell, value))
            self.read(value)
        self.read(function.__defaults__)
        self.read(function.__kwdefaults__)

    def _names(self, function: types.FunctionType, names: Iterable[str]) -> None:
        space = function.__globals__
        for name in names:
            value = space.get(name, MISSING)
            self.edges.names.append((space, name, value))
            if value is not MISSING:
                self.read(value)
            else:
                self.key.append(name)  # of the builtins, which nobody changes


def state_of(roots: Any, executed: frozenset[Code] | None) -> State:
    """The state that is seen from `roots` (functions, containers), attributes included."""
    attributes: set[str] = set()
    while True:
        state = State(executed)
        state.attributes = set(attributes)
        state.read(roots)
        if state.attributes == attributes:
            return state
        attributes = state.attributes


def values(state: State) -> list[Any]:
    """What programs get for the arrays."""
    return [a.value if type(a) is Varying else a for a in state.arrays]


def contents(state: State) -> Iterator[bytes]:
    """The bytes of the arrays, to see whether they change."""
    for array in state.arrays:
        if type(array) is np.ndarray:
            yield array.tobytes()
