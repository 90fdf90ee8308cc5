"""Scans, differences, order statistics, moments, sets, histograms."""

from graphad.ops.statistics import (
    averages,
    counts,
    differences,
    histograms,
    moments,
    nan,
    orders,
    places,
    quantiles,
    scans,
    searching,
    sets,
    sorting,
)

__all__ = [
    "averages", "counts", "differences", "histograms", "moments", "nan", "orders",
    "places", "quantiles", "scans",
    "searching", "sets", "sorting",
]  # fmt: skip
