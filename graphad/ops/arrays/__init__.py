"""Rearranging, joining, splitting, padding and changing: the rest of what NumPy has."""
