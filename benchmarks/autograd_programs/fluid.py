"""A start velocity is found for which a fluid carries smoke into a given picture."""

import autograd.numpy as np
from autograd import value_and_grad

SIZE, STEPS = 16, 4


def project(vx, vy):
    """Project the velocity field to be approximately mass-conserving, by Gauss-Seidel steps."""
    p = np.zeros(vx.shape)
    h = 1.0 / vx.shape[0]
    div = -0.5 * h * (
        np.roll(vx, -1, axis=0) - np.roll(vx, 1, axis=0)
        + np.roll(vy, -1, axis=1) - np.roll(vy, 1, axis=1)
    )  # fmt: skip
    for _ in range(6):
        p = (
            div + np.roll(p, 1, axis=0) + np.roll(p, -1, axis=0)
            + np.roll(p, 1, axis=1) + np.roll(p, -1, axis=1)
        ) / 4.0  # fmt: skip
    vx = vx - 0.5 * (np.roll(p, -1, axis=0) - np.roll(p, 1, axis=0)) / h
    vy = vy - 0.5 * (np.roll(p, -1, axis=1) - np.roll(p, 1, axis=1)) / h
    return vx, vy


def advect(f, vx, vy):
    """Move field f according to x and y velocities, by linear interpolation back in time."""
    rows, cols = f.shape
    cell_ys, cell_xs = np.meshgrid(np.arange(cols), np.arange(rows))
    center_xs = (cell_xs - vx).ravel()
    center_ys = (cell_ys - vy).ravel()
    left_ix = np.floor(center_xs).astype(int)
    top_ix = np.floor(center_ys).astype(int)
    rw = center_xs - left_ix
    bw = center_ys - top_ix
    left_ix = np.mod(left_ix, rows)
    right_ix = np.mod(left_ix + 1, rows)
    top_ix = np.mod(top_ix, cols)
    bot_ix = np.mod(top_ix + 1, cols)
    flat_f = (1 - rw) * ((1 - bw) * f[left_ix, top_ix] + bw * f[left_ix, bot_ix]) + rw * (
        (1 - bw) * f[right_ix, top_ix] + bw * f[right_ix, bot_ix]
    )
    return np.reshape(flat_f, (rows, cols))


def simulate(vx, vy, smoke):
    for _ in range(STEPS):
        vx_updated = advect(vx, vx, vy)
        vy_updated = advect(vy, vx, vy)
        vx, vy = project(vx_updated, vy_updated)
        smoke = advect(smoke, vx, vy)
    return smoke


def setup():
    grid = np.linspace(-1.0, 1.0, SIZE)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    smoke = np.exp(-8.0 * (a**2 + (b + 0.3) ** 2))
    target = np.exp(-8.0 * (a**2 + (b - 0.2) ** 2))

    def loss(params):
        vx, vy = params
        return np.mean((simulate(vx, vy, smoke) - target) ** 2)

    # off the lattice: at integer velocities the interpolation has kinks
    return loss, (0.1 * np.cos(2 * a + b) + 0.05, 0.15 * np.exp(-a * a) + 0.02 * b)


def train(iterations):
    loss, params = setup()
    step = value_and_grad(loss)
    values = []
    for _ in range(iterations):
        value, (gx, gy) = step(params)
        params = (params[0] - 0.1 * gx, params[1] - 0.1 * gy)
        values.append(value)
    return {"params": params, "values": values}
