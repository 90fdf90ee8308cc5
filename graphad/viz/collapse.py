"""Making large graphs small: which nodes are drawn as one box. Linear in nodes and edges.

    every node  →  scopes as boxes, as deep as fits  →  chains and what is alike  →  slices

Each step starts from the previous one and is taken only while there are too many boxes. Forward
and backward parts never share a box. Nodes are *alike* if they apply the same op to results of
nodes that are alike (one optimiser step for each of many parameters, the heads of attention). A
*slice* is a run of consecutive nodes in order of evaluation, so that arrows between slices of
one phase point one way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from graphad.errors import UseError
from graphad.viz.labels import plural

SLICES = 12  # per phase at most: a picture for one page

MODES = ("auto", "scope", "none")


@dataclass(frozen=True)
class Spot:
    """Where one node stands: op, scope, order of the derivative, and the nodes it reads from."""

    op: str
    scope: tuple[str, ...]
    order: int
    reach: int  # the highest order among the node and all that it depends on
    sources: tuple[int, ...]


@dataclass
class Group:
    """Nodes drawn as one box; a group of one is drawn as that node."""

    members: list[int]
    order: int
    reach: int
    path: tuple[str, ...] = ()  # the cluster in which the box stands
    title: str = ""
    is_scope: bool = False
    notes: list[str] = field(default_factory=list)


def check_options(collapse: str, max_nodes: int) -> None:
    """Raise UseError for what is no way to collapse, or no number of boxes."""
    if collapse not in MODES:
        raise UseError(f"collapse={collapse!r}", remedy=f"choose one of {', '.join(MODES)}")
    if not isinstance(max_nodes, int) or isinstance(max_nodes, bool) or max_nodes < 1:
        raise UseError(f"max_nodes={max_nodes!r}", remedy="pass a positive number, e.g. 150")


def partition(
    spots: Sequence[Spot], others: int, collapse: str = "auto", max_nodes: int = 150
) -> list[Group]:
    """Groups in order of evaluation; `others` counts the boxes of leaves and outputs."""
    check_options(collapse, max_nodes)
    singles = by_scope(spots, None)
    if collapse == "none" or (collapse == "auto" and len(spots) + others <= max_nodes):
        return singles
    room = max(1, max_nodes // 2, max_nodes - others)
    deepest = max([len(spot.scope) for spot in spots], default=0)
    if collapse == "scope" or deepest == 0:
        groups = by_scope(spots, 1)
    else:
        groups = _deepest_that_fits(lambda depth: by_scope(spots, depth), deepest, room)
    if len(groups) > room:
        groups = by_likeness(by_chain(groups, spots), spots)
    if len(groups) > room:
        groups = by_slice(groups, room)
    return groups


def _deepest_that_fits(make: Callable[[int], list[Group]], deepest: int, room: int) -> list[Group]:
    """Bisection over the depth of scopes shown: deeper scopes mean more boxes."""
    low, high = 1, deepest
    while low < high:
        middle = (low + high + 1) // 2
        if len(make(middle)) <= room:
            low = middle
        else:
            high = middle - 1
    return make(low)


# ---- the steps -------------------------------------------------------------------------------
def by_scope(spots: Sequence[Spot], depth: int | None) -> list[Group]:
    """Scopes of the given depth become boxes; None keeps every node apart."""
    found: dict[tuple, Group] = {}
    for i, spot in enumerate(spots):
        inside = depth is not None and len(spot.scope) >= depth
        key = (spot.order, spot.scope[:depth]) if inside else (i,)
        group = found.get(key)
        if group is None:
            group = found[key] = Group([], spot.order, spot.reach, spot.scope)
            if inside and depth is not None:
                group.is_scope = True
                group.title = spot.scope[depth - 1]
        group.members.append(i)
    for group in found.values():
        if len(group.members) == 1:
            group.title, group.is_scope = "", False
        elif depth is not None:
            group.path = group.path[: depth - 1]
    return list(found.values())


def by_chain(groups: Sequence[Group], spots: Sequence[Spot]) -> list[Group]:
    """Runs of single nodes, each read by the next one only, become one box."""
    before, after = _neighbours(groups, spots)
    follower: dict[int, int] = {}
    for g, group in enumerate(groups):
        following = after[g]
        if len(following) != 1 or group.title:
            continue
        h = next(iter(following))
        same = (groups[h].order, groups[h].path) == (group.order, group.path)
        if len(before[h]) == 1 and not groups[h].title and same:
            follower[g] = h
    inner = set(follower.values())
    made: list[Group] = []
    for g, group in enumerate(groups):
        if g in inner:
            continue
        run = [g]
        while run[-1] in follower:
            run.append(follower[run[-1]])
        made += _join([groups[i] for i in run], "chain") if len(run) > 1 else [group]
    return sorted(made, key=_first)


def by_likeness(groups: Sequence[Group], spots: Sequence[Spot]) -> list[Group]:
    """Nodes and chains outside collapsed scopes that do the same, side by side, become one box.

    Classes are found in order of evaluation: the ops of a group with the classes it reads from.
    """
    before, _ = _neighbours(groups, spots)
    classes: dict[tuple, list[Group]] = {}
    numbers: dict[tuple, int] = {}
    number_of: list[int] = []
    for g, group in enumerate(groups):
        ops = tuple([spots[i].op for i in group.members])
        sources = frozenset([number_of[h] for h in before[g] if h < g])
        key = (g,) if group.is_scope else (group.reach, group.order, group.path, ops, sources)
        number_of.append(numbers.setdefault(key, len(numbers)))
        classes.setdefault(key, []).append(group)
    made: list[Group] = []
    for alike in classes.values():
        made += _join(alike, f"{len(alike):,} alike") if len(alike) > 1 else alike
    return sorted(made, key=_first)


def by_slice(groups: Sequence[Group], room: int) -> list[Group]:
    """Runs of consecutive groups of one phase become one box, until at most `room` are left."""
    lists: dict[tuple, list[Group]] = {}
    for group in groups:
        lists.setdefault((group.reach, group.order, group.is_scope), []).append(group)
    share = min(SLICES, max(1, room // len(lists)))
    made: list[Group] = []
    for (_, _, scopes), members in lists.items():
        if len(members) <= share:
            made += members
            continue
        for k in range(share):
            part = members[k * len(members) // share : (k + 1) * len(members) // share]
            title = f"{part[0].title} … {part[-1].title}" if scopes else f"part {k + 1} of {share}"
            notes = [plural(len(part), "scope")] if scopes else []
            joined = _join(part, title, notes) if len(part) > 1 else part
            joined[0].is_scope = scopes
            made += joined
    return sorted(made, key=_first)


def _first(group: Group) -> int:
    return group.members[0]


def _join(groups: Sequence[Group], title: str, notes: Iterable[str] = ()) -> list[Group]:
    members = sorted([i for group in groups for i in group.members])
    reach = max([group.reach for group in groups])
    same = all([group.path == groups[0].path for group in groups])
    path = groups[0].path if same else ()
    return [Group(members, groups[0].order, reach, path, title, notes=list(notes))]


def _neighbours(
    groups: Sequence[Group], spots: Sequence[Spot]
) -> tuple[list[set[int]], list[set[int]]]:
    """For each group, the groups it reads from and those that read from it."""
    where = {i: g for g, group in enumerate(groups) for i in group.members}
    before: list[set[int]] = [set() for _ in groups]
    after: list[set[int]] = [set() for _ in groups]
    for i, spot in enumerate(spots):
        for source in spot.sources:
            g, h = where[source], where[i]
            if g != h:
                after[g].add(h)
                before[h].add(g)
    return before, after
