"""Random programs: many ops on small arrays, with the value by plain NumPy built alongside.

A program is made from a list of integers, each of which decides one choice; a shorter list or
smaller numbers give a simpler program, so that a tool that shrinks lists shrinks programs. Every
operation is one function on NumPy's interface, applied once to Variables and once to arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.ir.types import TensorType
from graphad.ir.variable import Variable
from graphad.testing.operations import BOUND, OPERATIONS, Choices

Array = np.ndarray[Any, Any]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 1e-300, 5e-324])
LARGEST = 1000  # elements of a value; products of products would outgrow the memory
SIZES = {"n": 3, "m": 2, "one": 1, "none": 0}  # of the named dims that inputs may have


class RandomProgram:
    """Inputs with arrays for them, outputs with the arrays that NumPy gives.

    smooth: only float64 and finite numbers, far from every kink and jump, so that finite
        differences apply; otherwise also other dtypes, empty arrays, zeros, infinities and NaN.

    >>> program = RandomProgram([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9])
    >>> len(program.outputs) == len(program.expected)
    True
    """

    def __init__(self, numbers: Iterable[int], smooth: bool = True, steps: int = 40) -> None:
        self.choices, self.smooth = Choices(numbers, smooth), smooth
        self.inputs: list[Variable] = []
        self.arrays: list[Array] = []
        self.values: list[tuple[Variable, Array]] = []
        self.lines: list[str] = []
        for _ in range(1 + self.choices.below(3)):
            self._add_input()
        for _ in range(1 + self.choices.below(steps)):
            self._add_step()
        count = 1 + self.choices.below(3)
        chosen = [self.choices.below(len(self.values)) for _ in range(count - 1)]
        picked = [self.values[-1], *[self.values[i] for i in chosen]]
        self.outputs = [v for v, _ in picked]
        self.expected = [a for _, a in picked]

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    # -- inputs --------------------------------------------------------------------------------
    def _add_input(self) -> None:
        names = [n for n in SIZES if not (self.smooth and n == "none")]
        shape: list[Any] = []
        sizes: list[int] = []
        for _ in range(self.choices.below(4)):
            name = self.choices.pick(names)
            sizes.append(SIZES[name])
            shape.append([SIZES[name], None, 1 if name == "one" else name][self.choices.below(3)])
        dtype = self._dtype()
        array = self._array(sizes, dtype)
        variable = Variable(TensorType(dtype, shape), name=f"x{len(self.inputs)}")
        self.inputs.append(variable)
        self.arrays.append(array)
        self._keep(variable, array, f"input {variable.type}")

    def _dtype(self) -> str:
        kinds = ["float64"] if self.smooth else ["float64", "float64", "float32", "int64", "bool"]
        return str(self.choices.pick(kinds))

    def _array(self, sizes: Sequence[int], dtype: str) -> Array:
        rng = np.random.default_rng(self.choices.below(1000))
        drawn = rng.uniform(-2, 2, size=sizes)
        if not self.smooth and self.choices.below(3) == 1:
            drawn = np.where(rng.uniform(size=sizes) < 0.4, rng.choice(SPECIAL, sizes), drawn)
        chosen = drawn if dtype.startswith("float") else rng.integers(-2, 3, size=sizes)
        return np.asarray(chosen).astype(dtype)

    # -- steps ---------------------------------------------------------------------------------
    def _add_step(self) -> None:
        make, arity = self.choices.pick(OPERATIONS)
        recent = self.values[-5:]  # a deep graph rather than a wide one
        picked = [recent[-1 - self.choices.below(len(recent))] for _ in range(arity)]
        operation = make(self.choices, *[a for _, a in picked])
        if operation is not None:
            self._apply(operation, picked, make.__name__)

    def _apply(
        self, operation: Callable[..., Any], picked: Sequence[tuple[Variable, Array]], name: str
    ) -> None:
        """Append the result; nothing where NumPy, or what is known of the sizes, forbids it."""
        variables = [v for v, _ in picked]
        try:
            with np.errstate(all="ignore"):
                array = np.asarray(operation(*[a for _, a in picked]))
        except (TypeError, ValueError, IndexError):
            return
        if array.size > LARGEST:
            return
        try:
            variable = operation(*variables)
        except ShapeError:
            if all(v.type.is_static for v in variables):
                raise
            return
        used = ", ".join(f"v{self._number(v)}" for v in variables)
        self._keep(variable, array, f"{name}({used}): {variable.type}")
        finite = np.isfinite(array)
        if array.dtype.kind != "b" and np.any(np.abs(array[finite]) > BOUND):
            self._apply(lambda x: np.tanh(x / BOUND), [self.values[-1]], "bounded")

    def _keep(self, variable: Variable, array: Array, line: str) -> None:
        given = (variable.dtype, variable.ndim)
        if given != (array.dtype, array.ndim):
            raise AssertionError(f"{line}: NumPy gives {array.dtype} with {array.ndim} axes")
        self.lines.append(f"v{len(self.values)} = {line}")
        self.values.append((variable, array))

    def _number(self, variable: Variable) -> int:
        return next(i for i, (v, _) in enumerate(self.values) if v is variable)
