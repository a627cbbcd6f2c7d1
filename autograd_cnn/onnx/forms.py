"""The form of every op in ONNX, opset 17: nodes that compute the same.

A form is a function of the value, the terms of its inputs in the dtype of the value, and settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from autograd_cnn.onnx.nodes import NoFormError, shape_of
from autograd_cnn.onnx.recording import Value
from autograd_cnn.onnx.selection import flipped, picked, replaced, scattered

Form = Callable[..., Any]

# -------------------------------------------------------------------------------- values one by one

_NODES = {
    **{"abs": "Abs", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "det": "Det", "erf": "Erf"},
    **{"exp": "Exp", "floor": "Floor", "log": "Log", "relu": "Relu", "sigmoid": "Sigmoid"},
    **{"sign": "Sign", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh"},
    **{"arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin", "arcsinh": "Asinh"},
    **{"arctan": "Atan", "arctanh": "Atanh", "negative": "Neg", "power": "Pow"},
    **{"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"},
    **{"maximum": "Max", "minimum": "Min", "matmul": "MatMul"},
}
"""Ops that are one node without settings."""
_TRUTHS = {
    **{"less": "Less", "less_equal": "LessOrEqual", "equal": "Equal", "greater": "Greater"},
    **{"greater_equal": "GreaterOrEqual", "logical_and": "And", "logical_or": "Or"},
    **{"logical_xor": "Xor", "logical_not": "Not"},
}


def _truth(v: Value, *xs: Any) -> Any:
    """A comparison of inputs in their common dtype, or a connection of truth values."""
    common = np.result_type(*(x.dtype for x in xs))
    if v.op.startswith("logical") and common != np.bool_:
        raise NoFormError("its inputs must be truth values")
    first, *rest = (x.cast(common) for x in xs)
    if v.op == "not_equal":
        return first("Equal", *rest, dtype=bool)("Not")
    return first(_TRUTHS[v.op], *rest, dtype=bool)


def _log1p(x: Any) -> Any:
    """log(1 + x); by atanh near 0, where 1 + x loses the digits of x."""
    near = (x / (x + 2.0))("Atanh") * 2.0
    return (x("Abs") < 0.5).where(near, (x + 1.0)("Log"))


def _expm1(x: Any) -> Any:
    half = (x * 0.5)("Max", -40.0)  # below, the result is -1
    return half("Sinh") * half("Exp") * 2.0


def _remainder(x: Any, y: Any) -> Any:
    rest = x("Mod", y, fmod=1)
    return (rest * y < 0.0).where(rest + y, rest)


def _arctan2(y: Any, x: Any) -> Any:
    origin = (x("Abs") + y("Abs"))("Equal", 0.0, dtype=bool)
    turn = (x < 0.0).where((y < 0.0).where(y * 0.0 - math.pi, y * 0.0 + math.pi), y * 0.0)
    return (y / origin.where(1.0, x))("Atan") + turn


def _logaddexp(x: Any, y: Any) -> Any:
    return x("Max", y) + _log1p((-(x - y)("Abs"))("Exp"))


def _round(x: Any, decimals: int) -> Any:
    scale = 10.0**decimals
    return x("Round") if not decimals else (x * scale)("Round") / scale


def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    x = x if low is None else x("Max", low)
    return x if high is None else x("Min", high)


def _curve(x: Any, name: str, beta: float, threshold: float) -> Any:
    if name == "silu":
        return x * x("Sigmoid")
    if name == "gelu":
        return x * 0.5 * ((x * math.sqrt(0.5))("Erf") + 1.0)
    if name == "gelu_tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2.0 / math.pi)
        return x * 0.5 * (inner("Tanh") + 1.0)
    scaled = x if beta == 1.0 else x * beta
    smooth = scaled("Relu") + _log1p((-scaled("Abs"))("Exp"))
    return (-scaled < -threshold).where(x, smooth * (1.0 / beta))


def _floor_divide(x: Any, y: Any) -> Any:
    whole = (x - _remainder(x, y)) / y
    return whole("Round") if x.dtype.kind == "f" else whole


_LN2 = math.log(2.0)
_FORMULAS: dict[str, Form] = {
    "arctan2": _arctan2,
    "cbrt": lambda x: x("Sign") * x("Abs")("Pow", 1.0 / 3.0),
    "clip": _clip,
    "copysign": lambda x, y: (y < 0.0).where(-x("Abs"), x("Abs")),
    "curve": _curve,
    "exp2": lambda x: (x * 0.0 + 2.0)("Pow", x),
    "expm1": _expm1,
    "floor_divide": _floor_divide,
    "fmod": lambda x, y: x("Mod", y, fmod=1),
    "hypot": lambda x, y: (x * x + y * y)("Sqrt"),
    "log10": lambda x: x("Log") * (1.0 / math.log(10.0)),
    "log1p": _log1p,
    "log2": lambda x: x("Log") * (1.0 / _LN2),
    "logabsdet": lambda x: x("Det")("Abs")("Log"),
    "logaddexp": _logaddexp,
    "logaddexp2": lambda x, y: _logaddexp(x * _LN2, y * _LN2) * (1.0 / _LN2),
    "remainder": _remainder,
    "round": _round,
    "same": lambda x: x,
    "trunc": lambda x: x("Sign") * x("Abs")("Floor"),
}

# ------------------------------------------------------------------------------------- along axes


def _reduce(v: Value, x: Any, axis: Any, keepdims: bool) -> Any:
    kind = {"mean": "Mean", "logsumexp": "LogSumExp"}.get(v.op, v.op.capitalize())
    return x.over(f"Reduce{kind}", axis, keepdims) if shape_of(v.inputs[0]) else x


def _var(v: Value, x: Any, axis: Any, keepdims: bool, ddof: float) -> Any:
    off = x - x.over("ReduceMean", axis)
    if not ddof:
        return (off * off).over("ReduceMean", axis, keepdims)
    total = (off * off).over("ReduceSum", axis, keepdims)
    count = x("Size", dtype=np.int64)("Div", total("Size", dtype=np.int64))
    return total / (count.cast(v.dtype) - float(ddof))


def _softmax(v: Value, x: Any, axis: Any) -> Any:
    if isinstance(axis, int):
        return x("Softmax" if v.op == "softmax" else "LogSoftmax", axis=axis)
    off = x - x.over("ReduceLogSumExp", axis)
    return off("Exp") if v.op == "softmax" else off


def _banded(v: Value, x: Any, axis: int, matrix: np.ndarray) -> Any:
    last = len(v.shape) - 1
    if axis == last - 1:
        return x.nodes.term(matrix.astype(v.dtype))("MatMul", x)
    order = [*range(last + 1)]
    order[axis], order[last] = last, axis
    moved = x if axis == last else x("Transpose", perm=order)
    moved = moved("MatMul", np.ascontiguousarray(matrix.T, v.dtype))
    return moved if axis == last else moved("Transpose", perm=order)


def _transpose(v: Value, x: Any, axes: Any) -> Any:
    count = len(v.shape)
    order = range(count)[::-1] if axes is None else [a % count for a in axes]
    return x("Transpose", perm=list(order)) if count else x


def _stack(v: Value, *xs: Any, axis: int) -> Any:
    first, *rest = (x("Unsqueeze", np.array([axis])) for x in xs)
    return first("Concat", *rest, axis=axis)


def _linear(v: Value, x: Any, w: Any, b: Any = None) -> Any:
    if len(v.shape) == 2:
        return x("Gemm", w, *(() if b is None else (b,)), transB=1)
    out = x("MatMul", w("Transpose", perm=[1, 0]))
    return out if b is None else out + b


# ------------------------------------------------------------------------------- windows of images


def _settings(window: Any, **more: Any) -> dict[str, Any]:
    names = {"kernel_shape": window.kernel, "strides": window.stride, "dilations": window.dilation}
    return {**names, "pads": [*window.before, *window.after], **more}


def _padded(x: Any, widths: Any, value: float) -> Any:
    """x with cells of the value around: a pair of numbers for each axis."""
    pads = np.array(widths, np.int64).reshape(-1, 2).T.ravel()
    return x("Pad", pads, np.array(value, x.dtype)) if pads.any() else x


def _conv(v: Value, x: Any, w: Any, b: Any = None, *, window: Any, groups: int) -> Any:
    for n, k, s, d, before, after, out in zip(*window):
        if out != (n + before + after - d * (k - 1) - 1) // s + 1:
            raise NoFormError("its windows leave out a position that would fit")
    return x("Conv", w, *(() if b is None else (b,)), **_settings(window, group=groups))


def _conv_transpose(v: Value, g: Any, w: Any, window: Any, groups: int) -> Any:
    # Runtimes limit output_padding, so less padding behind the image takes its place.
    ends = [(o - 1) * s - b + d * (k - 1) + 1 - n for n, k, s, d, b, _, o in zip(*window)]
    given = _settings(window._replace(after=[max(end, 0) for end in ends]), group=groups)
    out = g("ConvTranspose", w, **given)
    return _padded(out, [(0, 0), (0, 0), *((0, max(-end, 0)) for end in ends)], 0.0)


def _each_cell(x: Any, channels: int, window: Any) -> Any:
    """Filters, a group for each channel, that pick one cell of the window each."""
    cells = math.prod(window.kernel)
    filters = np.eye(cells, dtype=x.dtype).reshape(1, cells, 1, *window.kernel)
    return x.nodes.term(np.repeat(filters, channels, 0).reshape(-1, 1, *window.kernel))


def _unfold(v: Value, x: Any, window: Any) -> Any:
    channels = v.shape[1] // math.prod(window.kernel)
    columns = _conv(v, x, _each_cell(x, channels, window), window=window, groups=channels)
    return columns.reshape(v.shape)


def _fold(v: Value, g: Any, window: Any) -> Any:
    images = g.reshape((v.shape[0], v.shape[1] * math.prod(window.kernel), *window.out))
    return _conv_transpose(v, images, _each_cell(g, v.shape[1], window), window, v.shape[1])


def _avg_pool_grad(
    v: Value, g: Any, window: Any, count_include_pad: bool, divisor_override: int | None
) -> Any:
    if divisor_override is None and any(window.before + window.after):
        raise NoFormError("its windows reach into padding")
    cells, channels = math.prod(window.kernel), v.shape[1]
    share = np.full((channels, 1, *window.kernel), 1.0 / (divisor_override or cells), v.dtype)
    return _conv_transpose(v, g, g.nodes.term(share), window, channels)


def _max_pool(v: Value, x: Any, window: Any) -> Any:
    given = _settings(window)
    if any(p >= k for k, p in zip(window.kernel * 2, given["pads"])):  # which runtimes refuse
        widths = [(0, 0), (0, 0), *zip(window.before, window.after)]
        x, given["pads"] = _padded(x, widths, -math.inf), [0] * len(given["pads"])
    return x("MaxPool", **given)


def _avg_pool(
    v: Value, x: Any, window: Any, count_include_pad: bool, divisor_override: int | None
) -> Any:
    before, after, given = window.before, window.after, _settings(window)
    del given["dilations"]
    if divisor_override is not None:
        mean = x("AveragePool", **given, count_include_pad=1)
        return mean * (math.prod(window.kernel) / divisor_override)
    if count_include_pad and before != after:  # a last window reaches beyond the padding
        x = _padded(x, [(0, 0), (0, 0), *zip(before, before)], 0.0)
        given["pads"] = [0] * len(before) + [a - b for a, b in zip(after, before)]
        count_include_pad = False
    return x("AveragePool", **given, count_include_pad=int(count_include_pad))


# --------------------------------------------------------------------------------- normalisation


def _scaled(v: Value, x: Any, weight: Any, bias: Any = None, relu: bool = False) -> Any:
    """x (N, C, ...) times weight (C,) plus bias (C,), then relu if wanted."""
    sides = np.array([-1, *[1] * (len(v.shape) - 2)])
    x = x if weight is None else x * weight("Reshape", sides)
    x = x if bias is None else x + bias("Reshape", sides)
    return x("Relu") if relu else x


def _statistics(v: Value, x: Any, relu: bool) -> Any:
    """A batch norm layer in evaluation: parameters and buffers have their names."""
    layer: Any = v.origin and v.origin.layers[-1]
    given, path = [], x.nodes.path
    for name, other in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        held = getattr(layer, name)
        array = np.full(layer.num_features, other) if held is None else np.asarray(held)
        term = (
            x.nodes.term
            if held is None
            else partial(x.nodes.initializer, f"{path}.{name}".lstrip("."))
        )
        given.append(term(array.astype(v.dtype)))
    out = x("BatchNormalization", *given, epsilon=layer.eps)
    return out("Relu") if relu else out


def _batch_norm(
    v: Value, x: Any, weight: Any = None, bias: Any = None, *, eps: float, relu: bool, pool: Any
) -> Any:
    axes = (0, *range(2, len(v.shape)))
    off = x - x.over("ReduceMean", axes)
    out = off / ((off * off).over("ReduceMean", axes) + eps)("Sqrt")
    out = _scaled(v, out, weight, bias, relu)
    return out if pool is None else _max_pool(v, out, pool)


def _row_norm(
    v: Value, x: Any, weight: Any = None, bias: Any = None, *, lead: int, groups: int, eps: float
) -> Any:
    if not groups:
        scale = np.ones(v.shape[lead:], v.dtype) if weight is None else weight
        more = () if bias is None else (bias,)
        return x("LayerNormalization", scale, *more, axis=lead, epsilon=eps)
    ones = np.ones(groups, v.dtype)
    if groups == v.shape[1] and len(v.shape) > 2:
        given = [one if w is None else w for one, w in ((ones, weight), (0 * ones, bias))]
        return x("InstanceNormalization", *given, epsilon=eps)
    rows = x("Reshape", np.array([0, groups, -1]))
    rows = rows("InstanceNormalization", ones, 0 * ones, epsilon=eps)
    return _scaled(v, rows.reshape(v.shape), weight, bias)


FORMS: dict[str, Form] = {
    **dict.fromkeys(_NODES, lambda v, x, *rest: x(_NODES[v.op], *rest)),
    **dict.fromkeys(_FORMULAS, lambda v, *xs, **given: _FORMULAS[v.op](*xs, **given)),
    **dict.fromkeys([*_TRUTHS, "not_equal"], _truth),
    **dict.fromkeys(["sum", "max", "min", "mean", "logsumexp"], _reduce),
    **dict.fromkeys(["softmax", "log_softmax"], _softmax),
    **{"var": _var, "banded": _banded, "transpose": _transpose, "stack": _stack},
    **{"linear": _linear, "conv": _conv, "conv_input_grad": _conv_transpose, "unfold": _unfold},
    **{"fold": _fold, "max_pool": _max_pool, "avg_pool": _avg_pool, "row_norm": _row_norm},
    "avg_pool_grad": _avg_pool_grad,
    **{"batch_norm": _batch_norm, "statistics": _statistics, "channel_affine": _scaled},
    **{"flip": flipped, "getitem": picked, "put": replaced, "scatter_add": scattered},
    "astype": lambda v, x, dtype: x.cast(v.dtype),
    "where": lambda v, c, x, y: c.cast(bool).where(x.cast(v.dtype), y.cast(v.dtype)),
    "concatenate": lambda v, x, *rest, axis: x("Concat", *rest, axis=axis),
    "contract": lambda v, x, *rest, subscripts: x("Einsum", *rest, equation=subscripts),
    "cumsum": lambda v, x, axis: (
        x("Reshape", np.array([-1]))("CumSum", np.array(0))
        if axis is None
        else x("CumSum", np.array(axis))
    ),
    "pad": lambda v, x, widths, value: _padded(x, widths, value),
    "reshape": lambda v, x, shape: x.reshape(v.shape),
    "broadcast_to": lambda v, x, shape: x("Expand", x.nodes.sizes(v.shape)),
}
SYMBOLIC = {"reshape", "broadcast_to", "getitem", "scatter_add"}
"""The ops whose settings may depend on the batch."""
OWN_DTYPES = {*_TRUTHS, "not_equal", "where", "astype"}
"""The ops whose inputs keep their dtypes."""
