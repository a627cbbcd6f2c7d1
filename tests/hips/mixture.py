"""A mixture of Gaussians by its likelihood, with Newton steps through the Hessian's products."""

import autograd_cnn.compat.autograd.numpy.random as npr

import autograd_cnn.compat.autograd.numpy as np
import autograd_cnn.compat.autograd.scipy.stats.multivariate_normal as mvn
from autograd_cnn.compat.autograd import grad, hessian_vector_product
from autograd_cnn.compat.autograd.misc.flatten import flatten_func
from autograd_cnn.compat.autograd.scipy.special import logsumexp

PARTS, AXES = 3, 2


def unpack(params):
    shares = params["shares"] - logsumexp(params["shares"])
    return zip(shares, params["means"], params["roots"])


def log_density(params, points):
    parts = [
        share + mvn.logpdf(points, mean, np.dot(root.T, root) + 0.05 * np.eye(AXES))
        for share, mean, root in unpack(params)
    ]
    return logsumexp(np.vstack(parts), axis=0)


def run():
    rng = npr.RandomState(3)
    centres = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    points = np.concatenate([c + 0.3 * rng.randn(15, AXES) for c in centres])
    start = {
        "shares": 0.1 * rng.randn(PARTS),
        "means": centres + 0.5 * rng.randn(PARTS, AXES),
        "roots": np.array([np.eye(AXES) for _ in range(PARTS)]) + 0.0,
    }
    objective = lambda params: -np.mean(log_density(params, points))  # noqa: E731
    flat, unflatten, x = flatten_func(objective, start)
    scalar = lambda v: flat(v)[0]  # noqa: E731
    slope, product = grad(scalar), hessian_vector_product(scalar)
    losses = []
    for _ in range(8):
        losses.append(scalar(x))
        g = slope(x)
        curve = np.dot(g, product(x, g))
        step = np.dot(g, g) / np.maximum(np.abs(curve), np.dot(g, g))
        x = x - np.minimum(step, 0.5) * g
    return objective, start, losses, unflatten(x)
