"""Special functions under the names of `scipy.special`: ``ga.special.gammaln``, ``erf``, …

Values are SciPy's (the extra `scipy`).

The functions are declared in `graphad/ops/`.
"""

from typing import Any

from graphad.ir.op import OPS


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return OPS.names("special")
    if OPS.knows(f"special.{name}"):  # loaded now
        globals()[name] = OPS[f"special.{name}"]
        return globals()[name]
    raise AttributeError(f"module 'graphad.special' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS.names("special")})
