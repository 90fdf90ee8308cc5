"""Products of small matrices as LLVM text: c = a b, the sums held in registers.

A tile of some rows and a few vectors of columns is added up over the whole inner axis before it
is stored; every number of it is one chain of fused multiplications and additions, in order. Sizes
and strides are numbers in the code. For matrices that fit the caches; larger ones go to BLAS.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphad.codegen.looptext import LoopText
from graphad.codegen.places import pieces
from graphad.codegen.vectors import element
from graphad.records import Record


class Product(Record):
    """c (m, n) = a (m, k) b (k, n): strides in elements; rows of b and c are contiguous.

    stack: how many products, and the elements from one to the next in a, b and c.
    """

    m: int
    n: int
    k: int
    a: tuple[int, int]
    b: int
    dtype: np.dtype
    stack: tuple[int, int, int, int] = (1, 0, 0, 0)


def write_product(t: LoopText, product: Product, bits: int) -> None:
    """The loops of a product, of the arrays %p0 and %p1 into %p2, in registers of `bits`."""
    count, *steps = product.stack
    if count == 1:
        write_tiles(t, product, bits, ["%p0", "%p1", "%p2"])
        return

    def one(i: str) -> None:
        write_tiles(t, product, bits, [
            t.at(f"%p{j}", product.dtype, 0, [(i, step)]) for j, step in enumerate(steps)
        ])  # fmt: skip

    t.loop(count, one)


def write_tiles(t: LoopText, product: Product, bits: int, bases: Sequence[str]) -> None:
    """All columns, a few vectors at a time."""
    dtype = product.dtype
    width = bits // (8 * dtype.itemsize)
    registers = 32 if bits == 512 else 16
    wide = 4 if registers == 32 else 2
    full, rest = pieces(product.n, width)
    several = full // wide
    block = [(i * width, width) for i in range(wide)]

    def one(j: str) -> None:
        a, b, c = bases
        moved = [t.at(base, dtype, 0, [(j, wide * width)]) for base in (b, c)]
        _rows(t, product, registers, [a, *moved], block)

    if several > 1:
        t.loop(several, one)
    elif several:
        _rows(t, product, registers, bases, block)
    left = [(i * width, width) for i in range(several * wide, full)] + rest
    for first in range(0, len(left), wide):
        _rows(t, product, registers, bases, left[first : first + wide])


def _rows(
    t: LoopText, product: Product, registers: int, bases: Sequence[str],
    columns: Sequence[tuple[int, int]],
) -> None:  # fmt: skip
    """All rows of some columns, tile by tile."""
    tall = min(8, (registers - 2 - len(columns)) // len(columns))
    tall = -(-product.m // -(-product.m // tall))
    whole = product.m // tall
    left = product.m - whole * tall
    if whole > 1:
        t.loop(whole, lambda i: _tile(t, product, bases, t.put(f"mul i64 {i}, {tall}"), tall,
                                      columns))  # fmt: skip
    else:
        _tile(t, product, bases, "0", tall, columns)
    if left:
        _tile(t, product, bases, str(whole * tall), left, columns)


def _tile(
    t: LoopText, product: Product, bases: Sequence[str], row: str, tall: int,
    columns: Sequence[tuple[int, int]],
) -> None:  # fmt: skip
    """Rows from `row` on, and these vectors of columns: (first, lanes) of each."""
    dtype, kind = product.dtype, element(product.dtype)
    a, b, c = bases
    down, along = product.a
    head, done = t.new_label("loop"), t.new_label("done")
    before, index, following = t.block, t.fresh(), t.fresh()
    start = t.at(a, dtype, 0, [(row, down)])
    sums = [[t.fresh() for _ in columns] for _ in range(tall)]
    t.do(f"br label %{head}")
    t.label(head)
    place = len(t.lines)
    line = t.at(b, dtype, 0, [(index, product.b)])
    column = t.at(start, dtype, 0, [(index, along)])
    rows = []
    for first, lanes in columns:
        t.lanes = lanes
        rows.append(t.read(t.at(line, dtype, first, []), dtype))
    made: list[list[str]] = []
    for r in range(tall):
        t.lanes = 1
        one = t.read(t.at(column, dtype, r * down, []), dtype)
        made.append([])
        for j, (_, lanes) in enumerate(columns):
            t.lanes = lanes
            made[r].append(t.intrinsic("fma", kind, [t.splat(one, kind), rows[j], sums[r][j]]))
    t.lanes = 1
    t.do(f"{following} = add i64 {index}, 1")
    more = t.put(f"icmp ult i64 {following}, {product.k}")
    phis = [f"  {index} = phi i64 [ 0, %{before} ], [ {following}, %{t.block} ]"]
    for r in range(tall):
        for j, (_, lanes) in enumerate(columns):
            t.lanes = lanes
            phis.append(f"  {sums[r][j]} = phi {t.vector(kind)} [ zeroinitializer, %{before} ], "
                        f"[ {made[r][j]}, %{t.block} ]" if lanes > 1 else
                        f"  {sums[r][j]} = phi {kind} [ 0.0, %{before} ], "
                        f"[ {made[r][j]}, %{t.block} ]")  # fmt: skip
    t.lanes = 1
    t.lines[place:place] = phis
    t.do(f"br i1 {more}, label %{head}, label %{done}")
    t.label(done)
    target = t.at(c, dtype, 0, [(row, product.n)])
    for r in range(tall):
        for j, (first, lanes) in enumerate(columns):
            t.lanes = lanes
            t.store(made[r][j], t.at(target, dtype, r * product.n + first, []), dtype)
    t.lanes = 1
