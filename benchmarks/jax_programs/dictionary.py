"""As `autograd_programs.dictionary`: the batch is a dynamic slice, since its number is traced."""

import itertools

import jax
import jax.numpy as np
import numpy.random as npr
from jax.scipy.special import logsumexp

from benchmarks.jaxed import grad
from benchmarks.jaxed.misc import flatten
from benchmarks.jaxed.misc.optimizers import adam

LAYERS, BATCH = [16, 32, 24, 5], 32


def predict(params, inputs):
    for layer in params[:-1]:
        inputs = np.maximum(np.dot(inputs, layer["weights"]) + layer["biases"], 0.0)
    outputs = np.dot(inputs, params[-1]["weights"]) + params[-1]["biases"]
    return outputs - logsumexp(outputs, axis=1, keepdims=True)


def setup():
    rs = npr.RandomState(7)
    params = [
        {"weights": 0.3 * rs.randn(m, n), "biases": 0.3 * rs.randn(n)}
        for m, n in itertools.pairwise(LAYERS)
    ]
    images = rs.randn(256, LAYERS[0])
    labels = np.argmax(images @ rs.randn(LAYERS[0], LAYERS[-1]), axis=1)
    targets = np.eye(LAYERS[-1])[labels]
    batches = len(images) // BATCH

    def objective(params, i=0):
        begin = i % batches * BATCH
        chosen = jax.lax.dynamic_slice_in_dim(images, begin, BATCH)
        wanted = jax.lax.dynamic_slice_in_dim(targets, begin, BATCH)
        log_prior = -0.01 * np.sum(flatten(params)[0] ** 2)
        log_likelihood = np.sum(predict(params, chosen) * wanted)
        return -(log_prior + log_likelihood) / BATCH

    return objective, params


def train(iterations):
    objective, params = setup()
    found = adam(grad(objective), params, step_size=0.01, num_iters=iterations)
    value = jax.jit(objective)
    return {"params": found, "losses": [value(found, i) for i in range(8)]}
