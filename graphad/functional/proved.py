"""Transformed functions that may skip the run of the user's function, while it is proved pure.

The first call of a form, types of arrays included, runs the function. At the second, if
`facts.prove` finds a proof in its code alone, the transformation is compiled as by `jit`,
decisions on values included; before each call the facts of the proof are compared. Where they
have changed, or there is no proof, the function runs again, and is watched (`replay`).
"""

from __future__ import annotations

import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.derivatives.opaque import Asked
from graphad.errors import GraphadError
from graphad.functional.bytecode import unused_parameters
from graphad.functional.facts import Proof, prove
from graphad.functional.numbers import signature
from graphad.functional.paths import OUTSIDE, Paths
from graphad.functional.signatures import Jit, plain_key
from graphad.ir.op import freeze
from graphad.ir.variable import Variable

FUNCTIONS = 256  # of which something is kept
FORMS = 8  # ways to call one function that may be seen only once, but for types of arrays
TYPES = 64  # forms with types of arrays that are kept
CHANGES = 4  # times that facts may change before nothing is expected any more
PATHS = 16  # ways of deciding on values
DATA = (np.ndarray, float, complex, np.floating, np.complexfloating)


class Data(NamedTuple):
    """Stands for an argument that is data: its type is what matters."""

    type: Any


class Known:
    """What is known of one function of the user."""

    __slots__ = (
        "changes", "first", "hopeless", "lock", "once", "plain", "programs", "proof", "space",
    )  # fmt: skip

    def __init__(self, space: Any) -> None:
        self.space = space  # its globals, of which the identity is part of the key
        self.proof: Proof | None = None
        self.changes = 0
        self.hopeless = False
        self.first: Any = None  # the first call, of which the form is not yet known
        self.once: dict[Any, set[Any]] = {}  # forms that were called once: types of their data
        self.programs: dict[Any, Jit] = {}  # by form and types
        # the paths of programs by the types of all arguments, found faster; which of these count
        self.plain: dict[Any, tuple[Paths, list[int]]] = {}
        self.lock = threading.RLock()

    def give_up(self) -> None:
        """The function is run at each call from now on."""
        self.hopeless, self.proof = True, None
        self.forget()
        self.once.clear()

    def forget(self) -> None:
        """Let go of all programs."""
        self.programs.clear()
        self.plain.clear()

    def repeats(self, form: Any, types: Any) -> bool:
        """Was it called in this way before? Notes that it was."""
        seen = self.once.setdefault(form, set())
        if types in seen:
            return True
        if len(seen) < TYPES:
            seen.add(types)
        if len(self.once) > FORMS + len({form for form, _ in self.programs}):
            self.give_up()  # each call has another value of what is no data
        return False

    def keep(self, key: Any, program: Jit) -> Jit:
        """Keep a program, in the place of the oldest if there are many."""
        self.programs[key] = program
        if len(self.programs) > TYPES:
            del self.programs[next(iter(self.programs))]
            self.plain.clear()
        return program

    def valid(self, fun: Any) -> bool:
        """Is there a proof, and does it hold? It is looked for anew where facts have changed."""
        if self.proof is not None:
            if self.proof.holds(fun):
                return True
            self.changes += 1
            self.forget()
        self.proof = prove(fun)
        if not self.proof or self.changes > CHANGES:
            self.give_up()
            return False
        return True


_known: OrderedDict[Any, Known] = OrderedDict()
_lock = threading.Lock()


def known_of(fun: Any) -> Known | None:
    """What is known of a function, shared by all functions of the same code."""
    if not isinstance(fun, types.FunctionType):
        return None
    key = (fun.__code__, id(fun.__globals__))
    with _lock:
        found = _known.get(key)
        if found is None:
            found = _known[key] = Known(fun.__globals__)
            while len(_known) > FUNCTIONS:
                _known.popitem(last=False)
        _known.move_to_end(key)
        return found


def call(
    fun: Any, tag: Any, made: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """``made(*args, **kwargs)``, where `made` is the transformation `tag` of `fun`."""
    known = known_of(fun)
    if known is None or known.hopeless:
        return made(*args, **kwargs)
    plain: Any = None if kwargs else plain_key(args)
    if plain is not None:
        plain = tag, plain
        result = _quickly(known, plain, fun, args)
        if result is not OUTSIDE:
            return result
    leaves, structure = tree.flatten((tuple(args), kwargs))
    if any([isinstance(leaf, Variable) for leaf in leaves]):
        return made(*args, **kwargs)
    if any([isinstance(v, np.ndarray) and v.dtype.kind not in "biufc" for v in leaves]):
        return made(*args, **kwargs)
    if plain is None and all([isinstance(v, DATA) for v in leaves]):
        plain = tag, structure, tuple([signature(v) for v in leaves])
        result = _quickly(known, plain, fun, leaves)
        if result is not OUTSIDE:
            return result
    if known.hopeless:  # since a moment ago
        return made(*args, **kwargs)
    seen = [Data(signature(v)) if isinstance(v, DATA) else v for v in leaves]
    if known.first is None:  # many functions are called once only
        known.first = tag, structure, seen
        return made(*args, **kwargs)
    form, types, slots = _form(fun, tag, structure, seen)
    key = form, types
    with known.lock:
        if not known.once:
            known.repeats(*_form(fun, *known.first)[:2])
        program = known.programs.get(key)
        fresh = program is None
        if (fresh and not known.repeats(form, types)) or not known.valid(fun):
            return made(*args, **kwargs)
        program = known.programs.get(key)
        if program is None:
            taken = [None if type(v) is Data else v for v in seen]
            program = known.keep(key, _compiled(made, structure, slots, taken))
    # of the types in the key there is one signature: its paths are asked at once
    asked = Asked.count
    result = _run(known, program.only() or program, [leaves[i] for i in slots])
    if Asked.count != asked:  # what closures read is no part of the proof
        known.give_up()
    if result is OUTSIDE:
        return made(*args, **kwargs)
    if fresh and not (known.proof is not None and known.proof.holds(fun)):
        known.give_up()  # it changes what it reads
    elif plain is not None and not known.hopeless and (only := program.only()) is not None:
        known.plain[plain] = only, slots
    return result


def _quickly(known: Known, key: Any, fun: Any, leaves: Sequence[Any]) -> Any:
    """The result for arguments all of which are data, of types that were met; else OUTSIDE."""
    quick = known.plain.get(key)
    if quick is None:
        return OUTSIDE
    with known.lock:
        valid = known.valid(fun)
    if not valid or known.plain.get(key) is not quick:
        return OUTSIDE
    paths, places = quick
    return _run(known, paths, [leaves[i] for i in places])


def _run(known: Known, program: Any, arrays: Sequence[Any]) -> Any:
    """The result of a program; OUTSIDE where it has none."""
    try:
        result = program(*arrays) if isinstance(program, Jit) else program(arrays)
    except GraphadError:  # what is wrong with the function comes out again
        known.give_up()
        return OUTSIDE
    if program.gave_up:  # it decides in too many ways
        known.give_up()
    return result


def _form(
    fun: Any, tag: Any, structure: tree.Structure, seen: Sequence[Any]
) -> tuple[Any, Any, list[int]]:
    """A way to call a function: (all but its data as a key, types of the data, where they are)."""
    ignored = _ignored(fun, structure)
    slots = [i for i, v in enumerate(seen) if type(v) is Data and i not in ignored]
    taken = {*slots, *ignored}
    fixed = [None if i in taken else v for i, v in enumerate(seen)]
    types = tuple([seen[i].type for i in slots])
    return (tag, structure, tuple(slots), _frozen(fixed)), types, slots


def _frozen(fixed: Sequence[Any]) -> Any:
    """What is no data, as part of a key; what cannot be is like nothing else."""
    frozen = freeze(list(fixed))
    try:
        hash(frozen)
    except TypeError:
        return object()
    return frozen


def _ignored(fun: Any, structure: tree.Structure) -> set[int]:
    """Leaves of arguments that the function never mentions."""
    unused = unused_parameters(fun.__code__)
    if not unused:
        return set()
    positional, named = structure.children
    names = [*fun.__code__.co_varnames[: fun.__code__.co_argcount], *[None] * len(
        positional.children)]  # fmt: skip
    order = [*zip(names, positional.children, strict=False), *zip(
        named.keys, named.children, strict=True)]  # fmt: skip
    found: set[int] = set()
    start = 0
    for name, child in order:
        if name in unused:
            found.update(range(start, start + child.leaf_count))
        start += child.leaf_count
    return found


def _compiled(
    made: Callable[..., Any], structure: tree.Structure, slots: Sequence[int], fixed: list[Any]
) -> Jit:
    def on_data(*data: Any) -> Any:
        leaves = list(fixed)
        for slot, value in zip(slots, data, strict=True):
            leaves[slot] = value
        args, kwargs = structure.unflatten(leaves)
        return made(*args, **kwargs)

    on_data.__name__ = getattr(made, "__name__", "function")
    return Jit(on_data, (), (), {}, {"backend": "auto"}, 1, PATHS, quiet=True)
