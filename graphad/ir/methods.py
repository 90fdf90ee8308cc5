"""NumPy's methods and attributes on Variables.

Every method looks its function up in the op table; nothing here knows what an op does. What an
ndarray has and a Variable cannot have is in `REFUSED`, with what to write instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from graphad.errors import MissingAttributeError, UseError
from graphad.ir.at import At
from graphad.ir.hooks import hooks
from graphad.ir.op import OPS
from graphad.ir.operators import Operators
from graphad.ir.protocol import Protocol, _name, _no_number
from graphad.ir.reducing import ReducingMethods

_VALUE = "it has no value yet: x.eval({...}), or a compiled ga.function, gives an array"
_MEMORY = "a symbolic variable has no memory; the compiled function returns arrays that have"
REFUSED = {
    **dict.fromkeys("tolist tobytes tostring tofile dump dumps".split(), _VALUE),
    **dict.fromkeys("base ctypes data flags setflags strides byteswap".split(), _MEMORY),
    "fill": "it never changes; ga.full_like(x, value) makes an array of one value",
    "flat": "write x.ravel()",
    "getfield": "its elements have no fields",
    "itemset": "it never changes; x.at[index].set(value) makes a changed copy",
    "newbyteorder": _MEMORY,
    "ptp": "write np.ptp(x), as for arrays since NumPy 2",
    "put": "it never changes; x.at[index].set(values) makes a changed copy",
    "resize": "it never changes; ga.resize(x, shape) makes another array",
    "setfield": "it never changes, and its elements have no fields",
    "view": "its bits cannot be read as another dtype; x.astype(dtype) converts the values",
}


class ArrayMethods(Operators, ReducingMethods, Protocol):
    """What a symbolic array can do; abstract base of Variable."""

    __slots__ = ()
    __hash__ = object.__hash__

    if not TYPE_CHECKING:  # to a type checker, an unknown attribute stays an error

        def __getattr__(self, name: str) -> NoReturn:
            if name in REFUSED:
                raise MissingAttributeError(f"{_name(self)}.{name}", remedy=REFUSED[name])
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- attributes ----------------------------------------------------------------------------
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

    @property
    def at(self) -> At:
        """``x.at[index].set(v)``: a copy of x with v at the index; also add, multiply, max, …"""
        return At(self)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.type.dtype.itemsize)  # type: ignore[attr-defined]

    @property
    def nbytes(self) -> Any:
        """Bytes of all elements, an int or a Dim."""
        return self.size * self.itemsize  # type: ignore[attr-defined]

    @property
    def device(self) -> str:
        """Where arrays live: "cpu"."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: None = None) -> Any:
        """The variable itself: "cpu" is the only device."""
        if device != "cpu" or stream is not None:
            raise UseError(f"to_device({device!r})", remedy='the only device is "cpu"')
        return self

    # -- scans, diagonals ----------------------------------------------------------------------
    def trace(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
    ) -> Any:
        """Sum of a diagonal; see `ga.trace`."""
        _refuse_out("trace", out)
        return OPS["trace"](self, offset, axis1, axis2, dtype)

    # -- shape ---------------------------------------------------------------------------------
    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """Same elements in another shape; ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return OPS["reshape"](self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order; ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
        flat = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return OPS["transpose"](self, None if flat is None or len(axes) == 0 else flat)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return OPS["swapaxes"](self, axis1, axis2)

    def ravel(self, order: str = "C") -> Any:
        """All elements along one axis."""
        return OPS["ravel"](self, order=order)

    flatten = ravel

    def squeeze(self, axis: Any = None) -> Any:
        """Without axes of size 1."""
        return OPS["squeeze"](self, axis=axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Each element `repeats` times."""
        return OPS["repeat"](self, repeats, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """A diagonal; see `ga.diagonal`."""
        return OPS["diagonal"](self, offset, axis1, axis2)

    # -- elements by place ---------------------------------------------------------------------
    def take(
        self, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise"
    ) -> Any:
        """Elements at `indices` along an axis; see `ga.take`."""
        _refuse_out("take", out)
        return OPS["take"](self, indices, axis=axis, mode=mode)

    def choose(self, choices: Any, out: None = None, mode: str = "raise") -> Any:
        """For each element, one of `choices`; see `ga.choose`."""
        _refuse_out("choose", out)
        return OPS["choose"](self, choices, mode=mode)

    def compress(self, condition: Any, axis: int | None = None, out: None = None) -> Any:
        """The slices where `condition` is true; see `ga.compress`."""
        _refuse_out("compress", out)
        return OPS["compress"](condition, self, axis=axis)

    def nonzero(self) -> Any:
        """The indices of the elements that are not zero; see `ga.nonzero`."""
        return OPS["nonzero"](self)

    # -- values --------------------------------------------------------------------------------
    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True,
               copy: bool = True) -> Any:  # fmt: skip
        """The same values in another dtype."""
        if casting != "unsafe":
            return OPS["asarray"](self, dtype=dtype, casting=casting)
        return OPS["astype"](self, dtype)

    def dot(self, other: Any, out: None = None) -> Any:
        """Matrix product; see `ga.dot`."""
        _refuse_out("dot", out)
        return OPS["dot"](self, other)

    def clip(self, min: Any = None, max: Any = None, out: None = None) -> Any:
        """Values limited to an interval; see `ga.clip`."""
        _refuse_out("clip", out)
        return OPS["clip"](self, min, max)

    def round(self, decimals: int = 0, out: None = None) -> Any:
        """Rounded to the nearest even multiple; see `ga.round`."""
        _refuse_out("round", out)
        return OPS["round"](self, decimals)

    def conj(self) -> Any:
        """The complex conjugate."""
        return OPS["conj"](self)

    conjugate = conj

    def copy(self, order: str = "C") -> Any:
        """The variable itself: a Variable never changes."""
        return self

    def item(self, *args: Any) -> NoReturn:
        """Raises: a Variable has no value; says how to get one."""
        _no_number(self, "a number")

    def eval(self, values: Mapping[Any, Any] | None = None) -> Any:
        """The value of this variable for given inputs, for a quick look.

        `values` maps Variables to arrays. Compiles at the first call and keeps nothing; for
        repeated use make a `ga.function`.
        """
        return hooks.eval(self, values)


def _refuse_out(name: str, out: Any) -> None:
    if out is not None:
        raise UseError(
            f"x.{name}(out=...) on a symbolic variable",
            remedy="leave out= away; the compiler reuses memory by itself",
        )
