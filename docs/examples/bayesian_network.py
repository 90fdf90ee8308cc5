"""
A Bayesian neural network by variational inference
==================================================

A network that knows what it does not know. Instead of one value each weight has a normal
distribution; mean and width of all of them are fitted so that draws from them explain the data
and stay near the prior.

The method is the black-box one: nothing is asked of the model but its log density at a draw,
and a derivative of that. The draws are nodes of the graph.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 400 if "--short" in sys.argv else 2_000
WIDTH, DRAWS, NOISE = 20, 12, 0.1
SIZE = 3 * WIDTH + 1

rng = np.random.default_rng(0)
data = rng.uniform(-3.0, 3.0, 60)
target = np.sin(1.5 * data) + 0.3 * data + rng.normal(0.0, NOISE, 60)

# %%
# The model: one vector holds all weights; a whole stack of them is run at once.


def network(weights, x):
    """weights (draws, SIZE), x (points,) -> (draws, points)"""
    w1, b1, w2 = [weights[:, None, i * WIDTH : (i + 1) * WIDTH] for i in range(3)]
    hidden = ga.relu(x[None, :, None] * w1 + 2.0 * b1)
    return (hidden * w2).sum(axis=2) + weights[:, 3 * WIDTH :]


def log_density(weights, x, t):
    """Of the data, and of the weights under a standard normal prior; for each draw."""
    fit = -0.5 * (((network(weights, x) - t) / NOISE) ** 2).sum(axis=1)
    return fit - 0.5 * (weights**2).sum(axis=1)


# %%
# The bound: the density at draws, and the entropy of what they are drawn from.

x, t = ga.vector("x", shape=("points",)), ga.vector("t", shape=("points",))
mean = ga.shared(rng.normal(0.0, 0.5, SIZE), name="mean")
log_width = ga.shared(np.full(SIZE, -3.0), name="log width")
noise = ga.random.default_rng(1).normal(size=(DRAWS, SIZE))
weights = mean + np.exp(log_width) * noise
bound = log_density(weights, x, t).mean() + log_width.sum()
updates = ga.optim.adam(-bound, [mean, log_width], lr=0.02)
step = ga.function([x, t], bound, updates=updates, name="step")

history = [step(data, target) for _ in range(STEPS)]
print(f"bound {np.mean(history[:20]):.0f} → {np.mean(history[-20:]):.0f}")

# %%
# Predictions of draws, each call with others.

predict = ga.function([x], network(mean + np.exp(log_width) * noise, x), name="predict")
places = np.linspace(-6.0, 6.0, 240)
curves = np.concatenate([predict(places) for _ in range(20)])
centre, spread = curves.mean(axis=0), curves.std(axis=0)
assert not np.array_equal(predict(places), predict(places))

# %%
# Near the data the network is right and sure; far from them it is less sure. (By how much is
# not to be trusted: weights that are independent of each other make the band too narrow.)

truth = np.sin(1.5 * places) + 0.3 * places
near, far = np.abs(places) < 2.5, np.abs(places) > 5.0
error = np.abs(centre - truth)[near].mean()
print(f"near the data: error {error:.3f}, deviation {spread[near].mean():.3f}")
print(f"far from the data: deviation {spread[far].mean():.3f}")
assert np.mean(history[-20:]) > np.mean(history[:20])
assert error < (0.25 if STEPS < 1000 else 0.15)
assert spread[far].mean() > 2 * spread[near].mean()

# %%

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), layout="constrained", width_ratios=(2, 1)
)
left.fill_between(
    places, centre - 2 * spread, centre + 2 * spread, alpha=0.25, label="±2 deviations"
)
left.plot(places, curves[:8].T, color="tab:blue", linewidth=0.5)
left.plot(places, centre, color="tab:blue", linewidth=2, label="mean of the draws")
left.plot(places, truth, "k--", linewidth=1, label="sin(1.5 x) + 0.3 x")
left.plot(data, target, ".", color="tab:orange", label="points")
left.set(xlabel="x", ylabel="y", ylim=(-3.5, 4.5))
left.legend(loc="upper left", ncols=2, fontsize="small")
right.semilogy(-np.convolve(history, np.full(20, 1 / 20), mode="valid"))
right.set(xlabel="step", ylabel="-bound, mean of 20 steps")
plt.show()
