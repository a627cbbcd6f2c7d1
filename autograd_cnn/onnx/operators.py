"""The operators of ONNX as functions: inputs by position, attributes by name.

Where an attribute became an input in a later version, one parameter takes both.  A function that
asks for `opset`, `outputs` (how many are used) or `training` is given them.  Constants and shapes
are arrays, what was computed from parameters is a tensor.
"""

from __future__ import annotations

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


def divide(a: Any, b: Any) -> Any:
    if a.dtype.kind == "f":
        return ag.divide(a, b)
    whole = a // b
    return whole + ((a % b != 0) & ((a < 0) != (b < 0))).astype(whole.dtype)  # towards zero


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return x if min is None and max is None else ag.clip(x, min, max)


def softmax(function: Any) -> Any:
    """Softmax or its logarithm; before opset 13 over all axes from `axis` on."""

    def run(x: Any, *, opset: int, axis: int | None = None) -> Any:
        if opset >= 13:
            return function(x, -1 if axis is None else axis)
        return function(flatten(x, axis=1 if axis is None else axis), 1).reshape(x.shape)

    return run


def flatten(x: Any, *, axis: int = 1) -> Any:
    return x.reshape((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    given = enumerate(ints(shape))
    return x.reshape(tuple(x.shape[i] if n == 0 and not allowzero else n for i, n in given))


def expand(x: Any, shape: Any) -> Any:
    return ag.broadcast_to(x, shape=np.broadcast_shapes(x.shape, ints(shape)))


def split(
    x: Any, split: Any = None, *, outputs: int, axis: int = 0, num_outputs: int | None = None
) -> Any:
    n, count = x.shape[axis], num_outputs or outputs
    size = -(-n // count)
    sizes = ints(split) if split is not None else [min(size, n - i * size) for i in range(count)]
    if sum(sizes) != n or min(sizes) < 0:
        raise ValueError(f"parts of sizes {list(sizes)} are not the {n} values of axis {axis}")
    ends = np.cumsum(sizes)
    lead = (slice(None),) * (axis % x.ndim)
    return tuple(x[(*lead, slice(int(end - size), int(end)))] for size, end in zip(sizes, ends))


def cut(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    first, last = ints(starts), ints(ends)
    places = range(len(first)) if axes is None else ints(axes)
    strides = (1,) * len(first) if steps is None else ints(steps)
    index = [slice(None)] * x.ndim
    for axis, *bounds in zip(places, first, last, strides, strict=True):
        index[axis] = slice(*bounds)
    return x[tuple(index)]


def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant") -> Any:
    given = ints(pads)
    pairs = [(0, 0)] * x.ndim
    places = range(x.ndim) if axes is None else ints(axes)
    for axis, *pair in zip(places, given[: len(given) // 2], given[len(given) // 2 :], strict=True):
        pairs[axis] = (pair[0], pair[1])
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}
    fill = None if value is None or mode != "constant" else values(value).item()
    return F.pad(x, flat, modes.get(mode, mode), fill)


def cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    """Another dtype.  A tensor stays one in floating dtypes; bfloat16 becomes float32 there."""
    dtype = dtype_of(to)
    if dtype is not None and (to != 16 or isinstance(x, Node)):
        if isinstance(x, Node) and dtype.kind == "f":
            return x.astype(dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            return values(x).astype(dtype)
    if isinstance(x, Node):
        raise ValueError(f"numbers of the type {to} pass no gradients")
    try:
        from onnx.reference.ops.op_cast import cast_to
    except ImportError:
        hint = f"numbers of the type {to} need: pip install 'autograd-cnn[onnx]'"
        raise ImportError(hint) from None
    return cast_to(x, to, saturate, round_mode)


def constant(
    *, value: Any = None, value_float: Any = None, value_floats: Any = None,
    value_int: Any = None, value_ints: Any = None,
) -> Any:  # fmt: skip
    real = value_float if value_floats is None else value_floats
    whole = value_int if value_ints is None else value_ints
    if value is not None:
        return value
    return np.array(whole, np.int64) if real is None else np.array(real, np.float32)


def constant_of_shape(shape: Any, *, value: Any = np.zeros(1, np.float32)) -> np.ndarray:
    return np.full(ints(shape), value.reshape(()), value.dtype)


def reduction(function: Any, empty: Any = None) -> Any:
    """Over axes, which once were an attribute; `empty` gives what no values give, by dtype."""

    def run(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        over = ints(axes) if axes is not None else ()
        if not over and noop_with_empty_axes:
            return x
        over = over or tuple(range(x.ndim))
        if empty is not None and x.size == 0:
            x = np.full([max(n, int(i in {a % x.ndim for a in over})) for i, n in enumerate(x.shape)],
                        empty(x.dtype), x.dtype)  # fmt: skip
        return function(x, axis=over, keepdims=bool(keepdims)).astype(x.dtype)

    return run


def lowest(dtype: np.dtype[Any]) -> Any:
    return -math.inf if dtype.kind == "f" else dtype.kind != "b" and np.iinfo(dtype).min


def argmax(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    cells = values(x)
    found = np.argmax(np.flip(cells, axis) if select_last_index else cells, axis, keepdims=True)
    found = cells.shape[axis] - 1 - found if select_last_index else found
    return found if keepdims else found.squeeze(axis)


def folded(function: Any) -> Any:
    """A function of two for any number of inputs."""

    def run(x: Any, *others: Any) -> Any:
        for other in others:
            x = function(x, other)
        return x

    return run


def plainly(function: Any) -> Any:
    """A function of values, through which no gradient passes."""

    def run(a: Any, b: Any) -> Any:
        return function(values(a), values(b))

    return run


_NAMES = """
    Abs abs, Add add, Ceil ceil, Cos cos, Erf erf, Exp exp, Floor floor, Log log, MatMul matmul,
    Mul multiply, Neg negative, Reciprocal reciprocal, Relu relu, Sigmoid sigmoid, Sign sign,
    Sin sin, Sqrt sqrt, Sub subtract, Tanh tanh, Where where
"""
_PLAIN = """
    And logical_and, Equal equal, Greater greater, GreaterOrEqual greater_equal, Less less,
    LessOrEqual less_equal, Or logical_or
"""
OPERATORS: dict[str, Any] = {
    **{name: getattr(ag, own) for name, own in map(str.split, _NAMES.split(","))},
    **{name: plainly(getattr(np, own)) for name, own in map(str.split, _PLAIN.split(","))},
    **NETWORK,
    **RECURRENT,
    **RESIZING,
    "ArgMax": argmax,
    "Cast": cast,
    "Clip": clip,
    "Concat": lambda *xs, axis: ag.concatenate(*xs, axis=axis),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Div": divide,
    "Elu": lambda x, *, alpha=1.0: F.elu(x, alpha),
    "Expand": expand,
    "Flatten": flatten,
    "Gather": lambda x, i, *, axis=0: ag.take(x, indices=values(i), axis=axis),
    "Gelu": lambda x, *, approximate="none": F.gelu(x, approximate),
    "HardSigmoid": lambda x, *, alpha=0.2, beta=0.5: ag.clip(alpha * x + beta, 0.0, 1.0),
    "HardSwish": lambda x: F.hardswish(x),
    "Identity": lambda x: x,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "LogSoftmax": softmax(F.log_softmax),
    "Max": folded(ag.maximum),
    "Min": folded(ag.minimum),
    "Not": lambda x: np.logical_not(values(x)),
    "PRelu": lambda x, slope: ag.where(values(x) < 0, slope * x, x),
    "Pad": pad,
    "Pow": lambda x, y: ag.power(x, y).astype(x.dtype),
    "ReduceMax": reduction(ag.amax, lowest),
    "ReduceMean": reduction(ag.mean),
    "ReduceSum": reduction(ag.sum),
    "Reshape": reshape,
    "Selu": lambda x, *, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875: (
        gamma * F.elu(x, alpha)
    ),
    "Shape": lambda x, *, start=0, end=None: np.array(x.shape[start:end], np.int64),
    "Slice": cut,
    "Softmax": softmax(F.softmax),
    "Softplus": lambda x: ag.logaddexp(x, np.zeros((), x.dtype)),
    "Split": split,
    "Squeeze": lambda x, axes=None: ag.squeeze(x, axis=None if axes is None else ints(axes)),
    "Sum": folded(ag.add),
    "Tile": lambda x, repeats: ag.tile(x, ints(repeats)),
    "Transpose": lambda x, *, perm=None: x.transpose(perm or tuple(range(x.ndim))[::-1]),
    "Unsqueeze": lambda x, axes: ag.expand_dims(x, axis=ints(axes)),
}
"""The function of each operator."""
SETTINGS = {"BatchNormalization": (3, 4), "Clip": (1, 2), "Dropout": (1,), "Pad": (2,),
            "Resize": (1, 2, 3), "Upsample": (1,)}  # fmt: skip
"""Inputs that are settings or statistics: an initializer there is no parameter."""
