"""Graph → Graph: rules that make a graph smaller, cheaper or more exact, and what applies them.

pattern  rules written as arrows: ``"x - 0 -> x"``
engine   applies rule tables once to every node, merges equal nodes, keeps a log
algebra · shapes · stable · fold   the rules by topic
passes   the ordered list that the compiler runs
"""

from graphad.rewrite.engine import Report, rewrite
from graphad.rewrite.pattern import Rule, rule

__all__ = ["Report", "Rule", "rewrite", "rule"]
