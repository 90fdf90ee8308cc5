"""Scans, differences, order statistics, moments."""

from graphad.ops.statistics import averages, differences, nan, quantiles, scans, sorting

__all__ = ["averages", "differences", "nan", "quantiles", "scans", "sorting"]
