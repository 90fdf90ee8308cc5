"""Python functions of arrays from outside: their op, the types of results, what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.dims import Atom, Dim
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import Declared, add_up
from graphad.ir.families.movement import zeros_for
from graphad.ir.op import RISKY
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply, Variable

Array = np.ndarray[Any, Any]
Flows = Sequence[Variable | None]
Types = tuple[TensorType, ...]
Kinds = tuple[tuple[str, int], ...]  # dtype and number of axes of each result

# Values of unknown sizes in two trial calls: apart from each other and from likely constants.
TRIALS = (13, 17)


# ---- types -------------------------------------------------------------------------------------
def declared_types(name: str, outputs: Any, types: Sequence[TensorType]) -> Types:
    """What ``outputs=`` of a primitive says: a type, a tuple, or a function of input types."""
    found = outputs(*types) if callable(outputs) and not isinstance(outputs, type) else outputs
    listed = tuple(found) if isinstance(found, tuple | list) else (found,)
    for item in listed:
        if not isinstance(item, TensorType):
            raise UseError(
                f"{name}: outputs= gave {item!r}",
                remedy='give ga.TensorType("float64", shape), a tuple of them, or a function from '
                "the types of the arguments to these",
            )
    if not listed:
        raise UseError(f"{name}: outputs= gives no type", remedy="there is at least one result")
    return listed


def tried_types(
    name: str,
    function: Callable[..., Any],
    types: Sequence[TensorType],
    keywords: Mapping[str, Any],
    samples: Sequence[Array] | None,
) -> Types:
    """Types of the results, by calling the function: on ones, or on `samples` cut to size.

    With sizes unknown it is called twice, with two values for each; a size of the result that is
    always one of the sizes given is taken to be that, one that stays the same to be a constant.
    """
    atoms = sorted(
        {a for t in types for s in t.shape if isinstance(s, Dim) for a in s.atoms()}, key=repr
    )

    def trial(start: int, apart: int) -> tuple[dict[Atom, int], list[Array]]:
        sizes = {a: start + apart * i for i, a in enumerate(atoms)}
        arrays = [_trial(t, sizes, samples, i) for i, t in enumerate(types)]
        return sizes, [as_result(name, r) for r in call(function, arrays, keywords)]

    starts = TRIALS if atoms else TRIALS[:1]
    try:
        trials = [trial(start, 10) for start in starts]
    except Exception as error:
        try:  # sizes that are not known to be equal may have to be
            trials = [trial(start, 0) for start in starts]
        except Exception:
            raise UseError(
                f"{name}: the call that should tell the types of its results failed",
                cause=f"{type(error).__name__}: {error}; the arguments were of types "
                f"{', '.join(map(str, types))}",
                remedy="declare them: @ga.primitive(outputs=…), or give samples=(…)",
            ) from error
    known = {s for t in types for s in t.shape if isinstance(s, Dim)}
    (first_sizes, first), (last_sizes, last) = trials[0], trials[-1]

    def size(a: int, b: int) -> Size:
        found = [d for d in known if (d.evaluate(first_sizes), d.evaluate(last_sizes)) == (a, b)]
        if found:
            return found[0] if len(found) == 1 else Dim.anonymous()
        return a if a == b else Dim.anonymous()

    return tuple(
        [
            TensorType(a.dtype, [size(*pair) for pair in zip(a.shape, b.shape, strict=True)])
            for a, b in zip(first, last, strict=True)
        ]
    )


def _trial(
    t: TensorType, sizes: Mapping[Atom, int], samples: Sequence[Array] | None, position: int
) -> Array:
    shape = [s if isinstance(s, int) else s.evaluate(sizes) for s in t.shape]
    if samples is None or position >= len(samples) or not np.size(samples[position]):
        return np.ones(shape, t.dtype)
    sample: Array = np.resize(samples[position], shape).astype(t.dtype)
    return sample


# ---- calls -------------------------------------------------------------------------------------
def call(
    function: Callable[..., Any], arrays: Sequence[Array], keywords: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The results, as a tuple. The function gets arrays that it cannot write into."""
    with np.errstate(all="ignore"):
        return call_quiet(function, arrays, keywords)


def call_quiet(
    function: Callable[..., Any], arrays: Sequence[Array], keywords: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The same where floating-point warnings are off, as they are while programs run."""
    given: list[Any] = []
    for array in arrays:
        if array.ndim:
            view = array.view()
            view.setflags(write=False)
            given.append(view)
        else:
            given.append(array[()])
    found = function(*given, **keywords)
    return tuple(found) if isinstance(found, tuple | list) else (found,)


def as_result(name: str, value: Any) -> Array:
    """A result as an array of numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise UseError(
            f"{name} returned {type(value).__name__}, not an array of numbers",
            remedy="return a NumPy array, or a tuple of arrays",
        )
    return array


def checked_results(
    name: str, results: Sequence[Any], kinds: Kinds, types: Types | None
) -> tuple[Array, ...]:
    """The results, cast to the dtypes announced; an error where they do not fit."""
    if len(results) != len(kinds):
        raise UseError(
            f"{name} returned {len(results)} results",
            cause=f"{len(kinds)} were announced",
            remedy="correct outputs=, or return as many arrays",
        )
    found = []
    for i, value in enumerate(results):
        dtype, ndim = kinds[i]
        if type(value) is np.ndarray and value.dtype.str == dtype and value.ndim == ndim and (
            types is None or value.shape == types[i].shape
        ):  # fmt: skip
            found.append(value.copy("K"))
            continue
        if not ndim and isinstance(value, np.generic) and value.dtype.str == dtype:
            found.append(np.asarray(value))
            continue
        array, which = as_result(name, value), f"result {i} of " if len(kinds) > 1 else ""
        sizes = zip(array.shape, types[i].shape, strict=False) if types is not None else ()
        if array.ndim != ndim or any(isinstance(b, int) and a != b for a, b in sizes):
            announced = shape_text(types[i].shape) if types else f"{ndim} axes"
            raise ShapeError(
                f"{which}{name} has shape {shape_text(array.shape)}",
                cause=f"announced were {announced}",
                remedy="return an array of that shape, or correct outputs=",
            )
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise DTypeError(
                f"{which}{name} has dtype {array.dtype}",
                cause=f"announced was {np.dtype(dtype)}",
                remedy="convert it with .astype, or correct outputs=",
            )
        # copied: it may be an argument, or an array that the function keeps
        found.append(array.astype(dtype))
    return tuple(found)


# ---- the op ------------------------------------------------------------------------------------
class Asked:
    """How often closures that else run with programs were called on Variables, to differentiate
    what they do: whatever they read is then a part of the graph, as it was at that time."""

    count = 0


class PrimitiveFamily(Declared):
    """The op of all primitives. Parameters: the `Primitive`, its keyword arguments, and dtype and
    number of axes of each result."""

    foldable = False
    memoise = False
    own_rules = True
    hazard = RISKY  # nothing is known of the values

    def builds(self, params: Mapping[str, Any]) -> bool:
        found: bool = params["primitive"].builds()
        return found

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        primitive: Any = params["primitive"]
        found: tuple[TensorType, ...] = primitive.types(types, params["keywords"])
        return found

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        if xp is not np:  # a namespace that records has no arrays: it refuses here
            arrays = [array[...] if array.nbytes else array for array in arrays]
        results = params["primitive"].run(arrays, params["keywords"], params["kinds"])
        return results if len(results) != 1 else results[0]

    def vjp(self, node: Apply, cotangents: Flows, wanted: Sequence[bool]) -> Flows:
        primitive: Any = node.op.params["primitive"]
        pairs = zip(cotangents, node.outputs, strict=True)
        filled = [zeros_for(v) if c is None else c for c, v in pairs]
        return [primitive.pull(node, i, filled) if w else None for i, w in enumerate(wanted)]

    def jvp(self, node: Apply, tangents: Flows) -> Flows:
        primitive: Any = node.op.params["primitive"]
        pushed = [primitive.push(node, i, t) for i, t in enumerate(tangents) if t is not None]
        return [add_up(column) for column in zip(*pushed, strict=True)]

    def label(self, params: Mapping[str, Any]) -> str:
        shown = [f"{k}={v!r}" for k, v in params["keywords"].items()]
        name = params["primitive"].name
        return f"{name}({', '.join(shown)})" if shown else str(name)


family = PrimitiveFamily("primitive")
