"""The profile of a function: where the time of a call goes, step by step and line by line.

A copy of the program, with a look at the clock after every step, is run some times on given
arguments. Operations and bytes are those of `plan.cost`; rates are compared with what the machine
does in a copy and in a product of matrices (`machine`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from graphad.codegen.program import generate
from graphad.errors import UseError
from graphad.ir.dims import Dim
from graphad.ir.graph import Graph
from graphad.ir.hooks import hooks
from graphad.ir.variable import Apply
from graphad.plan.cost import step_cost
from graphad.plan.plan import Plan, Step
from graphad.runtime import machine
from graphad.runtime.quiet import quietly

RUNS = (3, 1000)  # at least, at most
LINES = 40  # of a printed table


@dataclass(frozen=True)
class Row:
    """A step, or a line of the user's program: seconds of one call, calls measured, operations
    and bytes of one call (None where a size is known only inside)."""

    label: str
    seconds: float
    calls: int
    flops: int | None
    bytes: int | None

    @property
    def gigabytes(self) -> float | None:
        """Bytes moved in a second, in GB."""
        return None if self.bytes is None else self.bytes / max(self.seconds, 1e-9) / 1e9

    @property
    def gigaflops(self) -> float | None:
        """Operations in a second, in GFLOP."""
        return None if self.flops is None else self.flops / max(self.seconds, 1e-9) / 1e9


@dataclass(frozen=True)
class Profile:
    """Print it for a table; a picture of it (``ga.viz.save(profile, "step.svg")``) is coloured
    by time.

    steps: a `Row` for each step of the program. lines: the same summed by the lines of the user's
    program from which the steps come, slowest first; the time of a step that is several ops is
    divided among them by their operations. seconds: of one call. copy, product: what this machine
    does, bytes a second in a copy and operations a second in a product of matrices.
    heat: {node of `graph`: seconds}, and kernels: {node: what computes it}, for pictures.
    """

    name: str
    graph: Graph
    seconds: float
    steps: tuple[Row, ...]
    lines: tuple[Row, ...]
    heat: Mapping[Apply, float]
    copy: float
    product: float
    kernels: Mapping[Apply, str] = field(default_factory=dict)

    def __str__(self) -> str:
        calls = self.steps[0].calls if self.steps else 0
        head = (
            f"{self.name}: {_duration(self.seconds)} a call, {calls} calls; this machine copies "
            f"{self.copy / 1e9:.3g} GB/s and multiplies at {self.product / 1e9:.3g} GFLOP/s"
        )
        parts = [head]
        for title, rows in (("by line", self.lines), ("by step", self.steps)):
            shown = rows if len(rows) <= LINES else sorted(rows, key=_slowest)[:LINES]
            parts += ["", *_aligned([_header(title), *map(self._cells, shown)])]
            left_out = len(rows) - len(shown)
            parts += [f"… and {left_out} faster ones"] if left_out else []
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        rows = [_header("by line"), *map(self._cells, self.lines[:LINES])]
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
        )
        return f"<table>{body}</table>"

    def _cells(self, row: Row) -> list[str]:
        share = row.seconds / self.seconds if self.seconds else 0.0
        return [
            row.label, _duration(row.seconds), f"{share:.0%}", str(row.calls),
            _count(row.bytes, "B"), _count(row.flops, ""),
            _rate(row.gigabytes, self.copy / 1e9), _rate(row.gigaflops, self.product / 1e9),
        ]  # fmt: skip


def _header(title: str) -> list[str]:
    return [title, "time", "share", "calls", "bytes", "flops", "GB/s (of copy)",
            "GFLOP/s (of matmul)"]  # fmt: skip


def _slowest(row: Row) -> float:
    return -row.seconds


# ---- measuring ---------------------------------------------------------------------------------
Timed = Callable[[Callable[[], None]], tuple[Plan, Callable[..., Sequence[Any]]]]


def profile(name: str, timed: Timed, arrays: Sequence[Any], seconds: float) -> Profile:
    """Run for about `seconds` and tell where the time went; `timed` makes the program."""
    if not seconds > 0:
        raise UseError(f"profile: seconds={seconds}", remedy="give a time above 0")
    stamps: list[float] = []
    clock = time.perf_counter
    plan, run = timed(lambda: stamps.append(clock()))
    totals = [0.0] * len(plan.steps)
    runs, whole = 0, 0.0
    quietly(run, arrays)  # buffers, threads, files of code
    while runs < RUNS[0] or (whole < seconds and runs < RUNS[1]):
        stamps.clear()
        start = clock()
        quietly(run, arrays)
        whole += clock() - start
        for i, (before, after) in enumerate(zip([start, *stamps], stamps, strict=False)):
            totals[i] += after - before
        runs += 1
    return _told(name, plan, [t / runs for t in totals], whole / runs, runs, arrays)


def timed(
    compiled: Any, native: Any, arrays: Sequence[Any], tick: Callable[[], None]
) -> tuple[Plan, Callable[..., Sequence[Any]]]:
    """What runs on these arrays, and its plan, with `tick` called after every step; `native` is
    the native program if that has taken over."""
    inner = compiled.inner
    if native is not None and hasattr(native, "kernels"):
        program = generate(native.plan, "timed", inner, native.callables, tick=tick)
        return native.plan, program.run
    large = compiled.large
    if large is not None and large.is_for(arrays):
        maker = hooks.load("codegen.grouping")
        return large.plan, maker.timed(large.program, large.plan, inner, tick).run
    return compiled.plan, generate(compiled.plan, "timed", inner, tick=tick).run


def _told(
    name: str, plan: Plan, seconds: Sequence[float], whole: float, runs: int, arrays: Sequence[Any]
) -> Profile:
    sizes = _sizes(plan, arrays)
    rows, lines = [], _Lines(runs)
    heat: dict[Apply, float] = {}
    for step, duration in zip(plan.steps, seconds, strict=True):
        cost = step_cost(plan, step)
        flops, moved = _known(cost.flops, sizes), _known(cost.bytes, sizes)
        rows.append(Row(f"{cost.label}  {_place(step.node)}", duration, runs, flops, moved))
        for node, share in _shares(step, sizes):
            heat[node] = heat.get(node, 0.0) + duration * share
            own = _known(node.op.family.flops(node), sizes)
            lines.add(_place(node), duration * share, own, moved and round(moved * share))
    return Profile(name, plan.graph, whole, tuple(rows), tuple(lines.rows()), heat,
                   machine.copy_rate(), machine.product_rate(), plan.kernels)  # fmt: skip


def _shares(step: Step, sizes: Mapping[Any, int]) -> list[tuple[Apply, float]]:
    """The nodes of a step, each with its share of the operations."""
    nodes = [step.node] if step.group is None else list(step.group.members)
    work = [float(_known(n.op.family.flops(n), sizes) or 0) for n in nodes]
    total = sum(work)
    return [(n, w / total if total else 1 / len(nodes)) for n, w in zip(nodes, work, strict=True)]


class _Lines:
    """Rows by the line of the user's program."""

    def __init__(self, runs: int) -> None:
        self.runs, self.found = runs, dict[str, list[Any]]()

    def add(self, place: str, seconds: float, flops: int | None, moved: int | None) -> None:
        row = self.found.setdefault(place, [0.0, 0, 0])
        row[0] += seconds
        row[1] = None if row[1] is None or flops is None else row[1] + flops
        row[2] = None if row[2] is None or moved is None else row[2] + moved

    def rows(self) -> list[Row]:
        made = [Row(place, s, self.runs, f, b) for place, (s, f, b) in self.found.items()]
        return sorted(made, key=_slowest)


def _place(node: Apply) -> str:
    site = node.site
    where = f"{site.filename.rsplit('/', 1)[-1]}:{site.line}" if site else "somewhere"
    text = f"{where} (derivative)" if node.origin is not None else where
    return text if text.isprintable() else "somewhere"


def _sizes(plan: Plan, arrays: Sequence[Any]) -> dict[Any, int]:
    """The sizes that the arguments give to dims."""
    found: dict[Any, int] = {}
    for variable, array in zip(plan.graph.inputs, arrays, strict=True):
        for size, actual in zip(variable.type.shape, getattr(array, "shape", ()), strict=False):
            if isinstance(size, Dim) and size.is_atom:
                found.update(dict.fromkeys(size.atoms(), actual))
    return found


def _known(size: Any, sizes: Mapping[Any, int]) -> int | None:
    if not isinstance(size, Dim):
        return int(size)
    try:
        return size.evaluate(sizes)
    except KeyError:
        return None


# ---- text --------------------------------------------------------------------------------------
def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]),
                   *[c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]])
        for row in rows
    ]  # fmt: skip


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2f} µs"


def _count(amount: int | None, unit: str) -> str:
    if amount is None:
        return "?"
    for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if amount >= factor:
            return f"{amount / factor:.3g} {prefix}{unit}"
    return f"{amount} {unit}".rstrip()


def _rate(rate: float | None, best: float) -> str:
    if rate is None:
        return "?"
    return f"{rate:.3g} ({rate / best:.0%})" if rate >= 1e-3 else "-"
