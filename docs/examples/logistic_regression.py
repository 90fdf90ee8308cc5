"""
Logistic regression
===================

Two clouds of points and the line between them. The probability of the second class is
sigmoid(x·w + b); the loss is the mean negative log-likelihood, written as it stands in books:
its logarithms and exponentials are rewritten into a form that does not overflow.

A loss that is convex in three numbers is a case for Newton's method: gradient and Hessian are
graph, and so is the step.
"""

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

rng = np.random.default_rng(4)
clouds = [rng.normal([-1.0, 0.0], 1.0, (100, 2)), rng.normal([1.5, 1.0], 1.0, (100, 2))]
data, labels = np.concatenate(clouds), np.repeat([0.0, 1.0], 100)

# %%
# The three parameters are one vector, so that the Hessian is one matrix.

x, t = ga.matrix("x", shape=("points", 2)), ga.vector("t", shape=("points",))
w = ga.shared(np.zeros(3), name="w")
score = x @ w[:2] + w[2]
probability = 1 / (1 + np.exp(-score))
loss = -(t * np.log(probability) + (1 - t) * np.log(1 - probability)).mean()
slope, curvature = ga.grad(loss, w), ga.hessian(loss, w)
newton = w - ga.linalg.solve(curvature, slope)
step = ga.function([x, t], [loss, np.abs(slope).max()], updates={w: newton}, name="newton")

for i in range(9):
    value, steepest = step(data, labels)
    print(f"step {i}: loss {value:.6f}, steepest slope {steepest:.1e}")
assert steepest < 1e-12

# %%
# How many points does the line put on the right side?

chance = ga.function([x], probability)
right = ((chance(data) > 0.5) == labels).mean()
print(f"{right:.1%} of the points lie on their side of the line")
assert right > 0.85

# %%

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
grid = np.stack(np.meshgrid(np.linspace(-4, 5, 90), np.linspace(-4, 5, 90)), axis=-1)
shade = axis.contourf(
    grid[..., 0], grid[..., 1], chance(grid.reshape(-1, 2)).reshape(90, 90),
    levels=np.linspace(0.0, 1.0, 11), cmap="RdBu", alpha=0.6,
)  # fmt: skip
for cloud, colour in zip(clouds, ("darkred", "darkblue"), strict=True):
    axis.plot(*cloud.T, ".", color=colour)
a, b, c = w.value
axis.axline((0.0, -c / b), slope=-a / b, color="black", linewidth=1)
axis.set(xlim=(-4, 5), ylim=(-4, 5), xlabel="first coordinate", ylabel="second coordinate")
figure.colorbar(shade, label="probability of the blue class")
plt.show()
