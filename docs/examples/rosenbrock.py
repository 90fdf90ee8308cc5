"""
Rosenbrock's valley, with every optimiser
=========================================

The function (1 - x)² + 100 (y - x²)² has its minimum at (1, 1), at the end of a bent and nearly
level valley: easy to reach, hard to walk along. Who gets there?

`ga.optim` holds descent with its relatives, and hands functions to SciPy's methods with exact
gradients and, where a method asks for them, exact products with the Hessian.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 400 if "--short" in sys.argv else 5_000
START = {"x": -1.2, "y": 1.5}


def valley(p):
    return (1.0 - p["x"]) ** 2 + 100.0 * (p["y"] - p["x"] ** 2) ** 2


# %%
# First order, step by step: the learning rate of each is about the largest that is stable.

descents = {
    "sgd": (ga.optim.sgd, {"lr": 1e-3, "momentum": 0.0}),
    "sgd, momentum": (ga.optim.sgd, {"lr": 1e-3, "momentum": 0.9}),
    "rmsprop": (ga.optim.rmsprop, {"lr": 2e-3}),
    "adagrad": (ga.optim.adagrad, {"lr": 0.3}),
    "adam": (ga.optim.adam, {"lr": 0.02}),
    "adamw": (ga.optim.adamw, {"lr": 0.02, "weight_decay": 1e-4}),
}
found, ways = {}, {}
for name, (method, settings) in descents.items():
    ways[name] = []
    found[name] = method(
        valley, START, steps=STEPS, callback=lambda s, w=ways[name]: w.append(s.x), **settings
    )

# %%
# SciPy's methods choose their steps themselves.

for name in ("CG", "BFGS", "L-BFGS-B", "TNC", "Newton-CG", "trust-ncg", "Nelder-Mead"):
    ways[name] = [START]
    found[name] = ga.optim.minimize(
        valley, START, method=name, tol=1e-10, callback=lambda s, w=ways[name]: w.append(s.x)
    )

# %%

print(f"{'':14} {'steps':>6} {'value':>9}    x         y")
for name, result in found.items():
    x, y = float(result.x["x"]), float(result.x["y"])
    print(f"{name:14} {result.steps:6} {result.value:9.1e}  {x:8.5f}  {y:8.5f}")
    if name in ("CG", "BFGS", "L-BFGS-B", "Newton-CG", "trust-ncg", "Nelder-Mead"):
        np.testing.assert_allclose([x, y], 1.0, atol=1e-3)
    assert result.value < 4.5

# %%

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained", width_ratios=(1, 1, 1.1))
grid_x, grid_y = np.meshgrid(np.linspace(-1.7, 1.5, 200), np.linspace(-0.6, 2.2, 200))
heights = np.log10(valley({"x": grid_x, "y": grid_y}) + 1e-3)
for axis, names, title in (
    (axes[0], list(descents), "descent"),
    (axes[1], ["CG", "BFGS", "L-BFGS-B", "Newton-CG", "trust-ncg"], "SciPy"),
):
    axis.contour(grid_x, grid_y, heights, 12, colors="0.85", linewidths=0.8)
    for name in names:
        way = np.array([[float(p["x"]), float(p["y"])] for p in ways[name]])
        axis.plot(
            *way.T, linewidth=1, marker="" if len(way) > 100 else ".", markersize=4, label=name
        )
    axis.plot(1, 1, "k*", markersize=9)
    axis.set(xlabel="x", ylabel="y", title=title)
    axis.legend(fontsize="small", loc="lower center", ncols=2)
for name in descents:
    axes[2].loglog(found[name].history + 1e-16, label=name)
axes[2].set(xlabel="step", ylabel="value", ylim=(1e-10, 1e2))
axes[2].legend(fontsize="small", loc="lower left")
plt.show()
