"""Einstein sums: einsum of any number of operands, as a sequence of products of two."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import DTypeError, GraphadError, ShapeError, UseError
from graphad.ir.families.common import public
from graphad.ir.families.einsum import PairProduct, joint
from graphad.ir.op import OPS, Sample
from graphad.ir.sizes import joint_size
from graphad.ir.variable import Variable, as_variable, describe, locate, located

_einsum = PairProduct("einsum")

GUESS = 64  # of a size that is unknown while building, to choose the order of products


# ---- reading subscripts ----------------------------------------------------------------------
def parse(subscripts: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """(letters of each operand, letters of the result), the ellipsis written out in letters.

    >>> parse("...ij,...j", [3, 1])
    (['aij', 'j'], 'ai')
    """
    text = "".join(subscripts.split())
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ranks):
        raise UseError(
            f"einsum: {subscripts!r} describes {len(terms)} operands, {len(ranks)} are given",
            remedy="write one group of letters for each operand, separated by commas",
        )
    for term in [*terms, output]:
        rest = term.replace("...", "", 1)
        if any(letter not in string.ascii_letters for letter in rest):
            raise UseError(
                f"einsum: {term!r} in {subscripts!r} is no group of subscripts",
                remedy='write letters, and at most one ellipsis: "...ij,jk->...ik"',
            )
    free = [c for c in string.ascii_letters if c not in text]
    spans = [_span(i, t, r, subscripts) for i, (t, r) in enumerate(zip(terms, ranks, strict=True))]
    if max(spans, default=0) > len(free):
        raise UseError(f"einsum: {subscripts!r} has more than {len(string.ascii_letters)} axes")
    dots = "".join(free[: max(spans, default=0)])
    letters = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, spans, strict=True)]
    if not arrow:
        single = sorted({c for c in text if c in string.ascii_letters and text.count(c) == 1})
        return letters, dots + "".join(single)
    return letters, _output(output, letters, dots, subscripts)


def _span(position: int, term: str, rank: int, subscripts: str) -> int:
    """How many axes of an operand the ellipsis stands for."""
    count = len(term.replace("...", ""))
    if rank < count or ("..." not in term and rank != count):
        raise ShapeError(
            f"einsum: {term!r} names {count} axes, operand {position} has {rank}",
            remedy=f"name each axis in {subscripts!r}, or write ... for the others",
        )
    return rank - count


def _output(output: str, letters: Sequence[str], dots: str, subscripts: str) -> str:
    if dots and "..." not in output:
        raise UseError(
            f"einsum: the result of {subscripts!r} has no ellipsis, an operand has",
            remedy=f'write "->...{output}", or name the axes and leave them out to sum over them',
        )
    for letter in output.replace("...", ""):
        if output.count(letter) > 1 or not any(letter in term for term in letters):
            what = "twice in the result" if output.count(letter) > 1 else "in no operand"
            raise UseError(
                f"einsum: letter {letter!r} of {subscripts!r} is {what}",
                remedy="the letters of the result are different, and are letters of operands",
            )
    return output.replace("...", dots)


def _from_lists(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """The other form, ``einsum(a, [0, 1], b, [1, 2], [0, 2])``, in the form with a string."""

    def text(entries: Any) -> str:
        return "".join(["..." if e is Ellipsis else string.ascii_letters[e] for e in entries])

    arrays, lists = list(operands[0::2]), list(operands[1::2])
    try:
        if len(operands) % 2:
            output = "->" + text(arrays.pop())
            return ",".join([text(entries) for entries in lists]) + output, arrays
        return ",".join([text(entries) for entries in lists]), arrays
    except (TypeError, IndexError) as error:
        raise UseError(
            "einsum: no subscripts",
            cause=f"the first argument is {type(operands[0]).__name__}",
            remedy='write einsum("ij,jk->ik", a, b), or lists of integers after the operands',
        ) from error


# ---- one operand -----------------------------------------------------------------------------
def _diagonals(x: Variable, letters: str) -> tuple[Variable, str]:
    """A letter that names two axes of one operand: only elements on the diagonal remain."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            rest = [i for i in range(x.ndim) if i not in (first, second)]
            moved = OPS["transpose"](x, (first, second, *rest))
            x = moved[_equal_positions(moved.shape[0], moved.shape[1], letters, letter)]
            letters = letter + "".join([letters[i] for i in rest])
    return x, letters


def _equal_positions(n: Any, m: Any, letters: str, letter: str) -> tuple[Variable, Variable]:
    """Indices of the diagonal of an array (n, m); at run time an error if n is not m."""
    if joint_size(n, m) is None or (1 in (n, m) and n != m):
        raise ShapeError(
            f"einsum: letter {letter!r} of {letters!r} names axes of sizes {n} and {m}",
            remedy="a letter twice in one operand is the diagonal of a square array",
        )
    rows, columns = OPS["arange"](n), OPS["arange"](m)
    if n != m:
        return OPS["broadcast_to"](rows, (m,)), OPS["broadcast_to"](columns, (n,))
    return rows, columns


def _summed(x: Variable, letters: str, kept: str) -> tuple[Variable, str]:
    """Without the letters that are not in `kept`: they are summed over."""
    axes = tuple([i for i, letter in enumerate(letters) if letter not in kept])
    if not axes:
        return x, letters
    total = OPS["sum"](x, axis=axes)
    total = total if total.dtype == x.dtype else total.astype(x.dtype)  # as NumPy's: integers wrap
    return total, "".join([letter for letter in letters if letter in kept])


# ---- two, and more ---------------------------------------------------------------------------
Term = tuple[Variable, str]


def _product(a: Term, b: Term, kept: str) -> Term:
    """The product of two operands; letters of neither `kept` nor both are summed over first."""
    (x, left), (y, right) = a, b
    x, left = _unstretched(x, left, y, right)
    y, right = _unstretched(y, right, x, left)
    x, left = _summed(x, left, kept + right)
    y, right = _summed(y, right, kept + left)
    out = "".join([c for c in dict.fromkeys(left + right) if c in kept])
    if "".join(sorted(out)) == "".join(sorted(kept)):
        out = kept
    return _einsum(x, y, left=left, right=right, out=out), out


def _unstretched(x: Variable, letters: str, y: Variable, others: str) -> Term:
    """Without axes of size 1 that the other operand has with another size."""
    axes = tuple(
        [
            i
            for i, letter in enumerate(letters)
            if x.type.shape[i] == 1
            and letter in others
            and y.type.shape[others.index(letter)] != 1
        ]
    )
    if not axes:
        return x, letters
    return OPS["squeeze"](x, axis=axes), "".join(
        [letter for i, letter in enumerate(letters) if i not in axes]
    )


def _path(terms: Sequence[Term], out: str, optimize: Any) -> list[tuple[int, ...]]:
    """Which operands to join, one group after the other: NumPy's choice by the number of flops."""
    if optimize is False or len(terms) <= 2:
        return [tuple(range(len(terms)))]
    letters = [names for _, names in terms]
    shapes = [x.type.shape for x, _ in terms]
    sizes = {c: joint(letters, shapes, c) for names in letters for c in names}
    zero = np.float64(0)
    blanks = [
        np.broadcast_to(zero, [s if isinstance(s := sizes[c], int) else GUESS for c in names])
        for names in letters
    ]
    wish = "greedy" if optimize is True else optimize
    return np.einsum_path(f"{','.join(letters)}->{out}", *blanks, optimize=wish)[0][1:]


def _contracted(terms: list[Term], out: str, optimize: Any) -> Term:
    for group in _path(terms, out, optimize):
        chosen = [terms[i] for i in sorted(group)]
        terms = [term for i, term in enumerate(terms) if i not in group]
        made = chosen[0]
        for position, term in enumerate(chosen[1:], 2):
            others = [*terms, *chosen[position:]]
            needed = {*out, *"".join([names for _, names in others])}
            final = not others
            both = dict.fromkeys(made[1] + term[1])
            made = _product(
                made, term, out if final else "".join([c for c in both if c in needed])
            )
        terms.append(made)
    return terms[0]


def _samples(rng: np.random.Generator) -> list[Sample]:
    cases: Sequence[tuple[str, Sequence[tuple[int, ...]]]] = (
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,ik", [(3, 2), (3, 4)]),
        ("ij,ij->", [(2, 3), (2, 3)]),
        ("...ij,...kj->...ik", [(2, 2, 3), (4, 3)]),
        ("ijkl,kmjl->mi", [(2, 3, 2, 2), (2, 3, 3, 2)]),
        ("bij,bj->ib", [(2, 3, 2), (2, 2)]),
        ("i,j->ji", [(2,), (3,)]),
        ("ijk,j->k", [(2, 3, 2), (3,)]),
        ("ii->i", [(3, 3)]),
        ("iij", [(2, 2, 3)]),
        ("ij->", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
        ("a,ab,b,->", [(2,), (2, 3), (3,), ()]),
        ("ii,jji->ij", [(2, 2), (3, 3, 2)]),
        ("ij,jk->ik", [(2, 1), (3, 2)]),
        ("ij,jk->ik", [(2, 0), (0, 2)]),
    )
    return [
        Sample(tuple([rng.normal(size=s) for s in shapes]), {"subscripts": subscripts})
        for subscripts, shapes in cases
    ]


def _reference(*operands: Any, subscripts: str) -> Any:
    """np.einsum, but for arrays (0, n), whose diagonal in NumPy is uninitialised memory."""
    for operand, letters in zip(operands, subscripts.partition("->")[0].split(","), strict=True):
        if "..." not in letters and len(letters) == np.ndim(operand):
            pairs = set(zip(letters, np.shape(operand), strict=True))
            if len(pairs) > len(set(letters)):
                raise ValueError("no diagonal of an array that is not square")
    return np.einsum(subscripts, *operands)


def _casted(variables: list[Variable], dtype: Any, casting: Any) -> list[Variable]:
    """The operands in the dtype of the computation: `dtype`, or that of all of them."""
    wanted = np.result_type(*[v.dtype for v in variables]) if dtype is None else np.dtype(dtype)
    for v in variables:
        if dtype is not None and not np.can_cast(v.dtype, wanted, casting):
            raise DTypeError(
                f"einsum(..., dtype={wanted.name!r}) of {describe(v)}",
                cause=f"the cast from {v.dtype} is not allowed by casting={casting!r}",
                remedy='pass casting="same_kind" or "unsafe", or convert with .astype',
            )
    return [v if v.dtype == wanted else v.astype(wanted) for v in variables]


@public(topic="contraction", samples=_samples, reference=_reference)
def einsum(
    *operands: Any,
    subscripts: str | None = None,
    optimize: Any = True,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Variable:
    """Sum of products of elements, axes named by letters: ``einsum("ij,jk->ik", a, b)``.

    As ``np.einsum``: letters that are not after the arrow are summed over; without an arrow those
    that occur once remain, in the order of the alphabet; ``...`` stands for further axes, which
    broadcast; a letter twice in one operand is its diagonal; axes of size 1 stretch; lists of
    integers after each operand do instead of the string.
    optimize: how the order of more than two operands is chosen: True or "greedy", "optimal" (by
    the number of multiplications; unknown sizes count as 64), False (from left to right), or a
    path of ``np.einsum_path``. Each step is one matrix product where a letter is summed over.
    dtype: of the computation, to which `casting` must allow operands to be cast. order: of memory,
    has no effect on a graph.
    Raises UseError for faulty subscripts, ShapeError for sizes and numbers of axes that clash.

    >>> import graphad as ga
    >>> a, b = ga.tensor("a", shape=("n", 2, 3)), ga.tensor("b", shape=("n", 3))
    >>> ga.einsum("nij,nj->in", a, b).type
    float64[2, n]
    """
    if subscripts is None and operands and isinstance(operands[0], str):
        subscripts, operands = operands[0], operands[1:]
    if not operands:
        raise UseError("einsum: no operands", remedy='write einsum("ij,jk->ik", a, b)')
    given: Sequence[Any] = operands
    if subscripts is None:
        subscripts, given = _from_lists(operands)
    variables = [as_variable(x) for x in given]
    variables = _casted(variables, dtype, casting)
    if order not in ("C", "F", "A", "K"):
        raise UseError(f"einsum: order={order!r}", remedy='leave it away, or choose "K"')
    try:
        letters, out = parse(subscripts, [v.ndim for v in variables])
        for letter in dict.fromkeys("".join(letters)):
            joint(letters, [v.type.shape for v in variables], letter)
    except GraphadError as error:  # operands are counted without the string
        raise locate(error, variables) from None
    terms = [_diagonals(v, names) for v, names in zip(variables, letters, strict=True)]
    if len(terms) > 1:
        result, names = _contracted(terms, out, optimize)
    else:
        result, names = _summed(*terms[0], out)
    if names != out:
        result = OPS["transpose"](result, [names.index(letter) for letter in out])
    return result


def _numpy_einsum(
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = True,
) -> Any:
    """What np.einsum on Variables means."""
    if out is not None:
        raise UseError(
            f"np.einsum(..., out=...) on {describe(as_variable(operands[-1]))}",
            remedy="leave out= away; the compiler reuses memory by itself",
        )
    return einsum(*operands, optimize=optimize, dtype=dtype, order=order, casting=casting)


OPS.by_numpy[np.einsum] = located(_numpy_einsum)
