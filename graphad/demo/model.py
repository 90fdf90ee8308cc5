"""The classifier as a graph, its gradient as more graph, and what is compiled of both.

images → layer1 → layer2 → loss        scopes, frames in the picture
loss → gradients → momentum            the training step, one compiled function
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

import graphad as ga
from graphad.demo.data import CLASSES, SIDE

HIDDEN = 256
MOMENTUM = 0.9


@dataclass(frozen=True)
class Model:
    """The graph and the compiled functions, which share the weights."""

    loss: ga.Variable
    gradients: dict[str, ga.Variable]
    step: ga.Function  # images (n, 64), labels (n,), rate → loss, accuracy; changes the weights
    evaluate: ga.Function  # images (n, 64), labels (n,) → loss, accuracy
    sizes: dict[str, int]  # numbers of nodes
    seconds: dict[str, float]


def build_model(rng: np.random.Generator, hidden: int = HIDDEN) -> Model:
    """Build and compile the classifier, with random weights.

    >>> model = build_model(np.random.default_rng(0), hidden=32)
    >>> model.step
    <Function step(images: float64[batch, 64], labels: int64[batch], rate: float64[]) -> ...
    """
    start = time.perf_counter()
    images = ga.matrix("images", shape=("batch", SIDE * SIDE))
    labels = ga.vector("labels", shape=("batch",), dtype="int64")
    rate = ga.scalar("rate")

    w1, b1 = weights("w1", rng, SIDE * SIDE, hidden), ga.shared(np.zeros(hidden), "b1")
    w2, b2 = weights("w2", rng, hidden, CLASSES), ga.shared(np.zeros(CLASSES), "b2")
    with ga.scope("layer1"):
        h = ga.relu(images @ w1 + b1)
    with ga.scope("layer2"):
        scores = h @ w2 + b2
    with ga.scope("loss"):
        loss = ga.cross_entropy(scores, labels).mean()
    with ga.scope("accuracy"):
        accuracy = (scores.argmax(axis=1) == labels).mean()
    loss.name, accuracy.name = "loss", "accuracy"

    parameters = [w1, b1, w2, b2]
    gradients = ga.grad(loss, parameters)
    updates = momentum(parameters, gradients, rate)
    built = time.perf_counter()

    results = [loss, accuracy]
    step = ga.function([images, labels, rate], results, updates=updates, name="step")
    evaluate = ga.function([images, labels], results, name="evaluate")
    seconds = {"build": built - start, "compile": time.perf_counter() - built}
    sizes = {
        "nodes forward": len(ga.Graph.of(results)),
        "with gradient and momentum": len(ga.Graph.of([*results, *updates.values()])),
        "after rewriting": len(step.graph),
        "steps in the program": len(step.plan.steps),
    }
    named = {f"gradient of {p.name}": g for p, g in zip(parameters, gradients, strict=True)}
    return Model(loss, named, step, evaluate, sizes, seconds)


def weights(name: str, rng: np.random.Generator, n: int, m: int) -> ga.Shared:
    """Random weights (n, m) of variance 2/n, which keeps the scale of rectified layers.

    Source: He et al., Delving Deep into Rectifiers, 2015, section 2.2.
    """
    return ga.shared(rng.normal(size=(n, m)) * np.sqrt(2 / n), name)


def momentum(
    parameters: list[ga.Shared], gradients: list[ga.Variable], rate: ga.Variable
) -> dict[ga.Shared, ga.Variable]:
    """Updates of parameters w and their velocities v: v ← 0.9 v - rate · ∂loss/∂w; w ← w + v."""
    updates: dict[ga.Shared, ga.Variable] = {}
    with ga.scope("momentum"):
        for w, gradient in zip(parameters, gradients, strict=True):
            v = ga.shared(np.zeros_like(w.value), f"v_{w.name}")
            velocity = MOMENTUM * v - rate * gradient
            updates[v], updates[w] = velocity, w + velocity
    return updates
