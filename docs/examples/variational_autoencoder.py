"""
A variational autoencoder of digits
===================================

Images of handwritten digits, 8 × 8, become two numbers each, and two numbers become an image
again. The encoder gives a normal distribution for the two numbers, from which the decoder gets
a draw; the loss is the negative of the evidence lower bound: bits that the decoder gets wrong,
plus the distance of the encoder's distribution from a standard normal one.

The draw is a node of the graph, `rng.normal`: each call of the compiled step draws anew.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import graphad as ga

EPOCHS = 4 if "--short" in sys.argv else 60
HIDDEN, BATCH = 64, 100

digits = load_digits()
images, labels = digits.data / 16.0, digits.target
start = np.random.default_rng(0)
rng = ga.random.default_rng(1)


def dense(name, inputs, outputs):
    """A layer's parameters."""
    weights = start.normal(0.0, inputs**-0.5, (inputs, outputs))
    return [ga.shared(weights, name=f"{name}.w"), ga.shared(np.zeros(outputs), name=f"{name}.b")]


# %%
# Encoder and decoder. The draw is mean + deviation · noise, so that derivatives reach both.

layers = {
    "read": dense("read", 64, HIDDEN),
    "mean": dense("mean", HIDDEN, 2),
    "width": dense("width", HIDDEN, 2),
    "write": dense("write", 2, HIDDEN),
    "pixel": dense("pixel", HIDDEN, 64),
}


def layer(name, x):
    w, b = layers[name]
    return x @ w + b


def decode(z):
    with ga.scope("decoder"):
        return layer("pixel", np.tanh(layer("write", z)))


x = ga.matrix("images", shape=(BATCH, 64))
with ga.scope("encoder"):
    read = np.tanh(layer("read", x))
    mean, log_width = layer("mean", read), layer("width", read)
with ga.scope("draw"):
    z = mean + np.exp(log_width) * rng.normal(size=(BATCH, 2))
logits = decode(z)
with ga.scope("loss"):
    wrong = (ga.softplus(logits) - x * logits).sum(axis=1)
    apart = 0.5 * (mean**2 + np.exp(2 * log_width) - 1 - 2 * log_width).sum(axis=1)
    loss = (wrong + apart).mean()

parameters = [p for pair in layers.values() for p in pair]
updates = ga.optim.adam(loss, parameters, lr=0.005)
step = ga.function([x], [loss, apart.mean()], updates=updates, name="step")

# %%

history = []
for _ in range(EPOCHS):
    order = start.permutation(len(images))
    parts = [order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH)]
    history.append(np.mean([step(images[part]) for part in parts], axis=0))
losses = np.array(history)
print(f"loss {losses[0, 0]:.2f} → {losses[-1, 0]:.2f}, of which apart {losses[-1, 1]:.2f}")

# %%
# The mean of each image, as a function of all images, and the digits in between.

many = ga.matrix("all images", shape=("images", 64))
encode = ga.function([many], layer("mean", np.tanh(layer("read", many))), name="encode")
codes = encode(images)
pair = ga.matrix("codes", shape=("codes", 2))
draw = ga.function([pair], ga.sigmoid(decode(pair)), name="draw")

# %%
# Both terms are at work, and images of one digit lie together: the nearest neighbour of most
# images shows the same digit.

distances = ((codes[:, None, :] - codes[None, :, :]) ** 2).sum(axis=2)
np.fill_diagonal(distances, np.inf)
alike = (labels[distances.argmin(axis=1)] == labels).mean()
print(f"{alike:.0%} of the images have a neighbour that shows the same digit")
assert losses[-1, 0] < losses[0, 0] - 3 and losses[-1, 1] > 1.0
assert alike > (0.3 if EPOCHS < 10 else 0.6)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
shade = left.scatter(*codes.T, c=labels, cmap="tab10", s=6, vmin=-0.5, vmax=9.5)
figure.colorbar(shade, ticks=range(10), label="digit")
left.set(xlabel="first number", ylabel="second number", title="where the digits lie")
grid = np.linspace(-2.0, 2.0, 10)
places = np.stack(np.meshgrid(grid, -grid), axis=-1).reshape(-1, 2)
cells = np.pad(draw(places).reshape(10, 10, 8, 8), ((0, 0), (0, 0), (2, 2), (2, 2)))
sheet = cells.transpose(0, 2, 1, 3).reshape(120, 120)
right.imshow(sheet, cmap="gray_r", extent=(-2.2, 2.2, -2.2, 2.2), interpolation="nearest")
right.set(xlabel="first number", title="what the decoder draws there")
plt.show()
