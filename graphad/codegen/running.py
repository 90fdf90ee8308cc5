"""How a program in machine code answers a call, with the NumPy program as a safety net.

Kernels check sizes and memory order of their operands. Where they do not fit (arguments in
another order, sizes that broadcast only now, empty arrays), the program is run again on copies of
the arguments in C order, and then as the NumPy program. Programs change nothing but their own
results, so that they can be run again; those that print or call something are not, see `careful`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.codegen.rooms import keep_small
from graphad.codegen.unfit import Unfit
from graphad.ir.types import TensorType

VARIANTS = 4  # shapes for which there is one native function
Shapes = tuple[tuple[int, ...], ...]


class Running(ABC):
    """A program in machine code; `run` as of `Program`.

    `fits` says whether the sizes of the arguments are those that the plan is made for. For small
    arrays of sizes that are known, or have been met (`prepare`), the whole program is one native
    function. Abstract: where the programs come from is what differs.
    """

    current: Any  # the program that answers

    def __init__(
        self, kinds: Sequence[TensorType], fallback: Any,
        fits: Callable[[Sequence[Any]], bool] | None, eager: bool,
    ) -> None:  # fmt: skip
        keep_small()
        self.fallback, self.fits = fallback, fits
        self._whole: dict[Shapes, Any] = {}
        self._is_static = all([kind.is_static for kind in kinds])
        self._eager = eager and not self._is_static
        self._looped: Any = None

    @property
    @abstractmethod
    def with_kernels(self) -> Any:
        """The program that calls the kernels."""

    @abstractmethod
    def variant(self, shapes: Shapes) -> tuple[Any, bool]:
        """The program for inputs of these shapes as one native function, None where that is not
        possible or does not pay; and whether it is one of loops, which may run out of room."""

    def begin(self, kinds: Sequence[TensorType]) -> None:
        """Choose the program for the first call."""
        static: Any = [kind.shape for kind in kinds]
        self.current = (self.prepare(static) if self._is_static else None) or self.with_kernels

    def prepare(self, shapes: Sequence[tuple[int, ...]]) -> Any:
        """The program for inputs of these shapes, as of `variant`."""
        key = tuple(shapes)
        if key not in self._whole and len(self._whole) < VARIANTS:
            made, is_looped = self.variant(key)
            if is_looped:
                self._looped = made
            self._whole[key] = made
        return self._whole.get(key)

    def run(self, *arrays: Any) -> Sequence[Any]:
        """The results."""
        if self.fits is not None and not self.fits(arrays):
            found: Sequence[Any] = self.fallback.run(*arrays)
            return found
        program = self.current
        if (self._whole or self._eager) and not self._is_static:
            program = self.current = self._for(arrays)
        try:
            found = program.run(*arrays)
            return found
        except Unfit:
            if program is self._looped:  # its loops are longer than it has room for
                self.current = self.with_kernels
                return self.run(*arrays)
            return self._otherwise(program, arrays)
        except Exception as error:
            return self._failed(error, arrays)

    def _failed(self, error: Exception, arrays: Sequence[Any]) -> Sequence[Any]:
        """What to do about an error that is no `Unfit`."""
        raise error

    def _for(self, arrays: Sequence[Any]) -> Any:
        """The program for arguments of these sizes."""
        shapes = tuple([getattr(a, "shape", ()) for a in arrays])
        found = self.prepare(shapes) if self._eager else self._whole.get(shapes)
        return found or self.with_kernels

    def _otherwise(self, program: Any, arrays: Sequence[Any]) -> Sequence[Any]:
        """Arguments in another order, or with values to be looked at."""
        ordered = [_in_order(a) for a in arrays]
        if any(a is not b for a, b in zip(arrays, ordered, strict=True)):
            try:
                results: Sequence[Any] = program.run(*ordered)
                return results
            except Unfit:
                pass
        results = self.fallback.run(*arrays)
        return results


def _in_order(array: Any) -> Any:
    if not isinstance(array, np.ndarray) or (array.flags.c_contiguous and array.flags.aligned):
        return array
    return np.array(array, order="C")
