"""A loss with a loop that ends when its values say so, and branches on values."""

import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import value_and_grad


def cube_root(a):
    """Newton's iteration until it stands still; how long that takes depends on a."""
    x = 1.0
    while abs(x**3 - a) > 1e-12 * max(1.0, abs(a)):
        x = x - (x**3 - a) / (3.0 * x**2)
    return x


def kepler(mean, eccentricity):
    """E with E - e·sin(E) = M, by Newton's iteration."""
    found = mean if eccentricity < 0.8 else np.pi
    change = 1.0
    while abs(change) > 1e-12:
        change = (found - eccentricity * np.sin(found) - mean) / (
            1.0 - eccentricity * np.cos(found)
        )
        found = found - change
    return found


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
        if size > 1.2:
            return total + (size - 1.2) ** 2
        return total + 0.1 * (size - 1.1) ** 2

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
