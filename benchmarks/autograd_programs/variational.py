"""Black-box variational inference: the objective draws fresh noise at each call."""

import autograd.numpy as np
import autograd.numpy.random as npr
import autograd.scipy.stats.multivariate_normal as mvn
import autograd.scipy.stats.norm as norm
from autograd import grad
from autograd.misc.optimizers import adam

DIMENSIONS, SAMPLES = 2, 100


def log_density(x):
    mu, log_sigma = x[:, 0], x[:, 1]
    sigma_density = norm.logpdf(log_sigma, 0, 1.35)
    return sigma_density + norm.logpdf(mu, 0, np.exp(log_sigma))


def black_box(seed):
    rs = npr.RandomState(seed)

    def unpack(params):
        return params[:DIMENSIONS], params[DIMENSIONS:]

    def gaussian_entropy(log_std):
        return 0.5 * DIMENSIONS * (1.0 + np.log(2 * np.pi)) + np.sum(log_std)

    def objective(params, t=0):
        mean, log_std = unpack(params)
        samples = rs.randn(SAMPLES, DIMENSIONS) * np.exp(log_std) + mean
        return -(gaussian_entropy(log_std) + np.mean(log_density(samples)))

    return objective


def setup():
    return black_box(0), np.hstack([-np.ones(DIMENSIONS), -5 * np.ones(DIMENSIONS)])


def train(iterations):
    objective, params = setup()
    seen = []

    def callback(params, t, g):
        if t % 20 == 0:
            mean, log_std = params[:DIMENSIONS], params[DIMENSIONS:]
            seen.append(mvn.pdf(mean, mean, np.diag(np.exp(2 * log_std))))

    found = adam(grad(objective), params, step_size=0.1, num_iters=iterations, callback=callback)
    return {"params": found, "seen": seen}
