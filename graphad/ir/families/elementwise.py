"""Elementwise operations: element i of the result depends on elements i of the operands.

A declaration states the value as a formula over an array namespace, and one partial derivative
for each operand, in columns. Shapes (broadcasting), dtypes (NumPy's promotion), vector-Jacobian
and Jacobian-vector products follow from that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError
from graphad.ir import dims
from graphad.ir.dims import Dim
from graphad.ir.families.common import (
    Declared,
    add_up,
    broadcast_shapes,
    fit,
    is_risky,
    spread_to,
    weigh,
)
from graphad.ir.op import OPS, Entry, Sample
from graphad.ir.types import TensorType
from graphad.ir.ufuncs import with_keywords
from graphad.ir.variable import Apply, Constant, Variable, apply, as_variable, located

Partial = Callable[..., Any] | float | None
Interval = tuple[float, float]
_WEAK = (int, float, complex)


class Elementwise(Declared):
    """One elementwise operation; made by `elementwise`."""

    is_elementwise = True

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        partials: Sequence[Partial] | None,
        *,
        dtype: Callable[[Sequence[np.dtype], Mapping[str, Any]], np.dtype],
        hazard: int = 0,
        hazard_of: Callable[..., int] | None = None,
        vjp: Callable[..., Any] | None = None,
        jvp: Callable[..., Any] | None = None,
        selector: bool = False,
        is_view: bool = False,
        adds: bool = False,
        floats: bool = False,
        tame: bool = False,
    ) -> None:
        super().__init__(name)
        self.is_view, self.adds = is_view, adds
        self.value, self.partials, self.dtype_rule = value, partials, dtype
        self.hazard, self.hazard_of = hazard, hazard_of
        self.vjp_rule, self.jvp_rule = vjp, jvp
        self.promoted_from = 1 if selector else 0
        self.floats, self.tame = floats, tame
        self._weak: dict[Any, np.dtype] = {}

    # -- building ------------------------------------------------------------------------------
    def build(self, arguments: Sequence[Any]) -> Variable:
        """A node on Variables, arrays and Python numbers (which adapt to the others' dtype)."""
        if self.floats:
            arguments = [as_float(argument) for argument in arguments]
        for argument in arguments:
            if not isinstance(argument, Variable):
                return apply(self.plain, self._coerce(arguments))
        return apply(self.plain, tuple(arguments))

    @located
    def _coerce(self, arguments: Sequence[Any]) -> tuple[Variable, ...]:
        strong: list[Any] = [
            a if type(a) in _WEAK or isinstance(a, Dim) else as_variable(a) for a in arguments
        ]
        kinds = tuple([
            v.type.dtype for v in strong[self.promoted_from :] if isinstance(v, Variable)
        ])  # fmt: skip
        return tuple([v if isinstance(v, Variable) else self._number(v, kinds) for v in strong])

    def _number(self, value: Any, others: tuple[np.dtype, ...]) -> Variable:
        """A Python number or a Dim, in the dtype that it takes beside the others."""
        if isinstance(value, Dim):
            size, target = dims.to_variable(value), np.result_type(*others, 0)
            return size.astype(target) if target.kind in "fc" else size
        if not others:
            return Constant(value)
        key = (others, type(value))
        dtype = self._weak.get(key)
        if dtype is None:
            dtype = self._weak[key] = np.result_type(*others, type(value)(0))
        try:
            return Constant(np.asarray(value, dtype=dtype))
        except OverflowError as error:
            if self.dtype_rule([dtype, dtype], {}) == np.bool_:
                return Constant(value)
            raise DTypeError(
                f"{self.name}: the number {value} does not fit into {dtype}",
                remedy="convert the array first, for example x.astype('int64')",
            ) from error

    # -- rules ---------------------------------------------------------------------------------
    def infer(self, types: Sequence[TensorType], params: Mapping[str, Any]) -> tuple[Any, ...]:
        shape = broadcast_shapes(self.name, [t.shape for t in types])
        return (TensorType(self.dtype_rule([t.dtype for t in types], params), shape),)

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return self.value(xp, *arrays, **params)

    def cuts(self, position: int) -> bool:
        if self.vjp_rule is not None:
            return False
        return self.partials is None or self.partials[position] is None

    def _partial(self, node: Apply, position: int) -> Any:
        rule = self.partials[position] if self.partials is not None else None
        return rule(node.output(0), *node.inputs) if callable(rule) else rule

    def _weigh(self, node: Apply, flow: Variable, partial: Any) -> Any:
        """Cotangent or tangent times partial; a tame partial is as finite as real operands are."""
        tame = self.tame and not any(is_risky(v) or v.dtype.kind == "c" for v in node.inputs)
        return weigh(flow, partial, risky=not tame)

    def vjp(
        self, node: Apply, cotangents: Sequence[Variable | None], wanted: Sequence[bool]
    ) -> Sequence[Variable | None]:
        cotangent = cotangents[0]
        if cotangent is None:
            return [None] * len(wanted)
        if self.vjp_rule is not None:
            given = self.vjp_rule(cotangent, node.output(0), *node.inputs)
            return [
                fit(c, x) if w else None
                for c, x, w in zip(given, node.inputs, wanted, strict=True)
            ]
        contributions: list[Variable | None] = []
        for position, (operand, needed) in enumerate(zip(node.inputs, wanted, strict=True)):
            partial = self._partial(node, position) if needed else None
            product = self._weigh(node, cotangent, partial) if partial is not None else None
            contributions.append(fit(product, operand))
        return contributions

    def jvp(
        self, node: Apply, tangents: Sequence[Variable | None]
    ) -> Sequence[Variable | None] | None:
        if self.jvp_rule is not None:
            return [self.jvp_rule(tangents, node.output(0), *node.inputs)]
        if self.vjp_rule is not None and self.partials is None:
            return None
        terms: list[Variable | None] = []
        for position, tangent in enumerate(tangents):
            partial = self._partial(node, position) if tangent is not None else None
            terms.append(
                self._weigh(node, tangent, partial)
                if tangent is not None and partial is not None
                else None
            )
        total = add_up(terms)
        return [spread_to(total, node.output(0)) if total is not None else None]


# ---- dtype rules -----------------------------------------------------------------------------
def as_ufunc(ufunc: np.ufunc) -> Callable[[Sequence[np.dtype], Mapping[str, Any]], np.dtype]:
    """The result dtype of a NumPy ufunc."""

    def rule(dtypes: Sequence[np.dtype], params: Mapping[str, Any]) -> np.dtype:
        try:
            return ufunc.resolve_dtypes((*dtypes, *[None] * ufunc.nout))[ufunc.nin]
        except TypeError as error:
            given = ", ".join(map(str, dtypes))
            raise DTypeError(
                f"{ufunc.__name__} is not defined for dtype {given}",
                cause=str(error).splitlines()[0],
                remedy="convert the operand with x.astype(...)",
            ) from None

    return rule


def as_first_of(*positions: int) -> Callable[[Sequence[np.dtype], Mapping[str, Any]], np.dtype]:
    """The common dtype of the operands at `positions`."""
    return lambda dtypes, params: np.result_type(*[dtypes[p] for p in positions])


def real_float(dtypes: Sequence[np.dtype], params: Mapping[str, Any]) -> np.dtype:
    """The common dtype of real floats; DTypeError for complex numbers."""
    found = np.result_type(*dtypes)
    if found.kind != "f":
        raise DTypeError(
            f"not defined for dtype {found}", remedy="take x.real, x.imag or abs(x) first"
        )
    return found


def as_float(argument: Any) -> Variable:
    """Integers and booleans as float64 (as in ``np.mean``), for formulas that need floats."""
    variable = as_variable(argument)
    if variable.dtype.kind in "fc":
        return variable
    found: Variable = OPS["astype"](variable, "float64")
    return found


# ---- declaring -------------------------------------------------------------------------------
def elementwise(
    name: str,
    value: Callable[..., Any],
    partials: Sequence[Partial] | None,
    *,
    doc: str,
    reference: Any = None,
    dtype: Any = None,
    domain: Sequence[Interval | np.ndarray] = ((-2.0, 2.0),),
    dtypes: str = "f",
    arity: int | None = None,
    numpy_names: Sequence[Any] = (),
    aliases: Sequence[str] = (),
    differentiable: bool = True,
    order: int = 2,
    namespace: str = "",
    depth: int = 1,
    **rules: Any,
) -> Callable[..., Variable]:
    """Declare an elementwise operation and return the public function that builds it.

    value     formula ``(xp, *operands) -> array`` over an array namespace
    partials  for each operand ``(result, *operands) -> Variable``, a number, None where no
              derivative flows, or `refuse` (see `refusal`); None as a whole: no derivative at all
    reference NumPy's function: the value to test against, and what dispatches here
    domain    one interval for each operand on which value and derivatives are tested
    tame      (in rules) the partials are finite at all finite real operands, whatever ops they
              are made of: then their products need no strong zeros
    dtypes    kinds of dtype it is tested on: f float, c complex, i integer, b bool; an array of
              integers or booleans as domain keeps its own
    namespace "special" makes it ``ga.special.name``
    depth     of the call in which the module stands that declares it
    """
    count = arity or (reference.nin if isinstance(reference, np.ufunc) else len(partials or (0,)))
    rule = dtype or as_ufunc(reference)
    public = f"{namespace}.{name}" if namespace else name
    family = Elementwise(public, value, partials, dtype=rule, **rules)
    is_ufunc = isinstance(reference, np.ufunc)
    function = _UFUNC[count](family, reference) if is_ufunc else _BUILDERS[count](family)
    intervals = [domain[min(i, len(domain) - 1)] for i in range(count)]
    names_of = [_sample_dtype(interval, dtypes[0]) for interval in intervals]
    example = ", ".join([f'ga.vector("x{i}", dtype={d!r})' for i, d in enumerate(names_of)])
    function.__name__ = function.__qualname__ = name
    function.__module__ = sys._getframe(depth).f_globals["__name__"]
    function.__doc__ = (
        f"{doc}\n\n    Elementwise with broadcasting: operands of shapes that fit give their"
        f" common shape;\n    dtypes are promoted as in NumPy. Raises ShapeError for a clash.\n\n"
        f"    >>> import graphad as ga\n    >>> ga.{public}({example}).ndim\n    1\n    "
    )

    def samples(rng: np.random.Generator) -> list[Sample]:
        return [Sample(draw(rng, intervals, shapes, dtypes[0])) for shapes in _SHAPES[count]]

    topic = namespace or "elementwise"
    entry = Entry(public, function, topic, reference, samples, differentiable, order, family)
    known = vars(np).get(getattr(reference, "__name__", "")) is reference
    names = [reference, *numpy_names] if known else numpy_names
    OPS.add(entry, numpy_names=[n for n in names if n is not None], aliases=aliases)
    return function


_DTYPE = {"f": "float64", "c": "complex128", "i": "int64", "b": "bool"}
_SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    1: [((5,),), ((),), ((2, 3),), ((0, 2),)],
    2: [((5,), (5,)), ((2, 3), (3,)), ((), (4,)), ((2, 1), (1, 3)), ((0,), (1,))],
    3: [((5,), (5,), (5,)), ((2, 3), (3,), ()), ((2, 1), (1, 3), (2, 3)), ((0,), (1,), ())],
    4: [((5,), (5,), (5,), (5,)), ((2, 1), (), (1, 3), (2, 3))],
}


def _sample_dtype(interval: Any, kind: str) -> str:
    """Conditions and integers to choose from keep their dtype."""
    keep = isinstance(interval, np.ndarray) and interval.dtype.kind in "bi"
    return str(interval.dtype) if keep else _DTYPE[kind]


def draw(
    rng: np.random.Generator, intervals: Sequence[Any], shapes: Sequence[tuple], kind: str
) -> tuple[np.ndarray, ...]:
    """Random arrays of the given shapes in the given intervals.

    >>> draw(np.random.default_rng(0), [(0.0, 1.0)], [(2,)], "f")[0].shape
    (2,)
    """
    arrays = []
    for interval, shape in zip(intervals, shapes, strict=True):
        if isinstance(interval, np.ndarray):
            array = rng.choice(interval, size=shape)
        else:
            array = rng.uniform(interval[0], interval[1], size=shape)
        if kind == "c":
            array = array + 1j * rng.uniform(-1, 1, size=shape)
        arrays.append(np.asarray(array).astype(_sample_dtype(interval, kind)))
    return tuple(arrays)


def _unary(family: Elementwise) -> Callable[..., Variable]:
    def function(x: Any, /) -> Variable:
        return family.build((x,))

    return function


def _binary(family: Elementwise) -> Callable[..., Variable]:
    def function(x1: Any, x2: Any, /) -> Variable:
        return family.build((x1, x2))

    return function


def _ternary(family: Elementwise) -> Callable[..., Variable]:
    def function(x1: Any, x2: Any, x3: Any, /) -> Variable:
        return family.build((x1, x2, x3))

    return function


def _quaternary(family: Elementwise) -> Callable[..., Variable]:
    def function(x1: Any, x2: Any, x3: Any, x4: Any, /) -> Variable:
        return family.build((x1, x2, x3, x4))

    return function


def _unary_ufunc(family: Elementwise, ufunc: np.ufunc) -> Callable[..., Variable]:
    """A function that also takes the keywords of every ufunc: dtype, casting, where=True."""

    def function(x: Any, /, out: Any = None, **keywords: Any) -> Any:
        if out is None and not keywords:
            return family.build((x,))
        return with_keywords(ufunc, function, (x,), {"out": out, **keywords})

    return function


def _binary_ufunc(family: Elementwise, ufunc: np.ufunc) -> Callable[..., Variable]:
    def function(x1: Any, x2: Any, /, out: Any = None, **keywords: Any) -> Any:
        if out is None and not keywords:
            return family.build((x1, x2))
        return with_keywords(ufunc, function, (x1, x2), {"out": out, **keywords})

    return function


_UFUNC = {1: _unary_ufunc, 2: _binary_ufunc}
_BUILDERS = {1: _unary, 2: _binary, 3: _ternary, 4: _quaternary}
