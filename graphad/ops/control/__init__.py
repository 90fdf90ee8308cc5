"""Branches and loops inside a graph: `cond`, `switch`, `scan` and what is made of it."""
