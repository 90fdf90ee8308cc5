"""
Steering smoke
==============

A bar of smoke lies in still air. With which gust does it have to start, for the smoke to form a
ring a moment later? The gust is a field of 2 × 32 × 32 numbers; a simulation of the air carries
smoke and gust along, and the gradient of the mismatch goes back through the simulation.

Air is incompressible: what flows into a cell flows out of it. A Fourier transform takes the
part of a velocity field that does not obey, exactly.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import graphad as ga

ROUNDS = 8 if "--short" in sys.argv else 60
SIZE, STEPS = 32, 16

# %%
# The parts of the simulation, on a square whose edges are joined.

frequencies = np.fft.fftfreq(SIZE)
across, down = np.meshgrid(frequencies, frequencies)
squared = across**2 + down**2
squared[0, 0] = 1.0
rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(float)


def incompressible(u, v):
    """The velocity field (u across, v down) without its sources and sinks."""
    fu, fv = np.fft.fft2(u), np.fft.fft2(v)
    source = (across * fu + down * fv) / squared
    return np.fft.ifft2(fu - across * source).real, np.fft.ifft2(fv - down * source).real


def carried(fields, u, v):
    """Each field after a step in the wind (u, v): what arrives was upwind before."""
    at_x, at_y = columns - u, rows - v
    left, top = np.floor(at_x), np.floor(at_y)
    share_x, share_y = at_x - left, at_y - top
    x0, y0 = left.astype("int64") % SIZE, top.astype("int64") % SIZE
    x1, y1 = (x0 + 1) % SIZE, (y0 + 1) % SIZE
    return [
        (1 - share_y) * ((1 - share_x) * f[y0, x0] + share_x * f[y0, x1])
        + share_y * ((1 - share_x) * f[y1, x0] + share_x * f[y1, x1])
        for f in fields
    ]


def advance(state, _):
    u, v, smoke = state
    u, v, smoke = carried(state, u, v)
    u, v = incompressible(u, v)
    return (u, v, smoke), smoke


# %%
# Smoke at the start, and where it shall be: as much as there is, in a ring.

bar = np.exp(-(((rows - 15.5) / 4.0) ** 4) - ((columns - 15.5) / 9.0) ** 8)
distance = np.hypot(rows - 15.5, columns - 15.5)
ring = np.exp(-(((distance - 8.0) / 2.0) ** 2))
ring *= bar.sum() / ring.sum()

gust = ga.tensor("gust", shape=(2, SIZE, SIZE))
start = (*incompressible(gust[0], gust[1]), ga.constant(bar))
(_, _, last), film = ga.scan(advance, start, length=STEPS)
mismatch = ((last - ring) ** 2).mean()
effort = 1e-5 * (gust**2).mean()
cost = mismatch + effort
evaluate = ga.function([gust], [cost, ga.grad(cost, gust)], name="evaluate")
watch = ga.function([gust], [film, mismatch], name="watch")

# %%
# SciPy's L-BFGS steers.

costs = []


def of_vector(vector):
    value, slope = evaluate(vector.reshape(2, SIZE, SIZE))
    costs.append(float(value))
    return value, slope.ravel()


found = minimize(
    of_vector, np.zeros(2 * SIZE * SIZE), jac=True, method="L-BFGS-B",
    options={"maxiter": ROUNDS, "maxfun": 2 * ROUNDS},
)  # fmt: skip
best = found.x.reshape(2, SIZE, SIZE)
frames, after = watch(best)
_, before = watch(np.zeros_like(best))
print(f"mismatch {before:.4f} → {after:.4f} after {len(costs)} simulations")
assert after < before * (0.6 if ROUNDS < 20 else 0.25)

# %%
# The gradient is that of the simulation: a step along any direction changes the cost as it
# says.

rng = np.random.default_rng(0)
point, direction = rng.normal(0.0, 0.3, (2, 2, SIZE, SIZE))
ahead, behind = [evaluate(point + h * direction)[0] for h in (1e-6, -1e-6)]
slope = (evaluate(point)[1] * direction).sum()
np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-5)

# %%

figure, axes = plt.subplots(1, 6, figsize=(12, 2.5), layout="constrained")
shots = [bar, *[frames[i] for i in (3, 7, 11, 15)], ring]
titles = ["start", "step 4", "step 8", "step 12", "step 16", "wanted"]
for axis, shot, title in zip(axes, shots, titles, strict=True):
    axis.imshow(shot, cmap="gray_r", vmin=0.0, vmax=1.0)
    axis.set(title=title, xticks=[], yticks=[])
u, v = incompressible(best[0], best[1])
axes[0].quiver(columns[::2, ::2], rows[::2, ::2], u[::2, ::2], v[::2, ::2],
               color="tab:red", angles="xy", width=0.006)  # fmt: skip
plt.show()
