"""The handwritten digits that scikit-learn ships: split, and varied while training.

The only file that imports scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 8  # pixels
CLASSES = 10

Images = NDArray[np.float64]  # (n, 64), grey values from 0 (paper) to 1 (ink)
Labels = NDArray[np.int64]  # (n,), digits


@dataclass(frozen=True)
class Digits:
    """Images with the digits they show: four fifths for training, one fifth held out."""

    images: Images
    labels: Labels
    test_images: Images
    test_labels: Labels


def load_digits(rng: np.random.Generator) -> Digits:
    """1,797 images, shuffled and split 4 : 1 with equal shares of each digit.

    Grey values are divided by the constant 16: nothing is estimated from the data, so nothing is
    known of the held-out images.

    >>> digits = load_digits(np.random.default_rng(0))
    >>> digits.images.shape, digits.test_images.shape
    ((1437, 64), (360, 64))
    """
    from sklearn import datasets, model_selection

    data = datasets.load_digits()
    images, labels = data.data / 16, data.target.astype(np.int64)
    seed = int(rng.integers(2**32))
    parts = model_selection.train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=seed
    )
    return Digits(parts[0], parts[2], parts[1], parts[3])


def varied(images: Images, rng: np.random.Generator) -> Images:
    """Copies of the images (n, 64) as other hands may have drawn them.

    Half of them are moved, by at most one pixel in each direction; all get noise of 0.2.

    >>> varied(np.zeros((3, 64)), np.random.default_rng(0)).shape
    (3, 64)
    """
    n = len(images)
    moves = np.where(rng.random(n) < 0.5, rng.integers(-1, 2, (2, n)), 0)
    padded = np.pad(images.reshape(n, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    rows, columns = 1 + moves[:, :, None] + np.arange(SIDE)
    moved = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.reshape(n, SIDE * SIDE) + 0.2 * rng.normal(size=images.shape)
