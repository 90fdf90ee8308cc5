"""Transformed functions that may skip the run of the user's function, while it is proved pure.

The first call runs the function. At the second call of the same form, if `facts.prove` finds a
proof, the transformation is compiled as by `jit`, decisions on values included; before each call
the facts of the proof are compared. Where they have changed, or there is no proof, the function
runs again.
"""

from __future__ import annotations

import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.autograd.facts import Proof, prove, unused_parameters
from graphad.errors import GraphadError
from graphad.functional.signatures import Jit, jit
from graphad.ir.op import freeze
from graphad.ir.variable import Variable

FUNCTIONS = 256  # of which something is kept
FORMS = 8  # ways to call one function that have a program, and that may be seen only once
CHANGES = 4  # times that facts may change before nothing is expected any more
PATHS = 16  # ways of deciding on values
DATA = (np.ndarray, float, complex, np.floating, np.complexfloating)


class Known:
    """What is known of one function of the user."""

    __slots__ = ("changes", "first", "hopeless", "lock", "once", "programs", "proof", "space")

    def __init__(self, space: Any) -> None:
        self.space = space  # its globals, of which the identity is part of the key
        self.proof: Proof | None = None
        self.changes = 0
        self.hopeless = False
        self.first: Any = None  # the form of the first call, not yet looked at
        self.once: set[Any] = set()  # forms that were called once
        self.programs: dict[Any, Jit] = {}  # by transformation and form of the arguments
        self.lock = threading.RLock()

    def give_up(self) -> None:
        """The function is run at each call from now on."""
        self.hopeless, self.proof = True, None
        self.programs.clear()
        self.once.clear()

    def valid(self, fun: Any) -> bool:
        """Is there a proof, and does it hold? It is looked for anew where facts have changed."""
        if self.proof is not None:
            if self.proof.holds(fun):
                return True
            self.changes += 1
            self.programs.clear()
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
    leaves, structure = tree.flatten((tuple(args), kwargs))
    if any([isinstance(leaf, Variable) for leaf in leaves]):
        return made(*args, **kwargs)
    if known.first is None:  # many functions are called once only
        known.first = tag, structure, [DATA if isinstance(v, DATA) else v for v in leaves]
        return made(*args, **kwargs)
    key, slots, fixed = _form(fun, tag, structure, leaves)
    with known.lock:
        if not known.once and not known.programs:
            known.once.add(_form(fun, *known.first)[0])
        program = known.programs.get(key)
        fresh = program is None
        if program is None and key not in known.once:
            known.once.add(key)
            if len(known.once) > FORMS:  # each call has another value of what is no data
                known.give_up()
            return made(*args, **kwargs)
        if not known.valid(fun):
            return made(*args, **kwargs)
        program = known.programs.get(key)
        if program is None:
            program = known.programs[key] = _compiled(made, structure, slots, fixed)
            known.once.discard(key)
    try:
        result = program(*[leaves[i] for i in slots])
    except GraphadError:  # what is wrong with the function comes out again
        known.give_up()
        return made(*args, **kwargs)
    if fresh and not (known.proof is not None and known.proof.holds(fun)):
        known.give_up()  # it changes what it reads
    return result


def _form(
    fun: Any, tag: Any, structure: tree.Structure, leaves: Sequence[Any]
) -> tuple[Any, list[int], list[Any]]:
    """A way to call a function: (as a key, which leaves are data, the others)."""
    ignored = _ignored(fun, structure)
    slots = [
        i for i, v in enumerate(leaves) if (v is DATA or isinstance(v, DATA)) and i not in ignored
    ]
    taken = {*slots, *ignored}
    fixed = [None if i in taken else v for i, v in enumerate(leaves)]
    return (tag, structure, tuple(slots), _frozen(fixed)), slots, fixed


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
    found: Jit = jit(on_data, max_paths=PATHS)
    return found
