"""Would a function do the same again? A proof from its bytecode, and the facts it rests on.

`prove(fun)` follows everything that `fun` can reach: code, functions that it calls, globals,
captured variables, defaults. It succeeds where only known functions are called (those of NumPy,
SciPy, graphad, and Python's own that depend on arguments alone), nothing outside is written to,
and all that is read from outside is data or such functions. What is read is noted with its value,
arrays by their contents: as long as `Proof.holds`, another run would do the same.

No draw of random numbers, no clock, no file, no print, no object of a class passes. What passes
by mistake as harmless (a method that changes a captured list) is found by asking `holds` again
after a run. A function without a proof is not impure: nothing is known, it is run each time.
"""

from __future__ import annotations

import builtins
import functools
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.functional.bytecode import BEHIND, CHANGES, Load, scan
from graphad.ir.variable import Constant, Variable

LARGEST = 1 << 20  # bytes of arrays of which copies are kept, and compared at each call
DEEPEST = 20  # containers in containers
MOST = 20_000  # instructions and values that one proof looks at

BUILTINS = frozenset(
    """abs all any bool chr complex dict divmod enumerate filter float format frozenset hasattr int
    isinstance issubclass iter len list map max min next ord pow range repr reversed round set
    slice sorted str sum tuple type zip""".split()
)
PURE_MODULES = ("math", "cmath", "itertools", "operator", "_operator", "functools")
NUMPY = ("numpy", "numpy.linalg", "numpy.fft", "scipy.special", "scipy.linalg", "scipy.fft")
SCALARS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic, np.dtype,
           slice, range)  # fmt: skip


class Unknown(Exception):
    """There is no proof; the message says why."""


class Proof:
    """What a function read from outside when it was looked at."""

    __slots__ = ("facts", "reason", "roots")

    def __init__(self, facts: list[tuple], roots: list[tuple], reason: str = "") -> None:
        self.facts, self.roots, self.reason = facts, roots, reason

    def __bool__(self) -> bool:
        return not self.reason

    def holds(self, fun: Callable[..., Any]) -> bool:
        """Would `fun`, a function of the same code, read the same today?"""
        return not self.changed(fun)

    def changed(self, fun: Callable[..., Any]) -> str:
        """The name of something that `fun` would read and that has changed, "" if nothing has."""
        name: Any = ""
        try:
            cells = getattr(fun, "__closure__", None) or ()
            for place, seen in self.roots:
                found = cells[place].cell_contents if type(place) is int else getattr(fun, place)
                if not same(found, seen):
                    return fun.__code__.co_freevars[place] if type(place) is int else "a default"
            for namespace, name, seen in self.facts:
                found = namespace.cell_contents if name is None else namespace[name]
                if not same(found, seen):
                    return name or "a variable around a function that it calls"
        except (KeyError, ValueError):  # a name or a cell that is gone
            return name or "a variable around it"
        return ""

    def __repr__(self) -> str:
        return f"<proof with {len(self.facts) + len(self.roots)} facts>" if self else (
            f"<no proof: {self.reason}>")  # fmt: skip


# ---- values, and what is remembered of them --------------------------------------------------
def same(value: Any, seen: tuple) -> bool:
    """Is a value what it was? Arrays and containers are compared by contents."""
    kind, then = seen
    if kind == "is":
        return value is then
    if kind == "equal":
        return type(value) is type(then) and (value is then or _equal(value, then))
    if kind == "array":
        return type(value) is np.ndarray and then == (value.dtype, value.shape, value.tobytes())
    if kind == "frozen":
        return value is then[0] or same(value, (tuple, then[1]))
    if kind == "items":
        items, facts = then
        alike = type(value) is list and len(value) == len(items)
        return (alike and all(map(operator.is_, value, items))) or same(value, (list, facts))
    if type(value) is not kind or len(value) != len(then):
        return False
    if kind is dict:
        return all([key in value and same(value[key], item) for key, item in then.items()])
    return all([same(item, old) for item, old in zip(value, then, strict=True)])


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float | np.floating):
        return bool(a == b and np.signbit(a) == np.signbit(b)) or bool(a != a and b != b)
    return bool(a == b)


class _Search:
    """One proof in the making."""

    def __init__(self) -> None:
        self.facts: list[tuple] = []
        self.seen: set[int] = set()
        self.effort = 0
        self.bytes = 0

    def spend(self, effort: int = 1) -> None:
        self.effort += effort
        if self.effort > MOST:
            raise Unknown("it reaches too much")

    def remember(self, value: Any, depth: int = 0) -> tuple:
        """The value as a fact; what it refers to is looked at. Raises Unknown."""
        self.spend()
        if isinstance(value, SCALARS):
            return "equal", value
        if type(value) is np.ndarray and value.dtype.kind in "biufc":
            self.bytes += value.nbytes
            if self.bytes > LARGEST:
                raise Unknown("it reads large arrays")
            return "array", (value.dtype, value.shape, value.tobytes())
        if type(value) in (list, tuple, dict) and depth < DEEPEST:
            if type(value) is dict:
                return dict, {k: self.remember(v, depth + 1) for k, v in value.items()}
            found = [self.remember(v, depth + 1) for v in value]
            if all([kind in ("equal", "frozen") for kind, _ in found]):  # the same if identical
                return ("frozen", (value, found)) if type(value) is tuple else (
                    "items", (tuple(value), found))  # fmt: skip
            return type(value), found
        if isinstance(value, Constant):
            return "is", value
        if isinstance(value, types.FunctionType):
            self.function(value)
        elif getattr(type(value), "holds_rules", ()):
            self.rules(value)
        elif isinstance(value, functools.partial):
            self.remember(value.func), self.remember(value.args), self.remember(value.keywords)
        elif not is_pure(value):
            raise Unknown(f"it reads {_name(value)}")
        return "is", value

    def rules(self, value: Any) -> None:
        """Functions of the user that an object of this package calls on Variables."""
        if id(value) in self.seen:
            return
        self.seen.add(id(value))
        held = value.__dict__
        for name in type(value).holds_rules:
            part = held[name]
            if not isinstance(part, dict):
                self.facts.append((held, name, self.remember(part)))
                continue
            for place, (rule, on_arrays) in part.items():
                self.facts.append((part, place, ("is", part[place])))
                if not on_arrays:  # else it is called when programs run
                    self.remember(rule)

    # -- code ----------------------------------------------------------------------------------
    def function(self, fun: types.FunctionType) -> None:
        """Look at a function that is called."""
        if id(fun) in self.seen:
            return
        self.seen.add(id(fun))
        if getattr(fun, "reads_values", False):
            raise Unknown(f"{fun.__name__} takes values out of the graph")
        inner = getattr(fun, "__wrapped__", None)
        if fun.__module__ is not None and fun.__module__.partition(".")[0] == "graphad":
            if isinstance(inner, types.FunctionType):
                self.function(inner)  # a transformation of it
                return
            if fun.__closure__ is None and ".random" not in fun.__module__:
                return
        for cell in fun.__closure__ or ():
            self.facts.append((cell, None, self.cell(cell)))
        self.remember(fun.__defaults__), self.remember(fun.__kwdefaults__)
        self.code(fun.__code__, fun.__globals__, dict(zip(
            fun.__code__.co_freevars, fun.__closure__ or (), strict=True)))  # fmt: skip

    def cell(self, cell: Any) -> tuple:
        try:
            value = cell.cell_contents
        except ValueError:
            raise Unknown("it uses a variable that has no value yet") from None
        return ("is", value) if isinstance(value, types.ModuleType) else self.remember(value)

    def code(self, code: types.CodeType, names: dict[str, Any], cells: Mapping[str, Any]) -> None:
        """Look at what a piece of code reads, and the pieces defined in it."""
        found = scan(code)
        self.spend(found.size)
        if found.writes or found.unclear:
            raise Unknown(found.writes or found.unclear)
        for load in found.loads:
            if load.is_global:
                self.name(load, names)
            else:
                value = cells[load.name].cell_contents
                if isinstance(value, types.ModuleType):
                    self.chain(value, load.attributes)
        for attribute in found.attributes & BEHIND:
            raise Unknown(f"it uses .{attribute}")

    def name(self, load: Load, names: dict[str, Any]) -> None:
        """A global or builtin name."""
        name = load.name
        if name not in names:
            if name in BUILTINS or _is_error(getattr(builtins, name, None)):
                return
            raise Unknown(f"it calls {name}")
        value = names[name]
        if isinstance(value, types.ModuleType):
            self.facts.append((names, name, ("is", value)))
            self.chain(value, load.attributes)
        else:
            self.facts.append((names, name, self.remember(value)))

    def chain(self, module: Any, attributes: Sequence[str]) -> None:
        """``np.linalg.norm``: the attribute of a module that is used."""
        value: Any = module
        for attribute in attributes:
            if not isinstance(value, types.ModuleType):
                break
            holder, value = value, getattr(value, attribute, Unknown)
            if value is Unknown:
                raise Unknown(f"{holder.__name__} has no {attribute}")
            if ".random" in holder.__name__ or holder.__name__ == "random":
                raise Unknown(f"it uses {holder.__name__}")
            known = holder.__name__.partition(".")[0] in ("graphad", "numpy", "scipy", "math")
            if not isinstance(value, types.ModuleType):
                if not known:
                    self.facts.append((vars(holder), attribute, self.remember(value)))
                elif not isinstance(value, SCALARS):
                    self.remember(value)
        if isinstance(value, types.ModuleType):
            raise Unknown(f"it hands on the module {value.__name__}")


# ---- what is known ---------------------------------------------------------------------------
def is_pure(value: Any) -> bool:
    """Is it a function, or a type, whose results depend on its arguments alone?"""
    if isinstance(value, np.ufunc):
        return True
    name = getattr(value, "__name__", "")
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, type):
        return (
            (module == "builtins" and (name in BUILTINS or _is_error(value)))
            or issubclass(value, np.generic | np.ndarray)
            or (issubclass(value, tuple) and hasattr(value, "_fields"))
            or module in PURE_MODULES
        )
    if isinstance(value, Variable):
        return False
    if type(value).__module__.partition(".")[0] == "graphad":  # functions of NumPy's names, …
        return callable(value) or type(value).__name__ == "Joiner"
    if not callable(value) or ".random" in module or name in CHANGES:
        return False
    if module == "builtins":
        return name in BUILTINS
    return module in PURE_MODULES or module in NUMPY or module.startswith("numpy._core")


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _name(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return str(name) if name else f"a {type(value).__name__}"


def _of_root(fun: types.FunctionType, search: _Search) -> Iterator[tuple]:
    for i, cell in enumerate(fun.__closure__ or ()):
        yield i, search.cell(cell)
    yield "__defaults__", search.remember(fun.__defaults__)
    yield "__kwdefaults__", search.remember(fun.__kwdefaults__)


def prove(fun: Callable[..., Any]) -> Proof:
    """A proof that `fun` is pure; one that is false, with the reason, where there is none.

    >>> import graphad.numpy as np
    >>> scale = 2.0
    >>> prove(lambda x: scale * np.sin(x))
    <proof with 4 facts>
    >>> prove(lambda x: np.random.normal() * x)
    <no proof: it uses graphad.numpy.random>
    """
    if not isinstance(fun, types.FunctionType):
        return Proof([], [], f"{_name(fun)} is no Python function")
    search = _Search()
    search.seen.add(id(fun))
    try:
        roots = list(_of_root(fun, search))
        cells = dict(zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=True))
        search.code(fun.__code__, fun.__globals__, cells)
    except Unknown as error:
        return Proof([], [], str(error))
    return Proof(search.facts, roots)
