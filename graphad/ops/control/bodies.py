"""Python functions as bodies of branches and loops: traced once, checked, with errors by path."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphad import tree
from graphad.errors import DTypeError, GraphError, ShapeError, UseError
from graphad.ir.dims import Dim
from graphad.ir.op import OPS
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Variable, as_variable


def place_of(function: Callable[..., Any]) -> str:
    """ "step (model.py:12)": a function and where it stands."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = getattr(inner, "__wrapped__", inner)
    code = getattr(inner, "__code__", None)
    if code is None and callable(inner):  # an object whose class says how to call it
        code = getattr(vars(type(inner)).get("__call__"), "__code__", None)
    name = getattr(inner, "__name__", type(inner).__name__)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name


def check_function(function: Any, what: str) -> None:
    """UseError unless `function` can be called."""
    if not callable(function) or isinstance(function, Variable):
        raise UseError(
            f"{what} is {type(function).__name__}, not a function",
            remedy=f"pass a Python function of Variables as {what.split(': ')[-1]}",
        )


class Leaves:
    """A container of Variables, with None for what is not there."""

    def __init__(self, container: Any, root: str) -> None:
        flat, self.structure = tree.flatten(container)
        self.paths = self.structure.paths(root)
        self.flat: list[Variable | None] = []
        for path, leaf in zip(self.paths, flat, strict=True):
            self.flat.append(None if leaf is None else _variable(leaf, path))

    @property
    def present(self) -> list[tuple[str, Variable]]:
        """(path, variable) of what is there."""
        return [(p, v) for p, v in zip(self.paths, self.flat, strict=True) if v is not None]

    @property
    def variables(self) -> list[Variable]:
        """What is there."""
        return [v for v in self.flat if v is not None]

    def filled(self, values: Sequence[Any]) -> Any:
        """The container with `values` in the place of its variables."""
        rest = iter(values)
        return self.structure.unflatten([None if v is None else next(rest) for v in self.flat])

    def shown(self) -> str:
        """Structure and types in one line."""
        return repr(self.structure.unflatten([_Shown(v) for v in self.flat]))


class _Shown:
    def __init__(self, variable: Variable | None) -> None:
        self.text = "None" if variable is None else str(variable.type)

    def __repr__(self) -> str:
        return self.text


def _variable(leaf: Any, path: str) -> Variable:
    try:
        return as_variable(leaf)
    except (UseError, DTypeError) as error:
        error.what = f"{path}: {error.what}"
        raise


def inside(variable: Variable, path: str, kind: TensorType | None = None) -> Variable:
    """What stands for `variable` in a body, named after it."""
    name = variable.name if variable.name and variable.owner is None else _short(path)
    return Variable(kind or variable.type, name=name)


def _short(path: str) -> str | None:
    """init["h"] → h; init[0] has no name."""
    word = path.replace("]", "").replace("'", "").replace('"', "").replace("[", ".")
    last = word.rpartition(".")[2]
    return last if last.isidentifier() and last not in ("init", "xs", "operand") else None


# ---- types that have to agree ------------------------------------------------------------------
def sizes_agree(first: Size, second: Size) -> bool:
    """May two sizes be equal at run time? Named ones equal only themselves."""
    if first == second:
        return True
    if isinstance(first, int) and isinstance(second, int):
        return False
    named = [isinstance(s, int) or s.name is not None for s in (first, second)]
    return not all(named)


def shapes_agree(first: Shape, second: Shape) -> bool:
    """May two shapes be equal at run time?"""
    pairs = zip(first, second, strict=False)
    return len(first) == len(second) and all(sizes_agree(a, b) for a, b in pairs)


def check_structure(given: Leaves, wanted: Leaves, what: str, where: str) -> None:
    """GraphError unless two containers have one structure."""
    same = [v is None for v in given.flat] == [v is None for v in wanted.flat]
    if given.structure != wanted.structure or not same:
        raise GraphError(
            f"{what} has another structure: {given.shown()}",
            cause=f"it was {wanted.shown()}",
            remedy="return the same containers with the same keys",
            where=where,
        )


def fitted(new: Variable, old: Variable, path: str, what: str, where: str) -> Variable:
    """`new` with the type of the carry `old`; errors name the path, both types and the body."""
    if new.type is old.type:
        return new
    if new.dtype != old.dtype:
        wide = new.dtype if old.dtype.kind in "biu" or new.dtype.kind == "c" else old.dtype
        fix = f"start with {path} of dtype {new.dtype}" if wide == new.dtype else (
            f'return new.astype("{old.dtype}")')  # fmt: skip
        raise DTypeError(
            f"{what}: {path} is {old.type}, after one step it is {new.type}",
            cause="a carry has the same dtype and shape at every step",
            remedy=f"{fix}, or convert with .astype",
            where=where,
        )
    if not shapes_agree(new.type.shape, old.type.shape):
        raise ShapeError(
            f"{what}: {path} is {old.type}, after one step it is {new.type}",
            cause="a carry has the same dtype and shape at every step",
            remedy=f"start with the full shape, e.g. ga.broadcast_to({path}, shape), "
            "or return an array of the shape that the body was given",
            where=where,
        )
    made: Variable = OPS["broadcast_to"](new, old.shape)
    return made if made.type is old.type else _retyped(made, old)


def _retyped(made: Variable, old: Variable) -> Variable:
    summed: Variable = OPS["sum_to_shape"](made, old.shape)
    return summed


def length_variable(length: Any, what: str) -> tuple[Variable, Size]:
    """(an int64 scalar, the size that it gives) of a length; negative ones raise ShapeError."""
    if isinstance(length, Dim):
        return as_variable(length), length.with_origin(None)
    found = as_variable(length)
    if isinstance(length, bool) or found.ndim or found.dtype.kind not in "iu":
        raise UseError(
            f"{what} is {length!r}" if found is not length else f"{what} is {found.type}",
            remedy="pass an int, a size from x.shape, or an integer scalar Variable",
        )
    if not isinstance(length, Variable):
        if int(length) < 0:
            raise ShapeError(f"{what} is {int(length)}", remedy="a length is 0 or larger")
        return as_variable(int(length)), int(length)
    return found.astype("int64"), Dim.anonymous()


def checked_policy(checkpoint: Any, what: str) -> Any:
    """The policy in its stored form; UseError for what is none."""
    if checkpoint is None or checkpoint == "all":
        return "all"
    if isinstance(checkpoint, str) and checkpoint in ("none", "sqrt"):
        return checkpoint
    pair = isinstance(checkpoint, tuple) and len(checkpoint) == 2
    number = checkpoint[1] if pair and checkpoint[0] in ("slots", "bytes") else checkpoint
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return checkpoint
    raise UseError(
        f"{what}: checkpoint={checkpoint!r}",
        remedy='choose None, "none", "sqrt", every k-th step with an int k, ("slots", number) '
        'or ("bytes", number)',
    )


def check_count(what: str, value: Any) -> int:
    """A positive int."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UseError(f"scan: {what}={value!r}", remedy="give a positive int")
    return value
