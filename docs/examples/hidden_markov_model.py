"""
A hidden Markov model, by EM and by gradient
============================================

A casino changes now and then from a fair die to a loaded one. Only the throws are seen. How
often does it change, and how is the die loaded?

The likelihood of the throws is a loop over time: `ga.scan` carries the joint logarithmic
probability of the state and of what was seen so far. Its gradient is all that both methods
need:

*EM* needs expected counts, how often each transition and each throw happened. They are the
derivatives of the log likelihood by the logarithms of the probabilities, so that one step is:
gradient, times probability, normalise.

*Gradient ascent* moves unconstrained scores, whose softmax the probabilities are.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 40 if "--short" in sys.argv else 150
STATES, FACES = 2, 6

# %%
# Throws of 20 evenings.

change = np.array([[0.95, 0.05], [0.10, 0.90]])
dice = np.array([[1 / 6] * 6, [0.1] * 5 + [0.5]])
rng = np.random.default_rng(0)
throws, states = np.empty((2, 100, 20), dtype="int64")
for evening in range(20):
    state = 0
    for time in range(100):
        states[time, evening] = state
        throws[time, evening] = rng.choice(FACES, p=dice[state])
        state = rng.choice(STATES, p=change[state])

# %%
# The likelihood, from logarithms of probabilities. One step of the loop handles a throw of
# every evening.

seen = ga.matrix("throws", shape=("time", "evenings"), dtype="int64")
log_start = ga.vector("log start", shape=(STATES,))
log_change = ga.matrix("log change", shape=(STATES, STATES))
log_dice = ga.matrix("log dice", shape=(STATES, FACES))
logs = [log_start, log_change, log_dice]


def advance(joint, now):
    moved = ga.logsumexp(joint[:, :, None] + log_change, axis=1)
    return moved + log_dice[:, now].T, None


first = log_start + log_dice[:, seen[0]].T
last, _ = ga.scan(advance, first, seen[1:])
likelihood = ga.logsumexp(last, axis=1).sum()
value = ga.function([logs, seen], likelihood, name="likelihood")

# %%
# EM: expected counts are gradients.

counts = ga.function([logs, seen], [likelihood, ga.grad(likelihood, logs)], name="counts")
guess = np.random.default_rng(1)
start = [guess.dirichlet(np.full(n, 5.0), size=rows) for rows, n in ((1, 2), (2, 2), (2, 6))]
start[0] = start[0][0]

tables, by_em = [np.log(p) for p in start], []
for _ in range(STEPS):
    reached, expected = counts(tables, throws)
    by_em.append(reached)
    tables = [np.log(c / c.sum(axis=-1, keepdims=True)) for c in expected]

# %%
# Gradient ascent with a momentum, on scores: `givens` puts their softmax in the place of the
# tables.

scores = [ga.shared(np.log(p)) for p in start]
speeds = [ga.shared(np.zeros_like(p)) for p in start]
given = [ga.log_softmax(s, axis=-1) for s in scores]
ascended = ga.graph.replace(likelihood, dict(zip(logs, given, strict=True)))
updates = {}
for s, v, slope in zip(scores, speeds, ga.grad(ascended, scores), strict=True):
    updates |= {v: 0.8 * v + 1e-3 * slope, s: s + 0.8 * v + 1e-3 * slope}
climb = ga.function([seen], ascended, updates=updates, name="climb")
by_gradient = [climb(throws) for _ in range(2 * STEPS)]

# %%
# Both arrive at the same likelihood, which is above that of the true dice: they fit the noise,
# too.

truth = value([np.log([1 - 1e-9, 1e-9]), np.log(change), np.log(dice)], throws)
print(f"log likelihood: EM {by_em[-1]:.2f}, gradient {by_gradient[-1]:.2f}, truth {truth:.2f}")
assert (np.diff(by_em) > -1e-8).all()
assert min(by_em[-1], by_gradient[-1]) > truth - (30.0 if STEPS < 100 else 0.0)
assert STEPS < 100 or abs(by_em[-1] - by_gradient[-1]) < 0.5

loaded = int(np.argmax(tables[2][:, 5]))
print(f"the loaded die, found: {np.exp(tables[2][loaded]).round(2)}, true: {dice[1].round(2)}")
assert abs(np.exp(tables[2][loaded, 5]) - 0.5) < (0.2 if STEPS < 100 else 0.1)

# %%
# What was thrown at one evening with which die: again a gradient, by a number added to the log
# likelihood of each throw.

extra = ga.tensor("extra", shape=("time", "evenings", STATES))


def advance_with(joint, now):
    throw, more = now
    moved = ga.logsumexp(joint[:, :, None] + log_change, axis=1)
    return moved + log_dice[:, throw].T + more, None


last, _ = ga.scan(advance_with, first + extra[0], (seen[1:], extra[1:]))
share = ga.grad(ga.logsumexp(last, axis=1).sum(), extra)
posterior = ga.function([logs, seen, extra], share, name="posterior")(
    tables, throws, np.zeros((100, 20, STATES))
)
np.testing.assert_allclose(posterior.sum(axis=2), 1.0)
right = ((posterior[:, :, loaded] > 0.5) == states).mean()
print(f"{right:.1%} of the throws are put down to the right die")
assert right > (0.6 if STEPS < 100 else 0.75)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
left.plot(by_em, label="EM")
left.plot(by_gradient, label="gradient")
left.axhline(truth, color="black", linestyle="--", linewidth=1, label="true parameters")
left.set(xlabel="step", ylabel="log likelihood", xlim=(0, STEPS))
left.legend(loc="lower right")
right.fill_between(
    range(100), states[:, 0], step="mid", color="0.85", label="the loaded die was in use"
)
right.plot(posterior[:, 0, loaded], label="probability that it was")
right.set(xlabel="throw of the first evening", ylim=(0, 1.3))
right.legend(loc="upper left", ncols=2, fontsize="small")
plt.show()
