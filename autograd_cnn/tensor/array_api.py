"""NumPy's functions for tensors under the names of the array API standard; results are tensors.

A function is NumPy's, which becomes an op, or stands here where the standard (v2025.12,
https://data-apis.org/array-api) differs.  Functions without an op, such as svd, are absent.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from autograd_cnn.config import get_default_dtype, native
from autograd_cnn.engine.node import Node, values, wrap
from autograd_cnn.ops.places import unbind
from autograd_cnn.tensor.exchange import from_dlpack as from_dlpack
from autograd_cnn.tensor.methods import dtype_of_move
from autograd_cnn.tensor.numpy_compositions import vecdot
from autograd_cnn.tensor.numpy_functions import status

__array_api_version__ = "2025.12"
_CREATE = "arange empty empty_like eye full full_like linspace ones ones_like zeros zeros_like"
_OF_VALUES = "unique_all unique_counts unique_inverse unique_values"


class __array_namespace_info__(np.__array_namespace_info__):  # type: ignore[misc]  # noqa: N801
    """NumPy's facts about devices and dtypes, with the default dtype of tensors."""

    def default_dtypes(self, *, device: Any = None) -> Any:
        """The dtypes of values made of Python's numbers."""
        return super().default_dtypes(device=device) | {"real floating": get_default_dtype()}


def __getattr__(name: str) -> Any:
    return _adopted(np, name, globals())


def _adopted(owner: Any, name: str, home: dict[str, Any]) -> Any:
    """NumPy's function, dtype or constant of that name, kept in `home`."""
    found = getattr(owner, name)
    if isinstance(found, ModuleType) or (callable(found) and not isinstance(found, type)):
        if isinstance(found, ModuleType) or status(found) == "unsupported":
            raise AttributeError(f"{home['__name__']}: {name} has no op", name=name)
        found = _here(name, found)
    return home.setdefault(name, found)


def _here(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose results are tensors, and which takes the only device there is."""

    @functools.wraps(function)
    def call(*args: Any, device: Any = None, **named: Any) -> Any:
        dtype_of_move(name, device)
        return _tensors(function(*args, **named))

    return call


def _tensors(x: Any) -> Any:
    """`x` with constants instead of arrays, also inside of lists and tuples."""
    if isinstance(x, (tuple, list)):
        parts = map(_tensors, x)
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return wrap(np.array(x)) if isinstance(x, (np.ndarray, np.generic)) else x


def _create(make: Callable[..., Any], *args: Any, dtype: Any = None, **named: Any) -> Any:
    """An array.  Floats get the default dtype, unless another array tells theirs."""
    array = make(*map(values, args), dtype=dtype, **named)
    told = dtype is not None or array.dtype.kind != "f" or hasattr(args[0], "dtype")
    return array if told else array.astype(get_default_dtype())


def _asarray(obj: Any, /, *, dtype: Any = None, copy: bool | None = None) -> Any:
    """`obj` itself if it is a tensor of that dtype, without `copy`; or else a copy."""
    if isinstance(obj, Node):
        return obj.astype(dtype or obj.dtype, copy=bool(copy))  # type: ignore[attr-defined]
    if copy is False:
        raise ValueError("asarray: only a tensor is taken without a copy")
    return _create(lambda x, dtype: np.array(x, dtype and native(dtype)), obj, dtype=dtype)


def _of_values(function: Callable[..., Any], x: Any) -> Any:
    return function(values(x))


def _in_dtype(function: Callable[..., Any], x: Any, /, *, dtype: Any = None, **named: Any) -> Any:
    return function(x if dtype is None else np.astype(x, dtype), **named)


def _argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    backwards = np.argsort(np.flip(values(x), axis), axis=axis, stable=True)
    return x.shape[axis] - 1 - np.flip(backwards, axis)


_OWN: dict[str, Callable[..., Any]] = {
    **{name: functools.partial(_create, getattr(np, name)) for name in _CREATE.split()},
    **{name: functools.partial(_of_values, getattr(np, name)) for name in _OF_VALUES.split()},
    **{name: functools.partial(_in_dtype, getattr(np, name)) for name in ("sum", "prod")},
    "cumulative_sum": functools.partial(_in_dtype, np.cumsum),
    "cumulative_prod": functools.partial(_in_dtype, np.cumprod),
    "sort": lambda x, /, *, axis=-1, **order: np.take_along_axis(
        x, _argsort(x, axis=axis, **order), axis),
    "unstack": lambda x, /, *, axis=0: tuple(unbind(x, axis)),
    "argsort": _argsort, "asarray": _asarray, "real": np.positive, "vecdot": vecdot,
}  # fmt: skip
globals().update({name: _here(name, function) for name, function in _OWN.items()})
isdtype, broadcast_shapes = np.isdtype, np.broadcast_shapes
finfo, iinfo = (
    lambda x, f=f: f(x.array.dtype if isinstance(x, Node) else x) for f in (np.finfo, np.iinfo)
)
linalg: Any = ModuleType(f"{__name__}.linalg")
linalg.__getattr__ = lambda name: _adopted(np.linalg, name, vars(linalg))
