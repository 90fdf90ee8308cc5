"""Where the names of SciPy's modules come from: the op table if it has them, else SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphad.ir.op import OPS
from graphad.libraries import scipy
from graphad.numpy.dispatch import Dispatched


def module_lookup(
    part: str, names: dict[str, Any]
) -> tuple[Callable[[str], Any], Callable[[], Any]]:
    """``__getattr__`` and ``__dir__`` of a module that stands for ``scipy.<part>``; what was
    found is kept in `names`, the module's globals. SciPy's module is imported here: later, the
    first gradient would wait for it.

    >>> get, _ = module_lookup("special", {})
    >>> get("expit")
    <function special.expit of arrays and Variables>
    """

    plain = _plain(part)

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        names[name] = found = _find(part, plain, name)
        return found

    def listed() -> list[str]:
        return sorted({*names, *OPS.names(part), *dir(plain)})

    return get, listed


def _plain(part: str) -> Any:
    first, *rest = part.split(".")
    found = scipy(first)
    for name in rest:
        found = getattr(found, name)
    return found


def _find(part: str, module: Any, name: str) -> Any:
    plain = getattr(module, name, None)
    symbolic = f"{part}.{name}" in OPS
    if plain is None and symbolic:
        return OPS[f"{part}.{name}"]
    if plain is None:
        raise AttributeError(f"scipy.{part} has no {name!r}")
    return Dispatched(plain, f"{part}.{name}") if symbolic else plain
