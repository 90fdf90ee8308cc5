"""Taps: a carry that is read at several earlier steps is a row of carries, handed down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphad.errors import ShapeError, UseError
from graphad.ir.op import OPS
from graphad.ir.variable import Variable
from graphad.ops.control.bodies import Leaves, check_structure, fitted


class History:
    """The carries of a scan: one for each leaf of `init`, several for a leaf with taps."""

    def __init__(self, start: Leaves, taps: Mapping[str, Sequence[int]] | None) -> None:
        self.start = start
        self.lags = _checked(start, taps)
        self.operands: list[tuple[str, Variable]] = []
        for path, v in start.present:
            if path in self.lags:
                depth = self._depth(path, v)
                for back in range(1, depth + 1):  # the latest first
                    self.operands.append((f"{path}[{-back}]", v[depth - back]))
            else:
                self.operands.append((path, v))

    def _depth(self, path: str, v: Variable) -> int:
        """How many earlier values are kept."""
        depth = max([-lag for lag in self.lags[path]])
        if not v.ndim or (isinstance(v.type.shape[0], int) and v.type.shape[0] != depth):
            raise ShapeError(
                f"scan: {path} is {v.type}, its taps reach back {depth} steps",
                remedy=f"give the last {depth} values along axis 0, oldest first",
            )
        return depth

    def _groups(self, values: Sequence[Any]) -> list[list[Any]]:
        """The values of each leaf."""
        rest = iter(values)
        counts = [max([-lag for lag in self.lags[p]]) if p in self.lags else 1
                  for p, _ in self.start.present]  # fmt: skip
        return [[next(rest) for _ in range(count)] for count in counts]

    def given(self, state: Sequence[Variable]) -> Any:
        """What the body gets."""
        values = []
        for (path, _), group in zip(self.start.present, self._groups(state), strict=True):
            lags = self.lags.get(path)
            values.append(group[0] if lags is None else tuple([group[-lag - 1] for lag in lags]))
        return self.start.filled(values)

    def taken(self, new: Leaves, state: Sequence[Variable], where: str) -> list[Variable]:
        """The carries after a step, from what the body returned."""
        check_structure(new, self.start, "scan: the new carry", where)
        found: list[Variable] = []
        for (path, made), group in zip(new.present, self._groups(state), strict=True):
            found += [fitted(made, group[0], path, "scan", where), *group[:-1]]
        return found

    def final(self, results: Sequence[Variable]) -> Any:
        """The carry at the end, with the last values of a leaf with taps stacked, oldest first."""
        values = []
        for (path, _), group in zip(self.start.present, self._groups(results), strict=True):
            values.append(OPS["stack"](group[::-1]) if path in self.lags else group[0])
        return self.start.filled(values)


def _checked(start: Leaves, taps: Mapping[str, Sequence[int]] | None) -> dict[str, list[int]]:
    """Taps by the paths of their leaves."""
    if taps is None:
        return {}
    known = {path: path for path in start.paths}
    known |= {path[len("init") :].strip(".[]'\""): path for path in start.paths}
    found: dict[str, list[int]] = {}
    for key, lags in taps.items():
        path = known.get(key if isinstance(key, str) else str(key))
        if path is None:
            raise UseError(
                f"scan: taps names {key!r}",
                cause=f"the carry has {', '.join(start.paths)}",
                remedy='name an entry of the carry: taps={"h": (-1, -2)}',
            )
        steps: list[Any] = [lags] if isinstance(lags, int) else list(lags)
        if not steps or not all([isinstance(lag, int) and lag < 0 for lag in steps]):
            raise UseError(
                f"scan: taps[{key!r}] = {lags!r}",
                remedy="taps are negative ints: -1 is the step before",
            )
        found[path] = steps
    return found
