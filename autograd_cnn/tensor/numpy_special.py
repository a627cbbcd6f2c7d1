"""NumPy's functions whose arguments need work, and the errors for functions without an op."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.ops import arithmetic, join, product, running
from autograd_cnn.ops.shape import broadcast_to, ravel, reshape
from autograd_cnn.tensor.numpy_rarer import RARER

# Alternatives to functions without an op, named without the leading "np.".
_INSTEAD = {
    "np.sum": "add.reduce apply_over_axes",
    "np.prod": "multiply.reduce",
    "np.max": "maximum.reduce",
    "np.min": "minimum.reduce",
    "np.cumsum": "add.accumulate",
    "ag.scatter_add": "add.at bincount",
    "np.concatenate": "block",
    "np.roll": "fft.fftshift fft.ifftshift",
    "an index, x[kept]": "trim_zeros",
    "item assignment, x[index] = v": "put place putmask fill_diagonal put_along_axis",
    "item assignment, x[...] = v": "copyto",
    "np.where": "piecewise",
    "np.sort": "sort_complex",
    "np.remainder": "divmod modf",
    "np.power": "float_power poly polyint polyder",
    "np.convolve": "polymul",
    "np.exp2": "ldexp",
    "np.add": "polyadd",
    "np.subtract": "polysub",
    "np.exp of np.linspace of logarithms": "geomspace logspace",
    "np.broadcast_to": "ix_",
    "np.einsum": "matvec vecmat einsum_path",
    "np.cov": "corrcoef",
    "np.matmul with a matrix of sines and cosines": """fft.fft fft.fft2 fft.fftn fft.ifft fft.ifft2
        fft.ifftn fft.rfft fft.rfft2 fft.rfftn fft.irfft fft.irfft2 fft.irfftn fft.hfft
        fft.ihfft""",
    "np.linalg.solve": "linalg.lstsq linalg.tensorsolve polydiv",
    "np.linalg.inv": "linalg.tensorinv linalg.cond",
    "the tensor itself, which is real": "imag angle",
}
ALTERNATIVES = {f"np.{n}": instead for instead, names in _INSTEAD.items() for n in names.split()}

OWN_GRADIENT = "define its gradient with ag.custom_gradient"


def refuse(name: str, problem: str = "", instead: str = "drop the option") -> NoReturn:
    """Raise the TypeError for a function that would cut the graph, with an alternative."""
    if not problem:
        problem, instead = "no op of that name", OWN_GRADIENT
    if name in ALTERNATIVES:
        instead = f"use {ALTERNATIVES[name]}"
    raise TypeError(
        f"{name} on a Tensor would cut the graph ({problem}); {instead}, or take .numpy() for "
        "plain values"
    )


def refuse_hidden_conversion() -> None:
    """Raise TypeError when NumPy's Python code converts a tensor, as in ``np.sum([t, u])``, or the
    operator of a foreign object on its left.

    Such a list bypasses NumPy's protocols.  ``np.asarray(t)``, ``np.testing`` and plots are
    allowed.
    """
    frame, name = sys._getframe(2), ""
    while _module(frame).startswith("numpy.") and frame.f_back is not None:
        if _module(frame).startswith("numpy.testing"):
            return
        frame, name = frame.f_back, frame.f_code.co_name
    if name and not plots(frame):
        taker = "numpy.ma" if name == "wrapper" else f"NumPy's {name}"
        raise TypeError(
            f"{taker} would take a tensor's values and cut the graph; take .numpy() for plain "
            "values, or join the tensors of a list with ag.stack"
        )
    caller: FrameType | None = frame
    while caller is not None:
        code = caller.f_code
        if code.co_name in _OPERATORS:
            names = code.co_varnames[: code.co_argcount + 1]  # and *args, if there are any
            left, *others = (caller.f_locals.get(n) for n in names)
            listed = [x for other in others for x in (other if type(other) is tuple else (other,))]
            if any(isinstance(x, Node) for x in listed) and not isinstance(left, Node):
                raise TypeError(
                    f"{type(left).__name__}.{code.co_name} would take a tensor's values and cut "
                    "the graph; put the tensor first, or take .numpy() for plain values"
                )
        caller = caller.f_back


_NAMES = "add sub mul truediv floordiv mod pow matmul iadd isub imul itruediv ifloordiv ipow"
_OPERATORS = {f"__{name}__" for name in [*_NAMES.split(), "array_ufunc"]}
_OPERATORS |= {"dot", "multiply", "_flex_arith_method"}  # the last stands for pandas' df.add


def plots(frame: FrameType) -> bool:
    """Whether this is Matplotlib, which asks for values in many ways."""
    return _module(frame).startswith("matplotlib.")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _only(name: str, options: dict[str, Any]) -> None:
    """Refuse options that do not hold their defaults."""
    for key, value in options.items():
        if not any(value is default for default in (None, False, "same_kind", "safe", "K")):
            refuse(name, f"no op takes {key}=")


def copied(x: Array) -> Array:
    """The same values in new memory."""
    return arithmetic.astype(x, dtype=x.dtype)


def _where(condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.nonzero(values(condition))
    return arithmetic.where(values(condition), *branches)


def _concatenate(arrays: Any, /, axis: int | None = 0, out: Any = None, **options: Any) -> Any:
    _only("np.concatenate", {"out": out, **options})
    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    return join.concatenate(arrays, axis=axis)


def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None,
    max: Any = None, **options: Any,
) -> Any:  # fmt: skip
    _only("np.clip", {"out": out, **options})
    low, high = (
        None if bound is np._NoValue else bound
        for bound in (a_min if min is None else min, a_max if max is None else max)
    )
    return arithmetic.clip(a, low, high)


def _pad(array: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    value = options.pop("constant_values", 0.0)
    if mode != "constant" or options or np.ndim(value):
        refuse("np.pad", "its op fills with one constant value only")
    if isinstance(pad_width, dict):
        widths = np.zeros((array.ndim, 2), int)
        for axis, width in pad_width.items():
            widths[axis] = width
    else:
        widths = np.broadcast_to(np.asarray(values(pad_width)), (array.ndim, 2))
    pairs = tuple((int(before), int(after)) for before, after in widths)
    return join.pad(array, widths=pairs, value=values(value))


def _einsum(*operands: Any, out: Any = None, optimize: Any = None, **options: Any) -> Any:
    _only("np.einsum", {"out": out, **options})
    return product.einsum(*operands)


def _gradient(f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    given = spacing[0] if len(spacing) == 1 else list(spacing) or 1.0
    return running.gradient(f, spacing=given, axis=axis, edge_order=edge_order)


def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    _only("np.meshgrid", {"sparse": sparse})
    return join.meshgrid(*xi, indexing=indexing)


def _broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*(np.shape(values(x)) for x in args))
    return tuple(broadcast_to(x, shape=shape) for x in args)


def _at_least(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arrays: Any) -> Any:
        found = tuple(reshape(x, shape=function(values(x)).shape) for x in arrays)
        return found[0] if len(found) == 1 else found

    return call


SPECIAL: dict[Callable[..., Any], Callable[..., Any]] = {
    np.where: _where,
    np.concatenate: _concatenate,
    np.clip: _clip,
    np.pad: _pad,
    np.einsum: _einsum,
    np.gradient: _gradient,
    np.meshgrid: _meshgrid,
    np.broadcast_arrays: _broadcast_arrays,
    **{
        np_at_least: _at_least(np_at_least)
        for np_at_least in (np.atleast_1d, np.atleast_2d, np.atleast_3d)
    },
    **RARER,
}
