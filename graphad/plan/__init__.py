"""Graph → Plan: in which order to compute, what to keep, what to overwrite, what to copy.

order · which nodes share a loop nest (group, fuse), and products of matrices with what is done to
them (fold) · liveness and aliases (alias) · the printable Plan (plan).
"""

from graphad.plan.plan import Plan, Step, Value, make_plan

__all__ = ["Plan", "Step", "Value", "make_plan"]
