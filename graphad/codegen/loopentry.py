"""The entry of a loop in machine code: a C function of Python objects, as `entry` is for kernels.

    enter(steps, length, first, carries …, sequences …, captured …, memory of carries …,
          stacked results …, constants …)  →  4 · (steps done) + 2 · (went wrong) + (goes on)

`steps` are at most to be done now, `length` is that of the sequences. Single carries of one dtype
share an array. Operands that do not lie as the code expects raise `Unfit`, before anything is
written; what the caller has made itself is not checked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphad.codegen import link
from graphad.codegen.objects import ALIGNED, DECLARED, IN_ORDER, PLAINLY
from graphad.codegen.places import COMPLEX
from graphad.codegen.scalars import BOOL
from graphad.codegen.vectors import Text, element
from graphad.ir.families.looprun import Layout
from graphad.ir.types import TensorType

RELEASE = 20_000  # elements from which the interpreter lock is released
SLICE = 1 << 24  # elements after which Python looks at what came in between, such as Ctrl-C
STACK = 1 << 14  # bytes of temporaries that lie on the stack
HEAD = 3  # arguments before the operands
_MORE = {
    "PyErr_CheckSignals": "declare i32 @PyErr_CheckSignals()",
    "PyLong_FromLongLong": "declare ptr @PyLong_FromLongLong(i64)",
    "PyComplex_RealAsDouble": "declare double @PyComplex_RealAsDouble(ptr)",
    "PyComplex_ImagAsDouble": "declare double @PyComplex_ImagAsDouble(ptr)",
    "PyObject_IsInstance": "declare i32 @PyObject_IsInstance(ptr, ptr)",
    "PyLong_AsUnsignedLongLongMask": "declare i64 @PyLong_AsUnsignedLongLongMask(ptr)",
    "llvm.memcpy.p0.p0.i64": "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
}
GLOBALS = ["@graphad_unfit = external global i8", "@graphad_ndarray = external global i8",
           "@PyComplex_Type = external global i8"]  # fmt: skip


def symbol(dtype: np.dtype) -> str:
    """The name under which machine code knows a dtype."""
    return f"{link.DTYPE}{dtype.name}"


class Memory:
    """Where carries lie: `shapes` and dtypes of arrays, and for each carry (array, position).

    Single numbers of one dtype share an array, so that one allocation serves them."""

    def __init__(self, carries: Sequence[TensorType]) -> None:
        self.arrays: list[tuple[tuple[int, ...], np.dtype]] = []
        self.spots: list[tuple[int, int | None]] = []
        cells: dict[np.dtype, int] = {}
        for kind in carries:
            if kind.ndim:
                self.spots.append((len(self.arrays), None))
                self.arrays.append((kind.shape, kind.dtype))  # type: ignore[arg-type]
                continue
            if kind.dtype not in cells:
                cells[kind.dtype] = len(self.arrays)
                self.arrays.append(((0,), kind.dtype))
            place = cells[kind.dtype]
            (count,), _ = self.arrays[place]
            self.spots.append((place, count))
            self.arrays[place] = ((count + 1,), kind.dtype)


class LoopEntry:
    """Writes ``enter(self, arguments, count)`` around ``loop(block)``, see `steady`.

    types: those of the body's inputs; stacked, fixed: how many arrays there are of these;
    scratch: bytes of temporaries; weight: elements that a step computes.
    """

    def __init__(
        self, layout: Layout, types: Sequence[TensorType], stacked: int, fixed: int, scratch: int,
        weight: int, offsets: dict[str, int],
    ) -> None:  # fmt: skip
        self.layout, self.types, self.offsets = layout, types, offsets
        self.stacked, self.fixed, self.scratch, self.weight = stacked, fixed, scratch, weight
        self.memory = Memory(types[: layout.carries])
        self.text = Text(1, {**DECLARED, **_MORE})
        self.bad = "false"
        self.dtypes: set[np.dtype] = set()
        self.moves: list[tuple[str, str, int]] = []  # copies of carries: target, source, bytes

    def write(self) -> str:
        """The text of the function."""
        t, own = self.text, 3 + len(self.types) + self.stacked + self.fixed
        t.label("start")
        t.do(f"%block = alloca [{own + 2 * len(self.types)} x i64], align 8")
        steps, length, first = (self._integer(self._argument(i)) for i in range(HEAD))
        for i, value in enumerate((steps, first)):
            self._set(i, value, "i64")
        self.first = first
        states = [self._data(self._argument(HEAD + len(self.types) + k))
                  for k in range(len(self.memory.arrays))]  # fmt: skip
        for i, kind in enumerate(self.types):
            self._set(3 + i, self._operand(i, kind, states, length, own + 2 * i), "ptr")
        after = HEAD + len(self.types) + len(states)
        for k in range(self.stacked + self.fixed):
            self._set(3 + len(self.types) + k, self._data(self._argument(after + k)), "ptr")
        failed = t.put("call ptr @PyErr_Occurred()")  # what is no number
        self._wrong(t.put(f"icmp ne ptr {failed}, null"))
        t.do(f"br i1 {self.bad}, label %unfit, label %fit")
        t.label("fit")
        for target, source, size in self.moves:
            t.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, "
                 "i1 false)")  # fmt: skip
        self._run(steps)
        t.label("unfit")
        t.do("call void @PyErr_Clear()")
        t.do("call void @PyErr_SetNone(ptr @graphad_unfit)")
        t.do("ret ptr null")
        head = f"define ptr @enter(ptr %self, ptr %arguments, i64 %count) {PLAINLY} {{"
        return "\n".join([head, *t.lines, "}"])

    def globals(self) -> list[str]:
        """What the function refers to outside the module."""
        return [*GLOBALS, *[f"@{symbol(d)} = external global i8"
                            for d in sorted(self.dtypes, key=str)]]  # fmt: skip

    # -- reading objects -----------------------------------------------------------------------
    def _field(self, base: str, offset: int, kind: str = "ptr") -> str:
        t = self.text
        place = t.put(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base
        return t.put(f"load {kind}, ptr {place}")

    def _argument(self, place: int) -> str:
        return self._field("%arguments", 8 * place)

    def _data(self, array: str) -> str:
        return self._field(array, self.offsets["data"])

    def _wrong(self, condition: str) -> None:
        self.bad = self.text.put(f"or i1 {self.bad}, {condition}")

    def _differ(self, kind: str, value: str, wanted: str) -> None:
        self._wrong(self.text.put(f"icmp ne {kind} {value}, {wanted}"))

    def _integer(self, one: str) -> str:
        return self.text.put(f"call i64 @PyLong_AsUnsignedLongLongMask(ptr {one})")

    def _slot(self, place: int) -> str:
        return self.text.put(f"getelementptr i64, ptr %block, i64 {place}")

    def _set(self, place: int, value: str, kind: str) -> None:
        self.text.do(f"store {kind} {value}, ptr {self._slot(place)}")

    def _operand(
        self, i: int, kind: TensorType, states: Sequence[str], length: str, spare: int
    ) -> str:
        """Where the loop finds an input of its body; `spare` is room in the block."""
        layout, t = self.layout, self.text
        one = self._argument(HEAD + i)
        is_row = layout.carries <= i < layout.carries + layout.rows
        shape = [length] if is_row else []
        shape += [str(size) for size in kind.shape]
        size = kind.dtype.itemsize
        if i < layout.carries:
            array, position = self.memory.spots[i]
            if position is not None:
                target = t.put(f"getelementptr i8, ptr {states[array]}, i64 {position * size}")
                self._number(one, kind.dtype, target)
                return target
            source = self._array(one, kind.dtype, shape)
            self.moves.append((states[array], source, kind.nbytes()))
            return states[array]
        if shape:
            return self._array(one, kind.dtype, shape)
        slot = self._slot(spare)
        self._number(one, kind.dtype, slot)
        return slot

    def _array(self, one: str, dtype: np.dtype, shape: Sequence[str]) -> str:
        """The data of an array, which has to be as the types say."""
        t, at = self.text, self.offsets
        self.dtypes.add(dtype)
        # not even looked into unless it is an array
        kind = self._field(one, at["type"])
        right = t.put(f"icmp eq ptr {kind}, @graphad_ndarray")
        self._wrong(t.put(f"xor i1 {right}, true"))
        label = f"array{t.count}"
        t.do(f"br i1 {right}, label %{label}, label %unfit")
        t.label(label)
        self._differ("ptr", self._field(one, at["dtype"]), f"@{symbol(dtype)}")
        flags = t.put(f"and i32 {self._field(one, at['flags'], 'i32')}, {IN_ORDER | ALIGNED}")
        self._differ("i32", flags, str(IN_ORDER | ALIGNED))
        self._differ("i32", self._field(one, at["data"] + 8, "i32"), str(len(shape)))
        sizes = self._field(one, at["sizes"])
        for axis, size in enumerate(shape):
            self._differ("i64", self._field(sizes, 8 * axis, "i64"), size)
        return self._data(one)

    def _number(self, one: str, dtype: np.dtype, target: str) -> None:
        t = self.text
        if dtype.kind == "c":
            self._complex(one, dtype, target)
            return
        kind = element(dtype)
        if dtype.kind == "f":
            value = t.put(f"call double @PyFloat_AsDouble(ptr {one})")
            value = t.put(f"fptrunc double {value} to float") if kind == "float" else value
        elif dtype == BOOL:
            truth = t.put(f"call i32 @PyObject_IsTrue(ptr {one})")
            value, kind = t.put(f"trunc i32 {truth} to i8"), "i8"
        else:
            value = self._integer(one)
            value = value if kind == "i64" else t.put(f"trunc i64 {value} to {kind}")
        t.do(f"store {kind} {value}, ptr {target}")

    def _complex(self, one: str, dtype: np.dtype, target: str) -> None:
        """Both parts of a Python number; of NumPy's others one would be lost."""
        t = self.text
        right = t.put(f"call i32 @PyObject_IsInstance(ptr {one}, ptr @PyComplex_Type)")
        label = f"complex{t.count}"
        t.do(f"br i1 {t.put(f'icmp eq i32 {right}, 1')}, label %{label}, label %unfit")
        t.label(label)
        for k, word in enumerate(("Real", "Imag")):
            part = t.put(f"call double @PyComplex_{word}AsDouble(ptr {one})")
            kind = element(COMPLEX[dtype])
            part = t.put(f"fptrunc double {part} to float") if kind == "float" else part
            place = t.put(f"getelementptr {kind}, ptr {target}, i64 {k}")
            t.do(f"store {kind} {part}, ptr {place}")

    # -- running -------------------------------------------------------------------------------
    def _run(self, steps: str) -> None:
        """With temporaries, and without the interpreter lock where there is much to do."""
        t = self.text
        if self.scratch <= STACK:
            scratch = t.put(f"alloca i8, i64 {max(64, self.scratch)}, align 64")
        else:
            whole = t.put(f"call ptr @malloc(i64 {self.scratch + 64})")
            full = t.put(f"icmp eq ptr {whole}, null")
            t.do(f"br i1 {full}, label %full, label %room")
            t.label("full")
            t.do(f"ret ptr {t.put('call ptr @PyErr_NoMemory()')}")
            t.label("room")
            number = t.put(f"add i64 {t.put(f'ptrtoint ptr {whole} to i64')}, 63")
            scratch = t.put(f"inttoptr i64 {t.put(f'and i64 {number}, -64')} to ptr")
        self._set(2, scratch, "ptr")
        most = RELEASE // max(1, self.weight)
        t.do(f"br i1 {t.put(f'icmp ugt i64 {steps}, {most}')}, label %unlocked, label %locked")
        t.label("unlocked")
        self._slices(steps, whole if self.scratch > STACK else None)
        t.label("locked")
        t.do("call void @loop(ptr %block)")
        t.do("br label %ran")
        t.label("ran")
        if self.scratch > STACK:
            t.do(f"call void @free(ptr {whole})")
        done, going = self._field("%block", 0, "i64"), self._field("%block", 8, "i64")
        both = t.put(f"or i64 {t.put(f'shl i64 {done}, 2')}, {going}")
        t.do(f"ret ptr {t.put(f'call ptr @PyLong_FromLongLong(i64 {both})')}")

    def _slices(self, steps: str, memory: str | None) -> None:
        """All steps without the interpreter lock, which is taken now and then: who waits for it
        has a turn, and a signal ends the loop. (Stacked results of a loop that ends by itself
        begin anew with each call of ``loop``; what they may take up bounds its steps.)"""
        t = self.text
        state = t.put("call ptr @PyEval_SaveThread()")
        if self.layout.until and self.stacked:
            t.do("call void @loop(ptr %block)")
            t.do(f"call void @PyEval_RestoreThread(ptr {state})")
            t.do("br label %ran")
            return
        t.do("br label %slice")
        t.label("slice")
        t.do("%before = phi i64 [ 0, %unlocked ], [ %sofar, %again ]")
        t.do(f"%lock = phi ptr [ {state}, %unlocked ], [ %taken, %again ]")
        left, most = t.put(f"sub i64 {steps}, %before"), max(1, SLICE // max(1, self.weight))
        fits = t.put(f"icmp ult i64 {left}, {most}")
        self._set(0, t.put(f"select i1 {fits}, i64 {left}, i64 {most}"), "i64")
        sign = "sub" if self.layout.backward else "add"
        self._set(1, t.put(f"{sign} i64 {self.first}, %before"), "i64")
        t.do("call void @loop(ptr %block)")
        t.do("call void @PyEval_RestoreThread(ptr %lock)")
        made, going = self._field("%block", 0, "i64"), self._field("%block", 8, "i64")
        t.do(f"%sofar = add i64 %before, {made}")
        self._set(0, "%sofar", "i64")
        unfinished = t.put(f"icmp ult i64 %sofar, {steps}")
        goes_on = t.put(f"icmp eq i64 {going}, 1")  # 0: it has ended, 2 and more: it is wrong
        more = t.put(f"and i1 {unfinished}, {goes_on}")
        t.do(f"br i1 {more}, label %look, label %ran")
        t.label("look")
        signal = t.put("call i32 @PyErr_CheckSignals()")
        t.do(f"br i1 {t.put(f'icmp eq i32 {signal}, 0')}, label %again, label %stopped")
        t.label("again")
        t.do("%taken = call ptr @PyEval_SaveThread()")
        t.do("br label %slice")
        t.label("stopped")
        if memory is not None:
            t.do(f"call void @free(ptr {memory})")
        t.do("ret ptr null")
