"""Writes graphad/ops/index.py: which module declares which of the operations that load late.

python docs/further.py
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import textwrap
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import graphad
import graphad.ops
from graphad.ir import families
from graphad.ir.op import OPS

INDEX = Path(graphad.__file__).parent / "ops" / "index.py"
HEAD = '''"""Which module declares what of the operations that load late; see `further`.

Written by `python docs/further.py`: of each module the functions, and after the bar what else it
declares: its primitives, and functions of NumPy that are answered by functions of other names.
"""

# fmt: off
FURTHER: dict[str, str] = {
'''


class Noting(SourceFileLoader):
    """Loads modules, and notes what each of them declares itself."""

    found: ClassVar[dict[str, tuple[list[str], list[str]]]] = {}
    known: ClassVar[set[tuple[str, str]]] = set()

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        new = declared() - self.known  # those that it imports have noted theirs
        self.known |= new
        functions = sorted([name for kind, name in new if kind == "function"])
        others = sorted({name for kind, name in new if kind != "function"} - {*functions})
        if new:
            self.found[module.__name__.removeprefix("graphad.")] = functions, others


def declared() -> set[tuple[str, str]]:
    """(kind, name) of all that is declared so far."""
    numpy = [getattr(function, "__name__", "") for function in OPS.by_numpy]
    registers: dict[str, Any] = {"function": OPS.declared, "family": OPS.families, "numpy": numpy}
    return {(kind, name) for kind, names in registers.items() for name in names}


def further_modules() -> list[str]:
    """The modules that `import graphad` leaves, and that may declare something."""
    found = [*pkgutil.walk_packages(graphad.ops.__path__, "graphad.ops."),
             *pkgutil.walk_packages(families.__path__, "graphad.ir.families.")]  # fmt: skip
    later = [f"graphad.{module}" for module in graphad._LATER.values()]
    return sorted({*[module.name for module in found], *later} - {*sys.modules})


def entry(module: str, functions: Sequence[str], others: Sequence[str]) -> str:
    """The names of a module as source: one string, on several lines if need be."""
    text = " ".join([*functions, "|", *others])
    if len(module) + len(text) < 84:
        return f'    "{module}": "{text}",\n'
    lines = textwrap.wrap(text, 88, break_long_words=False, break_on_hyphens=False)
    return f'    "{module}":\n        "' + ' "\n        "'.join(lines) + '",\n'


def page() -> str:
    """The whole file; in a process that has loaded nothing of it."""
    assert OPS.further is not None
    Noting.known |= declared()
    for name in further_modules():
        if name not in sys.modules:
            importlib.import_module(name)
    parts = [HEAD]
    parts += [entry(name, *names) for name, names in sorted(Noting.found.items())]
    return "".join([*parts, "}\n"])


class Finder(PathFinder):
    """Has the modules of graphad loaded by `Noting`."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = super().find_spec(name, path, target) if name.startswith("graphad.") else None
        if spec is not None and spec.origin is not None:
            spec.loader = Noting(name, spec.origin)
        return spec


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder)
    text = page()
    if "--check" in sys.argv:
        sys.exit(text != INDEX.read_text("utf-8"))
    INDEX.write_text(text, "utf-8")
