"""Loss and accuracy over the epochs as a picture; the only file that imports matplotlib."""

from __future__ import annotations

import io
import math
from typing import Any

from graphad.demo.training import History

TRAINING, HELD_OUT = "#005a93", "#a84a00"  # the blue and the orange of `ga.viz`
NOTE = "Training images are moved and made noisy, held-out images are shown as they are."


def draw_curves(history: History, title: str) -> bytes:
    """A PNG with two panels, for training batches and held-out images.

    >>> history = History([2.0, 0.5], [0.3, 0.9], [1.0, 0.4], [0.6, 0.9])
    >>> draw_curves(history, "digits")[1:4]
    b'PNG'
    """
    from matplotlib import figure, ticker
    from matplotlib.backends import backend_agg

    page = figure.Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    backend_agg.FigureCanvasAgg(page)
    page.suptitle(title, fontsize=11)
    left, right = page.subplots(1, 2)
    plot_pair(left, history.loss, history.test_loss, "{:.3f}")
    plot_pair(right, history.accuracy, history.test_accuracy, "{:.1%}")

    left.set_title("loss", fontsize=10)
    left.set_yscale("log")
    losses = history.loss + history.test_loss
    left.set_ylim(decade(min(losses)), 1.3 * max(losses))
    left.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_locator(ticker.NullLocator())
    right.set_title("accuracy", fontsize=10)
    lowest = min(history.accuracy + history.test_accuracy)
    right.set_ylim(math.floor(10 * lowest - 0.01) / 10, 1.005)
    right.yaxis.set_major_formatter(lambda x, _: f"{100 * x:g}%")

    for panel in (left, right):
        panel.set_xlabel("epoch", fontsize=9)
        panel.set_xlim(0.5, len(history.loss) + 0.5)
        panel.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        panel.tick_params(labelsize=8)
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=8, framealpha=0.9, edgecolor="none")
    page.supxlabel(NOTE, fontsize=8, color="#555555")
    file = io.BytesIO()
    page.savefig(file, format="png")
    return file.getvalue()


def decade(value: float) -> float:
    """The power of ten at or below a positive value.

    >>> decade(0.034)
    0.01
    """
    return 10.0 ** math.floor(math.log10(max(value, 1e-12)))


def plot_pair(panel: Any, training: list[float], held_out: list[float], form: str) -> None:
    """Both curves, with the last value of each in the legend."""
    epochs = range(1, len(training) + 1)
    mark = "o" if len(training) < 10 else None
    for values, colour, name in (
        (training, TRAINING, "training batches"),
        (held_out, HELD_OUT, "held-out images"),
    ):
        label = f"{name}: {form.format(values[-1])}"
        panel.plot(epochs, values, color=colour, linewidth=1.4, marker=mark, label=label)
