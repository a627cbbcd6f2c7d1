"""The operators of ONNX as functions: inputs by position, attributes by name.

Where an attribute became an input in a later version, one parameter takes both.  A function that
asks for `opset`, `outputs` (how many are used) or `training` is given them.  Constants and shapes
are arrays, what was computed from parameters is a tensor.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.engine.node import Node, values
from autograd_cnn.onnx.operators_network import NETWORK
from autograd_cnn.onnx.operators_recurrent import RECURRENT
from autograd_cnn.onnx.operators_resize import RESIZING, ints
from autograd_cnn.onnx.tensors import dtype_of


def _divide(a, b):
    if a.dtype.kind == "f":
        return ag.divide(a, b)
    whole = a // b
    return whole + ((a % b != 0) & ((a < 0) != (b < 0))).astype(whole.dtype)  # towards zero


def _softmax(function):
    """Softmax or its logarithm; before opset 13 over all axes from `axis` on."""

    def run(x, *, opset, axis=None):
        if opset >= 13:
            return function(x, -1 if axis is None else axis)
        return function(_flatten(x, axis=1 if axis is None else axis), 1).reshape(x.shape)

    return run


def _flatten(x, *, axis=1):
    return x.reshape((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _reshape(x, shape, *, allowzero=0):
    given = enumerate(ints(shape))
    return x.reshape(tuple(x.shape[i] if n == 0 and not allowzero else n for i, n in given))


def _split(x, split=None, *, outputs, axis=0, num_outputs=None):
    n, count = x.shape[axis], num_outputs or outputs
    size = -(-n // count)
    sizes = ints(split) if split is not None else [min(size, n - i * size) for i in range(count)]
    if sum(sizes) != n or min(sizes) < 0:
        raise ValueError(f"parts of sizes {list(sizes)} are not the {n} values of axis {axis}")
    ends = np.cumsum(sizes)
    lead = (slice(None),) * (axis % x.ndim)
    return tuple(x[(*lead, slice(int(end - size), int(end)))] for size, end in zip(sizes, ends))


def _cut(x, starts, ends, axes=None, steps=None):
    first, last = ints(starts), ints(ends)
    places = range(len(first)) if axes is None else ints(axes)
    strides = (1,) * len(first) if steps is None else ints(steps)
    index = [slice(None)] * x.ndim
    for axis, *bounds in zip(places, first, last, strides, strict=True):
        index[axis] = slice(*bounds)
    return x[tuple(index)]


def _pad(x, pads, value=None, axes=None, *, mode="constant"):
    given = ints(pads)
    pairs = [(0, 0)] * x.ndim
    places = range(x.ndim) if axes is None else ints(axes)
    for axis, *pair in zip(places, given[: len(given) // 2], given[len(given) // 2 :], strict=True):
        pairs[axis] = (pair[0], pair[1])
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}
    fill = None if value is None or mode != "constant" else np.asarray(values(value)).item()
    return F.pad(x, flat, modes.get(mode, mode), fill)


def _cast(x, *, to, saturate=1, round_mode="up"):
    """Another dtype.  A tensor stays one in floating dtypes; bfloat16 becomes float32 there."""
    dtype, tensor = dtype_of(to), isinstance(x, Node)
    if dtype is not None and (to != 16 or tensor):
        with np.errstate(invalid="ignore", over="ignore"):
            return (x if tensor and dtype.kind == "f" else values(x)).astype(dtype)
    if tensor:
        raise ValueError(f"numbers of the type {to} pass no gradients")
    try:
        from onnx.reference.ops.op_cast import cast_to
    except ImportError:
        hint = f"numbers of the type {to} need: pip install 'autograd-cnn[onnx]'"
        raise ImportError(hint) from None
    return cast_to(x, to, saturate, round_mode)


def _constant(*, value=None, value_float=None, value_floats=None, value_int=None, value_ints=None):
    if value is not None:
        return value
    real = value_float if value_floats is None else value_floats
    whole = value_int if value_ints is None else value_ints
    return np.array(whole, np.int64) if real is None else np.array(real, np.float32)


def _constant_of_shape(shape, *, value=None):
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(ints(shape), value.reshape(()), value.dtype)


def _reduction(function, empty=None):
    """Over axes, which once were an attribute; `empty` gives what no values give, by dtype."""

    def run(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        over = ints(axes) if axes is not None else ()
        if not over and noop_with_empty_axes:
            return x
        over = over or tuple(range(x.ndim))
        if empty is not None and x.size == 0:
            shape = [n or int(i in over or i - x.ndim in over) for i, n in enumerate(x.shape)]
            x = np.full(shape, empty(x.dtype), x.dtype)
        return function(x, axis=over, keepdims=bool(keepdims)).astype(x.dtype)

    return run


def _lowest(dtype):
    return -math.inf if dtype.kind == "f" else dtype.kind != "b" and np.iinfo(dtype).min


def _highest(dtype):
    return math.inf if dtype.kind == "f" else dtype.kind == "b" or np.iinfo(dtype).max


def _scatter(x, indices, updates, *, reduction="none"):
    index = tuple(np.moveaxis(values(indices), -1, 0))
    if reduction == "none":
        return ag.put(x, updates, index=index)
    if reduction == "add":
        return x + ag.scatter_add(updates, index=index, shape=x.shape)
    raise ValueError(f"reduction must be 'none' or 'add' here, got {reduction!r}")


def _argmax(x, *, axis=0, keepdims=1, select_last_index=0):
    cells = np.flip(values(x), axis) if select_last_index else values(x)
    found = np.argmax(cells, axis, keepdims=bool(keepdims))
    return cells.shape[axis] - 1 - found if select_last_index else found


def _cumsum(x, axis, *, exclusive=0, reverse=0):
    place = int(values(axis).item())
    x = ag.flip(x, axis=place) if reverse else x
    total = ag.cumsum(x, axis=place)
    total = total - x if exclusive else total
    return ag.flip(total, axis=place) if reverse else total


def _folded(function):
    """A function of two for any number of inputs."""

    return lambda *xs: functools.reduce(function, xs)


def _plainly(function):
    """A function of values, through which no gradient passes."""

    return lambda a, b: function(values(a), values(b))


_NAMES = """
    Abs abs, Acos acos, Acosh arccosh, Add add, Asin asin, Asinh arcsinh, Atan atan, Atanh arctanh,
    Ceil ceil, Cos cos, Cosh cosh, Det det, Erf erf, Exp exp, Floor floor, Log log, MatMul matmul,
    Mul multiply, Neg negative, Reciprocal reciprocal, Relu relu, Round round, Sigmoid sigmoid,
    Sign sign, Sin sin, Sinh sinh, Sqrt sqrt, Sub subtract, Tan tan, Tanh tanh, Where where
"""
_PLAIN = """
    And logical_and, Equal equal, Greater greater, GreaterOrEqual greater_equal, Less less,
    LessOrEqual less_equal, Or logical_or, Xor logical_xor
"""
OPERATORS: dict[str, Any] = {
    **{name: getattr(ag, own) for name, own in map(str.split, _NAMES.split(","))},
    **{name: _plainly(getattr(np, own)) for name, own in map(str.split, _PLAIN.split(","))},
    **NETWORK,
    **RECURRENT,
    **RESIZING,
    "ArgMax": _argmax,
    "Cast": _cast,
    "Clip": lambda x, min=None, max=None: x if min is max is None else ag.clip(x, min, max),
    "Concat": lambda *xs, axis: ag.concatenate(list(xs), axis=axis),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "CumSum": _cumsum,
    "Div": _divide,
    "Einsum": lambda *xs, equation: ag.einsum(equation, *xs),
    "Elu": lambda x, *, alpha=1.0: F.elu(x, alpha),
    "Expand": lambda x, shape: ag.broadcast_to(x, shape=np.broadcast_shapes(x.shape, ints(shape))),
    "Flatten": _flatten,
    "Gather": lambda x, i, *, axis=0: ag.take(x, indices=values(i), axis=axis),
    "Gelu": lambda x, *, approximate="none": F.gelu(x, approximate),
    "HardSigmoid": lambda x, *, alpha=0.2, beta=0.5: ag.clip(alpha * x + beta, 0.0, 1.0),
    "HardSwish": lambda x: F.hardswish(x),
    "Identity": lambda x: x,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "LogSoftmax": _softmax(F.log_softmax),
    "Max": _folded(ag.maximum),
    "Mean": lambda *xs: functools.reduce(ag.add, xs) / len(xs),
    "Min": _folded(ag.minimum),
    "Mod": lambda a, b, *, fmod=0: ag.fmod(a, b) if fmod else ag.remainder(a, b),
    "Not": lambda x: np.logical_not(values(x)),
    "PRelu": lambda x, slope: ag.where(values(x) < 0, slope * x, x),
    "Pad": _pad,
    "Pow": lambda x, y: ag.power(x, y).astype(x.dtype),
    "ReduceLogSumExp": _reduction(ag.logsumexp),
    "ReduceMax": _reduction(ag.amax, _lowest),
    "ReduceMean": _reduction(ag.mean),
    "ReduceMin": _reduction(ag.amin, _highest),
    "ReduceSum": _reduction(ag.sum),
    "Reshape": _reshape,
    "Selu": lambda x, *, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875: (
        gamma * F.elu(x, alpha)
    ),
    "ScatterND": _scatter,
    "Shape": lambda x, *, start=0, end=None: np.array(x.shape[start:end], np.int64),
    "Size": lambda x: np.array(x.size, np.int64),
    "Slice": _cut,
    "Softmax": _softmax(F.softmax),
    "Softplus": lambda x: ag.logaddexp(x, np.zeros((), x.dtype)),
    "Split": _split,
    "Squeeze": lambda x, axes=None: ag.squeeze(x, axis=None if axes is None else ints(axes)),
    "Sum": _folded(ag.add),
    "Tile": lambda x, repeats: ag.tile(x, ints(repeats)),
    "Transpose": lambda x, *, perm=None: x.transpose(perm or tuple(range(x.ndim))[::-1]),
    "Unsqueeze": lambda x, axes: ag.expand_dims(x, axis=ints(axes)),
}
"""The function of each operator."""
SETTINGS = {"BatchNormalization": (3, 4), "Clip": (1, 2), "Dropout": (1,), "Pad": (2,),
            "Resize": (1, 2, 3), "Upsample": (1,)}  # fmt: skip
"""Inputs that are settings or statistics: an initializer there is no parameter."""
WEIGHED = {"Conv", "ConvTranspose", "GRU", "Gemm", "LSTM", "MatMul", "PRelu"} | {
    name for name in OPERATORS if name.endswith("Normalization")
}
"""Operators that take no weights of 8 or 16 bits."""
