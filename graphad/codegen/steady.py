"""Scans as machine code: the whole loop is one function, no Python is entered between steps.

    define void @loop(ptr %block):  block = steps, first row, scratch, carries …, sequences …,
                                    captured …, stacked results …, constants of the body …

The code is made for the shapes of a call, when they are first met. Carries are worked on where
they lie, in copies that become the results. Large matrix products are calls of SciPy's BLAS.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.codegen import kernels, llvm
from graphad.codegen.arrays import layout
from graphad.codegen.looptext import LoopText
from graphad.codegen.movements import shape_of
from graphad.codegen.places import Number, Place
from graphad.codegen.recording import Unrecordable
from graphad.codegen.scalars import DTYPES
from graphad.codegen.steps import Steps, concrete
from graphad.codegen.vectors import element
from graphad.errors import MissingLibraryError
from graphad.ir.dims import Atom
from graphad.ir.evaluate import match_sizes
from graphad.ir.families.looprun import Layout, checked_length, too_long
from graphad.ir.graph import Graph
from graphad.libraries import scipy
from graphad.plan.plan import Plan

VARIANTS = 8  # shapes for which code is kept
MOST_STEPS = 400  # of a body
MOST_BYTES = 1 << 22  # of temporaries: larger arrays gain nothing here
BLAS = 8192  # multiplications from which a matrix product goes to a library
_pointer = ctypes.c_size_t.from_address
_data = (layout() or {}).get("data", 0)  # where an array object has the address of its elements
CHUNK = 256  # steps of a loop of unknown length before its storage grows


class Steady:
    """The machine code of a scan for the shapes that were met; `run` gives None where there is
    none: the loop then runs in Python."""

    def __init__(self, layout: Layout, graph: Graph, plan: Plan) -> None:
        self.layout, self.graph, self.plan = layout, graph, plan
        self.variants: dict[Any, Code | None] = {}

    def run(self, operands: Sequence[Any]) -> Any:
        """The results of a scan; None: not by this code."""
        layout = self.layout
        carries, rows, captured = layout.divide(operands)
        given = [*carries, *rows, *captured]
        shapes = tuple([np.shape(a) for a in given])
        if shapes not in self.variants:
            if len(self.variants) >= VARIANTS:
                return None
            self.variants[shapes] = self._code(given)
        code = self.variants[shapes]
        length = checked_length(layout, self.graph, operands) if code is not None else 0
        if code is None or not length or (layout.until and not operands[1]):
            return None
        results = code.run(carries, rows, captured, length)
        return tuple(results) if len(results) != 1 else results[0]

    def _code(self, given: Sequence[Any]) -> Code | None:
        sizes: dict[Atom, int] = {}
        c, r = self.layout.carries, self.layout.rows
        for i, (v, a) in enumerate(zip(self.graph.inputs, given, strict=True)):
            row = np.empty(np.shape(a)[1:]) if c <= i < c + r else a
            match_sizes(v.type, np.asarray(row), sizes, "an operand")
        if len(self.plan.steps) > MOST_STEPS or not kernels.is_possible():
            return None
        try:
            return Code(self.layout, self.plan, sizes)
        except Unrecordable:
            return None


class Code:
    """The code for one set of sizes."""

    def __init__(self, layout: Layout, plan: Plan, sizes: dict[Atom, int]) -> None:
        self.layout, self.plan = layout, plan
        count = len(plan.graph.inputs)
        self.types = [concrete(plan.values[i].type, sizes) for i in range(count)]
        stacked = plan.outputs[layout.carries : layout.carries + layout.outputs]
        self.stacked = [concrete(plan.values[n].type, sizes) for n in stacked]
        if not {t.dtype for t in (*self.types, *self.stacked)} <= DTYPES:
            raise Unrecordable("a dtype")
        writer = _Writer(layout, plan, sizes)
        self.text = writer.module(self.types, self.stacked)
        self.fixed, self.scratch = writer.steps.fixed, writer.steps.scratch + 64
        if self.scratch > MOST_BYTES:
            raise Unrecordable("large arrays")
        self.fixed_at = [_address(a) for a in self.fixed]
        llvm.add_math(writer.text.declared)
        self.library = llvm.Library(self.text)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # it releases the interpreter lock
        self.function = kind(self.library.address("loop"))

    def run(self, carries: Any, rows: Any, captured: Any, length: int) -> list[Any]:
        """The results, for at least one step."""
        layout = self.layout
        c = len(carries)
        kinds = [t.dtype for t in self.types]
        state = [np.array(a, d, order="C") for a, d in zip(carries, kinds, strict=False)]
        reads = [_ordered(a, d) for a, d in zip([*rows, *captured], kinds[c:], strict=True)]
        scratch = np.empty(self.scratch, np.uint8)
        reads_at = [_address(a) for a in reads]
        state_at = [_address(a) for a in state]
        size = length if not layout.until else min(length, CHUNK)
        parts: list[list[np.ndarray]] = []
        done, going = 0, True
        while going and done < length:
            size = min(size, length - done)
            stacks = [np.empty((size, *t.shape), t.dtype) for t in self.stacked]
            first = length - 1 - done if layout.backward else done
            start = -(-_address(scratch) // 64) * 64
            stacks_at = [_address(s) for s in stacks]
            block = np.array(
                [size, first, start, *state_at, *reads_at, *stacks_at, *self.fixed_at], np.int64
            )
            self.function(_address(block))
            made = int(block[0])
            parts.append([s if made == size else s[:made] for s in stacks])
            done, going = done + made, bool(block[1])
            size *= 2
        if layout.strict and going:
            raise too_long(length)
        return [*[a if a.ndim else a[()] for a in state], *self._joined(parts),
                *([np.int64(done)] if layout.until else [])]  # fmt: skip

    def _joined(self, parts: list[list[np.ndarray]]) -> list[np.ndarray]:
        """Stacked results, in the order of the rows."""
        found = []
        for pieces in zip(*parts, strict=True):
            whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            turned = self.layout.backward and self.layout.until
            whole = whole[::-1] if turned else whole
            found.append(whole if whole.base is None else whole.copy())
        return found


def _ordered(array: Any, dtype: np.dtype) -> np.ndarray:
    """In C order, and aligned."""
    if type(array) is np.ndarray and array.dtype == dtype:
        flags = array.flags
        if flags.c_contiguous and flags.aligned:
            return array
    return np.require(array, dtype, ["C", "A"])


def _address(array: np.ndarray) -> int:
    """Where the elements lie, read from the array object as kernels do."""
    found: int = _pointer(id(array) + _data).value
    return found


class _Writer:
    """Writes the function of a loop."""

    def __init__(self, layout: Layout, plan: Plan, sizes: dict[Atom, int]) -> None:
        self.layout, self.plan = layout, plan
        self.text = LoopText(max(2, llvm.width() // 64), {})
        self.steps = _WithLibrary(plan, sizes, self.text)
        self.body: list[str] = []

    def module(self, types: Sequence[Any], stacked: Sequence[Any]) -> str:
        """The text of the module."""
        t, layout, steps = self.text, self.layout, self.steps
        c, r = layout.carries, layout.rows
        t.label("start")
        names = ["n", "first", "scratch", *[f"given{i}" for i in range(len(types))],
                 *[f"stack{k}" for k in range(len(stacked))]]  # fmt: skip
        starts: dict[int, str] = {}
        for i, kind in enumerate(types):  # what is read once
            if not kind.ndim and not c <= i < c + r:
                starts[i] = t.read(f"%given{i}", kind.dtype)
        t.do("br label %step")
        t.label("step")
        place = len(t.lines)
        index = t.put(f"{'sub' if layout.backward else 'add'} i64 %first, %done")
        phis: dict[int, str] = {}
        for i, kind in enumerate(types):
            steps.values[i] = self._input(i, kind, index, starts, phis)
        steps.run()
        outputs = [steps.values[n] for n in self.plan.outputs]
        spot = "%done" if layout.until else index
        for k, (kind, value) in enumerate(zip(stacked, outputs[c:], strict=False)):
            self._stack(k, kind, value, spot)
        new = self._carried(types[:c], outputs[:c])
        more = steps.number(outputs[-1]).name if layout.until else "true"
        following = t.put("add i64 %done, 1")
        left = t.put(f"icmp ult i64 {following}, %n")
        again = t.put(f"and i1 {left}, {more}")
        heads = [f"  %done = phi i64 [ 0, %start ], [ {following}, %{t.block} ]"]
        for i, name in phis.items():
            kind = element(types[i].dtype)
            heads.append(
                f"  {name} = phi {kind} [ {starts[i]}, %start ], [ {new[i]}, %{t.block} ]"
            )
        t.lines[place:place] = heads
        t.do(f"br i1 {again}, label %step, label %end")
        t.label("end")
        for i in phis:
            t.store(new[i], f"%given{i}", types[i].dtype)
        t.do(f"store i64 {following}, ptr %block")
        flag = t.put(f"zext i1 {more} to i64")
        second = t.put("getelementptr i64, ptr %block, i64 1")
        t.do(f"store i64 {flag}, ptr {second}")
        t.do("ret void")
        names += [f"fixed{k}" for k in range(len(steps.fixed))]
        return llvm.module_text([self._function(names)], t.declared, steps.globals)

    def _function(self, names: Sequence[str]) -> str:
        loads = []
        for k, name in enumerate(names):
            kind = "i64" if k < 2 else "ptr"
            loads.append(f"  %at{k} = getelementptr i64, ptr %block, i64 {k}")
            loads.append(f"  %{name} = load {kind}, ptr %at{k}")
        head, *rest = self.text.lines
        lines = ["define void @loop(ptr %block) {", head, *self.text.places, *loads, *rest, "}"]
        return "\n".join(lines)

    def _input(
        self, i: int, kind: Any, index: str, starts: dict[int, str], phis: dict[int, str]
    ) -> Place | Number:
        t, layout = self.text, self.layout
        if i < layout.carries:
            if kind.ndim:
                return Place(f"%given{i}", kind.dtype, kind.shape, "carry")
            phis[i] = f"%carry{i}"
            return Number(phis[i], kind.dtype)
        if i >= layout.carries + layout.rows:
            fixed = Number(starts[i], kind.dtype) if not kind.ndim else None
            return fixed or Place(f"%given{i}", kind.dtype, kind.shape, "fixed")
        row = t.at(f"%given{i}", kind.dtype, 0, [(index, int(np.prod(kind.shape, dtype=int)))])
        if kind.ndim:
            return Place(row, kind.dtype, kind.shape, "row")
        return Number(t.read(row, kind.dtype), kind.dtype)

    def _stack(self, k: int, kind: Any, value: Any, spot: str) -> None:
        """Write one row of a stacked result."""
        t, steps = self.text, self.steps
        size = int(np.prod(kind.shape, dtype=int))
        row = t.at(f"%stack{k}", kind.dtype, 0, [(spot, size)])
        if not kind.ndim:
            t.store(steps.number(value).name, row, kind.dtype)
            return
        self._copied(value, Place(row, kind.dtype, kind.shape, "row"))

    def _copied(self, value: Any, target: Place) -> None:
        t, steps = self.text, self.steps
        if isinstance(value, Place) and value.is_contiguous and value.shape == target.shape:
            source = t.at(value.base, value.dtype, value.offset, [])
            t.copy(target.base, source, value.size * value.dtype.itemsize)
            return
        shaped = steps.broadcast(value, target.shape) if shape_of(value) != target.shape else value
        root = steps.scalar(shaped)
        steps.loops.elementwise(steps.formula(root, target.shape), target)

    def _carried(self, types: Sequence[Any], outputs: Sequence[Any]) -> list[str]:
        """The carries after a step; arrays are overwritten when all are computed."""
        names: list[str] = []
        moves: list[tuple[Place, Any]] = []
        for i, (kind, value) in enumerate(zip(types, outputs, strict=True)):
            if not kind.ndim:
                names.append(self.steps.number(value).name)
                continue
            names.append("")
            own = Place(f"%given{i}", kind.dtype, kind.shape, "carry")
            if isinstance(value, Place):
                if value.base == own.base and value.is_contiguous and not value.offset:
                    continue
                if value.kind != "carry":
                    moves.append((own, value))
                    continue
            made = self.steps.temporary(kind.dtype, kind.shape)
            self._copied(value, made)
            moves.append((own, made))
        for own, value in moves:
            self._copied(value, own)
        return names


class _WithLibrary(Steps):
    """Steps whose large matrix products call BLAS."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.globals: list[str] = []

    def product(self, first: Place, second: Place) -> Place | None:
        """Row-major c = a b is column-major cᵀ = bᵀ aᵀ."""
        if len(first.shape) != 2 or len(second.shape) != 2:
            return None
        (m, k), n = first.shape, second.shape[1]
        left, right = _turned(first), _turned(second)
        if m * n * k < BLAS or left is None or right is None or first.dtype != np.float64:
            return None
        library = gemm()
        if library is None:
            return None
        t = self.text
        kind, address = library
        llvm.binding().add_symbol(f"graphad_dgemm_{kind}", address)
        made = self.temporary(first.dtype, (m, n))
        a = t.at(first.base, first.dtype, first.offset, [])
        b = t.at(second.base, second.dtype, second.offset, [])
        (turn_a, step_a), (turn_b, step_b) = left, right
        if kind == "c":
            kinds = ["i32"] * 3 + ["i64"] * 3 + ["double", "ptr", "i64"] + ["ptr", "i64"]
            kinds += ["double", "ptr", "i64"]
            turns = [111 if turn == 78 else 112 for turn in (turn_a, turn_b)]  # CblasNoTrans …
            given = [101, *turns, m, n, k, "1.0", a, step_a, b, step_b, "0.0", made.base, n]
        else:
            kinds = ["ptr"] * 13
            given = [
                self._global("i8", turn_b), self._global("i8", turn_a), self._global("i32", n),
                self._global("i32", m), self._global("i32", k), self._global("double", "1.0"), b,
                self._global("i32", step_b), a, self._global("i32", step_a),
                self._global("double", "0.0"), made.base, self._global("i32", n),
            ]  # fmt: skip
        name = f"graphad_dgemm_{kind}"
        t.declared[name] = f"declare void @{name}({', '.join(kinds)})"
        listed = ", ".join([f"{k} {g}" for k, g in zip(kinds, given, strict=True)])
        t.do(f"call void @{name}({listed})")
        return made

    def _global(self, kind: str, value: Any) -> str:
        line = f"= private constant {kind} {value}"
        for known in self.globals:
            if known.endswith(line):
                return known.split(" ", 1)[0]
        name = f"@value{len(self.globals)}"
        self.globals.append(f"{name} {line}")
        return name


def _turned(place: Place) -> tuple[int, int] | None:
    """(78 for "N" or 84 for "T", leading size) of a matrix; None where BLAS cannot read it."""
    (rows, columns), (down, along) = place.shape, place.strides
    if (along == 1 or columns == 1) and down >= max(1, columns):
        return 78, down
    if (down == 1 or rows == 1) and along >= max(1, rows):
        return 84, along
    return None


@functools.cache
def gemm() -> tuple[str, int] | None:
    """(kind, address) of a dgemm: "c" of NumPy's own BLAS, "fortran" of SciPy's; None: there is
    neither."""
    folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
    for path in glob.glob(os.path.join(glob.escape(folder), "libscipy_openblas64_*")):
        own = getattr(ctypes.CDLL(path), "scipy_cblas_dgemm64_", None)
        if own is not None:
            return "c", ctypes.cast(own, ctypes.c_void_p).value or 0
    try:
        capsule = scipy("linalg").cython_blas.__pyx_capi__["dgemm"]
    except (MissingLibraryError, AttributeError, KeyError):
        return None
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return "fortran", pointer(capsule, name(capsule))
