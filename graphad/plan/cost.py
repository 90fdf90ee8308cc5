"""What a plan will cost: arithmetic operations, bytes moved, peak memory, as formulas in sizes.

Each family states the operations of a node (`Family.flops`), one for each element that a function
is applied to, whatever the function. A step moves the bytes of its operands and results, each
once: what is read again from the processor's cache costs nothing, and views cost nothing. A fused
group moves what it reads and writes outside, and has the operations of all its nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphad.errors import UseError
from graphad.ir.dims import Dim, atom
from graphad.ir.types import Size, TensorType
from graphad.ir.variable import Apply
from graphad.plan.plan import Plan, Step


@dataclass(frozen=True)
class StepCost:
    """One step: what it does, its operations, its bytes."""

    label: str
    flops: Size
    bytes: Size


@dataclass(frozen=True)
class Cost:
    """The cost of one call. Each figure is a number or a formula in the named sizes.

    Call it with sizes to have numbers: ``cost(batch=128).flops``.
    """

    flops: Size
    bytes: Size
    peak_bytes: Size
    steps: tuple[StepCost, ...]

    def __call__(self, **sizes: int) -> Cost:
        """The same with numbers for the named sizes; `unknown` for sizes without a name.

        Raises UseError when a size is missing.
        """
        steps = tuple([
            StepCost(s.label, evaluate(s.flops, sizes), evaluate(s.bytes, sizes))
            for s in self.steps
        ])  # fmt: skip
        totals = [evaluate(x, sizes) for x in (self.flops, self.bytes, self.peak_bytes)]
        return Cost(totals[0], totals[1], totals[2], steps)

    def __str__(self) -> str:
        rows = [("step", "flops", "bytes")]
        rows += [(s.label, _text(s.flops), _text(s.bytes)) for s in self.steps]
        rows += [("all", _text(self.flops), _text(self.bytes))]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([*lines, f"peak memory {_text(self.peak_bytes)} bytes"])


def cost(plan: Plan) -> Cost:
    """The cost of a plan.

    >>> import graphad as ga
    >>> x, w = ga.matrix("x", shape=("n", 3)), ga.matrix("w", shape=(3, 4))
    >>> found = cost(ga.function([x, w], ga.tanh(x @ w)).plan)
    >>> found.flops, found.bytes, found.peak_bytes
    (28*n, 120*n + 96, 32*n)
    >>> found(n=10).flops
    280
    """
    steps = tuple([step_cost(plan, step) for step in plan.steps])
    flops: Any = 0
    moved: Any = 0
    for step in steps:
        flops, moved = flops + step.flops, moved + step.bytes
    return Cost(flops, moved, peak(plan), steps)


def step_cost(plan: Plan, step: Step) -> StepCost:
    """The cost of one step."""
    nodes = (step.node,) if step.group is None else step.group.members
    flops: Any = 0
    for node in nodes:
        flops += node.op.family.flops(node)
    label = step.node.op.name if step.group is None else " ".join(
        dict.fromkeys(node.op.name for node in nodes)
    )  # fmt: skip
    label = label if len(label) <= 40 else f"{label[:39]}…"
    return StepCost(label, flops, 0 if _is_view(step) else _moved(plan, step))


def _is_view(step: Step) -> bool:
    node: Apply = step.node
    return step.group is None and node.op.family.views(node.op.params)


def _moved(plan: Plan, step: Step) -> Any:
    total: Any = 0
    sizes_only = step.group is None and step.node.op.family.reads_sizes
    for number in dict.fromkeys((*(() if sizes_only else step.inputs), *step.outputs)):
        total += nbytes(plan.values[number].type)
    return total


def nbytes(kind: TensorType) -> Any:
    """The bytes of an array of this type, a number or a formula."""
    return kind.size * kind.dtype.itemsize


def peak(plan: Plan) -> Size:
    """The bytes held at the worst moment: the largest of the amounts that no other covers."""
    amounts = list(dict.fromkeys(plan.held(nbytes)))
    largest = [a for a in amounts if not any(b is not a and _covers(b, a) for b in amounts)]
    return largest[0] if len(largest) == 1 else atom("max", *largest)


def _covers(larger: Size, smaller: Size) -> bool:
    """Is one amount at least the other, whatever the sizes? Sizes are never negative."""
    left, right = _terms(larger), _terms(smaller)
    return all(left.get(m, 0) >= c for m, c in right.items()) and all(
        c >= right.get(m, 0) for m, c in left.items()
    )


def _terms(size: Size) -> Mapping[Any, int]:
    return dict(size.terms) if isinstance(size, Dim) else {(): size}


def evaluate(size: Size, sizes: Mapping[str, int]) -> int:
    """The number that a formula is for sizes by name; raises UseError when one is missing."""
    if not isinstance(size, Dim):
        return size
    known = {a: sizes.get(a[1] if a[0] == "name" else "unknown") for a in size.atoms()}
    missing = sorted(
        {a[1] if a[0] == "name" else "unknown" for a, n in known.items() if n is None}
    )
    if missing:
        raise UseError(
            f"the cost depends on the size {', '.join(missing)}",
            remedy=f"give {', '.join(f'{name}=…' for name in missing)}",
        )
    return size.evaluate({a: n for a, n in known.items() if n is not None})


def _text(size: Size) -> str:
    return str(size) if isinstance(size, Dim) else f"{size:,}"


__all__: Sequence[str] = ["Cost", "StepCost", "cost", "evaluate", "peak", "step_cost"]
