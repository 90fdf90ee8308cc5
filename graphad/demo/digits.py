"""The demo as a whole: load, build, train, write the files, say what came out."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import graphad as ga
from graphad.demo.data import Digits, load_digits
from graphad.demo.files import contents, write
from graphad.demo.model import Model, build_model
from graphad.demo.training import History, train

# module: package
LIBRARIES = {
    "sklearn":       "scikit-learn",
    "threadpoolctl": "threadpoolctl",
    "matplotlib":    "matplotlib",
    "tqdm":          "tqdm",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What the command line decides."""

    out: Path = Path()
    epochs: int = 100
    batch: int = 32
    rate: float | None = None  # None: as fits the batch
    seed: int = 0

    @property
    def first_rate(self) -> float:
        """The learning rate at the start; small batches take small steps.

        >>> Settings().first_rate, Settings(batch=8).first_rate, Settings(rate=1.0).first_rate
        (0.2, 0.05, 1.0)
        """
        return 0.2 * min(1.0, self.batch / 32) if self.rate is None else self.rate


@dataclass(frozen=True)
class Outcome:
    """What came out: the trained model, its history, the files."""

    digits: Digits
    model: Model
    history: History
    files: tuple[Path, ...]
    hint: str  # what is missing for a better picture

    @property
    def accuracy(self) -> float:
        """Share of the held-out images that the trained network reads right."""
        return self.history.test_accuracy[-1]


def run(settings: Settings) -> Outcome:
    """Run the demo and print its report. Files are written after all else went well.

    Raises MissingLibraryError without the extra `demo`, UseError for a batch larger than the
    data, GraphadError if training diverges, OSError if a file cannot be written.
    """
    require_libraries()
    rng = np.random.default_rng(settings.seed)
    digits = load_digits(rng)
    check_batch(settings.batch, len(digits.images))
    print(f"graphad {ga.__version__} learns to read handwritten digits, seed {settings.seed}")
    model = build_model(rng)
    print(f"data      {data_text(digits)}")
    print(f"graph     {graph_text(model)}", flush=True)
    epochs, batch, rate = settings.epochs, settings.batch, settings.first_rate
    history = train(model, digits, rng, epochs=epochs, batch=batch, rate=rate)
    files, hint = contents(model, history)
    outcome = Outcome(digits, model, history, write(settings.out, files), hint)
    for line in report(outcome):
        print(line)
    return outcome


def require_libraries() -> None:
    """Raise MissingLibraryError that names every library that is not installed."""
    missing = [name for module, name in LIBRARIES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ga.errors.MissingLibraryError(
            f"the demo needs {' and '.join(missing)}, not installed here",
            remedy="pip install 'graphad[demo]'",
        )


def check_batch(batch: int, available: int) -> None:
    """Raise UseError for a batch larger than the data."""
    if batch > available:
        raise ga.errors.UseError(
            f"batch={batch} is more than there is to learn from",
            remedy=f"choose at most {available} images",
        )


# ---- the report ------------------------------------------------------------------------------
def data_text(digits: Digits) -> str:
    """How many images there are."""
    n, m = len(digits.labels), len(digits.test_labels)
    return f"{n + m:,} images of 8 × 8 pixels: {n:,} to learn from, {m:,} held out"


def graph_text(model: Model) -> str:
    """Sizes of the graphs."""
    return ", ".join([f"{size} {what}" for what, size in model.sizes.items()])


def report(outcome: Outcome) -> Iterator[str]:
    """Times, accuracy and files, one line each."""
    seconds, history = outcome.model.seconds, outcome.history
    each = f"{history.steps:,} steps, {history.seconds / history.steps * 1e6:.0f} µs each"
    yield (
        f"seconds   build {seconds['build']:.3f}, compile {seconds['compile']:.3f}, "
        f"train {history.seconds:.2f} ({each})"
    )
    total = len(outcome.digits.test_labels)
    wrong = round((1 - outcome.accuracy) * total)
    yield f"accuracy  {outcome.accuracy:.4f} on the held-out images ({wrong} of {total} wrong)"
    yield f"written   {', '.join([str(file) for file in outcome.files])}"
    if outcome.hint:
        yield f"hint      {outcome.hint}"
