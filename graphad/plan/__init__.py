"""Graph → Plan: in which order to compute, what to keep, what to overwrite, what to copy.

order · which nodes share a loop nest (group, fuse) · liveness and aliases (alias) · the printable
Plan (plan).
"""

from graphad.plan.group import Group, Role
from graphad.plan.plan import Plan, Step, Value, make_plan

__all__ = ["Group", "Plan", "Role", "Step", "Value", "make_plan"]
