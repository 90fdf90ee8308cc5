"""The native function of a whole program: it reads arrays, and calls one loop after the other.

define ptr @program(ptr %self, ptr %arguments, i64 %count):  inputs …, results …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphad.codegen import llvm
from graphad.codegen.arrays import layout
from graphad.codegen.calltable import MANY, Table, by_block
from graphad.codegen.objects import GLOBALS, IN_ORDER, Objects
from graphad.codegen.parts import Parts
from graphad.codegen.places import Place
from graphad.codegen.storage import LINE, offsets
from graphad.codegen.vectors import Text
from graphad.records import Record

RELEASE = 50_000  # operations from which the interpreter lock is released


class Content(Record):
    """What the function does.

    inputs   their places
    results  how many there are
    parts    the loops, and the calls of them
    sizes    bytes of each temporary, by its base
    kept     temporaries that are results: their bases
    doubts   truth values; where one is true the results are not those of NumPy
    fixed    constants
    work     operations, about
    """

    inputs: Sequence[Place]
    results: int
    parts: Parts
    sizes: Mapping[str, int]
    kept: Mapping[str, str]
    doubts: Sequence[Place]
    fixed: Sequence[np.ndarray]
    work: int


class Module:
    """Writes the module of a program."""

    def __init__(self, content: Content) -> None:
        self.content = content
        flags = [flag.base for flag in content.doubts]
        own = {b: n for b, n in content.sizes.items() if b not in content.kept and b not in flags}
        found, size = offsets(content.parts.calls, own)
        self.at = found | {flag: size + i for i, flag in enumerate(flags)}
        self.size = size + len(flags)
        calls = content.parts.calls
        many = sum([len(call.places) for call in calls]) >= MANY
        self.table = Table(calls, self.at) if many else None
        self.objects = Objects(Text(1, content.parts.declared), layout() or {})

    def text(self) -> str:
        """In LLVM's language."""
        content, t = self.content, self.objects.text
        count = len(content.inputs)
        t.label("start")
        bases = {place.base: self._input(i, place) for i, place in enumerate(content.inputs)}
        for k in range(content.results):
            result = self.objects.argument(count + k)
            bases[f"result{k}"] = self.objects.field(result, self.objects.layout["data"])
        if not all(place.shape for place in content.inputs):
            self.objects.no_numbers()
        t.do(f"br i1 {self.objects.bad}, label %unfit, label %fit")
        t.label("fit")
        taken = t.put(f"call ptr @malloc(i64 {self.size + LINE})")
        none = t.put(f"icmp eq ptr {taken}, null")
        t.do(f"br i1 {none}, label %full, label %run")
        t.label("run")
        number = t.put(f"add i64 {t.put(f'ptrtoint ptr {taken} to i64')}, {LINE - 1}")
        scratch = t.put(f"inttoptr i64 {t.put(f'and i64 {number}, {-LINE}')} to ptr")
        bases |= dict.fromkeys(["", *self.at], scratch)
        bases |= {base: bases[result] for base, result in content.kept.items()}
        bases |= {f"%fixed{i}": f"@fixed{i}" for i in range(len(content.fixed))}
        self._finish(bases, taken)
        head = "define ptr @program(ptr %self, ptr %arguments, i64 %count) {"
        constants = [_constant(f"@fixed{i}", a) for i, a in enumerate(content.fixed)]
        texts = content.parts.texts
        if self.table is not None:
            texts, constants = by_block(texts), constants + self.table.constants
        functions = [*texts, head, *t.lines, "}"]
        return llvm.module_text(functions, t.declared, [*GLOBALS, *constants])

    def _input(self, i: int, place: Place) -> str:
        """The address of an argument's elements."""
        one = self.objects.argument(i)
        if not place.shape:
            return self.objects.number(one, place.dtype)
        data, sizes, _ = self.objects.array(one, IN_ORDER)
        for axis, size in enumerate(place.shape):
            found = self.objects.field(sizes, 8 * axis, "i64")
            self.objects.wrong(self.objects.text.put(f"icmp ne i64 {found}, {size}"))
        return data

    def _finish(self, bases: Mapping[str, str], taken: str) -> None:
        """The calls, and what comes of them."""
        t = self.objects.text
        full = t.put(f"icmp ne i32 {self._calls(bases)}, 0")
        doubt = "false"
        for flag in self.content.doubts:
            byte = t.put(f"load i8, ptr {self._address(bases, flag)}")
            doubt = t.put(f"or i1 {doubt}, {t.put(f'icmp ne i8 {byte}, 0')}")
        t.do(f"call void @free(ptr {taken})")
        t.do(f"br i1 {full}, label %full, label %ran")
        t.label("ran")
        t.do(f"br i1 {doubt}, label %unfit, label %good")
        t.label("good")
        self.objects.finish()
        t.label("full")
        t.do(f"ret ptr {t.put('call ptr @PyErr_NoMemory()')}")
        t.label("unfit")
        self.objects.refuse()

    def _calls(self, bases: Mapping[str, str]) -> str:
        """The calls, one after the other; not 0 where one ran out of memory."""
        t, long = self.objects.text, self.content.work > RELEASE
        state, full = t.put("call ptr @PyEval_SaveThread()") if long else "", "0"
        if self.table is not None:
            full = self.table.run(t, bases)
        for call in self.content.parts.calls if self.table is None else ():
            given = ", ".join([f"ptr {self._address(bases, p)}" for p in call.places])
            if call.can_fail:
                full = t.put(f"or i32 {full}, {t.put(f'call i32 @{call.function}({given})')}")
            else:
                t.do(f"call void @{call.function}({given})")
        if long:
            t.do(f"call void @PyEval_RestoreThread(ptr {state})")
        return full

    def _address(self, bases: Mapping[str, str], place: Place) -> str:
        offset = place.offset * place.dtype.itemsize + self.at.get(place.base, 0)
        base = bases[place.base]
        return self.objects.text.put(f"getelementptr i8, ptr {base}, i64 {offset}")


def _constant(name: str, array: np.ndarray) -> str:
    """An array as part of the module."""
    data = "".join([f"\\{byte:02X}" for byte in array.tobytes()])
    return f'{name} = private constant [{array.nbytes} x i8] c"{data}", align {LINE}'
