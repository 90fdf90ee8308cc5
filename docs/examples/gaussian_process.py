"""
Gaussian process regression
===========================

A distribution over functions, conditioned on 25 noisy points. How far correlations reach, how
large the functions are and how noisy the points: three numbers, chosen by the likelihood of the
data.

The likelihood is graph, through a Cholesky factor; SciPy's L-BFGS gets value and gradient from
one compiled function.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import graphad as ga

rng = np.random.default_rng(0)
data = np.sort(rng.uniform(-4.0, 4.0, 25))
data = data[(data < -1.0) | (data > 0.5)]
target = np.sin(1.5 * data) * data + rng.normal(0.0, 0.3, len(data))

# %%
# Squared distances, kernel, covariance. The three parameters are logarithms, so that every
# number is allowed.

x, t = ga.vector("x", shape=("points",)), ga.vector("t", shape=("points",))
logs = ga.vector("logs", shape=(3,))
reach, size, noise = np.exp(logs[0]), np.exp(logs[1]), np.exp(logs[2])


def kernel(a, b):
    return size**2 * np.exp(-0.5 * ((a[:, None] - b[None, :]) / reach) ** 2)


covariance = kernel(x, x) + (noise**2 + 1e-8) * ga.eye(x.shape[0])
factor = np.linalg.cholesky(covariance)
white = ga.linalg.solve_triangular(factor, t, lower=True)
cost = (
    0.5 * (white**2).sum()
    + np.log(np.diagonal(factor)).sum()
    + 0.5 * np.log(2 * np.pi) * x.shape[0]
)
evaluate = ga.function([logs, x, t], [cost, ga.grad(cost, logs)], name="likelihood")

found = minimize(evaluate, np.zeros(3), args=(data, target), jac=True, method="L-BFGS-B")
print(f"-log likelihood {evaluate(np.zeros(3), data, target)[0]:.2f} → {found.fun:.2f}")
print("reach {:.2f}, size {:.2f}, noise {:.2f}".format(*np.exp(found.x)))

# %%
# The prediction at new places, from the same pieces: mean, and covariance of what is not known.

new = ga.vector("new", shape=("places",))
cross = ga.linalg.solve_triangular(factor, kernel(x, new), lower=True)
mean, rest = white @ cross, kernel(new, new) - cross.T @ cross
predict = ga.function([logs, x, t, new], [mean, rest], name="predict")

places = np.linspace(-6.0, 6.0, 200)
centre, spread = predict(found.x, data, target, places)
deviation = np.sqrt(np.diag(spread))

# %%
# At the optimum the slopes vanish, the noise is near the 0.3 that were put in, the curve behind
# the data stays within the band, and away from the data the band opens.

truth = np.sin(1.5 * places) * places
inside = np.abs(places) < 3.5
assert np.abs(found.jac).max() < 1e-2
assert 0.15 < np.exp(found.x[2]) < 0.5
assert (np.abs(centre - truth) < 3 * deviation)[inside].mean() > 0.95
assert deviation[0] > 3 * deviation[np.argmin(np.abs(places - data[5]))]

# %%

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.fill_between(
    places, centre - 2 * deviation, centre + 2 * deviation, alpha=0.2, label="±2 deviations"
)
drawn = rng.multivariate_normal(centre, spread + 1e-8 * np.eye(200), 4, method="cholesky")
axis.plot(places, drawn.T, color="tab:blue", linewidth=0.6, alpha=0.7)
axis.plot(places, centre, color="tab:blue", linewidth=2, label="mean")
axis.plot(places, truth, "k--", linewidth=1, label="x sin(1.5 x)")
axis.plot(data, target, "o", color="tab:orange", label="points")
axis.set(xlabel="x", ylabel="y", ylim=(-4.5, 9.0))
axis.legend(loc="upper center", ncols=2)
plt.show()
