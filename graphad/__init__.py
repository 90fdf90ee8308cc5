"""tmp"""
from graphad import ops
from graphad.ir.make import *
from graphad.ir.graph import Graph
from graphad.ir.op import OPS
from graphad.ir.context import scope
globals().update(OPS)
from graphad.derivatives.reverse import grad, vjp
from graphad.derivatives.forward import jvp
from graphad.derivatives.higher import jacobian, hessian, hvp
