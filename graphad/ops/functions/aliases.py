"""Further names of functions: those that NumPy and the Array API standard have for them."""

from __future__ import annotations

from graphad.ir.op import OPS

ALIASES = {
    "absolute": "abs", "acos": "arccos", "acosh": "arccosh", "amax": "max", "amin": "min",
    "around": "round", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atan2": "arctan2", "atanh": "arctanh", "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift", "bitwise_not": "invert",
    "bitwise_right_shift": "right_shift", "concat": "concatenate", "conjugate": "conj",
    "degrees": "rad2deg", "mod": "remainder", "permute_dims": "transpose", "pow": "power",
    "radians": "deg2rad", "true_divide": "divide",
}  # fmt: skip

for _alias, _name in ALIASES.items():
    OPS.alias(_alias, _name)
