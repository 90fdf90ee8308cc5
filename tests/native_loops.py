"""Whether the loops of a function are machine code."""

from __future__ import annotations

from typing import Any

from graphad.codegen.scanned import Loop


def is_native(f: Any) -> bool:
    """Were all loops that a function has run machine code?"""
    compiled = f._compiled
    programs = [compiled.program, *vars(compiled.native or object).values()]
    bound = [v for p in programs for v in getattr(p, "bound", {}).values()]
    machines = [v._made["machine"] for v in bound if isinstance(v, Loop) and v._made]
    codes = [code for machine in machines for code in machine.variants.values()]
    return bool(codes) and all([code is not None for code in codes])
