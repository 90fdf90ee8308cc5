"""Mini-batches under a progress bar: the loop that calls the compiled step.

The only file that imports threadpoolctl (which scikit-learn brings along).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

import graphad as ga
from graphad.demo.data import Digits, varied
from graphad.demo.model import Model
from graphad.libraries import tqdm

DIVERGED = 1000.0


@dataclass
class History:
    """Mean loss and share of right answers of each epoch: in training batches, and held out."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0  # training; without the evaluations on held-out images


def train(
    model: Model,
    digits: Digits,
    rng: np.random.Generator,
    *,
    epochs: int,
    batch: int,
    rate: float,
) -> History:
    """Train in place; the learning rate falls from `rate` to 0 along a half wave of the cosine.

    Held-out images are only looked at: nothing is chosen by them. Raises GraphadError if the
    loss grows beyond all bounds.
    """
    import threadpoolctl

    history = History()
    starts = range(0, len(digits.images), batch)
    total = epochs * len(starts)
    # Matrices this small are multiplied faster by one thread than by several.
    with (
        threadpoolctl.threadpool_limits(limits=1),
        tqdm()(total=total, desc="training", unit="step") as bar,
    ):
        for epoch in range(1, epochs + 1):
            begin = time.perf_counter()
            images, order = varied(digits.images, rng), rng.permutation(len(digits.images))
            sums = np.zeros(2)
            for start in starts:
                chosen = order[start : start + batch]
                falling = rate * (1 + np.cos(np.pi * history.steps / total)) / 2
                results = model.step(images[chosen], digits.labels[chosen], falling)
                sums += len(chosen) * np.array(results)
                history.steps += 1
                bar.update()
            history.seconds += time.perf_counter() - begin
            loss, accuracy = sums / len(order)
            check_loss(loss, epoch)
            test_loss, test_accuracy = model.evaluate(digits.test_images, digits.test_labels)
            history.loss.append(float(loss))
            history.accuracy.append(float(accuracy))
            history.test_loss.append(float(test_loss))
            history.test_accuracy.append(float(test_accuracy))
            bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{accuracy:.4f}", refresh=False)
    return history


def check_loss(loss: float, epoch: int) -> None:
    """Raise GraphadError if training went astray: guessing at random costs only log 10 ≈ 2.3.

    >>> check_loss(0.5, epoch=1)
    """
    if not loss < DIVERGED:
        raise ga.GraphadError(
            f"the training loss is {loss:.3g} in epoch {epoch}",
            cause="the steps are too long for the training to settle",
            remedy="choose a smaller --rate",
        )
