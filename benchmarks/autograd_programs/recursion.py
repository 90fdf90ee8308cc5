"""A recursive function of a tree: each node is computed from its children by the same weights."""

import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import value_and_grad

WORDS = ["not", "very", "good", "bad", "film", "and", "quite", "long"]
TREES = [
    ((("not", "good"), ("film", ("and", "long"))), 0.0),
    (((("very", "good"), "film"), ("not", "long")), 1.0),
    ((("bad", "film"), ("and", ("quite", "long"))), 0.0),
    ((("quite", ("very", "good")), ("and", ("not", "bad"))), 1.0),
    (("not", ("very", ("bad", "film"))), 1.0),
]
WIDTH = 10


def encode(tree, words, join):
    if isinstance(tree, str):
        return words[WORDS.index(tree)]
    left, right = tree
    children = np.concatenate([encode(left, words, join), encode(right, words, join)])
    return np.tanh(np.dot(join, children))


def power(x, n):
    """x**n by repeated squaring."""
    if n == 0:
        return 1.0
    half = power(x, n // 2)
    return half * half * x if n % 2 else half * half


def setup():
    rs = npr.RandomState(5)
    params = [0.5 * rs.randn(len(WORDS), WIDTH), 0.4 * rs.randn(WIDTH, 2 * WIDTH), rs.randn(WIDTH)]

    def loss(params):
        words, join, out = params
        total = 0.0
        for tree, label in TREES:
            score = np.dot(out, encode(tree, words, join))
            total = total + np.logaddexp(0.0, score) - label * score
        return total + 0.001 * np.sum(power(words, 6)) + 0.001 * np.sum(power(join, 5) ** 2)

    return loss, params


def train(iterations):
    loss, params = setup()
    step = value_and_grad(loss)
    values = []
    for _ in range(iterations):
        value, gradient = step(params)
        params = [p - 0.05 * g for p, g in zip(params, gradient, strict=True)]
        values.append(value)
    return {"params": params, "values": values}
