"""The normal distribution of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def logpdf(x: Any, mean: Any = 0.0, cov: Any = 1.0) -> Any:
    """The logarithm of the density at vectors x (..., d), for a covariance `cov` (d, d).

    A `cov` of fewer axes stands for the diagonal.

    >>> from autograd_cnn.compat.autograd.scipy.stats import multivariate_normal as mvn
    >>> round(float(mvn.logpdf(np.zeros(2), np.zeros(2), np.eye(2))), 4)
    -1.8379
    """
    apart = np.atleast_1d(x - mean)  # (..., d)
    size = apart.shape[-1]
    factor = np.linalg.cholesky(cov * np.eye(size) if np.ndim(cov) < 2 else cov)
    scaled = np.linalg.solve(factor, np.reshape(apart, (-1, size)).T)  # (d, the rest)
    squares = np.sum(scaled * scaled, axis=0).reshape(apart.shape[:-1])
    volume = 2.0 * np.sum(np.log(np.diagonal(factor)))
    return -0.5 * (size * math.log(2.0 * math.pi) + volume + squares)


def pdf(x: Any, mean: Any = 0.0, cov: Any = 1.0) -> Any:
    """The density; see `logpdf`."""
    return np.exp(logpdf(x, mean, cov))


def entropy(mean: Any = None, cov: Any = 1.0) -> Any:
    """The differential entropy."""
    cov = np.atleast_2d(cov)
    return 0.5 * (len(cov) * (1.0 + math.log(2.0 * math.pi)) + np.linalg.slogdet(cov)[1])
