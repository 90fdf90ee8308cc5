"""Python functions applied to slices and elements: apply_along_axis, apply_over_axes, vectorize.

The function is called once, with Variables that stand for one slice or element; what it returns
is graph, which is then applied to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, UseError
from graphad.ir import walk
from graphad.ir.families.common import normalize_axis, public
from graphad.ir.families.rows import map_rows
from graphad.ir.graph import replace
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Variable, as_variable
from graphad.ops.arrays.grids import broadcast_arrays


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def _function(value: Any, name: str) -> Callable[..., Any]:
    if not callable(value):
        raise UseError(f"{name}: {value!r} is no function", remedy="give a function of arrays")
    return value


# ---- along and over axes ---------------------------------------------------------------------
def _total(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def _along_reference(func1d: Any, axis: int, arr: Any) -> Any:
    """np.apply_along_axis, which raises where there is no slice: here the result is empty."""
    moved = np.moveaxis(arr, axis, -1)
    if moved.ndim > 1 and 0 in moved.shape[:-1]:
        found = np.asarray(func1d(np.zeros(moved.shape[-1], arr.dtype)))
        shape = (*moved.shape[:-1], *found.shape)
        ndim = arr.ndim - 1
        along = range(axis % arr.ndim, axis % arr.ndim + found.ndim)
        return np.moveaxis(np.zeros(shape, found.dtype), range(ndim, ndim + found.ndim), along)
    return np.apply_along_axis(func1d, axis, arr)


@public(
    np.apply_along_axis, topic="functions", reference=_along_reference,
    samples=lambda rng: [
        Sample((), {"func1d": lambda row: row * np.sum(row), "axis": 1}, {"arr": _x(3, 4)}),
        Sample((), {"func1d": lambda row: np.sum(row * row), "axis": 0}, {"arr": _x(3, 2, 2)}),
        Sample((), {"func1d": lambda row: np.outer(row, row), "axis": 1}, {"arr": _x(2, 2, 3)}),
        Sample((), {"func1d": lambda row: row[::-1], "axis": -1}, {"arr": _x(3)}),
    ],
)  # fmt: skip
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Variable:
    """``func1d(slice, *args, **kwargs)`` for each slice along `axis`, as ``np.apply_along_axis``.

    func1d is called once, with a vector Variable, and its graph is run for each slice. The axes of
    its result stand in the place of `axis`. Where there are no slices the result is empty.
    Raises UseError for what is no function, AxisError.

    >>> import graphad as ga
    >>> x = ga.constant([[1.0, 2.0], [3.0, 5.0]])
    >>> ga.apply_along_axis(lambda row: row[1] - row[0], 1, x).eval()
    array([1., 2.])
    """
    function, variable = _function(func1d, "apply_along_axis"), as_variable(arr)
    along = normalize_axis(axis, variable.ndim, "apply_along_axis")
    moved = OPS["moveaxis"](variable, along, -1)
    lead = moved.shape[:-1]
    row = Variable(moved.type.with_shape(moved.type.shape[-1:]))
    result = as_variable(function(row, *args, **kwargs))
    rows = OPS["reshape"](moved, (_total(lead), moved.shape[-1]))
    mapped = map_rows(result, {row: rows})
    whole = OPS["reshape"](mapped, (*lead, *mapped.shape[1:]))
    places = range(len(lead), len(lead) + result.ndim)
    found: Variable = OPS["moveaxis"](whole, tuple(places), tuple(
        range(along, along + result.ndim)))  # fmt: skip
    return found


@public(np.apply_over_axes, topic="functions", samples=lambda rng: [
    Sample((), {"func": np.sum, "axes": (0, 2)}, {"a": _x(2, 3, 2)}),
    Sample((), {"func": np.cumsum, "axes": -1}, {"a": _x(2, 3)})])  # fmt: skip
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Variable:
    """``func(a, axis)`` for one axis after the other, which stay with size 1 if reduced.

    As ``np.apply_over_axes``. Raises ShapeError for another number of axes in a result.

    >>> import graphad as ga
    >>> ga.apply_over_axes(ga.sum, ga.ones((2, 3, 4)), [0, 2]).type
    float64[1, 3, 1]
    """
    function, variable = _function(func, "apply_over_axes"), as_variable(a)
    given = axes if isinstance(axes, tuple | list) else (axes,)
    for axis in [normalize_axis(i, variable.ndim, "apply_over_axes") for i in given]:
        result = as_variable(function(variable, axis))
        if result.ndim == variable.ndim - 1:
            result = OPS["expand_dims"](result, axis)
        if result.ndim != variable.ndim:
            raise ShapeError(
                f"apply_over_axes: the function returns {result.type} for {variable.type}",
                remedy="it returns as many axes, or one less",
            )
        variable = result
    return variable


# ---- vectorize -------------------------------------------------------------------------------
@public(topic="functions", reference=None, differentiable=False)
def vectorize(
    pyfunc: Callable[..., Any], otypes: Any = None, doc: str | None = None,
    excluded: Collection[Any] | None = None, cache: bool = False, signature: str | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """A function of arrays from a function of scalars, as ``np.vectorize``; the arrays broadcast.

    `pyfunc` is called once for each call, with scalar Variables. If it consists of elementwise
    operations, these are applied to the arrays themselves: no loop is left. Otherwise its graph is
    run for each element. excluded: numbers and names of arguments that are handed through.
    signature: "(n),()->(n)" and the like, for functions of vectors and more; the axes before are
    looped over. otypes: dtypes of the results. Raises UseError for what is no function, ShapeError
    for arguments and results that do not fit the signature.

    >>> import graphad as ga
    >>> distance = ga.vectorize(lambda a, b: ga.where(a > b, a - b, b - a))
    >>> distance(ga.constant([1.0, 5.0]), 3.0).eval()
    array([2., 2.])
    """
    function = _function(pyfunc, "vectorize")
    left_out = frozenset(excluded or ())
    core = _core_axes(signature) if signature is not None else None

    def vectorized(*args: Any, **kwargs: Any) -> Any:
        slots = [i for i in range(len(args)) if i not in left_out]
        names = [name for name in kwargs if name not in left_out]
        given = [*[args[i] for i in slots], *[kwargs[name] for name in names]]
        variables = [as_variable(value) for value in given]
        if core is not None and len(core[0]) != len(variables):
            raise ShapeError(
                f"vectorize: {len(variables)} arguments for the signature {signature!r}",
                remedy=f"give {len(core[0])}",
            )
        depths = core[0] if core is not None else [0] * len(variables)
        elements = [_element(v, depth) for v, depth in zip(variables, depths, strict=True)]
        positional, named = list(args), dict(kwargs)
        for i, element in zip(slots, elements, strict=False):
            positional[i] = element
        named.update(zip(names, elements[len(slots) :], strict=True))
        results = function(*positional, **named)
        several = isinstance(results, tuple)
        outputs = [as_variable(r) for r in (results if several else (results,))]
        _check_outputs(outputs, core[1] if core is not None else [0] * len(outputs))
        found = [_applied(r, elements, variables, depths) for r in outputs]
        if otypes is not None:
            found = [r.astype(kind) for r, kind in zip(found, list(otypes), strict=True)]
        return tuple(found) if several else found[0]

    vectorized.__name__ = getattr(function, "__name__", "vectorized")
    vectorized.__doc__ = doc if doc is not None else function.__doc__
    return vectorized


def _core_axes(signature: str) -> tuple[list[int], list[int]]:
    """How many axes each argument and each result of "(n),()->(n)" has."""
    sides = signature.replace(" ", "").split("->")
    if len(sides) != 2 or not all(s.startswith("(") and s.endswith(")") for s in sides):
        raise UseError(f"vectorize: signature={signature!r}", remedy='write "(n),()->(n)"')
    found = []
    for side in sides:
        groups = side[1:-1].split("),(")
        found.append([len(group.split(",")) if group else 0 for group in groups])
    return found[0], found[1]


def _element(variable: Variable, depth: int) -> Variable:
    if variable.ndim < depth:
        raise ShapeError(
            f"vectorize: an argument of type {variable.type} where {depth} axes are needed",
            remedy="see the signature",
        )
    shape = variable.type.shape
    return Variable(variable.type.with_shape(shape[len(shape) - depth :]))


def _check_outputs(outputs: Sequence[Variable], depths: Sequence[int]) -> None:
    if [v.ndim for v in outputs] != list(depths):
        raise ShapeError(
            f"vectorize: the function returns {', '.join(str(v.type) for v in outputs)}",
            cause=f"expected are results with {', '.join(map(str, depths))} axes",
            remedy="return scalars, or give signature=",
        )


def _applied(
    result: Variable, elements: Sequence[Variable], variables: Sequence[Variable],
    depths: Sequence[int],
) -> Variable:  # fmt: skip
    """`result`, a graph of one element of each array, for all elements of the arrays."""
    order = walk.toposort([result])
    varying = walk.reached_from(set(elements), order)
    nodes = [node for node in order if any([v in varying for v in node.outputs])]
    scalar = not any(depths) and not result.ndim
    if scalar and all([node.op.family.is_elementwise for node in nodes]):
        whole = _everywhere(variables)
        (found,) = replace([result], dict(zip(elements, whole, strict=True)))
        constant = result not in varying
        return OPS["broadcast_to"](found, whole[0].shape) if constant and whole else found
    loops = [_loop_index(v, depth) for v, depth in zip(variables, depths, strict=True)]
    lead = loops[0].shape if len(loops) == 1 else broadcast_arrays(*loops)[0].shape
    rows = {}
    for element, variable, depth in zip(elements, variables, depths, strict=True):
        inner = variable.shape[variable.ndim - depth :]
        wide = OPS["broadcast_to"](variable, (*lead, *inner))
        rows[element] = OPS["reshape"](wide, (_total(lead), *inner))
    mapped = map_rows(result, rows)
    reshaped: Variable = OPS["reshape"](mapped, (*lead, *mapped.shape[1:]))
    return reshaped


def _everywhere(variables: Sequence[Variable]) -> Sequence[Variable]:
    """The arrays in their common shape."""
    return broadcast_arrays(*variables) if len(variables) > 1 else variables


def _loop_index(variable: Variable, depth: int) -> Variable:
    """An array with the loop axes of a variable."""
    found: Variable = OPS["zeros"](variable.shape[: variable.ndim - depth], bool)
    return found
