"""Large matrix products in loops of machine code: calls of BLAS through its address."""

from __future__ import annotations

import ctypes
import functools
import glob
import os
from typing import Any

import numpy as np

from graphad.codegen import link, llvm
from graphad.codegen.places import Place
from graphad.codegen.products import Product, write_tiles
from graphad.codegen.steps import Steps
from graphad.errors import MissingLibraryError
from graphad.libraries import scipy

BLAS = 8192  # multiplications from which a matrix product goes to a library


class WithLibrary(Steps):
    """Steps whose large matrix products call BLAS."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.globals: list[str] = []

    def product(self, first: Place, second: Place) -> Place | None:
        made = self._tiled(first, second)
        return self._called(first, second) if made is None else made

    def _tiled(self, first: Place, second: Place) -> Place | None:
        """A small product, with the sums in registers, where columns lie side by side."""
        vector = len(first.shape) == 1
        if len(second.shape) == 1:  # a b = b aᵀ
            if vector or first.strides[0] != 1:
                return None
            first, second, vector = (
                second,
                first.view(first.shape[::-1], first.strides[::-1]),
                True,
            )
        if vector:
            first = first.view((1, *first.shape), (0, *first.strides))
        (m, k), n = first.shape, second.shape[1]
        if n == 1 or second.strides[1] != 1 or m * n * k >= BLAS:
            return None
        t, dtype = self.text, first.dtype
        made = self.temporary(dtype, (m, n))
        product = Product(m, n, k, (first.strides[0], first.strides[1]), second.strides[0], dtype)
        places = [t.at(p.base, dtype, p.offset, []) for p in (first, second, made)]
        write_tiles(t, product, llvm.width(), places)
        return Place(made.base, dtype, (n,), "temporary") if vector else made

    def _called(self, first: Place, second: Place) -> Place | None:
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
        link.tell(f"graphad_dgemm_{kind}", address)
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
