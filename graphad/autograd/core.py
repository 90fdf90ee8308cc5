"""Names that old programs import from `core`."""

from graphad.autograd.extend import (
    SparseObject,
    VSpace,
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    vspace,
)
from graphad.autograd.extend import old_primitive as primitive
from graphad.autograd.operators import make_jvp, make_vjp
from graphad.autograd.tracer import Box, getval, isbox

__all__ = [
    "Box", "SparseObject", "VSpace", "def_linear", "defjvp", "defjvp_argnum", "defjvp_argnums",
    "defvjp", "defvjp_argnum", "defvjp_argnums", "getval", "isbox", "make_jvp", "make_vjp",
    "primitive", "vspace",
]  # fmt: skip
