"""
Polynomial regression
=====================

The coefficients of a polynomial of degree 4, from noisy values of x⁴ - 10x² + 10x, by gradient
descent.

Powers of x between -3 and 3 differ in size by a factor of 81, and the even ones resemble each
other: on them plain descent would crawl. So they are brought to one scale, and momentum carries
the steps along the narrow valley that is left.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 2_000 if "--short" in sys.argv else 5_000
DEGREE = 4

rng = np.random.default_rng(1)
data = np.linspace(-3.0, 3.0, 200)
target = data**4 - 10.0 * data**2 + 10.0 * data + rng.normal(0.0, 1.0, 200)
powers = np.vander(data, DEGREE + 1, increasing=True)
scale = np.sqrt((powers**2).mean(axis=0))

# %%
# Two shared variables: the coefficients, and the direction in which they move.

X, t = ga.matrix("X", shape=("points", DEGREE + 1)), ga.vector("t", shape=("points",))
w = ga.shared(np.zeros(DEGREE + 1), name="w")
speed = ga.shared(np.zeros(DEGREE + 1), name="speed")
loss = ((X @ w - t) ** 2).mean()
faster = 0.95 * speed - 0.02 * ga.grad(loss, w)
step = ga.function([X, t], loss, updates={speed: faster, w: w + faster}, name="step")

history = [step(powers / scale, target) for _ in range(STEPS)]
coefficients = w.value / scale
print("coefficients from degree 0 to 4:", ", ".join(f"{c:.2f}" for c in coefficients))

# %%
# Near (0, 10, -10, 0, 1), and what least squares gives.

exact = np.linalg.lstsq(powers, target, rcond=None)[0]
np.testing.assert_allclose(coefficients, exact, atol=1e-3)
np.testing.assert_allclose(coefficients, [0.0, 10.0, -10.0, 0.0, 1.0], atol=0.5)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.plot(data, target, ".", color="0.6", label="points")
left.plot(data, data**4 - 10 * data**2 + 10 * data, "k--", linewidth=1, label="x⁴ - 10x² + 10x")
left.plot(data, powers @ coefficients, label="fit")
left.set(xlabel="x", ylabel="y")
left.legend()
right.loglog(range(1, STEPS + 1), history)
right.set(xlabel="step", ylabel="mean squared error")
plt.show()
