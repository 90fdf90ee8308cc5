"""What indexing and broadcasting make of sizes, ints and Dims alike, in comparable form."""

from __future__ import annotations

from graphad.ir.dims import Atom, Dim, atom
from graphad.ir.dimtext import exact_text


def clamp(size: int | Dim) -> int | Dim:
    """max(size, 0); a sum of positive multiples of what is never negative is its own clamp."""
    if isinstance(size, int):
        return max(size, 0)
    if all(c > 0 and all(map(_never_negative, monomial)) for monomial, c in size.terms):
        return size
    return atom("max", _without_clamp(size), 0)


def _without_clamp(size: Dim) -> Dim:
    """max(a, 0) - k → a - k for k ≥ 0, which makes no difference inside of max(…, 0)."""
    terms = dict(size.terms)
    k = terms.pop((), 0)
    if k <= 0 and len(terms) == 1:
        ((monomial, coefficient),) = terms.items()
        if coefficient == 1 and len(monomial) == 1 and monomial[0][0] == "max":
            inner, zero = monomial[0][1:]
            return inner + k if zero == 0 else size
    return size


def _never_negative(found: Atom) -> bool:
    """Is the value of an atom at least 0? Quotients and remainders may be negative."""
    if found[0] == "max":
        return any(isinstance(d, int) and d >= 0 for d in found[1:])
    return found[0] in ("name", "anonymous", "broadcast", "slice")


def minimum(first: int | Dim, second: int | Dim) -> int | Dim:
    """min(first, second)."""
    if isinstance(first, int) and isinstance(second, int):
        return min(first, second)
    if first == second:
        return first
    return atom("min", *sorted((first, second), key=exact_text))


def slice_length(
    size: int | Dim, start: int | None, stop: int | None, step: int | None
) -> int | Dim:
    """``len(range(size)[start:stop:step])``, in a form in which equal slices compare equal.

    >>> n = Dim.named("n")
    >>> slice_length(n, 1, None, None), slice_length(n, None, -1, None)
    (max(n - 1, 0), max(n - 1, 0))
    """
    if isinstance(size, int):
        return len(range(*slice(start, stop, step).indices(size)))
    pace = 1 if step is None else step
    if pace in (1, -1) and start is None and stop is None:
        return size
    if start is None and stop is None:
        return (size + (abs(pace) - 1)) // abs(pace)
    if pace == 1:
        first = start or 0
        if first >= 0 and stop is None:
            return clamp(size - first)
        if first >= 0 and stop is not None and stop < 0:
            return clamp(size - (first - stop))
        if first == 0 and stop is not None:
            return minimum(size, stop)
        if first < 0 and stop is None:
            return minimum(size, -first)
    return atom("slice", size, start, stop, step)


def joint_size(first: int | Dim, second: int | Dim) -> int | Dim | None:
    """The size two axes broadcast to, or None where they can be seen to clash.

    A size of exactly 1 stretches; a *named* size equals only itself (and stretches a literal 1);
    other sizes that are unknown while building are compared at run time, as NumPy does.
    """
    if first is second or first == second:
        return first
    if first == 1:
        return second
    if second == 1:
        return first
    if isinstance(first, int) and isinstance(second, int):
        return None
    named = [d for d in (first, second) if isinstance(d, Dim) and d.name is not None]
    if len(named) == 2 or (named and (isinstance(first, int) or isinstance(second, int))):
        return None
    if named:
        return named[0]
    if isinstance(first, int) or isinstance(second, int):
        return first if isinstance(first, int) else second
    joined = _broadcast_operands(first) | _broadcast_operands(second)
    return atom("broadcast", *sorted(joined, key=exact_text))


def _broadcast_operands(size: int | Dim) -> set[int | Dim]:
    """What a broadcast joins, so that joining twice changes nothing."""
    if isinstance(size, Dim) and size.is_atom and size.terms[0][0][0][0] == "broadcast":
        return set(size.terms[0][0][0][1:])
    return {size.with_origin(None) if isinstance(size, Dim) else size}
