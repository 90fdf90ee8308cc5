"""Frequencies of a transform, and their order: fftfreq, rfftfreq, fftshift, ifftshift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import AxisError, ShapeError, UseError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import normalize_axis, public, size_spec
from graphad.ir.families.movement import Movement, along_axes
from graphad.ir.op import OPS, Sample
from graphad.ir.variable import Apply, Variable, as_variable

_SHIFTS: Sequence[dict[str, Any]] = ({}, {"axes": 0}, {"axes": (1,)}, {"axes": (0, -1)})


# ---- order -----------------------------------------------------------------------------------
def _rolled(xp: Any, x: Any, axes: tuple[int, ...], back: bool) -> Any:
    halves = [x.strides and x.shape[axis] // 2 for axis in axes]  # strides: on arrays only
    return xp.roll(x, tuple([-half if back else half for half in halves]), axes)


def _rolled_vjp(g: Variable, node: Apply) -> list[Variable]:
    params = node.op.params
    return [_roll_half(g, axes=params["axes"], back=not params["back"])]


_roll_half = Movement(
    "roll_half", shape=lambda types, axes, back: types[0].shape, value=_rolled, vjp=_rolled_vjp,
    batch=along_axes,
)  # fmt: skip


def _shift(name: str, x: Any, axes: Any, back: bool) -> Variable:
    variable = as_variable(x)
    if axes is None:
        chosen: Any = range(variable.ndim)
    else:
        chosen = axes if isinstance(axes, tuple | list) else (axes,)
    along = tuple([normalize_axis(axis, variable.ndim, name) for axis in chosen])
    if not along:
        raise AxisError(
            f"{name} along no axis of an array of shape {shape_text(variable.type.shape)}",
            remedy="name at least one axis",
        )
    return _roll_half(variable, axes=along, back=back)


def _shift_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [Sample((rng.normal(size=5),)), *[Sample((x,), k) for k in _SHIFTS]]


@public(np.fft.fftshift, namespace="fft", samples=_shift_samples)
def fftshift(x: Any, axes: Any = None) -> Variable:
    """Frequency 0 moved to the middle of `axes` (None: all), as ``np.fft.fftshift``.

    Raises AxisError for an axis that x does not have.

    >>> import graphad as ga
    >>> ga.fft.fftshift(ga.constant([0, 1, 2, -2, -1])).eval()
    array([-2, -1,  0,  1,  2])
    """
    return _shift("fftshift", x, axes, False)


@public(np.fft.ifftshift, namespace="fft", samples=_shift_samples)
def ifftshift(x: Any, axes: Any = None) -> Variable:
    """The inverse of `fftshift`, as ``np.fft.ifftshift``; another function for odd sizes.

    >>> import graphad as ga
    >>> ga.fft.ifftshift(ga.constant([-2, -1, 0, 1, 2])).eval()
    array([ 0,  1,  2, -2, -1])
    """
    return _shift("ifftshift", x, axes, True)


# ---- frequencies -----------------------------------------------------------------------------
def _count(name: str, n: Any, device: Any) -> Any:
    if device not in (None, "cpu"):
        raise UseError(f"{name}: device={device!r}", remedy='leave it out, or give "cpu"')
    (size,), _ = size_spec((n,), name)
    if isinstance(size, int) and size < 1:
        raise ShapeError(f"{name}: {size} points", remedy="n is 1 or more")
    return size if isinstance(size, int) else as_variable(n)


def _step(n: Any, d: Any) -> Any:
    return 1.0 / (n * (d if type(d) in (int, float) else as_variable(d)))


def _frequency_samples(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((), {"n": 5}), Sample((), {"n": 4, "d": 0.25}),
        Sample((), {"n": 6}, {"d": np.float64(0.3)}), Sample((), {"n": 1}, {"d": np.float64(2)}),
    ]  # fmt: skip


@public(namespace="fft", reference=np.fft.fftfreq, samples=_frequency_samples)
def fftfreq(n: Any, d: Any = 1.0, device: Any = None) -> Variable:
    """The frequencies of `fft` of n points at distance `d`: (n,) in cycles per unit of `d`.

    As ``np.fft.fftfreq``; n may be an entry of a ``.shape``, d a Variable.
    Raises ShapeError for no points, UseError for another device.

    >>> import graphad as ga
    >>> ga.fft.fftfreq(5, d=0.2).eval()
    array([ 0.,  1.,  2., -2., -1.])
    """
    size = _count("fftfreq", n, device)
    k = OPS["arange"](size)
    wrapped = OPS["where"](k < (size + 1) // 2, k, k - size)
    return OPS["multiply"](wrapped, _step(size, d))


@public(namespace="fft", reference=np.fft.rfftfreq, samples=_frequency_samples)
def rfftfreq(n: Any, d: Any = 1.0, device: Any = None) -> Variable:
    """The frequencies of `rfft` of n points at distance `d`: (n//2 + 1,), as ``np.fft.rfftfreq``.

    n may be an entry of a ``.shape``, d a Variable. Errors are those of `fftfreq`.

    >>> import graphad as ga
    >>> ga.fft.rfftfreq(4, d=0.25).eval()
    array([0., 1., 2.])
    """
    size = _count("rfftfreq", n, device)
    return OPS["multiply"](OPS["arange"](size // 2 + 1), _step(size, d))
