"""What of NumPy and SciPy can be written in a graph: ``python -m graphad.testing.coverage``.

Every public name of `numpy`, `numpy.linalg` and `numpy.fft`, and the names of SciPy that the
package undertakes to have, is either found in the op table, with its derivatives tried out on its
own samples, or stands below with the reason why it has no meaning in a graph.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from graphad.derivatives.forward import jvp
from graphad.derivatives.reverse import vjp
from graphad.errors import GraphadError
from graphad.ir.op import OPS, Entry
from graphad.ir.variable import Variable
from graphad.testing.gradients import interpret
from graphad.testing.samples import Case, cases_of, inputs_for

# Why a name of NumPy has no symbolic form.
_REASONS = {
    "reads or writes files, memory or Python iterators": """
        DataSource frombuffer fromfile fromiter fromregex fromstring from_dlpack genfromtxt load
        loadtxt save savetxt savez savez_compressed memmap""",
    "text: printing and parsing": """
        array2string array_repr array_str base_repr binary_repr format_float_positional
        format_float_scientific get_printoptions info printoptions set_printoptions typename""",
    "dates": """
        busday_count busday_offset datetime_as_string datetime_data is_busday isnat busdaycalendar
        datetime64 timedelta64""",
    "a type: use NumPy's, for example x.astype(np.float32)": """
        dtype finfo iinfo ndarray generic ufunc""",
    "an old name, for vstack": "row_stack",
    "about dtypes, which are NumPy's own: ask NumPy with x.dtype": """
        can_cast common_type isdtype issubdtype min_scalar_type mintypecode promote_types
        result_type""",
    "settings of NumPy": """
        errstate getbufsize geterr geterrcall setbufsize seterr seterrcall get_include show_config
        show_runtime test""",
    "about memory, which the compiler decides on": """
        asfortranarray ascontiguousarray isfortran may_share_memory require shares_memory
        nested_iters nditer flatiter broadcast asarray_chkfinite""",
    "in place: build the changed array with x.at[index].set(value)": """
        copyto fill_diagonal place put putmask""",
    "bits of integers as arrays": "packbits unpackbits",
    "loops in Python over values: use x.shape and slices": "ndenumerate ndindex iterable",
    "matrices, records and polynomials as classes: use arrays": """
        asmatrix bmat matrix recarray record poly1d""",
    "wraps a Python function of scalars; use ga.primitive or operations on arrays": "frompyfunc",
    "describes a plan: the graph itself shows the order": "einsum_path",
    "makes an array of values outside the graph: use NumPy's": """
        array asanyarray asarray""",
    "a value: use NumPy's": """
        False_ ScalarType True_ c_ e euler_gamma index_exp inf little_endian mgrid nan newaxis
        ogrid pi r_ s_ sctypeDict typecodes isscalar""",
    "an exception class": "LinAlgError",
}
SCIPY = {
    "special": """
        gamma gammaln loggamma digamma psi polygamma gammainc gammaincc betainc beta betaln erf
        erfc erfcx erfinv erfcinv expit logit logsumexp xlogy xlog1py log1mexp j0 j1 jn y0 y1 i0 i1
        iv ive kv ndtr log_ndtr zeta owens_t hyp2f1""",
    "stats": """
        norm t beta gamma chi2 poisson dirichlet multivariate_normal""",
    "linalg": """
        expm sqrtm logm lu solve_triangular cho_solve solve_banded solve_sylvester
        solve_discrete_lyapunov block_diag toeplitz""",
}


@dataclass(frozen=True)
class Row:
    """One name, and what can be done with it."""

    name: str
    supported: bool
    modes: Mapping[str, str]
    note: str = ""

    def __str__(self) -> str:
        cells = [self.modes.get(mode, "") for mode in ("vjp", "jvp", "second order")]
        state = "yes" if self.supported else "no"
        return f"| `{self.name}` | {state} | {' | '.join(cells)} | {self.note} |"


# ---- derivatives, tried out ------------------------------------------------------------------
def modes_of(entry: Entry) -> dict[str, str]:
    """Which derivatives the samples of an entry have: "yes", "zero", "-" for integers.

    >>> modes_of(OPS.entries["exp"])
    {'vjp': 'yes', 'jvp': 'yes', 'second order': 'yes'}
    """
    for case in cases_of(entry):  # the first with float arguments and results
        if any(a.dtype.kind in "fc" for a in case.arrays):
            arguments, results = _results(case)
            if results:
                return _tried(case, arguments, results)
    return dict.fromkeys(("vjp", "jvp", "second order"), "-")


def _results(case: Case) -> tuple[list[Variable], list[Variable]]:
    arguments = inputs_for(case.arrays)
    return arguments, [v for v in case.build(*arguments) if v.dtype.kind in "fc"]


def _tried(
    case: Case, arguments: Sequence[Variable], results: Sequence[Variable]
) -> dict[str, str]:
    wrt = [v for v in arguments if v.dtype.kind in "fc"]
    seeds, moves = ([Variable(v.type) for v in vs] for vs in (results, wrt))
    rng = np.random.default_rng(0)
    inputs = [*arguments, *seeds, *moves]
    made_now = interpret(arguments, results)(*case.arrays)  # sizes may depend on values
    like = [*made_now, *[a for a in case.arrays if a.dtype.kind in "fc"]]
    drawn = [np.asarray(rng.normal(size=np.shape(a))) for a in like]
    pairs = zip(drawn, inputs[-len(drawn) :], strict=True)
    values = [*case.arrays, *[a.astype(v.dtype) for a, v in pairs]]
    first = vjp(list(results), wrt, seeds)
    made: dict[str, Any] = {
        "vjp": first,
        "jvp": jvp(list(results), wrt, moves),
        "second order": vjp(first, wrt, moves),
    }
    found = {}
    for mode, variables in made.items():
        try:
            outputs = interpret(inputs, variables)(*values)
            finite = all(np.isfinite(value).all() for value in outputs)
            found[mode] = "no" if not finite else "yes" if any(map(np.any, outputs)) else "zero"
        except (GraphadError, np.linalg.LinAlgError):
            found[mode] = "no"
    return found


# ---- names -----------------------------------------------------------------------------------
def _reason(name: str, value: Any) -> str | None:
    for reason, names in _REASONS.items():
        if name in names.split():
            return reason
    if isinstance(value, ModuleType):
        return "a module"
    if isinstance(value, type) and issubclass(value, np.generic):
        return "a type: use NumPy's, for example x.astype(np.float32)"
    return None


def numpy_rows(module: ModuleType, prefix: str = "") -> Iterator[Row]:
    """A row for each public name of a module of NumPy."""
    entries = {id(entry.function): entry for entry in OPS.entries.values()}
    for name in sorted(dir(module)):
        if name.startswith("_"):
            continue
        value, full = getattr(module, name), f"{prefix}{name}"
        function = OPS.get(full)
        if function is None and callable(value):
            function = OPS.by_numpy.get(value)
        entry = entries.get(id(function))
        reason = _reason(name, value)
        if entry is not None:
            note = "" if entry.name == full else f"`ga.{entry.name}`"
            yield Row(full, True, modes_of(entry), note)
        elif function is not None and reason is None:
            yield Row(full, True, {}, "built of other functions")
        else:
            yield Row(full, False, {}, reason or "MISSING")


def scipy_rows() -> Iterator[Row]:
    """A row for each name of SciPy that the package undertakes to have."""
    for part, names in SCIPY.items():
        for name in names.split():
            full = f"{part}.{name}"
            found = {n: e for n, e in OPS.entries.items() if n == full or n.startswith(full + ".")}
            alias = OPS.get(full)
            entry = next((e for e in OPS.entries.values() if e.function is alias), None)
            if not found and entry is not None:
                yield Row(full, True, modes_of(entry), f"`ga.{entry.name}`")
            for n, e in found.items():
                yield Row(n, True, modes_of(e))
            if not found and entry is None:
                yield Row(full, False, {}, "MISSING")


def rows() -> list[Row]:
    """All rows of the table."""
    parts = [numpy_rows(np), numpy_rows(np.linalg, "linalg."), numpy_rows(np.fft, "fft.")]
    return [row for part in [*parts, scipy_rows()] for row in part]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if something is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m graphad.testing.coverage", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--missing", action="store_true", help="only what is missing")
    options = parser.parse_args(arguments)
    found = rows()
    missing = [row for row in found if row.note == "MISSING"]
    if not options.missing:
        print("| name | supported | vjp | jvp | second order | note |")
        print("|---|---|---|---|---|---|")
    for row in missing if options.missing else found:
        print(row)
    supported = sum(row.supported for row in found)
    print(f"\n{len(found)} names: {supported} supported, {len(missing)} missing, "
          f"{len(found) - supported - len(missing)} without meaning in a graph")  # fmt: skip
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
