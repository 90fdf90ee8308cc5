"""Branches and loops inside a graph: `cond`, `switch`, `scan` and what is made of it."""

from graphad.ops.control import branches, counting, mapping, scanning

__all__ = ["branches", "counting", "mapping", "scanning"]
