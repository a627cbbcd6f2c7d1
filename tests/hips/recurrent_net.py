"""A recurrent net and an LSTM that predict the next character, with dicts of weights."""

import autograd_cnn.compat.autograd.numpy.random as npr

import autograd_cnn.compat.autograd.numpy as np
from autograd_cnn.compat.autograd import grad
from autograd_cnn.compat.autograd.misc.optimizers import rmsprop, sgd
from autograd_cnn.compat.autograd.scipy.special import expit, logsumexp

TEXT, SIZE = "the cat sat on the mat. ", 6
LETTERS = sorted(set(TEXT))


def affine(weights, *inputs):
    joined = np.hstack([*inputs, np.ones((inputs[0].shape[0], 1))])
    return np.dot(joined, weights)


def start(rng, names):
    wide = len(LETTERS) + SIZE + 1
    params = {name: 0.3 * rng.randn(wide, SIZE) for name in names}
    params["predict"] = 0.3 * rng.randn(SIZE + 1, len(LETTERS))
    params["hidden"] = 0.3 * rng.randn(1, SIZE)
    return params


def simple(params, state, x):
    hidden = np.tanh(affine(params["change"], x, state[0]))
    return (hidden,)


def lstm(params, state, x):
    hidden, cell = state
    change = np.tanh(affine(params["change"], x, hidden))
    forget, ingate, outgate = (expit(affine(params[n], x, hidden)) for n in ("f", "i", "o"))
    cell = cell * forget + ingate * change
    return outgate * np.tanh(cell), cell


def run():
    rng = npr.RandomState(2)
    rows = np.array([[TEXT[(k + s) % len(TEXT)] for k in range(3)] for s in range(9)])
    series = 1.0 * (rows[:, :, None] == np.array(LETTERS))  # (time, batch, letters)

    def loss_of(cell, memories):
        def loss(params, i=0):
            hidden = np.repeat(params["hidden"], 3, axis=0)
            state, total = (hidden, *(np.zeros((3, SIZE)),) * memories), 0.0
            for now, following in zip(series, series[1:]):  # noqa: RUF007
                state = cell(params, state, now)
                scores = affine(params["predict"], state[0])
                chances = scores - logsumexp(scores, axis=1, keepdims=True)
                total = total - np.sum(chances * following)
            return total / (len(series) * 3)

        return loss

    losses, ends = [], []
    plain, gated = loss_of(simple, 0), loss_of(lstm, 1)
    first = start(rng, ["change"])
    note = lambda p, i, g: losses.append(plain(p))  # noqa: E731
    ends.append(sgd(grad(plain), first, callback=note, num_iters=15, step_size=0.5))
    second = start(rng, ["change", "f", "i", "o"])
    ends.append(rmsprop(grad(gated), second, num_iters=15, step_size=0.05))
    losses.append(gated(ends[-1]))
    return gated, second, losses, ends
