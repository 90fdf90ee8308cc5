"""
Regression with a neural network
================================

A network with one hidden layer learns the curve x³ - 20x + 10, once with tanh, once with ReLU.
The first draws it smooth, the second with corners.

Input and output are scaled to about one; the training is plain descent along the gradient of
all points.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 1_000 if "--short" in sys.argv else 5_000
WIDTH = 20

rng = np.random.default_rng(2)
data = np.linspace(-5.0, 5.0, 100)
curve = data**3 - 20.0 * data + 10.0
target = curve + rng.normal(0.0, 2.0, 100)
middle, spread = target.mean(), target.std()

# %%
# One function builds the graph, trains, and returns the predictions; the activation is its
# argument.


def train(activation):
    x, t = ga.matrix("x", shape=("points", 1)), ga.matrix("t", shape=("points", 1))
    start = np.random.default_rng(3)
    with ga.scope("hidden"):
        w1 = ga.shared(start.normal(0.0, 1.5, (1, WIDTH)), name="w1")
        b1 = ga.shared(start.uniform(-2.0, 2.0, WIDTH), name="b1")
        hidden = activation(x @ w1 + b1)
    with ga.scope("output"):
        w2 = ga.shared(start.normal(0.0, WIDTH**-0.5, (WIDTH, 1)), name="w2")
        b2 = ga.shared(np.zeros(1), name="b2")
        predicted = hidden @ w2 + b2
    loss = ((predicted - t) ** 2).mean()
    parameters = [w1, b1, w2, b2]
    slopes = ga.grad(loss, parameters)
    updates = {p: p - 0.05 * slope for p, slope in zip(parameters, slopes, strict=True)}
    step = ga.function([x, t], loss, updates=updates, name="step")
    points, values = data[:, None] / 5.0, (target[:, None] - middle) / spread
    history = [step(points, values) for _ in range(STEPS)]
    return history, predicted.eval({x: points}).ravel() * spread + middle


results = {"tanh": train(ga.tanh), "ReLU": train(ga.relu)}

# %%
# The error that remains is measured against the curve without noise.

for name, (history, predicted) in results.items():
    error = np.sqrt(((predicted - curve) ** 2).mean())
    print(f"{name}: loss {history[0]:.3f} → {history[-1]:.4f}, off the curve by {error:.2f}")
    assert history[-1] < 0.03 and error < 4.0

# %%

figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
for axis, (name, (_, predicted)) in zip(axes, results.items(), strict=False):
    axis.plot(data, target, ".", color="0.6", label="points")
    axis.plot(data, curve, "k--", linewidth=1, label="x³ - 20x + 10")
    axis.plot(data, predicted, label=name)
    axis.set(xlabel="x", ylabel="y", ylim=(-35, 70))
    axis.legend(loc="upper right")
for name, (history, _) in results.items():
    axes[2].loglog(range(1, STEPS + 1), history, label=name)
axes[2].set(xlabel="step", ylabel="mean squared error, scaled")
axes[2].legend()
plt.show()
