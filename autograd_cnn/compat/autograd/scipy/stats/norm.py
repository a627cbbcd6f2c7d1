"""The normal distribution; `loc` and `scale` may be tensors too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.compat.autograd.extend import defvjp, primitive
from autograd_cnn.compat.autograd.scipy.special import erfc

_LOG_ROOT = 0.5 * math.log(2.0 * math.pi)


def logpdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density.

    >>> from autograd_cnn.compat.autograd.scipy.stats import norm
    >>> round(float(norm.logpdf(0.0)), 4), float(norm.cdf(0.0))
    (-0.9189, 0.5)
    """
    z = (x - loc) / scale
    return -0.5 * z * z - _LOG_ROOT - np.log(scale)


def pdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The density."""
    return np.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The share below x."""
    return 0.5 * erfc((loc - x) / (scale * math.sqrt(2.0)))


@primitive
def _logcdf(z: Any) -> Any:
    far = np.minimum(z, -30.0) ** -2  # the asymptotic series of Mills' ratio
    series = 1.0 - far * (1.0 - far * (3.0 - far * (15.0 - far * (105.0 - far * 945.0))))
    tail = -0.5 * z * z - _LOG_ROOT - np.log(np.maximum(-z, 30.0)) + np.log(series)
    return np.where(z < -30.0, tail, np.log(cdf(np.maximum(z, -30.0))))[()]


defvjp(_logcdf, lambda ans, z: lambda g: g * np.exp(logpdf(z) - ans))


def logcdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the share below x, finite far out too."""
    return _logcdf((x - loc) / scale)
