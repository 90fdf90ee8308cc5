"""How the algebra of dims is printed, ``2*n - 1``, ``max(n - 1, 0)``, ``?`` for unknown; the
texts by which it is ordered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def _atom_text(a: tuple[Any, ...]) -> str:
    if a[0] == "name":
        return a[1]
    if a[0] == "anonymous":
        return "?"
    if a[0] == "slice":
        bounds = ":".join("" if d is None else str(d) for d in a[2:])
        return f"len({a[1]}[{bounds}])"
    inner = ", ".join(str(d) for d in a[1:])
    return f"{a[0]}({inner})"


def dim_text(terms: tuple[tuple[tuple[Any, ...], int], ...]) -> str:
    """A sum of products of atoms, as a formula."""
    pieces: list[str] = []
    ordered = sorted(terms, key=lambda term: (not term[0], repr(term)))
    for monomial, coefficient in ordered:
        factors = [_atom_text(a) for a in monomial]
        size = abs(coefficient)
        body = "*".join(([str(size)] if size != 1 or not factors else []) + factors)
        sign = "-" if coefficient < 0 else "+"
        pieces.append(f" {sign} {body}" if pieces else (f"-{body}" if sign == "-" else body))
    return "".join(pieces)


def exact_text(value: Any) -> str:
    """A text that only equal sizes share (`dim_text` writes ? for all unknown ones): the key by
    which the parts of sums, products and broadcasts are ordered."""
    parts = getattr(value, "terms", value)
    if isinstance(parts, tuple):
        return f"({','.join(map(exact_text, parts))})"
    return f"{parts:025d}" if type(parts) is int else repr(parts)


def shape_text(shape: Sequence[Any]) -> str:
    """A shape as Python writes a tuple: ``(batch, 64)``."""
    return f"({', '.join(str(s) for s in shape)}{',' if len(shape) == 1 else ''})"
