"""How a distribution of `scipy.stats` is declared: its formulas on the standardised variable.

A declaration gives, for z = (x - loc)/scale (counts: z = k - loc), the logarithm of the density,
distribution function, quantiles and moments as compositions of other ops, so derivatives of any
order follow. What is common stands here: signature, dtypes, loc and scale, support, range of
parameters.

    outside the support    density 0, log-density -∞, distribution function 0 or 1, derivative 0
    parameters out of range, NaN          NaN, as in SciPy
    dtypes                 floats keep theirs (SciPy computes float64), integers give float64
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphad.errors import DTypeError, UseError
from graphad.ir.families.elementwise import Elementwise, as_first_of
from graphad.ir.families.refusal import refuse
from graphad.ir.op import OPS, Entry, Sample
from graphad.ir.variable import Constant, Variable, as_variable, located
from graphad.libraries import scipy
from graphad.ops.elementwise import exp, log, square, where

INF = float("inf")
Formula = Callable[..., Any]
Interval = tuple[float, float]

# What a function has below and above the support.
_OUTSIDE: Mapping[str, tuple[float, float]] = {
    "logpdf": (-INF, -INF), "pdf": (0.0, 0.0), "logpmf": (-INF, -INF), "pmf": (0.0, 0.0),
    "cdf": (0.0, 1.0), "logcdf": (-INF, 0.0), "sf": (1.0, 0.0), "logsf": (0.0, -INF),
}  # fmt: skip
_DOCS = {
    "logpdf": "Logarithm of the density", "pdf": "Density",
    "logpmf": "Logarithm of the probability", "pmf": "Probability",
    "cdf": "Probability of at most {x}", "logcdf": "Logarithm of the probability of at most {x}",
    "sf": "Probability of more than {x}", "logsf": "Logarithm of the probability of more than {x}",
    "ppf": "Quantile, the inverse of cdf", "entropy": "Differential entropy (of counts: entropy)",
    "mean": "Mean", "var": "Variance",
}  # fmt: skip


@dataclass(frozen=True)
class Distribution:
    """A declared distribution.

    shapes    names of the shape parameters, in SciPy's order
    support   ends of the support of z, as a function of the shapes
    open      is the lower end outside?
    valid     conditions on the shapes
    formulas  by name of the method, functions of (z, *shapes), moments of (*shapes)
    domain    where it is tested: an interval (counts: integers) for z and for each shape
    """

    name: str
    shapes: tuple[str, ...]
    support: Callable[..., tuple[Any, Any]]
    valid: Callable[..., Sequence[Variable]]
    formulas: Mapping[str, Formula]
    domain: Sequence[Any]
    counts: bool = False
    open: bool = False
    orders: Mapping[str, int] = field(default_factory=dict)

    def enter(self) -> None:
        """All methods into the op table."""
        for method, formula in self._all_formulas().items():
            self._enter(method, formula)

    def _all_formulas(self) -> dict[str, Formula]:
        known: dict[str, Formula] = dict(self.formulas)
        log_name, name = ("logpmf", "pmf") if self.counts else ("logpdf", "pdf")
        density = known[log_name]
        known.setdefault(name, lambda *v: exp(density(*v)))
        if "cdf" in known:
            cdf = known["cdf"]
            known.setdefault("sf", lambda *v: 1 - cdf(*v))
            survival = known["sf"]
            known.setdefault("logcdf", lambda *v: log(cdf(*v)))
            known.setdefault("logsf", lambda *v: log(survival(*v)))
        return known

    # -- the public function -------------------------------------------------------------------
    def signature(self, method: str) -> inspect.Signature:
        """SciPy's: (x, *shapes, loc=0, scale=1)."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        first = [] if method in ("entropy", "mean", "var") else [self.first(method)]
        names = [inspect.Parameter(name, kind) for name in (*first, *self.shapes)]
        names.append(inspect.Parameter("loc", kind, default=0))
        if not self.counts:
            names.append(inspect.Parameter("scale", kind, default=1))
        return inspect.Signature(names)

    def first(self, method: str) -> str:
        """The name of the first argument."""
        return "q" if method == "ppf" else "k" if self.counts else "x"

    def _enter(self, method: str, formula: Formula) -> None:
        name, signature = f"{self.name}.{method}", self.signature(method)

        def function(*arguments: Any, **keywords: Any) -> Variable:
            try:
                bound = signature.bind(*arguments, **keywords)
            except TypeError as error:
                raise UseError(f"stats.{name}: {error}",
                               remedy=f"the signature is {name}{signature}") from None  # fmt: skip
            bound.apply_defaults()
            return self.build(method, formula, dict(bound.arguments))

        function.__name__, function.__qualname__ = method, name
        function.__module__ = "graphad.stats"
        function.__doc__ = self._doc(method, signature)
        checked = located(function)
        typed = [p.replace(annotation=Any) for p in signature.parameters.values()]
        checked.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            typed, return_annotation=Variable
        )
        order = self.orders.get(method, 2 if method in ("logpdf", "logpmf") else 1)
        entry = Entry(
            f"stats.{name}", checked, "stats", self._reference(method), self._samples(method),
            self._is_smooth(method), order)  # fmt: skip
        OPS.add(entry)

    def _doc(self, method: str, signature: inspect.Signature) -> str:
        what = _DOCS[method].format(x=self.first(method))
        needed = [p.name for p in signature.parameters.values() if p.default is p.empty]
        example = ", ".join([f'ga.scalar("{name}")' for name in needed] or ["loc=ga.scalar()"])
        return f"""{what}, as ``scipy.stats.{self.name}.{method}{signature}``.

    Operands broadcast; floats keep their dtype, integers give float64. Outside the support the
    density is 0 with derivative 0; parameters out of range give NaN. Raises DTypeError for
    complex numbers, ShapeError for shapes that do not fit.

    >>> import graphad as ga
    >>> ga.stats.{self.name}.{method}({example}).ndim
    0
    """

    # -- building ------------------------------------------------------------------------------
    def build(self, method: str, formula: Formula, given: Mapping[str, Any]) -> Variable:
        """The graph of one method for bound arguments."""
        values, target = as_floats(f"stats.{self.name}.{method}", given)
        shapes = [values[name] for name in self.shapes]
        loc = values["loc"] if _is_given(given["loc"], 0) else None
        scale = values["scale"] if _is_given(given.get("scale", 1), 1) else None
        bad = self._bad(shapes, scale)
        if method in ("entropy", "mean", "var"):
            result = _moment(method, formula(*shapes), loc, scale, values)
            result = result if bad is None else result + bad
        elif method == "ppf":
            q = values["q"]
            q = where((q < 0) | (q > 1), np.nan, q if bad is None else q + bad)
            low, high = self.support(*shapes)
            z = where(q == 0, low, where(q == 1, high, formula(q, *shapes)))
            result = _shift(z, loc, scale)
        else:
            result = self._at(method, formula, given, values, loc, scale, bad)
        return result if result.dtype == target else result.astype(target)

    def _bad(self, shapes: Sequence[Variable], scale: Variable | None) -> Variable | None:
        """NaN where a parameter is out of range, else 0; None where that cannot be."""
        conditions = list(self.valid(*shapes)) + ([] if scale is None else [scale > 0])
        if not conditions:
            return None
        good = conditions[0]
        for condition in conditions[1:]:
            good = good & condition
        dtype = shapes[0].dtype if shapes else scale.dtype  # type: ignore[union-attr]
        return where(good, Constant(np.zeros((), dtype)), Constant(np.asarray(np.nan, dtype)))

    def _at(
        self, method: str, formula: Formula, given: Mapping[str, Any],
        values: Mapping[str, Variable], loc: Variable | None, scale: Variable | None,
        bad: Variable | None,
    ) -> Variable:  # fmt: skip
        """A function of a point: density, probability, distribution function."""
        z = values[self.first(method)]
        z = z if loc is None else z - loc
        z = z if scale is None else z / scale
        if method in ("logpmf", "pmf"):
            z = _counts.build((z,))
        elif self.counts:
            z = OPS["floor"](z)
        shapes = [values[name] for name in self.shapes]
        at = z if bad is None else z + bad
        first = shapes[:1] if bad is None else [shape + bad for shape in shapes[:1]]  # NaN**0 = 1
        result = formula(at, *first, *shapes[1:])
        if scale is not None and method in ("logpdf", "pdf"):
            result = result - log(scale) if method == "logpdf" else result / scale
        low, high = self.support(*shapes)
        below, above = _OUTSIDE[method]
        if not _is_infinite(high):
            result = where(at > high, above, result)
        if not _is_infinite(low):
            result = where((at <= low) if self.open else (at < low), below, result)
        if method in ("logpmf", "pmf"):
            result = where((OPS["floor"](at) < at), below, result)  # not where it is NaN
        return result

    # -- tests ---------------------------------------------------------------------------------
    def _is_smooth(self, method: str) -> bool:
        return bool(self.shapes) or not self.counts

    def _reference(self, method: str) -> Callable[..., Any]:
        def reference(*arguments: Any, **keywords: Any) -> Any:
            arrays = [np.asarray(a) for a in (*arguments, *keywords.values())]
            if any(a.dtype.kind == "c" for a in arrays):
                raise TypeError("complex numbers")
            dtype = result_dtype([a.dtype for a in arrays])
            if not all(a.size for a in arrays):  # SciPy has no entropy of nothing
                return np.zeros(np.broadcast_shapes(*[a.shape for a in arrays]), dtype)
            wide = [np.asarray(a, float) for a in arguments]  # in integers SciPy overflows
            distribution = getattr(scipy("stats"), self.name)
            found = getattr(distribution, method)(*wide, **keywords)
            if method == "ppf" and not self.counts:  # some versions end at errors of 1e-11
                step = distribution.cdf(found, *wide[1:], **keywords) - wide[0]
                step = step / distribution.pdf(found, *wide[1:], **keywords)
                found = np.where(np.abs(step) < 1e-6, found - step, found)
            return np.asarray(found).astype(dtype)

        return reference

    def _samples(self, method: str) -> Callable[[np.random.Generator], list[Sample]]:
        def samples(rng: np.random.Generator) -> list[Sample]:
            shapes = [_draw(rng, interval, (2, 1)) for interval in self.domain[1:]]
            loc, scale = np.asarray(rng.uniform(-0.2, 0.2)), np.asarray(rng.uniform(0.7, 1.6))
            ends = [np.asarray(1)] if self.counts else [loc, scale]
            if method in ("entropy", "mean", "var"):
                return [Sample((*shapes, *ends))]
            if method == "ppf":
                return [Sample((rng.uniform(0.15, 0.85, size=3), *shapes, *ends))]
            z = _draw(rng, self.domain[0], (3,))
            if self.counts and method == "logsf":
                z = np.minimum(z, np.max(self.domain[0]) - 1)  # finite
            x = z + 1 if self.counts else loc + scale * z
            first = [Sample((x, *shapes, *ends))]
            if method not in ("logpdf", "logpmf"):
                return first
            return [*first, Sample((z, *[s[0] for s in shapes]))]

        return samples


# ---- parts -----------------------------------------------------------------------------------
_counts = Elementwise(
    "stats.count", lambda xp, x: xp.positive(x),
    (refuse("the count", cause="it jumps: a count is an integer"),), dtype=as_first_of(0),
)  # fmt: skip


def _is_given(value: Any, default: int) -> bool:
    return not (isinstance(value, int | float) and value == default)


def _is_infinite(end: Any) -> bool:
    return isinstance(end, float) and end in (INF, -INF)


def result_dtype(dtypes: Sequence[np.dtype]) -> np.dtype:
    """The common dtype of the floats; integers count as float64."""
    return np.result_type(*[d if d.kind == "f" else np.dtype(float) for d in dtypes])


def as_floats(name: str, given: Mapping[str, Any]) -> tuple[dict[str, Variable], np.dtype]:
    """The arguments in one float dtype (float16 computes in float32), and that of the result."""
    found = {k: v if type(v) in (int, float) else as_variable(v) for k, v in given.items()}
    dtypes = [v.dtype for v in found.values() if isinstance(v, Variable)]
    for argument, value in found.items():
        if isinstance(value, Variable) and value.dtype.kind == "c":
            raise DTypeError(f"{name}: {argument} is complex", remedy="take its real part first")
    target = result_dtype(dtypes) if dtypes else np.dtype(float)
    dtype = np.result_type(target, np.float32)
    values = {
        k: (v if v.dtype == dtype else v.astype(dtype))
        if isinstance(v, Variable)
        else Constant(np.asarray(v, dtype))
        for k, v in found.items()
    }
    return values, target


def _shift(z: Any, loc: Variable | None, scale: Variable | None) -> Any:
    scaled = z if scale is None else z * scale
    return scaled if loc is None else scaled + loc


def _moment(
    method: str, value: Any, loc: Variable | None, scale: Variable | None,
    values: Mapping[str, Variable],
) -> Variable:  # fmt: skip
    """Mean loc + scale·m, variance scale²·v, entropy h + log(scale); in the shape of all."""
    dtype = next(iter(values.values())).dtype
    value = value if isinstance(value, Variable) else Constant(np.asarray(value, dtype))
    if method == "mean":
        value = _shift(value, loc, scale)
    elif scale is not None:
        value = value * square(scale) if method == "var" else value + log(scale)
    rest = [v for v in (loc, scale) if v is not None]
    for other in rest:  # SciPy broadcasts all parameters
        if other.ndim:
            value = value + 0 * other
    return value


def _draw(rng: np.random.Generator, interval: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(interval, np.ndarray):
        return rng.choice(interval, size=shape)
    low, high = interval
    return rng.uniform(low, high, size=shape)


def positive(*shapes: Variable) -> list[Variable]:
    """The condition on shape parameters that is most common."""
    return [shape > 0 for shape in shapes]


def line(*shapes: Variable) -> tuple[float, float]:
    """The support of most distributions: all numbers."""
    return -INF, INF


def half_line(*shapes: Variable) -> tuple[float, float]:
    """The support [0, ∞)."""
    return 0.0, INF


def declare(
    name: str, *shapes: str, support: Callable[..., tuple[Any, Any]] = line,
    valid: Callable[..., Sequence[Variable]] = positive, domain: Sequence[Any],
    counts: bool = False, open: bool = False, orders: Mapping[str, int] | None = None,
    **formulas: Formula,
) -> None:  # fmt: skip
    """Enter all methods of a distribution into the op table; see `Distribution`."""
    Distribution(
        name, shapes, support, valid, formulas, domain, counts, open, orders or {}
    ).enter()
