"""Draws the pictures of the README and the guide: `python docs/pictures.py`.

Needs the extra `demo` and the program `dot`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

import graphad as ga
from graphad.demo.digits import Outcome, Settings, run

IMAGES = Path(__file__).parent / "images"


def digits() -> Outcome:
    """The demo: its curves, and its graph with each scope as one box."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Settings(out=Path(folder)))
        shutil.copy(Path(folder) / "digits-training.png", IMAGES)
    target = {"loss": outcome.model.loss, **outcome.model.gradients}
    ga.viz.save(target, IMAGES / "digits-graph.svg", collapse="scope")
    return outcome


def plane() -> Path:
    """Loss and gradient of the example in README and guide, op by op."""
    x = ga.matrix("x", shape=("points", 3))
    t = ga.vector("t", shape=("points",))
    w = ga.shared(np.zeros(3), name="w")
    with ga.scope("loss"):
        loss = np.mean((x @ w - t) ** 2)
    loss.name, slope = "loss", ga.grad(loss, w)
    slope.name = "slope"
    step = ga.function([x, t], [loss, slope], name="step")
    return ga.viz.save(step, IMAGES / "plane-graph.svg")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    digits()
    plane()
