"""Nested parameters as one real vector, the form in which optimisers hold them.

Complex entries count as pairs of real ones; integers become floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import DTypeError, ShapeError, UseError
from graphad.ir.variable import as_array

Array = np.ndarray[Any, Any]


class Layout:
    """Where the arrays of a container lie in the vector: shapes, dtypes, structure.

    >>> layout = Layout({"w": np.ones((1, 2)), "b": 3.0})
    >>> layout.vector({"w": np.ones((1, 2)), "b": 3.0})
    array([3., 1., 1.])
    >>> layout.container(np.array([0.0, 1.0, 2.0]))
    {'w': array([[1., 2.]]), 'b': np.float64(0.0)}
    """

    def __init__(self, example: Any) -> None:
        leaves, self.structure = tree.flatten(example)
        self.paths = self.structure.paths("x0")
        arrays = [self._array(path, leaf) for path, leaf in zip(self.paths, leaves, strict=True)]
        if not arrays:
            raise UseError(
                "x0 holds no parameters", remedy="give an array, or a container of them"
            )
        self.types = [(a.dtype, a.shape) for a in arrays]
        parts = [d.type(0).real.dtype for d, _ in self.types]
        self.dtype = np.result_type(*parts)
        counts = [a.size * (2 if a.dtype.kind == "c" else 1) for a in arrays]
        self.ends = np.cumsum(counts).tolist()

    def _array(self, path: str, leaf: Any) -> Array:
        array = as_array(leaf)
        if array.dtype.kind == "b":
            raise DTypeError(f"{path} is boolean", remedy="parameters are numbers: use floats")
        return array if array.dtype.kind in "fc" else array.astype("float64")

    @property
    def size(self) -> int:
        """How many real numbers there are."""
        return int(self.ends[-1])

    def vector(self, container: Any, what: str = "x0", *, covector: bool = False) -> Array:
        """The numbers of a container like the example; of gradients (`covector`) the imaginary
        parts change sign, since a gradient is ∂u/∂x - i·∂u/∂y.

        Raises UseError, ShapeError for what is not like the example.
        """
        leaves, found = tree.flatten(container)
        if found != self.structure:
            raise UseError(
                f"{what} has the structure {found!r}", cause=f"that of x0 is {self.structure!r}"
            )
        parts = []
        for path, leaf, (dtype, shape) in zip(self.paths, leaves, self.types, strict=True):
            array = np.asarray(leaf)
            if array.shape != shape:
                raise ShapeError(
                    f"{what}: the entry for {path} has shape {array.shape}",
                    cause=f"the parameter has shape {shape}",
                    remedy="return gradients in the shapes of the parameters",
                )
            if dtype.kind == "c":
                turned = np.conj(array) if covector else array
                parts += [np.real(turned).ravel(), np.imag(turned).ravel()]
            else:
                parts.append(array.ravel())
        joined = np.concatenate(parts)
        return joined if joined.dtype == self.dtype else joined.astype(self.dtype)

    def container(self, vector: Array) -> Any:
        """The inverse of `vector`: new arrays, NumPy scalars for rank 0."""
        leaves, begin = [], 0
        for end, (dtype, shape) in zip(self.ends, self.types, strict=True):
            part = vector[begin:end]
            if dtype.kind == "c":
                half = len(part) // 2
                part = part[:half] + 1j * part[half:]
            array = np.array(part, dtype=dtype).reshape(shape)
            leaves.append(array if shape else array[()])
            begin = end
        return self.structure.unflatten(leaves)
