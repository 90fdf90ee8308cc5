"""The hyperparameters of a Gaussian process, by gradient ascent on the marginal likelihood."""

import autograd.numpy as np
import autograd.numpy.random as npr
import autograd.scipy.stats.multivariate_normal as mvn
from autograd import value_and_grad


def rbf(params, x, z):
    output_scale = np.exp(params[0])
    lengthscales = np.exp(params[1:])
    diffs = np.expand_dims(x / lengthscales, 1) - np.expand_dims(z / lengthscales, 0)
    return output_scale * np.exp(-0.5 * np.sum(diffs**2, axis=2))


def setup():
    rs = npr.RandomState(0)
    x = np.sort(4.0 * rs.rand(30, 1), axis=0)
    y = np.sin(3.0 * x[:, 0]) + 0.1 * rs.randn(30)

    def loss(params):
        mean, noise = params[0], np.exp(params[1]) + 0.001
        covariance = rbf(params[2:], x, x) + noise * np.eye(len(y))
        return -mvn.logpdf(y, mean * np.ones(len(y)), covariance)

    return loss, 0.1 * rs.randn(4)


def train(iterations):
    loss, params = setup()
    value_and_gradient = value_and_grad(loss)
    values = []
    for _ in range(iterations):
        value, gradient = value_and_gradient(params)
        params = params - 0.002 * gradient
        values.append(value)
    return {"params": params, "values": values}
