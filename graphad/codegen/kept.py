"""Programs in machine code that another process has made, known by their graphs.

What `cache` holds of the machine code of a module is found by its text, and writing that text
takes longer than anything else once nothing has to be compiled. Here whole programs are found by
the graph: an entry says which machine code it calls, and how. `keeping` writes entries, this
reads them; it loads little, and looks at no node twice. Entries are known by the graph's content,
by all that machine code is known by, by Python, NumPy, and by the files of this package.

What an entry cannot tell, such as the plan and the source, or why a call failed, is told by the
program made anew, when it is asked for.
"""

from __future__ import annotations

import functools
import marshal
import os
import sys
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.codegen import cache, image, link, llvm, mathlib, rooms
from graphad.codegen.arrays import layout
from graphad.codegen.digest import hexdigest
from graphad.codegen.program import call_op
from graphad.codegen.reuse import makers
from graphad.codegen.running import Running, Shapes
from graphad.codegen.sharing import Owner, Sharing
from graphad.codegen.threads import available_threads
from graphad.codegen.unfit import Unfit
from graphad.errors import MissingLibraryError
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.variable import Constant

MAGIC = b"program 1\n"
MOST_BYTES = 1 << 20  # of constants; graphs that hold more are not kept
PARTS = ("ir", "ops", "plan", "rewrite", "codegen")  # what programs depend on
UNKNOWN: Any = object()  # nothing is kept of this graph


class Gone(Exception):
    """An entry names something that is not there any more."""


# ---- what entries are known by ---------------------------------------------------------------
def surroundings() -> tuple[str, ...]:
    """What programs depend on besides the graph."""
    known = repr((sorted((layout() or {}).items()), mathlib.is_installed()))
    return sys.version, np.__version__, known, _sources(), *llvm.circumstances()


@functools.cache
def _sources() -> str:
    """Which files this package consists of: programs are kept while it is worked on, too. Where
    pip has put them they stay as they are until it replaces their folders."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = "site-packages" in root
    found: list[Any] = []
    folders = [root, *[f"{root}/{part}" for part in PARTS]]
    for folder in folders:  # grows
        names = sorted(os.listdir(folder))
        if folder != root:
            inside = [f"{folder}/{n}" for n in names if "." not in n and n[0] != "_"]
            folders += [path for path in inside if os.path.isdir(path)]
        paths = [folder] if installed else [f"{folder}/{n}" for n in names if n.endswith(".py")]
        found += [(path, s.st_mtime_ns, s.st_size) for path, s in zip(
            paths, map(os.stat, paths), strict=True)]  # fmt: skip
    return hexdigest(marshal.dumps(found, 2))


def _bytes(content: Any) -> bytes:
    """The same bytes in every process; ValueError for what only this process knows."""
    try:
        return marshal.dumps(content, 2)
    except ValueError:
        return marshal.dumps(_portable(content), 2)


def _portable(value: Any) -> Any:
    """Without dtypes; marshal refuses what else it does not know."""
    if type(value) is tuple:
        return tuple([_portable(item) for item in value])
    if isinstance(value, np.dtype) and value.kind in "biufc":
        return "a dtype", value.str
    name = getattr(value, "__name__", "")
    if isinstance(value, type) and getattr(np, name, None) is value:
        return "a type", name
    return value


class Memory:
    """The entries of one graph."""

    def __init__(self, store: cache.Store, graph: Graph, kind: str) -> None:
        self.store, self.graph = store, graph
        self.key = hexdigest(_bytes((kind, surroundings(), graph.content)))

    @classmethod
    def of(cls, graph: Graph, kind: str, choice: cache.Choice) -> Memory | None:
        """None where nothing is kept: without a cache, or for graphs that hold large constants, or
        things that are only known to this process."""
        store = cache.store(choice) if image.is_possible() else None
        if store is None or not llvm.installed():
            return None
        constants = {v for node in graph.nodes for v in node.inputs if isinstance(v, Constant)}
        if sum([v.value.nbytes for v in constants]) > MOST_BYTES:
            return None
        try:
            return cls(store, graph, kind)
        except (OSError, ValueError):  # the package is no folder; marshal knows no such thing
            return None

    def name(self, shapes: Shapes | None = None) -> str:
        """The entry for inputs of these shapes; None: for all."""
        return self.key if shapes is None else cache.key(self.key, repr(shapes))

    def get(self, shapes: Shapes | None = None) -> Any:
        """What was kept; `UNKNOWN` if nothing was."""
        entry = self.store.get(self.name(shapes))
        if entry is None or not entry.startswith(MAGIC):
            return UNKNOWN
        return marshal.loads(entry[len(MAGIC) :])

    def put(self, told: Any, shapes: Shapes | None = None) -> None:
        """Keep it."""
        self.store.put(self.name(shapes), MAGIC + marshal.dumps(told))


# ---- programs --------------------------------------------------------------------------------
class Numbers:
    """The program of a graph of scalars: `run` takes floats and gives floats and bools."""

    bound: Mapping[str, Any] = {}

    def __init__(self, run: Callable[..., Any], anew: Callable[[], Any]) -> None:
        self.run, self._anew = run, anew

    @property
    def source(self) -> str:
        """The module in LLVM's language."""
        text: str = self._anew().source
        return text


class _Program:
    """A program as `Running` wants it."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[..., Sequence[Any]]) -> None:
        self.run = run


class Kept(Running):
    """A program with kernels.

    told: what the entry says; kinds: types of the inputs; anew: makes it from the graph.
    """

    def __init__(
        self, told: Mapping[str, Any], kinds: Any, fallback: Any, eager: bool, builder: Builder,
        anew: Callable[[], Any],
    ) -> None:  # fmt: skip
        equal = told["equal"]
        fits = functools.partial(_hold, equal) if equal else None
        super().__init__(kinds, fallback, fits, eager)
        self._anew, self._builder = anew, builder
        self._kernels = None if told["kernels"] is None else builder.program(told["kernels"])
        self.begin(kinds)

    @functools.cached_property
    def full(self) -> Any:
        """The program made from the graph: it knows all that there is to be seen."""
        return self._anew()

    @property
    def with_kernels(self) -> Any:
        return self._kernels or self.full.with_kernels

    @property
    def source(self) -> str:
        """The source of the program that answers."""
        known = next((k for k, v in self._whole.items() if v is self.current), None)
        program = None if known is None else self.full.prepare(known)
        text: str = (program or self.full.with_kernels).source
        return text

    def variant(self, shapes: Shapes) -> tuple[Any, bool]:
        told = self._builder.memory.get(shapes)
        if told is not UNKNOWN:
            try:
                program, looped = told
                return (None if program is None else self._builder.program(program)), looped
            except Gone:
                pass
        try:
            made: tuple[Any, bool] = self.full.variant(shapes)
        except MissingLibraryError:  # llvmlite is not what it was
            return None, False
        return made

    def _failed(self, error: Exception, arrays: Sequence[Any]) -> Sequence[Any]:
        """What fails is told by the program made anew, which knows the places."""
        try:
            full = None if isinstance(error, MemoryError) else self.full
        except Exception:  # llvmlite, say, is not what it was
            full = None
        if full is None:
            raise error
        results: Sequence[Any] = full.run(*arrays)
        return results

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.full, name)


def _hold(equal: Sequence[tuple[int, int, int, int]], arrays: Sequence[Any]) -> bool:
    """Do the sizes agree that the program takes as equal?"""
    return all([arrays[i].shape[axis] == arrays[j].shape[k] for i, axis, j, k in equal])


def recall(
    memory: Memory, compiled: Any, compile_inner: Callable[..., Any], fallback: Any,
    anew: Callable[[], Any],
) -> Any:  # fmt: skip
    """The program in machine code of a graph that was compiled; None if it gains nothing;
    `UNKNOWN` if nothing is kept. `fallback` is the NumPy program."""
    told = memory.get()
    if told is UNKNOWN or told is None:
        return told
    options = compiled.options
    builder = Builder(memory, compile_inner, options.threads)
    try:
        if compiled.floats is not None:
            return Numbers(builder.value(told), anew)
        kinds = [v.type for v in compiled.graph.inputs]
        eager = options.backend == "llvm"
        return Kept(told, kinds, fallback, eager, builder, anew)
    except Gone:
        return UNKNOWN


# ---- from entries to programs ----------------------------------------------------------------
_codes: weakref.WeakValueDictionary[str, image.Code] = weakref.WeakValueDictionary()
_needed: dict[str, image.Code] = {}  # for good: other code calls it


class Builder:
    """Makes programs from what entries tell."""

    def __init__(
        self, memory: Memory, compile_inner: Callable[..., Any], threads: int | None
    ) -> None:
        self.memory, self.compile_inner = memory, compile_inner
        self.threads = threads or available_threads()
        self._makers: dict[str, Any] = {}
        self._owners: dict[tuple[str, bool], Any] = {}

    def program(self, told: tuple[bytes, dict[str, Any]]) -> _Program:
        """A program; raises Gone."""
        code, bound = told
        namespace = {name: self.value(value) for name, value in bound.items()}
        return _Program(types.FunctionType(marshal.loads(code), namespace))

    def value(self, told: tuple) -> Any:
        """What a name in a program stands for."""
        kind, *rest = told
        return getattr(self, f"_{kind}")(*rest)

    def code(self, library: str) -> image.Code:
        """The machine code of an entry."""
        found = _codes.get(library)
        if found is None:
            entry = self.memory.store.get(library)
            found = None if entry is None else image.load(entry)
            if found is None:
                raise Gone(library)
            _codes[library] = found
        return found

    def _function(
        self, library: str, name: str, shared: bool, needed: tuple[tuple[str, str, str], ...]
    ) -> Any:
        for symbol, other, function in needed:
            if symbol not in link.told:
                _needed[other] = self.code(other)
                link.tell(symbol, _needed[other].address(function))
        owner = self._owner(library, shared)
        method = llvm.method(name, owner.library.address(name))
        owner.methods.append(method)
        return llvm.callable_of(method, owner)

    def _owner(self, library: str, shared: bool) -> Any:
        if (library, shared) not in self._owners:
            code, methods = self.code(library), list[Any]()
            self._owners[library, shared] = (
                Sharing(code, methods, self.threads) if shared else Owner(code, methods)
            )
        return self._owners[library, shared]

    def _functions(self, entries: Mapping[Any, tuple]) -> dict[Any, Any]:
        return {key: self.value(entry) for key, entry in entries.items()}

    def _made(self, module: str, name: str, given: Sequence[tuple]) -> Any:
        return getattr(hooks.load(module), name)(*map(self.value, given))

    def _memory(self, what: str) -> Any:
        self._makers = self._makers or makers()
        return self._makers[what]

    def _plain(self, value: Any) -> Any:
        return value

    def _numpy(self, name: str) -> Any:
        return getattr(np, name)

    def _dtype(self, text: str) -> np.dtype:
        return np.dtype(text)

    def _array(self, dtype: str, shape: tuple[int, ...], data: bytes, order: str) -> np.ndarray:
        return np.frombuffer(data, np.dtype(dtype)).reshape(shape, order=order)  # type: ignore[call-overload]

    def _number(self, dtype: str, data: bytes) -> Any:
        return np.frombuffer(data, np.dtype(dtype))[0]

    def _unfit(self) -> type:
        return Unfit

    def _room(self) -> Any:
        return rooms.room

    def _place(self, output: int) -> Any:
        return rooms.Place(self.memory.graph.outputs[output])

    def _scatter(self) -> Any:
        return hooks.load("codegen.scatter").add_at

    def _op(self, node: int) -> Any:
        return functools.partial(call_op, self.memory.graph.nodes[node].op)

    def _inner(self, node: int) -> Any:
        return self.compile_inner(self.memory.graph.nodes[node].op)
