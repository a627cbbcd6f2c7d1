"""NumPy's own functions on tensors: the op that each becomes, and those with constant results.

NumPy's protocols call `apply_ufunc` and `apply_function`.  A function in none of the tables raises
TypeError, because NumPy would cut the graph in silence.  Add a function to `_NAMES`, or to
`numpy_special.SPECIAL` if its arguments need work.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn import ops
from autograd_cnn.engine.node import Node, values
from autograd_cnn.tensor import numpy_compositions as composed
from autograd_cnn.tensor.numpy_rarer import RARER_UFUNCS
from autograd_cnn.tensor.numpy_special import SPECIAL, copied, plots, refuse

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    getattr(np, name): getattr(module, name)
    for module in (ops.arithmetic, ops.exponential, ops.trigonometry, ops.product)
    for name in module.__all__
    if isinstance(getattr(np, name, None), np.ufunc)
} | {
    np.fabs: ops.arithmetic.abs,
    np.positive: copied,
    np.conjugate: copied,
    np.rint: ops.arithmetic.round,
    np.rad2deg: ops.trigonometry.degrees,
    np.deg2rad: ops.trigonometry.radians,
    np.vecdot: composed.vecdot,
    **RARER_UFUNCS,
}
_CONSTANT_UFUNC_NAMES = """
less less_equal equal not_equal greater greater_equal isnan isinf isfinite signbit logical_and
logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
gcd lcm
"""
CONSTANT_UFUNCS = {getattr(np, name) for name in _CONSTANT_UFUNC_NAMES.split()}

_NAMES = {
    ops.arithmetic: "astype round",
    ops.reduce: """amax amin average cumsum diff max mean min nanmean nansum prod ptp std
        sum var""",
    ops.running: "cumprod",
    ops.sort: "median sort",
    ops.shape: """broadcast_to expand_dims flip fliplr flipud linalg.matrix_transpose
        matrix_transpose moveaxis ravel reshape squeeze swapaxes transpose""",
    ops.join: "array_split column_stack hstack repeat roll split stack tile vstack",
    ops.pick: "diag diagonal take take_along_axis tril triu",
    ops.product: "dot inner linalg.matmul linalg.outer linalg.tensordot outer tensordot vdot",
    ops.matrix: """linalg.cholesky linalg.det linalg.inv linalg.matrix_power linalg.norm
        linalg.pinv linalg.slogdet linalg.solve trace""",
    composed: """append dsplit dstack hsplit kron linalg.matrix_norm linalg.multi_dot linalg.vecdot
        linalg.vector_norm nan_to_num nancumprod nancumsum nanmax nanmedian nanmin nanpercentile
        nanprod nanquantile nanstd nanvar percentile quantile rot90 vsplit""",
}
"""NumPy's functions that are an op or a composition of that name in one of our modules."""


def _numpy(name: str) -> Any:
    """NumPy's function of that name; None where this NumPy is older than the function."""
    owner = np.linalg if name.startswith("linalg.") else np
    return getattr(owner, name.rpartition(".")[-1], None)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    _numpy(name): getattr(module, name.rpartition(".")[-1])
    for module, names in _NAMES.items()
    for name in names.split()
} | {
    np.around: ops.arithmetic.round,
    np.copy: copied,
    np.real: copied,
    np.real_if_close: copied,
    np.fix: ops.arithmetic.trunc,
    _numpy("cumulative_prod"): ops.running.cumprod,
    _numpy("cumulative_sum"): ops.reduce.cumsum,
    np.linalg.diagonal: composed.matrix_diagonal,
    np.linalg.trace: composed.matrix_trace,
}
FUNCTIONS.pop(None, None)

_CONSTANT_NAMES = """
all allclose any argmax argmin argpartition argsort argwhere array2string array_equal array_equiv
array_repr array_str can_cast common_type count_nonzero diag_indices_from digitize empty_like
flatnonzero full_like isclose iscomplex iscomplexobj isin isneginf isposinf isreal isrealobj
lexsort may_share_memory min_scalar_type nanargmax nanargmin nonzero ndim ones_like
ravel_multi_index result_type save savetxt savez savez_compressed searchsorted shape shares_memory
size tril_indices_from triu_indices_from unique unravel_index zeros_like
"""
CONSTANTS = {getattr(np, name) for name in _CONSTANT_NAMES.split()} | {np.linalg.matrix_rank}

_NO_OUT = "write a = a + t, not a += t, into an array"


def full_name(function: Any) -> str:
    """``np.linalg.inv`` and the like."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"np{module.removeprefix('numpy')}.{function.__name__}"


def apply_ufunc(ufunc: np.ufunc, method: str, args: Any, options: dict[str, Any]) -> Any:
    """A ufunc on tensors: the op, or plain values where the result is a constant.

    Methods (reduce, at) and options raise TypeError.
    """
    if method == "__call__" and not options:
        if ufunc in UFUNCS:
            return UFUNCS[ufunc](*args)
        if ufunc in CONSTANT_UFUNCS:
            return ufunc(*map(values, args))
    elif ufunc in UFUNCS and method == "__call__":
        problem = f"no op takes the options {', '.join(map(repr, options))}"
        instead = _NO_OUT if "out" in options else "drop the option"
        return refuse(f"np.{ufunc.__name__}", problem, instead)
    return refuse(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}")


def apply_function(function: Any, args: Any, options: dict[str, Any]) -> Any:
    """One of NumPy's other functions on tensors: an op, a composition, or plain values."""
    if plots(sys._getframe(2)):
        return function(*plain(args), **plain(options))
    if function in FUNCTIONS:
        inputs, settings = _sorted(function, args, options)
        return FUNCTIONS[function](*inputs, **settings)
    if function in SPECIAL:
        return SPECIAL[function](*args, **options)
    if function in CONSTANTS:
        return function(*plain(args), **plain(options))
    return refuse(full_name(function))


def plain(x: Any) -> Any:
    """`x` with arrays instead of tensors, also inside lists, tuples and dictionaries."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain, x)) if type(x) in (list, tuple) else x
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, Node):
        x = np.asarray(x.array).view()
        x.flags.writeable = False  # the caller may keep it
    return x


def _sorted(function: Any, args: Any, options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a NumPy function as inputs and settings of its op.

    An option that the op lacks must hold its default.
    """
    defaults, ours, inputs = _arguments(function)
    given = {**dict(zip(defaults, args)), **options}
    found = {}
    for name, x in given.items():
        if name in ours and x is not np._NoValue:
            found[ours[name]] = x
        elif not any(x is default for default in (None, False, np._NoValue, defaults.get(name))):
            refuse(full_name(function), f"no op takes {name}=")
    return [found.pop(name) for name in inputs if name in found], found


@functools.cache
def _arguments(function: Any) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """NumPy's names with their defaults, NumPy's names with ours, and our names of the inputs.

    Settings share their names.  Inputs come first and may differ in name.
    """
    parameters = inspect.signature(FUNCTIONS[function]).parameters
    inputs = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    try:
        theirs = inspect.signature(function).parameters
    except ValueError:  # a function in C, of NumPy before 2.4
        theirs = parameters
    ours = {name: name for name in theirs if name in parameters}
    ours |= zip([n for n in theirs if n not in ours], [n for n in inputs if n not in theirs])
    if "ddof" in parameters:
        ours["correction"] = "ddof"
    return {name: p.default for name, p in theirs.items()}, ours, inputs


def status(function: Any) -> str:
    """Whether a NumPy function is 'differentiable', 'constant' or 'unsupported' on tensors."""
    if function in UFUNCS or function in FUNCTIONS or function in SPECIAL:
        return "differentiable"
    return "constant" if function in CONSTANTS or function in CONSTANT_UFUNCS else "unsupported"
