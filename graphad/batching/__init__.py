"""Functions and graphs of one row, for stacks of rows: `vmap`, `vectorize_graph`.

Each op of the graph is replaced by one that computes all rows: `stacking` walks the graph, the
rules are methods `batch` of the families.
"""
