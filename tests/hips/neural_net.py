"""A classifier with two hidden layers and a Gaussian prior, trained by Adam on batches."""

import autograd_cnn.compat.autograd.numpy.random as npr

import autograd_cnn.compat.autograd.numpy as np
from autograd_cnn.compat.autograd import grad
from autograd_cnn.compat.autograd.misc import flatten
from autograd_cnn.compat.autograd.misc.optimizers import adam
from autograd_cnn.compat.autograd.scipy.special import logsumexp

PENALTY, BATCH = 0.01, 20


def layers(sizes, scale, rng):
    return [(scale * rng.randn(m, n), scale * rng.randn(n)) for m, n in zip(sizes[:-1], sizes[1:])]  # noqa: RUF007


def log_probabilities(params, inputs):
    for weights, bias in params:
        scores = np.dot(inputs, weights) + bias
        inputs = np.tanh(scores)
    return scores - logsumexp(scores, axis=1, keepdims=True)


def run():
    rng = npr.RandomState(0)
    angles = np.linspace(0.0, 3.0 * np.pi, 60)
    inputs = np.vstack([np.cos(angles) * angles, np.sin(angles) * angles]).T / 5.0
    inputs = np.concatenate([inputs, -inputs]) + 0.05 * rng.randn(120, 2)
    targets = (np.arange(120)[:, None] // 60 == np.arange(2)) * 1.0
    order = rng.permutation(120)
    inputs, targets = inputs[order], targets[order]

    def objective(params, i):
        rows = slice((i * BATCH) % 120, (i * BATCH) % 120 + BATCH)
        flat, _ = flatten(params)
        fit = np.sum(log_probabilities(params, inputs[rows]) * targets[rows])
        return PENALTY * np.dot(flat, flat) - fit

    losses, shares = [], []

    def note(params, i, gradient):
        if i % 10 == 0:
            predicted = np.argmax(log_probabilities(params, inputs), axis=1)
            shares.append(np.mean(predicted == np.argmax(targets, axis=1)))
            losses.append(sum(objective(params, j) for j in range(6)))

    start = layers([2, 8, 8, 2], 0.5, rng)
    best = adam(grad(objective), start, callback=note, num_iters=120, step_size=0.05)
    return (lambda params: objective(params, 0)), start, losses, (best, shares)
