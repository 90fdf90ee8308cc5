"""
Linear regression
=================

A line through noisy points, by gradient descent. The points come from y = 4x + 10, so the fit
should find a slope near 4 and an intercept near 10; how near is said by the formula of least
squares.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 100 if "--short" in sys.argv else 300

rng = np.random.default_rng(0)
data = rng.uniform(-3.0, 3.0, 100)
target = 4.0 * data + 10.0 + rng.normal(0.0, 2.0, 100)

# %%
# The graph: inputs, parameters, the mean squared error. One call of `step` computes the error
# and both derivatives, then moves the parameters.

x, t = ga.vector("x", shape=("points",)), ga.vector("t", shape=("points",))
w, b = ga.shared(0.0, name="w"), ga.shared(0.0, name="b")
loss = ((w * x + b - t) ** 2).mean()
slopes = ga.grad(loss, {"w": w, "b": b})
step = ga.function(
    [x, t], loss, updates={w: w - 0.1 * slopes["w"], b: b - 0.1 * slopes["b"]}, name="step"
)

history = [step(data, target) for _ in range(STEPS)]
print(f"w = {w.value:.4f}, b = {b.value:.4f}, mean squared error {history[-1]:.4f}")

# %%
# Least squares in closed form gives the same line.

exact = np.polyfit(data, target, 1)
print(f"closed form: w = {exact[0]:.4f}, b = {exact[1]:.4f}")
np.testing.assert_allclose([w.value, b.value], exact, rtol=1e-6)
assert abs(w.value - 4.0) < 0.5 and abs(b.value - 10.0) < 0.5

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.plot(data, target, ".", color="0.6", label="points")
ends = np.array([-3.0, 3.0])
left.plot(ends, 4 * ends + 10, "k--", linewidth=1, label="4x + 10")
left.plot(ends, w.value * ends + b.value, label=f"{w.value:.2f}x + {b.value:.2f}")
left.set(xlabel="x", ylabel="y")
left.legend()
right.semilogy(history)
right.set(xlabel="step", ylabel="mean squared error")
plt.show()
