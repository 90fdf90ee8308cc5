"""Running the groups of a program block by block, on one or more threads.

The blocks of a group are dealt out in `CHUNKS` runs of neighbours, whatever the number of
threads; each run has partial results of its own, which are combined in order. So results depend
on sizes alone, not on threads or on who was faster.
"""

from __future__ import annotations

import itertools
import linecache
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.blocked import BodyWriter
from graphad.codegen.blockroles import COMBINE
from graphad.codegen.buffers import Body
from graphad.codegen.rooms import room
from graphad.codegen.threads import Task, available_threads, crew
from graphad.codegen.unfit import Unfit
from graphad.ir.variable import Variable
from graphad.plan.group import Axes, Group, Result

BUDGET = 1280 << 10  # bytes that a block may touch: most of it stays in the second-level cache
SMALLEST, LARGEST = 4096, 32768  # elements of a block
CHUNKS = 32
SHARE = 1 << 17  # elements from which threads share the work
KEEP = 2 << 20  # bytes of a workspace that is kept for later calls

_spaces: list[np.ndarray] = []  # workspaces that no call uses now
_serial = itertools.count(1)


class Blocks:
    """A group as a callable: operands in, results out (one array, or a tuple)."""

    makes_results = True

    def __init__(self, group: Group, operands: Sequence[Variable], name: str, threads: int | None):
        self.group, self.name, self.threads = group, name, threads or available_threads()
        self.body = body = BodyWriter(group, name).write()
        self.filename = f"<graphad blocks {next(_serial)} {name}>"
        lines = body.source.splitlines(keepends=True)
        linecache.cache[self.filename] = (len(body.source), None, lines, self.filename)
        weakref.finalize(self, linecache.cache.pop, self.filename, None)
        namespace = {**vars(np), **body.bound}
        exec(compile(body.source, self.filename, "exec"), namespace)
        self.compute: Callable[..., Any] = namespace[name]
        place = {variable: i for i, variable in enumerate(operands)}
        self.reads = [(place[o.variable], o.axes) for o in body.operands]
        self.space = sum(body.slots)
        self.elements = _block_elements(self.space + body.element_bytes)

    def __call__(self, *arrays: Any) -> Any:
        operands = [arrays[i] for i, _ in self.reads]
        sizes = self._sizes(operands)
        cut = _Cut(sizes, self.elements, self.body, self.group.results)
        results = [room([1 if a is None else sizes[a] for a in r.axes], r.variable.dtype)
                   if i in self.body.written else None
                   for i, r in enumerate(self.group.results)]  # fmt: skip
        written = [results[i] for i in self.body.written]
        run = _Run(self, cut, operands, written)
        run.share(self.threads if math.prod(sizes) >= SHARE else 1)
        for (position, kind), parts in zip(self.body.partial, run.combined(), strict=True):
            result = self.group.results[position]
            total = COMBINE[kind].reduce(parts, axis=0)
            results[position] = np.asarray(total, result.variable.dtype)
        shaped = [r if r.ndim else r[()] for r in results if r is not None]
        return shaped[0] if len(shaped) == 1 else tuple(shaped)

    def _sizes(self, operands: Sequence[Any]) -> list[int]:
        """The size of each axis of the frame; raises Unfit where operands disagree."""
        sizes = [s if isinstance(s, int) else -1 for s in self.group.frame]
        for array, (_, axes) in zip(operands, self.reads, strict=True):
            for size, axis in zip(np.shape(array), axes, strict=True):
                if axis is None:
                    if size != 1:
                        raise Unfit
                elif sizes[axis] < 0:
                    sizes[axis] = size
                elif sizes[axis] != size:
                    raise Unfit
        if min(sizes) <= 0:
            raise Unfit
        return sizes


def _block_elements(bytes_of_one: int) -> int:
    return max(SMALLEST, min(LARGEST, BUDGET // max(bytes_of_one, 1) // 1024 * 1024))


class _Cut:
    """How the frame is cut: along which axis, into blocks of how many rows.

    Axes before the one that is cut are taken one position at a time.
    """

    def __init__(
        self, sizes: list[int], elements: int, body: Body, results: Sequence[Result]
    ) -> None:
        self.sizes = sizes
        self.axis = 0
        while self.axis + 1 < body.limit and math.prod(sizes[self.axis + 1 :]) > elements:
            if not all(_may_cut(r.axes, self.axis + 1) for r in results):
                break
            self.axis += 1
        inner = math.prod(sizes[self.axis + 1 :])
        length = sizes[self.axis]
        self.rows = min(max(1, elements // inner), length)
        self.along = -(-length // self.rows)
        self.blocks = math.prod(sizes[: self.axis]) * self.along
        self.chunks = min(CHUNKS, self.blocks)

    def index(self, block: int) -> list[slice]:
        """The part of the frame that a block is."""
        outer, position = divmod(block, self.along)
        start = position * self.rows
        found = [slice(start, min(start + self.rows, self.sizes[self.axis]))]
        for size in reversed(self.sizes[: self.axis]):
            outer, place = divmod(outer, size)
            found.insert(0, slice(place, place + 1))
        return found

    def shape(self) -> list[int]:
        """The sizes of a whole block."""
        return [1] * self.axis + [self.rows] + self.sizes[self.axis + 1 :]


def _may_cut(axes: Axes, axis: int) -> bool:
    """Can blocks run along all axes up to this one? Each result runs along all of them, or none
    (so that partial results are combined)."""
    return sum(a is not None and a <= axis for a in axes) in (0, axis + 1)


class _Run:
    """One call: chunks of blocks are computed, each by one thread."""

    def __init__(
        self, blocks: Blocks, cut: _Cut, operands: Sequence[Any], written: Sequence[Any]
    ) -> None:
        self.blocks, self.cut = blocks, cut
        results = blocks.group.results
        axes = [a for _, a in blocks.reads] + [results[i].axes for i in blocks.body.written]
        self.arrays = [*operands, *written]
        self.cuts = [_own_axes(a, cut.axis) for a in axes]
        self.partial = [COMBINE[kind] for _, kind in blocks.body.partial]
        self.parts: list[Any] = [None] * cut.chunks
        self.next = itertools.count()
        self.stopped = False  # one failed, the others need not go on

    def share(self, threads: int) -> None:
        """Compute all chunks on up to `threads` threads; wait for all, come what may."""
        count = min(threads, self.cut.chunks)
        if count <= 1:
            self.work()
            return
        tasks = [Task(self.work_quietly) for _ in range(count - 1)]
        crew(self.blocks.threads).share(tasks, self.work)
        for task in tasks:
            if task.error is not None:
                raise task.error

    def work_quietly(self) -> None:
        with np.errstate(all="ignore"):
            self.work()

    def work(self) -> None:
        """Compute chunks until none is left."""
        space, buffers = self._buffers()
        short: dict[int, list[Any]] = {}
        try:
            for chunk in iter(self.next.__next__, None):
                if chunk >= self.cut.chunks or self.stopped:
                    break
                self.parts[chunk] = self._chunk(chunk, buffers, short)
        except BaseException:
            self.stopped = True
            raise
        finally:
            _give_back(space)

    def _chunk(self, chunk: int, buffers: list[Any], short: dict[int, list[Any]]) -> Any:
        cut, compute = self.cut, self.blocks.compute
        sums: list[Any] | None = None
        first = cut.blocks * chunk // cut.chunks
        for block in range(first, cut.blocks * (chunk + 1) // cut.chunks):
            index = cut.index(block)
            views = [array if own is None else array[tuple([slice(None) if a is None else index[a]
                                                            for a in own])]
                     for array, own in zip(self.arrays, self.cuts, strict=True)]  # fmt: skip
            rows = index[cut.axis].stop - index[cut.axis].start
            memory = buffers
            if rows != cut.rows:
                if rows not in short:
                    short[rows] = self._short(buffers, rows)
                memory = short[rows]
            found = compute(*views, *memory)
            sums = list(found) if sums is None else [
                ufunc(a, b) for ufunc, a, b in zip(self.partial, sums, found, strict=True)
            ]  # fmt: skip
        return sums

    def combined(self) -> list[list[Any]]:
        """For each partial result what the chunks gave, in order."""
        return [[part[i] for part in self.parts] for i in range(len(self.partial))]

    def _buffers(self) -> tuple[np.ndarray, list[Any]]:
        """A workspace, and the arrays that the body writes to, which lie in it."""
        body, shape = self.blocks.body, self.cut.shape()
        elements = math.prod(shape)
        starts, end = [], 0
        for itemsize in body.slots:
            starts.append(end)
            end += -(-elements * itemsize // 64) * 64
        space = _workspace(end)
        arrays = []
        for buffer in body.buffers:
            start = starts[buffer.slot]
            flat = space[start : start + elements * buffer.dtype.itemsize].view(buffer.dtype)
            arrays.append(flat.reshape([1 if a is None else shape[a] for a in buffer.axes]))
        return space, arrays

    def _short(self, buffers: Sequence[Any], rows: int) -> list[Any]:
        """The buffers for a block of fewer rows."""
        found = []
        for array, buffer in zip(buffers, self.blocks.body.buffers, strict=True):
            position = buffer.axes.index(self.cut.axis)
            found.append(array[(slice(None),) * position + (slice(rows),)])
        return found


def _own_axes(axes: Axes, last: int) -> tuple[int | None, ...] | None:
    """For each axis of an array which axis of the frame cuts it, if any; None: none of them."""
    own = tuple([a if a is not None and a <= last else None for a in axes])
    return own if any(a is not None for a in own) else None


def _workspace(nbytes: int) -> np.ndarray:
    try:
        space = _spaces.pop()
    except IndexError:
        return np.empty(nbytes + 64, np.uint8)
    return space if space.size >= nbytes else np.empty(nbytes + 64, np.uint8)


def _give_back(space: np.ndarray) -> None:
    if space.size <= KEEP and len(_spaces) < 8:
        _spaces.append(space)
