"""Guards what a user meets first: a light import, one version, documented and typed names."""

import configparser
import inspect
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import graphad
from graphad.ir.op import OPS

SETUP_CFG = Path(__file__).resolve().parent.parent / "setup.cfg"

# What `import graphad` must leave for first use: outside libraries, and parts of the standard
# library and of NumPy that cost milliseconds. What NumPy itself loads is free.
LEFT_FOR_FIRST_USE = """
    networkx graphviz matplotlib scipy sklearn tqdm llvmlite
    unittest doctest logging asyncio multiprocessing subprocess tempfile
    concurrent.futures importlib.metadata
    xml.etree.ElementTree sqlite3 email http.client urllib.request argparse
    numpy.random numpy.testing numpy.ma numpy.polynomial numpy.f2py
""".split()

MODULES_LOADED = """
import sys
import numpy
before = set(sys.modules)
import graphad
print(*sorted(set(sys.modules) - before))
"""

FIRST_FUNCTION = """
import sys
import graphad as ga
x = ga.vector("x")
loaded = set(sys.modules)
loss = (ga.tanh(x) ** 2).sum()
ga.function([x], [loss, ga.grad(loss, x)])([1.0, 2.0])
print(*[name for name in set(sys.modules) - loaded if name.startswith("graphad")])
"""

PRIVATE = {"getitem", "getitem_by", "scatter_add"}  # for rules, not for users
PUBLIC = sorted(graphad.__all__)


# ---- import ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Names of the modules that a new interpreter loads for graphad beyond those of NumPy."""
    command = [sys.executable, "-c", MODULES_LOADED]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_import_is_light(loaded: set[str]) -> None:
    assert "graphad" in loaded
    assert loaded & set(LEFT_FOR_FIRST_USE) == set()


def test_the_first_function_is_compiled_by_what_is_there() -> None:
    """A small program loads nothing when it is compiled and called."""
    done = subprocess.run([sys.executable, "-c", FIRST_FUNCTION], check=True, capture_output=True)
    assert done.stdout.split() == []


def test_import_leaves_machine_code_and_blocks_for_first_use(loaded: set[str]) -> None:
    makers = {"graphad.codegen.native", "graphad.codegen.grouping", "graphad.plan.fuse"}
    assert not loaded & {*makers, "graphad.rewrite.assume", "graphad.ir.text"}


def test_import_loads_no_outside_library(loaded: set[str]) -> None:
    known = {*sys.stdlib_module_names, "numpy", "graphad"}
    assert {name.partition(".")[0] for name in loaded} <= known


# ---- what loads at first use ----------------------------------------------------------------


def test_index_of_further_operations_is_true() -> None:
    """It says of each module that loads at first use what it declares."""
    writer = Path(__file__).resolve().parent.parent / "docs" / "further.py"
    done = subprocess.run([sys.executable, str(writer), "--check"], capture_output=True, text=True)
    assert not done.returncode, done.stderr or "run python docs/further.py"


ONE_OF_MANY = """
import sys
import graphad as ga
a = ga.matrix("a", shape=(3, 3))
{}
print(*[m for m in sys.modules if m.startswith("graphad.ops.")])
"""


@pytest.mark.parametrize(
    ("line", "module", "others"),
    [
        ("ga.linalg.cholesky(a)", "linalg.cholesky", ("fft", "special", "stats", "linalg.svd")),
        ("import numpy as np; np.sort(a)", "statistics.sorting", ("linalg", "fft", "nn")),
        ("ga.fori_loop(0, 3, lambda i, c: c + a, a)", "control.counting", ("linalg", "nn", "fft")),
        ("ga.stats.norm.logpdf(a)", "stats.line", ("linalg", "stats.multivariate", "nn")),
        ("import graphad.numpy as np; np.diag(a)", "arrays.matrix", ("linalg", "functions")),
    ],
)
def test_use_loads_what_it_needs(line: str, module: str, others: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", ONE_OF_MANY.format(line)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert f"graphad.ops.{module}" in found
    unwanted = tuple(f"graphad.ops.{other}." for other in others)
    assert [name for name in found if f"{name}.".startswith(unwanted)] == []


# ---- what is shipped ------------------------------------------------------------------------


def test_version_is_the_same_everywhere() -> None:
    assert graphad.__version__ == metadata.version("graphad")


def test_types_are_shipped() -> None:
    assert resources.files("graphad").joinpath("py.typed").is_file()
    settings = configparser.ConfigParser()
    settings.read(SETUP_CFG, "utf-8")
    assert "py.typed" in settings["options.package_data"]["graphad"].split()


def test_every_folder_with_code_is_a_package() -> None:
    root = Path(graphad.__file__).parent
    folders = {file.parent for file in root.rglob("*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()


# ---- public names ---------------------------------------------------------------------------


def test_all_is_a_list_without_repetition() -> None:
    assert len(PUBLIC) == len(set(PUBLIC))
    assert [name for name in PUBLIC if name.startswith("_") and name != "__version__"] == []


def docstring_fault(name: str, value: object) -> str | None:
    """What is wrong with the docstring of a public name; plain values need none."""
    if not callable(value) and not isinstance(value, ModuleType):
        return None
    doc = (value.__doc__ or "").strip()
    generated = inspect.isclass(value) and doc.startswith(f"{value.__name__}(")
    return f"{name} has no docstring" if not doc or generated else None


def annotation_fault(name: str, value: object) -> str | None:
    """Which parameters of a public function lack an annotation; classes are left to mypy."""
    if not callable(value) or inspect.isclass(value):
        return None
    try:
        signature = inspect.signature(value)
    except ValueError:
        return f"{name} has no signature"
    bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
    bare += ["return"] if signature.return_annotation is signature.empty else []
    return f"{name} lacks annotations: {', '.join(bare)}" if bare else None


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name(name: str) -> None:
    value = getattr(graphad, name)
    assert docstring_fault(name, value) is None
    assert annotation_fault(name, value) is None


@pytest.mark.parametrize("name", sorted(OPS))
def test_function_of_the_table(name: str) -> None:
    assert docstring_fault(name, OPS[name]) is None
    assert annotation_fault(name, OPS[name]) is None


def test_functions_are_where_their_names_say() -> None:
    for name, function in OPS.items():
        found: Any = graphad
        for part in name.split("."):
            found = getattr(found, part) if name not in PRIVATE else function
        assert found is function
        assert name in PRIVATE or name.split(".")[0] in dir(graphad)


def test_faults_are_found() -> None:
    def bare(x, *rest, key: int = 0):  # type: ignore[no-untyped-def]
        return x, rest, key

    def sound(x: int) -> int:
        """Return x."""
        return x

    assert docstring_fault("bare", bare) == "bare has no docstring"
    assert annotation_fault("bare", bare) == "bare lacks annotations: x, rest, return"
    assert docstring_fault("sound", sound) is None and annotation_fault("sound", sound) is None
