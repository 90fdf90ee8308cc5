"""Python's operators on Variables: arithmetic, bits, comparisons; each builds a node."""

from __future__ import annotations

from typing import Any

from graphad.ir.op import OPS


class Operators:
    """The operators of a symbolic array; abstract base of Variable."""

    __slots__ = ()
    __hash__ = object.__hash__

    # -- arithmetic ----------------------------------------------------------------------------
    def __add__(self, other: Any) -> Any:
        return OPS["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return OPS["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return OPS["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return OPS["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return OPS["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return OPS["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return OPS["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return OPS["divide"](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return OPS["floor_divide"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return OPS["floor_divide"](other, self)

    def __mod__(self, other: Any) -> Any:
        return OPS["remainder"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return OPS["remainder"](other, self)

    def __divmod__(self, other: Any) -> Any:
        return OPS["divmod"](self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return OPS["divmod"](other, self)

    def __pow__(self, other: Any) -> Any:
        return OPS["power"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return OPS["power"](other, self)

    def __matmul__(self, other: Any) -> Any:
        return OPS["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return OPS["matmul"](other, self)

    def __neg__(self) -> Any:
        return OPS["negative"](self)

    def __pos__(self) -> Any:
        return OPS["positive"](self)

    def __abs__(self) -> Any:
        return OPS["abs"](self)

    def __invert__(self) -> Any:
        return OPS["invert"](self)

    def __and__(self, other: Any) -> Any:
        return OPS["bitwise_and"](self, other)

    def __rand__(self, other: Any) -> Any:
        return OPS["bitwise_and"](other, self)

    def __or__(self, other: Any) -> Any:
        return OPS["bitwise_or"](self, other)

    def __ror__(self, other: Any) -> Any:
        return OPS["bitwise_or"](other, self)

    def __xor__(self, other: Any) -> Any:
        return OPS["bitwise_xor"](self, other)

    def __rxor__(self, other: Any) -> Any:
        return OPS["bitwise_xor"](other, self)

    def __lshift__(self, other: Any) -> Any:
        return OPS["left_shift"](self, other)

    def __rlshift__(self, other: Any) -> Any:
        return OPS["left_shift"](other, self)

    def __rshift__(self, other: Any) -> Any:
        return OPS["right_shift"](self, other)

    def __rrshift__(self, other: Any) -> Any:
        return OPS["right_shift"](other, self)

    # -- comparisons, elementwise as in NumPy --------------------------------------------------
    def __lt__(self, other: Any) -> Any:
        return OPS["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return OPS["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return OPS["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return OPS["greater_equal"](self, other)

    def __eq__(self, other: Any) -> Any:
        return OPS["equal"](self, other)

    def __ne__(self, other: Any) -> Any:
        return OPS["not_equal"](self, other)
