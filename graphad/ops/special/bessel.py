"""Bessel functions of real or complex argument; Airy functions.

The derivative in the argument follows from the functions of neighbouring orders. In the order
there is no formula of this kind: GradientError. Source: NIST Digital Library of Mathematical
Functions, sections 10.6, 10.29, 10.51 and 9.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from graphad.ir.families.common import public
from graphad.ir.families.elementwise import Elementwise
from graphad.ir.families.refusal import refuse
from graphad.ir.op import RISKY, Sample
from graphad.ir.variable import Variable
from graphad.libraries import scipy
from graphad.ops.elementwise import sign, where
from graphad.ops.special.declare import dtype_of, opaque, special

_ORDERS = np.array([0, 1, 2, 3])
_POSITIVE = (0.6, 4.0)
_ARGUMENT = np.array([-2.3, -1.1, 0.4, 1.7, 3.2])
_order = refuse("the order v")

# ---- any order -------------------------------------------------------------------------------
#   y = f(v, x)                  ∂y/∂x
jv: Callable[..., Variable] = special(
    "jv", _order, lambda y, v, x: (jv(v - 1, x) - jv(v + 1, x)) / 2, real=False,
    domain=(_ORDERS, _ARGUMENT), aliases=["jn"],
    doc="jv(v, z), the Bessel function of the first kind of real order v.")  # fmt: skip
yv: Callable[..., Variable] = special(
    "yv", _order, lambda y, v, x: (yv(v - 1, x) - yv(v + 1, x)) / 2, real=False,
    domain=(_ORDERS, _POSITIVE),
    doc="yv(v, z), the Bessel function of the second kind of real order v.")  # fmt: skip
iv: Callable[..., Variable] = special(
    "iv", _order, lambda y, v, x: (iv(v - 1, x) + iv(v + 1, x)) / 2, real=False,
    domain=(_ORDERS, _ARGUMENT),
    doc="iv(v, z), the modified Bessel function of the first kind of real order v.")  # fmt: skip
kv: Callable[..., Variable] = special(
    "kv", _order, lambda y, v, x: (kv(v - 1, x) + kv(v + 1, x)) / -2, real=False,
    domain=(_ORDERS, _POSITIVE),
    doc="kv(v, z), the modified Bessel function of the second kind of real order v.",
)  # fmt: skip
# Exponentially scaled. With complex z the factors of jve and ive are not analytic.
jve: Callable[..., Variable] = special(
    "jve", _order, lambda y, v, x: (jve(v - 1, x) - jve(v + 1, x)) / 2,
    domain=(_ORDERS, _ARGUMENT), doc="jve(v, x) = jv(v, z)·exp(-|Im z|): for real x, jv.",
)  # fmt: skip
yve: Callable[..., Variable] = special(
    "yve", _order, lambda y, v, x: (yve(v - 1, x) - yve(v + 1, x)) / 2,
    domain=(_ORDERS, _POSITIVE), doc="yve(v, x) = yv(v, z)·exp(-|Im z|): for real x, yv.",
)  # fmt: skip
ive: Callable[..., Variable] = special(
    "ive", _order, lambda y, v, x: (ive(v - 1, x) + ive(v + 1, x)) / 2 - sign(x) * y,
    domain=(_ORDERS, _ARGUMENT), doc="ive(v, x) = iv(v, x)·exp(-|x|), real.")  # fmt: skip
kve: Callable[..., Variable] = special(
    "kve", _order, lambda y, v, x: y - (kve(v - 1, x) + kve(v + 1, x)) / 2, real=False,
    domain=(_ORDERS, _POSITIVE), doc="kve(v, z) = kv(v, z)·exp(z).")  # fmt: skip

# ---- integer orders --------------------------------------------------------------------------
yn = special(
    "yn", refuse("the order n"), lambda y, n, x: (yv(n - 1, x) - yv(n + 1, x)) / 2,
    domain=(_ORDERS, _POSITIVE), doc="yn(n, x): yv of integer order and real x.")  # fmt: skip
kn = special(
    "kn", refuse("the order n"), lambda y, n, x: (kv(n - 1, x) + kv(n + 1, x)) / -2,
    domain=(_ORDERS, _POSITIVE), doc="kn(n, x): kv of integer order and real x.")  # fmt: skip
#   y = f(x)                     dy/dx
j0 = special(
    "j0", lambda y, x: -j1(x), finite=True, doc="jv of order 0.")  # fmt: skip
j1: Callable[..., Variable] = special(
    "j1", lambda y, x: (j0(x) - jv(2.0, x)) / 2, finite=True, doc="jv of order 1.")  # fmt: skip
y0 = special(
    "y0", lambda y, x: -y1(x), domain=(_POSITIVE,), doc="yv of order 0.")  # fmt: skip
y1: Callable[..., Variable] = special(
    "y1", lambda y, x: (y0(x) - yv(2.0, x)) / 2, domain=(_POSITIVE,),
    doc="yv of order 1.")  # fmt: skip
i0 = special("i0", lambda y, x: i1(x), doc="iv of order 0.")
i1: Callable[..., Variable] = special(
    "i1", lambda y, x: (i0(x) + iv(2.0, x)) / 2, doc="iv of order 1.")  # fmt: skip
i0e: Callable[..., Variable] = special(
    "i0e", lambda y, x: i1e(x) - sign(x) * y, domain=(_ARGUMENT,), finite=True,
    doc="i0(x)·exp(-|x|). The derivative at 0, a kink, is 0.")  # fmt: skip
i1e: Callable[..., Variable] = special(
    "i1e", lambda y, x: (i0e(x) + ive(2.0, x)) / 2 - sign(x) * y, domain=(_ARGUMENT,),
    finite=True, doc="i1(x)·exp(-|x|).")  # fmt: skip
k0 = special("k0", lambda y, x: -k1(x), domain=(_POSITIVE,), doc="kv of order 0.")
k1: Callable[..., Variable] = special(
    "k1", lambda y, x: (k0(x) + kv(2.0, x)) / -2, domain=(_POSITIVE,),
    doc="kv of order 1.")  # fmt: skip
k0e = special(
    "k0e", lambda y, x: y - k1e(x), domain=(_POSITIVE,), doc="k0(x)·exp(x).")  # fmt: skip
k1e: Callable[..., Variable] = special(
    "k1e", lambda y, x: y - (k0e(x) + kve(2.0, x)) / 2, domain=(_POSITIVE,),
    doc="k1(x)·exp(x).")  # fmt: skip


# ---- spherical -------------------------------------------------------------------------------
def _spherical(kind: str, sign_of_next: int, first: str) -> Callable[..., Variable]:
    """(2n+1)·f'ₙ = ±n·fₙ₋₁ ± (n+1)·fₙ₊₁, finite at 0; without the first term for n = 0."""

    def value(n: Any, x: Any) -> Any:
        return getattr(scipy("special"), f"spherical_{kind}")(n, x)

    def slope(y: Variable, n: Variable, x: Variable) -> Variable:
        before = where(n > 0, n * op(where(n > 0, n - 1, 0), x), 0)
        before = -before if kind == "kn" else before
        return (before + sign_of_next * (n + 1) * op(n + 1, x)) / (2 * n + 1)

    op: Callable[..., Variable] = special(
        f"spherical_{kind}", refuse("the order n"), slope, value=value, depth=2,
        domain=(_ORDERS, _POSITIVE),
        doc=f"spherical_{kind}(n, x), the {first} spherical Bessel function of order n = 0, 1, …",
    )  # fmt: skip
    return op


spherical_jn = _spherical("jn", -1, "first")
spherical_yn = _spherical("yn", -1, "second")
spherical_in = _spherical("in", 1, "modified first")
spherical_kn = _spherical("kn", -1, "modified second")


# ---- Airy ------------------------------------------------------------------------------------
def _airy_part(name: str, position: int, partial: Any) -> Elementwise:
    def value(x: Any) -> Any:
        return scipy("special").airy(x)[position]

    return Elementwise(
        name, opaque(value), (partial,), dtype=dtype_of("airy", value), hazard=RISKY
    )


#   w'' = x·w: the derivative of w' is x·w
_ai: Elementwise = _airy_part("airy_ai", 0, lambda y, x: _aip.build((x,)))
_aip: Elementwise = _airy_part("airy_aip", 1, lambda y, x: x * _ai.build((x,)))
_bi: Elementwise = _airy_part("airy_bi", 2, lambda y, x: _bip.build((x,)))
_bip: Elementwise = _airy_part("airy_bip", 3, lambda y, x: x * _bi.build((x,)))


class AiryResult(NamedTuple):
    """What `airy` returns: the two Airy functions and their derivatives."""

    Ai: Variable
    Aip: Variable
    Bi: Variable
    Bip: Variable


@public(
    namespace="special", reference=lambda z: scipy("special").airy(z),
    samples=lambda rng: [Sample((rng.uniform(-3, 2, size=s),)) for s in ((5,), (2, 3))],
)  # fmt: skip
def airy(z: Any) -> AiryResult:
    """(Ai, Ai', Bi, Bi') at z (…), as ``scipy.special.airy``.

    >>> import graphad as ga
    >>> float(ga.special.airy(ga.constant(0.0)).Ai.eval().round(6))
    0.355028
    """
    return AiryResult(*[part.build((z,)) for part in (_ai, _aip, _bi, _bip)])
