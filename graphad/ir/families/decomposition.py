"""Linear algebra on stacks of matrices: ops with one or several outputs, computed by LAPACK.

Every operand has its matrix in the last two axes; axes before them are a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import Declared, add_up, fit
from graphad.ir.families.stacks import lifted, stacks
from graphad.ir.op import OPS
from graphad.ir.sizes import joint_size
from graphad.ir.types import Shape, Size, TensorType
from graphad.ir.variable import Apply, Variable, apply

Cotangents = Sequence[Variable | None]


class MatrixOp(Declared):
    """An op on matrices.

    types  ``(types of the operands, **params) -> types of the outputs``
    value  ``(*arrays, **params) -> array``, a tuple of arrays if there are several outputs
    vjp    ``(node, cotangents) -> what makes the cotangent of each operand``; a cotangent is None
           where nothing arrives, at least one is there
    jvp    ``(node, tangents) -> tangents of the outputs``; a tangent is None where an operand does
           not move, at least one does. Without it the tangents are derived from the vjp.
    core   how many axes of each operand are no stack, the last entry for all further operands;
           None: the op takes no stacks
    columns  are the columns of the last operand independent of each other? Then a stack of them
           is one matrix with more columns, where the other operands are the same for all rows
    """

    def __init__(
        self,
        name: str,
        *,
        types: Callable[..., Sequence[TensorType]],
        value: Callable[..., Any],
        vjp: Callable[[Apply, Cotangents], Sequence[Callable[[], Variable | None]]],
        jvp: Callable[[Apply, Cotangents], Sequence[Variable | None]] | None = None,
        hazard: int = 0,
        core: Sequence[int] | None = (2,),
        columns: bool = False,
    ) -> None:
        super().__init__(name)
        self.core, self.columns = core, columns
        self.types, self.value, self.hazard = types, value, hazard
        self.vjp_rule, self.jvp_rule = vjp, jvp

    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(self.types(*types, **params))

    def flops(self, node: Apply) -> Size:
        """In the order of magnitude: as multiplying the matrix by one of its size."""
        kind = node.inputs[0].type
        return 2 * kind.size * kind.shape[-1] if kind.ndim > 1 else kind.size

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        given = [array[...] if array.nbytes else array for array in arrays]  # on arrays only
        return self.value(*given, **params)

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        if all([c is None for c in cotangents]):
            return [None] * len(node.inputs)
        rules = self.vjp_rule(node, cotangents)
        return [
            fit(rule(), x) if need else None
            for rule, x, need in zip(rules, node.inputs, wanted, strict=True)
        ]

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable] | None:
        alone = self.columns and not any(batched[:-1])
        if self.core is None:
            return self._of_columns(node, operands) if alone else None
        cores = [self.core[min(i, len(self.core) - 1)] for i in range(len(operands))]
        rank = max([v.ndim - c for v, c in zip(node.inputs, cores, strict=True)])
        if alone and rank == 0:
            return self._of_columns(node, operands)
        rows = zip(stacks(operands, batched), cores, strict=True)
        made = apply(node.op, tuple([lifted(v, rank + c) for v, c in rows]))
        return made if isinstance(made, tuple) else [made]

    def _of_columns(self, node: Apply, operands: Sequence[Variable]) -> list[Variable]:
        """The columns of all rows side by side; further results are not about them."""
        *rest, stack = operands
        rows, n, k = stack.shape
        wide = OPS["reshape"](OPS["moveaxis"](stack, 0, 1), (n, rows * k))
        made = apply(node.op, (*rest, wide))
        found, *others = made if isinstance(made, tuple) else [made]
        apart = OPS["reshape"](found, (found.shape[0], rows, k))
        return [OPS["moveaxis"](apart, 1, 0), *others]

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        return None if self.jvp_rule is None else self.jvp_rule(node, tangents)


# ---- type rules ------------------------------------------------------------------------------
def lapack_dtype(name: str, *types: TensorType) -> np.dtype[Any]:
    """The dtype LAPACK computes in: float64 for integers; float16, long double are refused."""
    dtypes = []
    for t in types:
        if t.dtype.kind in "fc" and t.dtype.char not in "fdFD":
            raise DTypeError(
                f"{name} is not defined for dtype {t.dtype}",
                cause="LAPACK computes in single and double precision",
                remedy='convert with .astype("float64")',
            )
        dtypes.append(t.dtype if t.dtype.kind in "fc" else np.dtype("float64"))
    return np.result_type(*dtypes)


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of real and imaginary parts."""
    return np.empty(0, dtype).real.dtype


def matrix_shape(name: str, t: TensorType) -> tuple[Shape, Size, Size]:
    """(stack, rows, columns); ShapeError for arrays with less than two axes."""
    if t.ndim < 2:
        raise ShapeError(
            f"{name} of an array of shape {shape_text(t.shape)}",
            cause="it works on matrices, the last two axes",
            remedy="insert an axis with x[None, :]",
        )
    return t.shape[:-2], t.shape[-2], t.shape[-1]


def square_shape(name: str, t: TensorType) -> tuple[Shape, Size]:
    """(stack, rows); ShapeError for matrices that can be seen not to be square."""
    stack, rows, columns = matrix_shape(name, t)
    size = joint_size(rows, columns)
    if size is None or (1 in (rows, columns) and isinstance(rows, int) and rows != columns):
        raise ShapeError(
            f"{name}: the last two axes of {shape_text(t.shape)} are not equal",
            cause="it is defined for square matrices",
            remedy="check the order of axes, or use ga.pinv, ga.svd for others",
        )
    return stack, rows if isinstance(rows, int) else columns if isinstance(columns, int) else rows


# ---- what the rules of derivatives are written with -------------------------------------------
def times(moving: Variable, other: Variable, place: int = 0) -> Variable:
    """The matrix product with a cotangent as operand number `place`; its zeros are strong."""
    family: Any = OPS.families["matmul"]
    product: Variable = family.times(moving, other, place, False)
    return product


def conj(x: Variable) -> Variable:
    """The complex conjugate; `x` itself if it is real."""
    return OPS["conj"](x) if x.dtype.kind == "c" else x


def adjoint(x: Variable) -> Variable:
    """Transposed and conjugated."""
    return conj(x.mT)


def triangle(x: Variable, sign: str, other: Any = 0) -> Variable:
    """Elements (i, j) with ``i sign j`` (sign: "greater", "equal", …), `other` elsewhere."""
    rows, columns = OPS["arange"](x.shape[-2]), OPS["arange"](x.shape[-1])
    return OPS["where"](OPS[sign](rows[:, None], columns), x, other)


def total(terms: Sequence[Variable | None]) -> Variable:
    """The sum of the terms that exist, at least one."""
    found = add_up(terms)
    assert found is not None
    return found


def diagonal_matrix(x: Variable) -> Variable:
    """(…, n) as diagonal matrices (…, n, n)."""
    index = OPS["arange"](x.shape[-1])
    return OPS["where"](OPS["equal"](index[:, None], index), x[..., None, :], 0)


def diagonal_of(x: Variable) -> Variable:
    """The diagonals (…, n) of square matrices (…, n, n)."""
    return OPS["sum"](triangle(x, "equal"), axis=-1)


def fold(h: Variable, uplo: str = "L") -> Variable:
    """The cotangent of one triangle, from that of the Hermitian matrix that it stands for."""
    both = triangle(h + adjoint(h), "greater" if uplo == "L" else "less")
    middle = triangle(h, "equal")
    return both + (OPS["real"](middle) if h.dtype.kind == "c" else middle)


def unfold(x: Variable, uplo: str = "L") -> Variable:
    """The Hermitian matrix that one triangle of `x` stands for."""
    half = triangle(x, "greater" if uplo == "L" else "less")
    middle = triangle(x, "equal")
    return half + adjoint(half) + (OPS["real"](middle) if x.dtype.kind == "c" else middle)


def reciprocal_or_zero(x: Variable, scale: Variable) -> Variable:
    """1/x, and 0 where x is zero up to the rounding error of numbers of size `scale`."""
    tolerance = 16 * float(np.finfo(x.dtype).eps)
    far = OPS["abs"](x) > OPS["stop_gradient"](scale) * tolerance
    return OPS["where"](far, 1 / OPS["where"](far, x, 1), 0)


def gaps(s: Variable) -> Variable:
    """1 / (s_j - s_i), and 0 for equal ones."""
    scale = OPS["sum"](OPS["abs"](s), axis=-1, keepdims=True)[..., None]
    return reciprocal_or_zero(s[..., None, :] - s[..., :, None], scale)
