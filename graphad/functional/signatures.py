"""`jit`: a Python function compiled for each signature of its arguments."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.errors import GraphadWarning, UseError
from graphad.functional.choosing import check_callable, name_of, positions
from graphad.functional.facts import Proof, prove
from graphad.functional.numbers import WEAK, typed
from graphad.functional.paths import MAX_PATHS, OUTSIDE, Paths
from graphad.functional.tracing import Run, Traced, is_array, paths_of, trace
from graphad.ir.op import freeze
from graphad.ir.types import TensorType, type_of
from graphad.ir.variable import Variable

MANY = 8  # signatures that differ in one argument, from which a warning is due
TIERS = {"native": "llvm", "numpy": "numpy", "auto": "auto", "interpreter": "interpreter"}


class CacheInfo(NamedTuple):
    """Calls that found a program and calls that made one; signatures kept; paths of all."""

    hits: int
    misses: int
    maxsize: int
    currsize: int
    paths: int


class Jit:
    """A function that is compiled for each signature; made by `jit`."""

    def __init__(
        self,
        fun: Callable[..., Any],
        static_argnums: Sequence[int],
        static_argnames: Sequence[str],
        dims: Mapping[Any, Any],
        options: dict[str, Any],
        maxsize: int,
        max_paths: int,
        quiet: bool = False,
        debug: bool = False,
    ) -> None:
        functools.update_wrapper(self, fun)
        self.fun, self.name = fun, name_of(fun)
        names = positions(fun)
        self._static = {*static_argnums, *static_argnames}
        self._static |= {names[i] for i in static_argnums if 0 <= i < len(names)}
        self._static |= {names.index(n) for n in static_argnames if n in names}
        self._dims = {**dims, **{names.index(k): v for k, v in dims.items() if k in names}}
        self._dims |= {names[k]: v for k, v in dims.items() if k in range(len(names))}
        self._options, self._maxsize, self._max_paths = options, maxsize, max_paths
        self._quiet = quiet  # no warnings: neither of many paths nor of changes outside
        self._debug = debug
        self._root = getattr(fun, "user_function", fun)  # what a derivative is of
        self._proof: Proof | None = None  # what that read when it was traced
        self._cache: OrderedDict[Any, Paths] = OrderedDict()
        self._plain: dict[Any, Paths] = {}  # by arguments without containers, found faster
        self._lock = threading.RLock()
        self._hits = self._misses = 0
        self._warned = False

    # -- the call ------------------------------------------------------------------------------
    def __call__(self, *args: Any, **keywords: Any) -> Any:
        plain = None if keywords or self._dims or self._static else plain_key(args)
        if plain is not None:
            known = self._plain.get(plain)
            result = OUTSIDE if known is None else known(args)
            if result is not OUTSIDE:
                self._hits += 1
                return result
        leaves, structure, types = self._opened(args, keywords)
        if types is None:  # Variables: part of a larger graph
            return self.fun(*args, **keywords)
        numbers = tuple([i for i, v in enumerate(leaves) if type(v) in WEAK])
        key = (structure, numbers, *types)
        with self._lock:
            paths = self._cache.get(key)
            if paths is None:
                paths = self._new(key, leaves, structure, types)
            else:
                self._hits += 1
                self._cache.move_to_end(key)
        arrays = [v for v, t in zip(leaves, types, strict=True) if isinstance(t, TensorType)]
        result = paths(arrays)
        if result is OUTSIDE:  # part of the graph that these belong to
            with self._lock:
                self._cache.pop(key, None)
            return self.fun(*args, **keywords)
        if plain is not None and len(self._cache) < self._maxsize:
            self._plain[plain] = paths
        return result

    def _opened(self, args: Any, keywords: Any) -> tuple[list[Any], tree.Structure, list | None]:
        """(leaves, structure, the type of each leaf that is an array, else what it is equal to)"""
        if self._static:
            args = [Static(v) if i in self._static else v for i, v in enumerate(args)]
            keywords = {k: Static(v) if k in self._static else v for k, v in keywords.items()}
        leaves, structure = tree.flatten((tuple(args), keywords))
        types: list[Any] = []
        for i, leaf in enumerate(leaves):
            if type(leaf) is np.ndarray and leaf.dtype.kind in "biufc":
                types.append(type_of(leaf))
            elif isinstance(leaf, Variable):
                return leaves, structure, None
            elif type(leaf) in WEAK:
                types.append(typed(leaf))
            elif is_array(leaf):
                leaves[i] = array = np.asarray(leaf)[()]
                types.append(type_of(array))
            else:
                types.append(self._frozen(leaf, structure, i))
        if self._dims:
            types = self._with_dims(args, keywords, types)
        return leaves, structure, types

    def _frozen(self, leaf: Any, structure: tree.Structure, place: int) -> Any:
        value = leaf.value if isinstance(leaf, Static) else leaf
        try:
            frozen = ("static", freeze(value))
            hash(frozen)
        except TypeError:
            raise UseError(
                f"{self.name}: {paths_of(self.fun, structure)[place]} is "
                f"{type(value).__name__}, which is neither an array nor hashable",
                cause="a program is kept for each value of what is no array",
                remedy="pass arrays, numbers, strings, or containers of these",
            ) from None
        return frozen

    def _with_dims(self, args: Sequence[Any], keywords: Mapping[str, Any], types: list) -> list:
        """The types with names for the sizes that are to be symbolic."""
        specs: list[Any] = []
        for i, value in enumerate(args):
            specs += self._spread(self._dims.get(i), value)
        for key in sorted(keywords):
            specs += self._spread(self._dims.get(key), keywords[key])
        found = []
        for t, spec in zip(types, specs, strict=True):
            if spec is None or not isinstance(t, TensorType) or len(spec) != t.ndim:
                found.append(t)
                continue
            sizes = [n if s is None or s is Ellipsis else s
                     for s, n in zip(spec, t.shape, strict=True)]  # fmt: skip
            found.append(TensorType(t.dtype, sizes))
        return found

    def _spread(self, spec: Any, value: Any) -> list[Any]:
        """The sizes for each leaf of an argument."""
        if isinstance(spec, tuple) or spec is None:
            return [spec] * len(tree.flatten(value)[0])
        if isinstance(spec, str):
            return [(spec,)] * len(tree.flatten(value)[0])
        children = tree.children(value)
        if children is None:
            raise UseError(f"jit({self.name}, dims=…): {spec!r} for an argument that is an array",
                           remedy='write the sizes as a tuple: ("n", None)')  # fmt: skip
        found = []
        for key, child in children:
            known = spec.get(key) if isinstance(spec, Mapping) else spec[key]
            found += self._spread(known, child)
        return found

    def _new(self, key: Any, leaves: list, structure: tree.Structure, types: list) -> Paths:
        labels = paths_of(self.fun, structure)
        places = [i for i, t in enumerate(types) if isinstance(t, TensorType)]
        fixed = [None if i in set(places) else v for i, v in enumerate(leaves)]

        def fill(variables: Sequence[Any]) -> Any:
            filled = [v.value if isinstance(v, Static) else v for v in fixed]
            for i, v in zip(places, variables, strict=True):
                filled[i] = v
            return structure.unflatten(filled)

        given = [types[i] for i in places]
        shown = [labels[i] for i in places]

        def retrace(arrays: Sequence[Any], evaluate: Any, context: Any) -> Run:
            self._look_around()
            run = Run(self.fun, given, arrays, shown, fill, evaluate)
            self._remember()
            return run

        self._misses += 1
        paths = self._cache[key] = Paths(
            self.name, retrace, self._options, self._max_paths, self._quiet, self._debug
        )
        while len(self._cache) > self._maxsize:
            self._cache.popitem(last=False)
            self._plain = {}  # from here on, the order of use is kept
        if self._misses >= MANY and not self._warned:
            self._warn(structure, labels)
        return paths

    def _look_around(self) -> None:
        """Before the function is traced again: has what it reads changed since the last time?"""
        changed = self._proof.changed(self._root) if self._proof else ""
        if changed and not self._quiet:
            warnings.warn(
                f"{self.name} reads {changed}, which has changed since {self.name} was compiled: "
                "programs made before go on with what it was; pass it as an argument, or call "
                "cache_clear() after a change",
                GraphadWarning,
                stacklevel=5,
            )

    def _remember(self) -> None:
        """After it was traced, so that what it changes itself is no news."""
        if not self._quiet and (self._proof is None or (
                self._proof and not self._proof.holds(self._root))):  # fmt: skip
            self._proof = prove(self._root)

    def _warn(self, structure: tree.Structure, labels: Sequence[str]) -> None:
        """Tell which argument makes the function compile again and again."""
        rows = [key[2:] for key in self._cache if key[0] == structure]
        for label, column in zip(labels, zip(*rows, strict=True), strict=True):
            seen = list(dict.fromkeys(column))
            if len(seen) < MANY:
                continue
            self._warned = True
            shapes = [t for t in seen if isinstance(t, TensorType)]
            if len(shapes) == len(seen):
                what = f"types {', '.join(map(str, shapes[:3]))}, …"
                symbolic = tuple(f"n{i}" for i in range(shapes[0].ndim))
                advice = f"sizes can be symbolic: jit({self.name}, dims={{{label!r}: {symbolic}}})"
            else:
                values = [str(v[1]) for v in seen[:3]]
                what = f"values {', '.join(values)}, …"
                advice = "pass it as an array, if it is a number that changes"
            warnings.warn(
                f"{self.name} was compiled {self._misses} times because of {label}, which had "
                f"{len(seen)} different {what}; {advice}",
                GraphadWarning,
                stacklevel=4,
            )
            return

    # -- looking at it -------------------------------------------------------------------------
    def cache_info(self) -> CacheInfo:
        """How often a program was found, how many are kept."""
        paths = sum(p.count for p in self._cache.values())
        return CacheInfo(self._hits, self._misses, self._maxsize, len(self._cache), paths)

    @property
    def gave_up(self) -> bool:
        """Does it run node by node for some signature, having decided in too many ways?"""
        return any([paths.gave_up for paths in self._cache.values()])

    def only(self) -> Paths | None:
        """The paths of its signature, if there is just one."""
        return next(iter(self._cache.values())) if len(self._cache) == 1 else None

    def cache_clear(self) -> None:
        """Forget all programs."""
        with self._lock:
            self._cache.clear()
            self._plain, self._proof = {}, None
            self._hits = self._misses = 0
            self._warned = False

    def trace(self, *args: Any, **keywords: Any) -> Traced:
        """The graph for these arguments; see `ga.trace`."""
        return trace(self.fun, *args, **keywords)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<jit {self.name}: {len(self._cache)} signatures>"


def plain_key(args: Sequence[Any]) -> tuple | None:
    """The signature of arguments that are arrays and floats alone, else None."""
    key: list[Any] = []
    for value in args:
        if type(value) is np.ndarray:
            key.append((value.dtype, value.shape))
        elif type(value) is float:
            key.append(float)
        else:
            return None
    return tuple(key)


class Static:
    """An argument that is part of the signature."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    dims: Mapping[Any, Any] | Sequence[Any] | None = None,
    tier: str = "auto",
    maxsize: int = 64,
    max_paths: int = MAX_PATHS,
    debug: bool = False,
) -> Any:
    """A pure Python function of arrays, compiled; also as a decorator.

    It is run once for each signature (containers, dtypes, shapes), on Tracers; later calls run the
    program. It may decide on values (``if x > 0:``, ``while``, ``float(x)``): each way of deciding
    gets a path with a program of its own, which checks the decisions.

    static_argnums, static_argnames  arguments that stay Python values, part of the signature; what
                is no array or number (strings, None, functions) is anyway. They must be hashable.
    dims        {argument: sizes} of arguments whose sizes may vary in one program: ("n", None) for
                a matrix: a name is any size, the same wherever it stands; None the size as given.
                For containers: a container of such tuples, or one for all its arrays of that rank.
    tier        "auto", "numpy", "native" (machine code at once; needs llvmlite), "interpreter"
    maxsize     how many signatures are kept
    max_paths   how many ways of deciding are compiled for a signature; beyond that the function
                runs node by node, and a GraphadWarning says where it decides
    debug       the function is run at each call as well, and TracerError raised if it computes
                something else than its program: it is not pure

    That the function is pure is a promise: globals, captured variables and random numbers of NumPy
    stay what they were when a program was made. It is checked only where the function is traced
    again, for another signature or another way of deciding: if what it reads has changed, there
    is a GraphadWarning that names it, and if it decides or computes otherwise, a TracerError.

    Raises UseError for arguments that are neither arrays nor hashable, TracerError for values that
    leak and for functions that are found not to be pure.

    >>> import numpy as np, graphad as ga
    >>> @ga.jit
    ... def relax(x):
    ...     while x > 1:
    ...         x = x / 2
    ...     return x
    >>> float(relax(12.0)), float(relax(3.0)), relax.cache_info().paths
    (0.75, 0.75, 2)
    """
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if tier not in TIERS:
        raise UseError(f"tier={tier!r}", remedy=f"choose one of {', '.join(TIERS)}")
    sizes = dims if isinstance(dims, Mapping) else dict(enumerate(dims or ()))

    def make(f: Callable[..., Any]) -> Jit:
        check_callable(f, "jit")
        options = {"backend": TIERS[tier]}
        return Jit(f, numbers, names, sizes, options, maxsize, max_paths, debug=debug)

    return make if fun is None else make(fun)
