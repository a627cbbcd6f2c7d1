"""Calls that the compiled loops do not take as they are: float16, which is computed in float32, and
other dtypes, which NumPy's kernels compute.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

slow_calls: ContextVar[list[str] | None] = ContextVar("autograd_cnn.slow_calls", default=None)
"""Where calls that come to NumPy's kernels because of their dtypes note these, unless None."""

_EXACT = ("batch_norm", "relu", "relu_grad", "window_max")  # in float16
_SUMMING = (
    *("axis_sum", "batch_norm_grad", "channel_affine", "conv", "conv_input_grad"),
    *("conv_weight_grad", "cross_entropy", "cross_entropy_grad", "curve", "curve_grad"),
    *("fold", "linear", "matmul", "row_norm", "row_norm_grad", "soften", "soften_grad"),
    *("window_max_grad", "window_scatter", "window_spread", "window_sum"),
)


def in_float32(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """What `function` gives, computed in float32 where arguments are float16.

    It is rounded to float16 unless one of the first two arguments is of another floating dtype.
    """
    arrays = [x for x in args if isinstance(x, (np.ndarray, np.generic))]
    if not any(x.dtype.char == "e" for x in arrays):  # in either byte order
        return function(*args, **settings)
    rounds = all(x.dtype.char == "e" for x in arrays[:2] if x.dtype.kind == "f")
    half = {id(x) for x in arrays if x.dtype.char == "e"}
    out = function(*[x.astype(np.float32) if id(x) in half else x for x in args], **settings)
    with np.errstate(under="ignore"):
        if isinstance(out, tuple):
            return tuple(x.astype(np.float16) if rounds and x is not None else x for x in out)
        return out.astype(np.float16) if rounds else out


def serve(reference: Any, twins: dict[str, Callable[..., Any]]) -> None:
    """Let NumPy's kernels that sum take float16 as float32, by their compiled twins if they have
    some, and note what else the twins hand over because of its dtypes.
    """
    for name in _EXACT + _SUMMING:
        kernel = getattr(reference, name)
        setattr(reference, name, _served(kernel, twins.get(name), name in _SUMMING))


def _served(kernel: Any, twin: Any, sums: bool) -> Callable[..., Any]:
    @functools.wraps(kernel)
    def call(*args: Any) -> Any:
        dtypes = list(dict.fromkeys(x.dtype for x in args if isinstance(x, np.ndarray)))
        dtypes = [d for d in dtypes if d.kind == "f"] or dtypes[:1]
        notes = slow_calls.get()
        if notes is not None and twin and dtypes not in ([np.float32], [np.float64]):
            notes.append(" and ".join(map(str, dtypes)))
        if sums and any(d.char == "e" for d in dtypes):
            return in_float32(twin or kernel, *args)
        return kernel(*args)

    return call
