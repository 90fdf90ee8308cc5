"""How an array lies in memory, as far as it follows from the slices and transposes that made it.

"dense"    in C order, without gaps
"rows"     the last axis without gaps; the others may have any strides
"strided"  any strides
"unknown"  to be seen at run time only: reshapes of views
"""

from __future__ import annotations

from graphad.ir.types import Shape
from graphad.ir.variable import Apply, Variable


class _Axis:
    """An axis of a view: which axis of the base it runs along (None: inserted), whether along all
    of it, and in steps of one."""

    __slots__ = ("base", "unit", "whole")

    def __init__(self, base: int | None, whole: bool = True, unit: bool = True) -> None:
        self.base, self.whole, self.unit = base, whole, unit


def base_of(variable: Variable) -> Variable:
    """The array whose memory a chain of views shows."""
    while _is_view(variable.owner):
        variable = variable.owner.inputs[0]  # type: ignore[union-attr]
    return variable


def layout(variable: Variable) -> str:
    """How the array lies, if the base of its chain of views is in C order.

    >>> import graphad as ga
    >>> x = ga.matrix("x")
    >>> layout(x[1:]), layout(x[:, 1:]), layout(x.T), layout(x[:, 0]), layout(x.T.reshape(-1))
    ('dense', 'rows', 'strided', 'strided', 'unknown')
    """
    chain: list[Apply] = []
    base = variable
    while _is_view(base.owner):
        assert base.owner is not None
        chain.append(base.owner)
        base = base.owner.inputs[0]
    axes = [_Axis(i) for i in range(base.ndim)]
    for node in reversed(chain):
        after = _after(node, axes)
        if after is None:
            return "unknown"
        axes = after
    return _judged(axes, base.type.shape, variable.type.shape)


def _is_view(node: Apply | None) -> bool:
    return node is not None and len(node.types) == 1 and node.op.name in _VIEWS and bool(
        node.op.family.views(node.op.params))  # fmt: skip


_VIEWS = frozenset({"getitem", "transpose", "expand_dims", "squeeze", "flip", "reshape"})


def _after(node: Apply, axes: list[_Axis]) -> list[_Axis] | None:
    """The axes after one more view; None where nobody can tell."""
    params, count = node.op.params, node.types[0].ndim
    if node.op.name == "transpose":
        return [axes[a] for a in params["axes"]]
    if node.op.name == "flip":
        turned = params["axis"]
        return [_Axis(a.base, a.whole, a.unit and i not in turned) for i, a in enumerate(axes)]
    if node.op.name == "getitem":
        return _indexed(params["index"], axes)
    shape, source = node.types[0].shape, node.inputs[0].type.shape
    kept = iter([axis for axis, size in zip(axes, source, strict=True) if size != 1])
    if [s for s in shape if s != 1] != [s for s in source if s != 1]:
        return None
    return [_Axis(None) if shape[i] == 1 else next(kept) for i in range(count)]


def _indexed(index: tuple, axes: list[_Axis]) -> list[_Axis]:
    made: list[_Axis] = []
    rest = iter(axes)
    for item in index:
        if item[0] == "new":
            made.append(_Axis(None))
            continue
        axis = next(rest)
        if item[0] == "slice":
            start, stop, step = item[1:]
            whole = axis.whole and start in (None, 0) and stop is None and step in (None, 1)
            made.append(_Axis(axis.base, whole, axis.unit and step in (None, 1)))
    return made


def _judged(axes: list[_Axis], base: Shape, shape: Shape) -> str:
    kept = [a for a, size in zip(axes, shape, strict=True) if a.base is not None and size != 1]
    if not kept:
        return "dense"
    places = [a.base for a in kept]
    last = max([i for i, size in enumerate(base) if size != 1], default=None)
    if not kept[-1].unit or places[-1] != last:
        return "strided"
    # without gaps: the axes of the base from the first one on, in order, whole but for the first
    inner = [i for i, size in enumerate(base) if size != 1 and i >= (places[0] or 0)]
    if places == inner and all(a.whole for a in kept[1:]) and all(a.unit for a in kept):
        return "dense"
    return "rows"
