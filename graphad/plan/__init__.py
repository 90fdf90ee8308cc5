"""Graph → Plan: in which order to compute, what to keep, what to overwrite, what to copy.

order · liveness and aliases (alias) · the printable Plan (plan). Fusion groups will be formed
here as well, as steps that hold several nodes.
"""

from graphad.plan.plan import Plan, Step, Value, make_plan

__all__ = ["Plan", "Step", "Value", "make_plan"]
