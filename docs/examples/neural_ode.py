"""
A neural differential equation
==============================

Points on a spiral, and the question which differential equation drew it. The right side of the
equation is a small network; a Runge-Kutta solver runs it forward, `ga.scan` makes the steps,
and the gradient goes back through all of them.

The spiral is cut into short stretches: each starts at a point that was seen, so that mistakes
do not pile up while the network still knows nothing.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 200 if "--short" in sys.argv else 1_500
HIDDEN, DT, STRETCH = 32, 0.05, 10

# %%
# One step of Runge-Kutta's method, for any right side: on arrays it computes, on variables it
# is graph.


def rk4(right_side, y):
    k1 = right_side(y)
    k2 = right_side(y + 0.5 * DT * k1)
    k3 = right_side(y + 0.5 * DT * k2)
    k4 = right_side(y + DT * k3)
    return y + DT / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


MATRIX = np.array([[-0.1, 2.0], [-2.0, -0.1]])


def truth(y):
    return y**3 @ MATRIX


spiral = [np.array([[2.0, 0.0]])]
for _ in range(300):
    spiral.append(rk4(truth, spiral[-1]))
spiral = np.concatenate(spiral)

# %%
# The network, and the solver with it in a loop over time. The cubes of the coordinates are
# among its inputs; how they matter is left to it.

rng = np.random.default_rng(0)
w1 = ga.shared(rng.normal(0.0, 0.5, (4, HIDDEN)), name="w1")
b1 = ga.shared(np.zeros(HIDDEN), name="b1")
w2 = ga.shared(rng.normal(0.0, 0.1, (HIDDEN, 2)), name="w2")


def network(y):
    return np.tanh(ga.concatenate([y, y**3 / 4.0], axis=1) @ w1 + b1) @ w2


def advance(y, _):
    y = rk4(network, y)
    return y, y


starts = ga.matrix("starts", shape=("stretches", 2))
seen = ga.tensor("seen", shape=(STRETCH, "stretches", 2))
_, solved = ga.scan(advance, starts, length=STRETCH)
loss = ((solved - seen) ** 2).mean()
rate = ga.optim.cosine_decay(0.02, STEPS)
step = ga.function(
    [starts, seen], loss, updates=ga.optim.adam(loss, [w1, b1, w2], lr=rate), name="step"
)

places = np.arange(0, 300 - STRETCH, 3)
windows = np.stack([spiral[places + k] for k in range(1, STRETCH + 1)])
history = [step(spiral[places], windows) for _ in range(STEPS)]
print(f"loss {history[0]:.4f} → {history[-1]:.2e}")

# %%
# From the first point alone, the learned equation draws the spiral again: 150 steps, of which
# each starts where the one before arrived.

begin = ga.matrix("begin", shape=(1, 2))
length = ga.scalar("length", dtype="int64")
_, way = ga.scan(advance, begin, length=length)
follow = ga.function([begin, length], way[:, 0], name="follow")
drawn = np.concatenate([spiral[:1], follow(spiral[:1], 300)])
gap = np.sqrt(((drawn - spiral) ** 2).sum(axis=1))
print(
    f"distance from the spiral: {gap[:150].mean():.3f} over 150 steps, {gap.mean():.3f} over 300"
)
assert history[-1] < history[0] / 50
assert gap[:150].mean() < (1.0 if STEPS < 1000 else 0.15)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
mesh = np.stack(np.meshgrid(np.linspace(-2.2, 2.2, 22), np.linspace(-2.2, 2.2, 22)), axis=-1)
slopes = ga.function([begin], network(begin))
arrows = np.concatenate([slopes(y[None, :]) for y in mesh.reshape(-1, 2)])
arrows /= np.linalg.norm(arrows, axis=1, keepdims=True)
left.quiver(*mesh.reshape(-1, 2).T, *arrows.T, color="0.7", angles="xy", scale=35, width=0.003)
left.plot(*spiral.T, "k--", linewidth=1, label="the spiral")
left.plot(*drawn.T, label="drawn by the network")
left.set(xlabel="first coordinate", ylabel="second coordinate", aspect="equal", ylim=(-2.4, 3.0))
left.legend(loc="upper center", ncols=2, fontsize="small")
right.loglog(range(1, STEPS + 1), history)
right.set(xlabel="step", ylabel="loss")
plt.show()
