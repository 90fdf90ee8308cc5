"""As `autograd_programs.newton_iteration`: loops have a fixed length, long enough for all values,
and both sides of a branch are computed."""

import jax
import jax.numpy as np
import numpy.random as npr

from benchmarks.jaxed import value_and_grad

LENGTH = 12  # steps after which the iterations stand still


def until_still(step, start):
    """The fixed point of a Newton step; steps that no longer move it are left out."""

    def body(carry, _):
        x, change = carry
        new, moved = step(x)
        goes_on = change > 1e-12
        return (np.where(goes_on, new, x), np.where(goes_on, moved, change)), None

    return jax.lax.scan(body, (start, 1.0), None, length=LENGTH)[0][0]


def cube_root(a):
    def step(x):
        new = x - (x**3 - a) / (3.0 * x**2)
        return new, abs(new**3 - a) / np.maximum(1.0, abs(a))

    return until_still(step, 1.0 + 0.0 * a)


def kepler(mean, eccentricity):
    def step(found):
        change = (found - eccentricity * np.sin(found) - mean) / (
            1.0 - eccentricity * np.cos(found)
        )
        return found - change, abs(change)

    return until_still(step, np.where(eccentricity < 0.8, mean, np.pi))


def setup():
    rs = npr.RandomState(6)
    means = np.linspace(0.2, 3.0, 8)
    angles = means + 0.55 * np.sin(means) + 0.01 * rs.randn(8)

    def loss(params):
        scale, raw = params[0], params[1]
        eccentricity = 1.0 / (1.0 + np.exp(-raw))
        total = 0.0
        for mean, angle in zip(means, angles, strict=True):
            total = total + (kepler(mean, eccentricity) - angle) ** 2
        size = cube_root(1.0 + scale**2)
        return total + np.where(size > 1.2, (size - 1.2) ** 2, 0.1 * (size - 1.1) ** 2)

    return loss, np.array([2.0, -1.0])


def train(iterations):
    loss, params = setup()
    step = value_and_grad(loss)
    values = []
    for _ in range(iterations):
        value, gradient = step(params)
        params = params - 0.2 * gradient
        values.append(value)
    return {"params": params, "values": values}
