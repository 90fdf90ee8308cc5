"""Scans, differences, order statistics, moments, sets, histograms."""
