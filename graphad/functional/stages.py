"""All paths of a function as one tree of programs: what paths have in common is computed once.

Where decisions often turn out otherwise than in the call before, running one path after the other
computes their common beginning again and again. A `Stage` computes the decisions that follow each
other without an alternative, and what every path below it needs; the last decision says which
stage comes next. The stages of a path together compute just what the path computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.assemble import function
from graphad.ir import walk
from graphad.ir.op import freeze
from graphad.ir.variable import Apply, Constant, Variable, rebuild
from graphad.runtime.function import Function

UNKNOWN = object()  # the outcome of a decision that no path has


class Stage:
    """A node of the tree: the decisions `checks`, and where the last of them leads."""

    __slots__ = (
        "branches", "checks", "expected", "exports", "function", "inputs", "mask", "path",
        "targets",
    )  # fmt: skip

    def __init__(self, mask: int) -> None:
        self.mask = mask  # the paths below, as bits
        self.checks: list[Callable[[Any], Any]] = []  # from a value to what is decided
        self.expected: list[Any] = []  # but of the last one, if it has several outcomes
        self.targets: list[Variable] = []  # the decisions; at the end of a path, its results too
        self.branches: dict[Any, Stage] = {}
        self.path: Any = None  # which ends here
        self.inputs: list[Variable] = []
        self.exports: list[Variable] = []  # what later stages need
        self.function: Function | None = None

    def compiled(self, name: str, options: dict[str, Any]) -> Function:
        """Its program."""
        if self.function is None:
            outputs = [*self.targets, *self.exports]
            self.function = function(self.inputs, outputs, name=name, unused="ignore", **options)
        return self.function


class Stages:
    """The tree for the paths that are known."""

    def __init__(self, name: str, options: dict[str, Any], paths: Sequence[Any]) -> None:
        self.name, self.options = name, options
        self.inputs: list[Variable] = list(paths[0].run.inputs)
        self.root = Stage((1 << len(paths)) - 1)
        runs = [p.run for p in paths]
        targets = united([
            (r.inputs, [*r.outputs, *[g.variable for g in r.guards]]) for r in runs
        ])  # fmt: skip
        stages = self._grown(paths, targets)
        self._divide(stages, targets)

    def __call__(self, arrays: Sequence[Any]) -> Any:
        """The result of a call; UNKNOWN for decisions that no path has."""
        known = dict(zip(self.inputs, arrays, strict=True))
        stage = self.root
        while True:
            run = stage.function or stage.compiled(self.name, self.options)
            values = run(*[known[v] for v in stage.inputs])
            count = len(stage.checks)
            outcomes = [freeze(c(v)) for c, v in zip(stage.checks, values[:count], strict=True)]
            if stage.path is not None:
                if outcomes != stage.expected:
                    return UNKNOWN
                return stage.path.result(values[count : len(stage.targets)])
            following = stage.branches.get(outcomes[-1])
            if following is None or outcomes[:-1] != stage.expected:
                return UNKNOWN
            known.update(zip(stage.exports, values[len(stage.targets) :], strict=True))
            stage = following

    # -- building ------------------------------------------------------------------------------
    def _grown(self, paths: Sequence[Any], targets: Sequence[Sequence[Variable]]) -> list[Stage]:
        """The stages from the root on, each with its decisions."""
        stages, work = [], [(self.root, list(range(len(paths))), 0)]
        while work:
            stage, members, at = work.pop()
            stages.append(stage)
            first = members[0]
            decisions, count = paths[first].expected, len(paths[first].run.outputs)
            while True:
                if at == len(decisions):
                    stage.path = paths[first]
                    stage.targets += targets[first][:count]
                    break
                outcomes = [paths[i].expected[at] for i in members]
                stage.checks.append(paths[first].checks[at])
                stage.targets.append(targets[first][count + at])
                at += 1
                if len(set(outcomes)) == 1:
                    stage.expected.append(outcomes[0])
                else:
                    for outcome in dict.fromkeys(outcomes):
                        below = [i for i, o in zip(members, outcomes, strict=True) if o == outcome]
                        made = Stage(sum([1 << i for i in below]))
                        stage.branches[outcome] = made
                        work.append((made, below, at))
                    break
        return stages

    def _divide(self, stages: Sequence[Stage], targets: Sequence[Sequence[Variable]]) -> None:
        """What each stage gets, and hands on: a node belongs to the first stage below which all
        paths need it."""
        needed: dict[Apply, int] = {}
        for i, row in enumerate(targets):
            for node in walk.toposort(row):
                needed[node] = needed.get(node, 0) | 1 << i
        above = {id(child): stage for stage in stages for child in stage.branches.values()}

        def home(node: Apply, stage: Stage) -> Stage:
            """Of a node that all paths below `stage` need."""
            while (parent := above.get(id(stage))) is not None and not parent.mask & ~needed[node]:
                stage = parent
            return stage

        exports: dict[int, dict[Variable, None]] = {id(stage): {} for stage in stages}
        for stage in stages:
            own = [n for n, need in needed.items() if not stage.mask & ~need]
            own = [n for n in own if home(n, stage) is stage]
            wanted: dict[Variable, None] = {}
            for v in [*stage.targets, *[v for node in own for v in node.inputs]]:
                if v.owner is None:
                    if not isinstance(v, Constant):
                        wanted[v] = None
                elif (holder := home(v.owner, stage)) is not stage:
                    wanted[v] = exports[id(holder)][v] = None
            stage.inputs = list(wanted)
        for stage in stages:
            stage.exports = list(exports[id(stage)])


def united(runs: Sequence[tuple[Sequence[Variable], Sequence[Variable]]]) -> list[list[Variable]]:
    """The targets of several runs (inputs, targets) as one graph, of the inputs of the first.

    Equal nodes of different runs become one; those of one run stay apart.
    """
    nodes: dict[Any, Apply] = {}
    constants: dict[Any, Variable] = {}
    found = []
    for inputs, targets in runs:
        new: dict[Variable, Variable] = dict(zip(inputs, runs[0][0], strict=True))
        times: dict[Any, int] = {}
        for v in walk.leaves(targets, inputs):
            if isinstance(v, Constant):
                new[v] = constants.setdefault((v.type, v.value.tobytes()), v)
        for node in walk.toposort(targets, frozenset(inputs)):
            operands = tuple([new.get(v, v) for v in node.inputs])
            key = node.op, tuple([id(v) for v in operands])
            times[key] = times.get(key, 0) + 1
            one = nodes.get((key, times[key]))
            if one is None:
                same = all([a is b for a, b in zip(operands, node.inputs, strict=True)])
                one = nodes[key, times[key]] = node if same else rebuild(node, operands)
            new.update(zip(node.outputs, one.outputs, strict=True))
        found.append([new.get(v, v) for v in targets])
    return found
