"""A hidden Markov model: the forward pass in logarithms, its gradient, and EM by gradients."""

import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad, value_and_grad
from autograd.scipy.special import logsumexp

STATES, SYMBOLS, LENGTH = 4, 6, 60


def log_normalize(a):
    return a - logsumexp(a, axis=-1, keepdims=True)


def log_marginal(log_start, log_move, log_emit, observed):
    alpha = log_start + log_emit[:, observed[0]]
    for symbol in observed[1:]:
        alpha = logsumexp(alpha[:, None] + log_move, axis=0) + log_emit[:, symbol]
    return logsumexp(alpha)


def setup():
    rs = npr.RandomState(1)
    observed = (np.arange(LENGTH) // 3 + rs.randint(0, 2, LENGTH)) % SYMBOLS
    params = (rs.randn(STATES), rs.randn(STATES, STATES), rs.randn(STATES, SYMBOLS))

    def loss(params):
        start, move, emit = [log_normalize(p) for p in params]
        return -log_marginal(start, move, emit, observed) / LENGTH

    return loss, params, observed


def train(iterations):
    loss, params, observed = setup()
    values = []
    for _ in range(iterations // 2):
        value, gradient = value_and_grad(loss)(params)
        params = tuple(p - 0.5 * g for p, g in zip(params, gradient, strict=True))
        values.append(value)
    # EM: the expected statistics are the gradient of the log marginal by the log parameters
    logs = tuple(log_normalize(p) for p in params)
    expected = grad(lambda logs: log_marginal(*logs, observed))
    for _ in range(iterations - iterations // 2):
        logs = tuple(log_normalize(np.log(e + 1e-12)) for e in expected(logs))
    return {"params": params, "values": values, "logs": logs}
