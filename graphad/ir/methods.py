"""NumPy's operators and methods on Variables, and what NumPy itself calls on them.

Every method looks its function up in the op table; nothing here knows what an op does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from graphad.errors import UseError
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.reducing import ReducingMethods
from graphad.ir.ufuncs import on_variables


class ArrayMethods(ReducingMethods):
    """What a symbolic array can do; abstract base of Variable."""

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

    def __getitem__(self, index: Any) -> Any:
        return OPS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise UseError(
            f"{_name(self)}[...] = ... : a symbolic variable cannot be changed in place",
            cause="a graph is built once and never modified",
            remedy="build the changed array: ga.where(mask, new, x), or ga.concatenate of parts",
        )

    def __len__(self) -> int:
        shape = self.type.shape  # type: ignore[attr-defined]
        if not shape:
            raise UseError(f"len() of {_name(self)}, which has no axes", remedy="use x.size")
        if not isinstance(shape[0], int):
            raise UseError(
                f"len() of {_name(self)}: its first size {shape[0]} is known only at run time",
                remedy="use x.shape[0], which can be computed with, or declare the size: "
                "ga.vector('x', shape=(3,))",
            )
        return shape[0]

    def __iter__(self) -> Iterator[Any]:
        shape = self.type.shape  # type: ignore[attr-defined]
        if not shape or not isinstance(shape[0], int):
            what = "it has no axes" if not shape else f"its size {shape[0]} is not known yet"
            raise UseError(
                f"cannot iterate over {_name(self)}: {what}",
                remedy="declare the size (ga.vector('x', shape=(3,))), or write the loop as array "
                "operations (x.sum(), x * 2)",
            )
        return iter([self[i] for i in range(shape[0])])

    def __contains__(self, item: Any) -> NoReturn:
        raise UseError(
            f"`in` cannot be decided for {_name(self)} while the graph is built",
            remedy="write (x == value).any(), or any(v is x for v in variables) for identity",
        )

    def __bool__(self) -> NoReturn:
        raise UseError(
            f"{_name(self)} has no truth value while the graph is built",
            cause="if, while, and, or, not and chained comparisons ask for one",
            remedy="write ga.where(condition, a, b) to choose; & | ~ for and, or, not; "
            "(0 < x) & (x < 1) for 0 < x < 1; `x is y` to compare variables",
        )

    def __float__(self) -> NoReturn:
        _no_number(self, "float")

    def __int__(self) -> NoReturn:
        _no_number(self, "int")

    def __complex__(self) -> NoReturn:
        _no_number(self, "complex")

    def __index__(self) -> NoReturn:
        _no_number(self, "an index")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise UseError(
            f"{_name(self)} cannot be put into a NumPy array",
            cause="np.array and np.asarray need values, a symbolic variable has none",
            remedy="join variables with ga.stack([x, y]) or ga.concatenate([x, y]); "
            "for values call x.eval({...})",
        )

    # -- NumPy's functions on Variables --------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        return on_variables(ufunc, method, inputs, keywords)

    def __array_function__(
        self, func: Any, types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        target = OPS.by_numpy.get(func)
        if target is None:
            raise UseError(
                f"{func.__module__}.{func.__name__} has no symbolic form",
                remedy="compute it from other functions, or outside the graph on values",
            )
        return target(*args, **kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return hooks.array_namespace()

    # -- NumPy's methods -----------------------------------------------------------------------
    @property
    def T(self) -> Any:
        """The transpose: axes in reverse order."""
        return OPS["transpose"](self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return OPS["swapaxes"](self, -1, -2)

    @property
    def real(self) -> Any:
        """The real part."""
        return OPS["real"](self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return OPS["imag"](self)

    def conj(self) -> Any:
        """The complex conjugate."""
        return OPS["conj"](self)

    def reshape(self, *shape: Any) -> Any:
        """Same elements in another shape; ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return OPS["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order; ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
        flat = axes[0] if len(axes) == 1 else axes
        return OPS["transpose"](self, None if flat is None or len(axes) == 0 else flat)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return OPS["swapaxes"](self, axis1, axis2)

    def ravel(self) -> Any:
        """All elements along one axis."""
        return OPS["ravel"](self)

    flatten = ravel

    def squeeze(self, axis: Any = None) -> Any:
        """Without axes of size 1."""
        return OPS["squeeze"](self, axis=axis)

    def repeat(self, repeats: int, axis: int | None = None) -> Any:
        """Each element `repeats` times."""
        return OPS["repeat"](self, repeats, axis=axis)

    def take(self, indices: Any, axis: int | None = None) -> Any:
        """Elements at `indices` along an axis."""
        return OPS["take"](self, indices, axis=axis)

    def astype(self, dtype: Any) -> Any:
        """The same values in another dtype."""
        return OPS["astype"](self, dtype)

    def dot(self, other: Any) -> Any:
        """Matrix product; see `ga.dot`."""
        return OPS["dot"](self, other)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Values limited to an interval; see `ga.clip`."""
        return OPS["clip"](self, min, max)

    def round(self, decimals: int = 0) -> Any:
        """Rounded to the nearest even multiple; see `ga.round`."""
        return OPS["round"](self, decimals)

    def item(self) -> NoReturn:
        """Raises: a Variable has no value; says how to get one."""
        _no_number(self, "a number")

    def copy(self) -> Any:
        """The variable itself: a Variable never changes."""
        return self

    def eval(self, values: Mapping[Any, Any] | None = None) -> Any:
        """The value of this variable for given inputs, for a quick look.

        `values` maps Variables to arrays. Compiles at the first call and keeps nothing; for
        repeated use make a `ga.function`.
        """
        return hooks.eval(self, values)

    def __repr__(self) -> str:
        name, kind = _name(self), type(self).__name__
        owner = self.owner  # type: ignore[attr-defined]
        how = f" = {owner.op}" if owner is not None else ""
        return f"<{kind} {name}: {self.type}{how}>"  # type: ignore[attr-defined]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return hooks.mimebundle(self)


def _name(variable: Any) -> str:
    if variable.name:
        return str(variable.name)
    return variable.owner.op.name if variable.owner is not None else "unnamed"


def _no_number(variable: Any, wanted: str) -> NoReturn:
    raise UseError(
        f"{_name(variable)} cannot become {wanted}: a symbolic variable has no value yet",
        remedy="compute with it symbolically (ga.exp, astype, …), or get the value with "
        "x.eval({...}) or a compiled ga.function",
    )
