"""Functions of single values by name, and their gradients, in NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["CURVES", "curve", "curve_grad"]

# ----------------------------------------------------------------------------------- error function


def _scaled_tail(t: float) -> float:
    """erfc(x) exp(x^2), which is nearly 1 / x, as a function of t; see `_erf_of_doubles`."""
    u = 0.625 * t - 0.375
    x = (4.0 + 2.0 * u) / (1.0 - u)
    head = round(16.0 * x) / 16.0  # its square is exact, so exp loses no digits
    return math.erfc(x) * math.exp(head * head) * math.exp((x - head) * (x + head))


_NEAR = [
    2.0 / math.sqrt(math.pi) * (-1.0) ** n / (math.factorial(n) * (2 * n + 1))
    for n in reversed(range(19))
]


@functools.cache
def _tail() -> list[float]:
    """Coefficients of `_scaled_tail`, computed at first use (numpy.polynomial takes 4 ms)."""
    chebyshev = np.polynomial.chebyshev
    series = chebyshev.chebinterpolate(np.vectorize(_scaled_tail), 18)
    return chebyshev.cheb2poly(series)[::-1].tolist()


def _polynomial(coefficients: Sequence[float], t: np.ndarray) -> np.ndarray:
    """Horner's rule in one buffer, highest power first."""
    out = np.full_like(t, coefficients[0])
    for c in coefficients[1:]:
        out *= t
        out += c
    return out


def _erf_of_doubles(x: np.ndarray) -> np.ndarray:
    """erf of doubles, within 6e-16 of the exact value (measured against math.erf).

    Up to 1 it sums the Taylor series.  From 1 to 6, where erf is 1 to the last bit, it expands
    exp(x^2) erfc(x) in u = (x - 4) / (x + 2), scaled to t in [-1, 1]: Schonfelder, "Chebyshev
    expansions for the error and related functions" (1978).
    """
    size = np.abs(x)
    near = np.minimum(size, 1.0)
    inner = near * _polynomial(_NEAR, near * near)
    if not size.size or size.max() < 1.0:
        return np.copysign(inner, x)
    far = np.clip(size, 1.0, 6.0)
    t = ((far - 4.0) / (far + 2.0) + 0.375) / 0.625
    outer = 1.0 - np.exp(-far * far) * _polynomial(_tail(), t)
    return np.copysign(np.where(size < 1.0, inner, outer), x)


def _erf(x: Any) -> np.ndarray:
    """erf, computed in double precision and rounded to the dtype of x."""
    array = np.asarray(x)
    blocks = np.nditer(  # of 8,192 values, which stay in the cache: 4 times faster than all at once
        [array, None],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly", "allocate"]],
        op_dtypes=[np.float64, array.dtype if array.dtype.kind == "f" else np.float64],
        casting="same_kind",
        buffersize=8192,
    )
    with blocks:
        for values_in, values_out in blocks:
            values_out[...] = _erf_of_doubles(values_in)
        return blocks.operands[1]


# ------------------------------------------------------------------------------------ all functions

_TANH_GATE = math.sqrt(2.0 / math.pi), 0.044715


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    scaled = x if beta == 1.0 else x * beta
    smooth = np.logaddexp(scaled, 0.0)
    return np.where(scaled > threshold, x, smooth if beta == 1.0 else smooth * (1.0 / beta))


def _softplus_grad(g: Any, out: Any, x: Any, beta: float, threshold: float) -> Any:
    return g * np.where(x * beta > threshold, 1.0, _sigmoid(x * beta))


def _gelu_tanh(x: Any) -> Any:
    scale, cubic = _TANH_GATE
    return x * (0.5 * (1.0 + np.tanh(scale * (x + cubic * x * x * x))))


def _gate(out: Any, x: Any) -> Any:
    """What x was multiplied by: out / x, but a half where x has no digits."""
    tiny = np.abs(x) < 1e-30
    return np.where(tiny, 0.5, out / np.where(tiny, 1.0, x))


def _gelu_grad(g: Any, out: Any, x: Any) -> Any:
    return g * (_gate(out, x) + x * (np.exp(x * x * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))))


def _gelu_tanh_grad(g: Any, out: Any, x: Any) -> Any:
    (scale, cubic), share = _TANH_GATE, _gate(out, x)
    near = np.clip(x, -20.0, 20.0)  # beyond, the square could overflow beside 0
    slope = (2.0 * scale) * (1.0 + (3.0 * cubic) * near * near)
    return g * (share + x * (share * (1.0 - share)) * slope)


def _silu_grad(g: Any, out: Any, x: Any) -> Any:
    share = _gate(out, x)
    return g * (share * (1.0 + x * (1.0 - share)))


def _erf_grad(g: Any, out: Any, x: Any) -> Any:
    return g * (np.exp(-x * x) * (2.0 / math.sqrt(math.pi)))


CURVES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "exp": (np.exp, lambda g, out, x: g * out),
    "log": (np.log, lambda g, out, x: g / x),
    "tanh": (np.tanh, lambda g, out, x: g * (1.0 - out * out)),
    "sigmoid": (_sigmoid, lambda g, out, x: g * out * (1.0 - out)),
    "erf": (_erf, _erf_grad),
    "gelu": (lambda x: x * (0.5 * (1.0 + _erf(x * math.sqrt(0.5)))), _gelu_grad),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_grad),
    "silu": (lambda x: x * _sigmoid(x), _silu_grad),
    "softplus": (_softplus, _softplus_grad),
}
"""Each function of x and its settings, and its gradient, of g, the result, x and the settings."""

_REPORTED = ("exp", "log")  # what NumPy says of these is for the user


def curve(name: str, x: np.ndarray, beta: float = 1.0, threshold: float = 20.0, /) -> Any:
    """The function of this name of each value; the settings are those of softplus.

    exp and log warn as NumPy does; the others are silent, as their limits are finite or NaN.
    """
    settings = (beta, threshold) if name == "softplus" else ()
    if name in _REPORTED:
        return CURVES[name][0](x)
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        return CURVES[name][0](x, *settings)


def curve_grad(
    name: str,
    g: np.ndarray,
    out: np.ndarray,
    x: np.ndarray,
    beta: float = 1.0,
    threshold: float = 20.0,
    /,
) -> Any:
    """The gradient of `curve` in x, given that of its result `out`; silent but for exp and log."""
    settings = (beta, threshold) if name == "softplus" else ()
    if name in _REPORTED:
        return CURVES[name][1](g, out, x)
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        return CURVES[name][1](g, out, x, *settings)
