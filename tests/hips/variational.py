"""Black-box variational inference: a Gaussian fitted to a density by samples of its bound."""

import autograd_cnn.compat.autograd.numpy.random as npr

import autograd_cnn.compat.autograd.numpy as np
from autograd_cnn.compat.autograd import grad
from autograd_cnn.compat.autograd.misc.optimizers import adam
from autograd_cnn.compat.autograd.scipy.stats import norm


def bound_of(log_density, axes, samples):
    def unpack(params):
        return params[:axes], params[axes:]

    def entropy(log_width):
        return 0.5 * axes * (1.0 + np.log(2.0 * np.pi)) + np.sum(log_width)

    def objective(params, t=0):
        mean, log_width = unpack(params)
        noise = npr.RandomState(t).randn(samples, axes)
        drawn = noise * np.exp(log_width) + mean
        return -(entropy(log_width) + np.mean(log_density(drawn)))

    return objective, grad(objective), unpack


def banana(x):
    """A curved density of two values, the second of which sets the width of the first."""
    width = norm.logpdf(x[:, 1], 0.0, 1.35)
    return width + norm.logpdf(x[:, 0], 0.3 * x[:, 1] ** 2, np.exp(x[:, 1] / 2.0))


def run():
    objective, slope, unpack = bound_of(banana, 2, 40)
    start = np.concatenate([-1.0 * np.ones(2), -2.0 * np.ones(2)])
    losses = []
    note = lambda params, t, g: losses.append(objective(params, 100))  # noqa: E731
    best = adam(slope, start, callback=note, num_iters=60, step_size=0.1)
    mean, log_width = unpack(best)
    return objective, start, losses, (mean, np.exp(log_width), norm.cdf(mean))
