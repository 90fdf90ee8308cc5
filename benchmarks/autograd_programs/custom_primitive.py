"""A primitive with its own gradient, stated as closures over NumPy, to second order."""

import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import elementwise_grad, grad, hessian_vector_product
from autograd.extend import defvjp, primitive
from autograd.test_util import check_grads


@primitive
def logsumexp(x):
    """Numerically stable log(sum(exp(x))), also defined in scipy.special"""
    max_x = np.max(x)
    return max_x + np.log(np.sum(np.exp(x - max_x)))


def logsumexp_vjp(ans, x):
    x_shape = x.shape
    return lambda g: np.full(x_shape, g) * np.exp(x - np.full(x_shape, ans))


defvjp(logsumexp, logsumexp_vjp)


@primitive
def softabs(x, width):
    return np.sqrt(x * x + width * width)


defvjp(
    softabs,
    lambda ans, x, width: lambda g: g * x / ans,
    lambda ans, x, width: lambda g: np.sum(g * width / ans),
)


def setup():
    rs = npr.RandomState(4)
    x = rs.randn(40, 12)
    y = x @ np.linspace(-1.0, 1.0, 12) + 0.1 * rs.randn(40)

    def loss(params):
        w, log_width = params[:-1], params[-1]
        errors = softabs(np.dot(x, w) - y, np.exp(log_width))
        return logsumexp(errors) + np.mean(errors) + 0.1 * log_width**2

    return loss, 0.1 * rs.randn(13)


def train(iterations):
    loss, params = setup()
    check_grads(logsumexp, modes=["rev"])(np.array([0.5, -1.0, 2.0]))
    gradient = grad(loss)
    values = []
    for _ in range(iterations):
        g = gradient(params)
        params = params - 0.02 * g
        values.append(np.sum(g**2))
    product = hessian_vector_product(loss)(params, np.ones(13))
    slope = elementwise_grad(lambda z: softabs(z, 0.3))(np.linspace(-1.0, 1.0, 5))
    return {"params": params, "values": values, "product": product, "slope": slope}
