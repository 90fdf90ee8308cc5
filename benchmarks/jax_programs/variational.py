"""As `autograd_programs.variational`: the noise is drawn outside of the compiled objective."""

import jax
import jax.numpy as np
import jax.scipy.stats.multivariate_normal as mvn
import jax.scipy.stats.norm as norm
import numpy.random as npr

from benchmarks.jaxed import grad
from benchmarks.jaxed.misc.optimizers import adam

DIMENSIONS, SAMPLES = 2, 100


def log_density(x):
    mu, log_sigma = x[:, 0], x[:, 1]
    sigma_density = norm.logpdf(log_sigma, 0, 1.35)
    return sigma_density + norm.logpdf(mu, 0, np.exp(log_sigma))


def setup():
    def unpack(params):
        return params[:DIMENSIONS], params[DIMENSIONS:]

    def gaussian_entropy(log_std):
        return 0.5 * DIMENSIONS * (1.0 + np.log(2 * np.pi)) + np.sum(log_std)

    def objective(params, noise):
        mean, log_std = unpack(params)
        samples = noise * np.exp(log_std) + mean
        return -(gaussian_entropy(log_std) + np.mean(log_density(samples)))

    return objective, np.hstack([-np.ones(DIMENSIONS), -5 * np.ones(DIMENSIONS)])


def noise():
    """The generator that the objective draws from."""
    rs = npr.RandomState(0)
    return lambda: rs.randn(SAMPLES, DIMENSIONS)


def one_shot():
    objective, params = setup()
    return grad(objective)(params, noise()())


def train(iterations):
    objective, params = setup()
    draw, slope = noise(), grad(objective)
    density = jax.jit(lambda mean, std: mvn.pdf(mean, mean, np.diag(np.exp(2 * std))))
    seen = []

    def callback(params, t, g):
        if t % 20 == 0:
            seen.append(density(params[:DIMENSIONS], params[DIMENSIONS:]))

    found = adam(
        slope, params, step_size=0.1, num_iters=iterations, callback=callback,
        given=lambda i: draw(),
    )  # fmt: skip
    return {"params": found, "seen": seen}
