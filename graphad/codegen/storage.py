"""Where the temporaries of a list of calls lie: memory is used again after the last reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphad.codegen.parts import Call

LINE = 64  # bytes of a cache line, to which every array is aligned


def offsets(calls: Sequence[Call], sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """(the first byte of every base in `sizes`, bytes in all).

    >>> from graphad.codegen.places import Place
    >>> import numpy as np
    >>> a, b, c = [Place(name, np.dtype(float), (8,), "temporary") for name in "abc"]
    >>> offsets([Call("f", (a, b), ""), Call("f", (b, c), "")], {"a": 64, "b": 64, "c": 64})
    ({'a': 0, 'b': 64, 'c': 0}, 128)
    """
    last = {p.base: i for i, call in enumerate(calls) for p in call.places}
    found: dict[str, int] = {}
    free: dict[int, list[int]] = {}
    end = 0
    for i, call in enumerate(calls):
        bases = dict.fromkeys([p.base for p in call.places if p.base in sizes])
        for base in bases:
            if base in found:
                continue
            size = -(-sizes[base] // LINE) * LINE
            spare = free.get(size)
            if spare:
                found[base] = spare.pop()
            else:
                found[base] = end
                end += size
        for base in bases:
            if last[base] == i:
                free.setdefault(-(-sizes[base] // LINE) * LINE, []).append(found[base])
    return found, end
