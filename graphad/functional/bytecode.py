"""What can be told of a Python function from its code alone: the one place that reads bytecode.

Two ask. `facts` proves from code, and from values that it reads, that a function would do the same
again: whatever is not clear ends the proof. `purity` watches the function run as well, and asks
only what is certainly wrong: so a scan keeps apart what changes things outside (`writes`), and
what might (`unclear`). Which names stand for chance, time and input is listed here for both.
"""

from __future__ import annotations

import dis
import functools
import types
from typing import NamedTuple

Code = types.CodeType

WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "IMPORT_NAME",
                    "STORE_NAME", "DELETE_SUBSCR", "DELETE_DEREF"})  # fmt: skip
UNCLEAR = frozenset(
    """STORE_SUBSCR STORE_SLICE DELETE_NAME IMPORT_FROM IMPORT_STAR LOAD_NAME LOAD_BUILD_CLASS
    LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS LOAD_SUPER_ATTR
    GET_AWAITABLE GET_AITER GET_ANEXT BEFORE_ASYNC_WITH""".split()
)
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
# Names that a function proved pure does not use: chance, time, input and output, introspection.
IMPURE = frozenset(
    "random shuffle default_rng RandomState Random seed spawn set_state get_state bit_generator "
    "open print input breakpoint eval exec compile globals locals vars dir setattr delattr id "
    "isinstance issubclass type callable hasattr getattr next iter time perf_counter datetime now "
    "environ getenv urandom warn memmap load save savetxt loadtxt "
    "genfromtxt fromregex fromfile tofile".split()
)
# Functions of NumPy that do more than compute: they write into operands, files or settings.
CHANGES = frozenset(
    """save savez savez_compressed savetxt load loadtxt genfromtxt fromfile fromregex memmap seterr
    seterrcall setbufsize set_printoptions printoptions errstate copyto put place putmask
    fill_diagonal put_along_axis show_config show_runtime info test tofile dump dumps""".split()
)
# Attributes by which a value is taken out of its graph, or drawn: no guard would tell.
BEHIND = frozenset(
    """value _value rand randn random random_sample normal standard_normal uniform integers choice
    shuffle permutation rvs""".split()
)


class Load(NamedTuple):
    """A name that is read from outside, and the attributes that are taken of it at once:
    ``np.linalg.norm``."""

    name: str
    attributes: tuple[str, ...]
    is_global: bool  # else a variable of an enclosing function


class Scan(NamedTuple):
    """What is found in a code object, that of inner functions included."""

    codes: frozenset[Code]
    attributes: frozenset[str]
    loads: tuple[Load, ...]
    writes: str  # what it changes outside of itself; "" if nothing
    unclear: str  # what else speaks against a proof from code alone
    size: int  # instructions
    names: tuple[str, ...]  # global names, sorted
    problem: str  # why a function that is watched is not pure; "" if nothing speaks against it


@functools.lru_cache(maxsize=1024)
def scan(code: Code) -> Scan:
    """Read a function's code.

    >>> found = scan((lambda x: print(x.real)).__code__)
    >>> found.names, sorted(found.attributes), found.problem, found.writes
    (('print',), ['real'], 'it uses print', '')
    """
    codes, attributes, loads, size = {code}, set(), [], 0
    writes, unclear = "", ""
    work = [(code, frozenset(code.co_freevars))]
    while work:
        one, free = work.pop()  # `free`: its names for variables from outside the whole
        for inner in one.co_consts:
            if isinstance(inner, Code):
                codes.add(inner)
                work.append((inner, free & frozenset(inner.co_freevars)))
        steps = [s for s in dis.get_instructions(one) if s.opname != "CACHE"]
        size += len(steps)
        for i, step in enumerate(steps):
            name = step.argval
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                loads.append(Load(name, _taken(steps, i + 1), True))
            elif step.opname == "LOAD_DEREF" and name in free:
                loads.append(Load(name, _taken(steps, i + 1), False))
            elif step.opname in ATTRIBUTES:
                attributes.add(name)
            elif step.opname in WRITES:
                writes = writes or f"{step.opname} {name}"
            elif step.opname == "STORE_DEREF" and name in one.co_freevars:
                if name in free:
                    writes = writes or f"nonlocal {name}"
                unclear = unclear or f"{one.co_name} assigns to {name} outside of it"
            if step.opname in UNCLEAR:
                unclear = unclear or f"{one.co_name} has {step.opname}"
    names = {load.name for load in loads if load.is_global}
    used = (names | attributes) & IMPURE
    problem = f"it uses {min(used)}" if used else writes
    return Scan(frozenset(codes), frozenset(attributes), tuple(loads), writes, unclear, size,
                tuple(sorted(names)), problem)  # fmt: skip


def _taken(steps: list[dis.Instruction], at: int) -> tuple[str, ...]:
    """The attributes that are loaded one after the other."""
    found = []
    for step in steps[at:]:
        if step.opname not in ATTRIBUTES:
            break
        found.append(step.argval)
    return tuple(found)


@functools.lru_cache(maxsize=512)
def unused_parameters(code: Code) -> frozenset[str]:
    """Parameters that a function's code never mentions: their values do not matter.

    >>> sorted(unused_parameters((lambda x, i, *, verbose: x).__code__))
    ['i', 'verbose']
    """
    count = code.co_argcount + code.co_kwonlyargcount
    mentioned = set(code.co_cellvars)
    for step in dis.get_instructions(code):
        if step.opname.startswith(("LOAD_FAST", "STORE_FAST", "DELETE_FAST")):
            mentioned.update(step.argval if isinstance(step.argval, tuple) else (step.argval,))
    return frozenset(code.co_varnames[:count]) - mentioned
