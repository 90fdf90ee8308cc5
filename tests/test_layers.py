"""Guards the arrows: who may import whom, how long a file may be, where outside libraries enter.

The rank table is data (`ROWS`); every rule is a function from a parsed tree of modules to a list
of complaints, and is applied to the package as well as to small synthetic trees that break it.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path

import pytest

ROOT = "graphad"
HERE = Path(__file__).resolve().parent.parent

# A row may import the rows above it; siblings in a row do not see each other.
ROWS = (
    ("_version",),
    ("errors", "records", "tree"),
    ("libraries",),
    ("ir",),
    ("graph", "ops"),
    ("fft", "linalg", "nn", "random", "signal", "special", "stats"),
    ("batching",),
    ("derivatives", "rewrite", "plan"),
    ("codegen",),
    ("runtime",),
    ("compiler", "natively"),
    ("assemble",),
    ("functional",),
    ("numpy", "optim", "testing"),
    ("autograd",),
    ("viz", "interop"),
    ("demo",),
)
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}

# These join everything: they may import any module, and late.
EXEMPT = {ROOT, f"{ROOT}.__main__"}

MAX_LINES = 400
AT_TOP_LEVEL = {"numpy"}  # the one outside library that is always there
DYNAMIC_IMPORTS = {"import_module", "__import__"}


# ---- parsing --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """One imported name, `graphad.ir.walk` or `scipy.special`, and where it is imported."""

    target: str
    line: int
    when: str  # "load": while the module loads, "call": in a function, "types": for checkers only

    @property
    def library(self) -> str:
        """The first part of the dotted name."""
        return self.target.partition(".")[0]


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    source: str = field(repr=False)
    docstring: str | None = field(repr=False)
    imports: tuple[Import, ...] = field(repr=False)

    @property
    def unit(self) -> str:
        """The entry of the rank table that the module belongs to."""
        return unit(self.name)


Tree = Mapping[str, Module]
Rule = Callable[[Tree], list[str]]


def unit(name: str) -> str:
    """`graphad.ir.walk` belongs to `ir`, `graphad` itself to ''."""
    return name.removeprefix(ROOT).lstrip(".").partition(".")[0]


def read_package(folder: Path) -> Tree:
    """Parse all files below the package's folder."""
    files = sorted(folder.rglob("*.py"))
    return parse({str(f.relative_to(folder.parent)): f.read_text("utf-8") for f in files})


def parse(sources: Mapping[str, str]) -> Tree:
    """Parse sources given by path, `{"graphad/ir/walk.py": "import ..."}`."""
    names = {path: module_name(path) for path in sources}
    known = set(names.values())
    tree = {}
    for path, source in sources.items():
        name, syntax = names[path], ast.parse(source, path)
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        imports = tuple(find_imports(syntax, package, known))
        tree[name] = Module(name, source, ast.get_docstring(syntax), imports)
    return tree


def module_name(path: str) -> str:
    """`graphad/ir/__init__.py` holds the module `graphad.ir`."""
    return ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")


def find_imports(syntax: ast.Module, package: str, known: set[str]) -> Iterator[Import]:
    """All imports of a file, relative ones made absolute, in any order."""
    work: list[tuple[ast.AST, str]] = [(syntax, "load")]
    while work:
        node, when = work.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            when = "call"
        if isinstance(node, ast.If) and is_type_checking(node.test):
            work += [(child, "types") for child in node.body]
            work += [(child, when) for child in node.orelse]
        else:
            for target in targets(node, package, known):
                yield Import(target, getattr(node, "lineno", 0), when)
            work += [(child, when) for child in ast.iter_child_nodes(node)]


def is_type_checking(test: ast.expr) -> bool:
    """True of `TYPE_CHECKING` and `typing.TYPE_CHECKING`."""
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def targets(node: ast.AST, package: str, known: set[str]) -> list[str]:
    """The absolute names that one node imports; `from p import m` is `p.m` if that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join((parents if node.level else []) + ([node.module] if node.module else []))
        named = [f"{base}.{alias.name}" for alias in node.names]
        return sorted({name if name in known else base for name in named})
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = ast.unparse(node.func).rpartition(".")[2]
        return [str(node.args[0].value)] if called in DYNAMIC_IMPORTS else []
    return []


# ---- the rules ------------------------------------------------------------------------------


def inner_imports(tree: Tree) -> Iterator[tuple[Module, Import]]:
    """Pairs (module, import) for imports of the package by itself, exempt files left out."""
    for module in tree.values():
        for item in module.imports:
            if item.library == ROOT and module.name not in EXEMPT:
                yield module, item


def outer_imports(tree: Tree) -> Iterator[tuple[Module, Import]]:
    """Pairs (module, import) for third-party libraries that are really loaded."""
    for module in tree.values():
        for item in module.imports:
            ours = item.library == ROOT or item.library in sys.stdlib_module_names
            if not ours and item.library not in AT_TOP_LEVEL and item.when != "types":
                yield module, item


def wrong_arrows(tree: Tree) -> list[str]:
    """Imports that go upward or sideways in the rank table, also those made for types only."""
    found = []
    for name in sorted({m.unit for m in tree.values() if m.name not in EXEMPT} - set(RANK)):
        found.append(f"{ROOT}.{name} has no place in the rank table")
    for module, item in inner_imports(tree):
        here, there = module.unit, unit(item.target)
        below = RANK.get(there, len(ROWS)) < RANK.get(here, -1)
        top = here == ROWS[-1][0] and item.target == ROOT  # the demo is a user of the package
        if here != there and not below and not top:
            found.append(f"{module.name}:{item.line} imports {item.target}, which is not below it")
    return found


def cycles(tree: Tree) -> list[str]:
    """A cycle of imports that run while the modules load, also inside one package."""
    arrows = {
        module.name: {item.target for item in module.imports if item.when == "load"} & set(tree)
        for module in tree.values()
    }
    loops = [f"{name} imports itself" for name in sorted(arrows) if name in arrows[name]]
    if not loops:
        try:
            TopologicalSorter(arrows).prepare()
        except CycleError as error:
            loops = ["cycle: " + " <- ".join(error.args[1])]
    return loops


def late_imports(tree: Tree) -> list[str]:
    """Imports of the package by itself that hide in a function or in a dynamic import."""
    return [
        f"{module.name}:{item.line} imports {item.target} inside a function"
        for module, item in inner_imports(tree)
        if item.when == "call"
    ]


def long_files(tree: Tree) -> list[str]:
    """Files that should be split: what are their parts called?"""
    lengths = {module.name: len(module.source.splitlines()) for module in tree.values()}
    return [f"{name} has {n} lines" for name, n in lengths.items() if n > MAX_LINES]


def missing_docstrings(tree: Tree) -> list[str]:
    """Modules that do not say what they are for."""
    return [f"{m.name} has no docstring" for m in tree.values() if not (m.docstring or "").strip()]


def eager_libraries(tree: Tree) -> list[str]:
    """Outside libraries that load with the module instead of on first use."""
    return [
        f"{module.name}:{item.line} imports {item.library} at module level"
        for module, item in outer_imports(tree)
        if item.when == "load"
    ]


def scattered_libraries(tree: Tree) -> list[str]:
    """Outside libraries that enter through more than one file."""
    users: dict[str, set[str]] = {}
    for module, item in outer_imports(tree):
        users.setdefault(item.library, set()).add(module.name)
    return [
        f"{library} is imported in {len(names)} files: {', '.join(sorted(names))}"
        for library, names in sorted(users.items())
        if len(names) > 1
    ]


RULES: tuple[Rule, ...] = (
    wrong_arrows,
    cycles,
    late_imports,
    long_files,
    missing_docstrings,
    eager_libraries,
    scattered_libraries,
)


# ---- the package obeys ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def package() -> Tree:
    return read_package(HERE / ROOT)


def test_the_package_is_found(package: Tree) -> None:
    assert f"{ROOT}._version" in package and len(package) > 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package_obeys(rule: Rule, package: Tree) -> None:
    complaints = rule(package)
    assert not complaints, "\n".join(complaints)


# ---- and each rule can fail -----------------------------------------------------------------

TYPES_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "

# Each rule with faulty sources by path and the start of the one complaint.
BROKEN: dict[Rule, list[tuple[dict[str, str], str]]] = {
    wrong_arrows: [
        # upward
        ({"ir/a.py": "import graphad.ops.b"}, "graphad.ir.a:1 imports graphad.ops.b,"),
        ({"ir/a.py": "from graphad.ops import b"}, "graphad.ir.a:1 imports graphad.ops,"),
        ({"ir/a.py": "from ..ops.b import c"}, "graphad.ir.a:1 imports graphad.ops.b,"),
        (
            {"ir/__init__.py": "from .. import ops", "ops.py": ""},
            "graphad.ir:1 imports graphad.ops",
        ),
        ({"errors.py": "from .ir import types"}, "graphad.errors:1"),
        ({"plan/a.py": "import graphad"}, "graphad.plan.a:1 imports graphad,"),
        ({"plan/a.py": "from graphad import sin"}, "graphad.plan.a:1 imports graphad,"),
        ({"ir/a.py": TYPES_ONLY + "from graphad.plan import b"}, "graphad.ir.a:3"),
        ({"ir/a.py": "def f():\n    import graphad.viz"}, "graphad.ir.a:2"),
        ({"ir/a.py": "class A:\n    import graphad.compiler"}, "graphad.ir.a:2"),
        ({"compiler.py": "try:\n    import graphad.viz\nfinally: pass"}, "graphad.compiler:2"),
        ({"viz/a.py": "from graphad.demo import digits"}, "graphad.viz.a:1"),
        ({"viz/a.py": "import graphad.__main__"}, "graphad.viz.a:1"),
        # sideways
        ({"errors.py": "from graphad import tree", "tree.py": ""}, "graphad.errors:1"),
        ({"plan/a.py": "from ..rewrite.b import c"}, "graphad.plan.a:1"),
        ({"optim/a.py": "import graphad.testing"}, "graphad.optim.a:1"),
        # unknown to the table
        ({"misc/a.py": ""}, "graphad.misc has no place"),
    ],
    cycles: [
        ({"ir/a.py": "from . import b", "ir/b.py": "from . import a"}, "cycle: graphad.ir."),
        (
            {
                "ir/a.py": "from graphad.ir.b import x",
                "ir/b.py": "import graphad.ir.c as y",
                "ir/c.py": "from .a import z",
            },
            "cycle: graphad.ir.",
        ),
        ({"ir/__init__.py": "from .a import x", "ir/a.py": "from ..ir import y"}, "cycle: "),
        ({"ir/__init__.py": "from graphad.ir import y"}, "graphad.ir imports itself"),
    ],
    late_imports: [
        ({"viz/a.py": "def f():\n    import graphad.ir"}, "graphad.viz.a:2"),
        ({"viz/a.py": "async def f():\n    from ..ir import x"}, "graphad.viz.a:2"),
        ({"viz/a.py": "class A:\n    def f(self):\n        from . import b"}, "graphad.viz.a:3"),
        ({"viz/a.py": "f = lambda: import_module('graphad.ir')"}, "graphad.viz.a:1"),
        ({"demo/a.py": "def f():\n    import graphad"}, "graphad.demo.a:2"),
    ],
    long_files: [({"ir/a.py": "x = 1\n" * 401}, "graphad.ir.a has 401 lines")],
    missing_docstrings: [
        ({"ir/a.py": "import os\n'too late'"}, "graphad.ir.a has no docstring"),
        ({"__init__.py": ""}, "graphad has no docstring"),
        ({"ir/a.py": "' '"}, "graphad.ir.a has no docstring"),
    ],
    eager_libraries: [
        ({"viz/a.py": "import networkx as nx"}, "graphad.viz.a:1 imports networkx at"),
        ({"viz/a.py": "from graphviz import Digraph"}, "graphad.viz.a:1 imports graphviz at"),
        ({"ops/a.py": "from scipy.special import erf"}, "graphad.ops.a:1 imports scipy at"),
        ({"codegen/a.py": "import os, llvmlite"}, "graphad.codegen.a:1 imports llvmlite at"),
        ({"demo/a.py": "import matplotlib.pyplot"}, "graphad.demo.a:1 imports matplotlib at"),
        ({"demo/a.py": "import tqdm"}, "graphad.demo.a:1 imports tqdm at"),
        ({"__init__.py": "import sklearn"}, "graphad:1 imports sklearn at"),
        ({"viz/a.py": "try:\n    import jax\nexcept ImportError: pass"}, "graphad.viz.a:2"),
        ({"viz/a.py": "jax = importlib.import_module('jax')"}, "graphad.viz.a:1"),
    ],
    scattered_libraries: [
        (
            {
                "viz/a.py": "def f():\n    import scipy.special",
                "interop/b.py": "def f():\n    return import_module('scipy.linalg')",
            },
            "scipy is imported in 2 files: graphad.interop.b, graphad.viz.a",
        ),
    ],
}

# Sources without fault under every rule but the one on docstrings.
SOUND: tuple[dict[str, str], ...] = (
    {"ops/a.py": "from graphad import errors\nfrom graphad.ir.b import c", "errors.py": ""},
    {"ops/a.py": "import graphad.ir.b\nfrom ..tree import flatten\nfrom . import d"},
    {"ir/a.py": "from .b import x", "ir/b.py": TYPES_ONLY + "from .a import y"},
    {
        "ir/__init__.py": "from .a import x\nfrom . import b",
        "ir/a.py": "",
        "ir/b.py": "from .a import x",
    },
    {"__init__.py": "from . import ir\ndef f():\n    import graphad.demo", "ir.py": ""},
    {"__main__.py": "def f():\n    from graphad.demo import digits"},
    {"demo/__init__.py": "", "demo/digits.py": "import graphad as ga\nimport graphad.viz"},
    {"numpy/a.py": "import numpy as np\nimport os.path\nfrom numpy.linalg import norm"},
    {"viz/a.py": "def f():\n    import scipy", "viz/b.py": TYPES_ONLY + "import scipy"},
    {"ir/a.py": "x = 1\n" * 400},
)


def test_every_rule_is_shown_to_fail() -> None:
    assert set(BROKEN) == set(RULES)


def synthetic(sources: Mapping[str, str]) -> Tree:
    return parse({f"{ROOT}/{path}": source for path, source in sources.items()})


@pytest.mark.parametrize(
    ("rule", "sources", "complaint"),
    [(rule, *case) for rule, cases in BROKEN.items() for case in cases],
)
def test_rule_finds_fault(rule: Rule, sources: Mapping[str, str], complaint: str) -> None:
    found = rule(synthetic(sources))
    assert len(found) == 1 and found[0].startswith(complaint)


@pytest.mark.parametrize("sources", SOUND)
def test_sound_sources_pass(sources: Mapping[str, str]) -> None:
    rules = [rule for rule in RULES if rule is not missing_docstrings]
    assert [complaint for rule in rules for complaint in rule(synthetic(sources))] == []


@pytest.mark.parametrize(("low", "high"), list(combinations(ROWS, 2)))
def test_every_pair_of_rows(low: tuple[str, ...], high: tuple[str, ...]) -> None:
    down = synthetic({f"{high[0]}.py": f"import graphad.{low[-1]}"})
    up = synthetic({f"{low[0]}.py": f"import graphad.{high[-1]}"})
    assert wrong_arrows(down) == [] and len(wrong_arrows(up)) == 1
