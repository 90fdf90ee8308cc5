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
import dis
import functools
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graphad.ir.variable import Constant, Variable

LARGEST = 1 << 20  # bytes of arrays of which copies are kept, and compared at each call
DEEPEST = 20  # containers in containers
MOST = 20_000  # instructions and values that one proof looks at

WRITES = frozenset(
    """STORE_GLOBAL DELETE_GLOBAL STORE_ATTR DELETE_ATTR STORE_SUBSCR DELETE_SUBSCR STORE_SLICE
    STORE_NAME DELETE_NAME DELETE_DEREF IMPORT_NAME IMPORT_FROM IMPORT_STAR LOAD_NAME
    LOAD_BUILD_CLASS LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS
    LOAD_SUPER_ATTR GET_AWAITABLE GET_AITER GET_ANEXT BEFORE_ASYNC_WITH""".split()
)
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
BUILTINS = frozenset(
    """abs all any bool chr complex dict divmod enumerate filter float format frozenset hasattr int
    isinstance issubclass iter len list map max min next ord pow range repr reversed round set
    slice sorted str sum tuple type zip""".split()
)
PURE_MODULES = ("math", "cmath", "itertools", "operator", "_operator", "functools")
NUMPY = ("numpy", "numpy.linalg", "numpy.fft", "scipy.special", "scipy.linalg", "scipy.fft")
NOT_PURE = frozenset(
    """save savez savez_compressed savetxt load loadtxt genfromtxt fromfile fromregex memmap seterr
    seterrcall setbufsize set_printoptions printoptions errstate copyto put place putmask
    fill_diagonal put_along_axis show_config show_runtime info test tofile dump dumps""".split()
)
# Attributes by which a value is taken out of its graph, or drawn: no guard would tell.
BEHIND = frozenset(
    """value _value rand randn random random_sample normal standard_normal uniform integers choice
    shuffle permutation rvs""".split()
)
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
        try:
            cells = getattr(fun, "__closure__", None) or ()
            for place, seen in self.roots:
                found = cells[place].cell_contents if type(place) is int else getattr(fun, place)
                if not same(found, seen):
                    return False
            for namespace, name, seen in self.facts:
                found = namespace.cell_contents if name is None else namespace[name]
                if not same(found, seen):
                    return False
        except (KeyError, ValueError):  # a name or a cell that is gone
            return False
        return True

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

    def spend(self) -> None:
        self.effort += 1
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
            return type(value), [self.remember(v, depth + 1) for v in value]
        if isinstance(value, Constant):
            return "is", value
        if isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, functools.partial):
            self.remember(value.func), self.remember(value.args), self.remember(value.keywords)
        elif not is_pure(value):
            raise Unknown(f"it reads {_name(value)}")
        return "is", value

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
        """Look at the instructions of one piece of code and of the pieces defined in it."""
        steps = list(dis.get_instructions(code))
        for i, step in enumerate(steps):
            self.spend()
            if step.opname in WRITES:
                raise Unknown(f"{code.co_name} has {step.opname}")
            if step.opname == "STORE_DEREF" and step.argval in code.co_freevars:
                raise Unknown(f"{code.co_name} assigns to {step.argval} outside of it")
            if step.opname in ATTRIBUTES and step.argval in BEHIND:
                raise Unknown(f"it uses .{step.argval}")
            if step.opname == "LOAD_GLOBAL":
                self.name(step.argval, names, steps[i + 1 :])
            elif step.opname == "LOAD_DEREF" and step.argval in cells:
                value = cells[step.argval].cell_contents
                if isinstance(value, types.ModuleType):
                    self.chain(value, steps[i + 1 :])
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                inside = {k: v for k, v in cells.items() if k in constant.co_freevars}
                self.code(constant, names, inside)

    def name(self, name: str, names: dict[str, Any], rest: list[Any]) -> None:
        """A global or builtin name."""
        if name not in names:
            if name in BUILTINS or _is_error(getattr(builtins, name, None)):
                return
            raise Unknown(f"it calls {name}")
        value = names[name]
        if isinstance(value, types.ModuleType):
            self.facts.append((names, name, ("is", value)))
            self.chain(value, rest)
        else:
            self.facts.append((names, name, self.remember(value)))

    def chain(self, module: Any, rest: list[Any]) -> None:
        """``np.linalg.norm``: the attribute of a module that is used."""
        value: Any = module
        for step in rest:
            if step.opname == "CACHE":
                continue
            if step.opname not in ATTRIBUTES or not isinstance(value, types.ModuleType):
                break
            holder, value = value, getattr(value, step.argval, Unknown)
            if value is Unknown:
                raise Unknown(f"{holder.__name__} has no {step.argval}")
            if ".random" in holder.__name__ or holder.__name__ == "random":
                raise Unknown(f"it uses {holder.__name__}")
            known = holder.__name__.partition(".")[0] in ("graphad", "numpy", "scipy", "math")
            if not isinstance(value, types.ModuleType):
                if not known:
                    self.facts.append((vars(holder), step.argval, self.remember(value)))
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
    if not callable(value) or ".random" in module or name in NOT_PURE:
        return False
    if module == "builtins":
        return name in BUILTINS
    return module in PURE_MODULES or module in NUMPY or module.startswith("numpy._core")


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _name(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return str(name) if name else f"a {type(value).__name__}"


@functools.lru_cache(maxsize=512)
def unused_parameters(code: types.CodeType) -> frozenset[str]:
    """Parameters that a function's code never mentions: their values do not matter."""
    count = code.co_argcount + code.co_kwonlyargcount
    mentioned: set[Any] = set(code.co_cellvars)
    for step in dis.get_instructions(code):
        if step.opname.startswith(("LOAD_FAST", "STORE_FAST", "DELETE_FAST")):
            mentioned.update(step.argval if isinstance(step.argval, tuple) else (step.argval,))
    return frozenset(code.co_varnames[:count]) - mentioned


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
