"""`vspace`: the vector space that a value belongs to, with zeros, a basis, an inner product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphad import tree
from graphad.autograd.tracer import getval
from graphad.errors import UseError
from graphad.ir.variable import Variable


class VSpace:
    """Arrays, numbers, and containers of them, all with the shapes and dtypes of an example.

    >>> space = vspace([1.0, np.ones(2)])
    >>> space.size, space.zeros()
    (3, [np.float64(0.0), array([0., 0.])])
    """

    made_by: dict[type, Callable[[Any], VSpace]] = {}  # noqa: RUF012  # of types that were registered

    def __init__(self, value: Any) -> None:
        leaves, self.structure = tree.flatten(value)
        self.leaves = [(_shape(v), _dtype(v)) for v in leaves]

    @classmethod
    def register(
        cls, value_type: type, vspace_maker: Callable[[Any], VSpace] | None = None
    ) -> None:
        """`vspace` of such values is ``vspace_maker(value)``."""
        cls.made_by[value_type] = vspace_maker or cls

    @property
    def shape(self) -> Any:
        """The shape of an array; for a container, that of each entry."""
        return self._map(lambda shape, dtype: shape)

    @property
    def dtype(self) -> Any:
        """The dtype of an array; for a container, that of each entry."""
        return self._map(lambda shape, dtype: dtype)

    @property
    def ndim(self) -> int:
        """The number of axes of an array."""
        return len(self.shape)

    @property
    def iscomplex(self) -> bool:
        """Is there anything complex?"""
        return any([dtype.kind == "c" for _, dtype in self.leaves])

    @property
    def size(self) -> int:
        """How many real numbers there are."""
        return sum([int(np.prod(s)) * (2 if d.kind == "c" else 1) for s, d in self.leaves])

    def _map(self, function: Callable[..., Any], *values: Any) -> Any:
        columns = [tree.flatten(v)[0] for v in values]
        return self.structure.unflatten(
            [function(*leaf, *row) for leaf, *row in zip(self.leaves, *columns, strict=True)]
        )

    def zeros(self) -> Any:
        """All zeros."""
        return self._map(lambda shape, dtype: np.zeros(shape, dtype)[()])

    def ones(self) -> Any:
        """All ones; 1 + 1j where it is complex."""
        return self._map(lambda s, d: np.full(s, 1 + 1j if d.kind == "c" else 1, d)[()])

    def randn(self) -> Any:
        """Random normal numbers, of NumPy's global generator: ``np.random.seed`` repeats them."""
        normal = np.random.standard_normal

        def draw(shape: Any, dtype: Any) -> Any:
            found = np.asarray(normal(shape))
            if dtype.kind == "c":
                found = found + 1j * normal(shape)
            return found.astype(dtype)[()]

        return self._map(draw)

    def standard_basis(self) -> Iterator[Any]:
        """One unit vector after the other."""
        for i, (shape, dtype) in enumerate(self.leaves):
            for place in np.ndindex(*shape):
                for unit in (1, 1j) if dtype.kind == "c" else (1,):
                    leaves = [np.zeros(s, d) for s, d in self.leaves]
                    leaves[i][place] = unit
                    yield self.structure.unflatten([v[()] for v in leaves])

    def add(self, x: Any, y: Any) -> Any:
        """x + y."""
        return self._map(lambda s, d, a, b: a + b, x, y)

    def scalar_mul(self, x: Any, a: Any) -> Any:
        """a·x."""
        return self._map(lambda s, d, v: v * a, x)

    def inner_prod(self, x: Any, y: Any) -> Any:
        """Σ xᵢ·yᵢ over real and imaginary parts."""
        products = self._map(lambda s, d, a, b: np.sum(np.real(np.conj(a) * b)), x, y)
        return sum(tree.flatten(products)[0])

    def covector(self, x: Any) -> Any:
        """The conjugate: gradients are ∂u/∂x - i·∂u/∂y."""
        return self._map(lambda s, d, v: np.conj(v) if d.kind == "c" else v, x)

    def __eq__(self, other: object) -> bool:
        mine = (type(self), self.structure, self.leaves)
        return isinstance(other, VSpace) and mine == (type(other), other.structure, other.leaves)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"VSpace({self._map(lambda shape, dtype: f'{dtype}{list(shape)}')})"


def vspace(value: Any) -> VSpace:
    """The vector space of a value.

    Raises UseError for what is no number, array or container of these.

    >>> vspace(np.ones((2, 3)))
    VSpace(float64[2, 3])
    """
    return VSpace.made_by.get(type(value), VSpace)(value)


def _shape(value: Any) -> tuple[Any, ...]:
    return value.type.shape if isinstance(value, Variable) else np.shape(value)


def _dtype(value: Any) -> Any:
    dtype = value.dtype if isinstance(value, Variable) else np.asarray(getval(value)).dtype
    if dtype.kind not in "fc" and dtype.kind not in "biu":
        raise UseError(
            f"vspace of {type(value).__name__}",
            remedy="there are vector spaces of numbers, arrays and containers of these",
        )
    return np.dtype("float64") if dtype.kind in "biu" else dtype


class SparseObject:
    """A gradient that is zero but for what ``mut_add(array)`` adds to an array of zeros in place
    and returns; closures may return it.

    >>> from graphad.autograd import grad
    >>> from graphad.autograd.extend import defvjp, primitive
    >>> @primitive
    ... def first(x):
    ...     return x[0]
    >>> def back(ans, x):
    ...     def pull(g):
    ...         def add(zeros):
    ...             zeros[0] += g
    ...             return zeros
    ...         return SparseObject(vspace(x), add)
    ...     return pull
    >>> defvjp(first, back)
    >>> grad(first)(np.array([1.0, 2.0]))
    array([1., 0.])
    """

    __slots__ = ("mut_add", "vs")

    def __init__(self, vs: VSpace, mut_add: Callable[[Any], Any]) -> None:
        self.vs, self.mut_add = vs, mut_add

    def dense(self) -> Any:
        """The gradient itself."""
        return self.mut_add(self.vs.zeros())
