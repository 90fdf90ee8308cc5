"""LLVM text → machine code: the only file that imports llvmlite, on first use, which is when
something has to be compiled: what the cache holds is brought into memory by `image`.

Code is made for the processor of this machine, by the code generator alone: the text is already
in the form that optimisation passes would produce, and leaving them out halves the time.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import weakref
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from typing import Any

from graphad.codegen import cache, image, link, mathlib, processor
from graphad.codegen.lock import compiling
from graphad.errors import MissingLibraryError
from graphad.ir.hooks import hooks

_NAMES = (
    "PyFloat_AsDouble", "PyFloat_FromDouble", "PyLong_AsLongLong", "PyObject_IsTrue",
    "PyErr_NoMemory", "PyErr_SetNone", "PyErr_Occurred", "PyErr_Clear", "Py_IncRef", "Py_DecRef",
    "PyEval_SaveThread", "PyEval_RestoreThread", "PyObject_CallMethod", "PyBool_FromLong",
    "PyTuple_New", "PyTuple_SetItem", "PyLong_FromLongLong", "PyLong_AsUnsignedLongLongMask",
    "PyErr_CheckSignals", "malloc", "free",
)  # fmt: skip


@functools.cache
def binding() -> Any:
    """llvmlite's binding, set up; raises MissingLibraryError without it."""
    with compiling:  # a fork in the midst of an import would leave the child with half a module
        llvm = _imported()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        for name in _NAMES:
            llvm.add_symbol(name, link.address(name))
        return llvm


@functools.cache
def installed() -> str:
    """Which llvmlite there is, without loading it; "" where that cannot be told, or if there is
    none: then `binding` has to be asked."""
    if any([sys.modules.get(name, True) is None for name in ("llvmlite", "llvmlite.binding")]):
        return ""  # somebody forbids it
    try:
        found = PathFinder.find_spec("llvmlite")
        if found is None or found.origin is None:
            return ""
        path = os.path.join(os.path.dirname(found.origin), "_version.py")
        known = os.stat(path)
    except (OSError, ValueError, AttributeError):
        return ""
    return f"{path} {known.st_mtime_ns} {known.st_size}"


def _imported() -> Any:
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        raise MissingLibraryError(
            "native kernels need llvmlite", cause=str(error),
            remedy='install it: pip install "graphad[jit]", or use backend="numpy"',
        ) from error  # fmt: skip
    if llvm.llvm_version_info[0] < 15:
        raise MissingLibraryError(
            f"native kernels need LLVM 15 or later, this llvmlite has {llvm.llvm_version_info[0]}",
            remedy='pip install --upgrade "llvmlite>=0.44"',
        )
    return llvm


@functools.cache
def _features() -> Any:
    """What the processor can do, as far as it may be used: LLVM's own mapping."""
    llvm = binding()
    with compiling:
        found = llvm.get_host_cpu_features()
    found.update(processor.allowed(found, processor.bound()))
    return found


def target() -> Any:
    """A code generator for this processor; an engine takes hold of it."""
    llvm = binding()
    if processor.width(_features()) < width():
        raise MissingLibraryError(
            "no native kernels: LLVM knows narrower vector registers than the system tells of",
            remedy=f"set the environment variable {processor.VARIABLE} to 128",
        )
    return llvm.Target.from_default_triple().create_target_machine(
        opt=2, cpu=llvm.get_host_cpu_name(), features=_features().flatten()
    )


@functools.cache
def circumstances() -> tuple[str, ...]:
    """What machine code depends on besides the text: LLVM, Python and the processor."""
    if _is_known():
        bits = str(processor.bound())
        return installed(), sys.implementation.cache_tag or "", processor.identity(), bits
    llvm = binding()
    with compiling:
        version = ".".join(map(str, llvm.llvm_version_info))
        features = _features().flatten()
        return version, llvm.get_default_triple(), llvm.get_host_cpu_name(), features


@functools.cache
def width() -> int:
    """Bits of the vector registers; 0 where no kernels can be made. Raises MissingLibraryError
    without llvmlite."""
    return (
        processor.width_of(processor.identity()) if _is_known() else processor.width(_features())
    )


def _is_known() -> bool:
    """Is all that code depends on known without LLVM?"""
    return bool(installed() and processor.identity())


def look_again() -> None:
    """Forget what was found about library and processor; what is made from now on asks anew."""
    for known in (binding, installed, _features, circumstances, width):
        known.cache_clear()


class Library:
    """Machine code of one module, from the cache on disk if it is there; functions live as long
    as this object. `name` is that of the entry, "" without a cache; `needed` says which functions
    of other modules it calls, and in which entries they are.

    Raises MissingLibraryError without llvmlite, also where it would not have been needed.
    """

    def __init__(self, text: str, choice: cache.Choice = False) -> None:
        if not installed():
            binding()
        store = cache.store(choice)
        self.name = name = "" if store is None else cache.key(text, *circumstances())
        self.needed = {n: place for n, place in link.origins.items() if f"@{n}(" in text}
        entry = store.get(name) if store is not None else None
        self._code: Any = image.load(entry) if entry is not None else None
        if self._code is None:
            self._code = _Compiled(text, entry)
            if store is not None and entry is None:
                store.put(name, self._code.entry())

    def address(self, name: str) -> int:
        found: int = self._code.address(name)
        return found

    def __reduce__(self) -> tuple:
        raise TypeError("machine code is made anew, it is not pickled")


class _Compiled:
    """Machine code that LLVM made, or has loaded: from an object file, if that is given."""

    def __init__(self, text: str, entry: bytes | None) -> None:
        llvm = binding()
        code = None if entry is None or entry.startswith(image.MAGIC) else entry
        made: list[bytes] = []
        with compiling:
            for name in link.told.keys() - _added:
                llvm.add_symbol(name, link.told[name])
                _added.add(name)
            module = llvm.parse_assembly(text if code is None else "")
            self._engine = llvm.create_mcjit_compiler(module, target())
            if code is not None:
                self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            else:
                self._engine.set_object_cache(lambda _, code: made.append(bytes(code)))
            self._engine.finalize_object()
        self._object = code or made[0]

    def entry(self) -> bytes:
        """What is kept: an image, or the object file where that is no image."""
        found = hooks.load("codegen.elf").image_of(self._object) if image.is_possible() else None
        return self._object if found is None else image.dumped(found)

    def address(self, name: str) -> int:
        """Where a function begins."""
        with compiling:
            found: int = self._engine.get_function_address(name)
        return found


_added: set[str] = set()  # what LLVM has been told of


class Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


# Descriptions that no function uses any more. Their memory is used again, but never freed: when a
# function, its owner and the description are garbage together, the collector may take apart the
# owner first, and the function still looks at its description when it goes.
_spare: list[Method] = []


def method(name: str, address: int) -> Method:
    """The description of a METH_FASTCALL function."""
    try:
        made = _spare.pop()
    except IndexError:
        made = Method()
    made.name, made.function, made.flags, made.doc = name.encode(), address, 0x80, b""
    return made


def callable_of(described: Method, owner: object) -> Any:
    """A Python function that enters machine code; it holds on to `owner`, passed as `self`."""
    made = _new_function()(ctypes.addressof(described), owner, None)
    weakref.finalize(made, _spare.append, described).atexit = False
    return made


@functools.cache
def _new_function() -> Any:
    """Python's PyCFunction_NewEx."""
    new = ctypes.cast(ctypes.pythonapi.PyCFunction_NewEx, ctypes.c_void_p).value
    kind = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
    )  # fmt: skip
    return kind(new or 0)


def module_text(functions: Iterable[str], declared: Mapping[str, str], head: Iterable[str]) -> str:
    """A module of the functions and what they need declared."""
    with_math = [line for name, line in sorted(declared.items())]
    return "\n".join([*head, *with_math, "", *functions]) + "\n"


def add_math(declared: Iterable[str]) -> None:
    """Tell where the vector math functions lie."""
    for name in declared:
        place = mathlib.address(name)
        if place is not None:
            link.tell(name, place)
