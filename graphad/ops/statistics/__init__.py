"""Scans, differences, order statistics, moments."""

from graphad.ops.statistics import differences, nan, quantiles, scans, sorting

__all__ = ["differences", "nan", "quantiles", "scans", "sorting"]
