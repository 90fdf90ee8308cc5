"""
An LSTM that learns a nursery rhyme
===================================

A network with a memory reads text letter by letter and says which letter comes next. The cell
is an ordinary piece of graph; `ga.scan` runs it along the text, and the gradient is a scan
again, backwards.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import graphad as ga

STEPS = 40 if "--short" in sys.argv else 250
HIDDEN = 48
TEXT = (
    "one for the mouse, two for the crow, three for the badger and four for the doe. "
    "one in the morning, two at noon, three in the evening and four by the moon. "
)

letters = sorted(set(TEXT))
codes = np.array([letters.index(c) for c in TEXT * 2])
LENGTH = len(TEXT)
starts = np.arange(0, LENGTH, 8)  # stretches from all over the text, which is a ring
batch = codes[starts[None, :] + np.arange(31)[:, None]]  # (time, stretches)

# %%
# The cell. Four gates come from one product; the state is the pair of output and memory.

rng = np.random.default_rng(0)
KINDS = len(letters)
width = KINDS + HIDDEN
with ga.scope("cell"):
    weights = ga.shared(rng.normal(0.0, width**-0.5, (width, 4 * HIDDEN)), name="weights")
    offsets = ga.shared(np.repeat([1.0, 0.0, 0.0, 0.0], HIDDEN), name="offsets")
with ga.scope("readout"):
    out = ga.shared(rng.normal(0.0, HIDDEN**-0.5, (HIDDEN, KINDS)), name="out")
    bias = ga.shared(np.zeros(KINDS), name="bias")
parameters = [weights, offsets, out, bias]


def cell(state, letter):
    output, memory = state
    seen = ga.concatenate([ga.one_hot(letter, KINDS), output], axis=1)
    forget, take, show, fresh = ga.split(seen @ weights + offsets, 4, axis=1)
    memory = ga.sigmoid(forget) * memory + ga.sigmoid(take) * np.tanh(fresh)
    output = ga.sigmoid(show) * np.tanh(memory)
    return (output, memory), output


# %%
# The loss of a batch: all letters but the last are read, all but the first are to be guessed.

text = ga.matrix("text", shape=("time", "stretches"), dtype="int64")
nothing = ga.zeros((text.shape[1], HIDDEN))
_, outputs = ga.scan(cell, (nothing, nothing), text[:-1])
loss = ga.cross_entropy(outputs @ out + bias, text[1:]).mean()
updates = ga.optim.adam(loss, parameters, lr=0.02, clip_norm=5.0)
step = ga.function([text], loss, updates=updates, name="step")

history = [step(batch) for _ in range(STEPS)]
print(f"loss {history[0]:.3f} → {history[-1]:.3f} (guessing: {np.log(KINDS):.3f})")

# %%
# Writing: one letter at a time, the likeliest after what was written so far.

output, memory = ga.matrix("output", shape=(1, HIDDEN)), ga.matrix("memory", shape=(1, HIDDEN))
letter = ga.vector("letter", shape=(1,), dtype="int64")
state, _ = cell((output, memory), letter)
write = ga.function([letter, (output, memory)], [ga.argmax(state[0] @ out + bias, axis=1), state])

held, written, memories = (np.zeros((1, HIDDEN)), np.zeros((1, HIDDEN))), "", []
following = np.array([letters.index("o")])
for _ in range(LENGTH):
    written += letters[following[0]]
    following, held = write(following, held)
    memories.append(held[1][0])
print(written)

# %%

WINDOW = 12
ring = TEXT + TEXT[:WINDOW]
windows = [written[i : i + WINDOW] for i in range(LENGTH - WINDOW)]
known = np.mean([window in ring for window in windows])
print(f"{known:.0%} of all stretches of {WINDOW} letters are from the rhyme")
assert history[-1] < (2.0 if STEPS < 100 else 0.2)
assert STEPS < 100 or known > 0.9

# %%
# What the memory holds while the network writes: some cells follow single letters, others keep
# a value over a whole verse.

figure, (upper, lower) = plt.subplots(
    2, 1, figsize=(9, 5.5), layout="constrained", height_ratios=(1, 1.3)
)
upper.plot(history)
upper.axhline(np.log(KINDS), color="black", linestyle="--", linewidth=1, label="guessing")
upper.set(xlabel="step", ylabel="loss per letter")
upper.legend()
shown = 64
image = lower.imshow(np.tanh(np.array(memories[:shown]).T[:16]), cmap="RdBu", vmin=-1, vmax=1,
                     aspect="auto", interpolation="nearest")  # fmt: skip
lower.set_xticks(range(shown), written[:shown], family="monospace", fontsize=8)
lower.set(ylabel="16 of the memory cells")
figure.colorbar(image, label="tanh of the value")
plt.show()
