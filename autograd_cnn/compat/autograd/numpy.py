"""NumPy, whose functions also take tensors and lists that hold some, as `autograd.numpy` there.

Without a tensor among the arguments a function is NumPy's own: numbers and lists become float64.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from autograd_cnn.compat.autograd.wrapping import holds_tensors, joined, mirror

__path__: list[str] = []  # so that the modules in it can be imported
globals().update(mirror(np))
for _name in ("fft", "linalg", "random"):
    _module = sys.modules[f"{__name__}.{_name}"] = ModuleType(f"{__name__}.{_name}")
    vars(_module).update(mirror(getattr(np, _name), f"{_name}."))
    globals()[_name] = _module


def array(object: Any, dtype: Any = None, *, ndmin: int = 0, **options: Any) -> Any:
    """A new array, or a tensor where `object` is one or nested lists that hold some.

    >>> from autograd_cnn.compat.autograd import grad, numpy as anp
    >>> grad(lambda x: anp.array([[x[0] * x[1], 2.0], [x[0], 0.0]]).sum())(np.array([3.0, 4.0]))
    array([5., 3.])
    """
    if not holds_tensors(object):
        return np.array(object, dtype, ndmin=ndmin, **options)
    found = joined(object)
    found = found.copy() if dtype is None else found.astype(dtype)
    return found.reshape((1,) * (ndmin - found.ndim) + found.shape)


def asarray(a: Any, dtype: Any = None, **options: Any) -> Any:
    """As `array`, without a copy of an array or a tensor that has the dtype."""
    if not holds_tensors(a):
        return np.asarray(a, dtype, **options)
    return joined(a) if dtype is None else joined(a).astype(dtype, copy=False)


def full(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """An array filled with a number, or a tensor filled with one."""
    if not holds_tensors(fill_value):
        return np.full(shape, fill_value, dtype, **options)
    return array(np.broadcast_to(joined(fill_value), shape), dtype)


asanyarray = ascontiguousarray = asarray
