"""A recurrent network learns which character follows; the time steps are a Python loop."""

import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import grad
from autograd.misc.optimizers import adam
from autograd.scipy.special import logsumexp

TEXT = "the quick brown fox jumps over the lazy dog, "
LETTERS = sorted(set(TEXT))
HIDDEN = 24


def encode(text):
    return np.eye(len(LETTERS))[np.array([LETTERS.index(c) for c in text])]


def sigmoid(x):
    return 0.5 * (np.tanh(x) + 1.0)


def predict(params, inputs):
    state = np.repeat(params["start"], inputs.shape[1], axis=0)
    outputs = []
    for step in inputs:
        joined = np.hstack((step, state, np.ones((step.shape[0], 1))))
        gate = sigmoid(np.dot(joined, params["gate"]))
        state = gate * state + (1 - gate) * np.tanh(np.dot(joined, params["change"]))
        logits = np.dot(state, params["predict"])
        outputs.append(logits - logsumexp(logits, axis=1, keepdims=True))
    return outputs


def setup():
    rs = npr.RandomState(0)
    n = len(LETTERS)
    params = {
        "start": 0.1 * rs.randn(1, HIDDEN),
        "change": 0.1 * rs.randn(n + HIDDEN + 1, HIDDEN),
        "gate": 0.1 * rs.randn(n + HIDDEN + 1, HIDDEN),
        "predict": 0.1 * rs.randn(HIDDEN, n),
    }
    pieces = [encode((TEXT * 3)[begin : begin + 21]) for begin in range(0, len(TEXT), 5)]
    batch = np.stack(pieces, axis=1)
    inputs, targets = batch[:-1], batch[1:]

    def loss(params, i=0):
        log_likelihood = 0.0
        for t, prediction in enumerate(predict(params, inputs)):
            log_likelihood = log_likelihood + np.sum(prediction * targets[t])
        return -log_likelihood / (targets.shape[0] * targets.shape[1])

    return loss, params


def train(iterations):
    loss, params = setup()
    norms = []
    found = adam(
        grad(loss), params, num_iters=iterations, step_size=0.01,
        callback=lambda params, i, g: norms.append(np.sum(g["change"] ** 2)),
    )  # fmt: skip
    return {"params": found, "norms": norms, "loss": loss(found)}
