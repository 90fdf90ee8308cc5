"""Trigonometric and hyperbolic functions, elementwise; angles are in radians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.ir.families.elementwise import Elementwise, as_ufunc, elementwise
from graphad.ir.op import RISKY
from graphad.ir.variable import Variable
from graphad.ops.elementwise import NONZERO, POSITIVE, reciprocal, sqrt, square

INSIDE = (-0.7, 0.7)

#   y = f(x)                         dy/dx
sin: Callable[..., Variable] = elementwise(
    "sin", lambda xp, x: xp.sin(x), (lambda y, x: cos(x),),
    reference=np.sin, doc="Sine.")  # fmt: skip
cos: Callable[..., Variable] = elementwise(
    "cos", lambda xp, x: xp.cos(x), (lambda y, x: -sin(x),),
    reference=np.cos, doc="Cosine.")  # fmt: skip
tan = elementwise(
    "tan", lambda xp, x: xp.tan(x), (lambda y, x: 1 + square(y),),
    reference=np.tan, domain=((-1.2, 1.2),), hazard=RISKY, doc="Tangent.")  # fmt: skip
arcsin = elementwise(
    "arcsin", lambda xp, x: xp.arcsin(x), (lambda y, x: reciprocal(sqrt(1 - square(x))),),
    reference=np.arcsin, domain=(INSIDE,), hazard=RISKY, doc="Inverse sine.")  # fmt: skip
arccos = elementwise(
    "arccos", lambda xp, x: xp.arccos(x), (lambda y, x: -reciprocal(sqrt(1 - square(x))),),
    reference=np.arccos, domain=(INSIDE,), hazard=RISKY, doc="Inverse cosine.")  # fmt: skip
arctan = elementwise(
    "arctan", lambda xp, x: xp.arctan(x), (lambda y, x: reciprocal(1 + square(x)),),
    reference=np.arctan, tame=True, doc="Inverse tangent.")  # fmt: skip
# x / z, and 0 where z = 0: the coordinates of a direction
_ratio: Any = Elementwise(
    "ratio", lambda xp, x, z: xp.divide(x, xp.where(xp.equal(z, 0), 1, z)),
    (lambda q, x, z: _ratio((z != 0).astype(z.dtype), z), lambda q, x, z: -_ratio(q, z)),
    dtype=as_ufunc(np.divide))  # fmt: skip
hypot = elementwise(
    "hypot", lambda xp, x, y: xp.hypot(x, y),
    (lambda z, x, y: _ratio(x, z), lambda z, x, y: _ratio(y, z)),
    reference=np.hypot, domain=(NONZERO, NONZERO),
    doc="√(x1² + x2²), without overflow. At (0, 0) all derivatives are 0.")  # fmt: skip
arctan2 = elementwise(
    "arctan2", lambda xp, y, x: xp.arctan2(y, x),
    (lambda z, y, x: _per_radius(x, y, x), lambda z, y, x: -_per_radius(y, y, x)),
    reference=np.arctan2, domain=(NONZERO, POSITIVE),
    doc="Angle of the point (x2, x1), in (-π, π].\n\n"
    "    At (0, 0), which has no direction, all derivatives are 0; the jump is ignored.",
)  # fmt: skip


def _per_radius(t: Variable, y: Variable, x: Variable) -> Variable:
    """t / (x² + y²), without overflow."""
    radius = hypot(y, x)
    found: Variable = _ratio(_ratio(t, radius), radius)
    return found


sinh: Callable[..., Variable] = elementwise(
    "sinh", lambda xp, x: xp.sinh(x), (lambda y, x: cosh(x),),
    reference=np.sinh, hazard=RISKY, doc="Hyperbolic sine.")  # fmt: skip
cosh: Callable[..., Variable] = elementwise(
    "cosh", lambda xp, x: xp.cosh(x), (lambda y, x: sinh(x),),
    reference=np.cosh, hazard=RISKY, doc="Hyperbolic cosine.")  # fmt: skip
tanh = elementwise(
    "tanh", lambda xp, x: xp.tanh(x), (lambda y, x: 1 - square(y),),
    reference=np.tanh, doc="Hyperbolic tangent.")  # fmt: skip
arcsinh = elementwise(
    "arcsinh", lambda xp, x: xp.arcsinh(x), (lambda y, x: reciprocal(sqrt(square(x) + 1)),),
    reference=np.arcsinh, tame=True, doc="Inverse hyperbolic sine.")  # fmt: skip
arccosh = elementwise(
    "arccosh", lambda xp, x: xp.arccosh(x), (lambda y, x: reciprocal(sqrt(x - 1) * sqrt(x + 1)),),
    reference=np.arccosh, domain=((1.2, 3.0),), hazard=RISKY,
    doc="Inverse hyperbolic cosine.")  # fmt: skip
arctanh = elementwise(
    "arctanh", lambda xp, x: xp.arctanh(x), (lambda y, x: reciprocal(1 - square(x)),),
    reference=np.arctanh, domain=(INSIDE,), hazard=RISKY,
    doc="Inverse hyperbolic tangent.")  # fmt: skip
deg2rad = elementwise(
    "deg2rad", lambda xp, x: xp.deg2rad(x), (float(np.pi / 180),),
    reference=np.deg2rad, numpy_names=[np.radians], doc="Degrees to radians.")  # fmt: skip
rad2deg = elementwise(
    "rad2deg", lambda xp, x: xp.rad2deg(x), (float(180 / np.pi),),
    reference=np.rad2deg, numpy_names=[np.degrees], doc="Radians to degrees.")  # fmt: skip
