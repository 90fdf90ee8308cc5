"""Scans, differences, order statistics, moments, sets, histograms."""

from graphad.ops.statistics import (
    averages,
    differences,
    nan,
    quantiles,
    scans,
    searching,
    sets,
    sorting,
)

__all__ = [
    "averages", "differences", "nan", "quantiles", "scans", "searching", "sets", "sorting",
]  # fmt: skip
