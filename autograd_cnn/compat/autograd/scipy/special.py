"""Special functions, of numbers and lists too, which are float64."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn import ops
from autograd_cnn.checks import absent
from autograd_cnn.compat.autograd.extend import defvjp, primitive
from autograd_cnn.compat.autograd.wrapping import joined
from autograd_cnn.engine.node import Node, values


def _of_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*xs: Any, **settings: Any) -> Any:
        xs = tuple(x if isinstance(x, Node) else np.asarray(x) * 1.0 for x in map(joined, xs))
        out = function(*xs, **settings)
        return out if isinstance(out, Node) else out[()]

    return call


erf, expit = _of_arrays(ops.exponential.erf), _of_arrays(ops.exponential.sigmoid)
logit, xlogy = _of_arrays(ops.exponential.logit), _of_arrays(ops.exponential.xlogy)
softmax, _logsumexp = _of_arrays(ops.loss.softmax), _of_arrays(ops.loss.logsumexp)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """log(sum(b exp(a))) over `axis`, without overflow.

    >>> from autograd_cnn.compat.autograd.scipy.special import logsumexp
    >>> float(logsumexp([1000.0, 1000.0], b=[0.5, 0.5]))
    1000.0
    """
    if b is None:
        return _logsumexp(a, axis=axis, keepdims=keepdims)
    top = np.max(values(joined(a)), axis=axis, keepdims=True)
    out = np.log(np.sum(joined(b) * np.exp(joined(a) - top), axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis)


@primitive
def erfc(x: Any) -> Any:
    """1 - erf(x), to full precision where it is small."""
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(x), np.float64)[()]


defvjp(erfc, lambda ans, x: lambda g: g * (-2.0 / math.sqrt(math.pi)) * np.exp(-x * x))


def __getattr__(name: str) -> Any:
    raise absent("hips", __name__, name)
