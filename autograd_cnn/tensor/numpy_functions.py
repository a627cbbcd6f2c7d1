"""NumPy's own functions on tensors: which op each becomes, which answers are constants.

`apply_ufunc` and `apply_function` are what NumPy's protocols call.  A function in none of the
tables raises TypeError: NumPy never cuts the graph in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.engine.node import Node, values
from autograd_cnn.ops import (
    arithmetic,
    exponential,
    join,
    matrix,
    pick,
    product,
    reduce,
    shape,
    sort,
    trigonometry,
)
from autograd_cnn.tensor import numpy_compositions
from autograd_cnn.tensor.numpy_special import SPECIAL, copied, refuse

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    getattr(np, name): getattr(module, name)
    for module, names in (
        (arithmetic, "add subtract multiply divide negative sign maximum minimum reciprocal"),
        (arithmetic, "floor ceil trunc floor_divide remainder"),
        (exponential, "power square exp exp2 expm1 log log2 log10 log1p sqrt cbrt logaddexp"),
        (trigonometry, "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh"),
        (trigonometry, "hypot arctan2 degrees radians"),
        (product, "matmul"),
    )
    for name in names.split()
} | {
    np.absolute: arithmetic.abs,
    np.fabs: arithmetic.abs,
    np.positive: copied,
    np.conjugate: copied,
    np.rint: arithmetic.round,
    np.rad2deg: trigonometry.degrees,
    np.deg2rad: trigonometry.radians,
    np.vecdot: numpy_compositions.vecdot,
}

_CONSTANT_UFUNC_NAMES = """
less less_equal equal not_equal greater greater_equal isnan isinf isfinite signbit logical_and
logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
gcd lcm
"""
CONSTANT_UFUNCS = {getattr(np, name) for name in _CONSTANT_UFUNC_NAMES.split()}

# Arguments in NumPy's order.  "*" marks an input, "-" an option that is not supported, "a:b" the
# argument a that is called b here.
_REDUCTION = "a* axis -dtype -out keepdims -initial -where"
_EXTREME = "a* axis -out keepdims -initial -where"
_SPREAD = "a* axis -dtype -out ddof keepdims -where -mean -correction"
_QUANTILE = "a* q axis -out -overwrite_input -method keepdims -weights -interpolation"
FUNCTIONS: dict[Callable[..., Any], tuple[Callable[..., Any], str]] = {
    np.sum: (reduce.sum, _REDUCTION),
    np.prod: (reduce.prod, _REDUCTION),
    np.mean: (reduce.mean, "a* axis -dtype -out keepdims -where"),
    np.max: (reduce.max, _EXTREME),
    np.min: (reduce.min, _EXTREME),
    np.nansum: (reduce.nansum, _REDUCTION),
    np.nanmean: (reduce.nanmean, "a* axis -dtype -out keepdims -where"),
    np.ptp: (reduce.ptp, "a* axis -out keepdims"),
    np.median: (sort.median, "a* axis -out -overwrite_input keepdims"),
    np.average: (reduce.average, "a* axis weights* -returned keepdims"),
    np.cumsum: (reduce.cumsum, "a* axis -dtype -out"),
    np.cumprod: (reduce.cumprod, "a* axis -dtype -out"),
    np.diff: (reduce.diff, "a* n axis -prepend -append"),
    np.round: (arithmetic.round, "a* decimals -out"),
    np.sort: (sort.sort, "a* axis -kind -order -stable"),
    np.reshape: (shape.reshape, "a* shape -order -copy"),
    np.ravel: (shape.ravel, "a* -order"),
    np.transpose: (shape.transpose, "a* axes"),
    np.squeeze: (shape.squeeze, "a* axis"),
    np.expand_dims: (shape.expand_dims, "a* axis"),
    np.swapaxes: (shape.swapaxes, "a* axis1 axis2"),
    np.moveaxis: (shape.moveaxis, "a* source destination"),
    np.broadcast_to: (shape.broadcast_to, "array* shape -subok"),
    np.copy: (copied, "a* -order -subok"),
    np.flip: (shape.flip, "m* axis"),
    np.flipud: (shape.flipud, "m*"),
    np.fliplr: (shape.fliplr, "m*"),
    np.roll: (join.roll, "a* shift axis"),
    np.repeat: (join.repeat, "a* repeats axis"),
    np.tile: (join.tile, "A* reps"),
    np.stack: (join.stack, "arrays* axis -out -dtype -casting"),
    np.vstack: (join.vstack, "tup* -dtype -casting"),
    np.hstack: (join.hstack, "tup* -dtype -casting"),
    np.column_stack: (join.column_stack, "tup*"),
    np.split: (join.split, "ary* indices_or_sections axis"),
    np.array_split: (join.array_split, "ary* indices_or_sections axis"),
    np.take: (pick.take, "a* indices axis -out -mode"),
    np.take_along_axis: (pick.take_along_axis, "arr* indices axis"),
    np.diag: (pick.diag, "v* k"),
    np.diagonal: (pick.diagonal, "a* offset axis1 axis2"),
    np.trace: (matrix.trace, "a* offset axis1 axis2 -dtype -out"),
    np.tril: (pick.tril, "m* k"),
    np.triu: (pick.triu, "m* k"),
    np.dot: (product.dot, "a* b* -out"),
    np.inner: (product.inner, "a* b*"),
    np.outer: (product.outer, "a* b* -out"),
    np.vdot: (product.vdot, "a* b*"),
    np.tensordot: (product.tensordot, "a* b* axes"),
    np.linalg.norm: (matrix.norm, "x* ord axis keepdims"),
    np.linalg.inv: (matrix.inv, "a*"),
    np.linalg.solve: (matrix.solve, "a* b*"),
    np.linalg.det: (matrix.det, "a*"),
    np.linalg.slogdet: (matrix.slogdet, "a*"),
    np.linalg.cholesky: (matrix.cholesky, "a* -upper"),
    np.linalg.matrix_power: (matrix.matrix_power, "a* n"),
}
# Names that NumPy gained later, or has twice as functions of their own.
for _name, _like, _spec in (
    ("amax", np.max, _EXTREME),
    ("amin", np.min, _EXTREME),
    ("around", np.round, "a* decimals -out"),
    ("matrix_transpose", shape.matrix_transpose, "x*"),
    ("linalg.matrix_transpose", shape.matrix_transpose, "x*"),
    ("linalg.matmul", product.matmul, "x1* x2*"),
    ("linalg.tensordot", product.tensordot, "x1* x2* axes"),
    ("linalg.outer", product.outer, "x1* x2*"),
    ("astype", arithmetic.astype, "x* dtype -device"),
    ("cumulative_sum", reduce.cumsum, "x* axis -dtype -out -include_initial"),
    ("cumulative_prod", reduce.cumprod, "x* axis -dtype -out -include_initial"),
    ("nanprod", numpy_compositions.nanprod, _REDUCTION),
    ("nancumsum", numpy_compositions.nancumsum, "a* axis -dtype -out"),
    ("nancumprod", numpy_compositions.nancumprod, "a* axis -dtype -out"),
    ("nanmax", numpy_compositions.nanmax, _EXTREME),
    ("nanmin", numpy_compositions.nanmin, _EXTREME),
    ("nanvar", numpy_compositions.nanvar, _SPREAD),
    ("nanstd", numpy_compositions.nanstd, _SPREAD),
    ("nanmedian", numpy_compositions.nanmedian, "a* axis -out -overwrite_input keepdims"),
    ("nan_to_num", numpy_compositions.nan_to_num, "x* copy nan posinf neginf"),
    ("quantile", numpy_compositions.quantile, _QUANTILE),
    ("percentile", numpy_compositions.percentile, _QUANTILE),
    ("nanquantile", numpy_compositions.nanquantile, _QUANTILE),
    ("nanpercentile", numpy_compositions.nanpercentile, _QUANTILE),
    ("append", numpy_compositions.append, "arr* values* axis"),
    ("dstack", numpy_compositions.dstack, "tup*"),
    ("hsplit", numpy_compositions.hsplit, "ary* indices_or_sections"),
    ("vsplit", numpy_compositions.vsplit, "ary* indices_or_sections"),
    ("dsplit", numpy_compositions.dsplit, "ary* indices_or_sections"),
    ("rot90", numpy_compositions.rot90, "m* k axes"),
    ("kron", numpy_compositions.kron, "a* b*"),
    ("linalg.multi_dot", numpy_compositions.multi_dot, "arrays* -out"),
    ("linalg.vecdot", numpy_compositions.vecdot, "x1* x2* axis"),
    ("linalg.diagonal", numpy_compositions.matrix_diagonal, "x* offset"),
    ("linalg.trace", numpy_compositions.matrix_trace, "x* offset -dtype"),
    ("linalg.vector_norm", numpy_compositions.vector_norm, "x* axis keepdims ord"),
    ("linalg.matrix_norm", numpy_compositions.matrix_norm, "x* keepdims ord"),
):
    _found: Any = np
    for _part in _name.split("."):
        _found = getattr(_found, _part, None)
    if _found is not None:
        FUNCTIONS.setdefault(_found, (FUNCTIONS.get(_like, (_like, ""))[0], _spec))

_CONSTANT_NAMES = """
all allclose any argmax argmin argpartition argsort argwhere array2string array_equal array_equiv
array_repr array_str can_cast common_type count_nonzero diag_indices_from digitize empty_like
flatnonzero full_like isclose iscomplex iscomplexobj isin isneginf isposinf isreal isrealobj
lexsort may_share_memory min_scalar_type nanargmax nanargmin nonzero ndim ones_like
ravel_multi_index result_type save savetxt savez savez_compressed searchsorted shape shares_memory
size tril_indices_from triu_indices_from unique unravel_index zeros_like
"""
CONSTANTS = {getattr(np, name) for name in _CONSTANT_NAMES.split()} | {np.linalg.matrix_rank}

_NO_OUT = "write a = a + t, not a += t, into an array, and p -= step under ag.no_grad() for p.data"

# What an option may hold without changing anything.
_HARMLESS = (None, False, "C", "raise", "same_kind", "linear")


def full_name(function: Any) -> str:
    """``np.linalg.inv`` and the like."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"np{module.removeprefix('numpy')}.{function.__name__}"


def apply_ufunc(ufunc: np.ufunc, method: str, args: Any, options: dict[str, Any]) -> Any:
    """A ufunc on tensors: the op, or plain values where the answer is a constant.

    Raises TypeError for a ufunc that is neither, for its methods (reduce, at) and its options.
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
    """One of NumPy's other functions on tensors: an op, a composition, or plain values.

    Raises TypeError for a function that is none of these and for options that no op has.
    """
    if function in FUNCTIONS:
        ours, spec = FUNCTIONS[function]
        inputs, settings = _sorted(full_name(function), spec, args, options)
        return ours(*inputs, **settings)
    if function in SPECIAL:
        return SPECIAL[function](*args, **options)
    if function in CONSTANTS:
        return function(*plain(args), **plain(options))
    return refuse(full_name(function))


def plain(x: Any) -> Any:
    """`x` with arrays in the place of tensors, also inside lists, tuples and dictionaries."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain, x)) if type(x) in (list, tuple) else x
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    return values(x) if isinstance(x, Node) else x


def _sorted(
    name: str, spec: str, args: Any, options: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """A call's arguments as inputs and settings of the op, by the table's `spec`."""
    words = spec.split()
    names = [word.strip("*-") for word in words]
    if len(args) > len(names):
        raise TypeError(f"{name}: got {len(args)} arguments, it takes {len(names)}")
    given = dict(zip(names, args))
    for key, value in options.items():
        if key in given:
            raise TypeError(f"{name}: got {key!r} twice")
        given[key] = value
    inputs, settings = [], {}
    for key, value in given.items():
        word = words[names.index(key)] if key in names else f"-{key}"
        if value is np._NoValue:
            continue
        if word.endswith("*"):
            inputs.append((names.index(key), value))
        elif not word.startswith("-"):
            settings[key] = value
        elif not any(value is harmless for harmless in _HARMLESS):
            refuse(name, f"no op takes {key}=")
    return [value for _, value in sorted(inputs, key=lambda pair: pair[0])], settings


def status(function: Any) -> str:
    """'differentiable', 'constant' or 'unsupported': what becomes of a NumPy function here."""
    if function in UFUNCS or function in FUNCTIONS or function in SPECIAL:
        return "differentiable"
    return "constant" if function in CONSTANTS or function in CONSTANT_UFUNCS else "unsupported"
