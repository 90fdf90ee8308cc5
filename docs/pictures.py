"""Draws pictures of the README, the guide, the tutorial: `python docs/pictures.py [name …]`.

Needs the extra `demo` and the program `dot`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga
from graphad.demo.digits import Settings, run

IMAGES = Path(__file__).parent / "images"


def digits() -> None:
    """The demo: its curves, and its graph with each scope as one box."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Settings(out=Path(folder)))
        shutil.copy(Path(folder) / "digits-training.png", IMAGES)
    target = {"loss": outcome.model.loss, **outcome.model.gradients}
    ga.viz.save(target, IMAGES / "digits-graph.svg", collapse="scope")


def plane() -> None:
    """Loss and gradient of the example in README and guide, op by op."""
    x = ga.matrix("x", shape=("points", 3))
    t = ga.vector("t", shape=("points",))
    w = ga.shared(np.zeros(3), name="w")
    with ga.scope("loss"):
        loss = np.mean((x @ w - t) ** 2)
    loss.name, slope = "loss", ga.grad(loss, w)
    slope.name = "slope"
    step = ga.function([x, t], [loss, slope], name="step")
    ga.viz.save(step, IMAGES / "plane-graph.svg")


# ---- the tutorial ---------------------------------------------------------------------------


def sigmoid() -> None:
    """The staged logistic function with the chain rule on its arrows."""
    x = ga.scalar("x")
    a = -x
    b = np.exp(a)
    c = 1.0 + b
    d = 1.0 / c
    for variable, name in zip((a, b, c, d), "abcd", strict=True):
        variable.name = name
    for word, derivatives in (("expressions", "expression"), ("values", {x: 2.0})):
        place = IMAGES / f"sigmoid-{word}.svg"
        ga.viz.save(d, place, derivatives=derivatives, direction="LR", legend=False)


def tanh() -> None:
    """A function and its first six derivatives."""

    def tanh(x):
        y = np.exp(-x)
        return (1.0 - y) / (1.0 + y)

    points, curve = np.linspace(-7.0, 7.0, 300), tanh
    figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
    colours = plt.colormaps["viridis"](np.linspace(0.0, 0.9, 7))
    for order, colour in enumerate(colours):
        axis.plot(points, curve(points), color=colour, label=str(order))
        curve = ga.elementwise_grad(curve)
    axis.legend(title="derivative", loc="center left", bbox_to_anchor=(1.0, 0.5))
    axis.set(xlabel="x", xlim=(-7.0, 7.0))
    figure.savefig(IMAGES / "tanh.png", dpi=100)
    plt.close(figure)


def differences() -> None:
    """The error of central differences over the step, at tanh'(1)."""
    steps = np.logspace(-15.0, 0.0, 200)
    exact = 1.0 - np.tanh(1.0) ** 2
    x = ga.scalar("x")
    automatic = abs(ga.grad(np.tanh(x), x).eval({x: 1.0}) - exact)
    numeric = np.abs((np.tanh(1.0 + steps) - np.tanh(1.0 - steps)) / (2.0 * steps) - exact)
    figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
    axis.loglog(steps, numeric, ".", markersize=4, label="central difference")
    axis.axhline(max(float(automatic), 1e-17), color="tab:orange", label="automatic")
    axis.set(xlabel="width of the step", ylabel="error of the derivative", ylim=(1e-18, 10.0))
    axis.legend(loc="upper center")
    figure.savefig(IMAGES / "differences.png", dpi=100)
    plt.close(figure)


def regressions() -> None:
    """A line, a polynomial, and two networks, each through noisy points."""
    rng = np.random.default_rng(0)
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), layout="constrained")

    def panel(axis, data, target, fitted, title):
        axis.plot(data, target, ".", color="0.6")
        axis.plot(data, fitted, linewidth=2)
        axis.set(title=title, xlabel="x")

    data = np.linspace(-3.0, 3.0, 100)
    target = 4.0 * data + 10.0 + rng.normal(0.0, 2.0, 100)
    line = ga.optim.sgd(
        lambda p: np.mean((p["w"] * data + p["b"] - target) ** 2), {"w": 0.0, "b": 0.0}, lr=0.1
    ).x
    title = f"{line['w']:.2f} x + {line['b']:.2f}"
    panel(axes[0], data, target, line["w"] * data + line["b"], title)

    powers = np.vander(data, 5, increasing=True)
    heights = data**4 - 10.0 * data**2 + 10.0 * data + rng.normal(0.0, 2.0, 100)
    fit = ga.optim.minimize(lambda c: np.mean((powers @ c - heights) ** 2), np.zeros(5)).x
    panel(axes[1], data, heights, powers @ fit, f"{fit[4]:.2f} x⁴ … {fit[1]:+.2f} x {fit[0]:+.2f}")

    wide = np.linspace(-5.0, 5.0, 100)[:, None]
    curve = (wide**3 - 20.0 * wide + 10.0 + rng.normal(0.0, 2.0, (100, 1))) / 30.0

    def network(p, activation):
        return activation(wide @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]

    def relu(z):
        return np.maximum(z, 0.0)

    for axis, name, activation in ((axes[2], "tanh", np.tanh), (axes[3], "ReLU", relu)):
        start = np.random.default_rng(1)
        weights = {"w1": start.normal(size=(1, 20)), "b1": start.normal(size=20),
                   "w2": start.normal(size=(20, 1)) / 5.0, "b2": np.zeros(1)}  # fmt: skip
        found = ga.optim.adam(
            lambda p, f=activation: np.mean((network(p, f) - curve) ** 2),
            weights, lr=0.02, steps=2_000,
        ).x  # fmt: skip
        panel(axis, wide, 30.0 * curve, 30.0 * network(found, activation), name)
    figure.savefig(IMAGES / "regressions.png", dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    drawn = {f.__name__: f for f in (digits, plane, sigmoid, tanh, differences, regressions)}
    for name in sys.argv[1:] or drawn:
        drawn[name]()
