"""The families: what is common to many operations, written once.

elementwise · reduction · movement · indexing · contraction · inner (ops with inner graphs).
A family knows shapes, dtypes and the plumbing of derivatives; the few functions it needs for
that (a sum, a broadcast, a product) it finds in the op table.
"""
