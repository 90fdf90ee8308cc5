"""The rates of a differential equation and a small network in it are fitted to a trajectory."""

import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
from autograd.misc.optimizers import rmsprop

STEPS = 12


def field(params, state):
    (w1, b1), (w2, b2) = params["network"]
    hidden = np.tanh(np.dot(state, w1) + b1)
    turned = np.array([-state[1], state[0]])
    return params["rate"] * turned + np.dot(hidden, w2) + b2


def runge_kutta(f, state, dt):
    k1 = f(state)
    k2 = f(state + 0.5 * dt * k1)
    k3 = f(state + 0.5 * dt * k2)
    k4 = f(state + dt * k3)
    return state + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def solve(params, start, dt):
    state, path = start, []
    for _ in range(STEPS):
        state = runge_kutta(lambda s: field(params, s), state, dt)
        path.append(state)
    return np.stack(path)


def setup():
    rs = npr.RandomState(3)
    network = [(0.5 * rs.randn(2, 8), np.zeros(8)), (0.1 * rs.randn(8, 2), np.zeros(2))]
    params = {"rate": 0.5, "network": network}
    times = 0.1 * (1.0 + np.arange(STEPS))
    decay = np.exp(-0.3 * times)
    truth = np.stack([decay * np.cos(2 * times), decay * np.sin(2 * times)], axis=1)

    def loss(params, i=0):
        return np.mean((solve(params, np.array([1.0, 0.0]), 0.1) - truth) ** 2)

    return loss, params


def train(iterations):
    loss, params = setup()
    found = rmsprop(grad(loss), params, num_iters=iterations, step_size=0.002)
    return {"params": found, "loss": loss(found)}
