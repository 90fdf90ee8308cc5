"""NumPy's methods on Variables that reduce, accumulate or order; part of `ArrayMethods`.

Every method looks its function up in the op table; the functions document the parameters.
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphad.errors import UseError
from graphad.ir.op import OPS


class ReducingMethods:
    """Reductions, scans and order of a symbolic array; abstract."""

    __slots__ = ()

    # -- sums ----------------------------------------------------------------------------------
    def sum(
        self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        """Sum over axes; see `ga.sum`."""
        return OPS["sum"](self, axis, dtype, out, keepdims, initial, where)

    def prod(
        self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        """Product over axes; see `ga.prod`."""
        return OPS["prod"](self, axis, dtype, out, keepdims, initial, where)

    def mean(
        self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, *,
        where: Any = True,
    ) -> Any:  # fmt: skip
        """Mean over axes; see `ga.mean`."""
        return OPS["mean"](self, axis, dtype, out, keepdims, where=where)

    def var(
        self, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
        keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
    ) -> Any:  # fmt: skip
        """Variance over axes; see `ga.var`."""
        return OPS["var"](self, axis, dtype, out, ddof, keepdims, where=where, mean=mean,
                          correction=correction)  # fmt: skip

    def std(
        self, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0,
        keepdims: bool = False, *, where: Any = True, mean: Any = None, correction: Any = None,
    ) -> Any:  # fmt: skip
        """Standard deviation over axes; see `ga.std`."""
        return OPS["std"](self, axis, dtype, out, ddof, keepdims, where=where, mean=mean,
                          correction=correction)  # fmt: skip

    def cumsum(self, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        """Cumulative sum along an axis; see `ga.cumsum`."""
        return OPS["cumsum"](self, axis, dtype, out)

    def cumprod(self, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        """Cumulative product along an axis; see `ga.cumprod`."""
        return OPS["cumprod"](self, axis, dtype, out)

    # -- extrema and logic ---------------------------------------------------------------------
    def max(
        self, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
        where: Any = True,
    ) -> Any:  # fmt: skip
        """Maximum over axes; see `ga.max`."""
        return OPS["max"](self, axis, out, keepdims, initial, where)

    def min(
        self, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
        where: Any = True,
    ) -> Any:  # fmt: skip
        """Minimum over axes; see `ga.min`."""
        return OPS["min"](self, axis, out, keepdims, initial, where)

    def argmax(self, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
        """Index of the maximum; see `ga.argmax`."""
        return OPS["argmax"](self, axis, out, keepdims=keepdims)

    def argmin(self, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Any:
        """Index of the minimum; see `ga.argmin`."""
        return OPS["argmin"](self, axis, out, keepdims=keepdims)

    def any(
        self, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
    ) -> Any:
        """Is any element true? See `ga.any`."""
        return OPS["any"](self, axis, out, keepdims, where=where)

    def all(
        self, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
    ) -> Any:
        """Are all elements true? See `ga.all`."""
        return OPS["all"](self, axis, out, keepdims, where=where)

    # -- order ---------------------------------------------------------------------------------
    def argsort(
        self, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: Any = None
    ) -> Any:
        """The indices that sort; see `ga.argsort`."""
        return OPS["argsort"](self, axis, kind, order, stable=stable)

    def argpartition(
        self, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
    ) -> Any:
        """The indices that partition; see `ga.argpartition`."""
        return OPS["argpartition"](self, kth, axis, kind, order)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        """Where `v` would be inserted; see `ga.searchsorted`."""
        return OPS["searchsorted"](self, v, side, sorter)

    def sort(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raises: NumPy's method works in place."""
        _in_place("sort")

    def partition(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raises: NumPy's method works in place."""
        _in_place("partition")


def _in_place(name: str) -> NoReturn:
    raise UseError(
        f"x.{name}(...) of a symbolic variable",
        cause="NumPy's method changes the array in place; a variable never changes",
        remedy=f"write y = ga.{name}(x)",
    )
